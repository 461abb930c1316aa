"""Progress: lines with rate and time left where there is no terminal, a bar where there is one."""

from __future__ import annotations

import io
import re
import sys

import pytest

from kinelet import progress
from kinelet.progress import progress_bar, silent


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def lines(
    clock: Clock, capsys: pytest.CaptureFixture[str], reports: list[tuple[float, int]], total: int, note: str = ""
) -> list[str]:
    with progress_bar("train", total, unit="steps") as report:
        for seconds, finished in reports:
            clock.now += seconds
            report(finished, note)
    return capsys.readouterr().err.splitlines()


def test_short_work_stays_silent(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(clock, capsys, [(0.5, 1), (0.5, 2)], 2) == []


def test_a_line_tells_rate_and_time_left(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    shown = lines(clock, capsys, [(1, 10), (10, 110)], 1000)
    assert shown == ["train: 110/1000 steps, 10.0 steps/s, 89 s left"]


def test_the_note_ends_the_line(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(clock, capsys, [(1, 10), (10, 20)], 100, "loss 0.5")[0].endswith(" s left, loss 0.5")


def test_lines_come_every_ten_seconds_and_at_the_end(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    reports = [(1.0, i + 1) for i in range(25)]
    shown = [int(re.findall(r"(\d+)/25", line)[0]) for line in lines(clock, capsys, reports, 25)]
    assert shown == [10, 20, 25]


def test_what_a_resumed_run_had_done_before_does_not_count_as_speed(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    (line,) = lines(clock, capsys, [(1, 901), (10, 911)], 1000)
    assert "1.0 steps/s, 89 s left" in line


def test_one_report_alone_makes_no_rate_up(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(clock, capsys, [(30, 5)], 10) == ["train: 5/10 steps"]


def test_nothing_goes_to_standard_output(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("train", 2) as report:
        for finished in (1, 2):
            clock.now += 11
            report(finished)
    assert capsys.readouterr().out == ""


def test_a_process_that_must_not_speak_does_not(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("train", 2, shown=False) as report:
        clock.now += 60
        report(2)
    assert capsys.readouterr().err == ""
    assert report is silent


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_with_rate_and_note(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar("train [x]", 4, unit="steps") as report:
        for finished in (1, 2, 3, 4):
            report(finished, "loss 0.5 [nats]")
    shown = terminal.getvalue()
    assert "train [x]" in shown
    assert "4/4" in shown
    assert "steps/s" in shown
    assert "loss 0.5 [nats]" in shown
