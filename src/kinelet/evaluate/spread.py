"""N labelled windows a class, from as many training people as there are: who teaches, whatever is taught."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from kinelet.encoders.base import Encoder
from kinelet.evaluate.few_shot import digest
from kinelet.evaluate.folds import Mask
from kinelet.evaluate.protocol import Predictions, Protocol, Say
from kinelet.evaluate.task import Codes, FloatArray, Task


def _shots(value: Any) -> Any:
    if value == "all" or (str(value).isdecimal() and int(value) >= 1):
        return value
    raise ValueError(f"{value!r} is neither a number of windows, 1 or more, nor all")


Shots = Annotated[int | Literal["all"], BeforeValidator(_shots)]
"""Windows of each class, or all that the training people have."""


class SpreadShots(Protocol):
    """Base of protocols that learn from ``n`` windows a class, spread over as many training people as there are.

    A draw takes one window of each person who performed a class, in random order of people, then a second of each,
    until there are ``n``. It depends on ``seed``, the training people and their labels alone, never on the encoder, and
    the draw for a smaller ``n`` is the beginning of the draw for a larger one. Windows of a class that overlap are
    never drawn together, except with ``all``. A class with fewer windows gives all it has, which the notes say.

    Attributes:
        n: Windows of each class, or ``all``.
        draws: Draws for each split; ``all`` needs one.
        seed: Of the draws.
    """

    n: Shots = 10
    draws: int = Field(default=5, ge=1)
    seed: int = 0

    def predict(self, train: Task, x: FloatArray, encoder: Encoder | None, say: Say) -> Predictions:
        """Learn from each draw and predict test windows or vectors ``(m, ...)``; returns ``(draws, m)``."""
        supports = self.supports(train)
        out: list[Codes] = []
        for i, rows in enumerate(supports):
            if i and np.array_equal(rows, supports[0]):
                out.append(out[0])  # every class gave all it has, so nothing is left to the draw
                continue
            say(f"draw {i + 1} of {len(supports)}")
            out.append(self.learn(train.take(rows), x, encoder, i))
        return np.stack(out)

    @abstractmethod
    def learn(self, support: Task, x: FloatArray, encoder: Encoder | None, draw: int) -> Codes:
        """Learn from the windows of a draw, predict ``x`` ``(m, ...)``; returns ``(m,)``."""

    def supports(self, train: Task) -> list[Codes]:
        """Rows of the training task that each draw learns from, in the task's order."""
        if self.n == "all":
            return [np.arange(len(train))]
        orders = draw_orders(train, self.draws, self.seed)
        return [np.sort(np.concatenate([rows[: self.n] for rows in order])) for order in orders]

    def notes(self, train: Task) -> tuple[str, ...]:
        """How many people the windows of a class come from, and which classes had too few."""
        supports = self.supports(train)
        people = people_per_class(train, supports)
        out = [f"{self.name}, n = {self.n}: windows of a class come from {people.min()} to {people.max()} people"]
        counts = np.bincount(train.y[supports[0]], minlength=len(train.classes))
        short = [c for c, k in zip(train.classes, counts, strict=True) if self.n != "all" and 0 < k < self.n]
        if short:
            out.append(f"{self.name}, n = {self.n}: the training people have fewer windows of {_few(short)}")
        return tuple(out)


def draw_orders(train: Task, draws: int, seed: int) -> list[list[Codes]]:
    """For each draw and class, rows of the class that do not overlap, in the order in which they are taken."""
    own = digest(train)
    apart = without_overlap(train)
    pools = [np.flatnonzero(apart & (train.y == c)) for c in range(len(train.classes))]
    return [
        [_order(train, rows, np.random.default_rng([seed, i, c, *own])) for c, rows in enumerate(pools)]
        for i in range(draws)
    ]


def without_overlap(train: Task) -> Mask:
    """Windows ``(n,)`` to keep so that no two of one recording and class overlap, as many as can be."""
    keep = np.ones(len(train), dtype=bool)
    length = train.spec.window_s
    if train.recording is None or train.start_s is None or length is None:
        return keep
    last = (-1, -1, -np.inf)
    for i in np.lexsort((train.start_s, train.y, train.recording)):
        here = (int(train.recording[i]), int(train.y[i]), float(train.start_s[i]))
        keep[i] = here[:2] != last[:2] or here[2] - last[2] >= length - 0.5 / train.spec.rate_hz
        last = here if keep[i] else last
    return keep


def _order(train: Task, pool: Codes, generator: np.random.Generator) -> Codes:
    """Rows of a class: one window of each person, people in random order, then a second of each."""
    rows = generator.permutation(pool)
    rank = np.empty(len(train.subjects), dtype=np.int64)
    rank[generator.permutation(len(train.subjects))] = np.arange(len(train.subjects))
    person = rank[train.subject[rows]]
    by_person = np.argsort(person, kind="stable")
    ordered = person[by_person]
    turn = np.empty(len(rows), dtype=np.int64)
    turn[by_person] = np.arange(len(rows)) - np.searchsorted(ordered, ordered)
    return np.asarray(rows[np.lexsort((person, turn))], dtype=np.int64)


def people_per_class(train: Task, supports: list[Codes]) -> Codes:
    """People that the windows of each draw and class come from, ``(draw, class)``, classes that occur only."""
    present = np.unique(train.y)
    counts = [[len(np.unique(train.subject[rows[train.y[rows] == c]])) for c in present] for rows in supports]
    return np.asarray(counts, dtype=np.int64)


def _few(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
