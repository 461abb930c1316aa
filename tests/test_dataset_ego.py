"""What is particular to Ego-Exo4D and Ego4D."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import layouts
from kinelet.corpus.build import build
from kinelet.corpus.corpus import Corpus
from kinelet.corpus.find import dataset_sources
from kinelet.corpus.narrations import narrations
from kinelet.datasets import ego4d as ego4d_module
from kinelet.datasets import ego_exo4d as exo_module
from kinelet.datasets import get_dataset
from kinelet.datasets.egocentric import duplicated_axes, in_order, person_of
from kinelet.errors import BadFileError
from kinelet.signal.recording import Recording

WAVE = layouts.wave(300)
RAW = np.concatenate([WAVE[:, :3] * layouts.G, WAVE[:, 3:]], axis=1)


def told(rec: Recording) -> list[tuple[float, str, str]]:
    return [(round(a.start_s, 6), a.label or "", a.track) for a in rec.annotations if a.track.startswith("narration")]


# --- order of samples


def test_in_order_sorts_and_counts() -> None:
    got = in_order(np.array([0.0, 0.2, 0.1, 0.2, np.nan, 9e9]), np.arange(12.0).reshape(6, 2), latest_s=1.0)
    assert got.time_s.tolist() == [0.0, 0.1, 0.2] and got.data[:, 0].tolist() == [0, 4, 2]
    assert got.meta == {
        "rows_without_time": 1,
        "rows_with_absurd_time": 1,
        "rows_out_of_order": 1,
        "rows_of_the_same_time": 1,
    }


def test_in_order_says_nothing_where_all_is_well() -> None:
    got = in_order(np.arange(3.0), np.zeros((3, 2)), latest_s=3.0)
    assert (got.meta, got.warnings) == ({}, ())


def test_first_complete_sample_is_the_zero_of_a_recording() -> None:
    data = np.array([[np.nan, 0.0], [1.0, 1.0]])
    assert in_order(np.array([5.0, 6.0]), data).first_s == 6.0


def test_equal_axes_are_found_and_constant_ones_are_not() -> None:
    data = np.stack([WAVE[:, 0], WAVE[:, 1], WAVE[:, 1], np.zeros(300), np.zeros(300)], axis=1).astype(np.float32)
    assert duplicated_axes(data, "abcde") == ("b = c",)


@pytest.mark.parametrize(("given", "want"), [(7, "7"), (7.0, "7"), ("x", "x"), (None, ""), (float("nan"), "")])
def test_person_as_the_index_gives_it(given: object, want: str) -> None:
    assert person_of(given) == want


# --- Ego-Exo4D


def exo(
    folder: Path,
    rows: list[str] | None = None,
    *,
    name: str = "cmu_bike01_2",
    person: int | None = 657,
    duration_s: float = 0.3,
    passes: list[dict[str, object]] | None = None,
    head: str = layouts.EXO_HEAD,
) -> Recording:
    (folder / "annotations").mkdir(parents=True)
    (folder / "takes.json").write_text(json.dumps([layouts.exo_take(name, "t1", person, duration_s)]))
    described = folder / "annotations" / "atomic_descriptions_val.json"
    described.write_text(json.dumps({"annotations": {"t1": passes or []}}))
    place = folder / "takes" / name / "aria01_1202-1.csv"
    layouts.lines(place, layouts.exo_rows(WAVE) if rows is None else rows, head)
    return next(get_dataset("ego_exo4d").load(folder))


def test_exo_all_annotators_have_tracks_of_their_own(tmp_path: Path) -> None:
    rec = exo(tmp_path, passes=[layouts.exo_pass("51", (0.1, "a")), layouts.exo_pass("52", (0.2, "b"))])
    assert told(rec) == [(0.1, "a", "narration/51"), (0.2, "b", "narration/52")]


def test_exo_narrations_are_moments(tmp_path: Path) -> None:
    rec = exo(tmp_path, passes=[layouts.exo_pass("51", (0.1, "a"))])
    (moment,) = [a for a in rec.annotations if a.track == "narration/51"]
    assert moment.start_s == moment.stop_s == pytest.approx(0.1)


def test_exo_rejected_passes_are_skipped_and_counted(tmp_path: Path) -> None:
    passes = [layouts.exo_pass("51", (0.1, "a"), rejected=True), layouts.exo_pass("52", (0.2, "b"))]
    rec = exo(tmp_path, passes=passes)
    assert [t[1] for t in told(rec)] == ["b"] and rec.meta["rejected_passes"] == 1


def test_exo_sentences_outside_of_the_motion_are_counted(tmp_path: Path) -> None:
    rec = exo(tmp_path, passes=[layouts.exo_pass("51", (0.1, "a"), (7.0, "late"), (None, "never"), (0.2, " "))])
    assert rec.meta["narrations"] == 1 and rec.meta["narrations_left_out"] == 3 and "3 of 4" in rec.warnings[-1]


def test_exo_sentences_of_train_and_validation_files_are_both_read(tmp_path: Path) -> None:
    exo(tmp_path, passes=[layouts.exo_pass("51", (0.1, "a"))])
    other = {"annotations": {"t1": [layouts.exo_pass("9", (0.2, "b"))]}}
    (tmp_path / "annotations" / "atomic_descriptions_train.json").write_text(json.dumps(other))
    assert len(told(next(get_dataset("ego_exo4d").load(tmp_path)))) == 2


@pytest.mark.parametrize("flag", ["False", "false", "0"])
def test_exo_records_flagged_invalid_are_a_gap(tmp_path: Path, flag: str) -> None:
    rows = layouts.exo_rows(WAVE)
    rows[100:150] = layouts.exo_rows(WAVE, valid=flag)[100:150]
    rec = exo(tmp_path, rows)
    assert [g.reason for g in rec.gaps] == ["flagged_invalid"] and rec.meta["rows_without_samples"] == 50


def test_exo_one_invalid_sensor_is_enough(tmp_path: Path) -> None:
    rows = layouts.exo_rows(WAVE)
    at, _, *rest = rows[10].split(",")
    rows[10] = ",".join([at, "False", *rest])
    assert exo(tmp_path, rows).meta["rows_without_samples"] == 1


def test_exo_moments_are_where_they_were_after_an_invalid_start(tmp_path: Path) -> None:
    rows = layouts.exo_rows(WAVE)
    rows[:50] = layouts.exo_rows(WAVE, valid="False")[:50]
    rows[-60:] = layouts.exo_rows(WAVE, valid="False")[-60:]
    rec = exo(tmp_path, rows, passes=[layouts.exo_pass("51", (0.1, "a"))])
    assert told(rec) == [(0.05, "a", "narration/51")]


def test_exo_flags_as_numbers(tmp_path: Path) -> None:
    assert len(exo(tmp_path, layouts.exo_rows(WAVE, valid="1")).data) == 300


def test_exo_accelerations_become_g(tmp_path: Path) -> None:
    np.testing.assert_allclose(exo(tmp_path).data, WAVE, atol=1e-4)


def test_exo_clock_keeps_the_devices_own_times(tmp_path: Path) -> None:
    rows = [row.replace(f"{40_000_000_000 + 299_000_000},", "40299500000,") for row in layouts.exo_rows(WAVE)]
    assert exo(tmp_path, rows).times()[-1] == pytest.approx(0.2995)


def test_exo_records_out_of_order_are_sorted(tmp_path: Path) -> None:
    rows = layouts.exo_rows(WAVE)
    rows[10], rows[11] = rows[11], rows[10]
    rec = exo(tmp_path, rows)
    np.testing.assert_allclose(rec.data, WAVE, atol=1e-4)
    assert rec.meta["rows_out_of_order"] == 1


def test_exo_duplicated_axes_are_flagged_and_kept(tmp_path: Path) -> None:
    twice = WAVE.copy()
    twice[:, 1] = twice[:, 2]
    rec = exo(tmp_path, layouts.exo_rows(twice))
    assert rec.meta["duplicated_axes"] == ["acc_y = acc_z"] and len(rec.data) == 300


@pytest.mark.parametrize(
    ("name", "task", "label"),
    [
        ("georgiatech_covid_03_2", "", "medical test"),
        ("utokyo_pcr_2001_29_2", "", "medical test"),
        ("nus_cpr_06_3", "", "CPR"),
        ("sfu_cooking_002_1", "", "cooking"),
        ("uniandes_bouldering_014_12", "", "climbing"),
        ("minnesota_rockclimbing_033_18", "", "climbing"),
        ("unc_basketball_03-31-23_01_15", "", "soccer or basketball"),
        ("utokyo_soccer_8000_43_12", "", "soccer or basketball"),
        ("upenn_0713_Dance_3_2", "", "dance"),
        ("iiith_guitar_002_1", "", "music"),
        ("iiith_guitar_002_1", "Dance", "music"),
        ("upenn_0713_4", "Bike Repair Remove a wheel", "bike repair"),
        ("fair_nothing_1", "", ""),
        ("fair_bike_cooking_1", "", ""),
    ],
)
def test_exo_class_from_the_name(name: str, task: str, label: str) -> None:
    assert exo_module.class_of(exo_module.Take("u", name, "1", 1.0, task)) == label


def test_exo_take_of_no_class_has_no_label(tmp_path: Path) -> None:
    assert [a for a in exo(tmp_path, name="fair_nothing_1").annotations if a.track == "activity"] == []


def test_exo_motion_longer_than_the_video_is_told(tmp_path: Path) -> None:
    assert any("+" not in w and "-8.7 s" in w for w in exo(tmp_path, duration_s=9.0).warnings)


def test_exo_unknown_person_counts_alone_with_a_warning(tmp_path: Path) -> None:
    rec = exo(tmp_path, person=None)
    assert rec.subject == "ego_exo4d_take_cmu_bike01_2" and "nobody knows" in rec.warnings[0]


def test_exo_recording_format_is_refused_with_what_to_do(tmp_path: Path) -> None:
    layouts.ego_exo4d(tmp_path)
    place = tmp_path / "takes" / "cmu_bike01_2"
    (place / "imu_1202-1.csv").unlink()
    (place / "aria01_noimagestreams.vrs").write_bytes(b"VisionRe")
    with pytest.raises(BadFileError, match=r"1202-1 with projectaria-tools into imu_1202-1\.csv"):
        list(get_dataset("ego_exo4d").load(tmp_path, "cmu_bike01_2"))


def test_exo_takes_that_were_not_downloaded_are_no_parts(tmp_path: Path) -> None:
    layouts.ego_exo4d(tmp_path)
    assert get_dataset("ego_exo4d").keys(tmp_path) == ("cmu_bike01_2", "upenn_0714_Dance_1_2")


def test_exo_missing_flags_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="accel_valid"):
        exo(tmp_path, head=layouts.EXO_HEAD.replace("accel_valid", "something"))


@pytest.mark.parametrize("body", ["{}", "[1]", '[{"take_name": "x"}]', "[", "\xff"])
def test_exo_index_of_another_shape_is_an_error(tmp_path: Path, body: str) -> None:
    (tmp_path / "takes.json").write_text(body)
    with pytest.raises(BadFileError, match=r"takes\.json"):
        get_dataset("ego_exo4d").keys(tmp_path)


def test_exo_descriptions_of_another_shape_are_an_error(tmp_path: Path) -> None:
    layouts.ego_exo4d(tmp_path)
    (tmp_path / "annotations" / "atomic_descriptions_train.json").write_text("[]")
    with pytest.raises(BadFileError, match="by take_uid"):
        list(get_dataset("ego_exo4d").load(tmp_path))


def test_exo_index_that_changed_is_read_again(tmp_path: Path) -> None:
    exo(tmp_path)
    (tmp_path / "takes.json").write_text(json.dumps([layouts.exo_take("cmu_bike01_2", "t1", 1234, 0.3)]))
    assert next(get_dataset("ego_exo4d").load(tmp_path)).subject == "ego_exo4d_1234"


# --- Ego4D


def ego(
    folder: Path,
    rows: list[str] | None = None,
    *,
    person: int | None = 7,
    scenario: str = "Eating",
    duration_s: float = 2.0,
    narration: object = None,
) -> Recording:
    (folder / "imu").mkdir(parents=True)
    videos = [layouts.ego4d_video("aa", person, scenario, duration_s)]
    (folder / "ego4d.json").write_text(json.dumps({"videos": videos}))
    if narration is not None:
        (folder / "narration.json").write_text(json.dumps(narration))
    layouts.lines(folder / "imu" / "aa.csv", layouts.ego4d_rows(WAVE) if rows is None else rows, layouts.EGO4D_HEAD)
    return next(get_dataset("ego4d").load(folder))


def changed(row: str, canonical: str) -> str:
    fields = row.split(",")
    return ",".join([*fields[:2], canonical, *fields[3:]])


def test_ego4d_times_that_are_missing_or_absurd_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = layouts.ego4d_rows(WAVE)
    for i, text in ((5, "NULL"), (6, ""), (7, "null"), (8, "1e15"), (9, "-4e9")):
        rows[i] = changed(rows[i], text)
    rec = ego(tmp_path, rows)
    assert len(rec.data) == 295
    assert (rec.meta["rows_without_time"], rec.meta["rows_with_absurd_time"]) == (3, 2)


def test_ego4d_samples_in_the_wrong_order_are_sorted(tmp_path: Path) -> None:
    rows = layouts.ego4d_rows(WAVE)
    rec = ego(tmp_path, [*rows[100:], *rows[:100]])
    np.testing.assert_allclose(rec.data, WAVE, atol=1e-4)


def test_ego4d_samples_without_acceleration_are_gaps(tmp_path: Path) -> None:
    rows = [
        ",".join([*row.split(",")[:6], "", "", ""]) if 100 <= i < 200 else row
        for i, row in enumerate(layouts.ego4d_rows(WAVE))
    ]
    rec = ego(tmp_path, rows)
    assert len(rec.gaps) == 1 and rec.meta["rows_without_samples"] == 100


def test_ego4d_file_without_acceleration_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="none of 300 rows"):
        ego(tmp_path, [",".join([*row.split(",")[:6], "", "", ""]) for row in layouts.ego4d_rows(WAVE)])


def test_ego4d_file_without_times_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="0 of 300 samples have a time"):
        ego(tmp_path, [changed(row, "NULL") for row in layouts.ego4d_rows(WAVE)])


def test_ego4d_published_example_has_an_axis_twice(tmp_path: Path) -> None:
    twice = WAVE.copy()
    twice[:, 1] = twice[:, 2]
    rec = ego(tmp_path, layouts.ego4d_rows(twice))
    assert "duplicated axes: acc_y = acc_z" in rec.warnings[-1]


def test_ego4d_narrations_of_both_passes(tmp_path: Path) -> None:
    passes = {f"narration_pass_{i}": layouts.ego4d_told((0.25 * i, f"#C C does {i}")) for i in (1, 2)}
    want = [(0.25, "#C C does 1", "narration/pass_1"), (0.5, "#C C does 2", "narration/pass_2")]
    assert told(ego(tmp_path, narration={"aa": passes})) == want


def test_ego4d_narrations_under_a_level_of_videos(tmp_path: Path) -> None:
    passes = {"narration_pass_1": layouts.ego4d_told((0.25, "x"))}
    assert len(told(ego(tmp_path, narration={"videos": {"aa": passes}}))) == 1


def test_ego4d_narrations_are_on_the_recordings_clock(tmp_path: Path) -> None:
    passes = {"narration_pass_1": layouts.ego4d_told((0.75, "x"), (0.2, "before the motion"))}
    rec = ego(tmp_path, layouts.ego4d_rows(WAVE, start_ms=500.0), narration={"aa": passes})
    assert told(rec) == [(0.25, "x", "narration/pass_1")] and rec.meta["starts_in_video_s"] == 0.5


def test_ego4d_person_is_the_camera_wearer(tmp_path: Path) -> None:
    assert ego(tmp_path).subject == "ego4d_7"


def test_ego4d_unknown_person_is_a_video_with_a_warning(tmp_path: Path) -> None:
    rec = ego(tmp_path, person=None)
    assert rec.subject == "ego4d_video_aa" and any("nobody knows" in w for w in rec.warnings)


@pytest.mark.parametrize("step_ms", [4.9, 5.0, 5.1])
def test_ego4d_rates_near_the_nominal_one_are_it(tmp_path: Path, step_ms: float) -> None:
    assert ego(tmp_path, layouts.ego4d_rows(WAVE, step_ms=step_ms)).spec.rate_hz == 200.0


def test_ego4d_another_rate_is_told(tmp_path: Path) -> None:
    assert ego(tmp_path, layouts.ego4d_rows(WAVE, step_ms=2.5)).spec.rate_hz == 400.0


def test_ego4d_video_that_the_index_lacks_is_an_error(tmp_path: Path) -> None:
    ego(tmp_path)
    layouts.lines(tmp_path / "imu" / "zz.csv", layouts.ego4d_rows(WAVE), layouts.EGO4D_HEAD)
    with pytest.raises(BadFileError, match=r"zz is not in ego4d\.json"):
        list(get_dataset("ego4d").load(tmp_path, "zz"))


@pytest.mark.parametrize(
    ("scenarios", "label"),
    [
        (("Carpenter",), "carpentry"),
        (("Cleaning / laundry",), "cleaning or laundry"),
        (("Cooking",), "cooking"),
        (("Crafting/knitting/sewing/drawing/painting",), "crafts"),
        (("Eating",), "eating"),
        (("Farmer",), "farming"),
        (("Household management - caring for kids",), "household with children"),
        (("practicing a musical instrument",), "musical instrument"),
        (("Walking on street",), "walking on street"),
        (("jobs related to construction/renovation company\n(Director of work, tiler)",), "construction"),
        (("Outdoor cooking",), ""),
        (("Cooking", "Eating"), ""),
        ((), ""),
    ],
)
def test_ego4d_class_of_videos_with_one_scenario(scenarios: tuple[str, ...], label: str) -> None:
    assert ego4d_module.class_of(scenarios) == label


# --- into a corpus


@pytest.mark.parametrize(("name", "many"), [("ego_exo4d", 3), ("ego4d", 2)])
def test_a_corpus_knows_the_sentences(tmp_path: Path, name: str, many: int) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    layouts.LAYOUTS[name](raw)
    build(dataset_sources(name, raw), tmp_path / "corpus")
    assert len(narrations(Corpus.open(tmp_path / "corpus"))) == many


def test_videos_beside_the_motion_are_not_hashed(tmp_path: Path) -> None:
    layouts.ego_exo4d(tmp_path)
    before = dataset_sources("ego_exo4d", tmp_path)[0].content_hash()
    (tmp_path / "takes" / "unc_soccer_1").mkdir()
    (tmp_path / "takes" / "unc_soccer_1" / "aria01_214-1.mp4").write_bytes(b"film")
    assert dataset_sources("ego_exo4d", tmp_path)[0].content_hash() == before
