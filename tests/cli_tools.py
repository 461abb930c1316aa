"""Run the command line as a user does: in this process for speed, or in one of its own where that matters."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import kinelet as kinelet_package
from kinelet.cli import main

START = [sys.executable, "-m", "kinelet"]
CSV_CARD = """
channels:
  ax: {name: acc_x, unit: g}
  ay: {name: acc_y, unit: g}
  az: {name: acc_z, unit: g}
rate_hz: 50
recording: [person]
subject: {column: person}
site: {constant: wrist}
labels: [{column: activity}]
"""


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def complaint(self) -> str:
        """The one line that a refused command leaves on standard error."""
        assert self.status == 2, (self.status, self.out, self.err)
        assert self.err.startswith("kinelet: ")
        assert self.err.count("\n") == 1
        assert self.err.endswith("\n")
        return self.err.strip()


def kinelet(*arguments: object) -> Answer:
    """Run a command in this process, through the real entry point."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", ["kinelet", *map(str, arguments)]),
        patch.dict(os.environ, COLUMNS="200"),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as stop:
            return Answer(int(stop.code or 0), out.getvalue(), err.getvalue())
    raise AssertionError("main came back without an exit status")


def done(*arguments: object) -> Answer:
    """Run a command that has to succeed."""
    answer = kinelet(*arguments)
    assert answer.status == 0, answer.err
    return answer


def start(arguments: Sequence[object], *, cwd: Path | None = None, **environment: str) -> subprocess.Popen[str]:
    """Start a command in a process of its own."""
    # Absolute, because the process may start in another folder.
    home = str(Path(str(kinelet_package.__file__)).resolve().parents[1])
    settings = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200", "PYTHONPATH": home} | environment
    pipe = subprocess.PIPE
    return subprocess.Popen([*START, *map(str, arguments)], stdout=pipe, stderr=pipe, text=True, cwd=cwd, env=settings)


def finish(process: subprocess.Popen[str]) -> Answer:
    """Wait for a command and collect what it printed."""
    out, err = process.communicate(timeout=120)
    return Answer(process.returncode, out, err)


def write_table(
    folder: Path, people: Sequence[str] = ("P1", "P2", "P3"), n: int = 400, seed: int = 0
) -> tuple[Path, Path]:
    """A CSV table of several people with two activities each, and its card; returns both paths."""
    generator = np.random.default_rng(seed)
    lines = ["person,activity,ax,ay,az"]
    for person in people:
        for i in range(n):
            x, y, z = np.round(generator.normal((0, 0, 1), 0.1 if i < n // 2 else 0.4), 2)
            lines.append(f"{person},{'sit' if i < n // 2 else 'walk'},{x},{y},{z}")
    table, card = folder / "table.csv", folder / "card.yaml"
    table.write_text("\n".join(lines) + "\n")
    card.write_text(CSV_CARD)
    return table, card
