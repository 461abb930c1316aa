"""Splits of people. Nothing here takes windows: a random split of windows cannot be had from a corpus."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinelet.errors import BadOptionError

if TYPE_CHECKING:
    from kinelet.corpus.corpus import Corpus


@dataclass(frozen=True)
class Split:
    """Two disjoint sets of people.

    Attributes:
        train: People that may be learnt from, sorted.
        test: People to be judged on, sorted.
        name: What to call it in reports.
    """

    train: tuple[str, ...]
    test: tuple[str, ...]
    name: str = ""

    def __post_init__(self) -> None:
        both = sorted(set(self.train) & set(self.test))
        if both:
            raise BadOptionError(f"{both[:5]} are on both sides", where=f"split {self.name!r}")
        for side in ("train", "test"):
            if not getattr(self, side):
                raise BadOptionError(f"nobody is in {side}", where=f"split {self.name!r}")


def leave_one_subject_out(subjects: Sequence[str]) -> tuple[Split, ...]:
    """One split a person, who alone is tested."""
    people = _people(subjects)
    return tuple(Split(_without(people, [one]), (one,), name=f"without {one}") for one in people)


def kfold(subjects: Sequence[str], k: int, seed: int = 0) -> tuple[Split, ...]:
    """Deal shuffled people into ``k`` folds that differ by one person at most; each is tested once.

    The result depends on the set of people and the seed, not on their order.

    Raises:
        BadOptionError: if there are fewer people than folds, or fewer than two folds.
    """
    people = _people(subjects)
    if not 2 <= k <= len(people):
        raise BadOptionError(
            f"{k} folds of {len(people)} people", where="kfold", remedy=f"Use 2 to {len(people)} folds"
        )
    dealt = [people[i] for i in np.random.default_rng(seed).permutation(len(people))]
    folds = [tuple(sorted(dealt[i::k])) for i in range(k)]
    return tuple(Split(_without(people, fold), fold, name=f"fold {i}") for i, fold in enumerate(folds))


def holdout(subjects: Sequence[str], fraction: float, seed: int = 0) -> Split:
    """Put a share of the people aside for testing, at least one, never all.

    Raises:
        BadOptionError: if ``fraction`` is not between 0 and 1.
    """
    people = _people(subjects)
    if not 0 < fraction < 1:
        raise BadOptionError(f"fraction is {fraction!r}", where="holdout", remedy="It is a share between 0 and 1")
    n = min(len(people) - 1, max(1, round(fraction * len(people))))
    dealt = [people[i] for i in np.random.default_rng(seed).permutation(len(people))]
    test = tuple(sorted(dealt[:n]))
    return Split(_without(people, test), test, name=f"holdout {fraction:g}")


def official(corpus: Corpus, name: str = "official") -> Split:
    """The split that a data set's publisher made.

    Loaders record it in each recording's ``meta["split"]`` (``train`` or ``test``), further ones by name in
    ``meta["splits"]``.

    Raises:
        BadOptionError: if recordings do not carry it, or it has a person on both sides.
    """
    sides: dict[str, set[str]] = defaultdict(set)
    for info in corpus.recordings:
        meta = info.meta
        part = meta.get("split") if name == "official" else (meta.get("splits") or {}).get(name)
        if part not in ("train", "test"):
            raise BadOptionError(
                f"recording {info.id!r} has no part in a split {name!r}",
                where=str(corpus.path),
                remedy="Use kfold, or a data set that comes with a split",
            )
        sides[part].add(info.subject)
    return Split(tuple(sorted(sides["train"])), tuple(sorted(sides["test"])), name=name)


def _people(subjects: Sequence[str]) -> tuple[str, ...]:
    names = tuple(subjects)
    if len(set(names)) != len(names):
        raise BadOptionError(
            "names of people repeat", where="split", remedy="Splits take people, not windows: pass corpus.subjects"
        )
    if len(names) < 2:
        raise BadOptionError(f"{len(names)} people cannot be split", where="split", remedy="Two are the least")
    return tuple(sorted(names))


def _without(people: Sequence[str], out: Sequence[str]) -> tuple[str, ...]:
    return tuple(p for p in people if p not in set(out))
