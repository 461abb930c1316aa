"""Linear probe: how well a straight boundary in the embedding tells the classes apart, on people never seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from kinelet.encoders.base import Encoder
from kinelet.evaluate.folds import inner_folds
from kinelet.evaluate.logistic import Scaler, fit_path
from kinelet.evaluate.metrics import confusion, macro_f1
from kinelet.evaluate.protocol import Predictions, Protocol, Say, one_draw
from kinelet.evaluate.task import FloatArray, Task

STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


class LinearProbe(Protocol):
    """Standardisation and multinomial logistic regression, both fitted on the training people.

    The strength ``C`` is the one with the best macro-F1 over inner folds of training people; with one training
    person there is nobody to choose it on, and the middle of the grid is taken.

    Attributes:
        strengths: Values of ``C`` to choose from, increasing.
        class_weight: ``balanced`` weighs classes equally, ``none`` windows equally.
        inner_folds: Folds of training people for choosing ``C``.
        max_iter: Iterations after which a fit is given up; the report of progress says so.
    """

    name: ClassVar[str] = "linear_probe"

    strengths: tuple[float, ...] = Field(default=STRENGTHS, min_length=1)
    class_weight: Literal["none", "balanced"] = "none"
    inner_folds: int = Field(default=3, ge=2)
    max_iter: int = Field(default=1000, ge=1)

    def predict(self, train: Task, x: FloatArray, encoder: Encoder | None, say: Say) -> Predictions:
        """Fit on vectors ``(n, dim)``, predict ``(m, dim)``; returns ``(1, m)``."""
        strength = choose_strength(train, self.strengths, self.class_weight == "balanced", self.inner_folds)
        path = [c for c in self.strengths if c <= strength]
        scaler = Scaler.fit(train.x)
        balanced, n = self.class_weight == "balanced", len(train.classes)
        *_, model = fit_path(scaler(train.x), train.y, n, path, balanced=balanced, max_iter=self.max_iter)
        if not model.converged:
            say(f"not converged after {self.max_iter} iterations at C = {strength:g}")
        return one_draw(model.predict(scaler(x)))


def choose_strength(train: Task, strengths: Sequence[float], balanced: bool, folds: int) -> float:
    """The ``C`` with the best pooled macro-F1 over inner folds of training people; on a tie the smaller."""
    n = len(train.classes)
    counts = np.zeros((len(strengths), n, n))
    for fit, held_out in inner_folds(train.subject, folds):
        scaler = Scaler.fit(train.x[fit])
        vectors, nobody = scaler(train.x[held_out]), np.zeros(len(held_out), dtype=np.int64)
        # Which C is best does not hang on the last digits of the solutions.
        models = fit_path(scaler(train.x[fit]), train.y[fit], n, strengths, balanced=balanced, tolerance=3e-5)
        for i, model in enumerate(models):
            counts[i] += confusion(train.y[held_out], model.predict(vectors), nobody, 1, n)[0]
    if not counts.any():
        return strengths[len(strengths) // 2]
    return strengths[int(np.argmax(macro_f1(counts)))]
