"""Apple Watch and iPhone motion logs: CSV exports of SensorLog, Sensor Logger and apps that use Core Motion's names.

Core Motion gives acceleration in g, split into gravity and user acceleration, with the sign of the reaction turned
round: lying still, the axis that points up reads -1 g. Rotation rate is in rad/s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kinelet.errors import BadFileError, BadOptionError
from kinelet.readers._coremotion import MotionColumns, delimiter_of, find_columns
from kinelet.readers._phone_clock import read_phone_clock, wall_start
from kinelet.readers.card import ACCELERATION_UNITS, CsvCard
from kinelet.readers.checks import norm_warnings, to_inside_unit
from kinelet.readers.clocks import Clock, Timing, column_timing, reset_points
from kinelet.readers.csvfile import header_names, read_csv
from kinelet.readers.frame import Columns
from kinelet.readers.sniff import refuse_known_strangers
from kinelet.signal.recording import FloatArray, Recording
from kinelet.signal.spec import imu_spec

Axes = npt.NDArray[np.float64]
SIGNS = ("apple", "up")


@dataclass(frozen=True)
class Choice:
    """Which acceleration was asked for, and which one it is made of."""

    kind: str
    source: str


def read_apple(
    path: str | Path,
    *,
    subject: str | None = None,
    acceleration: str | None = None,
    unit: str | None = None,
    sign: str = "apple",
    repeats: str = "first",
    max_gap_s: float | None = None,
) -> Recording:
    """Read a motion log of an Apple Watch or iPhone.

    Args:
        path: CSV file; other files of the same Sensor Logger session beside it (``Gravity.csv``, ``Gyroscope.csv``) are
            joined where they have the same times.
        subject: Who wore the device; the file's stem by default.
        acceleration: ``total`` (gravity included) or ``user`` (gravity taken out by the device). Default: ``total``
            where the file can give it, else ``user``.
        unit: ``g``, ``mg`` or ``m/s^2``; by default from the column names. Where they do not say (Sensor Logger's x, y,
            z) and gravity is included, the median norm decides between g and m/s^2 and the choice is recorded.
        sign: ``apple`` (default) keeps Core Motion's sign; ``up`` turns the acceleration round, so that the axis that
            points up reads +1 g as on other devices.
        repeats: Rows that repeat the time of the row before (the app logs faster than the sensor): ``first`` (default)
            keeps one of each time, ``error`` refuses.
        max_gap_s: Longest step that is not a gap; default as in :func:`kinelet.signal.clock.split_at_gaps`.

    Returns:
        Acceleration in g and, where there is one, rotation rate in rad/s, with the time of every sample.

    Raises:
        BadFileError: The file is no motion log, or a cell or time cannot be used.
        BadOptionError: An option has another value, or the unit is not known.
    """
    path = Path(path)
    _check_options(acceleration, unit, sign, repeats)
    _refuse_strangers(path)
    csv = CsvCard(delimiter=delimiter_of(path))
    found = find_columns(header_names(path, csv), path)
    columns = read_csv(path, csv, found.types())
    clock = read_phone_clock(columns, found, duplicates=repeats, max_gap_s=max_gap_s)
    rows = np.arange(columns.table.num_rows)
    reset_points(clock, rows)
    timing = column_timing(clock, rows, None, None)
    if isinstance(timing, str):
        raise BadFileError(timing, where=str(path))
    parts = _parts(columns, found, path, clock)
    choice = _choose(acceleration, parts, path)
    acc, how = _acceleration(parts, choice, unit or found.unit, path)
    if timing.start_unix_s is None:
        timing = replace(timing, start_unix_s=wall_start(columns, found))
    return _recording(
        path, subject, (acc if sign == "apple" else -acc, parts.get("gyro")), timing, choice, {**how, "sign": sign}
    )


def _check_options(acceleration: str | None, unit: str | None, sign: str, repeats: str) -> None:
    allowed: Mapping[str, tuple[Any, tuple[Any, ...]]] = {
        "acceleration": (acceleration, (None, "total", "user")),
        "unit": (unit, (None, *ACCELERATION_UNITS)),
        "sign": (sign, SIGNS),
        "repeats": (repeats, ("first", "error")),
    }
    for name, (value, values) in allowed.items():
        if value not in values:
            names = ", ".join(repr(v) for v in values if v is not None)
            raise BadOptionError(f"{name} is {value!r}", where=name, remedy=f"Use one of {names}")


def _refuse_strangers(path: Path) -> None:
    if not path.is_file() or path.stat().st_size == 0:
        raise BadFileError("no such file, or it is empty", where=str(path), remedy="Export the log again")
    with path.open("rb") as handle:
        refuse_known_strangers(path, handle.read(4096))


def _parts(columns: Columns, found: MotionColumns, path: Path, clock: Clock) -> dict[str, Axes]:
    """Sensor name -> numbers (time, 3), from this file and the files of the same session beside it."""
    parts = {name: _stack(columns, axes) for name, axes in found.sensors.items()}
    if found.bare:
        for file, name in (("Gravity.csv", "gravity"), ("Gyroscope.csv", "gyro")):
            beside = path.with_name(file)
            if name not in parts and beside.is_file() and beside != path:
                joined = _beside(beside, clock)
                parts |= {} if joined is None else {name: joined}
    parts = {name: values for name, values in parts.items() if not np.isnan(values).all()}  # switched off in the app
    for name, values in parts.items():
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(bad):
            remedy = "Leave these rows out, or log this sensor throughout"
            raise BadFileError(f"{len(bad)} rows without {name}", where=f"{path}, row {bad[0]}", remedy=remedy)
    return parts


def _beside(path: Path, clock: Clock) -> Axes | None:
    """Axes of another sensor's file, where it was sampled at the same times."""
    csv = CsvCard(delimiter=delimiter_of(path))
    found = find_columns(header_names(path, csv), path, name="beside")
    columns = read_csv(path, csv, found.types())
    other = read_phone_clock(columns, found)
    if not np.array_equal(other.ticks, clock.ticks):
        return None
    return _stack(columns, found.sensors["beside"])


def _stack(columns: Columns, axes: tuple[str, str, str]) -> Axes:
    return np.stack([columns.numbers(a) for a in axes], axis=1).astype(np.float64)


def _choose(wanted: str | None, parts: Mapping[str, Axes], path: Path) -> Choice:
    possible = {}
    if "user" in parts:
        possible["user"] = "user acceleration"
    if "total" in parts:
        possible["total"] = "accelerometer"
    if {"user", "gravity"} <= set(parts):
        possible["total"] = "user acceleration + gravity"
    kind = wanted or ("total" if "total" in possible else "user")
    if kind not in possible:
        have = ", ".join(parts) or "nothing"
        remedy = f"Log it too, or ask for acceleration={next(iter(possible), 'total')!r}"
        raise BadOptionError(f"no {kind} acceleration in the file (it has {have})", where=str(path), remedy=remedy)
    return Choice(kind, possible[kind])


def _acceleration(
    parts: Mapping[str, Axes], choice: Choice, unit: str | None, path: Path
) -> tuple[Axes, dict[str, Any]]:
    raw = {"user acceleration": "user", "accelerometer": "total"}.get(choice.source)
    acc = parts["user"] + parts["gravity"] if raw is None else parts[raw]
    origin = "given or in the column names"
    if unit is None:
        unit, origin = _unit_by_norm(acc, choice, path), "median norm"
    return acc * to_inside_unit(unit)[0], {"unit": unit, "unit_from": origin}


def _unit_by_norm(acc: Axes, choice: Choice, path: Path) -> str:
    """Unit of an acceleration with gravity: a median norm near 1 is g, one near 9.8 m/s^2."""
    norm = float(np.median(np.linalg.norm(acc, axis=1)))
    if choice.kind == "total" and 0.7 <= norm <= 1.4:
        return "g"
    if choice.kind == "total" and 7.0 <= norm <= 14.0:
        return "m/s^2"
    what = f"the columns do not say the unit (median norm of the {choice.kind} acceleration {norm:.3g})"
    raise BadOptionError(what, where=str(path), remedy="Say unit='g' or unit='m/s^2'")


def _recording(
    path: Path,
    subject: str | None,
    motion: tuple[Axes, Axes | None],
    timing: Timing,
    choice: Choice,
    how: Mapping[str, Any],
) -> Recording:
    acc, gyro = motion
    data: FloatArray = np.concatenate([acc] if gyro is None else [acc, gyro], axis=1)[timing.kept].astype(np.float32)
    spec = imu_spec(round(timing.rate_hz, 3), gyro=gyro is not None, gravity=choice.kind == "total")
    repeated = len(acc) - len(timing.kept)
    warnings = [f"{repeated} rows repeat the time of the row before: one of each time was kept"] if repeated else []
    return Recording(
        data=data,
        spec=spec,
        subject=subject or path.stem,
        name=path.stem,
        segments=timing.segments,
        start_unix_s=timing.start_unix_s,
        time_s=timing.times,
        gap_reasons=timing.gap_reasons,
        meta={
            "reader": "apple",
            "file": path.name,
            "acceleration": f"{choice.kind} ({choice.source})",
            **how,
            **timing.policies,
        },
        warnings=(*warnings, *norm_warnings(data, spec)),
    )
