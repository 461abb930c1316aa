"""From rows of a table to one recording: units, sensors that were not there, person, site, labels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kinelet.errors import BadFileError, BadOptionError
from kinelet.readers.card import TableCard, ValueCard
from kinelet.readers.checks import norm_warnings, to_inside_unit
from kinelet.readers.clocks import Clock, Rows, Timing, column_timing, read_clock, uniform_timing
from kinelet.readers.frame import Codes, Columns
from kinelet.readers.labels import label_runs
from kinelet.signal.recording import Annotation, FloatArray, Recording
from kinelet.signal.spec import SignalSpec


@dataclass(frozen=True)
class Builder:
    """The columns of a table, decoded, from which recordings are cut.

    Attributes:
        path: The table's file.
        card: What its columns mean.
        columns: Its rows.
        subject: Who wore the sensor, over what the card says.
        keys: Columns that are constant within a recording, as codes.
        channels: Stored numbers per channel column.
        factors: Factor per channel column from the stored number to the unit inside kinelet.
        labels: Codes or values per label column.
        whole: Channel columns that hold whole numbers: their step is the device's.
        missing: Rows with a missing number, where the card makes gaps of them.
        clock: Time column.
    """

    path: Path
    card: TableCard
    columns: Columns
    subject: str | None
    keys: Mapping[str, Codes]
    channels: Mapping[str, npt.NDArray[Any]]
    factors: Mapping[str, float]
    labels: Mapping[str, Codes | npt.NDArray[Any]]
    whole: frozenset[str]
    missing: npt.NDArray[np.bool_] | None
    clock: Clock | None

    @classmethod
    def open(
        cls, path: Path, card: TableCard, columns: Columns, separating: tuple[str, ...], subject: str | None
    ) -> Builder:
        """Decode the columns that the card names."""
        constant = [v.column for v in (card.subject, card.site) if v is not None and v.column is not None]
        constant += card.time.shared if card.time is not None else ()
        channels = {c: columns.numbers(c) for c in card.channels}
        return cls(
            path=path,
            card=card,
            columns=columns,
            subject=subject,
            keys={c: columns.codes(c) for c in dict.fromkeys((*separating, *constant, *card.meta))},
            channels=channels,
            factors={c: _factor(columns, card, c) for c in card.channels},
            labels={b.column: (columns.codes if b.kind == "label" else columns.numbers)(b.column) for b in card.labels},
            whole=frozenset(c for c, values in channels.items() if _whole(values)),
            missing=_missing(columns, card, channels),
            clock=None if card.time is None else read_clock(columns, card.time),
        )

    def recording(self, rows: Rows, name: str, part: int) -> Recording | str:
        """One recording from its rows (its ``part``-th if its clock was reset, else -1), or why it is left out."""
        timing = self._timing(rows, name)
        if isinstance(timing, str):
            return timing
        rows = rows[timing.kept]
        kept, warnings = self._present(rows)
        data = self._data(kept, rows, timing.merge)
        spec = self._spec(kept, timing.rate_hz, self._value(self.card.site, rows, "site"))
        if part >= 0:
            warnings.append(f"the clock runs backwards inside the recording: part {part + 1} is kept as its own")
        return Recording(
            data=data,
            spec=spec,
            subject=self.subject or self._value(self.card.subject, rows, "subject") or self.path.stem,
            name=name,
            segments=timing.segments,
            start_unix_s=timing.start_unix_s,
            time_s=timing.times if timing.keep_times else None,
            annotations=self._annotations(rows if timing.merge is None else rows[timing.merge], timing),
            gap_reasons=timing.gap_reasons,
            resolution=tuple(self._resolution(c) for c in kept),
            meta=self._meta(rows, timing) | self._shared_clock(rows, part),
            warnings=(*warnings, *timing.warnings, *norm_warnings(data, spec)),
        )

    def _timing(self, rows: Rows, name: str) -> Timing | str:
        missing = None if self.missing is None else self.missing[rows]
        if missing is not None and missing.all():
            return f"{name} (no row without missing values)"
        if self.clock is None:
            return uniform_timing(len(rows), self.card.rate_hz or 0.0, missing)
        timing = column_timing(self.clock, rows, missing, self.card.rate_hz)
        return f"{name} ({timing})" if isinstance(timing, str) else timing

    def _present(self, rows: Rows) -> tuple[tuple[str, ...], list[str]]:
        """Channels of a recording, and a warning for sensors and axes that are zero throughout."""
        zero = [c for c in self.channels if not self.channels[c][rows].any()]
        optional = self.card.drop_channels_if_zero
        if optional and all(c in zero for c in optional):
            kept = tuple(c for c in self.channels if c not in optional)
            return kept, [f"no signal in {', '.join(optional)} (zero throughout): left out"]
        return tuple(self.channels), [f"{', '.join(zero)}: zero throughout"] if zero else []

    def _data(self, kept: tuple[str, ...], rows: Rows, merge: Rows | None) -> FloatArray:
        out = np.empty((len(rows), len(kept)), dtype=np.float64)
        for i, column in enumerate(kept):
            np.multiply(self.channels[column][rows], self.factors[column], out=out[:, i])
        if merge is not None:
            out = np.add.reduceat(out, merge, axis=0) / np.diff(np.r_[merge, len(rows)])[:, None]
        return out.astype(np.float32)

    def _spec(self, kept: tuple[str, ...], rate_hz: float, site: str | None) -> SignalSpec:
        channels = tuple((self.card.channels[c].name, self.card.channels[c].unit) for c in kept)
        return _make_spec(channels, rate_hz, site, self.card.gravity)

    def _resolution(self, column: str) -> float | None:
        channel = self.card.channels[column]
        if channel.resolution is not None:
            return channel.resolution * to_inside_unit(channel.unit)[0]
        return abs(self.factors[column]) if column in self.whole else None

    def _value(self, source: ValueCard | None, rows: Rows, what: str) -> str | None:
        """Subject or site of a recording."""
        if source is None:
            return None
        text = source.constant if source.constant is not None else self._text(source.column or "", rows, what)
        where = f"{self.path}, row {self.columns.row(int(rows[0]))}"
        if source.pattern is not None:
            match = re.search(source.pattern, text)
            if match is None or match.group(1) is None:
                raise BadOptionError(f"pattern {source.pattern!r} of {what} is not in {text!r}", where=where)
            text = str(match.group(1))
        if source.map is not None:
            if text not in source.map:
                raise BadOptionError(f"{what} {text!r} is not in the card's map", where=where, remedy="Add it there")
            text = source.map[text]
        return f"{source.prefix}{text}"

    def _text(self, column: str, rows: Rows, what: str) -> str:
        """The one value of a column within a recording."""
        codes, values = self.keys[column]
        other = np.flatnonzero(codes[rows] != codes[rows[0]])
        if codes[rows[0]] < 0 or len(other):
            row = self.columns.row(int(rows[other[0] if len(other) else 0]))
            what = f"{what} ({column}) is empty or changes within a recording"
            raise BadFileError(
                what, where=f"{self.path}, row {row}", remedy=f"Add {column!r} to `recording` in the card"
            )
        return values[int(codes[rows[0]])]

    def _annotations(self, rows: Rows, timing: Timing) -> tuple[Annotation, ...]:
        found: list[Annotation] = []
        for label in self.card.labels:
            found += label_runs(label, self.labels[label.column], rows, timing)
        return tuple(found)

    def _meta(self, rows: Rows, timing: Timing) -> dict[str, Any]:
        kept = {c: self._text(c, rows, "meta") for c in self.card.meta}
        return {"reader": "table", "file": self.path.name, **kept, **timing.policies, "nan": self.card.nan}

    def _shared_clock(self, rows: Rows, part: int) -> dict[str, Any]:
        """Name of the clock that other sensors are on too, and the time of the first sample there.

        A clock that was set back in between has no one beginning, so parts of a recording have none.
        """
        if self.clock is None or not self.clock.card.shared or part >= 0:
            return {}
        name = "-".join(self._text(c, rows, "clock") for c in self.clock.card.shared)
        return {"clock": name, "clock_start_s": float(self.clock.ticks[rows[0]]) * self.clock.unit_s}


def _factor(columns: Columns, card: TableCard, name: str) -> float:
    channel = card.channels[name]
    if channel.scale == "schema":
        if name not in columns.scales:
            what = f"the schema metadata has no scale for {name!r}"
            raise BadOptionError(what, where=str(columns.path), remedy="Write the number as `scale` in the card")
        return float(columns.scales[name]) * to_inside_unit(channel.unit)[0]
    return channel.scale * to_inside_unit(channel.unit)[0]


def _whole(values: npt.NDArray[Any]) -> bool:
    if values.dtype.kind != "f":
        return True
    return bool(np.any(values)) and bool(np.all((np.mod(values, 1) == 0) | np.isnan(values)))


def _missing(
    columns: Columns, card: TableCard, channels: Mapping[str, npt.NDArray[Any]]
) -> npt.NDArray[np.bool_] | None:
    """Rows with a number that is missing or infinite; an error unless the card makes gaps of them."""
    bad = np.zeros(columns.table.num_rows, dtype=bool)
    for values in channels.values():
        if values.dtype.kind == "f":
            bad |= ~np.isfinite(values)
    if not bad.any():
        return None
    if card.nan == "error":
        where = f"{columns.path}, row {columns.row(int(np.flatnonzero(bad)[0]))}"
        remedy = "Set nan: gap in the card to make gaps of them"
        raise BadFileError(
            f"{int(bad.sum())} rows have NaN, infinity or an empty cell in a channel", where=where, remedy=remedy
        )
    return bad


@lru_cache(maxsize=256)
def _make_spec(channels: tuple[tuple[str, str], ...], rate_hz: float, site: str | None, gravity: bool) -> SignalSpec:
    names, units = zip(*((name, to_inside_unit(unit)[1]) for name, unit in channels), strict=True)
    return SignalSpec(rate_hz=rate_hz, channels=names, units=units, site=site, gravity=gravity)
