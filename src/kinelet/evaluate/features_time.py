"""Time-domain features; each is a named column ``(n,)`` over windows ``(n, signal, time)``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft

from kinelet.evaluate.task import FloatArray

Named = tuple[str, npt.NDArray[Any]]
_TINY = 1e-6


def time_features(
    signals: FloatArray, names: tuple[str, ...], sensors: Mapping[str, tuple[int, int, int]], rate_hz: float
) -> Iterator[Named]:
    """All time-domain features.

    Args:
        signals: ``(n, signal, time)``: channels, then norms.
        names: A name for each signal.
        sensors: Sensors with three axes and the positions of the axes.
        rate_hz: Samples per second.
    """
    centred = signals - signals.mean(axis=2, keepdims=True)
    sd = centred.std(axis=2)
    for feature, values in _per_signal(signals, centred, sd, rate_hz):
        yield from ((f"{name}.{feature}", values[:, i]) for i, name in enumerate(names))
    for sensor, axes in sensors.items():
        for a, b in combinations(range(3), 2):
            product = (centred[:, axes[a]] * centred[:, axes[b]]).mean(axis=1)
            yield f"{sensor}.corr_{'xyz'[a]}{'xyz'[b]}", product / (sd[:, axes[a]] * sd[:, axes[b]] + _TINY**2)
        yield f"{sensor}.magnitude_area", np.abs(centred[:, list(axes)]).mean(axis=(1, 2))


def _per_signal(
    signals: FloatArray, centred: FloatArray, sd: FloatArray, rate_hz: float
) -> Iterator[tuple[str, FloatArray]]:
    """Features of each signal, ``(n, signal)``."""
    yield "mean", signals.mean(axis=2)
    yield "sd", sd
    yield from _order_statistics(signals)
    yield "energy", (signals * signals).mean(axis=2)
    sign = np.signbit(centred)
    yield "mean_crossings", (sign[:, :, 1:] != sign[:, :, :-1]).mean(axis=2)
    jerk = np.diff(signals, axis=2) * np.float32(rate_hz)
    yield "jerk_sd", jerk.std(axis=2)
    yield "jerk_abs", np.abs(jerk).mean(axis=2)
    scaled = centred / (sd[:, :, None] + _TINY)
    cubed = scaled * scaled * scaled
    yield "skewness", cubed.mean(axis=2)
    yield "kurtosis", (cubed * scaled).mean(axis=2)
    yield from _autocorrelation(centred, rate_hz)


def _order_statistics(signals: FloatArray) -> Iterator[tuple[str, FloatArray]]:
    ordered = np.sort(signals, axis=2)
    last = signals.shape[2] - 1
    for name, q in (
        ("min", 0.0),
        ("q10", 0.1),
        ("q25", 0.25),
        ("median", 0.5),
        ("q75", 0.75),
        ("q90", 0.9),
        ("max", 1),
    ):
        yield name, ordered[:, :, round(q * last)]


def third_features(signals: FloatArray, names: tuple[str, ...]) -> Iterator[Named]:
    """Mean and spread of the first, middle and last third: how a posture or movement unfolds within the window."""
    bounds = np.linspace(0, signals.shape[2], 4).round().astype(int)
    for i, (a, b) in enumerate(pairwise(bounds)):
        part = signals[:, :, a : max(b, a + 1)]
        for feature, values in (("mean", part.mean(axis=2)), ("sd", part.std(axis=2))):
            yield from ((f"{name}.third{i + 1}_{feature}", values[:, j]) for j, name in enumerate(names))


def _autocorrelation(centred: FloatArray, rate_hz: float) -> Iterator[tuple[str, FloatArray]]:
    """Height and lag of the highest autocorrelation between 0.2 s and 2 s: how periodic, and how fast."""
    time = centred.shape[2]
    spectrum = fft.rfft(centred, n=fft.next_fast_len(2 * time, real=True), axis=2)
    auto = fft.irfft((spectrum * spectrum.conj()).real, axis=2)[:, :, :time]
    auto /= auto[:, :, :1] + _TINY
    low = min(max(1, round(0.2 * rate_hz)), time - 1)
    high = min(max(low + 1, round(2.0 * rate_hz)), time)
    yield "autocorr_peak", auto[:, :, low:high].max(axis=2)
    yield "autocorr_lag_s", (auto[:, :, low:high].argmax(axis=2) + low) / np.float32(rate_hz)
