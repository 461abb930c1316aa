"""Windows to learn from, to choose by and to be judged on, kept apart; or as others kept them, and said so."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np

from kinelet.corpus.moments import Moments
from kinelet.corpus.windows import Windows
from kinelet.errors import BadOptionError

if TYPE_CHECKING:
    from kinelet.evaluate.result import Result

Part = Windows | Moments
Protocol = Literal["honest", "published"]
PUBLISHED = "published protocol"
_SHOWN = 5


@dataclass(frozen=True)
class Parts:
    """Three parts of one or more corpora.

    Whoever cuts them, nobody and no recording may be in two of them, and what a model is chosen by is not what it is
    judged on. With ``protocol="published"`` they may, as in published numbers of several data sets; then building them
    warns, and :attr:`notes` says so in every report.

    Attributes:
        train: Learnt from.
        validation: Chosen by.
        test: Judged on.
        protocol: ``honest`` or ``published``.

    Raises:
        BadOptionError: if they overlap and the protocol is not ``published``, or there is no such protocol.
    """

    train: Part
    validation: Part
    test: Part
    protocol: Protocol = "honest"

    def __post_init__(self) -> None:
        if self.protocol not in ("honest", "published"):
            raise BadOptionError(f"protocol is {self.protocol!r}", where="parts", remedy="Use honest or published")
        faults = self.faults
        if faults and self.protocol == "honest":
            remedy = (
                "Split people or recordings, never windows; protocol='published' repeats what others did and says so"
            )
            raise BadOptionError("; ".join(faults), where="parts", remedy=remedy)
        for note in self.notes:
            warnings.warn(note, UserWarning, stacklevel=3)

    @property
    def faults(self) -> tuple[str, ...]:
        """How the parts overlap."""
        return tuple(_faults({"train": self.train, "validation": self.validation, "test": self.test}))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a report of numbers from these parts must say; nothing under the honest protocol."""
        if self.protocol == "honest":
            return ()
        how = "; ".join(self.faults) or "nothing overlaps"
        return (f"{PUBLISHED} ({how}): not to be compared with numbers on people who were never seen",)

    def labelled(self, results: Sequence[Result]) -> list[Result]:
        """Results on these parts, with what their reports must say."""
        return [replace(r, notes=(*r.notes, *self.notes)) for r in results]


def _faults(parts: dict[str, Part]) -> Iterator[str]:
    people = {name: _people(part) for name, part in parts.items()}
    recordings = {name: _recordings(part) for name, part in parts.items()}
    for a, b in combinations(parts, 2):
        if recordings[a] and recordings[a].keys() == recordings[b].keys():
            yield f"{a} and {b} are of the same recordings"
        elif both := [r for key, r in recordings[a].items() if key in recordings[b]]:
            yield _told(both, "recording", a, b)
        elif both := [name for name, known in people[a].items() if known & set().union(*people[b].values())]:
            yield _told(both, "person", a, b)


def _told(names: list[str], what: str, a: str, b: str) -> str:
    shown = ", ".join(sorted(names)[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    many = {"person": "people", "recording": "recordings"}[what]
    who = f"1 {what} ({shown}) is" if len(names) == 1 else f"{len(names)} {many} ({shown}) are"
    return f"{who} in both {a} and {b}"


def _people(part: Part) -> dict[str, set[str]]:
    """Its people, and every name that each goes by in other corpora."""
    return {name: part.corpus.identities([name]) for name in (part.subjects[i] for i in np.unique(part.subject))}


def _recordings(part: Part) -> dict[tuple[str, str, str | None], str]:
    """Its recordings by their source and name, by which a copy in another corpus is known again."""
    if isinstance(part, Windows):
        codes = set(np.unique(part.recording).tolist())
    else:
        stretch = part.stretch_of(np.arange(len(part)))
        columns = zip(part.layout.modalities, stretch.T, strict=True)
        codes = {int(c) for m, column in columns for c in np.unique(m.code[column[column >= 0]])}
    rows = [part.corpus.recordings[code] for code in sorted(codes)]
    return {(r.row["source_hash"], r.row["name"], r.stream): r.id for r in rows}
