"""What is particular to UTD-MHAD, Stress-Predict, Voisard, the Oxford step counter, mobgap and seglearn."""

from __future__ import annotations

import pickle
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

import layouts
from kinelet.datasets import get_dataset
from kinelet.errors import BadFileError
from kinelet.signal.recording import Annotation, Recording


def load(name: str, raw: Path) -> dict[str, Recording]:
    return {r.name: r for r in get_dataset(name).load(raw)}


# --- UTD-MHAD


@pytest.mark.parametrize(("action", "site"), [(1, "wrist"), (21, "wrist"), (22, "thigh"), (27, "thigh")])
def test_utd_mhad_site_follows_the_action(tmp_path: Path, action: int, site: str) -> None:
    savemat(tmp_path / f"a{action}_s1_t1_inertial.mat", {"d_iner": layouts.wave(50)})
    assert next(get_dataset("utd_mhad").load(tmp_path)).spec.site == site


def test_utd_mhad_skeleton_is_a_stream(tmp_path: Path) -> None:
    layouts.utd_mhad(tmp_path)
    skeleton = load("utd_mhad", tmp_path)["utd_mhad_a1_s1_t1"].streams["skeleton"]
    joints = np.arange(20 * 3 * 48, dtype=float).reshape(20, 3, 48)
    np.testing.assert_array_equal(skeleton.data[7], joints[:, :, 7].ravel())


def test_utd_mhad_without_skeleton(tmp_path: Path) -> None:
    layouts.utd_mhad(tmp_path)
    assert load("utd_mhad", tmp_path)["utd_mhad_a22_s2_t4"].streams == {}


def test_utd_mhad_unknown_action_is_refused(tmp_path: Path) -> None:
    savemat(tmp_path / "a28_s1_t1_inertial.mat", {"d_iner": layouts.wave(50)})
    with pytest.raises(BadFileError, match="action 28"):
        list(get_dataset("utd_mhad").load(tmp_path))


@pytest.mark.parametrize("content", [{"d_iner": np.zeros((50, 5))}, {"other": 1}, {"d_iner": "text"}])
def test_utd_mhad_wrong_content_is_refused(tmp_path: Path, content: dict[str, object]) -> None:
    savemat(tmp_path / "a1_s1_t1_inertial.mat", content)
    with pytest.raises(BadFileError, match="no numeric matrix d_iner"):
        list(get_dataset("utd_mhad").load(tmp_path))


# --- Stress-Predict


def test_stress_predict_person_without_labels_is_kept_with_a_warning(tmp_path: Path) -> None:
    layouts.stress_predict(tmp_path)
    rec = load("stress_predict", tmp_path)["stress_predict_S01"]
    assert [a for a in rec.annotations if a.track == "stress"] == [] and "no labels for S01" in rec.warnings


def test_stress_predict_heart_rate_is_a_value_a_second(tmp_path: Path) -> None:
    layouts.stress_predict(tmp_path)
    rec = load("stress_predict", tmp_path)["stress_predict_S02"]
    heart = [(a.start_s, a.stop_s, a.value) for a in rec.annotations if a.track == "heart_rate"]
    assert heart == [(1.0 + i, 2.0 + i, 100.0 + i) for i in range(5)]


def test_stress_predict_pulse_keeps_its_own_rate(tmp_path: Path) -> None:
    layouts.stress_predict(tmp_path)
    bvp = load("stress_predict", tmp_path)["stress_predict_S02"].streams["bvp"]
    assert (bvp.spec.rate_hz, len(bvp.data)) == (64.0, 384)


def test_stress_predict_missing_seconds_split_a_stretch(tmp_path: Path) -> None:
    layouts.stress_predict(tmp_path)
    path = tmp_path / "Processed_data/Improved_All_Combined_hr_rsp_binary.csv"
    head, *rows = path.read_text().splitlines()
    layouts.lines(path, rows[:1] + rows[2:], head)
    stress = [a for a in load("stress_predict", tmp_path)["stress_predict_S02"].annotations if a.track == "stress"]
    assert [(a.start_s, a.stop_s) for a in stress] == [(1.0, 2.0), (3.0, 4.0), (4.0, 6.0)]


def test_stress_predict_button_presses_are_kept(tmp_path: Path) -> None:
    layouts.stress_predict(tmp_path)
    rec = load("stress_predict", tmp_path)["stress_predict_S02"]
    assert [a.start_s for a in rec.annotations if a.track == "tag"] == [3.0]


# --- Voisard


def walk(folder: Path, track: str, lost: int | None = None) -> list[Annotation]:
    truth = layouts.voisard(folder, lost)
    return [a for a in load("voisard", folder)[truth.name].annotations if a.track == track]


def test_voisard_swings_are_labels(tmp_path: Path) -> None:
    assert sorted((round(a.start_s, 6), a.label) for a in walk(tmp_path, "swing")) == [
        (0.6, "left"),
        (0.95, "right"),
        (1.3, "left"),
        (1.65, "right"),
        (2.6, "left"),
    ]


@pytest.mark.parametrize(
    ("track", "value"),
    [
        ("stride_time", 0.7),
        ("stance_time", 0.4),
        ("swing_time", 0.3),
        ("double_support_time", 0.1),
        ("stance_share", 4 / 7),
        ("double_support_share", 1 / 7),
        ("cadence", 120 / 0.7),
    ],
)
def test_voisard_targets_of_a_stride(tmp_path: Path, track: str, value: float) -> None:
    assert walk(tmp_path, track)[0].value == pytest.approx(value)


def test_voisard_strides_over_the_turn_have_no_target(tmp_path: Path) -> None:
    # left: 0.9-1.6 s before the turn, 1.6-2.9 s over it; right: 1.25-1.95 s touches it
    assert [(round(a.start_s, 6), round(a.stop_s, 6)) for a in walk(tmp_path, "stride_time")] == [(0.9, 1.6)]


def test_voisard_lost_packets_are_a_gap(tmp_path: Path) -> None:
    truth = layouts.voisard(tmp_path, lost=300)
    gap = load("voisard", tmp_path)[truth.name].gaps[0]
    assert (round(gap.start_s, 6), round(gap.stop_s, 6)) == (3.0, 3.1)


def test_voisard_events_after_lost_packets_stay_on_their_rows(tmp_path: Path) -> None:
    assert walk(tmp_path, "activity", lost=200)[-1].start_s == pytest.approx(3.6)


def test_voisard_without_events_is_kept_with_a_warning(tmp_path: Path) -> None:
    truth = layouts.voisard(tmp_path)
    (tmp_path / "GaitData" / "3-1.json").unlink()
    rec = load("voisard", tmp_path)[truth.name]
    assert rec.annotations == () and "no annotations" in rec.warnings[0]


def test_voisard_other_name_of_events_is_found(tmp_path: Path) -> None:
    truth = layouts.voisard(tmp_path)
    (tmp_path / "GaitData" / "3-1.json").rename(tmp_path / "GaitData" / "3-1_meta.json")
    assert load("voisard", tmp_path)[truth.name].annotations


@pytest.mark.parametrize("text", ["{}", "[1]" * 2, '{"TrialBoundaries": 3}'])
def test_voisard_broken_events_are_refused(tmp_path: Path, text: str) -> None:
    layouts.voisard(tmp_path)
    (tmp_path / "GaitData" / "3-1.json").write_text(text)
    if text == "{}":
        assert all(r.annotations == () for r in get_dataset("voisard").load(tmp_path))
        return
    with pytest.raises(BadFileError, match=r"3-1\.json"):
        list(get_dataset("voisard").load(tmp_path))


def test_voisard_person_is_described(tmp_path: Path) -> None:
    truth = layouts.voisard(tmp_path)
    assert load("voisard", tmp_path)[truth.name].meta["Age"] == 75


# --- Oxford step counter


def test_oxford_switch_closed_at_the_start_is_no_step(tmp_path: Path) -> None:
    truth = layouts.oxford_step(tmp_path)
    assert load("oxford_step", tmp_path)[truth.name].meta["steps"] == 4


def test_oxford_without_steps_is_kept_with_a_warning(tmp_path: Path) -> None:
    truth = layouts.oxford_step(tmp_path)
    for path in tmp_path.rglob("stepcounter.csv"):
        path.unlink()
    assert "no steps" in load("oxford_step", tmp_path)[truth.name].warnings[0]


@pytest.mark.parametrize(("step_ns", "rate"), [(20_000_000, 50.0), (9_700_000, 100.0), (2_400_000, 400.0)])
def test_oxford_nominal_rate_is_the_nearest(tmp_path: Path, step_ns: int, rate: float) -> None:
    rows = [f"{10**12 + step_ns * i},3,0,0,9.80665" for i in range(50)]
    layouts.lines(tmp_path / "Pixel_Jamie_Hard_InHand_1" / "accelerometer.csv", rows)
    assert next(get_dataset("oxford_step").load(tmp_path)).spec.rate_hz == rate


def test_oxford_clock_that_stands_is_refused(tmp_path: Path) -> None:
    layouts.lines(tmp_path / "Pixel_Jamie_Hard_InHand_1" / "accelerometer.csv", ["7,3,0,0,9.8"] * 3)
    with pytest.raises(BadFileError, match="does not move"):
        list(get_dataset("oxford_step").load(tmp_path))


# --- mobgap


@pytest.mark.parametrize(("track", "value"), [("walking_speed", 1.25), ("stride_length", 1.4), ("cadence", 107.0)])
def test_mobgap_targets_of_a_bout(tmp_path: Path, track: str, value: float) -> None:
    truth = layouts.mobgap_lab(tmp_path)
    found = [a for a in load("mobgap_lab", tmp_path)[truth.name].annotations if a.track == track]
    assert [(a.start_s, a.stop_s, a.value) for a in found] == [(2.0, 6.0, value)]


def test_mobgap_initial_contacts_without_time_are_left_out(tmp_path: Path) -> None:
    truth = layouts.mobgap_lab(tmp_path)
    found = [a for a in load("mobgap_lab", tmp_path)[truth.name].annotations if a.track == "contact"]
    assert [(a.start_s, a.label) for a in found] == [(2.0, "left"), (2.6, "right")]


def test_mobgap_start_is_unix_time(tmp_path: Path) -> None:
    truth = layouts.mobgap_lab(tmp_path)
    assert load("mobgap_lab", tmp_path)[truth.name].start_unix_s == pytest.approx(1607605064.733)


def test_mobgap_person_is_described(tmp_path: Path) -> None:
    truth = layouts.mobgap_lab(tmp_path)
    assert load("mobgap_lab", tmp_path)[truth.name].meta["Height"] == 159


def test_mobgap_without_sensor_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "HA" / "001"
    place.mkdir(parents=True)
    savemat(place / "data.mat", {"data": {"TimeMeasure1": {"Test5": {"Trial1": {"SU": {"Foot": 1}}}}}})
    with pytest.raises(BadFileError, match="LowerBack"):
        list(get_dataset("mobgap_lab").load(tmp_path))


# --- seglearn (the package comes with the extra for the demo)


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    if find_spec("seglearn") is None:
        pytest.skip("the package seglearn is not installed")
    return list(get_dataset("seglearn_watch").load(tmp_path_factory.mktemp("raw")))


def test_seglearn_has_all_recordings(watch: list[Recording]) -> None:
    assert len({r.name for r in watch}) == 140


def test_seglearn_has_ten_people_with_all_exercises_on_both_sides(watch: list[Recording]) -> None:
    seen = {(r.subject, r.meta["side"], r.annotations[0].label) for r in watch}
    assert len(seen) == 10 * 2 * 7


def test_seglearn_is_in_g(watch: list[Recording]) -> None:
    still = np.median([np.median(np.linalg.norm(r.data[:, :3], axis=1)) for r in watch])
    assert 0.9 < still < 1.2


def test_seglearn_annotation_covers_the_recording(watch: list[Recording]) -> None:
    assert all(r.annotations[0].stop_s == pytest.approx(r.duration_s) for r in watch)


def test_seglearn_other_pickles_are_never_opened(tmp_path: Path) -> None:
    (tmp_path / "watch_dataset.npy").write_bytes(pickle.dumps({"X": []}))
    with pytest.raises(BadFileError, match="pickle"):
        list(get_dataset("seglearn_watch").load(tmp_path))


def test_seglearn_without_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinelet.datasets.seglearn_watch.find_spec", lambda _: None)
    with pytest.raises(BadFileError, match=r"pip install seglearn==1\.2\.5"):
        list(get_dataset("seglearn_watch").load(tmp_path))
