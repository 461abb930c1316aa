"""The quality report and the measures behind it."""

from __future__ import annotations

import numpy as np
import pytest

from kinelet.signal import QualityReport, Recording, Segment, SignalSpec, imu_spec, quality_report
from kinelet.signal.quality import duration_text
from kinelet.signal.quality_measures import clipped_parts, norm_remark, stuck_parts
from signal_helpers import cut, noise_recording, posture_recording, sine_recording


@pytest.fixture
def worn(rng: np.random.Generator) -> Recording:
    return noise_recording(30, 300, rng)


def value(report: QualityReport, name: str) -> str:
    return {row[0]: row[1] for row in report.rows()}[name]


def remark(report: QualityReport, name: str) -> str:
    return {row[0]: row[2] for row in report.rows()}[name]


def scaled(rec: Recording, factor: float) -> Recording:
    return rec.replace(data=rec.data * np.float32(factor))


# Clock


def test_drift_is_unknown_where_nothing_measured_the_rate(worn: Recording) -> None:
    report = quality_report(worn)
    assert report.drift_ppm is None and "nothing in the file" in remark(report, "drift")


def test_drift_is_measured_against_nominal() -> None:
    rec = sine_recording(100, 10, meta={"measured_rate_hz": 99.95})
    assert quality_report(rec).drift_ppm == pytest.approx(-500, abs=0.01)


def test_the_nominal_rate_may_be_in_meta() -> None:
    rec = sine_recording(99.7, 10, meta={"measured_rate_hz": 99.7, "nominal_rate_hz": 100.0})
    assert quality_report(rec).drift_ppm == pytest.approx(-3000, abs=0.01)


def test_an_irregular_clock_measures_the_rate() -> None:
    rec = sine_recording(100, 10, time_s=np.arange(1000) / 101.0)
    assert quality_report(rec).rate_hz == pytest.approx(101.0)


def test_a_rate_that_is_far_off_is_a_warning() -> None:
    rec = sine_recording(100, 10, meta={"measured_rate_hz": 95.0})
    assert any("samples at 95 Hz, not at 100 Hz" in w for w in quality_report(rec).warnings)


def test_gaps_are_counted_and_added_up() -> None:
    rec = sine_recording(100, 3, segments=cut(100, [100, 100, 100], [5.0, 7.5]))
    report = quality_report(rec)
    assert (report.n_gaps, report.gap_s, report.duration_s) == (2, pytest.approx(12.5), pytest.approx(3.0))


def test_reasons_of_gaps_are_remarked() -> None:
    rec = sine_recording(100, 3, segments=cut(100, [100, 100, 100], [5, 7]), gap_reasons=("idle_sleep", "idle_sleep"))
    assert remark(quality_report(rec), "gaps") == "2 idle_sleep"


# Clipping and stuck axes


def test_clipping_is_the_part_at_the_end_of_the_range(worn: Recording) -> None:
    data = worn.data.copy()
    data[100:150, 0] = 8.0
    data[300:325, 0] = -8.0
    assert clipped_parts(worn.replace(data=data))["acc_x"] == pytest.approx(75 / len(data))


def test_single_peaks_are_not_clipping(worn: Recording) -> None:
    data = worn.data.copy()
    data[[100, 200, 300], 0] = 8.0
    assert clipped_parts(worn.replace(data=data))["acc_x"] == 0.0


def test_resting_at_the_largest_value_is_not_clipping() -> None:
    rec = Recording(np.tile(np.float32([[0, 0.5, 1]]), (300, 1)), imu_spec(30.0), "P1", "rest")
    rec.data[:100, 2] = 0.9
    assert clipped_parts(rec)["acc_z"] == 0.0


def test_clipping_in_other_units(worn: Recording) -> None:
    data = worn.data.copy() * np.float32(9.80665)
    data[100:150, 0] = 78.4
    rec = worn.replace(data=data, spec=SignalSpec(rate_hz=30.0, channels=worn.spec.channels, units=("m/s^2",) * 3))
    assert clipped_parts(rec)["acc_x"] == pytest.approx(50 / len(data))


def test_clipping_of_a_gyroscope_needs_no_least_value(rng: np.random.Generator) -> None:
    data = np.concatenate([rng.normal(0, 0.3, (900, 3)), np.clip(rng.normal(0, 1, (900, 3)), -0.5, 9)], axis=1)
    rec = Recording(data.astype(np.float32), imu_spec(30.0, gyro=True), "P1", "gyro")
    assert clipped_parts(rec)["gyr_x"] > 0.05


def test_clipping_is_a_warning(worn: Recording) -> None:
    data = worn.data.copy()
    data[100:150, 0] = 8.0
    assert any("acc_x: 0.56% of the samples are clipped" in w for w in quality_report(worn.replace(data=data)).warnings)


def test_an_axis_that_never_changes_is_stuck(rng: np.random.Generator) -> None:
    data = np.concatenate([rng.normal(0, 0.3, (900, 3)), np.zeros((900, 3))], axis=1).astype(np.float32)
    rec = Recording(data, imu_spec(30.0, gyro=True), "P1", "no gyroscope")
    assert [stuck_parts(rec)[c] for c in ("acc_x", "gyr_x", "gyr_y", "gyr_z")] == [0.0, 1.0, 1.0, 1.0]


def test_an_axis_that_stops_while_the_others_move_is_stuck(worn: Recording) -> None:
    data = worn.data.copy()
    data[: len(data) // 2, 1] = 0.25
    assert stuck_parts(worn.replace(data=data))["acc_y"] == pytest.approx(0.5)


def test_a_sensor_at_rest_is_not_stuck(rng: np.random.Generator) -> None:
    rec = noise_recording(30, 300, rng)
    rec.data[: len(rec.data) // 2] = rec.data[0]
    assert set(stuck_parts(rec).values()) == {0.0}


# Gravity


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (1.0, ""),
        (9.80665, "looks like m/s^2 that is called g"),
        (1000.0, "looks like mg that is called g"),
        (1 / 9.80665, "looks like g that was divided by 9.81 once too often"),
        (256.0, "looks like device counts of 256 a g"),
        (3.0, "it should be near 1 g: check unit and scale"),
        (0.02, "gravity seems to be missing"),
    ],
)
def test_the_norm_tells_the_unit(factor: float, words: str, rng: np.random.Generator) -> None:
    report = quality_report(scaled(posture_recording(rng), factor))
    assert remark(report, "median norm") == words
    assert report.norm_plausible == (words == "")


def test_an_implausible_norm_is_a_warning(worn: Recording) -> None:
    assert any("looks like m/s^2" in w for w in quality_report(scaled(worn, 9.81)).warnings)


def test_the_norm_is_taken_from_still_parts(rng: np.random.Generator) -> None:
    """Half an hour of shaking at 3 g does not hide that the sensor reads 1 g at rest."""
    rest = posture_recording(rng, postures=20)
    shaken = np.concatenate([rest.data, rng.normal(0, 3, (30 * 1800, 3)).astype(np.float32)])
    report = quality_report(Recording(shaken, imu_spec(30.0), "P1", "both"))
    assert report.median_norm_g == pytest.approx(1.0, abs=0.01)


def test_without_gravity_no_norm_is_expected(worn: Recording) -> None:
    report = quality_report(scaled(worn, 0.05).replace(spec=imu_spec(30.0, gravity=False)))
    assert report.norm_plausible is None and report.warnings == ()


def test_norm_within_the_limits_needs_no_remark() -> None:
    assert [norm_remark(n, True) for n in (0.8, 1.0, 1.2)] == ["", "", ""]


def test_calibration_error_is_that_of_still_points(rng: np.random.Generator) -> None:
    report = quality_report(posture_recording(rng, offset=(0.05, 0.0, 0.0)))
    assert report.calibration_error_mg == pytest.approx(25, abs=5)  # mean |cos| * 50 mg over the sphere


def test_calibration_error_needs_still_parts(worn: Recording) -> None:
    report = quality_report(worn)
    assert report.calibration_error_mg is None and "0 still windows" in remark(report, "calibration error")


def test_one_posture_says_little_about_calibration(rng: np.random.Generator) -> None:
    rec = noise_recording(30, 300, rng, sd=0.003)
    assert remark(quality_report(rec), "calibration error") == "few postures: it says nothing about the others"


def test_wear_of_short_recordings_is_unknown(worn: Recording) -> None:
    report = quality_report(worn)
    assert report.wear_time_s is None and value(report, "wear time") == "unknown"


def test_wear_time_of_long_recordings(rng: np.random.Generator) -> None:
    assert quality_report(noise_recording(2, 7200, rng)).wear_time_s == pytest.approx(7200)


def test_other_sensors_get_what_can_be_measured(rng: np.random.Generator) -> None:
    spec = SignalSpec(rate_hz=64.0, channels=("bvp",), units=("raw",))
    report = quality_report(Recording(rng.normal(size=(6400, 1)).astype(np.float32), spec, "P1", "bvp"))
    assert report.median_norm_g is None and remark(report, "wear time") == "no three-axis accelerometer"


def test_unknown_units_of_acceleration_are_named(worn: Recording) -> None:
    rec = worn.replace(spec=SignalSpec(rate_hz=30.0, channels=worn.spec.channels, units=("counts",) * 3))
    assert remark(quality_report(rec), "median norm") == "unit counts is not of acceleration"


@pytest.mark.parametrize("n", [1, 2, 5, 29])
def test_the_shortest_recordings_have_a_report(n: int) -> None:
    data = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    assert quality_report(Recording(data, imu_spec(30.0), "P1", "short")).n_samples == n


def test_samples_that_are_not_finite_are_counted_and_spoil_nothing(worn: Recording) -> None:
    worn.data[[5, 70], [0, 2]] = np.nan
    report = quality_report(worn)
    assert report.warnings == ("2 of 9000 samples have NaN or infinity",) and report.norm_plausible


# Table


def test_rows_cover_all_measures(worn: Recording) -> None:
    assert [row[0] for row in worn.quality().rows()] == [
        "rate",
        "drift",
        "duration",
        "samples",
        "gaps",
        "clipping",
        "stuck axes",
        "calibration error",
        "wear time",
        "median norm",
    ]


def test_warnings_of_the_recording_are_kept(worn: Recording) -> None:
    assert quality_report(worn.replace(warnings=("2 blocks were corrupt",))).warnings == ("2 blocks were corrupt",)


def test_many_segments_are_measured_together() -> None:
    segments = tuple(Segment(i * 30, i * 30 + 30, i * 2.0) for i in range(100))
    assert quality_report(sine_recording(30, 100, segments=segments)).n_gaps == 99


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(12.34, "12.3 s"), (81, "1 min 21 s"), (3600, "1 h"), (93784, "1 d 2 h 3 min"), (604800, "7 d")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration_text(seconds) == words
