"""Few-shot: a handful of labelled windows of a few people, many times over."""

from __future__ import annotations

import hashlib
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from kinelet.encoders.base import Encoder
from kinelet.evaluate.logistic import Scaler, fit_path
from kinelet.evaluate.protocol import Predictions, Protocol, Say
from kinelet.evaluate.task import Codes, FloatArray, Task
from kinelet.vectors import unit


class FewShot(Protocol):
    """Learn from ``k`` windows a class of ``people`` training people; the estimate is the mean over ``draws``.

    A draw depends on the seed, the names of the training people and their labels alone, so every encoder gets the
    same ones. People are drawn first, windows from theirs; a class that none of them performed stays without
    support and cannot be predicted, as it would be in use, and the result's notes say how often.

    Attributes:
        k: Windows of each class.
        people: Training people that they come from.
        draws: Draws for each split.
        seed: Of the draws.
        classifier: ``logistic`` with fixed strength on standardised vectors, or the nearest class ``centroid`` by
            cosine. There is nobody to choose a setting on.
        strength: ``C`` of the logistic classifier.
    """

    name: ClassVar[str] = "few_shot"

    k: int = Field(default=5, ge=1)
    people: int = Field(default=2, ge=1)
    draws: int = Field(default=20, ge=1)
    seed: int = 0
    classifier: Literal["logistic", "centroid"] = "logistic"
    strength: float = Field(default=0.1, gt=0)

    def predict(self, train: Task, x: FloatArray, encoder: Encoder | None, say: Say) -> Predictions:
        """Predict vectors ``(m, dim)`` from each draw; returns ``(draws, m)``."""
        out = []
        for i, rows in enumerate(self.supports(train)):
            say(f"draw {i + 1} of {self.draws}")
            out.append(self._classify(train.take(rows), x))
        return np.stack(out)

    def supports(self, train: Task) -> list[Codes]:
        """Rows of the training task that each draw learns from."""
        generator = np.random.default_rng([self.seed, *digest(train)])
        return [self._draw(train, generator) for _ in range(self.draws)]

    def notes(self, train: Task) -> tuple[str, ...]:
        """How many classes lacked support."""
        performed = len(np.unique(train.y))
        missing = np.mean([performed - len(np.unique(train.y[rows])) for rows in self.supports(train)])
        if not missing:
            return ()
        return (
            f"few-shot: on average {missing:.1f} of {performed} classes were performed by none of the people drawn",
        )

    def _draw(self, train: Task, generator: np.random.Generator) -> Codes:
        people = np.unique(train.subject)
        chosen = generator.permutation(people)[: self.people]
        theirs = np.flatnonzero(np.isin(train.subject, chosen))
        shuffled = generator.permutation(theirs)
        per_class = [shuffled[train.y[shuffled] == c][: self.k] for c in range(len(train.classes))]
        return np.sort(np.concatenate(per_class))

    def _classify(self, support: Task, x: FloatArray) -> Codes:
        scaler = Scaler.fit(support.x)
        known, asked = scaler(support.x), scaler(x)
        if self.classifier == "logistic":
            (model,) = fit_path(known, support.y, len(support.classes), [self.strength])
            return model.predict(asked)
        present = np.unique(support.y)
        centroids = np.stack([known[support.y == c].mean(axis=0) for c in present])
        return np.asarray(present[(unit(asked) @ unit(centroids).T).argmax(axis=1)])


def digest(train: Task) -> list[int]:
    """Numbers that stand for the people and labels of a training set."""
    text = "\n".join(train.people).encode() + train.y.tobytes() + train.subject.tobytes()
    return list(hashlib.sha256(text).digest()[:8])
