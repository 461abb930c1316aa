"""Measures behind the quality report: clipping, stuck axes and the length of the acceleration vector."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kinelet.signal.recording import Recording
from kinelet.signal.spec import ACC_UNIT, GYR_UNIT
from kinelet.signal.stillness import STILL_SD_G, acc_columns, acc_factors, window_stats
from kinelet.signal.units import STANDARD_GRAVITY, quantity, unit_factor

_SHORT_S = 60.0
"""Recordings shorter than this are looked at in windows of 1 s instead of 10 s."""
_CLIP_LEAST_G = 1.5
"""A sensor at rest may dwell at its largest value, so that acceleration below this is never taken as clipped."""
_MOVES = {"acceleration": (ACC_UNIT, 0.1), "angular rate": (GYR_UNIT, 0.2)}
"""Range within a window above which a sensor moves, by what it measures."""
_NORM_SAMPLES = 1_000_000
_NORM_GUESSES = (
    (STANDARD_GRAVITY, "looks like m/s^2 that is called g"),
    (1000.0, "looks like mg that is called g"),
    (1.0 / STANDARD_GRAVITY, "looks like g that was divided by 9.81 once too often"),
    (1e-3, "looks like g that is called mg"),
    (256.0, "looks like device counts of 256 a g"),
    (64.0, "looks like device counts of 64 a g"),
)


def clipped_parts(rec: Recording) -> dict[str, float]:
    """Part of the samples of each channel that lie at its largest or smallest value in runs of three or more."""
    return {name: _clipped(rec, i) for i, name in enumerate(rec.spec.channels)}


def _clipped(rec: Recording, column: int) -> float:
    x, unit = rec.data[:, column], rec.spec.units[column]
    least = _CLIP_LEAST_G / unit_factor(unit, ACC_UNIT) if quantity(unit) == "acceleration" else 0.0
    low, high = float(np.fmin.reduce(x)), float(np.fmax.reduce(x))
    if low == high:
        return 0.0
    count = sum(_in_runs(x == end) for end in (low, high) if abs(end) >= least)
    return count / len(x)


def _in_runs(at: npt.NDArray[np.bool_], least: int = 3) -> int:
    """Number of true elements in runs of at least ``least``."""
    edges = np.flatnonzero(np.diff(at.astype(np.int8), prepend=0, append=0))
    lengths = edges[1::2] - edges[::2]
    return int(lengths[lengths >= least].sum())


def stuck_parts(rec: Recording) -> dict[str, float]:
    """Part of the windows in which a channel does not change at all while another axis of its sensor moves.

    A channel that never changes in the whole recording is stuck all the time, whatever the others do.
    """
    stats = window_stats(rec, _window_s(rec), list(range(rec.data.shape[1])))
    out = {}
    for i, name in enumerate(rec.spec.channels):
        kin = [j for j, other in enumerate(rec.spec.channels) if j != i and other.split("_")[0] == name.split("_")[0]]
        if len(rec.data) > 1 and bool((rec.data[:, i] == rec.data[0, i]).all()):
            out[name] = 1.0
        elif kin and len(stats.span):
            moves = (stats.span[:, kin] > [_moves_at(rec.spec.units[j]) for j in kin]).any(axis=1)
            out[name] = float(np.mean((stats.span[:, i] == 0) & moves))
        else:
            out[name] = 0.0
    return out


def _moves_at(unit: str) -> float:
    """Range above which a channel in this unit counts as moving; infinite for other than motion sensors."""
    base, least = _MOVES.get(quantity(unit) or "", (unit, np.inf))
    return least * unit_factor(base, unit)


def _window_s(rec: Recording) -> float:
    return 10.0 if rec.duration_s >= _SHORT_S else 1.0


def median_norm(rec: Recording) -> float:
    """Median length of the acceleration vector in g, of still windows where there are any, else of all samples."""
    columns, factors = acc_columns(rec), acc_factors(rec)
    stats = window_stats(rec, _window_s(rec), columns)
    # In a wrong unit the limit for stillness is wrong too: it is taken relative to the norm.
    norm = np.linalg.norm(stats.mean * factors, axis=1)
    with np.errstate(invalid="ignore"):
        still = (stats.sd * factors < STILL_SD_G * np.maximum(norm, 1.0)[:, None]).all(axis=1)
    if still.any():
        return float(np.median(norm[still]))
    step = max(1, len(rec.data) // _NORM_SAMPLES)
    return float(np.nanmedian(np.linalg.norm(rec.data[::step, columns] * factors, axis=1)))


def norm_remark(norm: float, gravity: bool) -> str:
    """What an implausible median norm in g looks like; empty if it is plausible."""
    if not gravity or 0.8 <= norm <= 1.2:
        return ""
    for value, words in _NORM_GUESSES:
        if 0.8 <= norm / value <= 1.2:
            return words
    return "gravity seems to be missing" if norm < 0.3 else "it should be near 1 g: check unit and scale"
