"""What pictures and tables of hits and timelines show."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import matplotlib.image as image
import numpy as np
import pytest

from corpus_tools import recording, with_gaps
from kinelet.cli import output
from kinelet.corpus import Corpus
from kinelet.deploy.search import SearchResult, search
from kinelet.deploy.timeline import Span, Timeline
from kinelet.errors import BadOptionError
from kinelet.report.search import clock, day, hit_table, magnitude, plot_hits
from kinelet.report.timeline import label_rows, plot_timelines, write_timelines
from kinelet.signal.spec import imu_spec
from words_tools import aligned, town

SPANS = (Span(0.0, 6.0, "walk", 0.5, 0.4), Span(6.0, 9.0, None, 0.01, 0.1), Span(9.0, 12.0, "sit", 0.3, 0.3))
LINE = Timeline("r0", "P0", SPANS)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return town(tmp_path_factory.mktemp("town") / "c")


@pytest.fixture(scope="module")
def found(corpus: Corpus) -> SearchResult:
    encoder, tower = aligned()
    return search(encoder, corpus, "someone is walking", tower=tower, top=4)


def height(path: Path) -> int:
    return int(image.imread(path).shape[0])


def test_there_is_a_row_for_each_hit(found: SearchResult, corpus: Corpus, tmp_path: Path) -> None:
    plot_hits(found, corpus, tmp_path / "four.png")
    plot_hits(replace(found, hits=found.hits[:1]), corpus, tmp_path / "one.png")
    assert height(tmp_path / "four.png") > 2.5 * height(tmp_path / "one.png")


def test_rows_count_from_the_best(found: SearchResult) -> None:
    heads, rows = hit_table(found)
    assert [r[0] for r in rows] == ["1", "2", "3", "4"]
    assert rows[0][heads.index("score")] == f"{found.hits[0].score:.3f}"
    assert [r[heads.index("annotated")] for r in rows] == ["walk"] * 4


def test_without_annotations_there_is_no_column_for_them(found: SearchResult) -> None:
    bare = replace(found, hits=tuple(replace(h, annotated=None) for h in found.hits))
    heads, rows = hit_table(bare)
    assert "annotated" not in heads
    assert {len(r) for r in rows} == {len(heads)}


def test_a_recording_with_gaps_is_drawn(tmp_path: Path) -> None:
    rec = with_gaps([200, 300, 100])
    plot_timelines([LINE], [rec], ("walk", "sit"), tmp_path / "p.png")
    assert height(tmp_path / "p.png") > 100


def test_the_motion_is_the_length_of_the_acceleration() -> None:
    rec = recording(data=np.tile(np.float32([3, 4, 0, 9, 9, 9]), (10, 1)), spec=imu_spec(50.0, gyro=True))
    np.testing.assert_allclose(magnitude(rec), 5.0)


def test_without_an_accelerometer_the_first_sensor_is_drawn() -> None:
    spec = imu_spec(50.0).replace(channels=("gyr_x", "gyr_y", "gyr_z"), units=("rad/s",) * 3)
    np.testing.assert_allclose(magnitude(recording(data=np.tile(np.float32([0, 3, 4]), (10, 1)), spec=spec)), 5.0)


def test_times_are_hours_minutes_seconds() -> None:
    assert [clock(s) for s in (0, 59.94, 59.96, 3725.4, 36000)] == [
        *("0:00.0", "0:59.9", "1:00.0", "1:02:05.4", "10:00:00.0")
    ]


def test_a_known_clock_gives_the_date() -> None:
    assert day(1_700_000_000.0) == "2023-11-14 22:13:20"
    assert day(None) == ""


@pytest.mark.parametrize("start", [None, 1_700_000_000.0])
def test_a_hit_takes_two_lines_of_80_columns_at_most(
    found: SearchResult, start: float | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    names = {"subject": "some_study/person_0123", "recording": "some_study/person_0123/left_wrist_2", "stop_s": 3725.4}
    long = [replace(h, **names, start_s=3720.4, start_unix_s=start, annotated="walking") for h in found.hits]
    output.table("t", *hit_table(replace(found, hits=tuple(long))), tight=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 2 + 2 * len(long) and max(map(len, lines)) <= 80


def test_every_label_given_has_its_share_of_the_time_longest_first() -> None:
    rows = label_rows([LINE], ("sit", "walk", "run"))
    assert rows == [
        ("walk", "0.10", "50.0%"),
        ("sit", "0.05", "25.0%"),
        ("left open", "0.05", "25.0%"),
    ]


def test_a_csv_has_no_label_where_it_is_left_open(tmp_path: Path) -> None:
    write_timelines([LINE], tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [(r["start_s"], r["stop_s"], r["label"]) for r in rows] == [
        ("0.000", "6.000", "walk"),
        ("6.000", "9.000", ""),
        ("9.000", "12.000", "sit"),
    ]


def test_json_holds_the_same(tmp_path: Path) -> None:
    write_timelines([LINE], tmp_path / "t.json")
    [read] = json.loads((tmp_path / "t.json").read_text())
    assert [s["label"] for s in read["spans"]] == ["walk", None, "sit"]


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOptionError, match=r"Use \.csv or \.json"):
        write_timelines([LINE], tmp_path / "t.xlsx")
    assert list(tmp_path.iterdir()) == []
