"""``kinelet read`` on files in the devices' own formats, on tables, and on what is no recording."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cli_tools import done, finish, kinelet, start, write_table
from device_files import write_ax3, write_ax6, write_geneactiv, write_gt3x

PNG = b"\x89PNG\r\n\x1a\n"
WRITERS: dict[str, tuple[str, Callable[[Path], object], int]] = {
    "AX3": ("a.cwa", write_ax3, 720),
    "AX6": ("b.cwa", write_ax6, 240),
    "GENEActiv": ("c.bin", write_geneactiv, 900),
    "ActiGraph": ("d.gt3x", write_gt3x, 240),
}


def write_e4(folder: Path) -> Path:
    """Empatica folder: acceleration at 32 Hz, skin conductance at 4 Hz, one press of the button."""
    folder.mkdir()
    t = np.arange(320)
    rows = "\n".join(f"{round(20 * np.sin(i / 5))},{round(9 * np.cos(i / 7))},64" for i in t)
    (folder / "ACC.csv").write_text(f"1700000000.0,1700000000.0,1700000000.0\n32.0,32.0,32.0\n{rows}\n")
    (folder / "EDA.csv").write_text(
        "1700000000.0\n4.0\n" + "\n".join(f"{0.1 + i / 1000:.4f}" for i in range(40)) + "\n"
    )
    (folder / "tags.csv").write_text("1700000005.0\n")
    return folder


@pytest.mark.parametrize("device", WRITERS)
def test_a_device_file_gives_its_samples_and_quality(tmp_path: Path, device: str) -> None:
    name, write, samples = WRITERS[device]
    write(tmp_path / name)
    (document,) = done("read", tmp_path / name, "--json").document
    assert document["quality"]["n_samples"] == samples
    assert document["meta"]["device"] == device or device == "ActiGraph"


@pytest.mark.parametrize("device", WRITERS)
def test_a_person_sees_a_table(tmp_path: Path, device: str) -> None:
    name, write, samples = WRITERS[device]
    write(tmp_path / name)
    shown = done("read", tmp_path / name).out
    for measure in ("subject", "device", "rate", "gaps", "clipping", "calibration error", "wear time", "median norm"):
        assert f"│ {measure} " in shown
    assert f" {samples:,} " in shown


def test_gaps_are_told_with_their_reason(tmp_path: Path) -> None:
    write_ax3(tmp_path / "a.cwa", skip=(2,))
    (document,) = done("read", tmp_path / "a.cwa", "--json").document
    assert [g["stop_s"] - g["start_s"] for g in document["gaps"]] == pytest.approx([1.2], abs=0.02)
    assert document["quality"]["n_gaps"] == 1


def test_warnings_are_shown_to_people_and_machines(tmp_path: Path) -> None:
    write_geneactiv(tmp_path / "c.bin", announced=50)
    told = "the header announces 50 pages"
    assert f"warning: {told}" in done("read", tmp_path / "c.bin").out
    (document,) = done("read", tmp_path / "c.bin", "--json").document
    assert any(told in line for line in document["warnings"])


def test_what_the_quality_report_finds_is_a_warning_too(tmp_path: Path) -> None:
    write_ax3(tmp_path / "a.cwa", blocks=40, rate=97.0)
    assert "warning: the device samples at 97" in done("read", tmp_path / "a.cwa").out


def test_a_wrong_extension_is_read_by_content_with_a_warning(tmp_path: Path) -> None:
    write_gt3x(tmp_path / "d.cwa")
    assert "warning: the extension is '.cwa'" in done("read", tmp_path / "d.cwa").out


def test_a_picture_is_written_and_named(tmp_path: Path) -> None:
    write_ax3(tmp_path / "a.cwa")
    picture = tmp_path / "overview.png"
    assert str(picture) in done("read", tmp_path / "a.cwa", "--plot", picture).out
    assert picture.read_bytes().startswith(PNG)


def test_an_e4_folder_shows_each_stream_at_its_own_rate(tmp_path: Path) -> None:
    shown = done("read", write_e4(tmp_path / "S01")).out
    (row,) = [line for line in shown.splitlines() if "stream eda" in line]
    assert "4 Hz" in row
    assert "40 samples" in row
    assert "uS" in row


def test_an_e4_folder_in_json_holds_its_streams(tmp_path: Path) -> None:
    (document,) = done("read", write_e4(tmp_path / "S01"), "--json").document
    assert document["streams"]["eda"]["n_samples"] == 40
    assert document["streams"]["eda"]["spec"]["rate_hz"] == 4.0


def test_another_stream_is_chosen_by_an_option(tmp_path: Path) -> None:
    (document,) = done("read", write_e4(tmp_path / "S01"), "stream=eda", "--json").document
    assert document["spec"]["channels"] == ["eda"]


def test_a_person_named_like_a_number_keeps_the_name(tmp_path: Path) -> None:
    write_ax3(tmp_path / "a.cwa")
    (document,) = done("read", tmp_path / "a.cwa", "subject=007", "--json").document
    assert document["subject"] == "007"


def test_a_table_with_its_card_gives_every_person(tmp_path: Path) -> None:
    table, card = write_table(tmp_path)
    documents = done("read", table, "--card", card, "--json").document
    assert [d["subject"] for d in documents] == ["P1", "P2", "P3"]


def test_a_table_shows_its_labels(tmp_path: Path) -> None:
    table, card = write_table(tmp_path)
    assert "sit, walk" in done("read", table, "--card", card).out


def test_a_long_table_is_cut_and_says_so(tmp_path: Path) -> None:
    table, card = write_table(tmp_path)
    shown = done("read", table, "--card", card, "--limit", 2).out
    assert "P3" not in shown
    assert "--limit" in shown


def empty(path: Path) -> list[object]:
    path = path / "e.cwa"
    path.touch()
    return [path]


def truncated(path: Path) -> list[object]:
    path = path / "t.cwa"
    write_ax3(path)
    path.write_bytes(path.read_bytes()[:1200])
    return [path]


def missing(path: Path) -> list[object]:
    return [path / "absent.cwa"]


def stranger(path: Path) -> list[object]:
    (path / "notes.txt").write_text("dear diary")
    return [path / "notes.txt"]


def no_card(path: Path) -> list[object]:
    return [write_table(path)[0]]


def absent_card(path: Path) -> list[object]:
    return [write_table(path)[0], "--card", path / "absent.yaml"]


def misspelt_card(path: Path) -> list[object]:
    table, card = write_table(path)
    card.write_text(card.read_text().replace("rate_hz", "rate_herz"))
    return [table, "--card", card]


def wrong_column(path: Path) -> list[object]:
    table, card = write_table(path)
    card.write_text(card.read_text().replace("ax:", "accel_x:"))
    return [table, "--card", card]


def unknown_option(path: Path) -> list[object]:
    write_ax3(path / "a.cwa")
    return [path / "a.cwa", "speed=3"]


def unknown_format(path: Path) -> list[object]:
    write_ax3(path / "a.cwa")
    return [path / "a.cwa", "--format", "mp3"]


def wrong_format(path: Path) -> list[object]:
    write_ax3(path / "a.cwa")
    return [path / "a.cwa", "--format", "gt3x"]


def plain_folder(path: Path) -> list[object]:
    return [path]


def missing_numbers(path: Path) -> list[object]:
    table, card = write_table(path)
    rows = table.read_text().splitlines()
    rows[700] = "P2,walk,nan,0,1"
    table.write_text("\n".join(rows) + "\n")
    return [table, "--card", card]


BAD = {
    empty: ("e.cwa", "empty"),
    truncated: ("t.cwa", "truncated"),
    missing: ("absent.cwa", "no such file"),
    stranger: ("notes.txt", "not a recording"),
    no_card: ("table.csv", "needs a card"),
    absent_card: ("absent.yaml", "no such card"),
    misspelt_card: ("card.yaml", "rate_herz"),
    wrong_column: ("table.csv", "accel_x"),
    unknown_option: ("a.cwa", "It takes: subject"),
    unknown_format: ("mp3", "geneactiv"),
    wrong_format: ("a.cwa", "zip"),
    missing_numbers: ("table.csv", "nan: gap"),
    plain_folder: ("corpus build", "folder"),
}


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_bad_input_is_one_line_with_place_and_reason(tmp_path: Path, make: Callable[[Path], list[object]]) -> None:
    answer = kinelet("read", *make(tmp_path))
    where, why = BAD[make]
    assert where in answer.complaint
    assert why.lower() in answer.complaint.lower()
    assert answer.out == ""


def test_bad_input_in_a_process_of_its_own(tmp_path: Path) -> None:
    answer = finish(start(["read", *truncated(tmp_path)]))
    assert "truncated" in answer.complaint


def test_debug_shows_where_bad_input_was_found(tmp_path: Path) -> None:
    answer = kinelet("read", *truncated(tmp_path), "--debug")
    assert "Traceback" in answer.err
    assert "BadFileError" in answer.err


def test_real_files_of_every_device_are_read(shared_data: Path) -> None:
    devices = shared_data / "devices"
    for name in ("ax6_sample.cwa", "geneactiv_truncated.bin", "actigraph_testfile.gt3x", "empatica_e4_S01"):
        (document,) = done("read", devices / name, "--json").document
        assert document["quality"]["norm_plausible"], name
