"""``kinelet distance``: look at what a distance between windows goes by."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Look at a distance between windows.", no_args_is_help=True)


@app.callback()
def distance() -> None:
    """Look at a distance between windows."""  # without a callback the one command would take the group's name


@app.command("report")
def report(
    distance: Annotated[str, typer.Argument(help="euclid, dtw, or a folder with a distance or a run of relcon.")],
    options: Annotated[
        list[str] | None, typer.Argument(help="Options of the distance as key=value, such as offset=remove.")
    ] = None,
    corpus: Annotated[Path | None, typer.Option(help="Corpus to take windows from.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report.html and pictures (PNG).")] = None,
    window_s: Annotated[
        float | None, typer.Option(min=1e-3, help="Window in seconds; default that of the distance, else 2.56.")
    ] = None,
    track: Annotated[
        str | None, typer.Option(help="Annotations that labels come from; default activity, if there are any.")
    ] = None,
    anchors: Annotated[int, typer.Option(min=1, help="Windows to rank for.")] = 24,
    candidates: Annotated[int, typer.Option(min=5, help="Windows to rank.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what the rankings of a distance go by: offset, energy, cadence, or the movement itself."""
    from kinelet.cli import output
    from kinelet.cli.options import parse_options
    from kinelet.corpus.corpus import Corpus
    from kinelet.distances.survey import survey
    from kinelet.errors import BadOptionError

    if corpus is None:
        raise BadOptionError("no corpus given", remedy="Add --corpus DIR with recordings to take windows from")
    found = survey(
        distance,
        Corpus.open(corpus),
        window_s=window_s,
        track=track,
        anchors=anchors,
        candidates=candidates,
        seed=seed,
        options=parse_options(options),
    )
    if json:
        output.as_json(found.report.to_dict())
    else:
        output.table(found.name, ("what", "value", "reading"), found.report.rows())
    if out is not None:
        from kinelet.report.distance import write_distance_report

        paths = write_distance_report(found, out)
        if not json:
            print("\n".join(str(p) for p in paths))
