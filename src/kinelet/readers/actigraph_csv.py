"""ActiGraph raw CSV, as ActiLife exports it: ten header lines, then one row a sample in g."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kinelet.errors import BadFileError, BadOptionError
from kinelet.readers._actilife import (
    HEADER_LINES,
    ORDERS,
    Header,
    Layout,
    first_lines,
    read_header,
    read_layout,
    start_time,
)
from kinelet.readers.card import TimeCard
from kinelet.readers.checks import norm_warnings
from kinelet.readers.clocks import Clock, Timing, column_timing, reset_points, uniform_timing
from kinelet.readers.csvfile import read_csv
from kinelet.readers.frame import Columns
from kinelet.signal.recording import FloatArray, Recording
from kinelet.signal.spec import imu_spec

# The device sleeps after ten seconds without motion; shorter runs of equal rows also happen awake.
IDLE_S = 10.0


def read_actigraph_csv(
    path: str | Path,
    *,
    subject: str | None = None,
    idle_sleep: str = "keep",
    date_order: str | None = None,
    decimal: str | None = None,
) -> Recording:
    """Read an ActiGraph raw CSV export, with or without a line of column names and a ``Timestamp`` column.

    Args:
        path: The file.
        subject: Who wore the device; the file's stem by default.
        idle_sleep: ActiLife fills the time in which the device slept by repeating a row. ``keep`` (default) leaves
            runs of equal rows of ten seconds and more as they are and warns; ``gap`` makes gaps of them.
        date_order: ``mdy``, ``dmy`` or ``ymd``; by default from the header's ``date format``. Where neither says and
            the date can be read in two ways, the recording has no absolute start, and a warning.
        decimal: ``.`` or ``,``; by default from the first rows (a semicolon between cells goes with a comma in them).

    Returns:
        Acceleration in g, shape ``(time, 3)``. The device keeps local time; ``start_unix_s`` takes it as UTC.

    Raises:
        BadFileError: The file holds epochs (counts), is cut off in its header, or a row cannot be parsed.
        BadOptionError: An option has another value.
    """
    path = Path(path)
    _allowed("idle_sleep", idle_sleep, ("keep", "gap"))
    _allowed("date_order", date_order, (None, *ORDERS))
    _allowed("decimal", decimal, (None, ".", ","))
    lines = first_lines(path)
    header = read_header(lines, path)
    layout = read_layout(lines[HEADER_LINES:], decimal, path)
    order = date_order or header.order
    columns = read_csv(path, layout.csv, _types(layout))
    data = np.stack([columns.numbers(a) for a in layout.axes], axis=1).astype(np.float32)
    _refuse_missing(data, path)
    idle = _idle_rows(data, header.rate_hz)
    start, warnings = start_time(header, order)
    clock = _stamps(columns, layout, order)
    timing = _timing(clock, len(data), idle if idle_sleep == "gap" else None, header.rate_hz)
    spec = imu_spec(header.rate_hz)
    return Recording(
        data=data[timing.kept],
        spec=spec,
        subject=subject or path.stem,
        name=path.stem,
        segments=timing.segments,
        start_unix_s=timing.start_unix_s if clock is not None else start,
        time_s=timing.times if timing.keep_times else None,
        gap_reasons=tuple("idle_sleep" if r == "missing_values" else r for r in timing.gap_reasons),
        resolution=(10.0**-layout.decimals,) * 3,
        meta=_meta(header, path, idle_sleep, order, layout),
        warnings=(*warnings, *_idle_warning(idle, header, idle_sleep), *timing.warnings, *norm_warnings(data, spec)),
    )


def _allowed(option: str, value: str | None, allowed: tuple[str | None, ...]) -> None:
    if value not in allowed:
        names = ", ".join(repr(a) for a in allowed if a is not None)
        raise BadOptionError(f"{option} is {value!r}", where=option, remedy=f"Use one of {names}")


def _types(layout: Layout) -> dict[str, Any]:
    stamp = {} if layout.stamp is None else {layout.stamp: pa.string()}
    return {**dict.fromkeys(layout.axes, pa.float32()), **stamp}


def _refuse_missing(data: FloatArray, path: Path) -> None:
    if not len(data):
        raise BadFileError("no samples after the header", where=str(path), remedy="Export the recording again")
    bad = np.flatnonzero(~np.isfinite(data).all(axis=1))
    if len(bad):
        raise BadFileError(
            f"{len(bad)} rows without a number", where=f"{path}, sample {bad[0]}", remedy="Export it again"
        )


def _idle_rows(data: FloatArray, rate_hz: float) -> npt.NDArray[np.bool_]:
    """Rows that repeat the one before, in runs of at least ten seconds."""
    same = np.r_[False, (data[1:] == data[:-1]).all(axis=1)]
    edges = np.flatnonzero(np.diff(np.r_[False, same, False].astype(np.int8)))
    idle = np.zeros(len(data), dtype=bool)
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        idle[start:stop] = stop - start + 1 >= IDLE_S * rate_hz
    return idle


def _idle_warning(idle: npt.NDArray[np.bool_], header: Header, policy: str) -> tuple[str, ...]:
    if not idle.any():
        return ()
    kept = "kept as samples" if policy == "keep" else "made gaps"
    return (
        f"{idle.sum() / header.rate_hz:.0f} s of repeated rows look like idle sleep: {kept} (idle_sleep={policy!r})",
    )


def _stamps(columns: Columns, layout: Layout, order: str | None) -> Clock | None:
    """The ``Timestamp`` column as microseconds, read in the header's order of day and month."""
    if layout.stamp is None:
        return None
    column = columns.table.column(layout.stamp)
    first = str(column[0].as_py()).strip()
    if not re.match(r"\d{4}", first) and order not in ("mdy", "dmy"):
        remedy = "Say date_order='mdy' or 'dmy'"
        raise BadFileError(f"time stamp {first!r} can be read in two ways", where=str(columns.path), remedy=remedy)
    mark = next((c for c in "/-." if c in first.split(" ")[0]), "/")
    day = "%Y-%m-%d" if re.match(r"\d{4}", first) else "%m-%d-%Y" if order == "mdy" else "%d-%m-%Y"
    try:
        # Chunk by chunk: taken apart into text, a week of stamps would need many times the file's size.
        ticks = [_microseconds(chunk, day.replace("-", mark)) for chunk in column.chunks]
    except pa.ArrowInvalid as error:
        what = f"time stamps such as {first!r} cannot be read ({' '.join(str(error).split())[:120]})"
        raise BadFileError(what, where=str(columns.path), remedy="Say date_order, or export without stamps") from error
    return Clock(np.concatenate(ticks), 1e-6, True, TimeCard(column=layout.stamp), columns)


def _microseconds(stamps: Any, day: str) -> npt.NDArray[np.int64]:
    text = pc.replace_substring(pc.replace_substring(pc.utf8_trim_whitespace(stamps), "T", " "), ",", ".")
    if text.null_count:
        raise pa.ArrowInvalid(f"{text.null_count} are empty")
    parts = pc.split_pattern(text, " ", max_splits=1)
    clocks = pc.split_pattern(pc.list_element(parts, 1), ":")
    days = pc.cast(pc.strptime(pc.list_element(parts, 0), format=day, unit="s"), pa.int64()).to_numpy()
    hours, minutes, seconds = (pc.cast(pc.list_element(clocks, i), pa.float64()).to_numpy() for i in range(3))
    clock = np.round((hours * 3600 + minutes * 60 + seconds) * 1e6)
    return np.asarray(days * 1_000_000 + clock.astype(np.int64))


def _timing(clock: Clock | None, n: int, idle: npt.NDArray[np.bool_] | None, rate_hz: float) -> Timing:
    missing = idle if idle is not None and idle.any() else None
    if clock is None:
        return uniform_timing(n, rate_hz, missing)
    rows = np.arange(n)
    reset_points(clock, rows)
    timing = column_timing(clock, rows, missing, rate_hz)
    if isinstance(timing, str):
        raise BadFileError(timing, where=str(clock.columns.path))
    return timing


def _meta(header: Header, path: Path, idle_sleep: str, order: str | None, layout: Layout) -> dict[str, Any]:
    return {
        "reader": "actigraph_csv",
        "file": path.name,
        "device": header.device,
        "serial": header.serial,
        "idle_sleep": idle_sleep,
        "date_order": order or "unknown",
        "decimal": layout.csv.decimal,
        "clock": "device local time, taken as UTC",
    }
