"""``kinelet corpus``: build, build again, add a public set, look inside."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from cli_tools import Answer, done, finish, kinelet, start, write_table
from device_files import write_ax3, write_geneactiv, write_gt3x
from kinelet.corpus.corpus import Corpus
from kinelet.datasets.registry import get_dataset, list_datasets
from layouts import LAYOUTS

PNG = b"\x89PNG\r\n\x1a\n"
needs_seglearn = pytest.mark.skipif(
    find_spec("seglearn") is None, reason="seglearn, whose recordings these are, is not installed"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Recordings of three devices, one damaged file, and one that is no recording."""
    raw = tmp_path / "raw"
    (raw / "clinic").mkdir(parents=True)
    write_ax3(raw / "P1.cwa")
    write_geneactiv(raw / "P2.bin")
    write_gt3x(raw / "clinic" / "P3.gt3x")
    (raw / "P4.cwa").write_bytes((raw / "P1.cwa").read_bytes()[:900])
    (raw / "notes.txt").write_text("P3 took the device off at night")
    return raw


def build(folder: Path, *more: object) -> Answer:
    return kinelet("corpus", "build", folder, "--out", folder.parent / "corpus", "--rate", 50, *more)


def test_what_can_be_read_is_built_and_what_cannot_is_listed_with_its_reason(folder: Path) -> None:
    answer = build(folder)
    (row,) = [line for line in answer.out.splitlines() if "failed: P4.cwa" in line]
    assert answer.status == 0
    assert "truncated" in row
    assert Corpus.open(folder.parent / "corpus").subjects == ("P1", "P2", "P3")


def test_the_summary_for_machines(folder: Path) -> None:
    summary = build(folder, "--json").document
    assert (summary["built"], summary["recordings"], summary["subjects"]) == (3, 3, 3)
    assert [f["source"] for f in summary["failures"]] == ["P4.cwa"]


def test_a_second_build_has_nothing_to_do(folder: Path) -> None:
    (folder / "P4.cwa").unlink()
    build(folder)
    again = build(folder)
    assert "Nothing to do: all 3 sources" in again.out
    assert build(folder, "--json").document["wrote"] is False


def test_a_new_file_is_added_and_the_others_left_alone(folder: Path) -> None:
    build(folder)
    write_ax3(folder / "P5.cwa", blocks=8)
    summary = build(folder, "--json").document
    assert (summary["built"], summary["unchanged"], summary["recordings"]) == (1, 3, 4)


def test_worker_processes_build_the_same_corpus(folder: Path) -> None:
    build(folder)
    answer = finish(
        start(["corpus", "build", folder, "--out", folder.parent / "two", "--rate", 50, "--workers", 2, "--json"])
    )
    assert answer.status == 0, answer.err
    assert Corpus.open(folder.parent / "two").hash == Corpus.open(folder.parent / "corpus").hash


def test_nothing_built_at_all_is_an_error_that_gives_the_first_reason(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "P4.cwa":
            path.unlink()
    answer = build(folder)
    assert "nothing could be taken in" in answer.complaint
    assert "truncated" in answer.complaint
    assert "failed: P4.cwa" in answer.out


def test_a_table_is_built_with_its_card(tmp_path: Path) -> None:
    table, card = write_table(tmp_path)
    done("corpus", "build", table, "--out", tmp_path / "corpus", "--card", card)
    corpus = Corpus.open(tmp_path / "corpus")
    assert corpus.subjects == ("P1", "P2", "P3")
    assert corpus.windows(1.0).classes == ("sit", "walk")


def test_chosen_channels_and_rate_are_in_the_corpus(folder: Path) -> None:
    build(folder, "--channels", "acc_z, acc_x")
    spec = Corpus.open(folder.parent / "corpus").spec
    assert (spec.channels, spec.rate_hz) == (("acc_z", "acc_x"), 50.0)


def test_side_streams_are_stored_when_asked_for(folder: Path) -> None:
    build(folder, "--streams")
    stored = {r.stream for r in Corpus.open(folder.parent / "corpus").recordings}
    assert stored > {None}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--rate", "-5"], "rate_hz"),
        (["--nonwear", "guess"], "nonwear"),
        (["--workers", "0"], "--workers"),
        (["--format", "mp3"], "mp3"),
        (["--card", "absent.yaml"], "absent.yaml"),
        (["speed=3"], "speed"),
    ],
)
def test_a_wrong_option_is_one_line(folder: Path, options: list[str], told: str) -> None:
    assert told in build(folder, *options).complaint


@pytest.mark.parametrize("source", ["absent", "empty"])
def test_a_folder_without_recordings_is_one_line(tmp_path: Path, source: str) -> None:
    (tmp_path / "empty").mkdir()
    assert source in kinelet("corpus", "build", tmp_path / source, "--out", tmp_path / "corpus").complaint


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labelled")
    table, card = write_table(folder)
    done("corpus", "build", table, "--out", folder / "corpus", "--card", card)
    return folder / "corpus"


def test_info_tells_people_hours_labels_sites_rates(labelled: Path) -> None:
    shown = done("corpus", "info", labelled).out
    rows = {cells[1].strip(): cells[2].strip() for line in shown.splitlines() if len(cells := line.split("│")) > 2}
    assert rows["people"] == "3"
    assert rows["sites"] == "wrist (3)"
    assert rows["rates"] == "50 Hz (3)"
    assert rows["activity: walk"] == "0.003 h"


def test_info_for_machines(labelled: Path) -> None:
    document = done("corpus", "info", labelled, "--json").document
    assert document["subjects"] == 3
    assert document["label_hours"]["activity"] == pytest.approx({"sit": 12 / 3600, "walk": 12 / 3600})


def test_info_draws_a_timeline(labelled: Path, tmp_path: Path) -> None:
    shown = done("corpus", "info", labelled, "--plot", tmp_path / "people.png")
    assert (tmp_path / "people.png").read_bytes().startswith(PNG)
    assert "people.png" in shown.out


def test_info_on_what_is_no_corpus_is_one_line(tmp_path: Path) -> None:
    assert "kinelet corpus build" in kinelet("corpus", "info", tmp_path).complaint


@needs_seglearn
def test_a_set_that_a_package_carries_needs_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    summary = done("corpus", "add", "seglearn_watch", "--out", "watch", "--json").document
    assert (summary["subjects"], summary["recordings"]) == (10, 140)


@pytest.mark.parametrize(("flag", "stored"), [((), 2), (("--streams",), 4)])
def test_side_streams_of_a_set_are_stored_on_request(tmp_path: Path, flag: tuple[str, ...], stored: int) -> None:
    LAYOUTS["stress_predict"](tmp_path / "raw")
    to, raw = tmp_path / "corpus", tmp_path / "raw"
    summary = done("corpus", "add", "stress_predict", "--out", to, "--raw", raw, "--json", *flag).document
    assert summary["recordings"] == stored


@pytest.mark.parametrize("name", [n for n in list_datasets() if n != "seglearn_watch"])
def test_a_set_without_files_says_what_to_put_where(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    complaint = kinelet("corpus", "add", name, "--out", "corpus").complaint
    card = get_dataset(name).card
    assert f"raw/{name}" in complaint
    assert " ".join(card.layout.split()) in complaint
    assert "https://" in complaint


def test_a_set_that_cannot_be_fetched_says_what_to_do_instead(tmp_path: Path) -> None:
    answer = kinelet("corpus", "add", "uci_har", "--out", tmp_path / "c", "--raw", tmp_path, "--download")
    assert "no checksum is known" in answer.complaint
    assert str(tmp_path) in answer.complaint


def test_an_unknown_set_is_named_with_the_choices(tmp_path: Path) -> None:
    complaint = kinelet("corpus", "add", "uci_har2", "--out", tmp_path / "c").complaint
    assert "uci_har2" in complaint
    assert "seglearn_watch" in complaint
