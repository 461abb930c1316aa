"""Motion logs of Apple Watches and iPhones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinelet.errors import BadFileError, BadOptionError, KineletError
from kinelet.readers import read
from kinelet.readers._coremotion import is_apple_header, plain
from kinelet.readers.apple import read_apple

G = 9.80665


def write(path: Path, columns: dict[str, list[Any]], delimiter: str = ",") -> Path:
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join([delimiter.join(columns), *(delimiter.join(map(str, r)) for r in rows)]) + "\n")
    return path


def xyz(prefix: str, values: tuple[float, float, float], n: int, suffix: str = "") -> dict[str, list[Any]]:
    return {f"{prefix}{a}{suffix}": [v] * n for a, v in zip("XYZ", values, strict=True)}


def sensorlog(n: int = 5, **changes: list[Any]) -> dict[str, list[Any]]:
    return {
        "loggingTime(txt)": [f"2024-05-01 12:00:00.{20 * i:03d} +0200" for i in range(n)],
        "loggingSample(N)": list(range(n)),
        "motionTimestamp_sinceReboot(s)": [round(100 + 0.02 * i, 3) for i in range(n)],
        **xyz("motionUserAcceleration", (0.1, 0.0, 0.0), n, "(G)"),
        **xyz("motionGravity", (0.0, 0.0, -1.0), n, "(G)"),
        **xyz("motionRotationRate", (1.0, 2.0, 3.0), n, "(rad/s)"),
        **changes,
    }


def bare(n: int = 4, values: tuple[float, float, float] = (0.0, 0.0, -1.0)) -> dict[str, list[Any]]:
    times = [1_714_557_600_000_000_000 + 20_000_000 * i for i in range(n)]
    z, y, x = ([v] * n for v in reversed(values))
    return {"time": times, "seconds_elapsed": [0.02 * i for i in range(n)], "z": z, "y": y, "x": x}


def test_sensorlog_total_acceleration_and_rotation(tmp_path: Path) -> None:
    rec = read(write(tmp_path / "p.csv", sensorlog()))
    np.testing.assert_allclose(rec.data[0], [0.1, 0, -1, 1, 2, 3], atol=1e-7)
    assert rec.spec.channels[3:] == ("gyr_x", "gyr_y", "gyr_z") and rec.spec.rate_hz == pytest.approx(50)
    assert rec.meta["acceleration"] == "total (user acceleration + gravity)" and rec.spec.gravity


def test_wall_clock_gives_the_start_and_reboot_clock_the_times(tmp_path: Path) -> None:
    rec = read(write(tmp_path / "p.csv", sensorlog()))
    assert rec.start_unix_s == 1714557600.0
    np.testing.assert_allclose(rec.times(), 0.02 * np.arange(5), atol=1e-9)


def test_user_acceleration_where_asked(tmp_path: Path) -> None:
    rec = read(write(tmp_path / "p.csv", sensorlog()), acceleration="user")
    np.testing.assert_allclose(rec.data[0, :3], [0.1, 0, 0], atol=1e-7)
    assert not rec.spec.gravity and not rec.warnings


def test_sign_up_turns_acceleration_but_not_rotation(tmp_path: Path) -> None:
    rec = read(write(tmp_path / "p.csv", sensorlog()), sign="up")
    np.testing.assert_allclose(rec.data[0], [-0.1, 0, 1, 1, 2, 3], atol=1e-7)
    assert rec.meta["sign"] == "up"


def test_user_acceleration_alone_is_user(tmp_path: Path) -> None:
    columns = {k: v for k, v in sensorlog().items() if "Gravity" not in k}
    rec = read(write(tmp_path / "p.csv", columns))
    assert not rec.spec.gravity and rec.meta["acceleration"] == "user (user acceleration)"


def test_total_without_gravity_is_refused(tmp_path: Path) -> None:
    columns = {k: v for k, v in sensorlog().items() if "Gravity" not in k}
    with pytest.raises(BadOptionError, match=r"no total acceleration.*acceleration='user'"):
        read(write(tmp_path / "p.csv", columns), acceleration="total")


def test_accelerometer_columns(tmp_path: Path) -> None:
    columns = {
        "accelerometerTimestamp_sinceReboot(s)": [1.0, 1.01],
        **xyz("accelerometerAcceleration", (0, 0.6, -0.8), 2, "(G)"),
    }
    rec = read(write(tmp_path / "p.csv", columns, ";"))
    np.testing.assert_allclose(rec.data[0], [0, 0.6, -0.8], atol=1e-7)
    assert rec.start_unix_s is None


@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t"])
def test_delimiters(tmp_path: Path, delimiter: str) -> None:
    assert len(read(write(tmp_path / "p.csv", sensorlog(), delimiter)).data) == 5


def test_core_motion_names_without_units_need_gravity_to_tell_the_unit(tmp_path: Path) -> None:
    columns = {
        "timestamp": [10.0, 10.02],
        **xyz("userAcceleration", (0, 0, 0), 2),
        **xyz("gravity", (0, 0, -1), 2),
        **xyz("rotationRate", (0, 0, 0.5), 2),
    }
    rec = read(write(tmp_path / "p.csv", columns))
    assert rec.meta["unit"] == "g" and rec.meta["unit_from"] == "median norm" and rec.data[0, 2] == -1


def test_wrist_motion_acceleration_beside_gravity_is_user_acceleration(tmp_path: Path) -> None:
    columns = {
        "time": [1_714_557_600_000_000_000, 1_714_557_600_020_000_000],
        "seconds_elapsed": [0, 0.02],
        **xyz("rotationRate", (0, 0, 0), 2),
        **xyz("gravity", (0, 0, -1), 2),
        **xyz("acceleration", (0.25, 0, 0), 2),
    }
    rec = read(write(tmp_path / "WristMotion.csv", columns))
    np.testing.assert_allclose(rec.data[0, :3], [0.25, 0, -1])
    assert rec.start_unix_s == 1714557600.0


@pytest.mark.parametrize(("factor", "unit"), [(1.0, "g"), (G, "m/s^2")])
def test_sensor_logger_unit_by_norm_is_recorded(tmp_path: Path, factor: float, unit: str) -> None:
    rec = read(write(tmp_path / "TotalAcceleration.csv", bare(values=(0, 0, -factor))))
    np.testing.assert_allclose(rec.data[0], [0, 0, -1], rtol=1e-6)
    assert rec.meta["unit"] == unit


def test_sensor_logger_columns_are_taken_by_name_not_by_place(tmp_path: Path) -> None:
    rec = read(write(tmp_path / "TotalAcceleration.csv", bare(values=(0.6, 0.0, 0.8))))
    np.testing.assert_allclose(rec.data[0], [0.6, 0, 0.8], rtol=1e-6)


def test_sensor_logger_session_is_joined(tmp_path: Path) -> None:
    write(tmp_path / "Gravity.csv", bare(values=(0, 0, -G)))
    write(tmp_path / "Gyroscope.csv", bare(values=(1, 2, 3)))
    rec = read(write(tmp_path / "Accelerometer.csv", bare(values=(G, 0, 0))), unit="m/s^2")
    np.testing.assert_allclose(rec.data[0], [1, 0, -1, 1, 2, 3], rtol=1e-6)


def test_files_with_other_times_are_not_joined(tmp_path: Path) -> None:
    write(tmp_path / "Gyroscope.csv", bare(n=3))
    rec = read(write(tmp_path / "TotalAcceleration.csv", bare()))
    assert len(rec.spec.channels) == 3


def test_unit_of_user_acceleration_has_to_be_said(tmp_path: Path) -> None:
    with pytest.raises(BadOptionError, match="Say unit='g'"):
        read(write(tmp_path / "Accelerometer.csv", bare(values=(0, 0, 0.1))))


def test_gyroscope_file_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="holds no acceleration"):
        read(write(tmp_path / "Gyroscope.csv", bare()))


def test_repeated_rows_are_dropped_and_counted(tmp_path: Path) -> None:
    columns = sensorlog(**{"motionTimestamp_sinceReboot(s)": [1.0, 1.02, 1.02, 1.04, 1.06]})
    rec = read(write(tmp_path / "p.csv", columns))
    assert len(rec.data) == 4 and "1 rows repeat" in rec.warnings[0]
    with pytest.raises(BadFileError, match="row 2"):
        read(write(tmp_path / "p.csv", columns), repeats="error")


def test_pause_is_a_gap(tmp_path: Path) -> None:
    rec = read(write(tmp_path / "p.csv", sensorlog(**{"motionTimestamp_sinceReboot(s)": [1.0, 1.02, 1.04, 9.0, 9.02]})))
    assert [(s.start, s.stop) for s in rec.segments] == [(0, 3), (3, 5)]


def test_backward_clock_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match=r"row 3.*backwards"):
        read(write(tmp_path / "p.csv", sensorlog(**{"motionTimestamp_sinceReboot(s)": [1.0, 1.02, 1.04, 0.5, 1.06]})))


def test_text_clock_alone(tmp_path: Path) -> None:
    columns = {k: v for k, v in sensorlog().items() if "Timestamp" not in k}
    rec = read(write(tmp_path / "p.csv", columns))
    assert rec.times()[1] == pytest.approx(0.02) and rec.start_unix_s == 1714557600.0


def test_sensor_that_was_switched_off_is_left_out(tmp_path: Path) -> None:
    columns = sensorlog(**{f"motionRotationRate{a}(rad/s)": [""] * 5 for a in "XYZ"})
    assert len(read(write(tmp_path / "p.csv", columns)).spec.channels) == 3


def test_missing_cells_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match=r"row 1.*1 rows without user"):
        read(write(tmp_path / "p.csv", sensorlog(**{"motionUserAccelerationX(G)": [0, "", 0, 0, 0]})))


def test_health_export_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "export.xml"
    path.write_text('<?xml version="1.0"?><!DOCTYPE HealthData [\n<!-- HealthKit Export Version: 11 -->]><HealthData>')
    with pytest.raises(BadFileError, match="no raw motion"):
        read(path)
    with pytest.raises(BadFileError, match="no raw motion"):
        read(path, format="apple")


@pytest.mark.parametrize("options", [{"acceleration": "raw"}, {"unit": "ft"}, {"sign": "down"}, {"repeats": "mean"}])
def test_unknown_policies_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(BadOptionError, match="Use one of"):
        read(write(tmp_path / "p.csv", sensorlog()), **options)


def test_table_without_motion_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="no motion columns"):
        read(write(tmp_path / "p.csv", {"time": [1, 2], "steps": [3, 4]}), format="apple")


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        ("loggingTime(txt),motionUserAccelerationX(G)", True),
        ("time,seconds_elapsed,z,y,x", True),
        ("timestamp;userAccelerationX;userAccelerationY", True),
        ("time,x,y,z", False),
        ("ax,ay,az,activity", False),
    ],
)
def test_header_is_recognised(line: str, is_one: bool) -> None:
    assert is_apple_header(line) is is_one


def test_names_are_compared_without_unit_and_case() -> None:
    assert plain("motionRotationRateX(rad/s)") == plain("motion_rotation rate_x") == "motionrotationratex"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_logs_give_a_recording_or_a_clear_error(tmp_path: Path, data: st.DataObject) -> None:
    raw = bytearray(write(tmp_path / "p.csv", sensorlog()).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "q.csv").write_bytes(raw[: data.draw(st.integers(1, len(raw)))])
    try:
        rec = read_apple(tmp_path / "q.csv")
    except KineletError as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite(rec.data).all()
