"""``kinelet corpus pairs``: how much of a corpus was recorded by several sensors at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def pairs(
    path: Annotated[Path, typer.Argument(help="Corpus folder.")],
    modality: Annotated[
        list[str] | None,
        typer.Option(help="NAME=CHANNELS[@SITE], such as acc=acc@wrist; repeat. Default: all that there are."),
    ] = None,
    window: Annotated[float, typer.Option(help="Length of a moment in seconds.")] = 5.0,
    hop: Annotated[float | None, typer.Option(help="From one moment to the next; default: a moment's length.")] = None,
    tolerance: Annotated[float, typer.Option(help="Seconds by which a sensor may miss a moment's ends.")] = 0.05,
    placement: Annotated[str, typer.Option(help="grid, or stretch: each clip is one moment.")] = "grid",
    clock: Annotated[
        str, typer.Option(help="auto, or recording: absolute time joins a recording and its side streams only.")
    ] = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """How many moments two or more sensors were recorded in at once, of whom, and how that is known."""
    from kinelet.cli import output
    from kinelet.cli.options import parse_all_named
    from kinelet.corpus.corpus import Corpus
    from kinelet.corpus.moments import moments

    corpus = Corpus.open(path)
    views = parse_all_named("--modality", modality) if modality else None
    found = moments(
        corpus,
        views,
        window,
        hop,
        tolerance_s=tolerance,
        placement=placement,  # type: ignore[arg-type]  # moments() refuses what it does not know
        clock=clock,  # type: ignore[arg-type]
    )
    report = found.report()
    if json:
        output.as_json(report.as_dict())
    else:
        output.table(f"{path}: moments of {window:g} s", ("what", "value"), report.rows())
