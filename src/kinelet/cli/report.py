"""``kinelet report``: one HTML file about a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="Run directory of kinelet pretrain, evaluated or not.")],
    out: Annotated[Path | None, typer.Option(help="Where to write; default report.html in the run directory.")] = None,
) -> None:
    """Write one HTML file about a run and its evaluations."""
    from kinelet.report.run import write_report

    print(write_report(run, out))
