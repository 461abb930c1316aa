"""Loaders on real recordings in the publishers' layout, against the same recordings in compact files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from kinelet.datasets import get_dataset
from kinelet.signal.recording import Recording


def compact(shared: Path, name: str, columns: tuple[str, ...], **where: Any) -> np.ndarray:
    """Rows of a compact file that fit ``where``, in the publisher's units."""
    table = pq.read_table(shared / name)
    scales = json.loads(table.schema.metadata[b"scales"])
    for column, value in where.items():
        table = table.filter(pc.equal(pc.cast(table[column], "string"), str(value)))
    return np.stack([table[c].to_numpy() * scales.get(c, 1.0) for c in columns], axis=1)


def linked(source: Path, target: Path) -> Path:
    target.mkdir(parents=True)
    for path in source.iterdir():
        (target / path.name).symlink_to(path)
    return target


@pytest.fixture
def geotec(shared_data: Path) -> dict[str, Recording]:
    return {r.name: r for r in get_dataset("geotec").load(shared_data / "raw_layout_samples" / "geotec")}


@pytest.mark.parametrize("device", ["sp", "sw"])
def test_geotec_acceleration(shared_data: Path, geotec: dict[str, Recording], device: str) -> None:
    columns = ("x_acc", "y_acc", "z_acc")
    want = compact(shared_data, "geotec/geotec.parquet", columns, subject="s01", session=1, device=device) / 9.80665
    np.testing.assert_allclose(geotec[f"geotec_s01_01_{device}"].data[:, :3], want, atol=2e-4)


def test_geotec_gyroscope(shared_data: Path, geotec: dict[str, Recording]) -> None:
    columns = ("x_gyro", "y_gyro", "z_gyro")
    want = compact(shared_data, "geotec/geotec.parquet", columns, subject="s01", session=1, device="sw")
    np.testing.assert_allclose(geotec["geotec_s01_01_sw"].data[:, 3:], want, atol=1e-3)


def test_geotec_labels(geotec: dict[str, Recording]) -> None:
    labels = [a.label for a in geotec["geotec_s01_01_sw"].annotations]
    walk = ["WALKING", "TURNING", "WALKING", "TURNING"]
    assert labels == ["SEATED", "STANDING_UP", *walk, "SITTING_DOWN", "SEATED"]


@pytest.fixture
def umafall(shared_data: Path) -> list[Recording]:
    return list(get_dataset("umafall").load(shared_data / "raw_layout_samples" / "umafall"))


def test_umafall_has_five_places_in_two_trials(umafall: list[Recording]) -> None:
    assert sorted({(r.meta["trial"], str(r.spec.site)) for r in umafall}) == [
        (t, s) for t in (1, 2) for s in ("ankle", "chest", "pocket", "waist", "wrist")
    ]


def test_umafall_acceleration(shared_data: Path, umafall: list[Recording]) -> None:
    rec = next(r for r in umafall if r.meta["trial"] == 1 and r.spec.site == "wrist")
    want = compact(
        shared_data,
        "umafall/umafall.parquet",
        ("ax", "ay", "az"),
        subject="01",
        activity="ADL_Walking",
        trial=1,
        pos="WRIST",
    )
    np.testing.assert_allclose(rec.data[:, :3], want, atol=3e-4)


def test_umafall_measured_rates_are_near_nominal(umafall: list[Recording]) -> None:
    measured = [(len(r.data) - 1) / float(r.times()[-1]) / r.spec.rate_hz for r in umafall]
    np.testing.assert_allclose(measured, 1.0, atol=0.03)


def test_utd_mhad_samples(shared_data: Path) -> None:
    recs = list(get_dataset("utd_mhad").load(shared_data / "raw_layout_samples" / "utd_mhad"))
    columns = ("ax", "ay", "az", "gx", "gy", "gz")
    want = compact(shared_data, "utd_mhad/imu.parquet", columns, activity=1, subject=1, trial=1)
    want[:, 3:] *= np.pi / 180
    np.testing.assert_allclose(recs[0].data, want, atol=1e-5)


def test_utd_mhad_skeleton_is_as_long_as_the_clip(shared_data: Path) -> None:
    rec = next(get_dataset("utd_mhad").load(shared_data / "raw_layout_samples" / "utd_mhad"))
    assert rec.streams["skeleton"].duration_s / rec.duration_s == pytest.approx(1.0, abs=0.6)


def test_classyglass_samples(shared_data: Path, tmp_path: Path) -> None:
    linked(shared_data / "raw_layout_samples" / "classyglass", tmp_path / "Dataset_1A" / "User1")
    rec = next(get_dataset("classyglass").load(tmp_path))
    columns = ("ax", "ay", "az", "gx", "gy", "gz")
    half = compact(shared_data, "classyglass/classyglass.parquet", columns, subject="D1_User1", exp=10)
    half[:, 3:] *= np.pi / 180
    # The compact file was decimated to 50 Hz behind a filter: means and spread agree, single samples need not.
    np.testing.assert_allclose(rec.data.mean(axis=0), half.mean(axis=0), atol=0.02)


def test_classyglass_activity(shared_data: Path, tmp_path: Path) -> None:
    linked(shared_data / "raw_layout_samples" / "classyglass", tmp_path / "Dataset_1A" / "User1")
    assert [a.label for a in next(get_dataset("classyglass").load(tmp_path)).annotations] == ["running"]


@pytest.mark.parametrize("part", ["1A", "1B", "2"])
def test_classyglass_protocol_agrees_with_all_labels(shared_data: Path, part: str) -> None:
    from kinelet.datasets.classyglass import activity_of

    table = pq.read_table(shared_data / "classyglass/classyglass.parquet", columns=["dataset", "exp", "activity"])
    table = table.filter(pc.equal(pc.cast(table["dataset"], "string"), part))
    pairs = table.select(["exp", "activity"]).group_by(["exp", "activity"]).aggregate([]).to_pylist()
    assert [p for p in pairs if activity_of(part, p["exp"]) != p["activity"]] == []


def test_stress_predict_acceleration(shared_data: Path, tmp_path: Path) -> None:
    linked(shared_data / "devices" / "empatica_e4_S01", tmp_path / "Raw_data" / "S01")
    rec = next(get_dataset("stress_predict").load(tmp_path))
    want = compact(shared_data, "stress_predict/acc.parquet", ("x", "y", "z"), subject="S01")
    np.testing.assert_allclose(rec.data, want[: len(rec.data)], atol=1e-6)


def test_stress_predict_labels_lie_within_the_recording(shared_data: Path, tmp_path: Path) -> None:
    from kinelet.datasets.stress_predict import _known

    table = pq.read_table(shared_data / "stress_predict/labels.parquet")
    path = tmp_path / "labels.csv"
    np.savetxt(
        path,
        np.stack([table[c].to_numpy() for c in table.column_names], axis=1),
        fmt="%.10g",
        delimiter=",",
        header=",".join(table.column_names),
        comments="",
    )
    start = json.loads((shared_data / "stress_predict/clock.json").read_text())["S02"]["acc_start_unix_s"]
    stress = [a for a in _known(path, 2, start) if a.track == "stress"]
    assert stress[0].start_s == 9.0 and {a.label for a in stress} == {"baseline", "stress"}


@pytest.fixture(scope="module")
def mobgap() -> list[Recording]:
    from conftest import SHARED

    if not SHARED.is_dir():
        pytest.skip("real recordings are not beside the repository (../shared/data)")
    return list(get_dataset("mobgap_lab").load(SHARED / "mobgap_lab"))


def test_mobgap_people(mobgap: list[Recording]) -> None:
    assert {r.subject for r in mobgap} == {"mobgap_lab_HA_001", "mobgap_lab_HA_002"}


def test_mobgap_is_in_g(mobgap: list[Recording]) -> None:
    assert all(0.9 < np.median(np.linalg.norm(r.data[:, :3], axis=1)) < 1.1 for r in mobgap)


def test_mobgap_speed_is_length_over_time(mobgap: list[Recording]) -> None:
    rec = next(r for r in mobgap if r.name == "mobgap_lab_HA_001_TimeMeasure1_Test11_Trial1")
    speeds = [a.value for a in rec.annotations if a.track == "walking_speed"]
    assert speeds[0] == pytest.approx(0.97537, abs=1e-4)


def test_mobgap_bouts_lie_within_the_recording(mobgap: list[Recording]) -> None:
    assert all(0 <= a.start_s < a.stop_s <= r.duration_s + 0.05 for r in mobgap for a in r.annotations)


def test_voisard_from_the_compact_file(shared_data: Path, tmp_path: Path) -> None:
    columns = ("Acc_X", "Acc_Y", "Acc_Z", "Gyr_X", "Gyr_Y", "Gyr_Z")
    data = compact(shared_data, "voisard_gait/voisard.parquet", columns, sensor="lb", subject=7, trial=4)
    rows = "".join(f"{i}.0\t" + "\t".join(f"{v:.6f}" for v in row) + "\n" for i, row in enumerate(data))
    head = "Acquisition frequency: 100 Hz\nPacketCounter\t" + "\t".join(columns) + "\n"
    (tmp_path / "7-4_lb.txt").write_text(head + rows)
    about = json.loads((shared_data / "voisard_gait/events.json").read_text())["7-4"]
    (tmp_path / "7-4.json").write_text(json.dumps(about))
    rec = next(get_dataset("voisard").load(tmp_path))
    strides = [a.value for a in rec.annotations if a.track == "stride_time" and a.value]
    assert len(strides) > 15 and 0.9 < np.median(strides) < 1.2
