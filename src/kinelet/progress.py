"""Progress of long work: a bar with rate and time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

LINE_EVERY_S = 10.0


class Progress(Protocol):
    """Something that is told how far the work is."""

    def __call__(self, done: int, note: str = "") -> None:
        """Say that ``done`` units are finished, with a short note such as the loss."""


def silent(done: int, note: str = "") -> None:
    """A :class:`Progress` that shows nothing."""


@contextmanager
def progress_bar(label: str, total: int, *, unit: str = "it") -> Iterator[Progress]:
    """Show progress on standard error."""
    if sys.stderr.isatty():
        with _bar(label, total, unit) as update:
            yield update
    else:
        yield _Lines(label, total, unit)


@contextmanager
def _bar(label: str, total: int, unit: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    started = time.monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=False) as bar:
        task = bar.add_task(label, total=total, rate="", note="")

        def update(done: int, note: str = "") -> None:
            rate = done / max(time.monotonic() - started, 1e-9)
            bar.update(task, completed=done, rate=f"{rate:,.1f} {unit}/s", note=note)

        yield update


class _Lines:
    def __init__(self, label: str, total: int, unit: str) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.started = self.shown = time.monotonic()

    def __call__(self, done: int, note: str = "") -> None:
        now = time.monotonic()
        if now - self.shown < LINE_EVERY_S and not (done >= self.total and now - self.started > 2.0):
            return
        self.shown = now
        rate = done / max(now - self.started, 1e-9)
        left = (self.total - done) / rate if rate else 0.0
        text = f"{self.label}: {done}/{self.total} {self.unit}, {rate:,.1f} {self.unit}/s, {left:,.0f} s left {note}"
        print(text.rstrip(), file=sys.stderr, flush=True)
