"""Resampling of recordings: clocks, segments, gaps, and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinelet.errors import BadFileError, BadOptionError
from kinelet.signal import Annotation, Recording, Segment, imu_spec, measured_rate, resample
from signal_helpers import cut, noise_recording, sine_recording

RATES = st.sampled_from([20.0, 25.0, 30.0, 32.0, 50.0, 64.0, 99.7, 100.0, 102.46])
TARGETS = st.sampled_from([10.0, 20.0, 25.0, 30.0, 50.0, 100.0])


def with_times(rec: Recording, times: np.ndarray) -> Recording:
    return rec.replace(time_s=times - times[0], segments=(Segment(0, len(times), 0.0),))


def sine_error(rec: Recording, hz: float, margin: int = 25) -> float:
    """Largest distance of ``acc_x`` from the sine it was sampled from, ends left out."""
    return float(np.abs(rec.data[:, 0] - np.sin(2 * np.pi * hz * rec.times()))[margin:-margin].max())


# Rate and clock


def test_same_rate_is_the_same_recording() -> None:
    rec = sine_recording(50, 10)
    assert resample(rec, 50.0) is rec


def test_measured_rate_prefers_what_the_reader_measured() -> None:
    assert measured_rate(sine_recording(100, 1, meta={"measured_rate_hz": 99.7})) == 99.7


def test_measured_rate_of_an_irregular_clock_is_counted() -> None:
    rec = sine_recording(100, 10)
    assert measured_rate(with_times(rec, np.arange(1000) / 98.5)) == pytest.approx(98.5)


def test_measured_rate_falls_back_to_the_spec() -> None:
    assert measured_rate(sine_recording(100, 1, meta={"measured_rate_hz": None})) == 100.0


@pytest.mark.parametrize("stated", [0.0, -5.0, float("nan")])
def test_an_absurd_measured_rate_is_refused(stated: float) -> None:
    with pytest.raises(BadFileError, match="measured rate"):
        resample(sine_recording(100, 1, meta={"measured_rate_hz": stated}), 50.0)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("inf"), float("nan")])
def test_an_absurd_rate_is_refused(rate: float) -> None:
    with pytest.raises(BadOptionError):
        resample(sine_recording(100, 1), rate)


def test_an_hour_at_99_7_hz_ends_at_the_right_time() -> None:
    rec = sine_recording(99.7, 3600, 5.0, nominal=100.0, meta={"measured_rate_hz": 99.7})
    out = resample(rec, 50.0)
    assert out.duration_s == pytest.approx(3600.0, abs=0.021)


def test_an_hour_at_99_7_hz_is_in_phase_to_the_end() -> None:
    rec = sine_recording(99.7, 3600, 5.0, nominal=100.0, meta={"measured_rate_hz": 99.7})
    assert sine_error(resample(rec, 50.0), 5.0) < 0.005


def test_the_nominal_clock_is_kept_where_the_user_chose_it() -> None:
    meta = {"measured_rate_hz": 99.0, "policies": {"clock": "nominal"}}
    assert resample(sine_recording(100, 60, meta=meta), 50.0).duration_s == pytest.approx(60.0)


def test_what_was_done_is_recorded() -> None:
    done = resample(sine_recording(99.7, 10, nominal=100.0, meta={"measured_rate_hz": 99.7}), 50.0).meta["resample"]
    assert (done["clock"], done["from_hz"], done["to_hz"]) == ("even", 99.7, 50.0)


def test_the_result_is_not_corrected_twice() -> None:
    out = resample(sine_recording(99.7, 10, nominal=100.0, meta={"measured_rate_hz": 99.7}), 50.0)
    assert measured_rate(out) == 50.0


# Properties


@settings(max_examples=60, deadline=None)
@given(RATES, TARGETS, st.floats(-8, 8, width=32), st.integers(40, 600))
def test_constants_are_kept_exactly(rate: float, target: float, level: float, n: int) -> None:
    rec = Recording(np.full((n, 3), level, dtype=np.float32), imu_spec(rate), "P1", "c")
    assert (resample(rec, target).data == np.float32(level)).all()


@settings(max_examples=60, deadline=None)
@given(RATES, TARGETS, st.floats(0.05, 0.35))
def test_a_passband_sine_keeps_amplitude_and_phase(rate: float, target: float, part: float) -> None:
    hz = part * min(rate, target)
    inner = int(27 * max(1.0, target / rate))  # half of the filter's length
    assert sine_error(resample(sine_recording(rate, 20, hz), target), hz, margin=inner) < 0.005


@settings(max_examples=80, deadline=None)
@given(
    RATES,
    TARGETS,
    st.lists(st.tuples(st.integers(1, 400), st.floats(0.01, 500)), min_size=1, max_size=8),
)
def test_segments_keep_start_and_length_or_are_reported(rate: float, target: float, runs: list) -> None:
    lengths, gaps = [n for n, _ in runs], [g for _, g in runs][:-1]
    rec = noise_recording(rate, sum(lengths) / rate, np.random.default_rng(0), segments=cut(rate, lengths, gaps))
    long_enough = [s for s in rec.segments if (s.stop - s.start) / rate * target >= 1]
    if not long_enough:
        with pytest.raises(BadFileError, match="no segment"):
            resample(rec, target)
        return
    out = resample(rec, target)
    assert [s.time_s for s in out.segments] == [s.time_s for s in long_enough]
    for a, b in zip(long_enough, out.segments, strict=True):
        assert 0 <= (a.stop - a.start) / rate - (b.stop - b.start) / target < 1 / target + 1e-6
    assert any("dropped" in w for w in out.warnings) == (len(long_enough) < len(rec.segments))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0, 0.6), min_size=2, max_size=300),
    TARGETS,
    st.sampled_from(["auto", "stamps", "dejitter"]),
    st.integers(0, 2**31),
)
def test_any_clock_that_does_not_run_backwards_is_handled(steps: list, target: float, clock: str, seed: int) -> None:
    times = np.concatenate([[0.0], np.cumsum(steps)])
    data = np.random.default_rng(seed).normal(size=(len(times), 3)).astype(np.float32)
    rec = Recording(data, imu_spec(20.0), "P1", "any", time_s=times)
    try:
        out = resample(rec, target, clock=clock)
    except BadFileError as error:
        assert "no segment is as long as one sample" in str(error)
        return
    stops = [out.segment_stop_s(s) for s in out.segments]
    assert np.isfinite(out.data).all() and out.time_s is None
    assert all(stop <= nxt.time_s + 1e-6 for stop, nxt in zip(stops, out.segments[1:], strict=False))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), TARGETS)
def test_nothing_crosses_a_gap(seed: int, target: float) -> None:
    """Other samples in one segment leave the others as they were, bit by bit."""
    rng = np.random.default_rng(seed)
    rec = noise_recording(100, 6, rng, segments=cut(100, [200, 200, 200], [1.0, 0.02]))
    changed = rec.data.copy()
    changed[200:400] = rng.normal(size=(200, 3))
    a, b = resample(rec, target), resample(rec.replace(data=changed), target)
    first, last = a.segments[0], a.segments[-1]
    assert (a.data[: first.stop] == b.data[: first.stop]).all() and (a.data[last.start :] == b.data[last.start :]).all()


# What is left alone


def test_annotations_are_untouched() -> None:
    marks = (Annotation(1.0, 2.5, "walk"), Annotation(2.5, 9.0, value=70.0, track="heart_rate"))
    assert resample(sine_recording(100, 10, annotations=marks), 30.0).annotations == marks


@pytest.mark.parametrize("field", ["start_unix_s", "subject", "name", "resolution"])
def test_other_fields_are_kept(field: str) -> None:
    rec = sine_recording(100, 10, start_unix_s=1.6e9, resolution=(0.004, 0.004, None))
    assert getattr(resample(rec, 30.0), field) == getattr(rec, field)


def test_gap_reasons_stay_with_their_gaps() -> None:
    rec = sine_recording(100, 3, segments=cut(100, [100, 100, 100], [5.0, 7.0]), gap_reasons=("idle_sleep", "clock"))
    assert [g.reason for g in resample(rec, 50.0).gaps] == ["idle_sleep", "clock"]


def test_a_gap_that_swallowed_a_short_segment_names_both_reasons() -> None:
    rec = sine_recording(100, 2.01, segments=cut(100, [100, 1, 100], [5.0, 7.0]), gap_reasons=("idle_sleep", "clock"))
    assert [g.reason for g in resample(rec, 50.0).gaps] == ["idle_sleep+clock"]


def test_not_finite_samples_are_refused() -> None:
    rec = sine_recording(100, 1)
    rec.data[3, 1] = np.nan
    with pytest.raises(BadFileError, match="1 samples are not finite"):
        resample(rec, 50.0)


def test_ends_have_no_transient() -> None:
    rec = sine_recording(100, 20, 1.0)
    assert sine_error(resample(rec, 50.0), 1.0, margin=1) < 0.02


# Irregular clocks


def test_a_jittered_clock_gives_the_sine(rng: np.random.Generator) -> None:
    times = np.arange(3000) / 100 + rng.uniform(-0.002, 0.002, 3000)
    times -= times[0]
    data = np.sin(2 * np.pi * 5 * times)[:, None].repeat(3, axis=1).astype(np.float32)
    rec = Recording(data, imu_spec(100.0), "P1", "j", time_s=times)
    assert sine_error(resample(rec, 50.0), 5.0) < 0.01


def late(rng: np.random.Generator, rate: float, n: int, *, lose: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sampling times of a device and arrival times as a phone stamps them, in ms with repeats."""
    taken = np.delete(np.arange(n) / rate, np.sort(rng.choice(np.arange(50, n - 50), lose, replace=False)))
    delay = rng.exponential(0.004, len(taken)) + 0.05 * (rng.random(len(taken)) < 0.03)
    delay[0] = 0.0  # the delay of the first sample cannot be known: it would shift all others
    return taken, np.round(np.maximum.accumulate(taken + delay), 3)


def rms_error(rec: Recording, hz: float) -> float:
    return float(np.std(rec.data[:, 0] - np.sin(2 * np.pi * hz * rec.times())))


def test_repeated_times_in_bursts_give_the_sine(rng: np.random.Generator) -> None:
    taken, arrived = late(rng, 102.46, 3000)
    data = np.sin(2 * np.pi * 3 * taken)[:, None].repeat(3, axis=1).astype(np.float32)
    rec = Recording(data, imu_spec(100.0), "P1", "b", time_s=arrived)
    assert rms_error(resample(rec, 50.0), 3.0) < 0.08


def test_dejittering_beats_the_stamps(rng: np.random.Generator) -> None:
    taken, arrived = late(rng, 102.46, 3000, lose=10)
    data = np.sin(2 * np.pi * 3 * taken)[:, None].repeat(3, axis=1).astype(np.float32)
    rec = Recording(data, imu_spec(100.0), "P1", "b", time_s=arrived)
    dejittered, stamped = (rms_error(resample(rec, 50.0, clock=clock), 3.0) for clock in ("auto", "stamps"))
    assert dejittered < 0.5 * stamped


def test_the_choice_of_clock_is_recorded(rng: np.random.Generator) -> None:
    _, arrived = late(rng, 100.0, 1000)
    rec = with_times(sine_recording(100, 10), arrived)
    assert resample(rec, 50.0).meta["resample"]["clock"] == "dejittered"


def test_a_gap_inside_an_irregular_segment_is_found() -> None:
    times = np.concatenate([np.arange(300) / 100, 10 + np.arange(300) / 100])
    out = resample(with_times(sine_recording(100, 6), times), 50.0)
    assert [(s.time_s, s.stop - s.start) for s in out.segments] == [(0.0, 150), (10.0, 150)]


def test_gaps_found_late_keep_the_reasons_of_the_others() -> None:
    times = np.concatenate([np.arange(100) / 100, 5 + np.arange(100) / 100, 20 + np.arange(100) / 100])
    rec = sine_recording(100, 3).replace(
        time_s=times, segments=(Segment(0, 200, 0.0), Segment(200, 300, 20.0)), gap_reasons=("idle_sleep",)
    )
    assert [g.reason for g in resample(rec, 50.0).gaps] == ["clock", "idle_sleep"]


def test_joining_over_longer_holes_is_an_option() -> None:
    times = np.concatenate([np.arange(300) / 100, 3.5 + np.arange(300) / 100])
    assert len(resample(with_times(sine_recording(100, 6), times), 50.0, max_gap_s=1.0).segments) == 1


def test_lost_samples_are_joined_by_a_straight_line(rng: np.random.Generator) -> None:
    """A free cubic through noise would leave the range of its neighbours by far."""
    times = np.concatenate([np.arange(300) / 100, 3.2 + np.arange(300) / 100])
    rec = with_times(noise_recording(100, 6, rng, sd=0.1), times)
    hole = resample(rec, 100.0, clock="stamps").data[302:317]
    assert hole.max() < rec.data.max() and hole.min() > rec.data.min()


def test_what_would_fold_back_is_gone_on_irregular_clocks(rng: np.random.Generator) -> None:
    times = np.arange(4000) / 100 + rng.uniform(-0.0005, 0.0005, 4000)
    times -= times[0]
    data = np.sin(2 * np.pi * 18 * times)[:, None].repeat(3, axis=1).astype(np.float32)
    out = resample(Recording(data, imu_spec(100.0), "P1", "a", time_s=times), 20.0)
    assert np.abs(out.data[30:-30]).max() < 0.01


def test_chunks_of_a_long_irregular_clock_join_without_a_seam(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    rec = with_times(noise_recording(100, 60, rng), np.arange(6000) / 100 + rng.uniform(-0.002, 0.002, 6000))
    whole = resample(rec, 30.0).data
    monkeypatch.setattr(sys.modules["kinelet.signal.resample"], "_CHUNK", 1000)
    assert resample(rec, 30.0).data == pytest.approx(whole, abs=1e-4)


def test_a_clock_that_runs_backwards_is_refused() -> None:
    times = np.arange(100) / 100
    times[50:] -= 0.2
    with pytest.raises(BadFileError, match="backwards"):
        resample(with_times(sine_recording(100, 1), times), 50.0)


def test_one_sample_is_held() -> None:
    rec = Recording(np.ones((1, 3), dtype=np.float32), imu_spec(10.0), "P1", "one", time_s=np.zeros(1))
    assert resample(rec, 50.0).data.tolist() == [[1.0] * 3] * 5
