"""From a publisher's rows to a recording: units, gaps for lost rows, annotations for runs of labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from kinelet.errors import BadFileError
from kinelet.signal.clock import split_at_gaps
from kinelet.signal.recording import Annotation, FloatArray, Recording, Segment
from kinelet.signal.spec import SignalSpec
from kinelet.signal.units import convert

Labels = npt.NDArray[Any]
"""One string a row, empty where the row has no label."""
Times = npt.NDArray[np.float64]


def motion(acc: npt.ArrayLike, acc_unit: str, gyr: npt.ArrayLike | None = None, gyr_unit: str = "rad/s") -> FloatArray:
    """Accelerometer (time, 3), and gyroscope if given, side by side in g and rad/s: (time, 3 or 6)."""
    parts = [convert(acc, acc_unit, "g")]
    if gyr is not None:
        parts.append(convert(gyr, gyr_unit, "rad/s"))
    return np.ascontiguousarray(np.concatenate(parts, axis=1), dtype=np.float32)


def magnetometer_spec(rate_hz: float, site: str) -> SignalSpec:
    """Spec of a magnetometer in microtesla.

    >>> magnetometer_spec(50.0, "wrist").channels
    ('mag_x', 'mag_y', 'mag_z')
    """
    return SignalSpec(rate_hz=rate_hz, channels=("mag_x", "mag_y", "mag_z"), units=("uT",) * 3, site=site)


def on_grid(
    data: FloatArray,
    spec: SignalSpec,
    *,
    row: npt.NDArray[np.int64] | None = None,
    lost: str = "lost_samples",
    labels: Mapping[str, Labels] | None = None,
    events: Sequence[Annotation] = (),
    start_unix_s: float | None = None,
    **fields: Any,
) -> Recording:
    """Recording on an even clock; rows with NaN, and rows that the counter ``row`` jumps over, become gaps.

    Args:
        data: Samples in ``spec.units``, shape ``(time, channel)``.
        spec: What they are.
        row: Position of each row on the even clock, increasing, shape ``(time,)``; default 0, 1, 2, …
        lost: Reason recorded for the gaps.
        labels: Track -> label of each row.
        events: Annotations on the clock of ``row`` 0.
        start_unix_s: Time of ``row`` 0.
        **fields: Passed to :class:`Recording`; ``clock_start_s`` and ``starts_after_s`` in ``meta`` are of ``row`` 0.

    Raises:
        BadFileError: No row holds samples, or the counter does not increase.
    """
    where = str(fields["name"])
    row = np.arange(len(data), dtype=np.int64) if row is None else np.asarray(row, dtype=np.int64)
    if (np.diff(row) <= 0).any():
        raise BadFileError("the sample counter does not increase", where=where, remedy="Download the file again")
    keep = _finite(data, where)
    kept = row[keep]
    offset_s = float(kept[0] - row[0]) / spec.rate_hz
    cuts = [0, *(np.flatnonzero(np.diff(kept) != 1) + 1).tolist(), len(kept)]
    times = (kept - kept[0]) / spec.rate_hz
    segments = tuple(Segment(a, b, float(times[a])) for a, b in pairwise(cuts))
    rec = Recording(
        data[keep],
        spec,
        segments=segments,
        start_unix_s=_plus(start_unix_s, offset_s),
        **_moved(_noted(fields, keep, lost), offset_s),
    )
    return _annotated(_reasons(rec, lost), keep, offset_s, labels or {}, events)


def on_clock(
    data: FloatArray,
    spec: SignalSpec,
    time_s: Times,
    *,
    lost: str = "lost_samples",
    max_gap_s: float | None = None,
    labels: Mapping[str, Labels] | None = None,
    events: Sequence[Annotation] = (),
    start_unix_s: float | None = None,
    **fields: Any,
) -> Recording:
    """Recording on the irregular clock ``time_s``; rows with NaN and long silences become gaps.

    Args:
        data: Samples in ``spec.units``, shape ``(time, channel)``.
        spec: What they are; its rate is the nominal one.
        time_s: Time of each row, not decreasing, shape ``(time,)``, any origin.
        lost: Reason recorded for the gaps.
        max_gap_s: Longest silence that is not a gap; default as in :func:`kinelet.signal.clock.split_at_gaps`.
        labels: Track -> label of each row.
        events: Annotations whose clock is zero at ``time_s[0]``.
        start_unix_s: Time of the first row.
        **fields: Passed to :class:`Recording`; ``clock_start_s`` and ``starts_after_s`` in ``meta`` are of the first
            row.

    Raises:
        BadFileError: No row holds samples, or the clock runs backwards.
    """
    keep = _finite(data, str(fields["name"]))
    offset_s = float(time_s[keep][0] - time_s[0])
    times = np.asarray(time_s[keep] - time_s[keep][0], dtype=np.float64)
    # A removed row is a gap even where the silence around it is short.
    removed = np.flatnonzero(np.diff(np.flatnonzero(keep)) != 1) + 1
    starts = {s.start for s in split_at_gaps(times, spec.rate_hz, max_gap_s)} | set(removed.tolist())
    cuts = [*sorted(starts), len(times)]
    segments = _in_order(cuts, times)
    rec = Recording(
        data[keep],
        spec,
        segments=segments,
        time_s=times,
        start_unix_s=_plus(start_unix_s, offset_s),
        **_moved(_noted(fields, keep, lost), offset_s),
    )
    return _annotated(_reasons(rec, lost), keep, offset_s, labels or {}, events)


def runs(rec: Recording, labels: Labels, track: str) -> Iterator[Annotation]:
    """Annotations for runs of equal non-empty labels, one label a sample; a run never crosses a gap."""
    times = rec.times()
    change = np.flatnonzero(labels[1:] != labels[:-1]) + 1
    for segment in rec.segments:
        inside = change[(change > segment.start) & (change < segment.stop)].tolist()
        edges = [segment.start, *inside, segment.stop]
        for a, b in pairwise(edges):
            stop = float(times[b]) if b < segment.stop else rec.segment_stop_s(segment)
            if labels[a]:
                yield Annotation(float(times[a]), stop, label=str(labels[a]), track=track)


def names_of(codes: npt.NDArray[Any], names: Mapping[int, str]) -> Labels:
    """Label of each row from its number; numbers that are not in ``names`` have no label.

    >>> names_of(np.array([1, 1, 0]), {1: "walking"}).tolist()
    ['walking', 'walking', '']
    """
    found, inverse = np.unique(codes, return_inverse=True)
    table = np.array([names.get(int(c), "") if np.isfinite(c) else "" for c in found], dtype=object)
    return np.asarray(table[inverse])


def shifted(events: Sequence[Annotation], by_s: float) -> tuple[Annotation, ...]:
    """The same annotations ``by_s`` seconds later."""
    return tuple(replace(e, start_s=e.start_s + by_s, stop_s=e.stop_s + by_s) for e in events)


def _finite(data: FloatArray, where: str) -> npt.NDArray[np.bool_]:
    keep = np.asarray(np.isfinite(data).all(axis=1))
    if not keep.any():
        raise BadFileError(f"none of {len(data)} rows holds samples of all channels", where=where)
    return keep


def _in_order(cuts: Sequence[int], times: Times) -> tuple[Segment, ...]:
    """Segments between cuts; one that would start at the same moment as the one before is joined to it."""
    starts = [0]
    for cut in cuts[1:-1]:
        if times[cut] > times[starts[-1]]:
            starts.append(cut)
    edges = [*starts, cuts[-1]]
    return tuple(Segment(a, b, float(times[a])) for a, b in pairwise(edges))


def _noted(fields: dict[str, Any], keep: npt.NDArray[np.bool_], lost: str) -> dict[str, Any]:
    """Record how many rows were left out, in meta and as a warning."""
    n = int((~keep).sum())
    if not n:
        return fields
    warning = f"{n} of {len(keep)} rows without samples ({lost}) are gaps"
    meta = {**fields.get("meta", {}), "rows_without_samples": n}
    return {**fields, "meta": meta, "warnings": (*fields.get("warnings", ()), warning)}


def _moved(fields: dict[str, Any], by_s: float) -> dict[str, Any]:
    """Starts on other clocks, where rows before the first sample were left out."""
    meta = fields.get("meta", {})
    later = {name: meta[name] + by_s for name in ("clock_start_s", "starts_after_s") if name in meta}
    return {**fields, "meta": {**meta, **later}} if later else fields


def _reasons(rec: Recording, lost: str) -> Recording:
    return rec.replace(gap_reasons=(lost,) * (len(rec.segments) - 1))


def _plus(start: float | None, offset: float) -> float | None:
    return None if start is None else start + offset


def _annotated(
    rec: Recording,
    keep: npt.NDArray[np.bool_],
    offset_s: float,
    labels: Mapping[str, Labels],
    events: Sequence[Annotation],
) -> Recording:
    found = [a for track, rows in labels.items() for a in runs(rec, rows[keep], track)]
    return rec.replace(annotations=(*rec.annotations, *found, *shifted(events, -offset_s)))
