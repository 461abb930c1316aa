"""``kinelet read``: what is in a recording, and is it any good."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from kinelet.signal.quality import QualityReport
    from kinelet.signal.recording import Recording


def read(
    path: Annotated[Path, typer.Argument(help="A device file, a folder (Empatica E4) or a table with --card.")],
    options: Annotated[list[str] | None, typer.Argument(help="Reader options as key=value.")] = None,
    card: Annotated[Path | None, typer.Option(help="YAML card that describes a table.")] = None,
    format: Annotated[str | None, typer.Option(help="Reader to use instead of guessing from content.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write an overview picture of the first recording (PNG).")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Recordings to show of a table that holds many.")] = 10,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Read a recording and print its quality report."""
    from itertools import islice

    from kinelet.cli import output
    from kinelet.cli.options import parse_options
    from kinelet.readers.registry import read_many

    recordings = read_many(path, format=format, card=card, **parse_options(options))
    documents = []
    for number, rec in enumerate(islice(recordings, limit)):
        report = rec.quality()
        if json:
            documents.append(_document(rec, report))
        else:
            _show(rec, report)
        if plot is not None and number == 0:
            from kinelet.signal.plot import plot_recording

            plot_recording(rec, plot)
    if json:
        output.as_json(documents)
        return
    if next(recordings, None) is not None:
        print(f"… and more recordings; --limit shows more than {limit}")
    if plot is not None:
        print(f"picture: {plot}")


def _show(rec: Recording, report: QualityReport) -> None:
    from kinelet.cli import output

    rows = [*_identity(rec), *report.rows(), *_annotations(rec), *_streams(rec)]
    output.table(rec.name, ("measure", "value", "remark"), rows)
    for line in report.warnings:
        print(f"warning: {line}")


def _document(rec: Recording, report: QualityReport) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "name": rec.name,
        "subject": rec.subject,
        "start_unix_s": rec.start_unix_s,
        "spec": rec.spec,
        "quality": asdict(report),
        "gaps": [asdict(g) for g in rec.gaps],
        "streams": {name: {"spec": s.spec, "n_samples": len(s.data)} for name, s in rec.streams.items()},
        "meta": rec.meta,
        "warnings": report.warnings,
    }


def _identity(rec: Recording) -> Iterator[tuple[str, str, str]]:
    from datetime import UTC, datetime

    yield "subject", rec.subject, ""
    yield "site", rec.spec.site or "unknown", ""
    yield "device", " ".join(str(rec.meta[k]) for k in ("device", "serial") if rec.meta.get(k)) or "unknown", ""
    yield "channels", " ".join(rec.spec.channels), f"in {', '.join(dict.fromkeys(rec.spec.units))}"
    if rec.start_unix_s is not None:
        yield "start", f"{datetime.fromtimestamp(rec.start_unix_s, UTC):%Y-%m-%d %H:%M:%S}", "by the device's clock"


def _annotations(rec: Recording) -> Iterator[tuple[str, str, str]]:
    """One row a track: how many annotations it holds, and their classes."""
    from textwrap import shorten

    for track in dict.fromkeys(a.track for a in rec.annotations):
        own = [a for a in rec.annotations if a.track == track]
        labels = dict.fromkeys(a.label for a in own if a.label is not None)
        yield f"track {track}", f"{len(own):,} annotations", shorten(", ".join(labels), 200, placeholder=" …")


def _streams(rec: Recording) -> Iterator[tuple[str, str, str]]:
    for name, stream in rec.streams.items():
        units = ", ".join(f"{c} in {u}" for c, u in zip(stream.spec.channels, stream.spec.units, strict=True))
        yield f"stream {name}", f"{stream.spec.rate_hz:g} Hz", f"{len(stream.data):,} samples, {units}"
