"""The ten header lines of an ActiGraph CSV export, and how the rows below them are written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from kinelet.errors import BadFileError
from kinelet.readers.card import CsvCard

HEADER_LINES = 10
LINE_BYTES = 4096
ORDERS = {"mdy": (2, 0, 1), "dmy": (2, 1, 0), "ymd": (0, 1, 2)}  # where year, month and day stand
COUNT_COLUMNS = re.compile(r"axis ?\d|steps|lux|inclinometer|vm\b|activity", re.IGNORECASE)


@dataclass(frozen=True)
class Header:
    """What the ten lines say."""

    rate_hz: float
    order: str | None
    date: str
    clock: str
    serial: str
    device: str


@dataclass(frozen=True)
class Layout:
    """How the rows below are written."""

    csv: CsvCard
    axes: tuple[str, str, str]
    stamp: str | None
    decimals: int


def first_lines(path: Path) -> list[str]:
    """The header and the first rows below it, each cut at a bound."""
    if not path.is_file() or path.stat().st_size == 0:
        raise BadFileError("no such file, or it is empty", where=str(path), remedy="Export it again")
    with path.open(encoding="utf-8-sig", errors="replace") as handle:
        return [handle.readline(LINE_BYTES).strip() for _ in range(HEADER_LINES + 20)]


def read_header(lines: list[str], path: Path) -> Header:
    """What the header says.

    Raises:
        BadFileError: It is not ActiGraph's, holds no sampling rate, or announces epochs.
    """
    text = "\n".join(line.rstrip(",; \t") for line in lines[:HEADER_LINES])
    if "ActiGraph" not in lines[0]:
        raise BadFileError("the first line is not ActiGraph's", where=str(path), remedy="Read it with a table card")
    epoch = _field(r"Epoch Period \(hh:mm:ss\)\s*(\d+:\d+:\d+)", text)
    rate = _field(r"\bat (\d+(?:[.,]\d+)?) ?Hz", lines[0])
    if (epoch is not None and epoch.strip("0:")) or rate is None:
        kind = f"counts in epochs of {epoch}" if epoch and epoch.strip("0:") else "no sampling rate, so no raw samples"
        remedy = "Export the raw data (ActiLife: CSV of raw acceleration), or read the .gt3x itself"
        raise BadFileError(f"an ActiGraph file with {kind}, not a raw recording", where=str(path), remedy=remedy)
    hz = float(rate.replace(",", "."))
    if not 1 <= hz <= 1000:
        raise BadFileError(f"the header claims {hz:g} Hz", where=str(path), remedy="Export it again")
    written = (_field(r"date format (\S+)", lines[0]) or "").lower()
    return Header(
        rate_hz=hz,
        order=_order(written),
        date=_field(r"Start Date\s+(\S+)", text) or "",
        clock=_field(r"Start Time\s+(\S+(?: [AaPp][Mm])?)", text) or "",
        serial=_field(r"Serial Number:\s*(\S+)", text) or "",
        device=_field(r"Created By (ActiGraph(?: (?!ActiLife)\S+)?)", lines[0]) or "ActiGraph",
    )


def _field(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text)
    return match.group(1) if match else None


def _order(written: str) -> str | None:
    """Order of year, month and day in a date format such as ``M/d/yyyy``: ``mdy``."""
    found = "".join(letter for letter, _ in groupby(re.sub("[^dmy]", "", written)))
    return found if found in ORDERS else None


def read_layout(lines: list[str], decimal: str | None, path: Path) -> Layout:
    """How the rows are written, from the first of them.

    Raises:
        BadFileError: There are none, they hold counts, or decimal marks and delimiters are the same.
    """
    names_row = bool(lines[0]) and not re.match(r"""["']?[-+]?[\d.,]""", lines[0])
    sample = [line for line in lines[1 if names_row else 0 :] if line]
    if not sample:
        raise BadFileError("no samples after the header", where=str(path), remedy="Export the recording again")
    delimiter = next((d for d in (";", "\t") if d in sample[0]), ",")
    mark = decimal or ("," if delimiter != "," and re.search(r"\d,\d", sample[0]) else ".")
    cells = [c.strip().strip('"') for c in (lines[0] if names_row else sample[0]).split(delimiter)]
    quoted = delimiter == "," and re.search(r'"-?\d+,\d+"', sample[0])
    if quoted or mark == delimiter or (not names_row and len(cells) > 4):
        remedy = "Export it again with semicolons between cells or points as decimal marks"
        raise BadFileError(
            f"{len(cells)} cells a row: decimal marks and delimiters cannot be told apart",
            where=str(path),
            remedy=remedy,
        )
    names = cells if names_row else ["Timestamp", "X", "Y", "Z"][-len(cells) :]
    digits = [len(m) for line in sample for m in re.findall(r"\d[.,](\d+)", line.rpartition(":")[2])]
    options: dict[str, Any] = {"delimiter": delimiter, "decimal": mark, "skip_rows": HEADER_LINES}
    if not names_row:
        options["names"] = tuple(names)
    stamp = next((n for n in names if re.fullmatch(r"(?:header_)?time ?stamp", n, re.IGNORECASE)), None)
    return Layout(CsvCard(**options), _axes(names, path), stamp, min(max(digits, default=0), 9))


def _axes(names: list[str], path: Path) -> tuple[str, str, str]:
    found = {
        a: n
        for n in names
        for a in "xyz"
        if re.fullmatch(rf"(?:accelerometer|acceleration|acc)?[ _]?{a}", n, re.IGNORECASE)
    }
    if len(found) == 3:
        return found["x"], found["y"], found["z"]
    if any(COUNT_COLUMNS.match(n) for n in names):
        raise BadFileError(
            f"columns {', '.join(names)} are counts, not raw acceleration",
            where=str(path),
            remedy="Export the raw data",
        )
    raise BadFileError(
        f"no axes X, Y, Z among the columns {', '.join(names)}", where=str(path), remedy="Read it with a table card"
    )


def start_time(header: Header, order: str | None) -> tuple[float | None, tuple[str, ...]]:
    """Start of the recording, or ``None`` with a warning where the header's date has two readings or none."""
    numbers = [int(n) for n in re.findall(r"\d+", header.date)]
    possible = {o: d for o in ([order] if order else ORDERS) if (d := _date(numbers, o, header.clock)) is not None}
    if len(set(possible.values())) == 1:
        return next(iter(possible.values())).timestamp(), ()
    why = "can be read in several ways: say date_order" if possible else "cannot be read"
    return None, (f"start {header.date} {header.clock} {why}; the recording has no absolute time",)


def _date(numbers: list[int], order: str, clock: str) -> datetime | None:
    if len(numbers) != 3 or (numbers[ORDERS[order][0]] < 1000):
        return None
    year, month, day = (numbers[i] for i in ORDERS[order])
    for form in ("%H:%M:%S", "%I:%M:%S %p"):
        try:
            return datetime.strptime(f"{year:04d}-{month:02d}-{day:02d} {clock}", f"%Y-%m-%d {form}").replace(
                tzinfo=UTC
            )
        except ValueError:
            continue
    return None
