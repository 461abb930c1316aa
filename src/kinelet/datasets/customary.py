"""Train, validation and test parts of a set: kept apart, or as published numbers customarily have them.

What is customary was read from the code that is published beside FOCAL (arXiv 2310.20071): MOD is split window by
window and validated on its test windows; ACIDS file by file, although two files may be one drive; RealWorld-HAR and
PAMAP2 by person, PAMAP2 again validated on its test people. None of it was seeded there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kinelet.corpus.moments import Moments
from kinelet.corpus.parts import Part, Parts
from kinelet.errors import BadOptionError

Codes = npt.NDArray[np.int64]
_TRAIN, _VALIDATION, _TEST, _BOTH = 0, 1, 2, 3  # _BOTH: validation and test
_SHARE = 0.2


def honest_parts(data: Part, seed: int = 0) -> Parts:
    """Three parts that share nobody: people, runs of a vehicle or sessions, whatever the set calls its subjects.

    A fifth of the subjects is tested, a fifth chosen by. Where each subject has one class (vehicles), this holds
    within every class as far as it goes: a class of two subjects is not chosen by, a class of one is only learnt from.

    Args:
        data: Windows or moments.
        seed: Decides who goes where; the order of the data does not matter.

    Raises:
        BadOptionError: if there are fewer than three subjects, or no class has three.
    """
    rng, side = np.random.default_rng(seed), np.full(len(data.subjects), _TRAIN)
    for group in _groups(data):
        dealt, n = rng.permutation(group), len(group)
        tested = max(round(_SHARE * n), int(n > 1))
        chosen = max(round(_SHARE * n), 1) if n > 2 else 0
        side[dealt[:tested]], side[dealt[tested : tested + chosen]] = _TEST, _VALIDATION
    return _parts(data, side[data.subject], "honest")


def published_parts(data: Part, dataset: str, seed: int = 0) -> Parts:
    """The customary parts of a set, leaks and all: building them warns, and reports have to carry their ``notes``.

    Args:
        data: Windows or moments of the set.
        dataset: Its name; see :data:`CUSTOMARY`.
        seed: Ours; the published code has none.

    Raises:
        BadOptionError: if nothing is customary for this set, or a part is empty.
    """
    if dataset not in CUSTOMARY:
        remedy = f"Use honest_parts; known: {', '.join(CUSTOMARY)}"
        raise BadOptionError(f"no customary split of {dataset!r} is known", where="published_parts", remedy=remedy)
    return _parts(data, CUSTOMARY[dataset](data, np.random.default_rng(seed)), "published")


def _windows(data: Part, rng: np.random.Generator) -> Codes:
    """Each window at random, 80 to 20."""
    return np.where(rng.random(len(data)) < 0.8, _TRAIN, _BOTH)


def _files(data: Part, rng: np.random.Generator) -> Codes:
    """A file of each vehicle for the test, of the others one in twenty."""
    file = _file_of(data)
    names, first = np.unique(file, return_index=True)
    side, covered = np.full(len(names), _TRAIN), set()
    for i in rng.permutation(len(names)):
        vehicle = _vehicle(data, int(first[i]))
        if vehicle not in covered or rng.random() >= 0.95:
            side[i] = _BOTH
        covered.add(vehicle)
    return side[np.searchsorted(names, file)]


def _people(train: int, validation: int, people: int) -> Callable[[Part, np.random.Generator], Codes]:
    """So many of so many people, and in proportion where there are others; no validation is that on the test."""

    def rule(data: Part, rng: np.random.Generator) -> Codes:
        present = np.unique(data.subject)
        dealt, share = rng.permutation(present), len(present) / people
        learnt, chosen = round(train * share), round(validation * share)
        side = np.full(len(data.subjects), _TEST if validation else _BOTH)
        side[dealt[:learnt]], side[dealt[learnt : learnt + chosen]] = _TRAIN, _VALIDATION
        return side[data.subject]

    return rule


CUSTOMARY: Mapping[str, Callable[[Part, np.random.Generator], Codes]] = {
    "mod": _windows,
    "acids": _files,
    "realworld_har": _people(10, 2, 15),
    "pamap2": _people(7, 0, 9),
}
"""Name of a set -> the part of each window."""


def _parts(data: Part, side: Codes, protocol: Any) -> Parts:
    rows = {
        "train": side == _TRAIN,
        "validation": (side == _VALIDATION) | (side == _BOTH),
        "test": (side == _TEST) | (side == _BOTH),
    }
    empty = [name for name, chosen in rows.items() if not chosen.any()]
    if empty:
        raise BadOptionError(f"nothing is left for {' and '.join(empty)}", where="parts", remedy="Take more subjects")
    return Parts(**{name: data.select(chosen) for name, chosen in rows.items()}, protocol=protocol)


def _groups(data: Part) -> list[Codes]:
    """Subjects by class, where each has one; else all together. In the order of their names."""
    present = np.array(sorted(np.unique(data.subject).tolist(), key=lambda i: data.subjects[i]), dtype=np.int64)
    classes = [set(np.unique(data.label[data.subject == i]).tolist()) - {-1} for i in present]
    if any(len(c) > 1 for c in classes) or not any(classes):
        return [present]
    of = np.array([min(c, default=-1) for c in classes])
    return [present[of == c] for c in np.unique(of)]


def _file_of(data: Part) -> Codes:
    """Number of the file that each row is of: its recording, or for moments the clock of the file's signals."""
    return np.asarray(data.clock if isinstance(data, Moments) else data.recording, dtype=np.int64)


def _vehicle(data: Part, row: int) -> str:
    """Vehicle and nothing else of the row's subject, ``acids_v1a_002``."""
    return str(data.subjects[int(data.subject[row])]).split("_v")[-1][:1]
