"""Sentences from a table: recording, time, text."""

from __future__ import annotations

import csv
import math
import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from kinelet.corpus.corpus import Corpus
from kinelet.corpus.inside import Fitted, fit, misplaced, tell_misfits
from kinelet.corpus.manifest import RecordingInfo
from kinelet.corpus.narrations import Narration
from kinelet.corpus.process import LEFT_OUT
from kinelet.errors import BadFileError

NEEDED, OPTIONAL = ("recording", "time", "text"), ("stop", "annotator")
_UNIX = 1e8  # seconds; no recording lasts three years, and no recording is from before 1973
_SHOWN = 5


class BadRowError(Exception):
    """What is wrong with one row."""


@dataclass(frozen=True)
class Said:
    """Sentences of a file.

    Attributes:
        rows: Those that lie within their recordings, cut to them.
        outside: Sentences that were left out, since nothing of them lies within their recording.
        cut: Sentences that ran past an end of it.
    """

    rows: tuple[Narration, ...] = ()
    outside: int = 0
    cut: int = 0

    def __add__(self, other: Said) -> Said:
        return Said(self.rows + other.rows, self.outside + other.outside, self.cut + other.cut)


def read_narrations(path: str | Path, corpus: Corpus) -> list[Narration]:
    """Sentences of a CSV file; see :func:`read_said`."""
    return list(read_said(path, corpus).rows)


def read_said(path: str | Path, corpus: Corpus) -> Said:
    """Read sentences from a CSV file with the columns recording, time, text, and if wanted stop and annotator.

    ``recording`` is an id of the corpus, a recording's name, the name of a file, or the beginning of an id, if it fits
    one recording only. ``time`` and ``stop`` are seconds on the recording's own clock (0 is its first sample); for a
    recording whose absolute start is known also seconds since 1970 UTC, or ISO 8601 (UTC where it names no zone).
    Without ``stop`` a sentence is about a moment. Other columns are not read.

    A sentence that lies outside its recording is left out, one that runs past an end is cut there; both are told. If
    all sentences about a recording lie outside, its clock is another one: that is an error.

    Args:
        path: The file, UTF-8, separated by commas.
        corpus: What the sentences are about.

    Warns:
        UserWarning: if sentences are left out or cut, or if a build left out the beginning of a recording, since
            seconds count from what was kept.

    Raises:
        BadFileError: if a column is missing, or any row is wrong; names the lines.
    """
    path = Path(path)
    names = Names(corpus.recordings)
    found: list[Narration] = []
    lines: list[int] = []
    wrong: list[str] = []
    for line, row in _rows(path):
        try:
            found.append(_narration(row, names))
            lines.append(line)
        except BadRowError as error:
            wrong.append(f"line {line}: {error}")
    ids = [n.recording for n in found]
    fitted = fit(ids, [n.start_s for n in found], [n.stop_s for n in found], corpus)
    wrong += misplaced(ids, fitted, corpus, "sentences")
    if wrong or not found:
        more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise BadFileError(
            "; ".join(wrong[:_SHOWN]) + more or "holds no sentences",
            where=str(path),
            remedy="Correct or remove these rows; recording ids are those of Corpus.recordings",
        )
    tell_misfits(fitted, str(path), "sentence", "line", lines)
    said = within(found, fitted)
    tell_late_starts({n.recording for n in said.rows}, corpus)
    return said


def within(rows: Sequence[Narration], fitted: Fitted) -> Said:
    """Sentences as they were fitted into their recordings."""
    times = zip(rows, fitted.start_s.tolist(), fitted.stop_s.tolist(), fitted.outside.tolist(), strict=True)
    kept = tuple(replace(row, start_s=start, stop_s=stop) for row, start, stop, outside in times if not outside)
    return Said(kept, int(fitted.outside.sum()), int(fitted.cut.sum()))


def _rows(path: Path) -> Iterable[tuple[int, Mapping[str, str | None]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle, strict=True)
            header = [h.strip().lower() for h in reader.fieldnames or ()]
            _check(header, path)
            reader.fieldnames = header
            yield from ((reader.line_num, row) for row in reader)
    except FileNotFoundError:
        raise BadFileError("no such file", where=str(path), remedy="Check the path of the narrations") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        remedy = "Give a CSV file in UTF-8 with the columns recording, time, text"
        raise BadFileError(f"not readable ({error})", where=str(path), remedy=remedy) from error


def _check(header: list[str], path: Path) -> None:
    missing = [c for c in NEEDED if c not in header]
    twice = sorted({c for c in header if c in (*NEEDED, *OPTIONAL) and header.count(c) > 1})
    if missing or twice:
        other = next((mark for mark in (";", "\t", "|") if any(mark in name for name in header)), None)
        if missing and other:
            what = f"it looks separated by {other!r}, not by commas"
            raise BadFileError(what, where=str(path), remedy="Save it as CSV with commas, texts with commas in quotes")
        what = f"no column {', '.join(missing)}" if missing else f"column {', '.join(twice)} is there twice"
        remedy = f"Needed: {', '.join(NEEDED)}; read if there: {', '.join(OPTIONAL)}; separated by commas"
        raise BadFileError(f"{what} among {', '.join(header) or 'none'}", where=str(path), remedy=remedy)


def _narration(row: Mapping[str, str | None], names: Names) -> Narration:
    if None in row:
        raise BadRowError("more cells than columns (put texts with commas in quotes)")
    cell = {name: (row.get(name) or "").strip() for name in (*NEEDED, *OPTIONAL)}
    if not cell["text"]:
        raise BadRowError("no text")
    recording = names.find(cell["recording"])
    start = _seconds(cell["time"], "time", recording)
    stop = _seconds(cell["stop"], "stop", recording) if cell["stop"] else start
    if stop < start:
        raise BadRowError(f"stop {cell['stop']!r} is before time {cell['time']!r}")
    return Narration(recording.id, start, stop, cell["text"], cell["annotator"])


def _seconds(text: str, column: str, recording: RecordingInfo) -> float:
    """Seconds on the recording's own clock, to the millisecond or better."""
    try:
        value, absolute = float(text), False
    except ValueError:
        value, absolute = _iso(text, column), True
    if not math.isfinite(value):
        raise BadRowError(f"{column} {text!r} is not finite")
    if not absolute and abs(value) < _UNIX:
        return value
    if recording.start_unix_s is None:
        raise BadRowError(f"{column} {text!r} is a date, and the absolute start of {recording.id!r} is not known")
    return round(value - recording.start_unix_s, 6)


def _iso(text: str, column: str) -> float:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise BadRowError(f"{column} {text!r} is neither seconds nor an ISO 8601 date") from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


class Names:
    """Recordings by all that they may be called."""

    def __init__(self, recordings: Iterable[RecordingInfo]) -> None:
        self.by_id = {r.id: r for r in recordings}
        self.by_name: dict[str, dict[str, RecordingInfo]] = defaultdict(dict)
        for r in self.by_id.values():
            for name in {str(r.row["name"]), Path(r.id).name, Path(r.id).stem, *_file_names(r)}:
                self.by_name[name][r.id] = r
        self.known: dict[str, RecordingInfo] = {}

    def find(self, name: str) -> RecordingInfo:
        """The one recording of that id, name, file name or beginning of an id.

        Raises:
            BadRowError: if there is none, or several.
        """
        if name not in self.known:
            self.known[name] = self.by_id.get(name) or self._one_of(name)
        return self.known[name]

    def _one_of(self, name: str) -> RecordingInfo:
        if not name:
            raise BadRowError("no recording")
        found = dict(self.by_name.get(name, {})) or {i: r for i, r in self.by_id.items() if i.startswith(name)}
        if len(found) != 1:
            listed = ", ".join(repr(i) for i in sorted(found or self.by_id)[:3])
            what = f"recording {name!r} may be {len(found)}" if found else f"no recording {name!r}; the corpus has"
            raise BadRowError(f"{what}: {listed}, …")
        return next(iter(found.values()))


def _file_names(recording: RecordingInfo) -> set[str]:
    source = recording.row["source"]
    return {Path(source).name, Path(source).stem} if source else set()


def tell_late_starts(ids: Iterable[str], corpus: Corpus) -> None:
    """Warn of recordings that begin later than their files, where seconds may be meant from either."""
    late = {i: corpus.recordings[corpus.codes[i]].meta.get(LEFT_OUT, 0.0) for i in ids}
    late = {i: seconds for i, seconds in sorted(late.items()) if seconds > 0}
    if late:
        name, seconds = next(iter(late.items()))
        warnings.warn(
            f"the first {seconds:.3f} s of {name!r} were left out when the corpus was built ({len(late)} such "
            "recordings): seconds count from the first sample that was kept, absolute times are right as they are",
            UserWarning,
            stacklevel=3,
        )
