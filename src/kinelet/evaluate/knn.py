"""k nearest neighbours by cosine: what the embedding's geometry tells without any fitting but the standardisation."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from kinelet.encoders.base import Encoder
from kinelet.evaluate.logistic import Scaler
from kinelet.evaluate.protocol import Predictions, Protocol, Say, one_draw
from kinelet.evaluate.task import Codes, FloatArray, Task
from kinelet.vectors import unit

_BLOCK = 1024


class KNN(Protocol):
    """Majority of the ``k`` training windows with the largest cosine similarity.

    Vectors are standardised with the training people's mean and deviation first: an offset common to all vectors
    would make every cosine near one. A tie goes to the class with the larger sum of similarities.

    Attributes:
        k: Neighbours that vote.
    """

    name: ClassVar[str] = "knn"

    k: int = Field(default=20, ge=1)

    def predict(self, train: Task, x: FloatArray, encoder: Encoder | None, say: Say) -> Predictions:
        """Predict vectors ``(m, dim)`` from their neighbours; returns ``(1, m)``."""
        scaler = Scaler.fit(train.x)
        known, asked = unit(scaler(train.x)), unit(scaler(x))
        k = min(self.k, len(known))
        parts = [
            vote(asked[i : i + _BLOCK] @ known.T, train.y, k, len(train.classes)) for i in range(0, len(asked), _BLOCK)
        ]
        return one_draw(np.concatenate(parts))


def vote(similarity: FloatArray, y: Codes, k: int, n_classes: int) -> Codes:
    """Class with most votes among the ``k`` most similar, ``(m, n) -> (m,)``."""
    nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
    rows = np.repeat(np.arange(len(similarity)), k)
    cells = rows * n_classes + y[nearest].ravel()
    size = len(similarity) * n_classes
    votes = np.bincount(cells, minlength=size).astype(float)
    closeness = np.bincount(cells, np.take_along_axis(similarity, nearest, axis=1).ravel(), minlength=size)
    # Similarities add up to k at most, so this share of a vote orders ties and never outweighs a vote.
    return np.asarray((votes + closeness / (4 * k)).reshape(-1, n_classes).argmax(axis=1), dtype=np.int64)
