"""Where moments lie: runs of them, one hop apart, in which the same modalities are there from the same stretches."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from kinelet.corpus.moment_stretches import FUZZ, Modality

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_Row = tuple[int, int, float, int, float, list[int]]


@dataclass(frozen=True)
class Runs:
    """Runs of moments; arrays are ``(runs,)``.

    Attributes:
        clock: Number of the clock.
        chain: Number of the grid; the moments of one grid follow each other one hop apart.
        time_s: Time of the first moment on the clock.
        count: Moments.
        length_s: Seconds that each of its moments lasts.
        stretch: Stretch of each modality that its windows are read from, -1 where it is absent, ``(runs, modality)``.
    """

    clock: Ints
    chain: Ints
    time_s: Floats
    count: Ints
    length_s: Floats
    stretch: Ints

    @cached_property
    def before(self) -> Ints:
        """Moments in earlier runs, shape ``(runs + 1,)``."""
        return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(self.count, dtype=np.int64)])


def lay_grid(modalities: Sequence[Modality], window_s: float, hop_s: float, tolerance_s: float) -> Runs:
    """Lay moments on a grid over each stretch of the first modality, then over what the others have beside it.

    No two grids of one clock overlap, so that no time of a person is taken twice.

    Args:
        modalities: Modalities, the one that sets the grid first.
        window_s: Length of a moment.
        hop_s: From one moment to the next.
        tolerance_s: Seconds by which a stretch may miss a moment's ends and still have it.
    """
    rows: list[_Row] = []
    chain = 0
    for clock in np.unique(np.concatenate([m.clock for m in modalities])).tolist():
        for t0, count in _grids(modalities, clock, window_s, hop_s):
            pieces = _pieces(modalities, clock, t0, count, hop_s, tolerance_s)
            rows += [(clock, chain, t0 + a * hop_s, b - a, window_s, there) for a, b, there in pieces]
            chain += 1
    return _runs(rows, len(modalities))


def lay_clips(modalities: Sequence[Modality]) -> tuple[Runs, Ints]:
    """One moment a clock, over the whole stretch of each modality.

    Returns:
        The moments, and how many clips of each modality were left out because they have gaps or one sample only.
    """
    rows: list[_Row] = []
    broken = np.zeros(len(modalities), dtype=np.int64)
    for chain, clock in enumerate(np.unique(np.concatenate([m.clock for m in modalities])).tolist()):
        there = [_only(m, clock) for m in modalities]
        broken += np.array(there) == _BROKEN
        there = [max(s, -1) for s in there]
        have = [(m, s) for m, s in zip(modalities, there, strict=True) if s >= 0]
        if have:
            start = min(float(m.time_s[s]) for m, s in have)
            stop = max(float(m.time_s[s] + m.length[s] / m.spec.rate_hz) for m, s in have)
            rows.append((clock, chain, start, 1, stop - start, there))
    return _runs(rows, len(modalities)), broken


_BROKEN = -2


def _only(modality: Modality, clock: int) -> int:
    here = modality.on(clock)
    if here.start == here.stop:
        return -1
    whole = here.stop - here.start == 1 and modality.length[here.start] > 1
    return here.start if whole else _BROKEN


def _grids(modalities: Sequence[Modality], clock: int, window_s: float, hop_s: float) -> Iterator[tuple[float, int]]:
    """First time and number of moments of each grid of a clock."""
    laid: list[tuple[float, float]] = []
    for m in modalities:
        here, taken, end = m.on(clock), sorted(laid), -np.inf
        fuzz = FUZZ / m.spec.rate_hz
        for start, length in zip(m.time_s[here].tolist(), m.length[here].tolist(), strict=True):
            stop = start + length / m.spec.rate_hz
            last = start + (length - m.n_samples) / m.spec.rate_hz  # the last time that a window can begin
            for a, b in _free(max(start, end), stop, taken):
                count = int(np.floor((min(b - window_s, last) + fuzz - a) / hop_s)) + 1
                if count > 0:
                    end = a + (count - 1) * hop_s + window_s
                    laid.append((a, end))
                    yield a, count


def _free(start: float, stop: float, taken: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """What is left of ``[start, stop)`` beside intervals that are in order and do not overlap."""
    for i in range(bisect_right(taken, start, key=itemgetter(1)), len(taken)):
        a, b = taken[i]
        if a >= stop:
            break
        if a > start:
            yield start, a
        start = max(start, b)
    if stop > start:
        yield start, stop


def _pieces(
    modalities: Sequence[Modality], clock: int, t0: float, count: int, hop_s: float, tolerance_s: float
) -> Iterator[tuple[int, int, list[int]]]:
    """Cut a grid where what is there changes: first moment, moment after the last, stretch of each modality."""
    ranges = [_ranges(m, clock, t0, count, hop_s, tolerance_s) for m in modalities]
    cuts = np.unique(np.concatenate([np.array([0, count]), *(r[:, 1:].ravel() for r in ranges)]))
    stretch = np.full((len(cuts) - 1, len(modalities)), -1, dtype=np.int64)
    for column, found in enumerate(ranges):
        places = np.searchsorted(cuts, found[:, 1:])
        for (s, _, _), (a, b) in zip(found[::-1].tolist(), places[::-1].tolist(), strict=True):
            stretch[a:b, column] = s  # of stretches that overlap, the first has the last word
    for a, b, there in zip(cuts[:-1].tolist(), cuts[1:].tolist(), stretch.tolist(), strict=True):
        yield a, b, there


def _ranges(m: Modality, clock: int, t0: float, count: int, hop_s: float, tolerance_s: float) -> Ints:
    """Stretches that have some of a grid's moments: number, first moment, moment after the last, ``(n, 3)``."""
    here = np.arange(m.on(clock).start, m.on(clock).stop)
    here = here[m.length[here] >= m.n_samples]
    start, room = m.time_s[here], (m.length[here] - m.n_samples) / m.spec.rate_hz
    slack = m.slack(tolerance_s)
    first = np.clip(np.ceil((start - slack - t0) / hop_s), 0, count).astype(np.int64)
    stop = np.clip(np.floor((start + room + slack - t0) / hop_s) + 1, 0, count).astype(np.int64)
    return np.stack([here, first, stop], axis=1)[stop > first]


def _runs(rows: Sequence[_Row], modalities: int) -> Runs:
    clock, chain, time_s, count, length_s, stretch = zip(*rows, strict=True) if rows else [()] * 6
    ints = [np.asarray(c, dtype=np.int64) for c in (clock, chain, count)]
    floats = [np.asarray(c, dtype=np.float64) for c in (time_s, length_s)]
    there = np.asarray(stretch, dtype=np.int64).reshape(-1, modalities)
    return Runs(ints[0], ints[1], floats[0], ints[2], floats[1], there)
