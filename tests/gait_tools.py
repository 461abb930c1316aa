"""Made-up walks whose gait numbers are known."""

from __future__ import annotations

import numpy as np

from kinelet.gait.events import Swing
from kinelet.signal.recording import Annotation, Recording
from kinelet.signal.spec import imu_spec


def feet(stride_s: float, swing_s: float, n: int, start_s: float = 0.0) -> tuple[list[Swing], list[Swing]]:
    """Swings of an even walk: the right foot half a stride after the left."""
    left = [Swing(start_s + i * stride_s, start_s + i * stride_s + swing_s) for i in range(n)]
    return left, [Swing(s.off_s + stride_s / 2, s.strike_s + stride_s / 2) for s in left]


def steps_signal(step_s: float, duration_s: float, rate_hz: float, seed: int = 0, limp: float = 0.0) -> np.ndarray:
    """Acceleration ``(time, 3)`` in g: bursts at each step (every second weaker by ``limp``), noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(duration_s * rate_hz)) / rate_hz
    beat = 0.25 * np.cos(2 * np.pi * t / step_s) + 0.12 * np.cos(4 * np.pi * t / step_s + 0.7)
    beat *= 1 - limp * (np.floor(t / step_s + 0.5) % 2)
    down = rng.normal(size=3)
    noise = 0.03 * rng.normal(size=(len(t), 3))
    return ((1 + beat)[:, None] * down / np.linalg.norm(down) + noise).astype(np.float32)


def walker(
    subject: str, stride_s: float, *, trial: int = 0, rate_hz: float = 100.0, duration_s: float = 12.0, **fields: object
) -> Recording:
    """A recording of standing, walking and standing, with swings of both feet as annotations."""
    swing_s, start, stop = 0.4 * stride_s, 1.0, duration_s - 1.0
    data = steps_signal(stride_s / 2, duration_s, rate_hz, seed=hash_of(subject) + trial)
    left, right = feet(stride_s, swing_s, int((stop - start) / stride_s), start)
    swings = [
        Annotation(*s, label=foot, track="swing") for foot, both in (("left", left), ("right", right)) for s in both
    ]
    walk = Annotation(start, stop, label="walking")
    return Recording(
        data, imu_spec(rate_hz, site="lower_back"), subject, f"{subject}-{trial}", annotations=(walk, *swings), **fields
    )  # type: ignore[arg-type]


def hash_of(text: str) -> int:
    """A number that is the same in every process."""
    return sum(ord(c) * 31**i for i, c in enumerate(text)) % 10_000
