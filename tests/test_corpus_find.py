"""Sources found in folders, files and public data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from corpus_tools import PLAIN, samples
from device_files import write_ax3
from kinelet.corpus import BuildConfig, Corpus, build
from kinelet.corpus.build import dataset_sources, find_sources
from kinelet.corpus.find import with_subjects
from kinelet.corpus.sources import FileSource
from kinelet.errors import BadFileError, BadOptionError

CARD = """
channels:
  ax: {name: acc_x, unit: g}
  ay: {name: acc_y, unit: g}
  az: {name: acc_z, unit: g}
rate_hz: 50
recording: [who]
subject: {column: who}
site: {constant: wrist}
"""


def table(path: Path, *who: str, n: int = 120, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"{x:.8f},{y:.8f},{z:.8f},{name}" for i, name in enumerate(who) for x, y, z in samples(n, seed=seed + i)]
    path.write_text("\n".join(["ax,ay,az,who", *rows]) + "\n")
    return path


@pytest.fixture
def card(tmp_path) -> Path:
    path = tmp_path / "card.yaml"
    path.write_text(CARD)
    return path


def e4(folder: Path) -> Path:
    folder.mkdir(parents=True)
    values = np.round(samples(200) * 64).astype(int)
    lines = ["1600000000.0,1600000000.0,1600000000.0", "32.0,32.0,32.0", *(",".join(map(str, v)) for v in values)]
    (folder / "ACC.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_a_table_yields_all_its_recordings(tmp_path, card):
    source = table(tmp_path / "raw" / "all.csv", "P1", "P2")
    build(find_sources(source, card=card), tmp_path / "out", PLAIN)
    assert Corpus.open(tmp_path / "out").subjects == ("P1", "P2")


def test_tables_are_found_at_any_depth_in_the_order_of_their_paths(tmp_path, card):
    for name in ("b/two.csv", "a/one.csv", "three.csv"):
        table(tmp_path / "raw" / name, "P1")
    assert [s.key for s in find_sources(tmp_path / "raw", card=card)] == ["a/one.csv", "b/two.csv", "three.csv"]


def test_ids_of_files_with_one_name_differ_by_folder(tmp_path, card):
    for name in ("a/data.csv", "b/data.csv"):
        table(tmp_path / "raw" / name, "P1")
    build(find_sources(tmp_path / "raw", card=card), tmp_path / "out", PLAIN)
    assert len({r.id.split("/")[0] for r in Corpus.open(tmp_path / "out").recordings}) == 2


def test_hidden_and_foreign_files_are_passed_over(tmp_path):
    e4(tmp_path / "raw" / "P1")
    (tmp_path / "raw" / "README.txt").write_text("hello")
    (tmp_path / "raw" / ".hidden.cwa").write_bytes(b"MD")
    assert [s.key for s in find_sources(tmp_path / "raw")] == ["P1"]


def test_a_folder_that_is_a_recording_is_one_source(tmp_path):
    assert [s.key for s in find_sources(e4(tmp_path / "P1"))] == ["P1"]


def test_a_damaged_device_file_shows_up_as_a_failure(tmp_path):
    e4(tmp_path / "raw" / "P1")
    (tmp_path / "raw" / "P2.cwa").write_bytes(b"\0" * 100)
    (tmp_path / "raw" / "P3.cwa").write_bytes(b"")
    summary = build(find_sources(tmp_path / "raw"), tmp_path / "out", PLAIN)
    assert [f.source for f in summary.failures] == ["P2.cwa", "P3.cwa"] and summary.recordings == 1


def test_a_folder_of_nothing_is_an_error(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(BadFileError, match="no recording"):
        find_sources(tmp_path)


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(BadFileError, match="no such"):
        find_sources(tmp_path / "nowhere")


def test_a_format_takes_the_files_with_its_extensions(tmp_path):
    for name in ("a.cwa", "b.gt3x", "c.txt"):
        (tmp_path / name).write_bytes(b"x")
    assert [s.key for s in find_sources(tmp_path, format="gt3x")] == ["b.gt3x"]


def test_reader_options_reach_the_reader(tmp_path):
    build(find_sources(e4(tmp_path / "P1"), options={"subject": "somebody"}), tmp_path / "out", PLAIN)
    assert Corpus.open(tmp_path / "out").subjects == ("somebody",)


def test_another_card_builds_the_file_again(tmp_path, card):
    source = table(tmp_path / "raw" / "all.csv", "P1")
    build(find_sources(source, card=card), tmp_path / "out", PLAIN)
    card.write_text(CARD.replace("wrist", "ankle"))
    assert build(find_sources(source, card=card), tmp_path / "out", PLAIN).built == 1
    assert Corpus.open(tmp_path / "out").spec.site == "ankle"


def test_other_reader_options_build_the_file_again(tmp_path):
    folder = e4(tmp_path / "P1")
    build(find_sources(folder), tmp_path / "out", PLAIN)
    assert build(find_sources(folder, options={"subject": "x"}), tmp_path / "out", PLAIN).built == 1


def test_the_manifest_holds_relative_paths_only(tmp_path):
    e4(tmp_path / "raw" / "P1")
    build(find_sources(tmp_path / "raw"), tmp_path / "out", PLAIN)
    assert Corpus.open(tmp_path / "out").recordings[0].row["source"] == "P1"


def test_an_unknown_data_set_is_refused(tmp_path):
    with pytest.raises(BadOptionError):
        dataset_sources("no_such_set", tmp_path)


def test_a_folder_without_the_published_layout_is_refused(tmp_path):
    with pytest.raises(BadFileError):
        dataset_sources("uci_har", tmp_path)


def uci_har(raw: Path) -> Path:
    rng = np.random.default_rng(0)
    for split, subject in (("train", 1), ("test", 2)):
        signals = raw / split / "Inertial Signals"
        signals.mkdir(parents=True)
        for kind in ("total_acc", "body_gyro"):
            for axis in "xyz":
                np.savetxt(signals / f"{kind}_{axis}_{split}.txt", rng.normal(0, 1, (3, 128)), fmt="%.7e")
        (raw / split / f"y_{split}.txt").write_text("1\n2\n3\n")
        (raw / split / f"subject_{split}.txt").write_text(f"{subject}\n" * 3)
    return raw


def test_a_public_set_is_built_part_by_part(tmp_path):
    sources = dataset_sources("uci_har", uci_har(tmp_path / "raw"))
    build(sources, tmp_path / "out", PLAIN)
    corpus = Corpus.open(tmp_path / "out")
    assert [s.part for s in sources] == ["train", "test"] and {r.dataset for r in corpus.recordings} == {"uci_har"}
    assert all(s.startswith("uci_har") for s in corpus.subjects) and len(corpus.subjects) == 2


def test_only_the_changed_part_of_a_public_set_is_built_again(tmp_path):
    raw = uci_har(tmp_path / "raw")
    build(dataset_sources("uci_har", raw), tmp_path / "out", PLAIN)
    (raw / "test" / "y_test.txt").write_text("1\n1\n3\n")
    summary = build(dataset_sources("uci_har", raw), tmp_path / "out", PLAIN)
    assert (summary.built, summary.unchanged) == (1, 1)


def test_a_file_that_all_parts_may_depend_on_builds_all_again(tmp_path):
    raw = uci_har(tmp_path / "raw")
    (raw / "activity_labels.txt").write_text("1 WALKING\n")
    build(dataset_sources("uci_har", raw), tmp_path / "out", PLAIN)
    (raw / "activity_labels.txt").write_text("1 RUNNING\n")
    assert build(dataset_sources("uci_har", raw), tmp_path / "out", PLAIN).built == 2


def test_real_device_files_become_a_corpus(tmp_path, shared_data):
    config = BuildConfig(rate_hz=25.0, channels=("acc_x", "acc_y", "acc_z"))
    sources = [s for s in find_sources(shared_data / "devices") if not s.key.endswith(".parquet")]
    summary = build(sources, tmp_path, config)
    corpus = Corpus.open(tmp_path)
    assert summary.recordings >= 5 and corpus.spec.rate_hz == 25.0
    assert corpus.windows(2.0).gather([0, 1, 2]).shape == (3, 3, 50)


def test_files_of_one_person_can_be_told_to_be_one_person(tmp_path: Path) -> None:
    for name in ("M01_day1.cwa", "M01_day2.cwa", "M02_day1.cwa"):
        write_file(tmp_path / "raw" / name)
    sources = find_sources(tmp_path / "raw")
    assert Corpus.open(build_plain(sources, tmp_path / "apart")).subjects == ("M01_day1", "M01_day2", "M02_day1")
    joined = with_subjects(sources, r"^[^_]+")
    assert Corpus.open(build_plain(joined, tmp_path / "joined")).subjects == ("M01", "M02")


@pytest.mark.parametrize("pattern", [r"(M\d+)_", r"(?P<day>x)?(?P<subject>M\d+)"])
def test_the_subject_is_the_named_or_the_first_group(tmp_path: Path, pattern: str) -> None:
    write_file(tmp_path / "site" / "M07_a.cwa")
    (source,) = with_subjects(find_sources(tmp_path / "site"), pattern)
    assert dict(source.options)["subject"] == "M07"


@pytest.mark.parametrize(("pattern", "words"), [("(", "regular expression"), (r"^Q\d+", "does not match 'M01.cwa'")])
def test_a_pattern_that_does_not_fit_is_refused(tmp_path: Path, pattern: str, words: str) -> None:
    write_file(tmp_path / "raw" / "M01.cwa")
    with pytest.raises(BadOptionError, match=words):
        with_subjects(find_sources(tmp_path / "raw"), pattern)


def build_plain(sources: list[FileSource], out: Path) -> Path:
    assert not build(sources, out, PLAIN).failures
    return out


def write_file(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    write_ax3(path)
