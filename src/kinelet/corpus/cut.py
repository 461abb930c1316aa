"""Where windows lie: spans of a corpus, each with a number of windows a hop apart."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from kinelet.corpus.corpus import Corpus
from kinelet.corpus.events import Events, open_windows
from kinelet.corpus.labels import Intervals, class_codes
from kinelet.corpus.narrations import narrations
from kinelet.corpus.specs import common_spec
from kinelet.corpus.windows import Placement, Windows
from kinelet.errors import BadOptionError
from kinelet.signal.spec import SignalSpec

Ints = npt.NDArray[np.int64]
_FUZZ = 1e-6  # of a sample: how far off the grid an annotation's edge may be


@dataclass(frozen=True)
class Spans:
    """Runs of samples that windows are laid in; all arrays ``(spans,)``.

    Attributes:
        recording: Code of the recording.
        first: First sample.
        length: Samples.
        time_s: Time of the first sample.
        count: Windows.
        code: Class of the annotation a span was made from; -1 without.
        value: Value of the annotation a span was made from; NaN without.
    """

    recording: npt.NDArray[np.int32]
    first: Ints
    length: Ints
    time_s: npt.NDArray[np.float64]
    count: Ints
    code: npt.NDArray[np.int32]
    value: npt.NDArray[np.float64]

    @cached_property
    def before(self) -> Ints:
        """Windows in earlier spans, shape ``(spans + 1,)``."""
        return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(self.count, dtype=np.int64)])


def cut_windows(
    corpus: Corpus,
    window_s: float,
    hop_s: float | None,
    *,
    track: str,
    purity: float,
    placement: Placement,
    merge_overlap: float,
    classes: Sequence[str] | None,
    drop_labels: Collection[str],
    channels: Sequence[str] | None,
) -> Windows:
    """Lay windows; see :meth:`Corpus.windows`."""
    spec = common_spec(corpus.recordings, channels=channels, where=str(corpus.path))
    n_samples, hop = _sizes(window_s, window_s if hop_s is None else hop_s, spec)
    if not 0 < purity <= 1:
        raise BadOptionError(f"purity is {purity!r}", remedy="It is a share, above 0 and at most 1")
    marks = track_intervals(corpus, track, classes, drop_labels)
    events = None
    if placement == "grid":
        spans = _grid(corpus, n_samples, hop)
    elif placement == "event":
        events = _events(corpus, n_samples, merge_overlap)
        spans = _opened(events)
    elif placement in ("annotation", "stretch"):
        spans = _annotated(corpus, marks, n_samples, hop, stretch=placement == "stretch")
    else:
        raise BadOptionError(f"placement is {placement!r}", remedy="Use grid, annotation, stretch or event")
    if not spans.count.sum():
        raise BadOptionError(
            f"no window of {window_s:g} s fits into any recording",
            where=str(corpus.path),
            remedy="Use shorter windows, or placement='stretch'",
        )
    return Windows(
        corpus,
        spans,
        spec=spec.replace(window_s=n_samples / spec.rate_hz),
        n_samples=n_samples,
        hop=hop,
        purity=purity,
        placement=placement,
        marks=marks,
        events=events,
    )


def _sizes(window_s: float, hop_s: float, spec: SignalSpec) -> tuple[int, int]:
    sizes = (round(window_s * spec.rate_hz), round(hop_s * spec.rate_hz))
    for name, seconds, samples in zip(("window_s", "hop_s"), (window_s, hop_s), sizes, strict=True):
        if samples < 1:
            raise BadOptionError(
                f"{name} is {seconds!r}, less than one sample at {spec.rate_hz:g} Hz", remedy="Use a longer one"
            )
    return sizes


@dataclass(frozen=True)
class Marks:
    """Annotations of one track by recording, and the classes their codes stand for."""

    track: str
    classes: tuple[str, ...]
    by_recording: dict[int, Intervals]


def track_intervals(corpus: Corpus, track: str, classes: Sequence[str] | None, drop_labels: Collection[str]) -> Marks:
    """Columns of the annotations of one track, by recording code.

    Raises:
        BadOptionError: if classes are named twice.
    """
    table = corpus.annotations.filter(pc.equal(corpus.annotations["track"], track))
    labels = table["label"].to_pylist()
    names = tuple(sorted(set(labels) - {None} - set(drop_labels))) if classes is None else tuple(classes)
    if len(set(names)) != len(names):
        raise BadOptionError(f"classes repeat: {names}")
    names = tuple(n for n in names if n not in drop_labels)
    code = class_codes(labels, names)
    recording = np.array([corpus.codes[r] for r in table["recording"].to_pylist()], dtype=np.int64)
    start, stop = (table[c].to_numpy().astype(np.float64) for c in ("start_s", "stop_s"))
    value = np.array([np.nan if v is None else v for v in table["value"].to_pylist()], dtype=np.float64)
    order = np.argsort(recording, kind="stable")
    edges = np.flatnonzero(np.diff(recording[order])) + 1
    groups = [g for g in np.split(order, edges) if len(g)]
    found = {int(recording[g[0]]): Intervals(start[g], stop[g], code[g], value[g]) for g in groups}
    return Marks(track, names, found)


def _grid(corpus: Corpus, n_samples: int, hop: int) -> Spans:
    rows = [(i, s.start, s.stop - s.start, s.time_s) for i, r in enumerate(corpus.recordings) for s in r.segments]
    count = [max(0, (row[2] - n_samples) // hop + 1) for row in rows]
    return _spans([(*row, n, -1, np.nan) for row, n in zip(rows, count, strict=True)])


def _events(corpus: Corpus, n_samples: int, merge_overlap: float) -> Events:
    if not 0 <= merge_overlap < 1:
        raise BadOptionError(f"merge_overlap is {merge_overlap!r}", remedy="It is a share, at least 0 and below 1")
    found = narrations(corpus)
    if not len(found):
        raise BadOptionError(
            "no sentences to lay windows by",
            where=str(corpus.path),
            remedy="Attach some with: kinelet corpus annotate CORPUS --narrations FILE.csv",
        )
    return open_windows(corpus, found, n_samples, merge_overlap)


def _opened(events: Events) -> Spans:
    axis, segment, first = events.axis, events.segment, events.sample
    ones = np.ones(len(first), dtype=np.int64)
    return Spans(
        recording=axis.recording[segment].astype(np.int32),
        first=first,
        length=ones * axis.n_samples,
        time_s=axis.time_s[segment] + (first - axis.first[segment]) / axis.rate_hz,
        count=ones,
        code=np.full(len(first), -1, dtype=np.int32),
        value=np.full(len(first), np.nan),
    )


def _annotated(corpus: Corpus, marks: Marks, n_samples: int, hop: int, *, stretch: bool) -> Spans:
    rows = []
    for recording, info in enumerate(corpus.recordings):
        for first, length, time_s, code, value in _pieces(info, marks.by_recording.get(recording), whole=stretch):
            count = int(length >= 2) if stretch else max(0, (length - n_samples) // hop + 1)
            rows.append((recording, first, length, time_s, count, code, value))
    return _spans(rows)


def _pieces(info: Any, intervals: Intervals | None, *, whole: bool) -> Iterator[tuple[int, int, float, int, float]]:
    if intervals is None:
        yield from ((s.start, s.stop - s.start, s.time_s, -1, np.nan) for s in info.segments if whole)
        return
    rate = info.spec.rate_hz
    for start_s, stop_s, code, value in zip(
        intervals.start_s, intervals.stop_s, intervals.code, intervals.value, strict=True
    ):
        for s in info.segments:
            first = max(0, int(np.ceil((start_s - s.time_s) * rate - _FUZZ)))
            stop = min(s.stop - s.start, int(np.ceil((stop_s - s.time_s) * rate - _FUZZ)))
            if stop > first:
                yield s.start + first, stop - first, s.time_s + first / rate, int(code), float(value)


def _spans(rows: Sequence[tuple[Any, ...]]) -> Spans:
    columns = list(zip(*rows, strict=True)) if rows else [()] * 7
    types = (np.int32, np.int64, np.int64, np.float64, np.int64, np.int32, np.float64)
    return Spans(*(np.asarray(c, dtype=t) for c, t in zip(columns, types, strict=True)))
