"""``kinelet doctor``: what is installed, which device, how many threads, and what is wrong."""

from __future__ import annotations

from typing import Annotated

import typer


def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Say what is installed, which device is used, and what is wrong."""
    from kinelet.cli import output
    from kinelet.doctor import examine

    findings = examine()
    if json:
        output.as_json([f._asdict() for f in findings])
    else:
        output.table("kinelet doctor", ("what", "found", "verdict"), findings)
    if any(f.verdict.startswith("wrong") for f in findings):
        raise typer.Exit(1)
