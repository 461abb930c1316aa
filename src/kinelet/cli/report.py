"""``kinelet report``: one HTML file about a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[
        Path,
        typer.Argument(
            help="Run directory of kinelet pretrain or align, evaluated or not; or a folder in which "
            "pair_efficiency.json says how many pairs were enough."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Where to write; default report.html in the run directory.")] = None,
    corpus: Annotated[
        Path | None, typer.Option(help="Corpus on which the run's distance is shown, if it has one.")
    ] = None,
) -> None:
    """Write one HTML file about a run and its evaluations."""
    from kinelet.corpus.corpus import Corpus
    from kinelet.report.run import write_report

    print(write_report(run, out, corpus=None if corpus is None else Corpus.open(corpus)))
