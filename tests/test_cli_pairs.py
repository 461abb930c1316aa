"""``kinelet corpus pairs`` and the report that it prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kinelet.cli.app import app
from kinelet.corpus.moments import moments
from kinelet.errors import BadOptionError
from moment_tools import acc, bvp, corpus_of, wristbands


def told(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["corpus", "pairs", *arguments], catch_exceptions=False)
    assert not result.exit_code
    return result.stdout


def test_a_table_of_pairs(tmp_path: Path) -> None:
    wristbands(tmp_path)
    shown = " ".join(told(str(tmp_path)).split())
    assert "pairs by their absolute starts │ 33" in shown


def test_json_holds_the_whole_report(tmp_path: Path) -> None:
    corpus = wristbands(tmp_path)
    assert json.loads(told(str(tmp_path), "--json")) == json.loads(
        json.dumps(moments(corpus, None, 5.0).report().as_dict())
    )


def test_modalities_and_lengths_are_as_asked(tmp_path: Path) -> None:
    wristbands(tmp_path, 1)
    options = ("--modality", "up=acc_z", "--modality", "pulse=bvp", "--window", "10", "--hop", "5", "--json")
    found = json.loads(told(str(tmp_path), *options))
    assert (list(found["modalities"]), found["moments"], found["pairs"]) == (["up", "pulse"], 11, 10)


def test_a_view_without_a_name_is_refused(tmp_path: Path) -> None:
    wristbands(tmp_path, 1)
    with pytest.raises(BadOptionError, match="not of the form NAME=VIEW"):
        told(str(tmp_path), "--modality", "acc")


def test_a_name_given_twice_is_refused(tmp_path: Path) -> None:
    wristbands(tmp_path, 1)
    with pytest.raises(BadOptionError, match="--modality one is given twice: acc and bvp"):
        told(str(tmp_path), "--modality", "one=acc", "--modality", "one=bvp")


def test_hours_count_time_once(tmp_path: Path) -> None:
    corpus = wristbands(tmp_path, 1)
    hours = [moments(corpus, None, 4.0, hop).pairs().report().hours * 3600 for hop in (4.0, 1.0)]
    # Every four seconds from second 4, every second from second 3, both to the end.
    assert hours == pytest.approx([56.0, 57.0])


def test_the_largest_shift_is_that_of_the_windows(tmp_path: Path) -> None:
    late = bvp(64.0, (0.04, 20.0))
    made = moments(corpus_of(tmp_path, acc(32.0, (0.0, 20.0), streams={"bvp": late})), None, 5.0)
    assert made.report().largest_shift_s == pytest.approx(0.04, abs=1e-6)


def test_what_has_no_partner_is_counted(tmp_path: Path) -> None:
    first = acc(32.0, (0.0, 20.0), streams={"bvp": bvp(64.0, (10.0, 40.0))})
    report = moments(corpus_of(tmp_path, first), None, 5.0).report()
    assert {name: (m.moments, m.alone) for name, m in report.modalities.items()} == {"acc": (4, 2), "bvp": (6, 4)}


def test_people_without_pairs_are_counted(tmp_path: Path) -> None:
    both = acc(32.0, (0.0, 20.0), streams={"bvp": bvp(64.0, (0.0, 20.0))})
    report = moments(corpus_of(tmp_path, both, acc(32.0, (0.0, 20.0), subject="P2", name="b")), None, 5.0).report()
    assert (report.people, report.people_in_all) == (1, 2)


def test_a_report_of_no_pairs_is_no_error(tmp_path: Path) -> None:
    made = moments(corpus_of(tmp_path, acc(32.0, (0.0, 20.0))), None, 5.0)
    report = made.report()
    assert (report.pairs, report.hours, report.clocks) == (0, 0.0, {})
