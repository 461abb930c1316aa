"""What is particular to ClassyGlass, GEOTEC, UMAFall and UCI HAR."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import layouts
from kinelet.datasets import get_dataset
from kinelet.datasets.classyglass import activity_of
from kinelet.errors import BadFileError
from kinelet.signal.recording import Recording


def load(name: str, raw: Path) -> dict[str, Recording]:
    return {r.name: r for r in get_dataset(name).load(raw)}


# --- ClassyGlass


@pytest.mark.parametrize(
    ("part", "experiment", "activity"),
    [
        ("1A", 1, "sitting, reading a book"),
        ("1A", 11, "taking stairs"),
        ("1A", 12, "sitting, reading a book"),
        ("1B", 133, "sitting, reading a book"),
        ("1B", 142, "running"),
        ("1B", 297, "standing, picking up items from floor"),
        ("1B", 306, "walking"),
        ("1B", 307, "taking stairs"),
        ("1B", 312, "sitting, reading a book"),
        ("2", 4, "walking"),
        ("2", 210, "timed up and go test"),
        ("1B", 5, None),
    ],
)
def test_classyglass_activity_of_experiment(part: str, experiment: int, activity: str | None) -> None:
    assert activity_of(part, experiment) == activity


def glasses(folder: Path, gyr: np.ndarray, late_ms: int = 0) -> Recording:
    place, data = folder / "Dataset_1A" / "User2", layouts.wave(100)
    layouts.metawear(place, 12, "Accelerometer", data[:, :3], 1_568_492_160_270, "g")
    layouts.metawear(place, 12, "Gyroscope", gyr, 1_568_492_160_270 + late_ms, "deg/s")
    return next(get_dataset("classyglass").load(folder))


def test_classyglass_zero_gyroscope_is_left_out(tmp_path: Path) -> None:
    rec = glasses(tmp_path, np.zeros((100, 3)))
    assert rec.data.shape == (100, 3) and "zeros" in rec.warnings[0]


def test_classyglass_without_gyroscope_file(tmp_path: Path) -> None:
    layouts.classyglass(tmp_path)
    for path in tmp_path.rglob("*_Gyroscope_*"):
        path.unlink()
    assert {r.data.shape[1] for r in load("classyglass", tmp_path).values()} == {3}


def test_classyglass_late_gyroscope_leaves_a_shorter_recording(tmp_path: Path) -> None:
    assert len(glasses(tmp_path, np.ones((100, 3)), late_ms=60).data) == 95


def test_classyglass_late_gyroscope_is_recorded(tmp_path: Path) -> None:
    assert glasses(tmp_path, np.ones((100, 3)), late_ms=60).meta["rows_without_gyroscope"] == 5


def test_classyglass_late_gyroscope_moves_the_start(tmp_path: Path) -> None:
    assert glasses(tmp_path, np.ones((100, 3)), late_ms=60).start_unix_s == pytest.approx(1_568_492_160.320)


def test_classyglass_unit_is_taken_from_the_header(tmp_path: Path) -> None:
    place, data = tmp_path / "Dataset_2" / "User1", layouts.wave(100)
    layouts.metawear(place, 1, "Accelerometer", data[:, :3] * layouts.G, 0, "m/s^2")
    np.testing.assert_allclose(next(get_dataset("classyglass").load(tmp_path)).data, data[:, :3], atol=1e-4)


def test_classyglass_number_outside_the_protocol_has_no_label(tmp_path: Path) -> None:
    layouts.metawear(tmp_path / "Dataset_1B" / "User1", 7, "Accelerometer", layouts.wave(10)[:, :3], 0, "g")
    rec = next(get_dataset("classyglass").load(tmp_path))
    assert rec.annotations == () and "no label" in rec.warnings[-1]


def test_classyglass_file_without_its_person_is_refused(tmp_path: Path) -> None:
    layouts.metawear(tmp_path, 1, "Accelerometer", layouts.wave(10)[:, :3], 0, "g")
    with pytest.raises(BadFileError, match="whose recording"):
        list(get_dataset("classyglass").load(tmp_path))


# --- GEOTEC


def test_geotec_start_is_unix_time(tmp_path: Path) -> None:
    truth = layouts.geotec(tmp_path)
    assert load("geotec", tmp_path)[truth.name].start_unix_s == 1657533977.813


def test_geotec_phone_is_in_the_pocket(tmp_path: Path) -> None:
    layouts.geotec(tmp_path)
    assert load("geotec", tmp_path)["geotec_s01_01_sp"].spec.site == "pocket"


def test_geotec_silence_is_a_gap(tmp_path: Path) -> None:
    head = "x_acc,y_acc,z_acc,x_gyro,y_gyro,z_gyro,timestamp,label"
    rows = [f"0,0,9.80665,0,0,0,{1000 + 10 * i + (2000 if i >= 50 else 0)},WALKING" for i in range(100)]
    layouts.lines(tmp_path / "s01_01_sw.csv", rows, head)
    gaps = next(get_dataset("geotec").load(tmp_path)).gaps
    assert [(round(g.start_s, 3), round(g.stop_s, 3)) for g in gaps] == [(0.5, 2.5)]


def test_geotec_shared_milliseconds_are_kept(tmp_path: Path) -> None:
    head = "x_acc,y_acc,z_acc,x_gyro,y_gyro,z_gyro,timestamp,label"
    rows = [f"0,0,9.80665,0,0,0,{1000 + 20 * (i // 2)},WALKING" for i in range(100)]
    layouts.lines(tmp_path / "s01_01_sw.csv", rows, head)
    assert len(next(get_dataset("geotec").load(tmp_path)).data) == 100


# --- UMAFall


def test_umafall_phone_has_its_own_rate(tmp_path: Path) -> None:
    layouts.umafall(tmp_path)
    rec = next(r for r in get_dataset("umafall").load(tmp_path) if r.spec.site == "pocket")
    assert (rec.spec.rate_hz, rec.data.shape) == (200.0, (300, 3))


def test_umafall_sensors_of_a_trial_are_on_one_clock(tmp_path: Path) -> None:
    layouts.umafall(tmp_path)
    clocks = {r.spec.site: r.meta for r in get_dataset("umafall").load(tmp_path) if "23-25-52" in r.name}
    assert clocks["wrist"]["clock"] == clocks["pocket"]["clock"]
    assert (clocks["wrist"]["clock_start_s"], clocks["pocket"]["clock_start_s"]) == (0.2, 0.1)


def test_umafall_lines_may_end_with_a_semicolon(tmp_path: Path) -> None:
    truth = layouts.umafall(tmp_path, ending=";")
    np.testing.assert_allclose(load("umafall", tmp_path)[truth.name].data, truth.data, atol=1e-4)


def test_umafall_trial_recorded_twice_is_kept_twice(tmp_path: Path) -> None:
    layouts.umafall(tmp_path)
    dates = {r.meta["recorded"] for r in get_dataset("umafall").load(tmp_path)}
    assert dates == {"2017-04-14_23-25-52", "2017-04-14_23-26-33"}


def test_umafall_head_without_sensors_is_refused(tmp_path: Path) -> None:
    layouts.lines(tmp_path / "UMAFall_Subject_01_ADL_Walking_1_2017-04-14_23-25-52.csv", ["1;1;0;0;1;0;3"])
    with pytest.raises(BadFileError, match="names no sensor"):
        list(get_dataset("umafall").load(tmp_path))


# --- UCI HAR


def test_uci_har_overlapping_windows_are_joined_once(tmp_path: Path) -> None:
    layouts.uci_har(tmp_path)
    assert len(load("uci_har", tmp_path)["uci_har_train_00000"].data) == 256


def test_uci_har_published_windows_come_back(tmp_path: Path) -> None:
    truth = layouts.uci_har(tmp_path)
    data = load("uci_har", tmp_path)[truth.name].data
    np.testing.assert_allclose(data[64:192], truth.data[64:192], atol=1e-6)


def test_uci_har_windows_that_do_not_continue_are_apart(tmp_path: Path) -> None:
    layouts.uci_har(tmp_path)
    assert len(load("uci_har", tmp_path)["uci_har_train_00003"].data) == 128


def test_uci_har_official_split_is_recorded(tmp_path: Path) -> None:
    layouts.uci_har(tmp_path)
    assert {r.subject: r.meta["split"] for r in load("uci_har", tmp_path).values()} == {
        "uci_har_01": "train",
        "uci_har_02": "test",
    }


def test_uci_har_change_of_activity_ends_a_recording(tmp_path: Path) -> None:
    layouts.uci_har(tmp_path)
    layouts.lines(tmp_path / "UCI HAR Dataset/train/y_train.txt", ["5", "5", "4", "5"])
    assert len(load("uci_har", tmp_path)["uci_har_train_00002"].data) == 128


def test_uci_har_missing_windows_are_refused(tmp_path: Path) -> None:
    layouts.uci_har(tmp_path)
    layouts.lines(tmp_path / "UCI HAR Dataset/train/y_train.txt", ["5"] * 5)
    layouts.lines(tmp_path / "UCI HAR Dataset/train/subject_train.txt", ["1"] * 5)
    with pytest.raises(BadFileError, match="not 5 windows of 128"):
        list(get_dataset("uci_har").load(tmp_path))
