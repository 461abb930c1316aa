"""Rows to recordings: gaps, annotations, the gyroscope's own clock."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinelet.datasets.assemble import motion, names_of, on_clock, on_grid, runs, shifted
from kinelet.datasets.gyroscope import distance_to_nearest, with_gyroscope
from kinelet.errors import BadFileError
from kinelet.signal.recording import Annotation, Recording, Segment
from kinelet.signal.spec import imu_spec

SPEC = imu_spec(10.0)
WHO = {"subject": "s", "name": "r"}


def samples(n: int, lost: tuple[int, ...] = ()) -> np.ndarray:
    data = np.arange(3 * n, dtype=np.float32).reshape(n, 3)
    data[list(lost)] = np.nan
    return data


def words(*labels: str) -> np.ndarray:
    return np.array(labels, dtype=object)


def test_grid_without_loss_is_one_segment() -> None:
    assert on_grid(samples(5), SPEC, **WHO).segments == (Segment(0, 5, 0.0),)


def test_lost_rows_become_a_gap() -> None:
    rec = on_grid(samples(6, lost=(2, 3)), SPEC, **WHO)
    assert [(g.start_s, g.stop_s) for g in rec.gaps] == [(0.2, 0.4)]


def test_lost_rows_are_removed_and_nothing_is_filled() -> None:
    data = samples(6, lost=(2, 3))
    np.testing.assert_array_equal(on_grid(data, SPEC, **WHO).data, data[[0, 1, 4, 5]])


def test_one_missing_channel_loses_the_row() -> None:
    data = samples(4)
    data[1, 2] = np.nan
    assert len(on_grid(data, SPEC, **WHO).data) == 3


def test_gap_reason_is_recorded() -> None:
    assert on_grid(samples(5, lost=(2,)), SPEC, lost="wireless_loss", **WHO).gaps[0].reason == "wireless_loss"


def test_lost_rows_are_counted_in_meta() -> None:
    assert on_grid(samples(6, lost=(2, 3)), SPEC, **WHO).meta["rows_without_samples"] == 2


def test_lost_rows_are_a_warning() -> None:
    assert on_grid(samples(6, lost=(2, 3)), SPEC, **WHO).warnings == (
        "2 of 6 rows without samples (lost_samples) are gaps",
    )


def test_counter_jump_is_a_gap() -> None:
    rec = on_grid(samples(4), SPEC, row=np.array([7, 8, 12, 13]), **WHO)
    assert [(g.start_s, g.stop_s) for g in rec.gaps] == [pytest.approx((0.2, 0.5))]


def test_counter_that_stands_still_is_refused() -> None:
    with pytest.raises(BadFileError, match="counter"):
        on_grid(samples(3), SPEC, row=np.array([0, 1, 1]), **WHO)


def test_nothing_but_nan_is_refused() -> None:
    with pytest.raises(BadFileError, match="none of 3 rows"):
        on_grid(samples(3, lost=(0, 1, 2)), SPEC, **WHO)


def test_lost_rows_at_the_start_move_the_origin() -> None:
    assert on_grid(samples(6, lost=(0, 1)), SPEC, start_unix_s=100.0, **WHO).start_unix_s == pytest.approx(100.2)


def test_lost_rows_at_the_start_move_the_events() -> None:
    rec = on_grid(samples(6, lost=(0, 1)), SPEC, events=[Annotation(0.3, 0.5, label="a")], **WHO)
    assert rec.annotations == (Annotation(pytest.approx(0.1), pytest.approx(0.3), label="a"),)


def test_labels_become_runs() -> None:
    rec = on_grid(samples(4), SPEC, labels={"activity": words("a", "a", "b", "b")}, **WHO)
    assert [(a.label, a.start_s, a.stop_s) for a in rec.annotations] == [
        ("a", 0.0, 0.2),
        ("b", 0.2, pytest.approx(0.4)),
    ]


def test_empty_label_is_no_annotation() -> None:
    rec = on_grid(samples(4), SPEC, labels={"activity": words("", "a", "", "")}, **WHO)
    assert [a.label for a in rec.annotations] == ["a"]


def test_run_of_labels_does_not_cross_a_gap() -> None:
    rec = on_grid(samples(5, lost=(2,)), SPEC, labels={"activity": words(*"aaaaa")}, **WHO)
    assert [(a.start_s, a.stop_s) for a in rec.annotations] == [(0.0, 0.2), (pytest.approx(0.3), pytest.approx(0.5))]


def test_tracks_are_kept_apart() -> None:
    rec = on_grid(samples(2), SPEC, labels={"x": words("a", "a"), "y": words("b", "b")}, **WHO)
    assert {(a.track, a.label) for a in rec.annotations} == {("x", "a"), ("y", "b")}


def test_clock_keeps_times() -> None:
    time = np.array([5.0, 5.1, 5.25, 5.3])
    np.testing.assert_allclose(on_clock(samples(4), SPEC, time, **WHO).times(), time - 5.0)


def test_silence_is_a_gap() -> None:
    time = np.array([0.0, 0.1, 3.0, 3.1])
    assert [(g.start_s, g.stop_s) for g in on_clock(samples(4), SPEC, time, **WHO).gaps] == [(pytest.approx(0.2), 3.0)]


def test_removed_row_is_a_gap_even_if_short() -> None:
    rec = on_clock(samples(5, lost=(2,)), SPEC, np.arange(5) / 10, **WHO)
    assert [s.start for s in rec.segments] == [0, 2]


def test_rows_of_equal_time_stay() -> None:
    assert len(on_clock(samples(4), SPEC, np.array([0.0, 0.0, 0.1, 0.2]), **WHO).data) == 4


def test_removed_row_between_equal_times_keeps_segments_in_order() -> None:
    rec = on_clock(samples(4, lost=(1,)), SPEC, np.array([0.0, 0.0, 0.0, 0.1]), **WHO)
    assert rec.segments == (Segment(0, 3, 0.0),)


def test_clock_that_runs_backwards_is_refused() -> None:
    with pytest.raises(BadFileError, match="backwards"):
        on_clock(samples(3), SPEC, np.array([0.0, 0.2, 0.1]), **WHO)


def test_first_row_lost_moves_clock_and_events() -> None:
    events = [Annotation(1.0, 2.0, label="a")]
    rec = on_clock(samples(4, lost=(0,)), SPEC, np.arange(4) / 10, events=events, **WHO)
    assert (rec.times()[0], rec.annotations[0].start_s) == (0.0, pytest.approx(0.9))


def test_numbers_to_names() -> None:
    assert names_of(np.array([1.0, np.nan, 0.0, 2.0]), {1: "a", 2: "b"}).tolist() == ["a", "", "", "b"]


def test_shifting_moves_both_ends() -> None:
    assert shifted([Annotation(1.0, 2.0, label="a")], 0.5) == (Annotation(1.5, 2.5, label="a"),)


@pytest.mark.parametrize(("unit", "factor"), [("g", 1.0), ("m/s^2", 1 / 9.80665), ("mg", 1e-3)])
def test_motion_is_in_g(unit: str, factor: float) -> None:
    np.testing.assert_allclose(motion(np.ones((1, 3)), unit), np.full((1, 3), factor), rtol=1e-6)


def test_motion_is_in_radians() -> None:
    np.testing.assert_allclose(motion(np.ones((1, 3)), "g", np.full((1, 3), 180.0), "deg/s")[0, 3:], np.pi, rtol=1e-6)


def test_motion_is_contiguous_float32() -> None:
    out = motion(np.ones((2, 3)), "g", np.ones((2, 3)))
    assert out.dtype == np.float32 and out.flags["C_CONTIGUOUS"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["", "a", "b"]), min_size=1, max_size=40), st.sets(st.integers(0, 39), max_size=10))
def test_runs_agree_with_a_loop_over_samples(labels: list[str], lost: set[int]) -> None:
    n = len(labels)
    lost = {i for i in lost if i < n}
    if len(lost) == n:
        return
    rec = on_grid(samples(n, lost=tuple(lost)), SPEC, **WHO)
    kept = words(*(labels[i] for i in range(n) if i not in lost))
    seen = ["" for _ in range(len(rec.data))]
    for a in runs(rec, kept, "activity"):
        for i, t in enumerate(rec.times()):
            if a.start_s - 1e-9 <= t < a.stop_s - 1e-9:
                seen[i] = a.label or ""
    assert seen == kept.tolist()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.sets(st.integers(0, 59)))
def test_grid_keeps_every_good_row_at_its_time(n: int, lost: set[int]) -> None:
    good = [i for i in range(n) if i not in lost]
    if not good:
        return
    rec = on_grid(samples(n, lost=tuple(i for i in lost if i < n)), SPEC, **WHO)
    np.testing.assert_allclose(rec.times(), (np.array(good) - good[0]) / 10, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0, 10), min_size=1, max_size=20),
    st.lists(st.floats(0, 10), min_size=1, max_size=20).map(sorted),
)
def test_distance_to_nearest_agrees_with_a_loop(times: list[float], source: list[float]) -> None:
    want = [min(abs(t - s) for s in source) for t in times]
    np.testing.assert_allclose(distance_to_nearest(np.array(times), np.array(source)), want, atol=1e-12)


def turning(acc_s: np.ndarray, gyr_s: np.ndarray, gyr: np.ndarray, tolerance_s: float = 0.05) -> Recording:
    acc = np.ones((len(acc_s), 3), dtype=np.float32)
    return with_gyroscope(acc_s, acc, gyr_s, gyr, acc_unit="g", gyr_unit="rad/s", tolerance_s=tolerance_s)


def test_gyroscope_is_interpolated() -> None:
    t = np.arange(11) / 10
    moved = turning(t[:-1] + 0.03, t, np.stack([t, 2 * t, -t], axis=1))
    np.testing.assert_allclose(moved.data[:, 4], 2 * (t[:-1] + 0.03), atol=1e-6)


def test_gyroscope_far_away_is_not_invented() -> None:
    t = np.arange(20) / 10
    moved = turning(t, np.delete(t, 10), np.ones((19, 3)))
    assert np.flatnonzero(np.isnan(moved.data[:, 3])).tolist() == [10]


def test_rows_without_gyroscope_are_counted() -> None:
    t = np.arange(20) / 10
    assert turning(t, np.delete(t, 10), np.ones((19, 3))).meta["rows_without_gyroscope"] == 1


def test_tolerance_is_recorded() -> None:
    t = np.arange(20) / 10
    assert "0.05 s" in turning(t, t, np.ones((20, 3))).meta["gyroscope_clock"]


def test_poorly_covered_gyroscope_is_left_out() -> None:
    t = np.arange(20) / 10
    assert turning(t, t[:10], np.ones((10, 3))).data.shape == (20, 3)


def test_gyroscope_of_zeros_is_left_out_with_a_warning() -> None:
    t = np.arange(20) / 10
    assert turning(t, t, np.zeros((20, 3))).warnings == ("accelerometer only: the gyroscope holds nothing but zeros",)


def test_no_gyroscope_leaves_the_accelerometer() -> None:
    t = np.arange(20) / 10
    assert not turning(t, t[:0], np.zeros((0, 3))).gyro


def test_gyroscope_of_one_sample_works() -> None:
    assert turning(np.array([0.0]), np.array([0.01]), np.ones((1, 3))).data.shape == (1, 6)
