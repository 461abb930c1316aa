"""``kinelet read``: what is in a recording, and is it any good."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def read(
    path: Annotated[Path, typer.Argument(help="A device file, a folder (Empatica E4) or a table with --card.")],
    options: Annotated[list[str] | None, typer.Argument(help="Reader options as key=value.")] = None,
    card: Annotated[Path | None, typer.Option(help="YAML card that describes a table.")] = None,
    format: Annotated[str | None, typer.Option(help="Reader to use instead of guessing from content.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write an overview picture (PNG).")] = None,
    limit: Annotated[int, typer.Option(help="Recordings to show of a table that holds many.")] = 10,
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
        if plot is not None and number == 0:
            from kinelet.signal.plot import plot_recording

            plot_recording(rec, plot)
        if json:
            rows = [{"name": n, "value": v, "remark": r} for n, v, r in report.rows()]
            documents.append({"name": rec.name, "subject": rec.subject, "spec": rec.spec.model_dump(), "quality": rows})
        else:
            rows_ = [*_identity(rec.subject, rec.spec.site, rec.meta), *report.rows()]
            output.table(rec.name, ("measure", "value", "remark"), rows_)
            for line in rec.warnings:
                print(f"warning: {line}")
    if json:
        output.as_json(documents)
    elif next(recordings, None) is not None:
        print(f"… and more recordings; --limit shows more than {limit}")


def _identity(subject: str, site: str | None, meta: object) -> list[tuple[str, str, str]]:
    facts = dict(meta) if hasattr(meta, "keys") else {}  # type: ignore[call-overload]
    device = " ".join(str(facts[k]) for k in ("device", "serial") if facts.get(k))
    return [("subject", subject, ""), ("site", site or "unknown", ""), ("device", device or "unknown", "")]
