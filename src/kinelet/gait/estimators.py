"""What tells gait without an embedding: a step detector, and who is walking."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from kinelet.encoders.base import Encoder
from kinelet.evaluate.protocol import Predictions, Protocol, Say, one_draw
from kinelet.evaluate.result import Result
from kinelet.evaluate.task import FloatArray, Kind, Task
from kinelet.gait.detector import detect
from kinelet.gait.walks import Walks

PERSON = ("age", "height", "weight")
DETECTED = ("stride_time", "cadence")
"""Targets that the detector estimates, in the order of its first columns."""


class AsIs(Protocol):
    """Takes one column of the vectors for the prediction; learns nothing."""

    name: ClassVar[str] = "as_is"
    kinds: ClassVar[tuple[Kind, ...]] = ("values",)

    column: int = Field(ge=0)

    def predict(self, train: Task, x: FloatArray, encoder: Encoder | None, say: Say) -> Predictions:
        """Column ``column`` of ``x (m, dim)``; returns ``(1, m)``."""
        return one_draw(x[:, self.column].astype(np.float64))


def detected(walks: Walks) -> tuple[FloatArray, npt.NDArray[np.float64]]:
    """What the step detector says about each bout.

    Returns:
        Vectors ``(bout, 5)``, :data:`DETECTED` first, and the numbers of steps ``(bout,)``.
    """
    axes = [i for i, name in enumerate(walks.spec.channels) if name.startswith("acc_")]
    foot = "foot" in (walks.site or "")
    found = [detect(signal[:, axes], walks.spec.rate_hz, foot=foot) for signal in walks.signals]
    return np.array([g.vector() for g in found], dtype=np.float32), np.array([g.steps for g in found], dtype=float)


def person(walks: Walks) -> FloatArray | None:
    """Age, height and weight of who walked, ``(bout, column)``; ``None`` where nothing is known.

    A value that one person lacks is NaN; a column that nobody has is left out.
    """
    values = np.array([[b.person.get(name, np.nan) for name in PERSON] for b in walks.bouts], dtype=np.float32)
    known = np.isfinite(values).any(axis=0)
    return values[:, known] if known.any() else None


def imputed(train: Task, x: FloatArray) -> tuple[Task, FloatArray]:
    """Put the training people's mean where a value is missing (0 where nobody of them has it)."""
    if np.isfinite(train.x).all() and np.isfinite(x).all():
        return train, x
    there = np.isfinite(train.x)
    mean = np.where(there, train.x, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    return train.with_x(np.where(there, train.x, mean)), np.where(np.isfinite(x), x, mean).astype(np.float32)


def steps_of(cadence: Result, walks: Walks, task: Task, counted: npt.NDArray[np.float64] | None = None) -> Result:
    """Result for the number of steps of each walk, from one for cadence.

    Args:
        cadence: Its predictions are taken times the walk's duration; the last interval's second step is the one more.
        walks: Bouts with the target ``steps``.
        task: The task of cadence, whose ``recording`` tells the bout of a row.
        counted: Counts of all bouts to use instead.
    """
    bouts = np.asarray(task.recording)[cadence.row]
    minutes = np.array([walks.bouts[i].duration_s for i in bouts]) / 60.0
    predicted = cadence.predicted * minutes + 1 if counted is None else counted[bouts][None]
    return replace(
        cadence,
        task=f"{walks.name}: steps",
        truth=walks.truth("steps")[bouts],
        predicted=predicted,
        estimates={},
    )
