"""Regression probe: ridge on the embedding, and the mean of the training people as the least that it must beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field

from kinelet.encoders.base import Encoder
from kinelet.evaluate.folds import inner_folds
from kinelet.evaluate.logistic import Array, Scaler
from kinelet.evaluate.metrics import confusion, macro_f1
from kinelet.evaluate.protocol import Predictions, Protocol, Say, one_draw
from kinelet.evaluate.task import FloatArray, Kind, Task

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)


@dataclass(frozen=True)
class Ridge:
    """Ridge solutions for many penalties from one decomposition.

    Minimises ``mean_i ||t_i - x_i V - b||² + penalty ||V||²`` on standardised ``x``.
    """

    axes: Array
    power: Array
    moment: Array
    mean_x: Array
    mean_t: Array

    @classmethod
    def fit(cls, x: FloatArray, t: Array) -> Ridge:
        """Decompose ``x (n, dim)`` for targets ``t (n, target)``."""
        mean_x, mean_t = x.mean(axis=0, dtype=np.float64), t.mean(axis=0)
        centred = x - mean_x.astype(np.float32)
        power, axes = np.linalg.eigh((centred.T @ centred).astype(np.float64) / len(x))
        moment = axes.T @ (centred.T.astype(np.float64) @ (t - mean_t)) / len(x)
        return cls(axes, np.maximum(power, 0), moment, mean_x, mean_t)

    def predict(self, x: FloatArray, penalty: float) -> Array:
        """Targets of ``x (m, dim)``, ``(m, target)``."""
        coef = self.axes @ (self.moment / (self.power + penalty)[:, None])
        return np.asarray((x - self.mean_x) @ coef + self.mean_t)


def choose_penalty(train: Task, targets: Array, penalties: Sequence[float], folds: int) -> float:
    """The best penalty over inner folds of training people: by macro-F1 for classes, by squared error for values.

    Squared error would suit the many windows of the frequent classes and prefer too strong a penalty.
    """
    predicted = np.zeros((len(penalties), *targets.shape))
    for fit, held_out in inner_folds(train.subject, folds):
        scaler = Scaler.fit(train.x[fit])
        model, asked = Ridge.fit(scaler(train.x[fit]), targets[fit]), scaler(train.x[held_out])
        predicted[:, held_out] = [model.predict(asked, p) for p in penalties]
    if not predicted.any():
        return penalties[len(penalties) // 2]
    return penalties[int(np.argmax([_merit(train, targets, p) for p in predicted]))]


def _merit(train: Task, targets: Array, predicted: Array) -> float:
    if not train.classes:
        return -float(((predicted - targets) ** 2).sum())
    nobody = np.zeros_like(train.y)
    return float(macro_f1(confusion(train.y, predicted.argmax(axis=1), nobody, 1, len(train.classes))[0]))


class RidgeProbe(Protocol):
    """Standardisation and ridge regression, fitted on the training people.

    Judges values, or classes by ridge on one ±1 column a class (the classifier that goes with MiniRocket).

    Attributes:
        penalties: To choose from over inner folds of training people, see :func:`choose_penalty`.
        inner_folds: Folds of training people.
    """

    name: ClassVar[str] = "ridge"
    kinds: ClassVar[tuple[Kind, ...]] = ("values", "classes")

    penalties: tuple[float, ...] = Field(default=PENALTIES, min_length=1)
    inner_folds: int = Field(default=3, ge=2)

    def predict(self, train: Task, x: FloatArray, encoder: Encoder | None, say: Say) -> Predictions:
        """Fit on vectors ``(n, dim)``, predict ``(m, dim)``; returns ``(1, m)``."""
        targets = _columns(train)
        penalty = choose_penalty(train, targets, self.penalties, self.inner_folds)
        scaler = Scaler.fit(train.x)
        scores = Ridge.fit(scaler(train.x), targets).predict(scaler(x), penalty)
        return one_draw(scores.argmax(axis=1) if train.classes else scores[:, 0])


class Constant(Protocol):
    """Always the training people's most frequent class, or their mean value: chance level."""

    name: ClassVar[str] = "constant"
    kinds: ClassVar[tuple[Kind, ...]] = ("values", "classes")

    def predict(self, train: Task, x: FloatArray, encoder: Encoder | None, say: Say) -> Predictions:
        """Predict the same for every row; returns ``(1, m)``."""
        answer = np.bincount(train.y).argmax() if train.classes else train.y.mean()
        return one_draw(np.full(len(x), answer))


def _columns(train: Task) -> Array:
    if not train.classes:
        return np.asarray(train.y[:, None])
    return np.where(train.y[:, None] == np.arange(len(train.classes)), 1.0, -1.0)
