"""A classical step detector: stride time from the autocorrelation of the acceleration's norm, steps from its peaks.

Nothing is learnt. The norm does not depend on how the sensor is turned; in walking it repeats with every stride and,
away from the feet, nearly so with every step. Regularity follows Moe-Nilssen and Helbostad, *Journal of Biomechanics*
37(1), 2004: the unbiased autocorrelation at the lag of a step and of a stride.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import signal

from kinelet.errors import BadOptionError

Array = npt.NDArray[np.float64]

STRIDE_S = (0.7, 2.1)
PIECE_S = 10.0
_BAND_HZ = (0.5, 6.0)
_SHORTEST_S = 2.0
_COMMON_S = 1.1  # an adult's stride at 109 steps a minute


@dataclass(frozen=True)
class Gait:
    """What the detector found in one stretch of walking.

    Attributes:
        stride_time: Median over pieces of the stride's duration, seconds.
        cadence: Steps a minute at that stride time.
        steps: Number of steps.
        step_regularity, stride_regularity: Autocorrelation at the lag of a step and of a stride, at most 1.
        strength: Root mean square of the norm around its mean, in the unit of the acceleration.
    """

    stride_time: float
    cadence: float
    steps: int
    step_regularity: float
    stride_regularity: float
    strength: float

    def vector(self) -> list[float]:
        """The numbers that do not depend on how long the stretch is."""
        return [self.stride_time, self.cadence, self.step_regularity, self.stride_regularity, self.strength]


def detect(acceleration: npt.ArrayLike, rate_hz: float, *, foot: bool = False) -> Gait:
    """Detect steps in a stretch of walking.

    Args:
        acceleration: ``(time, axis)`` with gravity.
        rate_hz: Samples a second.
        foot: The sensor is worn on one foot, whose steps are strides: the norm then repeats once a stride.

    Raises:
        BadOptionError: if the stretch is shorter than 2 s.
    """
    norm = np.linalg.norm(np.asarray(acceleration, dtype=float), axis=1)
    if len(norm) < _SHORTEST_S * rate_hz:
        raise BadOptionError(
            f"{len(norm) / rate_hz:.2f} s of walking",
            where="step detector",
            remedy=f"Give {_SHORTEST_S:g} s or more",
        )
    moving = _band(norm - norm.mean(), rate_hz, _BAND_HZ)
    found = np.array([_stride(piece, rate_hz, foot) for piece in _pieces(moving, rate_hz)])
    stride, step_r, stride_r = np.median(found, axis=0)
    period = stride if foot else stride / 2
    beats = _beats(moving, rate_hz, period)
    return Gait(
        stride_time=float(stride),
        cadence=float(120.0 / stride),
        steps=beats * (2 if foot else 1),
        step_regularity=float(step_r),
        stride_regularity=float(stride_r),
        strength=float((norm - norm.mean()).std()),
    )


def autocorrelation(x: Array, lags: int) -> Array:
    """Unbiased autocorrelation of a series without its mean at lags 0 to ``lags``, 1 at lag 0; ``(lags + 1,)``."""
    centred = x - x.mean()
    sums = signal.correlate(centred, centred, method="fft")[len(x) - 1 :][: lags + 1]
    mean = sums / (len(x) - np.arange(len(sums)))
    return np.asarray(mean / max(mean[0], 1e-12))


def _pieces(x: Array, rate_hz: float) -> list[Array]:
    """Overlapping pieces, so that a walk may change its pace."""
    n = round(PIECE_S * rate_hz)
    return [x[i : i + n] for i in range(0, max(1, len(x) - n + 1), n // 2)]


def _stride(x: Array, rate_hz: float, foot: bool) -> tuple[float, float, float]:
    """Stride time (s), and the autocorrelation at a step and at a stride."""
    lags = min(round(STRIDE_S[1] * rate_hz) + 1, len(x) * 2 // 3)
    r = autocorrelation(x, lags)
    peaks = signal.find_peaks(r)[0]
    peaks = peaks[(peaks >= STRIDE_S[0] * rate_hz) & (peaks < lags)]
    if len(peaks) == 0:
        peaks = np.array([round(STRIDE_S[0] * rate_hz) + int(np.argmax(r[round(STRIDE_S[0] * rate_hz) : lags]))])
    half = np.array([r[max(1, int(0.85 * p / 2)) : int(1.15 * p / 2) + 1].max() for p in peaks])
    # Two strides look like a stride, and on the trunk so does one step: what people do commonly decides between them.
    merit = r[peaks] - np.abs(np.log(peaks / rate_hz / _COMMON_S)) + (0.0 if foot else 0.5 * half)
    chosen = int(np.argmax(merit))
    lag = peaks[chosen]
    return (lag + _vertex(r, int(lag))) / rate_hz, float(half[chosen]), float(r[lag])


def _vertex(r: Array, i: int) -> float:
    """Offset, in samples, of the top of the parabola through a peak and its neighbours."""
    if not 0 < i < len(r) - 1:
        return 0.0
    bend = r[i - 1] - 2 * r[i] + r[i + 1]
    return float(np.clip((r[i - 1] - r[i + 1]) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0


def _beats(x: Array, rate_hz: float, period_s: float) -> int:
    """Peaks that are at least 0.6 periods apart and stand out, of the series below 1.6 times the beat."""
    smooth = _band(x, rate_hz, (_BAND_HZ[0], min(1.6 / period_s, 0.45 * rate_hz)))
    peaks = signal.find_peaks(smooth, distance=max(1, round(0.6 * period_s * rate_hz)), prominence=0.4 * smooth.std())
    return len(peaks[0])


def _band(x: Array, rate_hz: float, band_hz: tuple[float, float]) -> Array:
    high = min(band_hz[1], 0.45 * rate_hz)
    sections = signal.butter(2, (band_hz[0], high), "bandpass", fs=rate_hz, output="sos")
    return np.asarray(signal.sosfiltfilt(sections, x))
