"""A recording: samples, their clock, who wore the sensor, and what is known about intervals of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kinelet.errors import BadFileError
from kinelet.signal.spec import SignalSpec

if TYPE_CHECKING:
    from kinelet.signal.quality import QualityReport

FloatArray = npt.NDArray[np.float32]

#: Track of sentences about moments; ``narration/NAME`` holds those of annotator NAME.
NARRATION = "narration"


@dataclass(frozen=True)
class Annotation:
    """Something known about an interval of a recording.

    Attributes:
        start_s: Start, seconds on the recording's own clock (0 is its first sample).
        stop_s: End (exclusive), same clock.
        label: Class name, or ``None`` where the annotation carries a value.
        value: Target value, or ``None`` where it carries a label.
        track: What the annotation is about, for example ``activity`` or ``heart_rate``.
    """

    start_s: float
    stop_s: float
    label: str | None = None
    value: float | None = None
    track: str = "activity"


@dataclass(frozen=True)
class Segment:
    """A run of samples without a gap: ``data[start:stop]``, its first sample at ``time_s``."""

    start: int
    stop: int
    time_s: float


@dataclass(frozen=True)
class Gap:
    """A stretch of time without samples, and why where that is known (``idle_sleep``, ``corrupt_block``, ``clock``)."""

    start_s: float
    stop_s: float
    reason: str = "unknown"


@dataclass(frozen=True)
class Recording:
    """Samples of one sensor on one person, with their clock.

    Within a segment the clock is uniform at ``spec.rate_hz`` unless ``time_s`` holds the time of each sample (an
    irregular clock, as phones write it); :func:`kinelet.signal.resample` turns the second kind into the first.

    Attributes:
        data: Samples, shape ``(time, channel)``, float32, in ``spec.units``.
        spec: What the samples are.
        subject: Who wore the sensor; splits are made over this.
        name: Name of the recording, unique within a corpus.
        segments: Runs without gaps, in time order, covering all samples.
        start_unix_s: Time of the first sample in seconds since 1970 UTC, or ``None`` where unknown.
        time_s: Time of each sample in seconds since the first, shape ``(time,)``, for irregular clocks only.
        annotations: Intervals with labels or values.
        gap_reasons: Reason of the gap after segment ``i``; may be shorter than the number of gaps.
        resolution: The device's own step per channel in ``spec.units``; ``None`` where unknown.
        streams: Further signals of the same device at their own rates (temperature, blood-volume pulse, …).
        meta: Facts about device and file, and every policy choice that was made while reading.
        warnings: What was odd about the file and what was kept.
    """

    data: FloatArray
    spec: SignalSpec
    subject: str
    name: str
    segments: tuple[Segment, ...] = ()
    start_unix_s: float | None = None
    time_s: npt.NDArray[np.float64] | None = None
    annotations: tuple[Annotation, ...] = ()
    gap_reasons: tuple[str, ...] = ()
    resolution: tuple[float | None, ...] | None = None
    streams: Mapping[str, Recording] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.segments:
            object.__setattr__(self, "segments", (Segment(0, len(self.data), 0.0),))
        self._check()

    def _check(self) -> None:
        where = f"recording {self.name!r}"
        if self.data.dtype != np.float32 or self.data.ndim != 2 or self.data.shape[1] != len(self.spec.channels):
            raise BadFileError(
                f"data is {self.data.dtype} {self.data.shape}, not float32 (time, {len(self.spec.channels)})",
                where=where,
            )
        if len(self.data) == 0:
            raise BadFileError("no samples", where=where, remedy="Check that the device recorded anything")
        edges = [0, *(s.stop for s in self.segments)]
        if [s.start for s in self.segments] != edges[:-1] or edges[-1] != len(self.data):
            raise BadFileError("segments do not cover the samples one after the other", where=where)
        if any(b.time_s <= a.time_s for a, b in zip(self.segments, self.segments[1:], strict=False)):
            raise BadFileError("segments are not in time order", where=where)
        if self.time_s is not None and self.time_s.shape != (len(self.data),):
            raise BadFileError(f"{len(self.data)} samples but {self.time_s.shape} times", where=where)

    def times(self) -> npt.NDArray[np.float64]:
        """Time of every sample, seconds since the first, shape ``(time,)``."""
        if self.time_s is not None:
            return self.time_s
        out = np.empty(len(self.data), dtype=np.float64)
        for s in self.segments:
            out[s.start : s.stop] = s.time_s + np.arange(s.stop - s.start) / self.spec.rate_hz
        return out

    def segment_stop_s(self, segment: Segment) -> float:
        """End of a segment in seconds: the time of its last sample plus one sample period."""
        if self.time_s is not None:
            return float(self.time_s[segment.stop - 1]) + 1.0 / self.spec.rate_hz
        return segment.time_s + (segment.stop - segment.start) / self.spec.rate_hz

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Stretches without samples between segments."""
        return tuple(self._gaps())

    def _gaps(self) -> Iterator[Gap]:
        for i, (a, b) in enumerate(zip(self.segments, self.segments[1:], strict=False)):
            reason = self.gap_reasons[i] if i < len(self.gap_reasons) else "unknown"
            yield Gap(self.segment_stop_s(a), b.time_s, reason)

    @property
    def duration_s(self) -> float:
        """Seconds covered by samples; gaps do not count."""
        return sum(
            self.segment_stop_s(s) - (self.time_s[s.start] if self.time_s is not None else s.time_s)
            for s in self.segments
        )

    def replace(self, **changes: Any) -> Recording:
        """Return a checked copy with some fields changed."""
        return replace(self, **changes)

    def quality(self) -> QualityReport:
        """Measure rate, drift, gaps, clipping, stuck axes, calibration error, wear time and plausible norm."""
        from kinelet.signal.quality import quality_report

        return quality_report(self)
