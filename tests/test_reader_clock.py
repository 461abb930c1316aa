"""From stamps of blocks to the time of samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinelet.readers._clock import Blocks, lay_out, sample_times


def blocks(unix: list[float] | np.ndarray, count: int = 100, rate: float = 100.0, jitter: float = 0.01) -> Blocks:
    n = len(unix)
    return Blocks(np.asarray(unix, float), np.zeros(n), np.full(n, count, np.int64), np.zeros(n), rate, jitter)


STAMPS = st.lists(st.integers(0, 40).map(float) | st.floats(0, 2e9), min_size=1, max_size=30)


@given(stamps=STAMPS, ordered=st.booleans(), clock=st.sampled_from(["device", "nominal"]))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_any_stamps_give_segments_in_order_that_cover_all_samples(
    stamps: list[float], ordered: bool, clock: str
) -> None:
    timeline = lay_out(blocks(sorted(stamps) if ordered else stamps), clock)
    starts = [s.start for s in timeline.segments]
    assert starts == [0, *(s.stop for s in timeline.segments[:-1])] and timeline.segments[-1].stop == 100 * len(stamps)


@given(stamps=STAMPS, clock=st.sampled_from(["device", "nominal"]))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_any_stamps_give_increasing_times_from_zero(stamps: list[float], clock: str) -> None:
    timeline = lay_out(blocks(stamps), clock)
    times = sample_times(timeline, np.arange(100 * len(stamps)))
    assert times[0] == 0 and (np.diff(times) > 0).all()


@given(rate=st.floats(92, 108), gap=st.floats(1.0, 1e6))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_rate_is_measured_across_a_gap(rate: float, gap: float) -> None:
    when = np.arange(300) * 100 / rate
    timeline = lay_out(blocks(1.7e9 + when + np.where(np.arange(300) >= 150, gap, 0.0)), "device")
    assert timeline.rate_hz == pytest.approx(rate, rel=4e-4)


@given(gap=st.floats(0.6, 1e6))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_gap_has_its_length(gap: float) -> None:
    timeline = lay_out(blocks(1.7e9 + np.arange(20) + np.where(np.arange(20) >= 7, gap, 0.0)), "nominal")
    assert timeline.segments[1].time_s == pytest.approx(7 + gap, abs=1e-3)


def test_jump_below_half_a_block_is_no_gap() -> None:
    timeline = lay_out(blocks(np.arange(20) + np.where(np.arange(20) >= 7, 0.4, 0.0)), "nominal")
    assert len(timeline.segments) == 1


def test_jitter_is_averaged() -> None:
    noise = np.random.default_rng(0).uniform(-0.01, 0.01, 1000)
    timeline = lay_out(blocks(np.arange(1000) + noise), "device")
    assert timeline.rate_hz == pytest.approx(100, rel=1e-5) and timeline.time_s is None


def test_stamps_that_do_not_fit_the_rate_are_ignored() -> None:
    timeline = lay_out(blocks(np.arange(20) * 77.0), "device")
    assert timeline.rate_hz == 100 and any("do not fit the sampling rate" in w for w in timeline.warnings)


def test_one_block_has_the_nominal_rate() -> None:
    timeline = lay_out(blocks([5.0]), "device")
    assert (timeline.rate_hz, timeline.measured_hz, timeline.start_unix_s) == (100, None, 5.0)


def test_far_off_rate_is_a_warning() -> None:
    timeline = lay_out(blocks(np.arange(200) * 100 / 80.0), "device")
    assert any("give 80 Hz, the device was set to 100 Hz" in w for w in timeline.warnings)


def test_jump_of_years_is_a_warning() -> None:
    timeline = lay_out(blocks(np.arange(20) + np.where(np.arange(20) >= 7, 1e9, 0.0)), "device")
    assert any("jumps ahead by 11574 days" in w for w in timeline.warnings)


def test_nominal_clock_reports_how_far_the_stamps_are_off() -> None:
    timeline = lay_out(blocks(np.arange(1000) / 0.99), "nominal")
    assert timeline.residual_s == pytest.approx(999 / 0.99 - 999, rel=1e-3)
