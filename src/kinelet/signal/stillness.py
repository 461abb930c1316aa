"""Statistics of short windows, and which of them are still: the ground of calibration and of the quality report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinelet.errors import SpecMismatchError
from kinelet.signal.recording import Recording
from kinelet.signal.resample import measured_rate
from kinelet.signal.spec import ACC, ACC_UNIT
from kinelet.signal.units import unit_factor

FloatMatrix = npt.NDArray[np.float64]

STILL_SD_G = 0.013
"""Largest standard deviation on every axis of a still window, g (van Hees et al. 2014)."""
STILL_WINDOW_S = 10.0
_CHUNK_SAMPLES = 1 << 16


@dataclass(frozen=True)
class WindowStats:
    """Mean, standard deviation and range of windows, each of shape ``(window, channel)``, in the recording's units."""

    mean: FloatMatrix
    sd: FloatMatrix
    span: FloatMatrix


def acc_columns(rec: Recording) -> list[int]:
    """Columns of the three acceleration axes.

    Raises:
        SpecMismatchError: The recording lacks one of them.
    """
    missing = [name for name in ACC if name not in rec.spec.channels]
    if missing:
        raise SpecMismatchError(
            f"channels {rec.spec.channels} lack {', '.join(missing)}",
            where=f"recording {rec.name!r}",
            remedy="This needs a three-axis accelerometer",
        )
    return [rec.spec.channels.index(name) for name in ACC]


def acc_factors(rec: Recording) -> FloatMatrix:
    """Factors that turn the three acceleration columns into g, shape ``(3,)``."""
    return np.array([unit_factor(rec.spec.units[c], ACC_UNIT) for c in acc_columns(rec)])


def window_stats(rec: Recording, window_s: float, columns: list[int]) -> WindowStats:
    """Statistics of windows laid end to end in every segment; what is left at a segment's end is not used."""
    n = max(2, round(window_s * measured_rate(rec)))
    parts: list[tuple[FloatMatrix, FloatMatrix, FloatMatrix]] = []
    step = max(1, _CHUNK_SAMPLES // n) * n
    for s in rec.segments:
        end = s.start + (s.stop - s.start) // n * n
        for a in range(s.start, end, step):
            parts.append(_block_stats(rec.data[a : min(a + step, end)], n, columns))
    if not parts:
        none = np.empty((0, len(columns)))
        return WindowStats(none, none, none)
    mean, sd, span = (np.concatenate(x) for x in zip(*parts, strict=True))
    return WindowStats(mean, sd, span)


def _block_stats(
    block: npt.NDArray[np.float32], n: int, columns: list[int]
) -> tuple[FloatMatrix, FloatMatrix, FloatMatrix]:
    # Axis-major copies make every reduction run along contiguous memory.
    x = np.ascontiguousarray(block[:, columns].T).reshape(len(columns), -1, n)
    span = x.max(axis=2) - x.min(axis=2)
    first = x[:, :, :1]
    centred = x - first
    shift = centred.mean(axis=2, keepdims=True)
    centred -= shift
    sd = np.sqrt(np.einsum("cwn,cwn->cw", centred, centred) / n)
    mean = first[:, :, 0].astype(np.float64) + shift[:, :, 0]
    return mean.T, sd.T.astype(np.float64), span.T.astype(np.float64)


def still_points(rec: Recording, stats: WindowStats | None = None) -> FloatMatrix:
    """Mean acceleration of still windows of 10 s, shape ``(window, 3)``, g.

    Still means a standard deviation below 13 mg on every axis; means beyond 2 g are left out, as no resting sensor
    shows them. Windows that do not move at all are kept once a posture: a sensor that repeats its last sample while it
    sleeps has not measured more often.

    Args:
        rec: Recording with a three-axis accelerometer.
        stats: Statistics of the acceleration columns, where they are known already.

    Raises:
        SpecMismatchError: No three-axis accelerometer, or a unit that is not of acceleration.
    """
    factors = acc_factors(rec)
    stats = stats or window_stats(rec, STILL_WINDOW_S, acc_columns(rec))
    mean, sd = stats.mean * factors, stats.sd * factors
    with np.errstate(invalid="ignore"):
        still = (sd < STILL_SD_G).all(axis=1) & (np.abs(mean) < 2.0).all(axis=1)
    mean, sd = mean[still], sd[still]
    repeated = np.zeros(len(mean), dtype=bool)
    repeated[1:] = (sd[1:] == 0).all(axis=1) & (mean[1:] == mean[:-1]).all(axis=1)
    return np.asarray(mean[~repeated])
