"""Empatica E4: a folder with one CSV a stream, each with its own start and rate in its first two lines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kinelet.errors import BadFileError, BadOptionError
from kinelet.readers.card import CsvCard
from kinelet.readers.checks import norm_warnings
from kinelet.readers.csvfile import read_csv
from kinelet.signal.recording import Annotation, Recording
from kinelet.signal.spec import ACC, ACC_UNIT, SignalSpec

ACC_STEP_G = 1 / 64


@dataclass(frozen=True)
class Stream:
    """One file of the folder: channels, unit, factor to the unit and the rate that the maker states."""

    file: str
    channels: tuple[str, ...]
    unit: str
    scale: float
    rate_hz: float


STREAMS = {
    "acc": Stream("ACC.csv", ACC, ACC_UNIT, ACC_STEP_G, 32.0),
    "bvp": Stream("BVP.csv", ("bvp",), "device units", 1.0, 64.0),
    "temp": Stream("TEMP.csv", ("temp",), "degC", 1.0, 4.0),
    "eda": Stream("EDA.csv", ("eda",), "uS", 1.0, 4.0),
    "hr": Stream("HR.csv", ("hr",), "bpm", 1.0, 1.0),
}


def read_e4(path: str | Path, *, subject: str | None = None, stream: str = "acc") -> Recording:
    """Read an Empatica E4 folder.

    Args:
        path: The folder, or the ``ACC.csv`` in it.
        subject: Who wore the device; the folder's name by default.
        stream: Which stream is the recording itself: ``acc`` (default), ``bvp``, ``temp``, ``eda`` or ``hr``. The
            others that are there become its ``streams``, each at its own rate and start.

    Returns:
        For ``acc``: acceleration in g, shape ``(time, 3)``. Button presses are annotations of track ``tag``, beats of
        ``IBI.csv`` annotations of track ``ibi`` with the interval in seconds as value.

    Raises:
        BadFileError: The stream is missing or a file cannot be parsed.
        BadOptionError: ``stream`` is not a stream of this device.
    """
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    if stream not in STREAMS:
        raise BadOptionError(f"no stream {stream!r}", where="stream", remedy=f"There are: {', '.join(STREAMS)}")
    who = subject or folder.resolve().name
    # An empty file beside the others means that the device recorded nothing of this kind.
    present = [name for name, s in STREAMS.items() if _has_content(folder / s.file)]
    if stream not in present:
        have = f"there are: {', '.join(present)}" if present else "it holds no stream at all"
        remedy = f"Choose another with stream=; {have}"
        raise BadFileError(f"{STREAMS[stream].file} is missing or empty", where=str(folder), remedy=remedy)
    main = _read_stream(folder, stream, who)
    others = {name: _read_stream(folder, name, who) for name in present if name != stream}
    start = main.start_unix_s or 0.0
    annotations = (*_tags(folder, start), *_beats(folder, start))
    return main.replace(
        name=folder.resolve().name, streams=others, annotations=tuple(sorted(annotations, key=lambda a: a.start_s))
    )


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _read_stream(folder: Path, name: str, subject: str) -> Recording:
    stream, path = STREAMS[name], folder / STREAMS[name].file
    start, rate = _head(path, len(stream.channels))
    numbers = _numbers(path, 2, stream.channels)
    data = np.stack([numbers[c] for c in stream.channels], axis=1) * stream.scale
    if not np.isfinite(data).all():
        row = int(np.flatnonzero(~np.isfinite(data).all(axis=1))[0])
        raise BadFileError(f"line {row + 3} holds no number", where=str(path), remedy="Export the session again")
    spec = SignalSpec(
        rate_hz=rate,
        channels=stream.channels,
        units=(stream.unit,) * len(stream.channels),
        site="wrist" if name == "acc" else None,
        gravity=name == "acc",
    )
    values = data.astype(np.float32)
    odd = (
        () if rate == stream.rate_hz else (f"{stream.file} says {rate:g} Hz, not {stream.rate_hz:g}: taken as it says",)
    )
    return Recording(
        data=values,
        spec=spec,
        subject=subject,
        name=name,
        start_unix_s=start,
        resolution=(ACC_STEP_G,) * 3 if name == "acc" else None,
        meta={"reader": "empatica_e4", "device": "Empatica E4", "file": stream.file},
        warnings=(*odd, *norm_warnings(values, spec)),
    )


def _head(path: Path, columns: int) -> tuple[float, float]:
    """Start (unix seconds) and rate from the first two lines, which repeat them for every column."""
    with path.open(encoding="utf-8", errors="replace") as handle:
        lines = [handle.readline(200).strip() for _ in range(2)]
    try:
        starts, rates = ([float(v) for v in line.split(",")] for line in lines)
    except ValueError:
        raise BadFileError(
            f"the first lines are {lines[0][:40]!r} and {lines[1][:40]!r}, not a start time and a rate",
            where=str(path),
            remedy="Give the folder as Empatica exports it",
        ) from None
    if len(set(starts)) != 1 or len(set(rates)) != 1 or len(starts) != columns or not 0 < rates[0] <= 1000:
        raise BadFileError(
            f"start {lines[0][:60]!r} and rate {lines[1][:60]!r} do not fit {columns} columns", where=str(path)
        )
    return starts[0], rates[0]


def _numbers(path: Path, skip: int, names: tuple[str, ...]) -> dict[str, npt.NDArray[Any]]:
    columns = read_csv(path, CsvCard(skip_rows=skip, names=names), {n: pa.float64() for n in names})
    return {n: columns.numbers(n) for n in names}


def _tags(folder: Path, start_unix_s: float) -> list[Annotation]:
    found: list[Annotation] = []
    for path in sorted(folder.glob("tags*.csv")):
        if _has_content(path):
            moments = (float(t) - start_unix_s for t in _numbers(path, 0, ("time",))["time"])
            found += [Annotation(m, m, label="tag", track="tag") for m in moments]
    return found


def _beats(folder: Path, start_unix_s: float) -> list[Annotation]:
    """Inter-beat intervals: a beat's time after the start in the first line, and the seconds since the beat before."""
    path = folder / "IBI.csv"
    if not _has_content(path):
        return []
    with path.open(encoding="utf-8", errors="replace") as handle:
        first = handle.readline(200).split(",")[0]
    try:
        offset = float(first) - start_unix_s
    except ValueError:
        raise BadFileError(f"the first line begins with {first[:40]!r}, not a start time", where=str(path)) from None
    if sum(1 for _ in path.open("rb")) < 2:
        return []
    beats = _numbers(path, 1, ("time", "interval"))
    pairs = zip(beats["time"] + offset, beats["interval"], strict=True)
    return [Annotation(float(t - d), float(t), value=float(d), track="ibi") for t, d in pairs]
