"""What is particular to WISDM, PAMAP2, Opportunity, HHAR, MotionSense and RealWorld-HAR."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

import layouts
from kinelet.datasets import get_dataset
from kinelet.errors import BadFileError
from kinelet.signal.recording import Recording


def load(name: str, raw: Path) -> dict[str, Recording]:
    return {r.name: r for r in get_dataset(name).load(raw)}


# --- WISDM


def wisdm_file(folder: Path, sensor: str, text: str) -> Path:
    place = folder / "raw" / "phone" / sensor
    place.mkdir(parents=True, exist_ok=True)
    (place / f"data_1600_{sensor}_phone.txt").write_text(text)
    return folder


def wisdm_rows(code: str, start_s: float, n: int = 20) -> str:
    return "".join(f"1600,{code},{int(1e9 * (start_s + i / 20))},0,0,9.80665;\n" for i in range(n))


def test_wisdm_without_gyroscope(tmp_path: Path) -> None:
    rec = next(get_dataset("wisdm").load(wisdm_file(tmp_path, "accel", wisdm_rows("A", 10))))
    assert rec.data.shape == (20, 3) and "no gyroscope file" in rec.warnings[0]


def test_wisdm_missing_line_break_is_two_rows(tmp_path: Path) -> None:
    text = wisdm_rows("A", 10).replace(";\n", ";", 3)
    assert len(next(get_dataset("wisdm").load(wisdm_file(tmp_path, "accel", text))).data) == 20


def test_wisdm_malformed_lines_are_counted(tmp_path: Path) -> None:
    text = wisdm_rows("A", 10) + "1600,A,5;\n" + wisdm_rows("A", 11)
    rec = next(get_dataset("wisdm").load(wisdm_file(tmp_path, "accel", text)))
    assert len(rec.data) == 40 and "1 malformed lines left out" in rec.warnings


def test_wisdm_clock_that_jumps_back_starts_another_recording(tmp_path: Path) -> None:
    wisdm_file(tmp_path, "accel", wisdm_rows("A", 100) + wisdm_rows("A", 50))
    assert set(load("wisdm", tmp_path)) == {"wisdm_1600_phone_A", "wisdm_1600_phone_A_2"}


def test_wisdm_activity_n_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="'N'"):
        list(get_dataset("wisdm").load(wisdm_file(tmp_path, "accel", wisdm_rows("N", 10))))


def test_wisdm_silence_is_a_gap(tmp_path: Path) -> None:
    wisdm_file(tmp_path, "accel", wisdm_rows("A", 10) + wisdm_rows("A", 15))
    assert [round(g.stop_s) for g in next(get_dataset("wisdm").load(tmp_path)).gaps] == [5]


def test_wisdm_gyroscope_of_another_time_is_left_out(tmp_path: Path) -> None:
    wisdm_file(tmp_path, "accel", wisdm_rows("A", 10))
    wisdm_file(tmp_path, "gyro", wisdm_rows("A", 500))
    assert next(get_dataset("wisdm").load(tmp_path)).data.shape[1] == 3


def test_wisdm_folder_of_features_is_not_read(tmp_path: Path) -> None:
    place = tmp_path / "arff_files" / "phone" / "features"
    layouts.lines(place / "data_1600_accel_phone.txt", ["1600,A,1,0,0,9.8;"])
    with pytest.raises(BadFileError, match="Expected"):
        list(get_dataset("wisdm").load(tmp_path))


# --- WISDM 1.1


def wisdm_v1(folder: Path, *records: str) -> list[Recording]:
    good = [f"5,Walking,{10**12 + 50_000_000 * i},0,9.80665,0;\n" for i in range(20)]
    (folder / "WISDM_ar_v1.1_raw.txt").write_text("".join([*good, *records]))
    return list(get_dataset("wisdm_v1").load(folder))


def test_wisdm_v1_two_records_in_a_line_are_both_read(tmp_path: Path) -> None:
    more = [f"5,Walking,{10**12 + 50_000_000 * i},0,9.80665,0;" for i in range(20, 22)]
    assert len(wisdm_v1(tmp_path, *more)[0].data) == 22


def test_wisdm_v1_comma_too_many_does_no_harm(tmp_path: Path) -> None:
    assert len(wisdm_v1(tmp_path, f"5,Walking,{10**12 + 10**9},0,9.80665,0,;\n")[0].data) == 21


def test_wisdm_v1_malformed_records_are_counted(tmp_path: Path) -> None:
    assert wisdm_v1(tmp_path, "5,Walking;\n")[0].warnings == ("1 malformed records of the file left out",)


def test_wisdm_v1_records_without_time_are_counted(tmp_path: Path) -> None:
    assert wisdm_v1(tmp_path, "5,Walking,0,0,0,0;\n")[0].warnings == ("1 records with time 0 of the file left out",)


def test_wisdm_v1_record_without_a_value_is_a_gap(tmp_path: Path) -> None:
    late = [f"5,Walking,{10**12 + 50_000_000 * i},0,9.8,{'' if i == 20 else 0};\n" for i in range(20, 23)]
    assert len(wisdm_v1(tmp_path, *late)[0].gaps) == 1


def test_wisdm_v1_person_who_walks_twice_has_two_recordings(tmp_path: Path) -> None:
    again = f"5,Jogging,{10**13},0,9.8,0;\n5,Walking,{10**13 + 5 * 10**7},0,9.8,0;\n"
    assert [r.name for r in wisdm_v1(tmp_path, again)] == [
        "wisdm_v1_05_Walking_1",
        "wisdm_v1_05_Jogging_1",
        "wisdm_v1_05_Walking_2",
    ]


# --- PAMAP2


def pamap2_with(folder: Path, rows: np.ndarray) -> dict[str, Recording]:
    text = [line.replace("nan", "NaN") for line in layouts.csv(rows, " ")]
    layouts.lines(folder / "Protocol" / "subject101.dat", text)
    return load("pamap2", folder)


def test_pamap2_lost_packets_are_gaps_of_that_sensor_only(tmp_path: Path) -> None:
    rows = layouts.pamap2_rows(layouts.wave(120), np.full(120, 4))
    rows[50:60, 3:20] = np.nan
    found = pamap2_with(tmp_path, rows)
    assert [len(found[f"pamap2_101_protocol_{site}"].gaps) for site in ("wrist", "chest")] == [1, 0]


def test_pamap2_gap_has_its_length(tmp_path: Path) -> None:
    rows = layouts.pamap2_rows(layouts.wave(120), np.full(120, 4))
    rows[50:60, 3:20] = np.nan
    gap = pamap2_with(tmp_path, rows)["pamap2_101_protocol_wrist"].gaps[0]
    assert (round(gap.start_s, 6), round(gap.stop_s, 6), gap.reason) == (0.5, 0.6, "wireless_loss")


def test_pamap2_missing_rows_are_a_gap(tmp_path: Path) -> None:
    rows = layouts.pamap2_rows(layouts.wave(120), np.full(120, 4))
    gap = pamap2_with(tmp_path, np.delete(rows, range(30, 50), axis=0))["pamap2_101_protocol_wrist"].gaps[0]
    assert (round(gap.start_s, 6), round(gap.stop_s, 6)) == (0.3, 0.5)


def test_pamap2_sensor_without_samples_is_no_recording(tmp_path: Path) -> None:
    layouts.pamap2(tmp_path)
    assert "pamap2_101_protocol_ankle" not in load("pamap2", tmp_path)


def test_pamap2_transient_activity_has_no_label(tmp_path: Path) -> None:
    found = pamap2_with(tmp_path, layouts.pamap2_rows(layouts.wave(120), np.zeros(120)))
    assert found["pamap2_101_protocol_wrist"].annotations == ()


def test_pamap2_heart_rate_is_a_stream(tmp_path: Path) -> None:
    layouts.pamap2(tmp_path)
    heart = load("pamap2", tmp_path)["pamap2_101_protocol_wrist"].streams["heart_rate"]
    assert (len(heart.data), float(heart.data[0, 0]), heart.spec.units) == (11, 104.0, ("bpm",))


def test_pamap2_heart_rate_keeps_its_times(tmp_path: Path) -> None:
    layouts.pamap2(tmp_path)
    heart = load("pamap2", tmp_path)["pamap2_101_protocol_wrist"].streams["heart_rate"]
    np.testing.assert_allclose(heart.times()[:3], [0.0, 0.11, 0.22], atol=1e-6)


def test_pamap2_optional_files_are_the_same_people(tmp_path: Path) -> None:
    layouts.pamap2(tmp_path)
    found = load("pamap2", tmp_path)
    assert found["pamap2_101_optional_wrist"].subject == found["pamap2_101_protocol_wrist"].subject


# --- Opportunity


def test_opportunity_gyroscope_is_in_thousandths(tmp_path: Path) -> None:
    truth = layouts.opportunity(tmp_path)
    np.testing.assert_allclose(load("opportunity", tmp_path)[truth.name].data[:, 3:], truth.data[:, 3:], atol=1e-6)


def test_opportunity_bluetooth_sensor_has_no_gyroscope(tmp_path: Path) -> None:
    layouts.opportunity(tmp_path)
    assert load("opportunity", tmp_path)["opportunity_S1-ADL1_hip"].data.shape == (60, 3)


def test_opportunity_gestures_are_a_track(tmp_path: Path) -> None:
    layouts.opportunity(tmp_path)
    rec = load("opportunity", tmp_path)["opportunity_S1-ADL1_back"]
    assert [(a.label, a.start_s) for a in rec.annotations if a.track == "gesture"] == [("open_door_1", 1.0)]


def test_opportunity_lost_packets_are_gaps(tmp_path: Path) -> None:
    rows = layouts.opportunity_rows(layouts.wave(60))
    rows[20:30, 4:7] = np.nan
    text = [line.replace("nan", "NaN") for line in layouts.csv(rows, " ")]
    layouts.lines(tmp_path / "S1-ADL1.dat", text)
    rec = load("opportunity", tmp_path)["opportunity_S1-ADL1_hip"]
    assert [(round(g.start_s, 3), round(g.stop_s, 3)) for g in rec.gaps] == [(0.667, 1.0)]


def test_opportunity_challenge_is_not_a_split_by_people(tmp_path: Path) -> None:
    layouts.opportunity(tmp_path)
    found = load("opportunity", tmp_path)
    said = {n: r.meta.get("split", r.meta["challenge"]) for n, r in found.items() if n.endswith("back")}
    assert said == {
        "opportunity_S1-ADL1_back": "train",
        "opportunity_S1-Drill_back": "train",
        "opportunity_S2-ADL4_back": "test",
    }


# --- HHAR


def hhar(folder: Path, creation_ns: list[int], shuffle: bool = False) -> Recording:
    head = "Index,Arrival_Time,Creation_Time,x,y,z,User,Model,Device,gt"
    rows = [
        f"{i},{1424696633908 + 10 * i},{t},0,0,{9.80665 + i},a,s3mini,s3mini_1,walk" for i, t in enumerate(creation_ns)
    ]
    layouts.lines(folder / "Phones_accelerometer.csv", rows[::-1] if shuffle else rows, head)
    return next(get_dataset("hhar").load(folder))


def test_hhar_good_creation_clock_is_used(tmp_path: Path) -> None:
    assert hhar(tmp_path, [1000 + 10_000_000 * i for i in range(1000)]).meta["clock"] == "creation"


def test_hhar_creation_clock_of_another_speed_is_not_used(tmp_path: Path) -> None:
    assert hhar(tmp_path, [1000 + 10_000 * i for i in range(1000)]).meta["clock"] == "arrival"


def test_hhar_creation_clock_that_jumps_back_is_not_used(tmp_path: Path) -> None:
    times = [10**12 + 10_000_000 * i - (2_000_000_000 if i == 500 else 0) for i in range(1000)]
    assert hhar(tmp_path, times).meta["clock"] == "arrival"


def test_hhar_rows_are_put_in_order(tmp_path: Path) -> None:
    rec = hhar(tmp_path, [1000 + 10_000_000 * i for i in range(100)], shuffle=True)
    assert (np.diff(rec.data[:, 2]) > 0).all()


def test_hhar_null_is_no_label(tmp_path: Path) -> None:
    truth = layouts.hhar(tmp_path)
    assert {a.label for a in load("hhar", tmp_path)[truth.name].annotations} == {"walk"}


def test_hhar_watch_is_on_the_wrist(tmp_path: Path) -> None:
    layouts.hhar(tmp_path)
    rec = load("hhar", tmp_path)["hhar_a_gear_1"]
    assert (rec.spec.site, rec.spec.rate_hz) == ("wrist", 100.0)


# --- MotionSense


def test_motionsense_has_gravity_in_it(tmp_path: Path) -> None:
    truth = layouts.motionsense(tmp_path)
    assert np.median(np.linalg.norm(load("motionsense", tmp_path)[truth.name].data[:, :3], axis=1)) > 0.9


def test_motionsense_archive_of_raw_sensors_is_not_read(tmp_path: Path) -> None:
    layouts.motionsense(tmp_path)
    layouts.lines(tmp_path / "B_Accelerometer_data" / "dws_1" / "sub_1.csv", ["0,1,2,3"], ",x,y,z")
    assert len(load("motionsense", tmp_path)) == 3


# --- RealWorld-HAR


def realworld(folder: Path, **members: bytes | str) -> dict[str, Recording]:
    place = folder / "proband4" / "data"
    place.mkdir(parents=True)
    with zipfile.ZipFile(place / "acc_walking_csv.zip", "w") as archive:
        for name, body in members.items():
            archive.writestr(name.replace("__", "."), body)
    return load("realworld_har", folder)


TABLE = layouts.realworld_table(layouts.wave(50)[:, :3] * layouts.G)


def packed(**members: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, body in members.items():
            archive.writestr(f"{name}.csv", body)
    return out.getvalue()


def test_realworld_archives_in_archives_are_parts(tmp_path: Path) -> None:
    found = realworld(
        tmp_path,
        acc_walking_1_csv__zip=packed(acc_walking_chest=TABLE),
        acc_walking_2_csv__zip=packed(acc_walking_chest=TABLE),
    )
    assert set(found) == {f"realworld_har_proband4_walking_part{i}_chest" for i in (1, 2)}


def test_realworld_numbers_in_names_are_parts(tmp_path: Path) -> None:
    found = realworld(tmp_path, acc_walking_2_chest__csv=TABLE, acc_walking_3_chest__csv=TABLE)
    assert {r.meta["part"] for r in found.values()} == {"2", "3"}


def test_realworld_without_gyroscope_says_so(tmp_path: Path) -> None:
    rec = next(iter(realworld(tmp_path, acc_walking_chest__csv=TABLE).values()))
    assert rec.data.shape[1] == 3 and "no gyroscope" in rec.warnings[0]


def realworld_pair(folder: Path, late_ms: int, rows: int = 200) -> Recording:
    """One walk whose gyroscope starts later than its accelerometer; both hold a ramp of their own time."""
    place = folder / "proband4" / "data"
    place.mkdir(parents=True)
    ramp = np.arange(rows)[:, None] * 0.02 * np.ones(3)
    for kind, member, late in (("acc", "acc", 0), ("gyr", "Gyroscope", late_ms)):
        with zipfile.ZipFile(place / f"{kind}_walking_csv.zip", "w") as archive:
            archive.writestr(f"{member}_walking_chest.csv", layouts.realworld_table(ramp + late / 1000, late))
    return next(get_dataset("realworld_har").load(folder))


@pytest.mark.parametrize("late_ms", [0, 7, 1000, -1000])
def test_realworld_clocks_meet_over_their_overlap(tmp_path: Path, late_ms: int) -> None:
    rec = realworld_pair(tmp_path, late_ms)
    np.testing.assert_allclose(rec.data[3:-3, 0] * layouts.G, rec.data[3:-3, 3], atol=1e-4)
    assert rec.data.shape[1] == 6 and not rec.gaps


def test_realworld_rows_outside_of_the_overlap_are_counted(tmp_path: Path) -> None:
    rec = realworld_pair(tmp_path, 1000)
    assert len(rec.data) == 150 and "50 rows of the accelerometer before or after" in rec.warnings[0]


def test_realworld_overlap_moves_the_start_and_the_label(tmp_path: Path) -> None:
    rec = realworld_pair(tmp_path, 1000)
    (label,) = rec.annotations
    assert rec.start_unix_s == pytest.approx(1435996968.198 + 1.0, abs=1e-3)
    assert (label.start_s, label.stop_s) == (0.0, pytest.approx(150 * 0.02))


def test_realworld_clocks_that_hardly_meet_leave_the_gyroscope_out(tmp_path: Path) -> None:
    rec = realworld_pair(tmp_path, 3000)
    assert rec.data.shape == (200, 3) and "covers only" in rec.warnings[-1]


def test_realworld_two_tables_of_one_name_are_two_parts(tmp_path: Path) -> None:
    other = layouts.realworld_table(layouts.wave(60)[:, :3])
    found = realworld(
        tmp_path,
        a_csv__zip=packed(acc_walking_chest=TABLE),
        b_csv__zip=packed(acc_walking_chest=other),
        c_csv__zip=packed(acc_walking_chest=TABLE),
    )
    assert sorted(len(r.data) for r in found.values()) == [50, 60]


def test_realworld_site_without_a_file_is_left_out(tmp_path: Path) -> None:
    found = realworld(tmp_path, acc_walking_chest__csv=TABLE, acc_walking_waist__csv=TABLE)
    assert {r.spec.site for r in found.values()} == {"chest", "waist"}


def test_realworld_clock_out_of_order_is_sorted_with_a_warning(tmp_path: Path) -> None:
    head, *rows = TABLE.splitlines()
    rows[10], rows[11] = rows[11], rows[10]
    rec = next(iter(realworld(tmp_path, acc_walking_chest__csv="\n".join([head, *rows]) + "\n").values()))
    assert (np.diff(rec.times()) > 0).all() and "sorted" in rec.warnings[-1]


def test_realworld_archive_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="no accelerometer table"):
        realworld(tmp_path, readMe="nothing")


def test_realworld_absurd_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinelet.datasets.realworld_har._MAX_BYTES", 10)
    with pytest.raises(BadFileError, match="claims"):
        realworld(tmp_path, acc_walking_chest__csv=TABLE)
