"""One table, many recordings: the general reader for CSV, Parquet and NPZ, driven by a card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from kinelet.errors import BadFileError, BadOptionError
from kinelet.readers.builder import Builder
from kinelet.readers.card import TableCard, load_card
from kinelet.readers.clocks import Rows, reset_points
from kinelet.readers.columns import ITEM, load_columns
from kinelet.signal.recording import Recording

CardSource = TableCard | Mapping[str, Any] | str | Path


def read_table(
    path: str | Path, *, card: CardSource, subject: str | None = None, recording: str | None = None
) -> Recording:
    """Read one recording from a table.

    Args:
        path: CSV, Parquet or NPZ file.
        card: What its columns mean (:class:`kinelet.readers.card.TableCard`, mapping, or path of a YAML file).
        subject: Who wore the sensor, over what the card says.
        recording: Name of the recording, where the table holds several.

    Returns:
        Recording with data of shape ``(time, channel)``.

    Raises:
        BadFileError: The file or a value in it cannot be used.
        BadOptionError: The card does not fit, or the table holds several recordings and none was named.
    """
    found: list[str] = []
    first: Recording | None = None
    for rec in read_table_all(path, card, subject=subject):
        if rec.name == recording:
            return rec
        first = first or rec
        found.append(rec.name)
    listed = ", ".join(found[:8]) + (", …" if len(found) > 8 else "")
    if recording is not None:
        raise BadOptionError(f"no recording {recording!r}", where=str(path), remedy=f"There are: {listed}")
    if first is None or len(found) > 1:
        remedy = f"Name one (recording=) or use read_many; there are: {listed}"
        raise BadOptionError(f"the table holds {len(found)} recordings", where=str(path), remedy=remedy)
    return first


def read_table_all(path: str | Path, card: CardSource, *, subject: str | None = None) -> Iterator[Recording]:
    """Yield every recording of a table, in the order of its rows.

    The columns are held as the file stores them, and one recording at a time is turned into numbers. Recordings that a
    policy of the card leaves out are named in the warnings of the next one that is yielded (or of the last).

    Args:
        path: CSV, Parquet or NPZ file.
        card: What its columns mean.
        subject: Who wore the sensor, over what the card says.

    Raises:
        BadFileError: The file or a value in it cannot be used.
        BadOptionError: The card does not fit.
    """
    path, card = Path(path), load_card(card)
    columns = load_columns(path, card)
    separating = (*card.recording, *((ITEM,) if ITEM in columns.table.column_names else ()))
    builder = Builder.open(path, card, columns, separating, subject)
    held: Recording | None = None  # one behind, so that recordings left out at the end are named too
    left_out: list[str] = []
    for name, rows, part in _parts(builder, separating):
        rec = builder.recording(rows, name, part)
        if isinstance(rec, str):
            left_out.append(f"left out: {rec}")
            continue
        if held is not None:
            yield held
        held, left_out = rec.replace(warnings=(*rec.warnings, *left_out)), []
    if held is None:
        raise BadFileError(f"no recording is left; {left_out[0]}", where=str(path))
    yield held.replace(warnings=(*held.warnings, *left_out))


def _parts(builder: Builder, separating: tuple[str, ...]) -> Iterator[tuple[str, Rows, int]]:
    """Yield name, rows and part (-1 where the clock was not reset) of every recording."""
    keys = [builder.keys[c] for c in separating]
    order = np.arange(builder.columns.table.num_rows)
    if builder.card.rows == "scattered" and keys:
        order = np.lexsort([codes for codes, _ in reversed(keys)])
    codes = [codes[order] for codes, _ in keys]
    starts = _starts(codes, len(order))
    _refuse_returning(builder, codes, starts, separating)
    prefix = builder.card.name or builder.path.stem
    for start, stop in zip(starts, [*starts[1:], len(order)], strict=True):
        name = "-".join(
            [prefix, *(v[c[start]] if c[start] >= 0 else "" for c, (_, v) in zip(codes, keys, strict=True))]
        )
        rows = order[start:stop]
        cuts = [0, *(reset_points(builder.clock, rows) if builder.clock else ()), len(rows)]
        for part, (a, b) in enumerate(pairwise(cuts)):
            yield (name, rows, -1) if len(cuts) == 2 else (f"{name}-part{part + 1}", rows[a:b], part)


def _starts(codes: list[Any], n: int) -> list[int]:
    change = np.zeros(n, dtype=bool)
    change[0] = True
    for column in codes:
        change[1:] |= column[1:] != column[:-1]
    return [int(i) for i in np.flatnonzero(change)]


def _refuse_returning(builder: Builder, codes: list[Any], starts: list[int], separating: tuple[str, ...]) -> None:
    """Refuse a table in which a recording ends and comes back later."""
    seen: set[tuple[int, ...]] = set()
    for start in starts:
        key = tuple(int(c[start]) for c in codes)
        if key in seen:
            raise BadFileError(
                f"the recording with these {', '.join(separating)} ended before and comes back",
                where=f"{builder.path}, row {builder.columns.row(start)}",
                remedy="Name more columns in `recording`, or set rows: scattered in the card",
            )
        seen.add(key)
