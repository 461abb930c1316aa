"""A tower for motion at another place of the body: a fixed transform, so that two sensors worn at once can be aligned.

Nothing in it was trained or measured on recordings: its constants are physical ones, the same for every person.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kinelet.errors import BadFileError
from kinelet.towers.base import FloatArray, Items

RATE_HZ = 50.0
CHANNELS = 6
EDGES_HZ = (0.4, 1.0, 2.0, 4.0, 8.0, 16.0)
DIM = 3 + (CHANNELS + 2) * (len(EDGES_HZ) - 1) + 6
#: Spread that counts as nothing moving: g, rad/s. Device noise lies about there.
FLOOR = np.array([0.01] * 3 + [0.02] * 3 + [0.01, 0.02])
#: Decades above the floor that count as 1, and the middle of what people do.
SPAN, MIDDLE = 1.0, 1.0

Floats = NDArray[np.float64]


class MotionTower:
    """Windows ``(6, time)`` of accelerometer (g) and gyroscope (rad/s) at 50 Hz, to 49 numbers.

    Where gravity points; how strongly each axis, and each sensor's norm, moves in five bands from 0.4 to 16 Hz
    (logarithm of the root mean square, in decades over the noise of a sensor); how the axes of each sensor move
    together. At least 2.5 s, for the lowest band.

    Raises:
        BadFileError: for a window of another shape or too short.
    """

    name = "motion"
    dim = DIM
    space_id = "motion-bands"
    preprocessing = "gravity, log band strengths and correlations of axes of 6 channels at 50 Hz in g and rad/s"
    probes: Items = ()

    def __call__(self, items: Items) -> FloatArray:
        """Vectors ``(windows, 49)``."""
        return np.array([_vector(np.asarray(x, dtype=np.float64)) for x in items], dtype=np.float32)


def _vector(x: Floats) -> Floats:
    if x.ndim != 2 or len(x) != CHANNELS or x.shape[1] < round(RATE_HZ / EDGES_HZ[0]) or not np.isfinite(x).all():
        raise BadFileError(
            f"a window of shape {x.shape}, or with values that are not finite",
            where="tower 'motion'",
            remedy=f"Give {CHANNELS} channels of at least {1 / EDGES_HZ[0]:g} s at {RATE_HZ:g} Hz",
        )
    mean = x.mean(axis=1)
    signals = np.vstack([x, np.linalg.norm(x[:3], axis=0), np.linalg.norm(x[3:], axis=0)])
    level = (np.log10(_bands(signals) + FLOOR[:, None]) - np.log10(FLOOR)[:, None] - MIDDLE) / SPAN
    return np.concatenate([mean[:3], level.ravel(), _together(x[:3]), _together(x[3:])])


def _bands(signals: Floats) -> Floats:
    """Root mean square in each band, ``(signal, band)``."""
    n = signals.shape[1]
    spectrum = np.abs(np.fft.rfft(signals - signals.mean(axis=1, keepdims=True), axis=1)) ** 2 * 2 / n**2
    band = np.digitize(np.fft.rfftfreq(n, 1 / RATE_HZ), EDGES_HZ)
    power = np.stack([spectrum[:, band == i].sum(axis=1) for i in range(1, len(EDGES_HZ))], axis=1)
    return np.asarray(np.sqrt(power), dtype=np.float64)


def _together(axes: Floats) -> Floats:
    """Correlations of the three pairs of axes; near 0 where an axis stands still."""
    centred = axes - axes.mean(axis=1, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=1)) + 1e-3
    i, j = [0, 0, 1], [1, 2, 2]
    return np.asarray((centred[i] * centred[j]).mean(axis=1) / (spread[i] * spread[j]), dtype=np.float64)
