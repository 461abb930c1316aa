"""Column names of Core Motion loggers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from kinelet.errors import BadFileError

# Sensor -> beginnings of its column names, without case, blanks, underscores and units; the first that fits wins.
SENSORS = {
    "user": ("motionuseracceleration", "useracceleration", "useraccel", "linearacceleration"),
    "gravity": ("motiongravity", "gravity"),
    "total": ("accelerometeracceleration", "rawacceleration", "accelerometer", "totalacceleration"),
    "gyro": ("motionrotationrate", "rotationrate", "gyrorotation", "gyroscope"),
}
UNITS = {"g": "g", "gs": "g", "m/s^2": "m/s^2", "m/s²": "m/s^2", "m/s2": "m/s^2", "mg": "mg"}
# A clock that counts from a fixed moment comes before text, and the motion sensor's own before the app's.
TIMES = (
    "motiontimestampsincereboot",
    "motiontimestampsince1970",
    "accelerometertimestampsincereboot",
    "accelerometertimestampsince1970",
    "time",
    "timestamp",
    "secondselapsed",
    "loggingtime",
)


@dataclass(frozen=True)
class MotionColumns:
    """Which columns of a log are what.

    Attributes:
        sensors: ``user``, ``gravity``, ``total``, ``gyro`` -> columns of x, y, z.
        time: Column of the clock.
        wall: Column of the time of day as text, if there is one.
        unit: Unit of the accelerations, where the names say it.
        bare: Whether the axes are just called x, y, z, one sensor a file.
    """

    sensors: Mapping[str, tuple[str, str, str]]
    time: str
    wall: str | None
    unit: str | None
    bare: bool

    def types(self) -> dict[str, Any]:
        """Arrow type of every column that is read."""
        axes = {a: pa.float64() for sensor in self.sensors.values() for a in sensor}
        texts = {t: pa.string() for t in (self.time, self.wall) if t is not None}
        return {**axes, **texts}


def is_apple_header(line: str) -> bool:
    """Whether a CSV header has the names that Core Motion loggers write.

    >>> is_apple_header("time,seconds_elapsed,z,y,x")
    True
    """
    names = {plain(n) for n in re.split("[,;|\t]", line)}
    if {"x", "y", "z", "secondselapsed"} <= names:
        return True
    core = (
        "motionuseraccelerationx",
        "accelerometeraccelerationx",
        "useraccelerationx",
        "rotationratex",
        "motionrotationratex",
    )
    return any(n in names for n in core)


def delimiter_of(path: Path) -> str:
    """The delimiter that the first line has most of."""
    with path.open(encoding="utf-8-sig", errors="replace") as handle:
        line = handle.readline(65536)
    return max(",;|\t", key=line.count)


def plain(name: str) -> str:
    """A column name without unit, case, blanks and underscores."""
    return re.sub(r"[^a-z0-9]", "", re.sub(r"\(.*?\)", "", name).lower())


def find_columns(names: list[str], path: Path, *, name: str | None = None) -> MotionColumns:
    """Find the motion columns of a log.

    Args:
        names: Column names.
        path: The file; its name says which sensor it holds where the axes are just x, y, z.
        name: What to call the sensor of such a file, over its name.

    Raises:
        BadFileError: There is no motion, or no clock.
    """
    by_plain = {plain(n): n for n in reversed(names)}
    bare = {"x", "y", "z"} <= set(by_plain)
    sensors = {name or _bare_sensor(path): _axes(by_plain, "")} if bare else _sensors(by_plain)
    time = next((by_plain[t] for t in TIMES if t in by_plain), None)
    if not sensors or time is None:
        what = "no motion columns" if not sensors else "no time column"
        remedy = f"Columns there: {', '.join(names[:20])}. Read it with a table card"
        raise BadFileError(what, where=str(path), remedy=remedy)
    wall = by_plain.get("loggingtime")
    accelerations = [a for s in ("user", "gravity", "total") for a in sensors.get(s, ())]
    return MotionColumns(sensors, time, None if wall == time else wall, _unit(accelerations, path), bare)


def _sensors(by_plain: Mapping[str, str]) -> dict[str, tuple[str, str, str]]:
    found: dict[str, tuple[str, str, str]] = {}
    for sensor, prefixes in SENSORS.items():
        prefix = next((p for p in prefixes if all(p + a in by_plain for a in "xyz")), None)
        if prefix is not None:
            found[sensor] = _axes(by_plain, prefix)
    if all("acceleration" + a in by_plain for a in "xyz"):
        # Device motion writes gravity beside it and means user acceleration; alone it is the accelerometer.
        kind = "user" if "gravity" in found else "total"
        found.setdefault(kind, _axes(by_plain, "acceleration"))
    return found if {"user", "total"} & set(found) else {}


def _axes(by_plain: Mapping[str, str], prefix: str) -> tuple[str, str, str]:
    return by_plain[prefix + "x"], by_plain[prefix + "y"], by_plain[prefix + "z"]


def _bare_sensor(path: Path) -> str:
    stem = plain(path.stem)
    if "total" in stem or "raw" in stem or "uncalibrated" in stem:
        return "total"
    for word in ("gravity", "gyro", "magnet", "orientation"):
        if word in stem:
            remedy = "Give the accelerometer's file of the session; this one is joined to it"
            raise BadFileError(f"this file holds no acceleration ({path.stem})", where=str(path), remedy=remedy)
    return "user"


def _unit(columns: Iterable[str], path: Path) -> str | None:
    found = {m.group(1).strip().lower() for c in columns if (m := re.search(r"\((.*?)\)", c))}
    known = {UNITS[u] for u in found if u in UNITS}
    if len(known) > 1:
        raise BadFileError(
            f"accelerations in {' and '.join(sorted(known))}", where=str(path), remedy="Export in one unit"
        )
    return next(iter(known), None)
