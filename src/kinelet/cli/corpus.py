"""``kinelet corpus``: build, add a public set, attach sentences and vectors, count pairs, look inside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from kinelet.cli.annotate import annotate
from kinelet.cli.pairs import pairs

app = typer.Typer(
    help="Build a corpus, add a public dataset, attach what was said or seen, or look inside one.", no_args_is_help=True
)
app.command("annotate")(annotate)
app.command("pairs")(pairs)

Out = Annotated[Path, typer.Option(help="Corpus folder.")]
Rate = Annotated[float | None, typer.Option(help="Resample everything to this rate (Hz).")]
Channels = Annotated[str | None, typer.Option(help="Channels to keep, for example acc_x,acc_y,acc_z.")]
Streams = Annotated[
    bool, typer.Option("--streams", help="Store side streams (temperature, …) as recordings of their own.")
]
Workers = Annotated[int, typer.Option(min=1, help="Processes.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("build")
def build(
    source: Annotated[Path, typer.Argument(help="A recording, a table, or a folder of them.")],
    out: Out,
    options: Annotated[list[str] | None, typer.Argument(help="Reader options as key=value.")] = None,
    card: Annotated[Path | None, typer.Option(help="YAML card that describes the tables.")] = None,
    format: Annotated[str | None, typer.Option(help="Reader to use instead of guessing from content.")] = None,
    subject_pattern: Annotated[
        str | None, typer.Option(help="Regular expression that finds the person in a file's path, such as '^[^_]+'.")
    ] = None,
    rate: Rate = None,
    channels: Channels = None,
    calibrate: Annotated[bool, typer.Option("--calibrate", help="Calibrate accelerometers against gravity.")] = False,
    nonwear: Annotated[str, typer.Option(help="keep, or drop: what was not worn becomes gaps.")] = "keep",
    streams: Streams = False,
    workers: Workers = 1,
    json: Json = False,
) -> None:
    """Build a corpus from a folder of recordings, or a table with a card.

    Started again it does only what changed, or goes on where it was stopped. A file that cannot be read is listed with
    its reason and stops nothing.
    """
    from kinelet.cli.options import parse_options
    from kinelet.corpus.find import find_sources

    if card is not None:
        from kinelet.readers.card import load_card

        load_card(card)  # once here, rather than as the same failure of every table
    sources = find_sources(source, format=format, card=card, options=parse_options(options))
    if subject_pattern is not None:
        from kinelet.corpus.find import with_subjects

        sources = with_subjects(sources, subject_pattern)
    given = {"rate_hz": rate, "channels": channels, "calibrate": calibrate, "nonwear": nonwear, "streams": streams}
    _build(sources, out, given, workers, json)


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Public dataset; see kinelet list datasets.")],
    out: Out,
    raw: Annotated[Path | None, typer.Option(help="Folder with the publisher's files; default raw/NAME.")] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch from the publisher into it first.")] = False,
    rate: Rate = None,
    channels: Channels = None,
    streams: Streams = False,
    workers: Workers = 1,
    json: Json = False,
) -> None:
    """Add a public dataset, from its publisher's own layout."""
    from kinelet.corpus.find import dataset_sources
    from kinelet.datasets.download import fetch, instructions
    from kinelet.datasets.registry import get_dataset
    from kinelet.errors import BadFileError

    dataset, raw = get_dataset(name), raw or Path("raw") / name
    if download:
        fetch(dataset.card, raw)
    if not dataset.find(raw):
        remedy = instructions(dataset.card, raw)
        raise BadFileError(f"no recordings of {dataset.card.title} here", where=str(raw), remedy=remedy)
    given = {"rate_hz": rate, "channels": channels, "streams": streams}
    _build(dataset_sources(name, raw), out, given, workers, json)


@app.command("info")
def info(
    path: Annotated[Path, typer.Argument(help="Corpus folder.")],
    plot: Annotated[Path | None, typer.Option(help="Write a timeline of every subject (PNG).")] = None,
    json: Json = False,
) -> None:
    """People, hours, labels, sites, rates and quality."""
    from kinelet.cli import output
    from kinelet.corpus.corpus import Corpus

    corpus = Corpus.open(path)
    found = corpus.info()
    if plot is not None:
        from kinelet.corpus.picture import picture

        picture(corpus, plot)
    if json:
        output.as_json(found.as_dict())
    else:
        output.table(str(path), ("what", "value"), found.rows())
        if plot is not None:
            print(f"picture: {plot}")


def _build(sources: Sequence[Any], out: Path, given: dict[str, Any], workers: int, json: bool) -> None:
    from kinelet.cli import output
    from kinelet.config import validate
    from kinelet.corpus.build import build as run
    from kinelet.corpus.process import BuildConfig
    from kinelet.errors import BadFileError
    from kinelet.progress import progress_bar

    names = [c.strip() for c in given["channels"].split(",")] if given["channels"] else None
    config = validate(BuildConfig, given | {"channels": names}, where="options")
    with progress_bar(f"build {out}", len(sources), unit="sources") as progress:
        summary = run(sources, out, config, workers=workers, progress=progress)
    if json:
        output.as_json(summary.as_dict())
    else:
        output.table(str(out), ("what", "value"), summary.rows())
    if not summary.recordings:
        reason = summary.failures[0].reason if summary.failures else "the sources hold no recording"
        raise BadFileError("nothing could be taken in", where=str(out), remedy=f"The first reason: {reason}")
