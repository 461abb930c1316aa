"""What Ego4D and Ego-Exo4D share: large JSON files, narrations of several annotators, clocks that need sorting."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kinelet.datasets.assemble import Times
from kinelet.errors import BadFileError
from kinelet.signal.recording import NARRATION, Annotation, FloatArray, Recording

_SAME = 0.99


class Narration(NamedTuple):
    """A sentence about a moment.

    Attributes:
        annotator: Who wrote it.
        time_s: When, seconds of the video; NaN where the file says nothing.
        text: The sentence.
    """

    annotator: str
    time_s: float
    text: str


@dataclass(frozen=True)
class Clocked:
    """Samples in order of time, and how many were left out on the way there.

    Attributes:
        time_s: Increasing times, shape ``(time,)``.
        data: Samples, shape ``(time, channel)``.
        meta: Counts by reason, of those that occurred.
        warnings: The same in words.
    """

    time_s: Times
    data: FloatArray
    meta: dict[str, int]
    warnings: tuple[str, ...]

    @property
    def first_s(self) -> float:
        """Time of the first sample that is complete, which a recording's clock starts at; 0 where there is none."""
        complete = self.time_s[np.isfinite(self.data).all(axis=1)]
        return float(complete[0]) if len(complete) else 0.0


class Stamped(NamedTuple):
    """A file that all parts share, as it was when it was looked at: a key for caches, and no path of one part."""

    name: str
    changed_ns: int
    size: int


def stamped(path: Path) -> Stamped:
    """The file's path, time of change and size."""
    about = path.stat()
    return Stamped(str(path), about.st_mtime_ns, about.st_size)


def read_json(path: str) -> Any:
    """Parse a JSON file.

    Raises:
        BadFileError: It cannot be read or is cut off.
    """
    try:
        return json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise BadFileError(
            f"not a readable JSON file ({str(error).splitlines()[0]})", where=path, remedy="Download it again"
        ) from None


def wrong_shape(path: str, what: str) -> BadFileError:
    """The error for a JSON file that is not laid out as published."""
    return BadFileError(f"no {what} where it is published to be", where=path, remedy="Download it again")


def number(value: Any) -> float:
    """A number of a JSON file, NaN where it is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def person_of(value: Any) -> str:
    """A person's number as the index gives it, empty where it gives none.

    >>> person_of(12.0), person_of(None)
    ('12', '')
    """
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def in_order(time_s: Times, data: FloatArray, *, latest_s: float | None = None) -> Clocked:
    """Sort samples by time and leave out those that cannot be placed, each kind counted.

    Args:
        time_s: Times in the order of the file; NaN where the file has none, shape ``(time,)``.
        data: Samples, shape ``(time, channel)``.
        latest_s: Times below zero or above this are absurd, and left out; a second is forgiven.
    """
    placed = np.isfinite(time_s)
    sane = placed if latest_s is None else placed & (time_s >= -1.0) & (time_s <= latest_s + 1.0)
    counts = {"rows_without_time": int((~placed).sum()), "rows_with_absurd_time": int((placed & ~sane).sum())}
    kept_s, kept = time_s[sane], data[sane]
    counts["rows_out_of_order"] = int((np.diff(kept_s) < 0).sum())
    order = np.argsort(kept_s, kind="stable")
    kept_s, kept = kept_s[order], kept[order]
    first = np.append(True, np.diff(kept_s) > 0)[: len(kept_s)]
    counts["rows_of_the_same_time"] = int((~first).sum())
    meta = {name: n for name, n in counts.items() if n}
    return Clocked(kept_s[first], kept[first], meta, tuple(_in_words(name, n) for name, n in meta.items()))


def _in_words(name: str, n: int) -> str:
    done = "were sorted" if name == "rows_out_of_order" else "were left out"
    return f"{n} {name.replace('_', ' ')} {done}"


def duplicated_axes(data: FloatArray, channels: Sequence[str]) -> tuple[str, ...]:
    """Pairs of channels that hold the same samples, such as ``acc_y = acc_z``; constant ones do not count.

    Args:
        data: Samples, shape ``(time, channel)``.
        channels: Their names.
    """
    known = data[np.isfinite(data).all(axis=1)]
    pairs = [(i, j) for i in range(len(channels)) for j in range(i + 1, len(channels))]
    return tuple(f"{channels[i]} = {channels[j]}" for i, j in pairs if _same(known[:, i], known[:, j]))


def _same(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> bool:
    return len(a) > 1 and bool(np.ptp(a) > 0) and float((a == b).mean()) > _SAME


def duplicates_noted(rec: Recording) -> Recording:
    """The recording with a warning where two of its axes hold the same samples; the samples stay."""
    same = duplicated_axes(rec.data, rec.spec.channels)
    if not same:
        return rec
    words = f"duplicated axes: {', '.join(same)}; the samples were kept"
    return rec.replace(meta={**rec.meta, "duplicated_axes": list(same)}, warnings=(*rec.warnings, words))


def narrated(rec: Recording, narrations: Iterable[Narration], zero_s: float = 0.0) -> Recording:
    """The recording with its narrations as points of time on a track for each annotator.

    Narrations without text or outside of the recording are left out and counted.

    Args:
        rec: Its clock is zero at ``zero_s`` of the video.
        narrations: In any order.
        zero_s: Time of the recording's first sample in the video.
    """
    end_s = rec.segment_stop_s(rec.segments[-1])
    given = list(narrations)
    found = [
        Annotation(at, at, label=n.text.strip(), track=f"{NARRATION}/{slug(n.annotator)}")
        for n in given
        if n.text.strip() and 0 <= (at := n.time_s - zero_s) <= end_s
    ]
    found.sort(key=lambda a: (a.start_s, a.track))
    lost = len(given) - len(found)
    meta = {"narrations": len(found), "narrations_left_out": lost}
    words = (f"{lost} of {len(given)} narrations lie outside of the motion or are empty",) if lost else ()
    return rec.replace(
        annotations=(*rec.annotations, *found), meta={**rec.meta, **meta}, warnings=(*rec.warnings, *words)
    )


def slug(name: object) -> str:
    """A name that can be part of a file's or a track's."""
    return re.sub(r"[^\w.-]+", "-", str(name)) or "unknown"
