"""``kinelet corpus``: build, add a public set, look inside."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Build a corpus, add a public dataset, or look inside one.", no_args_is_help=True)

Out = Annotated[Path, typer.Option(help="Corpus folder.")]
Rate = Annotated[float | None, typer.Option(help="Resample everything to this rate (Hz).")]
Channels = Annotated[str | None, typer.Option(help="Channels to keep, for example acc_x,acc_y,acc_z.")]
Workers = Annotated[int, typer.Option(help="Processes.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("build")
def build(
    source: Annotated[Path, typer.Argument(help="A recording, a table, or a folder of them.")],
    out: Out,
    options: Annotated[list[str] | None, typer.Argument(help="Reader options as key=value.")] = None,
    card: Annotated[Path | None, typer.Option(help="YAML card that describes the tables.")] = None,
    format: Annotated[str | None, typer.Option(help="Reader to use instead of guessing from content.")] = None,
    rate: Rate = None,
    channels: Channels = None,
    calibrate: Annotated[bool, typer.Option("--calibrate", help="Calibrate accelerometers against gravity.")] = False,
    workers: Workers = 1,
    json: Json = False,
) -> None:
    """Build a corpus from a folder of recordings, or a table with a card. Again: does only what changed."""
    from kinelet.cli.options import parse_options
    from kinelet.corpus.find import find_sources

    sources = find_sources(source, format=format, card=card, options=parse_options(options))
    _build(sources, out, rate, channels, calibrate, workers, json)


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Public dataset; see kinelet list datasets.")],
    out: Out,
    raw: Annotated[Path | None, typer.Option(help="Folder with the publisher's files.")] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch from the publisher into --raw first.")] = False,
    rate: Rate = None,
    channels: Channels = None,
    workers: Workers = 1,
    json: Json = False,
) -> None:
    """Add a public dataset, from its publisher's own layout."""
    from kinelet.corpus.find import dataset_sources
    from kinelet.datasets.download import fetch
    from kinelet.datasets.registry import get_dataset
    from kinelet.errors import BadOptionError

    dataset = get_dataset(name)
    if download:
        raw = raw or Path("raw") / name
        fetch(dataset.card, raw)
    if raw is None:
        raise BadOptionError("no --raw folder given", where=name, remedy="Add --raw DIR, or --download to fetch it")
    _build(dataset_sources(name, raw), out, rate, channels, False, workers, json)


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


def _build(
    sources: Iterable[Any],
    out: Path,
    rate: float | None,
    channels: str | None,
    calibrate: bool,
    workers: int,
    json: bool,
) -> None:
    from kinelet.cli import output
    from kinelet.config import validate
    from kinelet.corpus.build import build as run
    from kinelet.corpus.process import BuildConfig

    given = {"rate_hz": rate, "channels": channels.split(",") if channels else None, "calibrate": calibrate}
    config = validate(BuildConfig, given, where="options")
    summary = run(sources, out, config, workers=workers)
    if json:
        output.as_json(summary.as_dict())
    else:
        output.table(str(out), ("what", "value"), summary.rows())
    if not summary.recordings:
        raise typer.Exit(2)
