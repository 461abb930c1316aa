"""Clocks: order, gaps, bursts and dejittering."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinelet.errors import BadFileError
from kinelet.signal import split_at_gaps
from kinelet.signal.clock import (
    clock_order,
    default_max_gap_s,
    dejitter,
    interval_rate,
    keep_apart,
    stamps_are_arrivals,
    typical_period_s,
)


def even(n: int, rate: float = 100.0) -> np.ndarray:
    return np.arange(n) / rate


def bursts(n: int, rate: float = 50.0, size: int = 25) -> np.ndarray:
    """Samples delivered in packets, all of a packet stamped with the time of its last sample."""
    t = even(n, rate)
    return t[np.minimum((np.arange(n) // size + 1) * size - 1, n - 1)] - t[size - 1]


def test_a_clock_in_order_is_left_alone() -> None:
    assert clock_order(np.array([0.0, 0.0, 0.1])) == (None, ())


def test_a_clock_that_runs_backwards_is_refused_with_the_place() -> None:
    with pytest.raises(BadFileError, match=r"x\.csv: the clock runs backwards 1 times, first by 0\.1 s at sample 2"):
        clock_order(np.array([0.0, 0.2, 0.1, 0.3]), where="x.csv")


def test_sorting_a_clock_keeps_the_order_of_equal_times() -> None:
    order, _ = clock_order(np.array([0.0, 0.2, 0.1, 0.1]), policy="sort")
    assert order is not None and order.tolist() == [0, 2, 3, 1]


def test_sorting_a_clock_is_recorded() -> None:
    _, warnings = clock_order(np.array([0.0, 0.2, 0.1]), policy="sort")
    assert "sorted" in warnings[0]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_times_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(BadFileError, match="the time of sample 1"):
        clock_order(np.array([0.0, bad, 1.0]))


def test_an_even_clock_is_one_segment() -> None:
    assert len(split_at_gaps(even(1000), 100.0)) == 1


def test_gaps_split_at_the_right_samples() -> None:
    t = np.concatenate([even(100), 5.0 + even(50), 20.0 + even(10)])
    assert [(s.start, s.stop, s.time_s) for s in split_at_gaps(t, 100.0)] == [
        (0, 100, 0),
        (100, 150, 5),
        (150, 160, 20),
    ]


@pytest.mark.parametrize(("limit", "segments"), [(0.05, 2), (0.2, 1)])
def test_the_longest_interval_is_an_option(limit: float, segments: int) -> None:
    assert len(split_at_gaps(np.concatenate([even(100), 1.09 + even(100)]), 100.0, limit)) == segments


def test_packets_of_a_bluetooth_device_are_not_gaps() -> None:
    assert len(split_at_gaps(bursts(1000), 50.0)) == 1


def test_a_real_gap_between_packets_is_a_gap() -> None:
    t = bursts(1000)
    t[500:] += 2.0
    assert [s.start for s in split_at_gaps(t, 50.0)] == [0, 500]


def test_a_hiccup_that_delivers_late_is_not_a_gap() -> None:
    t = even(1000)
    t[400:440] = t[440]
    assert len(split_at_gaps(t, 100.0)) == 1


def test_a_hiccup_that_loses_samples_is_a_gap() -> None:
    t = np.delete(even(1000), np.arange(400, 440))
    assert [s.start for s in split_at_gaps(t, 100.0)] == [0, 400]


@given(
    st.lists(st.floats(0, 3, allow_subnormal=False), min_size=0, max_size=60),
    st.floats(5, 200),
)
def test_segments_cover_every_sample_in_order(steps: list[float], rate: float) -> None:
    t = np.concatenate([[0.0], np.cumsum(steps)])
    segments = split_at_gaps(t, rate)
    assert [i for s in segments for i in range(s.start, s.stop)] == list(range(len(t)))


@given(st.lists(st.floats(0.001, 3), min_size=1, max_size=60))
def test_every_cut_is_at_a_long_interval(steps: list[float]) -> None:
    t = np.concatenate([[0.0], np.cumsum(steps)])
    cuts = [s.start for s in split_at_gaps(t, 20.0)[1:]]
    assert all(t[c] - t[c - 1] > default_max_gap_s(20.0) for c in cuts)


@pytest.mark.parametrize(("rate", "limit"), [(100.0, 0.25), (20.0, 0.25), (1.0, 5.0)])
def test_default_gap_is_a_quarter_of_a_second_or_five_samples(rate: float, limit: float) -> None:
    assert default_max_gap_s(rate) == limit


def test_rate_by_intervals_leaves_gaps_out() -> None:
    t = np.concatenate([even(1000, 99.7), 100 + even(1000, 99.7)])
    assert interval_rate(t, split_at_gaps(t, 100.0)) == pytest.approx(99.7, rel=1e-9)


def test_no_time_gives_no_rate() -> None:
    assert interval_rate(np.zeros(5), split_at_gaps(np.zeros(5), 50.0)) is None


def test_lost_samples_do_not_move_the_typical_period(rng: np.random.Generator) -> None:
    t = np.delete(even(5000, 99.7), rng.choice(5000, 10, replace=False))
    assert typical_period_s(t, 100.0) == pytest.approx(1 / 99.7, rel=1e-6)


def test_period_of_equal_times_is_the_nominal_one() -> None:
    assert typical_period_s(np.zeros(10), 50.0) == 0.02


@pytest.mark.parametrize(
    ("times", "answer"),
    [(even(500), False), (bursts(500), True), (np.array([0, 0.01, 0.01, 0.03]), True), (np.array([0.0]), False)],
)
def test_repeated_times_are_arrivals(times: np.ndarray, answer: bool) -> None:
    assert stamps_are_arrivals(times, 0.01) is answer


def test_mild_jitter_is_taken_at_its_word(rng: np.random.Generator) -> None:
    assert not stamps_are_arrivals(even(2000) + rng.uniform(-0.002, 0.002, 2000), 0.01)


def test_dejittering_finds_the_even_clock_under_random_delay(rng: np.random.Generator) -> None:
    taken = even(3000)
    arrived = np.maximum.accumulate(taken + rng.exponential(0.01, 3000))
    error = dejitter(arrived, 0.01) - taken
    assert np.std(error) < 0.3 * np.std(arrived - taken)


def test_dejittering_packets_gives_an_even_clock() -> None:
    steps = np.diff(dejitter(bursts(1000), 0.02))
    assert np.abs(steps[100:-100] - 0.02).max() < 1e-9


def test_dejittering_keeps_lost_samples_lost(rng: np.random.Generator) -> None:
    taken = np.delete(even(3000), np.arange(1500, 1512))
    arrived = np.maximum.accumulate(taken + rng.exponential(0.003, len(taken)))
    error = dejitter(arrived, 0.01) - taken
    assert abs(np.median(error[2000:]) - np.median(error[:1000])) < 0.002


@settings(max_examples=60)
@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=200), st.floats(0.005, 0.1))
def test_dejittered_times_increase_and_do_not_start_late(steps: list[float], period: float) -> None:
    arrived = np.concatenate([[0.0], np.cumsum(steps)])
    taken = dejitter(arrived, period)
    assert taken[0] <= 1e-12 and np.diff(taken).min() >= period / 2 - 1e-9


def test_keeping_apart_moves_only_what_is_too_close() -> None:
    assert keep_apart(np.array([0.0, 1.0, 1.0, 3.0]), 0.5) == pytest.approx([0.0, 1.0, 1.5, 3.0])
