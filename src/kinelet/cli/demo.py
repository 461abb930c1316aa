"""``kinelet demo``: the whole walk on real recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    overrides: Annotated[list[str] | None, typer.Argument(help="key=value over the recipe.")] = None,
    out: Annotated[Path, typer.Option(help="Where corpus, runs and report go.")] = Path("demo"),
) -> None:
    """Build, pretrain, judge and report on ten people's shoulder exercises; a few minutes on a laptop."""
    from kinelet.demo import run_demo
    from kinelet.report.demo import verdict

    found = run_demo(out, overrides)
    print(f"report: {(out / 'report.html').resolve().as_uri()}")
    print(verdict(found))
