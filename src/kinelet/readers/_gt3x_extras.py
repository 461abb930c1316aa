"""Idle sleep and slow signals of ActiGraph ``.gt3x`` files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kinelet.errors import BadFileError
from kinelet.readers import _gt3x_log as gl
from kinelet.readers._blocks import timed_stream
from kinelet.readers._clock import Timeline
from kinelet.readers._gt3x_facts import Facts
from kinelet.signal.recording import Recording, Segment

LUX = {"NEO": (1.25, 2500.0), "MRA": (3.25, 6000.0)}
"""Factor and highest value of the old layout's light."""
MAX_HELD = 50_000_000


def sleep_gaps(log: gl.Log, records: gl.Ints, timeline: Timeline) -> tuple[str, ...]:
    """A gap in which the device went to sleep is ``idle_sleep``; others are ``missing``."""
    events = log.of(gl.EVENT)
    events = events[log.size[events] == 1]
    asleep = np.sort(log.unix_s[events[log.data[log.payload[events]] == gl.SLEEP_BEGINS]])
    before, after = log.unix_s[records[timeline.gap_blocks - 1]], log.unix_s[records[timeline.gap_blocks]]
    inside = np.searchsorted(asleep, after, side="right") - np.searchsorted(asleep, before, side="left")
    return tuple("idle_sleep" if n > 0 else "missing" for n in inside)


def hold_idle(recording: Recording, path: Path) -> Recording:
    """Fill the gaps of idle sleep with the last sample before them.

    Raises:
        BadFileError: if that would take more than :data:`MAX_HELD` samples.
    """
    rate = recording.spec.rate_hz
    idle = np.array([reason == "idle_sleep" for reason in recording.gap_reasons], dtype=np.bool_)
    length = np.array([gap.stop_s - gap.start_s for gap in recording.gaps])
    fill = np.where(idle, np.round(length * rate), 0).astype(np.int64)
    if fill.sum() > MAX_HELD:
        raise BadFileError(
            f"idle sleep of {fill.sum() / rate / 3600:.0f} h is too long to fill",
            where=str(path),
            remedy='Read it with idle_sleep="gap"',
        )
    stop = np.array([segment.stop for segment in recording.segments])
    repeat = np.ones(len(recording.data), dtype=np.int64)
    repeat[stop[:-1] - 1] += fill
    # Segments that are still apart begin after the gaps that were not filled.
    begin = [0, *(np.flatnonzero(~idle) + 1).tolist()]
    first = [recording.segments[i] for i in begin]
    moved = np.concatenate([[0], np.cumsum(fill)])
    cut = [int(s.start + moved[i]) for i, s in zip(begin, first, strict=True)]
    edges = [*cut[1:], int(repeat.sum())]
    return recording.replace(
        data=np.repeat(recording.data, repeat, axis=0),
        segments=tuple(Segment(a, b, s.time_s) for a, b, s in zip(cut, edges, first, strict=True)),
        gap_reasons=tuple(reason for reason in recording.gap_reasons if reason != "idle_sleep"),
        meta={**recording.meta, "held_samples": int(fill.sum())},
    )


def slow_streams(log: gl.Log, timeline: Timeline, subject: str) -> dict[str, Recording]:
    """Slow signals with a time stamp each, on the clock of the acceleration."""
    out = {}
    for name, unit, kind, factor in (("light", "lux", gl.LUX, 1.0), ("battery", "V", gl.BATTERY, 1e-3)):
        records = log.of(kind)
        records = records[log.size[records] == 2]
        time = log.unix_s[records] - timeline.start_unix_s
        order = np.flatnonzero(np.diff(np.maximum.accumulate(time), prepend=-np.inf) > 0) if len(time) else records[:0]
        if len(order) == 0:
            continue
        at = log.payload[records[order]]
        raw = log.data[at].astype(np.float32) + 256 * log.data[at + 1].astype(np.float32)
        time = time[order]
        step = float(np.median(np.diff(time))) if len(time) > 1 else 1.0
        data = (raw * np.float32(factor))[:, None]
        out[name] = timed_stream(name, unit, data, time, timeline.start_unix_s, 1 / step, subject)
    return out


def old_light(raw: bytes, facts: Facts, subject: str) -> Recording | None:
    """Light of the old layout, one value a second; below 20 and 0xFFFF mean dark."""
    values = np.frombuffer(raw[: len(raw) // 2 * 2], dtype="<u2").astype(np.float32)
    if len(values) == 0:
        return None
    factor, highest = LUX.get(facts.kind, LUX["NEO"])
    lux = np.where((values < 20) | (values == 65535), 0, np.minimum(values * factor, highest)).astype(np.float32)
    time = np.arange(len(lux), dtype=np.float64)
    return timed_stream("light", "lux", lux[:, None], time, facts.start_unix_s, 1.0, subject)


def unread_records(log: gl.Log) -> tuple[str, ...]:
    """Records that were not read: types that the format does not document, and a second sensor's."""
    kinds, counts = np.unique(log.kind, return_counts=True)
    odd = {int(k): int(n) for k, n in zip(kinds, counts, strict=True) if int(k) not in gl.KNOWN}
    out = []
    if odd:
        out.append(f"records of unknown types were ignored (type: how many): {odd}")
    imu = int(np.isin(log.kind, (17, 22, 25)).sum())
    if imu:
        out.append(f"{imu} records of a second sensor (IMU) were not read")
    return tuple(out)
