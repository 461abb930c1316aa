"""What a build does to a recording before it is stored."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_tools import PLAIN, recording, with_gaps
from kinelet.corpus import BuildConfig
from kinelet.corpus.process import choose_channels, drop_not_finite, keep_samples, prepare
from kinelet.errors import BadFileError, SpecMismatchError
from kinelet.signal.recording import Annotation
from kinelet.signal.spec import imu_spec


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    data=st.data(),
)
def test_kept_samples_keep_their_absolute_times(lengths, data):
    rec = with_gaps(lengths, start_unix_s=1000.0)
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=sum(lengths), max_size=sum(lengths))))
    if not keep.any():
        return
    out = keep_samples(rec, keep, "nonwear")
    np.testing.assert_allclose(out.start_unix_s + out.times(), 1000.0 + rec.times()[keep])
    np.testing.assert_array_equal(out.data, rec.data[keep])


def test_what_is_left_out_becomes_a_gap_with_a_reason():
    keep = np.ones(100, bool)
    keep[40:60] = False
    gaps = keep_samples(recording(n=100), keep, "nonwear").gaps
    assert [(g.start_s, g.stop_s, g.reason) for g in gaps] == [(0.8, 1.2, "nonwear")]


def test_a_later_first_sample_is_later_on_a_shared_clock_too():
    rec = recording(n=100, meta={"clock": "trial", "clock_start_s": 7.0})
    assert keep_samples(rec, np.arange(100) >= 25, "nonwear").meta["clock_start_s"] == 7.5


def test_old_gaps_keep_their_reason():
    rec = with_gaps([10, 10], gap_reasons=("idle_sleep",))
    keep = np.ones(20, bool)
    keep[3] = False
    assert [g.reason for g in keep_samples(rec, keep, "nonwear").gaps] == ["nonwear", "idle_sleep"]


def test_annotations_move_with_the_first_kept_sample():
    rec = recording(n=100, annotations=(Annotation(1.0, 1.5, label="walk"),))
    out = keep_samples(rec, np.arange(100) >= 25, "nonwear")
    assert (out.annotations[0].start_s, out.annotations[0].stop_s) == (0.5, 1.0)


def test_an_irregular_clock_is_cut_too():
    rec = recording(n=5, time_s=np.array([0.0, 0.1, 0.25, 0.3, 0.5]))
    out = keep_samples(rec, np.array([False, True, True, False, True]), "x")
    np.testing.assert_allclose(out.time_s, [0.0, 0.15, 0.4])


def test_nan_becomes_a_gap_and_is_told():
    rec = recording(n=100)
    rec.data[10:13, 1] = np.nan
    out = drop_not_finite(rec)
    assert len(out.data) == 97 and len(out.gaps) == 1 and "3 of 100" in out.warnings[0]


def test_nothing_but_nan_is_refused():
    with pytest.raises(BadFileError, match="every sample"):
        drop_not_finite(recording(n=4, data=np.full((4, 3), np.nan, np.float32)))


def test_channels_are_chosen_by_name_and_order():
    rec = recording(spec=imu_spec(50.0, gyro=True), resolution=(1.0, 2.0, 3.0, 4.0, 5.0, 6.0))
    out = choose_channels(rec, ("gyr_z", "acc_x"))
    assert out.spec.units == ("rad/s", "g") and out.resolution == (6.0, 1.0)
    np.testing.assert_array_equal(out.data, rec.data[:, [5, 0]])


def test_a_missing_channel_is_named():
    with pytest.raises(SpecMismatchError, match="gyr_x"):
        choose_channels(recording(), ("gyr_x",))


def test_the_rate_is_brought_to_the_one_asked_for():
    out = prepare(recording(n=1000), BuildConfig(rate_hz=25.0, quality=False)).recording
    assert out.spec.rate_hz == 25.0 and abs(len(out.data) - 500) <= 1


def test_without_options_the_samples_are_untouched():
    rec = recording(n=100)
    np.testing.assert_array_equal(prepare(rec, PLAIN).recording.data, rec.data)


def test_an_irregular_clock_is_put_on_a_uniform_one():
    time_s = np.arange(500) / 50.0
    time_s[1:] += np.random.default_rng(0).uniform(-0.004, 0.004, 499)
    assert prepare(recording(n=500, time_s=time_s), PLAIN).recording.time_s is None


def test_a_step_survives_resampling():
    out = prepare(recording(n=1000), BuildConfig(rate_hz=25.0, quality=False))
    assert out.recording.resolution == pytest.approx((1 / 256,) * 3) and len(out.grid_channels) == 3


def test_streams_left_out_are_named():
    rec = recording(streams={"bvp": recording("bvp", n=20)})
    assert prepare(rec, PLAIN).recording.meta["build"]["streams_left_out"] == ["bvp"]


def test_calibration_says_why_it_was_not_done():
    out = prepare(recording(n=500), BuildConfig(calibrate=True, quality=False)).recording
    assert out.meta["build"]["calibration"]


def test_non_wear_is_dropped_on_demand():
    rate = 10.0
    moving = np.random.default_rng(0).normal([0, 0, 1], 0.3, (int(2 * 3600 * rate), 3))
    still = np.tile([0, 0, 1.0], (int(3 * 3600 * rate), 1))
    rec = recording(spec=imu_spec(rate), data=np.r_[moving, still, moving].astype(np.float32))
    out = prepare(rec, BuildConfig(nonwear="drop", quality=False)).recording
    assert len(out.data) < 0.7 * len(rec.data) and out.gaps[0].reason == "nonwear"


def test_quality_is_measured_before_anything_changes():
    assert prepare(recording(n=1000), BuildConfig(rate_hz=25.0)).quality["n_samples"] == 1000


def test_every_option_changes_the_hash():
    changed = [
        {"rate_hz": 20.0},
        {"channels": ("acc_x",)},
        {"calibrate": True},
        {"nonwear": "drop"},
        {"streams": True},
        {"quality": False},
        {"max_gap_s": 1.0},
    ]
    hashes = {BuildConfig(**c).hash for c in [{}, *changed]}
    assert len(hashes) == len(BuildConfig.model_fields) + 1
