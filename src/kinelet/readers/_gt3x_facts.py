"""What an ActiGraph ``.gt3x`` file says of its device: sampling rate, scale, start.

Source: ActiGraph's published notes on the GT3X and the NHANES GT3X file formats (MIT licence).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinelet.errors import BadFileError
from kinelet.readers import _gt3x_log as gl
from kinelet.readers._blocks import clean

TICKS_AT_1970 = 621_355_968_000_000_000
SCALES = {"NEO": 341.0, "CLE": 341.0, "MRA": 341.0, "MOS": 256.0, "TAS": 256.0}
"""Steps a g by the first letters of the serial number, where the file does not say it."""


@dataclass(frozen=True)
class Facts:
    """What decoding needs to know of the device, and what else the file says."""

    rate: int
    scale: float
    start_unix_s: float | None
    info: dict[str, str]
    warnings: tuple[str, ...]

    @property
    def kind(self) -> str:
        """First letters of the serial number, which tell the model."""
        return self.info.get("serial number", "")[:3].upper()


def read_facts(info_bytes: bytes, parameters: dict[tuple[int, int], int], log: gl.Log | None, path: Path) -> Facts:
    """Rate, scale and start, each from the best source that has a possible value."""
    info: dict[str, str] = {}
    for line in info_bytes[:65536].decode("utf-8", errors="replace").splitlines():
        key, colon, value = line.partition(":")
        if colon:
            info.setdefault(key.strip().lower(), clean(value.encode()))
    warnings: list[str] = []
    rates = {
        "info.txt": _number(info.get("sample rate", "")),
        "the parameters record": float(parameters.get((1, 10), 0)),
        "the records' sizes": _rate_by_size(log),
    }
    rate = _first_possible("sampling rate", rates, 1, 1000, warnings, path)
    if rate != round(rate):
        raise BadFileError(f"its sampling rate is {rate:g} Hz, not a whole number", where=str(path))
    scales = {
        "the parameters record": gl.decode_float(parameters.get((0, 55), 0)),
        "info.txt": _number(info.get("acceleration scale", "")),
        "the serial number": SCALES.get(info.get("serial number", "")[:3].upper(), 0.0),
    }
    scale = _first_possible("acceleration scale", scales, 50, 20_000, warnings, path)
    return Facts(int(rate), scale, _unix(info.get("start date", "")), info, tuple(warnings))


def _first_possible(
    name: str, sources: dict[str, float], low: float, high: float, warnings: list[str], path: Path
) -> float:
    possible = {source: value for source, value in sources.items() if low <= value <= high}
    if not possible:
        raise BadFileError(f"no possible {name} in {', '.join(sources)}", where=str(path), remedy="Copy it again")
    value = next(iter(possible.values()))
    others = [f"{other:g} by {source}" for source, other in possible.items() if abs(other / value - 1) > 0.01]
    if others:
        warnings.append(
            f"the {name} is {value:g} by {next(iter(possible))} but {', '.join(others)}; the first was used"
        )
    return value


def _number(text: str) -> float:
    """A number that may have a decimal comma; 0 if it is none."""
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return 0.0


def _unix(ticks: str) -> float | None:
    """Seconds since 1970 of a count of 100 ns since the year 1, or ``None`` if it is not between 1990 and 2100."""
    if not ticks.isdecimal() or len(ticks) > 18:
        return None
    unix = (int(ticks) - TICKS_AT_1970) / 1e7
    return unix if 631_152_000 <= unix <= 4_102_444_800 else None


def _rate_by_size(log: gl.Log | None) -> float:
    """Most frequent number of samples in an activity record; 0 without such records."""
    if log is None:
        return 0.0
    counts = gl.samples_in(log, np.flatnonzero(np.isin(log.kind, (gl.ACTIVITY, gl.ACTIVITY2)) & (log.size > 1)))
    return float(np.argmax(np.bincount(counts))) if len(counts) else 0.0
