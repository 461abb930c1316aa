"""Linear probe on vectors of several modalities, brought to one width so that nobody wins by being wider."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from kinelet.config import FrozenModel
from kinelet.encoders.base import Encoder
from kinelet.evaluate.knn import KNN
from kinelet.evaluate.logistic import Scaler
from kinelet.evaluate.probe import LinearProbe
from kinelet.evaluate.protocol import Predictions, Protocol, Say
from kinelet.evaluate.regression import RidgeProbe
from kinelet.evaluate.task import FloatArray, Kind, Task


@dataclass(frozen=True)
class Reduction:
    """What one group of columns goes through: absent rows filled, standardised, and turned to its main directions.

    Attributes:
        fill: Mean of the rows that are there; it stands in for those that are not.
        scaler: Standardisation.
        axes: Main directions ``(dim, width)``; ``None`` where all columns are kept.
    """

    fill: FloatArray
    scaler: Scaler
    axes: FloatArray | None

    @classmethod
    def fit(cls, x: FloatArray, width: int | None) -> Reduction:
        """Learn from training rows ``(n, dim)``; a row that is absent is all NaN.

        Args:
            x: Vectors of one group.
            width: Directions to keep; ``None`` for all columns as they are.
        """
        there = np.isfinite(x).all(axis=1)
        seen = x[there] if there.any() else np.zeros((1, x.shape[1]), dtype=np.float32)
        scaler = Scaler.fit(seen)
        axes = None
        if width is not None:
            scaled = scaler(seen)
            _, vectors = np.linalg.eigh((scaled.T @ scaled).astype(np.float64) / len(scaled))
            axes = vectors[:, ::-1][:, :width].astype(np.float32)
        return cls(seen.mean(axis=0), scaler, axes)

    def __call__(self, x: FloatArray) -> FloatArray:
        """Map rows ``(m, dim)``, NaN where absent, to ``(m, width)``."""
        whole = np.where(np.isfinite(x), x, self.fill).astype(np.float32)
        scaled = self.scaler(whole)
        return scaled if self.axes is None else scaled @ self.axes


class Group(FrozenModel):
    """Columns of one modality, all its parts together.

    Attributes:
        name: What it is, such as ``acc``.
        columns: How many there are.
    """

    name: str
    columns: int = Field(ge=1)


class ModalityProbe(Protocol):
    """Each group of columns standardised and reduced without labels to one width, then a plain probe on all of them.

    All is learnt from the training people. Rows that a modality lacks are NaN in its columns, and get its training
    mean. Classes are told apart by multinomial logistic regression (:class:`LinearProbe`) or by the nearest
    neighbours, values by ridge regression, with their strength chosen on inner folds of training people.

    Attributes:
        groups: What the columns are, in order; none: one group.
        width: Directions kept of each group; ``None`` for all columns.
        head: ``linear``, or ``knn`` for the nearest neighbours.
        k: Neighbours of ``knn``.
        strengths: As in :class:`LinearProbe`.
        share: Share of the training windows of each class that is labelled.
        seed: Decides which those are.
    """

    name: ClassVar[str] = "modality_probe"
    kinds: ClassVar[tuple[Kind, ...]] = ("classes", "values")

    groups: tuple[Group, ...] = ()
    width: int | None = Field(default=128, ge=1)
    head: Literal["linear", "knn"] = "linear"
    k: int = Field(default=5, ge=1)
    strengths: tuple[float, ...] | None = None
    share: float = Field(default=1.0, gt=0, le=1)
    seed: int = Field(default=0, ge=0)

    def predict(self, train: Task, x: FloatArray, encoder: Encoder | None, say: Say) -> Predictions:
        """Fit on vectors ``(n, dim)``, predict ``(m, dim)``; returns ``(1, m)``."""
        maps = self.reductions(train.x)
        labelled = train.take(labelled_rows(train, self.share, self.seed))
        reduced = labelled.with_x(self.apply(maps, labelled.x))
        return self._head(train).predict(reduced, self.apply(maps, x), encoder, say)

    def reductions(self, x: FloatArray) -> tuple[Reduction, ...]:
        """What each group of training rows ``(n, dim)`` goes through; labels have no part in it."""
        return tuple(Reduction.fit(part, self.width) for part in self._parts(x))

    def apply(self, maps: Sequence[Reduction], x: FloatArray) -> FloatArray:
        """Rows ``(m, dim)`` to ``(m, sum of widths)``."""
        return np.concatenate([m(part) for m, part in zip(maps, self._parts(x), strict=True)], axis=1)

    def _groups(self, x: FloatArray) -> tuple[Group, ...]:
        return self.groups or (Group(name="all", columns=x.shape[1]),)

    def _parts(self, x: FloatArray) -> list[FloatArray]:
        edges = np.cumsum([g.columns for g in self._groups(x)])[:-1]
        return np.split(x, edges, axis=1)

    def _head(self, train: Task) -> Protocol:
        if train.kind == "values":
            return RidgeProbe()
        if self.head == "knn":
            return KNN(k=self.k)
        return LinearProbe() if self.strengths is None else LinearProbe(strengths=self.strengths)


def labelled_rows(train: Task, share: float, seed: int) -> npt.NDArray[Any]:
    """Rows that keep their label: the same share of each class, at least one window of each; the same for a seed."""
    if share == 1:
        return np.arange(len(train))
    generator = np.random.default_rng(seed)
    if train.kind == "values":
        order = generator.permutation(len(train))
        return np.sort(order[: max(2, round(share * len(train)))])
    rows = []
    for code in np.unique(train.y):
        mine = generator.permutation(np.flatnonzero(train.y == code))
        rows.append(mine[: max(1, round(share * len(mine)))])
    return np.sort(np.concatenate(rows))
