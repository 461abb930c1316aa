"""Polyphase resampling against the plain sum over a windowed sinc, and its defining properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinelet.signal.polyphase import _plan, polyphase


def naive(x: np.ndarray, ratio: float, n_out: int) -> np.ndarray:
    """Every output as a normalised sum of all inputs (ends held) weighted by a Kaiser-windowed sinc at its time."""
    wide = max(1.0, 1.0 / ratio)  # periods of the slower rate, in input samples
    half = (80 - 7.95) / (14.36 * 0.1) / 2 * wide
    pad = math.ceil(half) + math.ceil(n_out / ratio - len(x)) + 3
    padded = np.pad(x.astype(np.float64), pad, mode="edge")
    out = []
    for k in range(n_out):
        t = k / ratio - (np.arange(len(padded)) - pad)
        inside = np.abs(t) <= half
        shape = np.i0(0.1102 * 71.3 * np.sqrt(np.clip(1 - (t / half) ** 2, 0, None)))
        h = np.where(inside, np.sinc(t * 0.9 / wide) * shape, 0.0)
        out.append((h @ padded) / h.sum())
    return np.array(out)


@pytest.mark.parametrize(
    "ratio", [0.5, 2.0, 0.3, 50 / 32, 50 / 99.7, 50 / 100.00321, 100 / 98.8616780418281, 0.013, 7.3]
)
def test_equals_the_plain_sum(ratio: float, rng: np.random.Generator) -> None:
    x = rng.normal(size=220).astype(np.float32)
    n_out = max(1, int(len(x) * ratio))
    assert polyphase(x[:, None], ratio, n_out)[:, 0] == pytest.approx(naive(x, ratio, n_out), abs=0.01)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 20), st.floats(-20, 20, width=32), st.integers(1, 300))
def test_constant_stays_exactly_constant(ratio: float, level: float, n: int) -> None:
    x = np.full((n, 2), level, dtype=np.float32)
    assert (polyphase(x, ratio, max(1, int(n * ratio))) == np.float32(level)).all()


@settings(max_examples=30, deadline=None)
@given(st.floats(0.05, 10), st.integers(2, 200), st.integers(0, 2**31))
def test_is_linear(ratio: float, n: int, seed: int) -> None:
    a, b = np.random.default_rng(seed).normal(size=(2, n, 1)).astype(np.float32)
    n_out = max(1, int(n * ratio))
    both = polyphase(2 * a - b, ratio, n_out)
    assert both == pytest.approx(2 * polyphase(a, ratio, n_out) - polyphase(b, ratio, n_out), abs=1e-4)


@pytest.mark.parametrize(
    ("rate", "to", "hz"), [(100, 50, 19), (100, 30, 11), (99.7, 50, 15), (50, 100, 19), (32, 50, 12)]
)
def test_passband_amplitude_and_phase_are_kept(rate: float, to: float, hz: float) -> None:
    x = np.sin(2 * np.pi * hz * np.arange(3000) / rate)[:, None].astype(np.float32)
    y = polyphase(x, to / rate, int(3000 * to / rate))[:, 0]
    expected = np.sin(2 * np.pi * hz * np.arange(len(y)) / to)
    assert np.abs(y - expected)[100:-100].max() < 0.002


@pytest.mark.parametrize(("rate", "to", "hz"), [(100, 50, 26), (100, 50, 41), (99.7, 20, 11), (200, 30, 60)])
def test_what_would_fold_back_is_gone(rate: float, to: float, hz: float) -> None:
    x = np.sin(2 * np.pi * hz * np.arange(4000) / rate)[:, None].astype(np.float32)
    y = polyphase(x, to / rate, int(4000 * to / rate))[:, 0]
    assert np.abs(y[60:-60]).max() < 3e-4


@pytest.mark.parametrize("error", [3.21e-5, 1e-7, 2.3e-3, -4.4e-4])
def test_a_long_run_does_not_drift(error: float) -> None:
    """A slow sine pins the time of the last samples: 1 ms would show as 6e-3."""
    n, ratio = 400_000, 0.5 * (1 + error)
    x = np.sin(2 * np.pi * np.arange(n) / 100.0)[:, None].astype(np.float32)
    y = polyphase(x, ratio, int(n * ratio))[-300:-100, 0]
    k = np.arange(int(n * ratio))[-300:-100]
    assert np.abs(y - np.sin(2 * np.pi * k / ratio / 100.0)).max() < 1e-3


@settings(max_examples=200, deadline=None)
@given(st.floats(1e-4, 1e4))
def test_plans_keep_the_clock_within_a_hundredth_of_a_period(ratio: float) -> None:
    plan = _plan(ratio)
    error = abs(plan.up / plan.down / ratio - 1) / max(ratio, 1.0) * plan.chunk
    # One output is the least a chunk can be; the clock cannot be set right more often.
    assert error <= 0.0051 or plan.chunk == 1


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_very_short_runs_stay_within_their_values(n: int) -> None:
    x = np.linspace(0, 1, n, dtype=np.float32)[:, None]
    y = polyphase(x, 2.0, 2 * n)
    assert len(y) == 2 * n and y.min() > -0.2 and y.max() < 1.2


def test_chunks_join_without_a_seam() -> None:
    """This ratio needs a new chunk every 155 outputs: steps of a slow sine would show a seam."""
    ratio = 0.5 * (1 + 3.21e-5)
    assert _plan(ratio).chunk < 200
    y = polyphase(np.sin(np.arange(4000) / 200)[:, None].astype(np.float32), ratio, 2000)[60:-60, 0]
    assert np.abs(np.diff(y, 3)).max() < 2e-4
