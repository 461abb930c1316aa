"""Gradient-boosted trees on vectors: the usual companion of hand-crafted features."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from kinelet.encoders.base import Encoder
from kinelet.evaluate.protocol import Predictions, Protocol, Say, one_draw
from kinelet.evaluate.task import FloatArray, Kind, Task


class Boosting(Protocol):
    """Scikit-learn's histogram gradient boosting with fixed settings.

    Its built-in early stopping is off: it would hold out windows, not people.

    Attributes:
        iterations: Trees (for each class).
        learning_rate: Shrinkage.
        max_leaf_nodes: Size of a tree.
        l2: Penalty on leaf values.
        seed: Of the binning.
    """

    name: ClassVar[str] = "boosting"
    kinds: ClassVar[tuple[Kind, ...]] = ("classes", "values")

    iterations: int = Field(default=100, ge=1)
    learning_rate: float = Field(default=0.1, gt=0)
    max_leaf_nodes: int = Field(default=15, ge=2)
    l2: float = Field(default=1.0, ge=0)
    seed: int = 0

    def predict(self, train: Task, x: FloatArray, encoder: Encoder | None, say: Say) -> Predictions:
        """Fit on vectors ``(n, dim)``, predict ``(m, dim)``; returns ``(1, m)``."""
        kind = HistGradientBoostingClassifier if train.classes else HistGradientBoostingRegressor
        if train.classes and len(np.unique(train.y)) == 1:
            return one_draw(np.full(len(x), train.y[0]))
        model = kind(
            max_iter=self.iterations,
            learning_rate=self.learning_rate,
            max_leaf_nodes=self.max_leaf_nodes,
            l2_regularization=self.l2,
            max_features=0.3,
            early_stopping=False,
            random_state=self.seed,
        )
        return one_draw(model.fit(train.x, train.y).predict(x))
