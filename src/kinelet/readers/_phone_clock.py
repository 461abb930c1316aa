"""Clocks of phone and watch logs: nanoseconds since 1970, seconds since the device started, or time of day as text."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np

from kinelet.errors import BadFileError
from kinelet.readers._coremotion import MotionColumns, plain
from kinelet.readers.card import TimeCard
from kinelet.readers.clocks import Clock, read_clock
from kinelet.readers.frame import Columns

Unit = Literal["s", "ms", "us", "ns"]
# Smallest number that is a time since 1970 (after 2001) in each unit.
SINCE_1970: dict[Unit, float] = {"ns": 1e18, "us": 1e15, "ms": 1e12, "s": 1e9}
"""Numbers below the smallest are seconds since the device started."""


def read_phone_clock(
    columns: Columns, found: MotionColumns, *, duplicates: Any = "first", max_gap_s: float | None = None
) -> Clock:
    """Clock of a log, its unit found from the size of the numbers.

    Args:
        columns: The log.
        found: Which columns are what.
        duplicates: Policy for rows with the same time.
        max_gap_s: Longest step that is not a gap.

    Raises:
        BadFileError: A cell is not a time.
    """
    settings: dict[str, Any] = {"irregular": True, "duplicates": duplicates, "max_gap_s": max_gap_s}
    if plain(found.time) == "loggingtime":
        texts = columns.table.column(found.time).to_pylist()
        ticks = np.array([_microseconds(t, i, columns) for i, t in enumerate(texts)], dtype=np.int64)
        return Clock(ticks, 1e-6, True, TimeCard(column=found.time, unit="us", **settings), columns)
    clock = read_clock(columns, TimeCard(column=found.time, **settings))
    unit = next((u for u, least in SINCE_1970.items() if len(clock.ticks) and clock.ticks[0] >= least), None)
    return read_clock(columns, TimeCard(column=found.time, unit=unit or "s", unix=unit is not None, **settings))


def wall_start(columns: Columns, found: MotionColumns) -> float | None:
    """Time of day of the first row in seconds since 1970, where the log has it as text beside its own clock."""
    if found.wall is None:
        return None
    return _microseconds(columns.table.column(found.wall)[0].as_py(), 0, columns) / 1e6


def _microseconds(text: object, row: int, columns: Columns) -> int:
    # "2024-05-01 10:00:00.123 +0200": the blank before the offset is not ISO 8601.
    try:
        when = datetime.fromisoformat(re.sub(r"\s+([+-]\d\d:?\d\d)$", r"\1", str(text).strip()))
    except ValueError:
        where = f"{columns.path}, row {row}"
        raise BadFileError(f"logging time {str(text)[:40]!r} is not a date and time", where=where) from None
    return round((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1e6)
