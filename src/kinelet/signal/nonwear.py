"""When the sensor was not worn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from kinelet.signal.recording import Recording, Segment
from kinelet.signal.stillness import FloatMatrix, acc_columns, acc_factors

WINDOW_S = 3600.0
STEP_S = 900.0
SD_G = 0.013
RANGE_G = 0.050
_MIN_COVER = 2 / 3
"""Part of a window that samples must cover for it to be judged."""


@dataclass(frozen=True)
class Wear:
    """Whether the sensor was worn.

    Attributes:
        known: Whether any window could be judged.
        nonwear: Intervals without wear, seconds on the recording's clock; empty where nothing is known.
        wear_s: Seconds with samples outside these intervals; ``None`` where nothing is known.
        remark: Why nothing is known; else empty.
    """

    known: bool
    nonwear: tuple[tuple[float, float], ...]
    wear_s: float | None
    remark: str = ""


def nonwear(rec: Recording) -> tuple[tuple[float, float], ...]:
    """Intervals in which the sensor was not worn, seconds; see :func:`assess_wear`, which also says what is unknown."""
    return assess_wear(rec).nonwear


def assess_wear(rec: Recording) -> Wear:
    """Tell when the sensor was not worn.

    A window of 60 min, moved in steps of 15 min, is without wear if on at least two axes the standard deviation is
    below 13 mg, or on at least two axes the range is below 50 mg. Windows without wear that overlap are joined.
    A window is judged where samples cover two thirds of it; a recording without such a window is unknown.

    Source: van Hees et al. 2013, Separating movement and gravity components in an acceleration signal and implications
    for the assessment of human daily physical activity, PLoS ONE 8(4), doi 10.1371/journal.pone.0061691.

    Args:
        rec: Recording with ``acc_x acc_y acc_z`` in a unit of acceleration.

    Raises:
        SpecMismatchError: No three-axis accelerometer, or a unit that is not of acceleration.
    """
    seconds, low, high, first, second = _blocks(rec)
    width = round(WINDOW_S / STEP_S)
    if _stop_s(rec) < WINDOW_S:
        return Wear(False, (), None, f"shorter than {WINDOW_S / 60:.0f} min")
    covered = sliding_window_view(seconds, width).sum(axis=1)
    judged = covered >= _MIN_COVER * WINDOW_S
    if not judged.any():
        return Wear(False, (), None, f"no {WINDOW_S / 60:.0f} min with samples for two thirds of them")
    span = sliding_window_view(high, width, axis=0).max(axis=2) - sliding_window_view(low, width, axis=0).min(axis=2)
    weight = np.maximum(covered, 1e-9)[:, None]
    mean = sliding_window_view(first, width, axis=0).sum(axis=2) / weight
    square = sliding_window_view(second, width, axis=0).sum(axis=2) / weight
    sd = np.sqrt(np.maximum(square - mean**2, 0.0))
    with np.errstate(invalid="ignore"):
        resting = ((sd < SD_G).sum(axis=1) >= 2) | ((span < RANGE_G).sum(axis=1) >= 2)
    intervals = _join(np.flatnonzero(judged & resting), width, _stop_s(rec))
    return Wear(True, intervals, _worn_s(rec, intervals))


def _blocks(rec: Recording) -> tuple[FloatMatrix, FloatMatrix, FloatMatrix, FloatMatrix, FloatMatrix]:
    """Seconds, minimum, maximum, and time integrals of value and square, of blocks of 15 min, in g."""
    n = max(1, math.ceil(_stop_s(rec) / STEP_S - 1e-6))
    columns, factors = acc_columns(rec), acc_factors(rec)
    seconds = np.zeros(n)
    low, high = np.full((n, 3), np.inf), np.full((n, 3), -np.inf)
    first, second = np.zeros((n, 3)), np.zeros((n, 3))
    origin = rec.data[0, columns] * factors  # near the mean, so that squares do not cancel
    for s in rec.segments:
        period = (rec.segment_stop_s(s) - s.time_s) / (s.stop - s.start)
        for block, a, b in _cut(rec, s, period, n):
            x = rec.data[a:b, columns] * factors - origin
            seconds[block] += (b - a) * period
            low[block] = np.minimum(low[block], x.min(axis=0))
            high[block] = np.maximum(high[block], x.max(axis=0))
            first[block] += x.sum(axis=0) * period
            second[block] += np.einsum("ij,ij->j", x, x) * period
    return seconds, low, high, first, second


def _cut(rec: Recording, s: Segment, period: float, n: int) -> list[tuple[int, int, int]]:
    """Cut a segment at block borders: (block, first sample, stop sample)."""
    begin = int(s.time_s // STEP_S)
    inside = np.arange(begin + 1, n) * STEP_S
    if rec.time_s is None:
        at = np.ceil((inside - s.time_s) / period - 1e-9).astype(np.int64)
    else:
        at = np.searchsorted(rec.time_s[s.start : s.stop], inside)
    edges = [s.start, *(s.start + np.clip(at, 0, s.stop - s.start)).tolist(), s.stop]
    return [(begin + i, a, b) for i, (a, b) in enumerate(pairwise(edges)) if b > a]


def _stop_s(rec: Recording) -> float:
    return rec.segment_stop_s(rec.segments[-1])


def _join(starts: np.typing.NDArray[np.int64], width: int, stop_s: float) -> tuple[tuple[float, float], ...]:
    """Join overlapping or touching windows that start at these blocks."""
    joined: list[tuple[float, float]] = []
    for block in starts.tolist():
        a, b = block * STEP_S, min((block + width) * STEP_S, stop_s)
        if joined and a <= joined[-1][1]:
            joined[-1] = (joined[-1][0], b)
        else:
            joined.append((a, b))
    return tuple(joined)


def _worn_s(rec: Recording, intervals: tuple[tuple[float, float], ...]) -> float:
    """Seconds with samples outside the intervals."""
    bounds = [(s.time_s, rec.segment_stop_s(s)) for s in rec.segments]
    resting = sum(max(0.0, min(b, stop) - max(a, start)) for a, b in intervals for start, stop in bounds)
    return sum(stop - start for start, stop in bounds) - resting
