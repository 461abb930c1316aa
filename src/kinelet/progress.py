"""Progress of long work: a bar with rate and time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

LINE_EVERY_S = 10.0
QUIET_S = 2.0


class Progress(Protocol):
    """Something that is told how far the work is."""

    def __call__(self, done: int, note: str = "") -> None:
        """Say that ``done`` units are finished, with a short note such as the loss."""


def silent(done: int, note: str = "") -> None:
    """A :class:`Progress` that shows nothing."""


@contextmanager
def progress_bar(label: str, total: int, *, unit: str = "it", shown: bool = True) -> Iterator[Progress]:
    """Show progress on standard error.

    Args:
        label: What is done.
        total: Units in all.
        unit: What is counted.
        shown: False for no progress at all (the other processes of a run).
    """
    if not shown:
        yield silent
    elif sys.stderr.isatty():
        with _bar(label, total, unit) as update:
            yield update
    else:
        yield _Lines(label, total, unit)


class _Rate:
    """Units a second since the first report: what a resumed run had finished before is not counted."""

    def __init__(self) -> None:
        self.first: tuple[int, float] | None = None

    def __call__(self, done: int) -> float | None:
        now = time.monotonic()
        if self.first is None:
            self.first = (done, now)
        begun, since = self.first
        return (done - begun) / (now - since) if done > begun and now > since else None


@contextmanager
def _bar(label: str, total: int, unit: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    rate = _Rate()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=False) as bar:
        task = bar.add_task(escape(label), total=total, rate="", note="")

        def update(done: int, note: str = "") -> None:
            if rate.first is None:
                bar.reset(task, completed=done)  # so that the time left is reckoned from here
            speed = rate(done)
            told = "" if speed is None else f"{speed:,.1f} {unit}/s"
            bar.update(task, completed=done, rate=told, note=escape(note))

        yield update


class _Lines:
    def __init__(self, label: str, total: int, unit: str) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.started = self.shown = time.monotonic()
        self.rate = _Rate()

    def __call__(self, done: int, note: str = "") -> None:
        now, rate = time.monotonic(), self.rate(done)
        if now - self.shown < LINE_EVERY_S and not (done >= self.total and now - self.started > QUIET_S):
            return
        self.shown = now
        text = f"{self.label}: {done}/{self.total} {self.unit}"
        if rate is not None:
            text += f", {rate:,.1f} {self.unit}/s, {max(self.total - done, 0) / rate:,.0f} s left"
        print(f"{text}, {note}" if note else text, file=sys.stderr, flush=True)
