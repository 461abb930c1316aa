"""Clocks of tables: from a time column, or a bare sampling rate, to times, segments and gaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kinelet.errors import BadFileError
from kinelet.readers.card import TimeCard
from kinelet.readers.frame import Columns
from kinelet.signal.clock import default_max_gap_s, split_at_gaps
from kinelet.signal.recording import Segment

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
UNIFORM_GAP_PERIODS = 1.5
# Slower than one sample a quarter of an hour or faster than 100 kHz, no motion sensor writes: the unit is wrong.
MIN_RATE_HZ, MAX_RATE_HZ = 1e-3, 1e5

Ticks = npt.NDArray[Any]
Rows = npt.NDArray[np.int64]
Times = npt.NDArray[np.float64]
Missing = npt.NDArray[np.bool_] | None


@dataclass(frozen=True)
class Clock:
    """A time column: integer or floating ticks of ``unit_s`` seconds, one per row of ``columns``."""

    ticks: Ticks
    unit_s: float
    unix: bool
    card: TimeCard
    columns: Columns

    def fail(self, what: str, row: int, remedy: str) -> BadFileError:
        """An error that names the row of the file and the time there."""
        where = f"{self.columns.path}, row {self.columns.row(row)}"
        return BadFileError(f"{what} (column {self.card.column!r})", where=where, remedy=remedy)


@dataclass(frozen=True)
class Timing:
    """When the rows of one recording were sampled.

    Attributes:
        kept: Which of its rows are samples, positions.
        merge: First position within ``kept`` of each run that is averaged into one sample, or ``None``.
        times: Seconds since the first sample, one a sample.
        rate_hz: Nominal rate.
        segments: Runs without a gap.
        gap_reasons: Why there is a gap after each segment but the last.
        keep_times: Whether the recording has to carry the time of every sample.
        start_unix_s: Absolute time of the first sample.
        policies: Choices that were made.
        warnings: What was odd.
    """

    kept: Rows
    merge: Rows | None
    times: Times
    rate_hz: float
    segments: tuple[Segment, ...]
    gap_reasons: tuple[str, ...]
    keep_times: bool
    start_unix_s: float | None = None
    policies: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def read_clock(columns: Columns, card: TimeCard) -> Clock:
    """Read a time column.

    Raises:
        BadFileError: A cell is empty or not a time.
    """
    column = columns.table.column(card.column)
    absolute = card.unit == "iso8601" or pa.types.is_timestamp(column.type)
    ticks = _timestamps(column, columns, card) if absolute else _ticks(column, columns, card)
    clock = Clock(ticks, 1e-6 if absolute else SECONDS[card.unit], absolute or card.unix, card, columns)
    bad = np.flatnonzero(~np.isfinite(ticks)) if ticks.dtype.kind == "f" else np.empty(0, dtype=np.int64)
    if len(bad):
        raise clock.fail(f"{len(bad)} rows have no time", int(bad[0]), "Leave these rows out")
    return clock


def _ticks(column: Any, columns: Columns, card: TimeCard) -> Ticks:
    """Numbers of a time column; text (from CSV) becomes integers where it can, since floats cannot hold nanoseconds."""
    if not pa.types.is_string(column.type):
        return columns.numbers(card.column)
    text = pc.utf8_trim_whitespace(column)
    if not text.null_count:
        try:
            return np.asarray(pc.cast(text, pa.int64()).to_numpy())
        except pa.ArrowInvalid:
            pass
    try:
        return np.asarray(pc.cast(text, pa.float64()).to_numpy())
    except pa.ArrowInvalid as error:
        what = f"column {card.column!r} is not a time in {card.unit} ({error})"
        raise BadFileError(what, where=str(columns.path), remedy="Set time.unit: iso8601 for dates") from error


def _timestamps(column: Any, columns: Columns, card: TimeCard) -> Ticks:
    if column.null_count:
        row = columns.row(int(np.flatnonzero(np.asarray(column.is_null()))[0]))
        raise BadFileError(f"{column.null_count} rows have no time", where=f"{columns.path}, row {row}")
    for target in (pa.timestamp("us", tz="UTC"), pa.timestamp("us")):
        try:
            return np.asarray(pc.cast(pc.cast(column, target, safe=False), pa.int64()).to_numpy())
        except pa.ArrowInvalid:
            continue
    raise BadFileError(
        f"column {card.column!r} is not ISO 8601 (first cell {column[0].as_py()!r})",
        where=str(columns.path),
        remedy="Set time.unit in the card to s, ms, us or ns",
    )


def reset_points(clock: Clock, rows: Rows) -> list[int]:
    """Positions at which the clock runs backwards.

    Raises:
        BadFileError: It does, and the card does not say ``resets: split``.
    """
    back = np.flatnonzero(np.diff(clock.ticks[rows]) < 0) + 1
    if len(back) and clock.card.resets == "error":
        remedy = "Set time.resets: split in the card if several recordings follow each other"
        raise clock.fail(f"the clock runs backwards {len(back)} times", int(rows[back[0]]), remedy)
    return [int(i) for i in back]


def uniform_timing(n: int, rate_hz: float, missing: Missing) -> Timing:
    """Timing of ``n`` rows without a time column; ``missing`` rows become gaps."""
    kept = np.arange(n) if missing is None else np.flatnonzero(~missing)
    times = (kept - kept[0]) / rate_hz
    after_nan = np.diff(kept) > 1
    segments, reasons = _segments(times, np.flatnonzero(after_nan) + 1, after_nan)
    return Timing(kept, None, times, rate_hz, segments, reasons, False)


def column_timing(clock: Clock, rows: Rows, missing: Missing, nominal_hz: float | None) -> Timing | str:
    """Timing of rows with a time column, or the reason why the recording is left out.

    Raises:
        BadFileError: Duplicate times, a recording that is too fast, or a clock that is not uniform, where the card
            does not allow for it.
    """
    card = clock.card
    kept = np.arange(len(rows)) if missing is None else np.flatnonzero(~missing)
    times = _seconds(clock, rows[kept])
    if reason := _too_fast(clock, rows, times):
        return reason
    kept, times, merge = _settle_duplicates(clock, rows, kept, times)
    after_nan = _missing_between(kept if merge is None else kept[merge], missing)
    rate = nominal_hz or _mean_rate(clock, rows, times)
    limit = card.max_gap_s or (default_max_gap_s(rate) if card.irregular else UNIFORM_GAP_PERIODS / rate)
    at_gaps = [s.start for s in split_at_gaps(times, rate, limit)[1:]]
    segments, reasons = _segments(times, np.union1d(at_gaps, np.flatnonzero(after_nan) + 1), after_nan)
    keep_times, warnings = (True, ()) if card.irregular else _check_uniform(clock, rows[kept], times, segments, rate)
    start = float(clock.ticks[rows[kept[0]]]) * clock.unit_s if clock.unix else None
    policies = {"max_gap_s": limit, "duplicate_times": card.duplicates}
    return Timing(kept, merge, times, rate, segments, reasons, keep_times, start, policies, warnings)


def _seconds(clock: Clock, rows: Rows) -> Times:
    ticks = clock.ticks[rows]
    return np.asarray((ticks - ticks[0]) * clock.unit_s, dtype=np.float64)


def _too_fast(clock: Clock, rows: Rows, times: Times) -> str:
    limit, span = clock.card.max_rate_hz, times[-1]
    if limit is None or len(times) < 2 or (len(times) - 1) <= limit * span:
        return ""
    rate = f"{(len(times) - 1) / span:.1f} rows a second" if span > 0 else f"{len(times)} rows at one time"
    if clock.card.too_fast == "error":
        remedy = "Several recordings lie in one; name the column that separates them, or set time.too_fast: skip"
        raise clock.fail(f"{rate}, above max_rate_hz = {limit:g}", int(rows[0]), remedy)
    return f"{rate}: several recordings lie in one"


def _settle_duplicates(clock: Clock, rows: Rows, kept: Rows, times: Times) -> tuple[Rows, Times, Rows | None]:
    """Apply the policy for rows with the same time; returns rows that are kept, sample times, runs to average."""
    same = np.flatnonzero(np.diff(times) == 0)
    if not len(same):
        return kept, times, None
    if clock.card.duplicates == "keep":
        return kept, times, None
    starts = np.flatnonzero(np.r_[True, np.diff(times) > 0])
    if clock.card.duplicates == "error":
        remedy = "Set time.duplicates in the card to keep, first, mean or spread"
        raise clock.fail(f"{len(same)} rows have the time of the row before", int(rows[kept[same[0] + 1]]), remedy)
    if clock.card.duplicates == "first":
        return kept[starts], times[starts], None
    if clock.card.duplicates == "mean":
        return kept, times[starts], starts
    return kept, _spread(clock, rows, times, starts), None


def _spread(clock: Clock, rows: Rows, times: Times, starts: Rows) -> Times:
    """Spread the samples of each batch evenly over the time to the next; the last batch takes the median step."""
    if len(starts) < 2:
        raise clock.fail("all rows have the same time", int(rows[0]), "Leave this recording out")
    at, counts = times[starts], np.diff(np.r_[starts, len(times)])
    steps = np.r_[np.diff(at), np.median(np.diff(at))] / counts
    within = np.arange(len(times)) - np.repeat(starts, counts)
    return np.asarray(np.repeat(at, counts) + within * np.repeat(steps, counts))


def _missing_between(kept: Rows, missing: Missing) -> npt.NDArray[np.bool_]:
    if missing is None:
        return np.zeros(max(len(kept) - 1, 0), dtype=bool)
    return np.asarray(np.diff(np.cumsum(missing)[kept]) > 0)


def _mean_rate(clock: Clock, rows: Rows, times: Times) -> float:
    """Rate over the ordinary steps: those up to ten times the median, so that gaps do not count."""
    steps = np.diff(times)
    if not len(steps):
        raise clock.fail("one row has no rate", int(rows[0]), "Give rate_hz in the card")
    rate = float(1.0 / np.mean(steps[steps <= 10 * np.median(steps)])) if steps.any() else 0.0
    if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
        remedy = "Check the unit of the time column"
        raise clock.fail(f"the times give {rate:.3g} samples a second", int(rows[0]), remedy)
    return rate


def _segments(
    times: Times, at: npt.NDArray[Any], after_nan: npt.NDArray[np.bool_]
) -> tuple[tuple[Segment, ...], tuple[str, ...]]:
    """Cut before the samples ``at``; returns segments, and why there is a gap after each but the last."""
    at = at.astype(np.int64)
    edges = [0, *(int(i) for i in at), len(times)]
    segments = tuple(Segment(a, b, float(times[a])) for a, b in pairwise(edges))
    return segments, tuple("missing_values" if after_nan[i - 1] else "clock" for i in at)


def _check_uniform(
    clock: Clock, rows: Rows, times: Times, segments: tuple[Segment, ...], rate: float
) -> tuple[bool, tuple[str, ...]]:
    """Refuse a jittering clock; keep every time of one that drifts by more than half a sample."""
    steps = np.diff(times) * rate
    inside = np.ones(len(steps), dtype=bool)
    inside[[s.start - 1 for s in segments[1:]]] = False
    odd = np.flatnonzero(inside & (np.abs(steps - 1) > 0.5))
    if len(odd):
        what = f"{len(odd)} steps differ from 1/{rate:g} s by more than half"
        raise clock.fail(what, int(rows[odd[0] + 1]), "Set time.irregular: true, or mend rate_hz in the card")
    drift = max(abs((times[s.stop - 1] - s.time_s) * rate - (s.stop - s.start - 1)) for s in segments)
    if drift <= 0.5:
        return False, ()
    return True, (f"the clock drifts {drift:.1f} samples from {rate:g} Hz: the time of every sample is kept",)
