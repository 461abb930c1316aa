"""Checks that every text reader makes on what it has read."""

from __future__ import annotations

import numpy as np

from kinelet.readers.card import ACCELERATION_UNITS, ANGULAR_UNITS
from kinelet.signal.recording import FloatArray
from kinelet.signal.spec import ACC, ACC_UNIT, GYR_UNIT, SignalSpec
from kinelet.signal.units import convert

# A median norm outside this is no accelerometer with gravity in g, however hard somebody runs.
PLAUSIBLE_NORM_G = (0.6, 1.7)
# Median norm in g, if a number in this unit was taken for g: lower and upper bound.
MISTAKEN = {"m/s^2": (6.0, 16.0), "mg": (600.0, 1700.0), "g already divided by 9.81": (0.06, 0.17)}
NORM_SAMPLES = 200_000


def to_inside_unit(unit: str) -> tuple[float, str]:
    """Factor and unit that a unit becomes inside kinelet: g, rad/s, or itself.

    >>> to_inside_unit("mg")[1]
    'g'
    """
    inside = ACC_UNIT if unit in ACCELERATION_UNITS else GYR_UNIT if unit in ANGULAR_UNITS else unit
    factor = 1.0 if inside == unit else float(convert(np.ones(1), unit, inside)[0])
    return factor, inside


def norm_warnings(data: FloatArray, spec: SignalSpec) -> tuple[str, ...]:
    """Warn where the median norm of the acceleration is far from 1 g, and name the likely unit.

    Args:
        data: Samples, shape ``(time, channel)``.
        spec: Their specification; nothing is said where it has no three accelerations or no gravity.
    """
    if not spec.gravity or not set(ACC) <= set(spec.channels):
        return ()
    step = max(1, len(data) // NORM_SAMPLES)
    acc = data[::step, [spec.channels.index(c) for c in ACC]].astype(np.float64)
    norm = float(np.median(np.linalg.norm(acc, axis=1)))
    if PLAUSIBLE_NORM_G[0] <= norm <= PLAUSIBLE_NORM_G[1]:
        return ()
    likely = [unit for unit, (low, high) in MISTAKEN.items() if low <= norm <= high]
    guess = f"the file is likely in {likely[0]}" if likely else "check unit, scale and whether gravity was taken out"
    return (f"median acceleration is {norm:.3g} g, not near 1 g: {guess}",)
