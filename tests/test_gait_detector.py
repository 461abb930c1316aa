"""The step detector on walks whose steps are known."""

from __future__ import annotations

import numpy as np
import pytest

from gait_tools import steps_signal
from kinelet.errors import BadOptionError
from kinelet.gait.detector import autocorrelation, detect


@pytest.mark.parametrize("rate", [25.0, 50.0, 100.0])
@pytest.mark.parametrize("step", [0.45, 0.55, 0.7])
def test_stride_time(step: float, rate: float) -> None:
    assert detect(steps_signal(step, 20, rate), rate).stride_time == pytest.approx(2 * step, rel=0.02)


@pytest.mark.parametrize("limp", [0.0, 0.3, 0.6])
def test_uneven_steps_keep_the_stride(limp: float) -> None:
    assert detect(steps_signal(0.55, 30, 50, limp=limp), 50).stride_time == pytest.approx(1.1, rel=0.02)


@pytest.mark.parametrize(("step", "duration"), [(0.5, 20), (0.6, 60), (0.55, 10)])
def test_steps_are_counted(step: float, duration: float) -> None:
    assert detect(steps_signal(step, duration, 50), 50).steps == pytest.approx(duration / step, abs=1.5)


def test_cadence_goes_with_the_stride() -> None:
    found = detect(steps_signal(0.5, 20, 50), 50)
    assert found.cadence == pytest.approx(120 / found.stride_time)


def test_turning_the_sensor_changes_nothing() -> None:
    x = steps_signal(0.55, 20, 50)
    rotation = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    turned, plain = detect(x @ rotation, 50), detect(x, 50)
    assert turned.vector() == pytest.approx(plain.vector(), rel=1e-3)


def test_a_foot_beats_once_a_stride() -> None:
    found = detect(steps_signal(1.1, 30, 50), 50, foot=True)
    assert (found.stride_time, found.steps) == (pytest.approx(1.1, rel=0.02), pytest.approx(2 * 30 / 1.1, abs=3))


def test_a_change_of_pace_is_counted_all_the_same() -> None:
    x = np.concatenate([steps_signal(0.5, 30, 50), steps_signal(0.6, 30, 50)])
    assert detect(x, 50).steps == pytest.approx(60 + 50, abs=3)


def test_an_even_walk_is_more_regular_than_noise() -> None:
    noise = np.random.default_rng(0).normal(1, 0.2, (1000, 3)).astype(np.float32)
    assert detect(steps_signal(0.55, 20, 50), 50).stride_regularity > 0.8 > detect(noise, 50).stride_regularity + 0.3


def test_strength_is_that_of_the_norm() -> None:
    x = steps_signal(0.55, 20, 50)
    assert detect(x, 50).strength == pytest.approx(np.linalg.norm(x, axis=1).std(), rel=1e-5)


def test_a_still_sensor_gives_finite_numbers() -> None:
    assert np.isfinite(detect(np.ones((500, 3)), 50).vector()).all()


def test_too_short_a_walk_is_refused() -> None:
    with pytest.raises(BadOptionError, match="s of walking"):
        detect(np.ones((50, 3)), 50)


def test_autocorrelation_is_the_mean_product() -> None:
    x = np.random.default_rng(0).normal(size=50)
    c = x - x.mean()
    want = [np.mean(c[: 50 - k] * c[k:]) / np.mean(c * c) for k in range(11)]
    np.testing.assert_allclose(autocorrelation(x, 10), want, atol=1e-12)
