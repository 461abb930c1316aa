"""Frequency-domain features; each is a named column ``(n,)`` over windows ``(n, signal, time)``."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import fft

from kinelet.evaluate.features_time import Named
from kinelet.evaluate.task import FloatArray

BANDS_HZ = ((0.3, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 5.0), (5.0, 8.0), (8.0, 12.0), (12.0, 25.0))
"""Where people move: posture changes, gait and its harmonics, hand work, tremor and impacts."""

_TINY = 1e-9


def frequency_features(signals: FloatArray, names: tuple[str, ...], rate_hz: float) -> Iterator[Named]:
    """Band energies (log and share), dominant frequency, spectral entropy and centroid.

    Args:
        signals: ``(n, signal, time)``.
        names: A name for each signal.
        rate_hz: Samples per second; bands above half of it come out empty for every window.
    """
    for feature, values in _per_signal(signals, rate_hz):
        yield from ((f"{name}.{feature}", values[:, i]) for i, name in enumerate(names))


def _per_signal(signals: FloatArray, rate_hz: float) -> Iterator[tuple[str, FloatArray]]:
    time = signals.shape[2]
    window = np.hanning(time + 2)[1:-1].astype(np.float32)  # the two zeros at the ends carry nothing
    spectrum = fft.rfft((signals - signals.mean(axis=2, keepdims=True)) * window, axis=2)
    power = (spectrum.real**2 + spectrum.imag**2) / np.float32((window**2).sum() * time)
    hz = fft.rfftfreq(time, 1 / rate_hz).astype(np.float32)
    total = power.sum(axis=2) + np.float32(_TINY)
    for low, high in BANDS_HZ:
        energy = power[:, :, (hz >= low) & (hz < high)].sum(axis=2)
        yield f"band_{low:g}_{high:g}hz", np.log(energy + np.float32(1e-7))
        yield f"share_{low:g}_{high:g}hz", energy / total
    share = power / total[:, :, None]
    yield "dominant_hz", hz[power.argmax(axis=2)]
    entropy = -(share * np.log(share + np.float32(1e-12))).sum(axis=2)
    yield "spectral_entropy", entropy / np.float32(np.log(max(2, len(hz))))
    yield "spectral_centroid_hz", share @ hz
