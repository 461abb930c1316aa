"""A gyroscope with a clock of its own, put on the accelerometer's."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kinelet.datasets.assemble import Times, motion
from kinelet.signal.recording import FloatArray

MIN_COVER = 0.9
"""Share of accelerometer samples that need a gyroscope sample nearby for the gyroscope to be kept."""


class Motion(NamedTuple):
    """Samples in g and rad/s, (time, 3 or 6), with what was decided about the gyroscope."""

    data: FloatArray
    meta: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def gyro(self) -> bool:
        """Whether the gyroscope is among the samples."""
        return bool(self.data.shape[1] == 6)


def distance_to_nearest(time_s: Times, source_s: Times) -> Times:
    """Seconds from each time to the nearest of ``source_s`` (sorted), shape of ``time_s``."""
    after = np.clip(np.searchsorted(source_s, time_s), 1, len(source_s) - 1) if len(source_s) > 1 else 0
    before = np.maximum(after - 1, 0)
    return np.asarray(np.minimum(np.abs(time_s - source_s[before]), np.abs(time_s - source_s[after])))


def with_gyroscope(
    acc_s: Times,
    acc: FloatArray,
    gyr_s: Times,
    gyr: FloatArray,
    *,
    acc_unit: str,
    gyr_unit: str,
    tolerance_s: float,
) -> Motion:
    """Interpolate the gyroscope linearly onto the accelerometer's clock.

    A row whose nearest gyroscope sample is more than ``tolerance_s`` away is NaN (later a gap). The gyroscope is
    left out, with a warning, where it holds nothing but zeros or covers less than :data:`MIN_COVER` of the rows.

    Args:
        acc_s: Times of the accelerometer, sorted, shape ``(time,)``.
        acc: Accelerometer, shape ``(time, 3)``.
        gyr_s: Times of the gyroscope on the same origin, sorted, shape ``(other time,)``.
        gyr: Gyroscope, shape ``(other time, 3)``.
        acc_unit: Unit of ``acc``.
        gyr_unit: Unit of ``gyr``.
        tolerance_s: Farthest gyroscope sample that a row may rest on, seconds.
    """
    if not len(gyr):
        return accelerometer_only(acc, acc_unit, "there is no gyroscope")
    if not np.any(gyr):
        return accelerometer_only(acc, acc_unit, "the gyroscope holds nothing but zeros")
    far = distance_to_nearest(acc_s, gyr_s) > tolerance_s
    cover = 1.0 - float(far.mean())
    if cover < MIN_COVER:
        return accelerometer_only(acc, acc_unit, f"the gyroscope covers only {cover:.0%} of the accelerometer's time")
    turned = np.stack([np.interp(acc_s, gyr_s, axis) for axis in gyr.T], axis=1)
    turned[far] = np.nan
    meta = {
        "gyroscope_clock": f"interpolated onto the accelerometer's, nearest sample within {tolerance_s:g} s",
        "rows_without_gyroscope": int(far.sum()),
    }
    return Motion(motion(acc, acc_unit, turned, gyr_unit), meta, ())


def accelerometer_only(acc: FloatArray, acc_unit: str, reason: str) -> Motion:
    """The accelerometer by itself, with the reason on record."""
    return Motion(motion(acc, acc_unit), {"gyroscope": reason}, (f"accelerometer only: {reason}",))
