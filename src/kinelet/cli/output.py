"""How commands print: tables for people, JSON for machines."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, tight: bool = False) -> None:
    """Print a table on standard output; a tight one has no lines, for more columns."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=Text(title, style="bold"), title_justify="left")
    if tight:
        shown.box, shown.pad_edge, shown.collapse_padding = None, False, True
    for name in columns:
        shown.add_column(name, overflow="fold")
    for row in rows:
        # As Text, because square brackets in file names and intervals are no markup.
        shown.add_row(*(Text(str(cell)) for cell in row))
    Console(highlight=False).print(shown)


def as_json(value: Any) -> None:
    """Print one JSON document on standard output; numbers that are not finite become null."""
    print(json.dumps(_plain(value), indent=2, allow_nan=False))


def require_folder(option: str, path: Path) -> None:
    """Raise unless there is a folder to write ``path`` into: better before an hour of work than after.

    Raises:
        BadOptionError: naming the folder and the option.
    """
    from kinelet.errors import BadOptionError

    if not path.parent.is_dir():
        raise BadOptionError(f"there is no folder {path.parent}", where=f"{option} {path}", remedy="Make it first")


def _plain(value: Any) -> Any:
    for convert in ("tolist", "model_dump", "isoformat", "_asdict"):
        if hasattr(value, convert):
            return _plain(getattr(value, convert)())
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)
