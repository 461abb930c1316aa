"""Small corpora with several modalities, each at its own rate, on one clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kinelet.corpus import BuildConfig, Corpus, build
from kinelet.signal.recording import Recording, Segment
from kinelet.signal.spec import SignalSpec

WITH_STREAMS = BuildConfig(quality=False, streams=True)
UNIX = 1_600_000_000.0


def clocked(
    channels: tuple[str, ...],
    rate_hz: float,
    *stretches: tuple[float, float],
    zero_s: float = 0.0,
    subject: str = "P1",
    name: str = "a",
    site: str | None = None,
    **fields: Any,
) -> Recording:
    """A recording whose signal is time itself: each sample is its own time in seconds on a clock all share.

    Args:
        channels: Channels; all carry the same.
        rate_hz: Rate.
        *stretches: Start and end of each stretch without gaps, seconds on the shared clock.
        zero_s: Kept only if the recording is to say nothing of where it starts.
        subject: Who.
        name: Which.
        site: Where.
        **fields: Further fields of the recording.
    """
    first = stretches[0][0]
    segments, times, at = [], [], 0
    for start, stop in stretches:
        n = round((stop - start) * rate_hz)
        segments.append(Segment(at, at + n, start - first))
        times.append(start - zero_s + np.arange(n) / rate_hz)
        at += n
    data = np.repeat(np.concatenate(times)[:, None], len(channels), axis=1).astype(np.float32)
    spec = SignalSpec(rate_hz=rate_hz, channels=channels, units=("s",) * len(channels), site=site)
    return Recording(data, spec, subject=subject, name=name, segments=tuple(segments), **fields)


def acc(rate_hz: float, *stretches: tuple[float, float], **fields: Any) -> Recording:
    """Time on three axes, at a known time of the day."""
    fields.setdefault("start_unix_s", UNIX + stretches[0][0])
    return clocked(("acc_x", "acc_y", "acc_z"), rate_hz, *stretches, **fields)


def bvp(rate_hz: float, *stretches: tuple[float, float], **fields: Any) -> Recording:
    """Time on one channel, at a known time of the day."""
    fields.setdefault("start_unix_s", UNIX + stretches[0][0])
    return clocked(("bvp",), rate_hz, *stretches, **({"name": "bvp"} | fields))


def corpus_of(folder: Path, *recordings: Recording, config: BuildConfig = WITH_STREAMS) -> Corpus:
    summary = build(recordings, folder, config)
    assert not summary.failures, summary.failures
    return Corpus.open(folder)


def wristbands(folder: Path, people: int = 3, seconds: float = 60.0, **fields: Any) -> Corpus:
    """Acceleration at 32 Hz and pulse at 64 Hz that starts 3.01 s later."""
    made = [
        acc(
            32.0,
            (0.0, seconds),
            subject=f"P{i}",
            name=f"r{i}",
            streams={"bvp": bvp(64.0, (3.01, seconds), subject=f"P{i}")},
            **fields,
        )
        for i in range(people)
    ]
    return corpus_of(folder, *made)
