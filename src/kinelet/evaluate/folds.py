"""Splits of people as protocols use them: checks, and inner folds over training people for choosing settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from kinelet.errors import BadOptionError
from kinelet.evaluate.task import Codes, Task

Mask = npt.NDArray[np.bool_]


class SplitLike(Protocol):
    """Two disjoint sets of people, by name, such as :class:`kinelet.corpus.splits.Split`."""

    @property
    def train(self) -> tuple[str, ...]:
        """People that may be learnt from."""

    @property
    def test(self) -> tuple[str, ...]:
        """People to be judged on."""


def check_splits(task: Task, splits: Sequence[SplitLike]) -> None:
    """Raise unless the splits can judge the task: disjoint, known people, nobody tested twice.

    Raises:
        BadOptionError: naming the people in question.
    """
    where = f"splits of task {task.name!r}"
    if not splits:
        raise BadOptionError("there is no split", where=where, remedy="Use kinelet.corpus.splits, for example kfold")
    for i, split in enumerate(splits):
        both = set(split.train) & set(split.test)
        if both:
            raise BadOptionError(f"split {i} trains and tests on {sorted(both)[:5]}", where=where)
        for side, names in (("train", split.train), ("test", split.test)):
            if len(task.rows(names)) == 0:
                raise BadOptionError(f"the {side} people of split {i} have no windows", where=where)
    tested = Counter(name for split in splits for name in split.test)
    twice = sorted(name for name, count in tested.items() if count > 1)
    if twice:
        raise BadOptionError(
            f"{twice[:5]} are tested in more than one split",
            where=where,
            remedy="Predictions are pooled, so each person may be in one test fold only",
        )


def subject_folds(subject: Codes, k: int, seed: int = 0) -> list[Mask]:
    """Held-out masks ``(n,)`` of ``k`` folds of people (fewer where there are fewer people).

    People are shuffled and dealt out so that folds hold about the same number of people.
    """
    people = np.unique(subject)
    dealt = np.random.default_rng(seed).permutation(people)
    groups = [dealt[i :: min(k, len(people))] for i in range(min(k, len(people)))]
    return [np.isin(subject, group) for group in groups]


def inner_folds(subject: Codes, k: int, seed: int = 0) -> Iterator[tuple[Codes, Codes]]:
    """Row indices ``(fit, held out)`` of inner folds over training people; none if there is one person only."""
    if len(np.unique(subject)) < 2:
        return
    for held_out in subject_folds(subject, k, seed):
        yield np.flatnonzero(~held_out), np.flatnonzero(held_out)


def hold_out_people(task: Task, fraction: float, seed: int = 0) -> tuple[Task, Task]:
    """Put some training people aside, for early stopping: ``(fit, held out)``.

    Raises:
        BadOptionError: if there are fewer than two people.
    """
    people = np.unique(task.subject)
    if len(people) < 2:
        raise BadOptionError(
            "early stopping needs two training people or more",
            where=f"task {task.name!r}",
            remedy="Use more training people or a probe",
        )
    n = min(len(people) - 1, max(1, round(fraction * len(people))))
    chosen = np.random.default_rng(seed).permutation(people)[:n]
    held_out = np.isin(task.subject, chosen)
    return task.take(np.flatnonzero(~held_out)), task.take(np.flatnonzero(held_out))
