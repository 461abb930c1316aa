"""Adapting a recording to a specification, and saying what that took."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinelet.errors import SpecMismatchError
from kinelet.signal import ACC, GYR, Changes, Recording, SignalSpec, adapt, imu_spec
from signal_helpers import sine_recording


@pytest.fixture
def six(rng: np.random.Generator) -> Recording:
    """Six channels in an order and units of its own."""
    spec = SignalSpec(rate_hz=100.0, channels=GYR + ACC, units=("deg/s",) * 3 + ("m/s^2",) * 3, site="wrist")
    return Recording(
        rng.normal(size=(1000, 6)).astype(np.float32), spec, "P1", "six", resolution=(0.1,) * 3 + (0.01,) * 3
    )


def test_what_fits_is_the_same_recording() -> None:
    rec = sine_recording(50, 10)
    assert adapt(rec, imu_spec(50.0)) == (rec, Changes())


def test_the_result_meets_the_specification(six: Recording) -> None:
    imu_spec(50.0, gyro=True).require(adapt(six, imu_spec(50.0, gyro=True))[0].spec)


def test_changes_are_told_in_words(six: Recording) -> None:
    assert list(adapt(six, imu_spec(50.0, gyro=True))[1]) == [
        "reordered gyr_x gyr_y gyr_z acc_x acc_y acc_z to acc_x acc_y acc_z gyr_x gyr_y gyr_z",
        "converted deg/s to rad/s",
        "converted m/s^2 to g",
        "resampled from 100 to 50 Hz",
    ]


def test_channels_that_are_not_wanted_are_named(six: Recording) -> None:
    assert "left out gyr_x, gyr_y, gyr_z" in adapt(six, imu_spec(100.0))[1]


def test_changes_are_kept_with_the_recording(six: Recording) -> None:
    out, changes = adapt(six, imu_spec(50.0))
    assert out.meta["adapted"] == list(changes)


def test_values_follow_their_channel(six: Recording) -> None:
    out, _ = adapt(six, imu_spec(100.0, gyro=True))
    assert out.data[:, 0] == pytest.approx(six.data[:, 3] / 9.80665, rel=1e-6)
    assert out.data[:, 5] == pytest.approx(np.deg2rad(six.data[:, 2]), rel=1e-6)


@given(st.permutations(ACC + GYR), st.permutations(ACC + GYR), st.integers(1, 6))
def test_every_channel_keeps_its_own_samples(have: list, want: list, n: int) -> None:
    """Each channel is constant at a number of its own, in whatever order."""
    number = {c: float(i) for i, c in enumerate(ACC + GYR)}
    data = np.tile(np.float32([[number[c] for c in have]]), (4, 1))
    rec = Recording(data, SignalSpec(rate_hz=10.0, channels=tuple(have), units=("raw",) * 6), "P1", "n")
    out, _ = adapt(rec, SignalSpec(rate_hz=10.0, channels=tuple(want[:n]), units=("raw",) * n))
    assert out.data[0].tolist() == [number[c] for c in want[:n]]


def test_the_step_of_the_device_is_converted(six: Recording) -> None:
    out, _ = adapt(six, imu_spec(100.0))
    assert out.resolution == pytest.approx((0.01 / 9.80665,) * 3)


def test_the_site_stays_that_of_the_recording(six: Recording) -> None:
    out, changes = adapt(six, imu_spec(100.0, site="waist"))
    assert out.spec.site == "wrist" and changes.remarks == ("site is wrist, not waist",)


def test_a_missing_channel_is_refused_with_both_sides() -> None:
    with pytest.raises(SpecMismatchError, match=r"'acc_z'\) lack gyr_x, gyr_y, gyr_z of the expected \('acc_x'"):
        adapt(sine_recording(50, 1), imu_spec(50.0, gyro=True))


@pytest.mark.parametrize("has", [True, False])
def test_gravity_that_differs_is_refused(has: bool) -> None:
    rec = sine_recording(50, 1).replace(spec=imu_spec(50.0, gravity=has))
    with pytest.raises(SpecMismatchError, match="gravity"):
        adapt(rec, imu_spec(50.0, gravity=not has))


def test_units_that_do_not_convert_are_refused() -> None:
    spec = SignalSpec(rate_hz=50.0, channels=ACC, units=("rad/s",) * 3)
    with pytest.raises(SpecMismatchError, match="'g' is acceleration but 'rad/s' is angular rate"):
        adapt(sine_recording(50, 1), spec)


def test_a_measured_rate_is_put_right_though_the_nominal_one_fits() -> None:
    rec = sine_recording(99.7, 60, nominal=100.0, meta={"measured_rate_hz": 99.7})
    out, changes = adapt(rec, imu_spec(100.0))
    assert out.duration_s == pytest.approx(60.0, abs=0.011) and list(changes) == ["resampled from 99.7 to 100 Hz"]


def test_an_irregular_clock_is_put_on_an_even_one() -> None:
    rec = sine_recording(100, 10, time_s=np.arange(1000) / 100.0)
    assert adapt(rec, imu_spec(100.0))[0].time_s is None


def test_raising_the_rate_is_remarked() -> None:
    assert adapt(sine_recording(20, 10), imu_spec(50.0))[1].remarks == (
        "there is nothing above 10 Hz in a recording at 20 Hz",
    )


def test_the_window_of_an_encoder_is_not_forced_on_a_recording() -> None:
    assert adapt(sine_recording(50, 10), imu_spec(50.0, window_s=2.56))[0].spec.window_s is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (Changes(), "nothing changed"),
        (Changes(("converted mg to g",)), "converted mg to g"),
        (Changes(("a",), ("b",)), "a; b"),
    ],
)
def test_changes_read_as_a_sentence(changes: Changes, words: str) -> None:
    assert str(changes) == words


def test_changes_are_true_if_something_was_changed() -> None:
    assert not Changes(remarks=("site is wrist, not waist",)) and Changes(("converted mg to g",))
