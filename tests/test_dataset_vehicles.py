"""MOD and ACIDS: vehicles that pass microphones and geophones; runs take the place of people."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

import layouts
from kinelet.corpus import BuildConfig, Corpus, build
from kinelet.corpus.find import dataset_sources
from kinelet.corpus.moments import moments
from kinelet.corpus.splits import leave_one_subject_out
from kinelet.datasets import focal_samples as samples
from kinelet.datasets import get_dataset
from kinelet.datasets.mod import left_out, vehicle_of
from kinelet.errors import BadFileError
from kinelet.signal.recording import Recording

WAVE = np.random.default_rng(0).normal(0, 100, 16000).round(1)
SHAKES = np.random.default_rng(1).normal(0, 100, 100).round(2)


def mod(
    raw: Path,
    run: str = "Polaris0150pm",
    node: str = "rs1",
    seconds: int = 1,
    start: float | None = None,
    file: str = "aud.csv",
) -> list[Recording]:
    layouts.mod_node(raw / run / node, np.tile(WAVE, seconds), np.tile(SHAKES, seconds), start, file)
    return list(get_dataset("mod").load(raw))


# --- MOD, raw runs ------------------------------------------------------------------------------------------------


def test_the_geophone_is_a_stream_beside_the_microphone(tmp_path: Path) -> None:
    (rec,) = mod(tmp_path)
    stream = rec.streams["seismic"]
    np.testing.assert_allclose(stream.data[:, 0], SHAKES, atol=1e-2)
    assert (stream.spec.rate_hz, stream.meta["starts_after_s"]) == (100.0, 0.0)


def test_time_of_day_is_the_start_of_both(tmp_path: Path) -> None:
    (rec,) = mod(tmp_path, start=1641495300.0)
    assert (rec.start_unix_s, rec.streams["seismic"].start_unix_s) == (1641495300.0, 1641495300.0)


def test_without_a_time_of_day_none_is_made_up(tmp_path: Path) -> None:
    assert mod(tmp_path)[0].start_unix_s is None


def test_times_that_part_from_the_samples_are_told(tmp_path: Path) -> None:
    mod(tmp_path, start=0.0)
    rows = [f"1.0 {i / 50:.2f}" for i in range(200)]
    layouts.lines(tmp_path / "Polaris0150pm" / "rs1" / "ehz.csv", rows)
    assert "span 4.0 s, their number 2.0 s" in next(get_dataset("mod").load(tmp_path)).warnings[0]


@pytest.mark.parametrize("file", ["aud.csv", "aud16000.csv"])
def test_audio_of_both_names(tmp_path: Path, file: str) -> None:
    np.testing.assert_allclose(mod(tmp_path, file=file)[0].data[:, 0], WAVE, atol=1e-2)


def test_a_node_without_audio_is_a_clear_error(tmp_path: Path) -> None:
    layouts.lines(tmp_path / "Polaris0150pm" / "rs1" / "ehz.csv", ["1.0"] * 9)
    with pytest.raises(BadFileError, match=r"aud16000\.csv is missing"):
        list(get_dataset("mod").load(tmp_path))


def test_nodes_of_a_run_are_never_parted(tmp_path: Path) -> None:
    mod(tmp_path, "bicycle", "rs1")
    mod(tmp_path, "bicycle", "rs2")
    recs = mod(tmp_path, "bicycle2", "rs1")
    assert [(r.subject, r.spec.site) for r in recs] == [
        ("mod_bicycle", "rs1"),
        ("mod_bicycle", "rs2"),
        ("mod_bicycle2", "rs1"),
    ]


def test_what_the_authors_leave_out_has_no_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinelet.datasets.mod._LEFT_OUT", {"motor": ((2, 9, 9, 9), (1, 9, 9, 9))})
    (rec,) = mod(tmp_path, "motor", seconds=5)
    assert [(a.start_s, a.stop_s, a.label) for a in rec.annotations] == [(2.0, 4.0, "motorcycle")]


def test_a_run_shorter_than_what_is_left_out_has_no_label(tmp_path: Path) -> None:
    (rec,) = mod(tmp_path, "motor")
    assert not rec.annotations and "260 s that the authors leave out" in rec.warnings[-1]


def test_a_run_of_no_known_vehicle_says_so(tmp_path: Path) -> None:
    (rec,) = mod(tmp_path, "tank")
    assert not rec.annotations and "named after no vehicle" in rec.warnings[-1]


@pytest.mark.parametrize(
    ("run", "label"), [("mustang0528", "Mustang"), ("walk2", "walking"), ("Silverado0255pm", "truck"), ("car", None)]
)
def test_vehicles_by_name(run: str, label: str | None) -> None:
    assert vehicle_of(run) == label


@pytest.mark.parametrize(
    ("run", "node", "want"),
    [("pickup", "rs7", (290, 30)), ("tesla", "rs2", (80, 90)), ("Polaris0150pm", "rs1", (0, 0))],
)
def test_seconds_left_out(run: str, node: str, want: tuple[int, int]) -> None:
    assert left_out(run, node) == want


def test_microphone_and_geophone_make_pairs_split_by_run(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    mod(raw, "Polaris0150pm", seconds=4, start=100.0)
    mod(raw, "Warhog1135am", seconds=4, start=9000.0)
    build(dataset_sources("mod", raw), tmp_path / "c", BuildConfig(rate_hz=8000.0, streams=True, quality=False))
    corpus = Corpus.open(tmp_path / "c")
    found = moments(corpus, {"audio": "audio", "seismic": "seismic"}, 2.0, track="vehicle").pairs()
    assert {name: x.shape for name, x in found.gather(np.arange(4)).items()} == {
        "audio": (4, 1, 16000),
        "seismic": (4, 1, 200),
    }
    assert [s.test for s in leave_one_subject_out(corpus.subjects)] == [("mod_Polaris0150pm",), ("mod_Warhog1135am",)]


# --- MOD, windows cut by the authors' programs ----------------------------------------------------------------------


def window(folder: Path, name: str, value: float, *, label: int = 0, **odd: object) -> Path:
    audio = torch.full((1, 10, 1600), value)
    seismic = torch.arange(200.0).reshape(1, 10, 20) + value
    held = {
        "label": torch.tensor(label),
        "flag": {"shake": {}},
        "data": {"shake": {"audio": audio, "seismic": seismic}},
    }
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(held | odd, folder / f"{name}.pt")
    return folder / f"{name}.pt"


def test_windows_are_put_together_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 11):
        window(tmp_path / "individual_time_samples", f"motor_rs3_{number}", float(number))
    (rec,) = get_dataset("mod").load(tmp_path)
    np.testing.assert_array_equal(rec.data[::16000, 0], [9, 10, 11])
    np.testing.assert_array_equal(rec.streams["seismic"].data[:200, 0], np.arange(200) + 9)
    assert (rec.subject, rec.spec.rate_hz, rec.meta["first_window_s"]) == ("mod_motor", 8000.0, 18.0)


def test_a_missing_window_is_a_gap(tmp_path: Path) -> None:
    for number in (0, 2):
        window(tmp_path, f"motor_rs3_{number}", 1.0)
    (rec,) = get_dataset("mod").load(tmp_path)
    assert [(g.start_s, g.stop_s, g.reason) for g in rec.gaps] == [(2.0, 4.0, "missing_window")]


def test_cut_windows_are_labelled_throughout(tmp_path: Path) -> None:
    window(tmp_path, "motor_rs3_0", 1.0)
    (rec,) = get_dataset("mod").load(tmp_path)
    assert [(a.start_s, a.stop_s, a.label) for a in rec.annotations] == [(0.0, 2.0, "motorcycle")]


def test_time_windows_count_before_frequency_windows(tmp_path: Path) -> None:
    window(tmp_path / "individual_time_samples", "motor_rs3_0", 1.0)
    window(tmp_path / "individual_freq_samples", "motor_rs3_0", 7.0)
    assert next(get_dataset("mod").load(tmp_path)).data[0, 0] == 1.0


def test_raw_runs_count_before_windows(tmp_path: Path) -> None:
    window(tmp_path, "Polaris0150pm_rs1_0", 1.0)
    assert [r.meta["layout"] for r in mod(tmp_path)] == ["raw"]


class Harmful:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("harm"),))


def test_files_that_would_run_something_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = window(tmp_path, "motor_rs3_0", 1.0, flag=Harmful())
    with pytest.raises(BadFileError, match="not a readable file of tensors"):
        samples.read_window(path, ("audio",))
    assert not (tmp_path / "harm").exists()


def test_files_that_unpack_to_more_than_a_window_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "motor_rs3_0.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", b"\0" * (samples.MAX_BYTES + 1))
    with pytest.raises(BadFileError, match="more than a window can be"):
        samples.read_window(path, ("audio",))


@pytest.mark.parametrize(
    "data",
    [
        {"data": {"shake": {"audio": torch.zeros(1, 2, 3)}}},
        {"data": {"shake": {"audio": torch.zeros(3), "seismic": torch.zeros(1, 2, 3)}}},
        {"data": {"shake": {"audio": "no", "seismic": torch.zeros(1, 2, 3)}}},
        {"data": {"a": {}, "b": {}}},
        {"label": 1, "data": 3},
    ],
)
def test_what_is_no_window_is_refused(tmp_path: Path, data: dict[str, object]) -> None:
    path = window(tmp_path, "motor_rs3_0", 1.0, **data)
    with pytest.raises(BadFileError):
        samples.read_window(path, ("audio", "seismic"))


def test_windows_of_different_lengths_are_refused(tmp_path: Path) -> None:
    window(tmp_path, "motor_rs3_0", 1.0)
    short = {"shake": {"audio": torch.zeros(1, 10, 800), "seismic": torch.zeros(1, 10, 20)}}
    window(tmp_path, "motor_rs3_1", 1.0, data=short)
    with pytest.raises(BadFileError, match="windows of audio differ in shape"):
        list(get_dataset("mod").load(tmp_path))


# --- ACIDS ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def acids(tmp_path: Path) -> Path:
    layouts.acids(tmp_path)
    return tmp_path


def one(raw: Path, key: str = "Gv1a1002") -> Recording:
    return next(get_dataset("acids").load(raw, key))


def test_geophones_lie_beside_the_microphones(acids: Path) -> None:
    rec = one(acids)
    assert rec.streams["seismic"].spec.channels == ("seismic_1", "seismic_2")
    assert len(rec.streams["seismic"].data) == len(rec.data) == 500


def test_two_arrays_of_one_drive_are_never_parted(acids: Path) -> None:
    recs = [one(acids, key) for key in ("Gv1a1002", "Gv1a2002")]
    assert {r.subject for r in recs} == {"acids_v1a_002"} and {r.spec.site for r in recs} == {"array1", "array2"}


def test_terrain_speed_and_distance_come_from_the_table(acids: Path) -> None:
    rest = {(a.track, a.label, a.value) for a in one(acids).annotations if a.track != "vehicle"}
    assert rest == {("terrain", "desert", None), ("speed", None, 15.0), ("distance", None, 25.0)}


def test_a_speed_that_is_no_number_is_left_open(acids: Path) -> None:
    assert "speed" not in {a.track for a in one(acids, "Gv4c1044").annotations}


def test_without_the_table_vehicles_are_known_from_the_names(acids: Path) -> None:
    (acids / "ACIDS_meta.csv").unlink()
    assert [a.label for a in one(acids, "Gv4c1044").annotations] == ["vehicle 4"]


def test_a_file_that_the_table_lacks_has_a_vehicle_only(acids: Path) -> None:
    (acids / "ACIDS_meta.csv").write_text("Gv9a1060.mat,Type 9,15,Desert,25\n")
    assert [a.track for a in one(acids).annotations] == ["vehicle"]


def test_a_broken_row_of_the_table_is_named(acids: Path) -> None:
    (acids / "ACIDS_meta.csv").write_text("Gv1a1002.mat,Type 1,15\n")
    with pytest.raises(BadFileError, match="3 columns, not 5"):
        one(acids)


def test_without_a_seismic_file_there_is_audio_and_a_warning(acids: Path) -> None:
    (acids / "Seismic" / "Gv1sa1002.mat").unlink()
    rec = one(acids)
    assert not rec.streams and rec.warnings == ("there is no seismic file",)


def test_different_lengths_are_told(acids: Path) -> None:
    savemat(acids / "Seismic" / "Gv1sa1002.mat", {"Output_data": np.ones((2, 400))})
    assert "380 seismic samples beside 500" in one(acids).streams["seismic"].warnings[0]


@pytest.mark.parametrize("held", [{"x": np.ones((3, 99))}, {"Output_data": np.ones((3, 20))}, {"Output_data": "no"}])
def test_what_is_no_matrix_is_refused(acids: Path, held: dict[str, object]) -> None:
    savemat(acids / "Acoustics" / "Gv1a1002.mat", held)
    with pytest.raises(BadFileError, match="no matrix Output_data"):
        one(acids)


def test_microphones_and_geophones_make_pairs(acids: Path, tmp_path: Path) -> None:
    build(dataset_sources("acids", acids), tmp_path / "c", BuildConfig(streams=True))
    found = moments(Corpus.open(tmp_path / "c"), None, 0.1, track="vehicle").pairs()
    shapes = {name: x.shape[1:] for name, x in found.gather(np.arange(3)).items()}
    assert {s for n, s in shapes.items() if n.startswith("audio")} == {(3, 103)}
    assert {s for n, s in shapes.items() if n.startswith("seismic")} == {(2, 103)}
