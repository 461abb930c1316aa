"""From a score for every window to stretches of time: grown around peaks, none over another, none across a gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_FUZZ = 1e-6  # seconds by which times on the grid may be off


@dataclass(frozen=True, eq=False)
class Series:
    """Scores of the windows of a recording.

    Attributes:
        time_s: Start of each window on a regular grid, ``(n,)``.
        score: ``(n,)``; NaN where there is no window, as in a gap.
        window_s: Length of a window.
        step_s: From one window's start to the next.
    """

    time_s: Floats
    score: Floats
    window_s: float
    step_s: float


@dataclass(frozen=True)
class Stretch:
    """Windows ``first`` to ``last`` (included) of a series, grown around the window ``peak``."""

    series: int
    first: int
    last: int
    peak: int


@dataclass(frozen=True, eq=False)
class Spread:
    """How the scores of all windows lie, so that one of them means something.

    Attributes:
        ordered: All scores, rising.
        median: Their median.
        scale: 1.4826 times the median distance from it (the standard deviation, were they normal); the standard
            deviation itself where more than half are equal.
    """

    ordered: Floats
    median: float
    scale: float

    @classmethod
    def of(cls, scores: Floats) -> Spread:
        """Summarise scores; those that are NaN are left out."""
        ordered = np.sort(scores[np.isfinite(scores)])
        if not len(ordered):
            return cls(ordered, float("nan"), float("nan"))
        median = float(np.median(ordered))
        scale = 1.4826 * float(np.median(np.abs(ordered - median)))
        return cls(ordered, median, scale or float(ordered.std()))

    def z(self, score: float) -> float:
        """Distance from the median in scales; 0 where all scores are equal."""
        return (score - self.median) / self.scale if self.scale > 0 else 0.0

    def percentile(self, score: float) -> float:
        """Per cent of the windows that score lower."""
        return 100.0 * float(np.searchsorted(self.ordered, score, side="left")) / max(1, len(self.ordered))


def best_stretches(
    series: Sequence[Series], top: int, *, base: float, extent: float = 0.5, merge_s: float = 0.0
) -> list[Stretch]:
    """The best stretches over all series, best first.

    The best window left is a peak. Its stretch reaches both ways over windows that score at least
    ``base + extent (peak - base)``, with 0.5 the width at half the height; dips no longer than ``merge_s`` are
    bridged, gaps are not. Windows of the recording less than ``merge_s`` from the stretch are then out (non-maximum
    suppression), and the next peak is looked for, until there are ``top`` or no window scores above ``base``.

    Args:
        series: Scores by recording.
        top: At most so many.
        base: Height that peaks are measured from, such as the median of all scores.
        extent: Share of a peak's height that its stretch must keep, in (0, 1].
        merge_s: Longest dip to bridge, and least time between two stretches of a recording, in seconds.
    """
    alive = [np.isfinite(s.score) for s in series]
    found: list[Stretch] = []
    while len(found) < top:
        best = _peak(series, alive)
        if best is None or not series[best[0]].score[best[1]] > base:
            break
        code, peak = best
        one = series[code]
        floor = base + extent * (float(one.score[peak]) - base)
        dips = int((merge_s + _FUZZ) / one.step_s)
        first, last = (_reach(one.score, alive[code], peak, way, floor, dips) for way in (-1, 1))
        found.append(Stretch(code, first, last, peak))
        alive[code] &= ~_near(one, first, last, merge_s)
    return found


def _peak(series: Sequence[Series], alive: Sequence[Flags]) -> tuple[int, int] | None:
    """Series and window of the highest score left; the earlier of equals."""
    best: tuple[int, int] | None = None
    height = -np.inf
    for code, (one, mask) in enumerate(zip(series, alive, strict=True)):
        if not mask.any():
            continue
        i = int(np.argmax(np.where(mask, one.score, -np.inf)))
        if one.score[i] > height:
            best, height = (code, i), float(one.score[i])
    return best


def _reach(score: Floats, alive: Flags, peak: int, way: int, floor: float, dips: int) -> int:
    """Last window of a stretch in one direction."""
    reached, i = peak, peak + way
    while 0 <= i < len(score) and alive[i] and abs(i - reached) <= dips + 1:
        if score[i] >= floor:
            reached = i
        i += way
    return reached


def _near(one: Series, first: int, last: int, apart_s: float) -> Flags:
    start, stop = one.time_s[first] - apart_s, one.time_s[last] + one.window_s + apart_s
    return np.asarray((one.time_s + one.window_s > start + _FUZZ) & (one.time_s < stop - _FUZZ))


def smooth(score: Floats, steps: int) -> Floats:
    """Mean over ``steps`` windows around each, within runs of windows; ``(n, ...)`` in, the same out.

    A run ends at NaN. Near its ends the mean is over what there is of it, as many windows on either side.

    Args:
        score: ``(n,)`` or ``(n, class)``; a window is NaN in all classes or none.
        steps: Windows in the mean; an even number counts as the next odd one, 1 changes nothing.
    """
    reach = max(0, steps) // 2
    if reach == 0 or not len(score):
        return score.copy()
    out = np.full_like(score, np.nan)
    valid = np.asarray(np.isfinite(score).reshape(len(score), -1).all(axis=1))
    for first, stop in runs(valid):
        out[first:stop] = _smooth_run(score[first:stop], reach)
    return out


def _smooth_run(score: Floats, reach: int) -> Floats:
    n = len(score)
    total = np.concatenate([np.zeros_like(score[:1]), np.cumsum(score, axis=0)])
    i = np.arange(n)
    # As many on either side: a mean that leans to one side at the ends would shift what happens there.
    half = np.minimum(reach, np.minimum(i, n - 1 - i))
    count = (2 * half + 1).reshape(-1, *[1] * (score.ndim - 1))
    return np.asarray((total[i + half + 1] - total[i - half]) / count)


def runs(flags: Flags) -> list[tuple[int, int]]:
    """Runs of true flags as ``(first, stop)``.

    >>> runs(np.array([True, True, False, True]))
    [(0, 2), (3, 4)]
    """
    edges = np.flatnonzero(np.diff(np.r_[False, flags, False].astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
