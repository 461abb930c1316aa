"""The card of a table: which columns are channels, time, people and labels.

A card is a small YAML file beside a CSV, Parquet or NPZ table; it says what the table itself does not::

    channels:
      ax: {name: acc_x, unit: m/s^2}
      ay: {name: acc_y, unit: m/s^2}
      az: {name: acc_z, unit: m/s^2}
    time: {column: timestamp, unit: ms, irregular: true}
    rate_hz: 100
    recording: [subject, session]
    subject: {column: subject}
    site: {constant: wrist}
    labels: [{column: activity}]
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from kinelet.errors import BadFileError, BadOptionError

ACCELERATION_UNITS = ("g", "mg", "m/s^2")
ANGULAR_UNITS = ("rad/s", "deg/s")
Scalar = bool | int | float | str


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)


class ChannelCard(_Part):
    """One channel.

    Attributes:
        name: Its name in the recording, for example ``acc_x``.
        unit: Unit of ``stored * scale``; accelerations become g and angular rates rad/s.
        scale: Factor from the stored number to ``unit``, or ``schema`` for the factor that the Parquet file's schema
            metadata ``scales`` (JSON) gives for this column.
        resolution: Step of the device in ``unit``; by default ``scale`` where the column holds integers.
    """

    name: str = Field(min_length=1)
    unit: str = Field(min_length=1)
    scale: float | Literal["schema"] = 1.0
    resolution: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _unit_fits(self) -> ChannelCard:
        for prefix, units in (("acc_", ACCELERATION_UNITS), ("gyr_", ANGULAR_UNITS)):
            if self.name.startswith(prefix) and self.unit not in units:
                raise ValueError(f"unit {self.unit!r} of {self.name} is not one of {', '.join(units)}")
        return self


class TimeCard(_Part):
    """The clock column.

    Attributes:
        column: Column that holds the time of each row.
        unit: Its unit; ``iso8601`` for text such as ``2024-05-01T10:00:00.020Z`` (UTC where no offset is written).
        unix: Whether it counts from 1970 UTC; then the recording knows its absolute start.
        irregular: Whether the time of every sample is kept. Otherwise the clock has to be uniform, and is checked.
        max_gap_s: Longer steps are gaps; default for an irregular clock as in
            :func:`kinelet.signal.clock.split_at_gaps`, for a uniform one 1.5 sample periods.
        duplicates: Rows with the same time: ``error``; ``keep`` keeps all with their times (stamps of delivery, which
            resampling to a uniform clock evens out); ``first`` keeps the first; ``mean`` averages them; ``spread``
            keeps all and spreads them evenly until the next time.
        resets: A clock that runs backwards inside a recording: ``error``, or ``split`` into several recordings.
        max_rate_hz: A recording with more rows a second than this holds several trials, one between the other.
        too_fast: What to do with those: ``error`` or ``skip`` (named in the warnings of the first recording).
        shared: Columns whose values name a clock that several sensors share (one phone stamped them all, say).
            Recordings with the same values count time from the same moment, and ``meta`` has ``clock`` (the values)
            and ``clock_start_s`` (the time of the first sample on it).
    """

    column: str
    unit: Literal["s", "ms", "us", "ns", "iso8601"] = "s"
    unix: bool = False
    irregular: bool = False
    max_gap_s: float | None = Field(default=None, gt=0)
    duplicates: Literal["error", "keep", "first", "mean", "spread"] = "error"
    resets: Literal["error", "split"] = "error"
    max_rate_hz: float | None = Field(default=None, gt=0)
    too_fast: Literal["error", "skip"] = "error"
    shared: tuple[str, ...] = ()


class ValueCard(_Part):
    """A subject or site: a constant, or taken from a column that is constant within a recording.

    Attributes:
        constant: The value itself.
        column: Column with the value.
        pattern: Regular expression whose first group is cut out of the column's text.
        map: Replacements, after ``pattern``; a value that is missing from it is an error.
        prefix: Put in front.
    """

    constant: str | None = None
    column: str | None = None
    pattern: str | None = None
    map: Mapping[str, str] | None = None
    prefix: str = ""

    @model_validator(mode="after")
    def _one_source(self) -> ValueCard:
        if (self.constant is None) == (self.column is None):
            raise ValueError("give either constant or column")
        if self.pattern is not None and re.compile(self.pattern).groups != 1:
            raise ValueError(f"pattern {self.pattern!r} needs exactly one group ( )")
        return self


class LabelCard(_Part):
    """A column of labels or target values per row; runs of equal ones become one annotation.

    Attributes:
        column: Column with the label or value.
        track: Name of the annotation track.
        kind: ``label`` for classes, ``value`` for numbers.
        map: New names of labels; labels that are missing from it keep their own.
        unlabelled: Labels that mean that nothing is known (empty cells always do).
    """

    column: str
    track: str = "activity"
    kind: Literal["label", "value"] = "label"
    map: Mapping[str, str] = Field(default_factory=dict)
    unlabelled: tuple[str, ...] = ()


class CsvCard(_Part):
    """How a CSV file is written.

    Attributes:
        delimiter: One character.
        decimal: Decimal mark, ``.`` or ``,``.
        skip_rows: Lines before the header.
        comment: Lines that begin with this are left out.
        names: Column names of a file without a header line.
        encoding: Text encoding.
    """

    delimiter: str = Field(default=",", min_length=1, max_length=1)
    decimal: Literal[".", ","] = "."
    skip_rows: int = Field(default=0, ge=0)
    comment: str | None = Field(default=None, min_length=1)
    names: tuple[str, ...] | None = None
    encoding: str = "utf-8"

    @model_validator(mode="after")
    def _decimal_is_free(self) -> CsvCard:
        if self.decimal == self.delimiter:
            raise ValueError(f"{self.decimal!r} is both decimal mark and delimiter")
        return self


class TableCard(_Part):
    """What the columns of a table mean.

    Attributes:
        name: Name of the data set; begins the names of the recordings. Default: stem of the file's name.
        format: ``csv``, ``parquet`` or ``npz``; by default from content and extension.
        channels: Column -> channel, in the order of the recording. In an NPZ file ``acc[0]`` is the first entry of the
            last axis of the array ``acc``.
        rate_hz: Sampling rate; with a time column the nominal one (default: measured).
        time: Clock column, if there is one.
        recording: Columns that separate recordings.
        rows: ``consecutive``: a recording is a run of rows with the same values in these columns, and a combination
            that comes back later is an error. ``scattered``: equal values belong together wherever they are.
        subject: Who wore the sensor. Default: the whole file is one person, named after the file.
        site: Body site.
        labels: Label and value columns.
        where: Column -> value or values; other rows are left out.
        drop_channels_if_zero: Columns that are left out together where all of them are zero throughout a recording
            (a sensor that was not there).
        nan: Rows with a missing number in a channel: ``error``, or ``gap``.
        meta: Columns that are constant within a recording and kept in its ``meta``.
        gravity: Whether gravity is part of the acceleration.
        csv: How a CSV file is written.
    """

    name: str | None = None
    format: Literal["csv", "parquet", "npz"] | None = None
    channels: Mapping[str, ChannelCard] = Field(min_length=1)
    rate_hz: Annotated[float, Field(gt=0, le=1e6)] | None = None
    time: TimeCard | None = None
    recording: tuple[str, ...] = ()
    rows: Literal["consecutive", "scattered"] = "consecutive"
    subject: ValueCard | None = None
    site: ValueCard | None = None
    labels: tuple[LabelCard, ...] = ()
    where: Mapping[str, Scalar | tuple[Scalar, ...]] = Field(default_factory=dict)
    drop_channels_if_zero: tuple[str, ...] = ()
    nan: Literal["error", "gap"] = "error"
    meta: tuple[str, ...] = ()
    gravity: bool = True
    csv: CsvCard = CsvCard()

    @field_validator("where", mode="before")
    @classmethod
    def _lists_are_tuples(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        return {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}

    @model_validator(mode="after")
    def _consistent(self) -> TableCard:
        if self.time is None and self.rate_hz is None:
            raise ValueError("give rate_hz or time")
        names = [c.name for c in self.channels.values()]
        if len(set(names)) != len(names):
            raise ValueError(f"channel names repeat: {', '.join(names)}")
        if unknown := set(self.drop_channels_if_zero) - set(self.channels):
            raise ValueError(f"drop_channels_if_zero names {sorted(unknown)}, which are not channels")
        if set(self.drop_channels_if_zero) == set(self.channels):
            raise ValueError("drop_channels_if_zero names every channel")
        return self

    def columns(self) -> tuple[str, ...]:
        """Every column that the card names, once."""
        named = [*self.channels, *self.recording, *self.where, *self.meta, *(label.column for label in self.labels)]
        if self.time is not None:
            named += [self.time.column, *self.time.shared]
        named += [v.column for v in (self.subject, self.site) if v is not None and v.column is not None]
        return tuple(dict.fromkeys(named))


def load_card(source: TableCard | Mapping[str, Any] | str | Path) -> TableCard:
    """Return a checked card from a card, a mapping or the path of a YAML file.

    Raises:
        BadFileError: The file is missing or not YAML.
        BadOptionError: A field is unknown, missing or does not fit.
    """
    if isinstance(source, TableCard):
        return source
    where = "table card" if isinstance(source, Mapping) else str(source)
    content = source if isinstance(source, Mapping) else _yaml(Path(source))
    if not isinstance(content, Mapping):
        raise BadOptionError("the card is not a mapping of fields", where=where, remedy="See kinelet.readers.card")
    try:
        return TableCard.model_validate(content)
    except (ValidationError, re.error) as error:
        raise BadOptionError(
            _one_line(error), where=where, remedy=f"Fields: {', '.join(TableCard.model_fields)}"
        ) from error


def _yaml(path: Path) -> object:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadFileError("no such card", where=str(path), remedy="Give the path of a YAML card") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadFileError(f"not a YAML card ({' '.join(str(error).split())[:200]})", where=str(path)) from error


def _one_line(error: ValidationError | re.error) -> str:
    if not isinstance(error, ValidationError):
        return f"pattern is not a regular expression ({error})"
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'card'}: {e['msg']}" for e in error.errors()[:3])
