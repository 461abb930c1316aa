"""How many pairs a corpus has, of whom, and how the clocks that make them are known."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kinelet.corpus.moment_clocks import ALONE
from kinelet.corpus.moment_stretches import Ints, Modality
from kinelet.corpus.moments import Moments

_BLOCK = 1 << 18


@dataclass(frozen=True)
class ModalityReport:
    """One modality in a pair report.

    Attributes:
        view: Its channels and site.
        rate_hz: Its rate.
        window_s: Length of its windows in seconds.
        moments: Moments that have it.
        alone: Moments in which nothing else was recorded.
        broken: Clips that were left out because they have gaps.
        lost: Side streams of it on a clock of their own, since nobody knows when they start.
    """

    view: str
    rate_hz: float
    window_s: float
    moments: int
    alone: int
    broken: int
    lost: int


@dataclass(frozen=True)
class PairReport:
    """What there is to align with.

    Attributes:
        moments: All moments.
        pairs: Moments with two modalities or more.
        complete: Moments with all of them.
        people: People who have pairs.
        people_in_all: People who have moments.
        hours: Hours that pairs cover.
        clocks: Pairs by how it is known that their recordings share a clock.
        largest_shift_s: Most that a window of a pair begins before or after its moment; ``None`` for clips.
        modalities: Each modality by name.
    """

    moments: int
    pairs: int
    complete: int
    people: int
    people_in_all: int
    hours: float
    clocks: dict[str, int]
    largest_shift_s: float | None
    modalities: dict[str, ModalityReport]

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    def rows(self) -> list[tuple[str, str]]:
        """As a table of what and value."""
        shift = "clips are stretched" if self.largest_shift_s is None else f"{1000 * self.largest_shift_s:.1f} ms"
        return [
            ("moments", f"{self.moments:,}"),
            ("pairs (two modalities or more)", f"{self.pairs:,}"),
            (f"all {len(self.modalities)} modalities", f"{self.complete:,}"),
            ("people with pairs", f"{self.people} of {self.people_in_all}"),
            ("hours of pairs", f"{self.hours:.2f}"),
            *((f"pairs {how}", f"{n:,}") for how, n in self.clocks.items()),
            ("largest shift within a pair", shift),
            *((name, _told(m)) for name, m in self.modalities.items()),
        ]


def _told(m: ModalityReport) -> str:
    told = f"{m.view}, {m.rate_hz:g} Hz, {m.window_s:g} s: {m.moments:,} moments, {m.alone:,} without a partner"
    if m.broken:
        told += f", {m.broken:,} clips with gaps left out"
    if m.lost:
        told += f", {m.lost:,} side streams whose start nobody knows (clips pair with placement stretch)"
    return told


def pair_report(moments: Moments) -> PairReport:
    """Count the pairs of these moments."""
    present = moments.present
    many = present.sum(axis=1)
    pairs = moments.select(many > 1)
    layout = moments.layout
    return PairReport(
        moments=len(moments),
        pairs=len(pairs),
        complete=int(present.all(axis=1).sum()),
        people=len(np.unique(pairs.subject)),
        people_in_all=len(np.unique(moments.subject)),
        hours=_hours(pairs),
        clocks=_clocks(pairs),
        largest_shift_s=None if layout.rules.placement == "stretch" else _largest_shift(pairs),
        modalities={
            m.name: ModalityReport(
                str(m.view),
                m.spec.rate_hz,
                m.n_samples / m.spec.rate_hz,
                int(present[:, i].sum()),
                int((present[:, i] & (many == 1)).sum()),
                int(layout.broken[i]),
                _lost(m, layout.clocks.code),
            )
            for i, m in enumerate(layout.modalities)
        },
    )


def _lost(modality: Modality, clock: Ints) -> int:
    """Side streams that share their clock with nothing."""
    codes, recordings = np.unique(modality.code), modality.corpus.recordings
    stream = {int(modality.code[i]): recordings[r].stream for i, r in enumerate(modality.recording.tolist())}
    alone = np.bincount(clock)[clock[codes]] == 1
    return sum(stream[int(c)] is not None for c in codes[alone])


def _hours(pairs: Moments) -> float:
    """Hours that the moments cover together; where they overlap, time counts once."""
    clock, start = pairs.clock, pairs.time_s
    order = np.lexsort((start, clock))
    length = pairs.layout.runs.length_s[pairs.locate(order)[0]]
    to_next = np.append(np.diff(start[order]), np.inf)[: len(order)]
    to_next[np.flatnonzero(np.diff(clock[order]))] = np.inf
    return float(np.minimum(length, to_next).sum() / 3600)


def _clocks(pairs: Moments) -> dict[str, int]:
    runs, layout = pairs.layout.runs, pairs.layout
    found: Counter[str] = Counter()
    for run, n in zip(*np.unique(pairs.locate(np.arange(len(pairs)))[0], return_counts=True), strict=True):
        stretch = runs.stretch[run].tolist()
        codes = {int(m.code[s]) for m, s in zip(layout.modalities, stretch, strict=True) if s >= 0}
        how = {layout.clocks.how[c] for c in codes} if len(codes) > 1 else {ALONE}
        found[", ".join(sorted(how - {ALONE} or {ALONE}))] += int(n)
    return dict(found.most_common())


def _largest_shift(pairs: Moments) -> float:
    largest = 0.0
    for a in range(0, len(pairs), _BLOCK):
        run, time_s = pairs.locate(np.arange(a, min(a + _BLOCK, len(pairs))))
        stretch = pairs.layout.runs.stretch[run]
        for column, m in enumerate(pairs.layout.modalities):
            there = stretch[:, column] >= 0
            shifts = m.shifts(stretch[there, column], time_s[there])
            largest = max(largest, float(np.abs(shifts).max(initial=0.0)))
    return largest
