"""Labels and target values of windows, from annotated intervals, for all windows of a recording at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]

_FUZZ = 1e-9  # share of a window by which a boundary on the sample grid may miss it


@dataclass(frozen=True)
class Intervals:
    """Annotations of one recording on one track, as columns; ``code`` is -1 and ``value`` NaN where there is none."""

    start_s: Floats
    stop_s: Floats
    code: Codes
    value: Floats


def overlap(starts: Floats, stops: Floats, t0: Floats, t1: Floats) -> Floats:
    """Seconds of each window ``[t0, t1)`` that the union of intervals covers, shape ``(windows,)``.

    The covered time before ``t`` is a piecewise-linear function of ``t``; a window's share is its increase.
    """
    order = np.argsort(starts, kind="stable")
    a, b = starts[order], np.maximum.accumulate(stops[order])
    first = np.r_[True, a[1:] > b[:-1]]  # intervals that touch nothing before them
    begin, end = a[first], b[np.r_[np.flatnonzero(first)[1:] - 1, len(b) - 1]]
    edges = np.stack([begin, end], axis=1).ravel()
    covered = np.repeat(np.r_[0.0, np.cumsum(end - begin)], 2)[1:-1]
    return np.asarray(np.interp(t1, edges, covered) - np.interp(t0, edges, covered))


def majority(intervals: Intervals, t0: Floats, t1: Floats, purity: float) -> Codes:
    """Class that covers most of each window, if it covers at least ``purity`` of it; else -1, shape ``(windows,)``.

    Of classes that cover the same share, the one with the lowest code wins.
    """
    best = np.zeros(len(t0))
    out = np.full(len(t0), -1, dtype=np.int32)
    for code in np.unique(intervals.code[intervals.code >= 0]):
        mine = intervals.code == code
        seconds = overlap(intervals.start_s[mine], intervals.stop_s[mine], t0, t1)
        more = seconds > best + _FUZZ * (t1 - t0)
        out[more], best[more] = code, seconds[more]
    out[best < (purity - _FUZZ) * (t1 - t0)] = -1
    return out


def mean_value(intervals: Intervals, t0: Floats, t1: Floats, purity: float) -> Floats:
    """Mean of the values over each window, weighted by time; NaN where they cover less than ``purity`` of it."""
    known = np.isfinite(intervals.value)
    starts, stops, values = intervals.start_s[known], intervals.stop_s[known], intervals.value[known]
    if not len(values):
        return np.full(len(t0), np.nan)
    seconds = _integral(starts, stops, np.ones_like(values), t0, t1)
    total = _integral(starts, stops, values, t0, t1)
    enough = seconds >= (purity - _FUZZ) * (t1 - t0)
    return np.where(enough, total / np.where(enough, seconds, 1.0), np.nan)


def _integral(starts: Floats, stops: Floats, values: Floats, t0: Floats, t1: Floats) -> Floats:
    edges = np.r_[starts, stops]
    order = np.argsort(edges, kind="stable")
    edges, height = edges[order], np.cumsum(np.r_[values, -values][order])
    area = np.r_[0.0, np.cumsum(height[:-1] * np.diff(edges))]
    return np.asarray(np.interp(t1, edges, area) - np.interp(t0, edges, area))


def class_codes(labels: Sequence[str | None], classes: Sequence[str]) -> Codes:
    """Position of each label among ``classes``; -1 for ``None`` and for labels that are not among them."""
    code = {name: i for i, name in enumerate(classes)}
    return np.array([code.get(label, -1) if label is not None else -1 for label in labels], dtype=np.int32)
