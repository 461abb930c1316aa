"""Small made tasks for the tests of kinelet.evaluate."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from kinelet.corpus.splits import Split, kfold
from kinelet.encoders.base import Encoder
from kinelet.evaluate.protocol import Predictions, Protocol, Say, one_draw
from kinelet.evaluate.task import FloatArray, Task
from kinelet.signal.spec import SignalSpec, imu_spec

SPEC = imu_spec(20.0)


class Stats(Encoder):
    """Mean, maximum, minimum and power of all samples; one weight, so that it can be trained and moved."""

    def __init__(self, spec: SignalSpec = SPEC) -> None:
        super().__init__(spec, 4, {})
        self.gain = torch.nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1) * self.gain
        return torch.stack([flat.mean(1), flat.amax(1), flat.amin(1), flat.square().mean(1)], dim=1)


class Spy(Protocol):
    """Remembers what it was given and predicts class 0."""

    name: ClassVar[str] = "spy"
    seen: ClassVar[list[Any]] = []

    def predict(self, train: Task, x: FloatArray, encoder: Encoder | None, say: Say) -> Predictions:
        Spy.seen.append((train, x))
        return one_draw(np.zeros(len(x), dtype=np.int64))


def names(n: int) -> tuple[str, ...]:
    return tuple(f"P{i:02d}" for i in range(n))


def vectors(n_people: int = 8, per: int = 30, n_classes: int = 3, noise: float = 1.0, seed: int = 0) -> Task:
    """Vectors ``(n, 5)`` around one centre a class, with an offset of each person."""
    r = np.random.default_rng(seed)
    subject = np.repeat(np.arange(n_people), per)
    y = r.integers(0, n_classes, len(subject))
    x = r.normal(size=(n_classes, 5))[y] * 2 + r.normal(size=(n_people, 5))[subject] * 0.5
    x = x + noise * r.normal(size=x.shape)
    classes = tuple("abcdefgh"[:n_classes])
    return Task(x.astype(np.float32), y, subject, names(n_people), SPEC, classes)


def waves(n_people: int = 6, per: int = 20, n_classes: int = 2, time: int = 40, seed: int = 0) -> Task:
    """Windows ``(n, 3, time)`` whose class is how fast and how strongly they swing."""
    r = np.random.default_rng(seed)
    subject = np.repeat(np.arange(n_people), per)
    y = r.integers(0, n_classes, len(subject))
    t = np.arange(time) / SPEC.rate_hz
    phase = r.uniform(0, 6.28, (len(y), 3, 1))
    x = (1 + y[:, None, None]) * np.sin(2 * np.pi * (1 + y[:, None, None]) * t + phase)
    x += 0.1 * r.normal(size=x.shape) + 0.2 * r.normal(size=(n_people, 3, 1))[subject]
    return Task(x.astype(np.float32), y, subject, names(n_people), SPEC, tuple("abcdefgh"[:n_classes]))


def values(n_people: int = 8, per: int = 30, noise: float = 0.3, seed: int = 0) -> Task:
    """A regression task whose value is linear in the vectors."""
    r = np.random.default_rng(seed)
    subject = np.repeat(np.arange(n_people), per)
    x = r.normal(size=(len(subject), 5)).astype(np.float32)
    y = 60 + x @ np.array([3.0, -2.0, 0.0, 1.0, 0.0]) + noise * r.normal(size=len(subject))
    return Task(x, y, subject, names(n_people), SPEC)


def folds(task: Task, k: int = 4) -> tuple[Split, ...]:
    return kfold(task.people, k)


def as_they_are(train: Task, x: FloatArray) -> tuple[Task, FloatArray]:
    return train, x


def silent(note: str) -> None:
    """Tell nothing."""
