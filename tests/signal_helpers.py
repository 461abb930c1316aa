"""Synthetic recordings for the tests of signal processing."""

from __future__ import annotations

import numpy as np

from kinelet.signal import Recording, Segment, imu_spec


def sine_recording(
    rate: float, seconds: float, hz: float = 2.0, *, nominal: float | None = None, **fields
) -> Recording:
    """``acc_x`` a sine, ``acc_y`` a cosine, ``acc_z`` constant 0.987, sampled at exactly ``rate``."""
    t = np.arange(round(rate * seconds)) / rate
    data = np.stack([np.sin(2 * np.pi * hz * t), np.cos(2 * np.pi * hz * t), np.full_like(t, 0.987)], axis=1)
    return Recording(data.astype(np.float32), imu_spec(nominal or rate), "P1", "sine", **fields)


def noise_recording(rate: float, seconds: float, rng: np.random.Generator, *, sd: float = 0.3, **fields) -> Recording:
    """Noise about 1 g on z."""
    data = rng.normal(0.0, sd, (round(rate * seconds), 3))
    data[:, 2] += 1.0
    return Recording(data.astype(np.float32), imu_spec(rate), "P1", "noise", **fields)


def cut(rate: float, lengths: list[int], gaps_s: list[float]) -> tuple[Segment, ...]:
    """Segments of these lengths with these gaps between them."""
    segments, start, time_s = [], 0, 0.0
    for length, gap in zip(lengths, [*gaps_s, 0.0], strict=True):
        segments.append(Segment(start, start + length, time_s))
        start += length
        time_s += length / rate + gap
    return tuple(segments)


def sphere_points(n: int, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors all over the sphere, shape (n, 3)."""
    v = rng.normal(size=(n, 3))
    return v / np.linalg.norm(v, axis=1, keepdims=True)


def posture_recording(
    rng: np.random.Generator,
    *,
    postures: int = 60,
    rate: float = 30.0,
    noise_g: float = 0.003,
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0),
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Recording:
    """Ten seconds of rest in each of many postures, as a sensor with such errors reads it (raw = (true - o) / s)."""
    true = np.repeat(sphere_points(postures, rng), round(10 * rate), axis=0)
    raw = (true - offset) / scale + rng.normal(0, noise_g, true.shape)
    return Recording(raw.astype(np.float32), imu_spec(rate), "P1", "postures")
