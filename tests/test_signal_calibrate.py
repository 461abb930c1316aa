"""Gravity calibration from still postures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinelet.errors import SpecMismatchError
from kinelet.signal import Recording, SignalSpec, calibrate, imu_spec
from kinelet.signal.calibrate import fit_sphere, sphere_error_mg
from kinelet.signal.stillness import still_points, window_stats
from signal_helpers import noise_recording, posture_recording, sphere_points

SCALE, OFFSET = (1.03, 0.98, 1.01), (0.04, -0.06, 0.02)


@pytest.fixture
def bent(rng: np.random.Generator) -> Recording:
    return posture_recording(rng, scale=SCALE, offset=OFFSET)


def test_known_offset_is_recovered_to_a_milli_g(bent: Recording) -> None:
    assert calibrate(bent)[1].offset == pytest.approx(OFFSET, abs=1e-3)


def test_known_scale_is_recovered_to_a_thousandth(bent: Recording) -> None:
    assert calibrate(bent)[1].scale == pytest.approx(SCALE, abs=1e-3)


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(*[st.floats(0.93, 1.07)] * 3),
    st.tuples(*[st.floats(-0.1, 0.1)] * 3),
    st.integers(0, 2**31),
)
def test_any_plausible_error_is_recovered(scale: tuple, offset: tuple, seed: int) -> None:
    rng = np.random.default_rng(seed)
    raw = (sphere_points(80, rng) - offset) / scale + rng.normal(0, 1e-4, (80, 3))
    found_scale, found_offset = fit_sphere(raw)
    assert np.abs([*(found_scale - scale), *(found_offset - offset)]).max() < 1e-3


def test_the_error_falls_below_a_milli_g(bent: Recording) -> None:
    after = calibrate(bent)[1].error_after_mg
    assert after is not None and after < 1.0


def test_the_error_before_is_the_distance_from_the_sphere(bent: Recording) -> None:
    points = still_points(bent)
    assert calibrate(bent)[1].error_before_mg == pytest.approx(
        1e3 * np.mean([abs(np.sqrt(x * x + y * y + z * z) - 1) for x, y, z in points])
    )


def test_the_samples_are_moved_onto_the_sphere(bent: Recording) -> None:
    error = sphere_error_mg(still_points(calibrate(bent)[0]))
    assert error is not None and error < 1.0


def test_calibrated_is_scale_times_raw_plus_offset(bent: Recording) -> None:
    fixed, found = calibrate(bent)
    assert fixed.data == pytest.approx(bent.data * found.scale + found.offset, abs=1e-5)


def test_the_given_recording_is_not_changed(bent: Recording) -> None:
    before = bent.data.copy()
    calibrate(bent)
    assert (bent.data == before).all()


def test_a_calibrated_recording_has_nothing_left_to_correct(bent: Recording) -> None:
    again = calibrate(calibrate(bent)[0])[1]
    assert again.scale == pytest.approx((1, 1, 1), abs=1e-3)


def test_other_units_give_the_same_answer(bent: Recording) -> None:
    metres = bent.replace(
        data=bent.data * np.float32(9.80665),
        spec=SignalSpec(rate_hz=30.0, channels=bent.spec.channels, units=("m/s^2",) * 3),
    )
    fixed, found = calibrate(metres)
    assert found.offset == pytest.approx(OFFSET, abs=1e-3)
    assert fixed.data / 9.80665 == pytest.approx(calibrate(bent)[0].data, abs=1e-4)


def test_the_gyroscope_is_left_alone(bent: Recording, rng: np.random.Generator) -> None:
    turn = rng.normal(size=bent.data.shape).astype(np.float32)
    both = bent.replace(data=np.concatenate([bent.data, turn], axis=1), spec=imu_spec(30.0, gyro=True))
    assert (calibrate(both)[0].data[:, 3:] == turn).all()


def test_the_step_of_the_device_is_scaled(bent: Recording) -> None:
    fixed, found = calibrate(bent.replace(resolution=(0.004, None, 0.004)))
    assert fixed.resolution == (pytest.approx(0.004 * found.scale[0]), None, pytest.approx(0.004 * found.scale[2]))


def test_the_outcome_is_in_meta(bent: Recording) -> None:
    assert calibrate(bent)[0].meta["calibration"]["applied"] is True


def test_too_few_still_windows_are_named(rng: np.random.Generator) -> None:
    found = calibrate(posture_recording(rng, postures=9, offset=OFFSET))[1]
    assert (found.applied, found.reason) == (False, "9 still windows of 10 s, 10 are needed")


def test_movement_is_no_still_data(rng: np.random.Generator) -> None:
    assert len(still_points(noise_recording(30, 600, rng, sd=0.2))) == 0


def test_a_poorly_covered_sphere_is_named(rng: np.random.Generator) -> None:
    rec = posture_recording(rng)
    rec = rec.replace(data=np.abs(rec.data) * np.array([1, -1, 1], dtype=np.float32))
    found = calibrate(rec)[1]
    assert not found.applied and "x from +0.0" in found.reason and "±0.3 g" in found.reason


def test_what_is_not_applied_leaves_the_samples(rng: np.random.Generator) -> None:
    rec = posture_recording(rng, postures=5, offset=OFFSET)
    assert calibrate(rec)[0].data is rec.data


def test_gravity_must_be_in_the_signal(bent: Recording) -> None:
    found = calibrate(bent.replace(spec=imu_spec(30.0, gravity=False)))[1]
    assert found.reason == "gravity is not part of the signal"


def test_two_axes_are_not_enough() -> None:
    spec = SignalSpec(rate_hz=30.0, channels=("acc_x", "acc_y"), units=("g", "g"))
    with pytest.raises(SpecMismatchError, match="lack acc_z"):
        calibrate(Recording(np.zeros((10, 2), dtype=np.float32), spec, "P1", "two"))


def test_outcome_reads_as_a_sentence(bent: Recording, rng: np.random.Generator) -> None:
    assert str(calibrate(bent)[1]).startswith("calibrated: ")
    assert str(calibrate(posture_recording(rng, postures=2))[1]).startswith("not calibrated: 2 still")


def test_a_sleeping_sensor_counts_once(rng: np.random.Generator) -> None:
    """Repeats of the last sample while a device sleeps are not further measurements."""
    rec = Recording(np.tile(np.float32([[0, 0, 1]]), (30 * 100, 1)), imu_spec(30.0), "P1", "sleep")
    assert len(still_points(rec)) == 1


def test_window_statistics_are_those_of_the_windows(rng: np.random.Generator) -> None:
    rec = noise_recording(30, 95, rng)
    stats = window_stats(rec, 10.0, [0, 1, 2])
    windows = rec.data[:2700].reshape(9, 300, 3).astype(np.float64)
    assert stats.mean == pytest.approx(windows.mean(axis=1), abs=1e-6)
    assert stats.sd == pytest.approx(windows.std(axis=1), abs=1e-6)
    assert stats.span == pytest.approx(np.ptp(windows, axis=1), abs=1e-6)
