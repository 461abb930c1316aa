"""What a build does to a recording before it is stored."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from kinelet.config import FrozenModel
from kinelet.corpus.quantise import estimate_step
from kinelet.errors import BadFileError, SpecMismatchError
from kinelet.signal.calibrate import calibrate
from kinelet.signal.nonwear import nonwear
from kinelet.signal.recording import Recording, Segment
from kinelet.signal.resample import resample

BoolArray = npt.NDArray[np.bool_]
LEFT_OUT = "left_out_before_s"  # in meta: seconds of the file before the first sample that was kept
_STARTS = ("clock_start_s", "starts_after_s")  # in meta: where second 0 lies on another clock
PROCESSING = 1  # raise when the same configuration would give other samples than before


class BuildConfig(FrozenModel):
    """How recordings are brought into a corpus.

    Attributes:
        rate_hz: Resample to this rate; ``None`` keeps each recording's own (irregular clocks are put on a uniform grid
            at their nominal rate).
        channels: Keep these channels, in this order; a recording without one of them fails. ``None`` keeps all.
        calibrate: Correct accelerometer gain and offset from still periods (van Hees 2014) where there is enough
            still data; where there is not, the samples stay as they are and the manifest says why.
        nonwear: ``drop`` turns non-wear periods into gaps; ``keep`` leaves them in.
        streams: Store side streams (temperature, blood-volume pulse, …) as recordings of their own. By default they
            are left out and the manifest names them.
        quality: Measure quality figures for the manifest.
        max_gap_s: Longest hole in an irregular clock that is interpolated; ``None`` leaves it to the resampler.
    """

    rate_hz: float | None = Field(default=None, gt=0)
    channels: tuple[str, ...] | None = None
    calibrate: bool = False
    nonwear: Literal["keep", "drop"] = "keep"
    streams: bool = False
    quality: bool = True
    max_gap_s: float | None = Field(default=None, gt=0)

    @property
    def hash(self) -> str:
        """Hash of all options and of the processing's version."""
        return hashlib.sha256(f"{PROCESSING} {self.model_dump_json()}".encode()).hexdigest()


@dataclass(frozen=True)
class Prepared:
    """A recording ready to be stored.

    Attributes:
        recording: On a uniform clock, finite.
        quality: Figures measured before anything was changed.
        grid_channels: Channels whose step was not known from the device but found in its samples.
    """

    recording: Recording
    quality: dict[str, Any]
    grid_channels: frozenset[str]


def prepare(rec: Recording, config: BuildConfig) -> Prepared:
    """Apply the options to a recording; what was done goes into its ``meta["build"]``."""
    rec = drop_not_finite(rec)
    rec, found = _with_resolution(rec)
    quality: dict[str, Any] = {}
    if config.quality:
        quality, warnings = quality_figures(rec)
        rec = rec.replace(warnings=warnings)
    notes: dict[str, Any] = {}
    if config.calibrate:
        rec, notes["calibration"] = _calibrate(rec)
    if config.nonwear == "drop":
        rec, notes["nonwear_dropped_s"] = _drop_nonwear(rec)
    if config.channels is not None and config.channels != rec.spec.channels:
        rec = choose_channels(rec, config.channels)
    if config.rate_hz is not None or rec.time_s is not None:
        rec = resample(rec, config.rate_hz or rec.spec.rate_hz, max_gap_s=config.max_gap_s)
    if rec.streams and not config.streams:
        notes["streams_left_out"] = sorted(rec.streams)
    return Prepared(rec.replace(meta={**rec.meta, "build": notes}) if notes else rec, quality, found)


def _with_resolution(rec: Recording) -> tuple[Recording, frozenset[str]]:
    known = rec.resolution or (None,) * rec.data.shape[1]
    steps = [estimate_step(rec.data[:, i]) if step is None else step for i, step in enumerate(known)]
    found = [c for c, old, new in zip(rec.spec.channels, known, steps, strict=True) if old is None and new is not None]
    return rec.replace(resolution=tuple(steps)), frozenset(found)


def quality_figures(rec: Recording) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Figures of the quality report (the worst channel's where there is one a channel), and all warnings."""
    figures: dict[str, Any] = {}
    report = asdict(rec.quality())
    warnings = report.pop("warnings")
    report.pop("remarks")
    for name, value in report.items():
        figures[name] = max(value.values(), default=0.0) if isinstance(value, dict) else value
    return figures, tuple(warnings)


def choose_channels(rec: Recording, channels: tuple[str, ...]) -> Recording:
    """Keep some channels, in the order given.

    Raises:
        SpecMismatchError: if the recording lacks one, naming what it has.
    """
    missing = [c for c in channels if c not in rec.spec.channels]
    if missing:
        raise SpecMismatchError(
            f"has no channel {', '.join(missing)}; it has {', '.join(rec.spec.channels)}",
            where=f"recording {rec.name!r}",
            remedy="Choose channels that it has, or leave it out",
        )
    columns = [rec.spec.channels.index(c) for c in channels]
    return rec.replace(
        data=np.ascontiguousarray(rec.data[:, columns]),
        spec=rec.spec.replace(channels=channels, units=tuple(rec.spec.units[i] for i in columns)),
        resolution=None if rec.resolution is None else tuple(rec.resolution[i] for i in columns),
    )


def _calibrate(rec: Recording) -> tuple[Recording, str]:
    if not {"acc_x", "acc_y", "acc_z"} <= set(rec.spec.channels):
        return rec, "no three-axis accelerometer"
    calibrated, outcome = calibrate(rec)
    return calibrated, str(outcome)


def _drop_nonwear(rec: Recording) -> tuple[Recording, float]:
    times = rec.times()
    keep = np.ones(len(times), dtype=bool)
    for start, stop in nonwear(rec):
        keep[np.searchsorted(times, start) : np.searchsorted(times, stop)] = False
    if not keep.any():
        raise BadFileError("never worn", where=f"recording {rec.name!r}", remedy="Keep it with nonwear=keep")
    return keep_samples(rec, keep, "nonwear"), float((~keep).sum() / rec.spec.rate_hz)


def drop_not_finite(rec: Recording) -> Recording:
    """Turn samples with NaN or infinity in any channel into gaps, with a warning that says how many.

    Raises:
        BadFileError: if no sample is left.
    """
    good: BoolArray = np.asarray(np.isfinite(rec.data).all(axis=1))
    bad = int((~good).sum())
    if not bad:
        return rec
    if bad == len(good):
        raise BadFileError("every sample has NaN or infinity", where=f"recording {rec.name!r}")
    warning = f"{bad} of {len(good)} samples have NaN or infinity and became gaps"
    return keep_samples(rec, good, "not finite").replace(warnings=(*rec.warnings, warning))


def keep_samples(rec: Recording, keep: BoolArray, reason: str) -> Recording:
    """Keep some samples; what is left out becomes gaps with ``reason``.

    Second 0 is the first sample that is kept; annotations and the absolute start move with it, and ``meta`` says how
    far.

    Args:
        rec: Recording.
        keep: Which samples stay, shape ``(time,)``.
        reason: Why the others do not.
    """
    where = np.flatnonzero(keep)
    segment_of = np.repeat(np.arange(len(rec.segments)), [s.stop - s.start for s in rec.segments])
    cut = np.flatnonzero((np.diff(where) > 1) | (np.diff(segment_of[where]) > 0)) + 1
    starts, stops = np.r_[0, cut], np.r_[cut, len(where)]
    times = rec.times()
    origin = float(times[where[0]])
    segments = [Segment(int(a), int(b), float(times[where[a]]) - origin) for a, b in zip(starts, stops, strict=True)]
    return rec.replace(
        data=rec.data[where],
        time_s=None if rec.time_s is None else rec.time_s[where] - origin,
        segments=tuple(segments),
        gap_reasons=tuple(_reason(rec, segment_of, where[i - 1], where[i], reason) for i in cut),
        start_unix_s=None if rec.start_unix_s is None else rec.start_unix_s + origin,
        annotations=tuple(replace(a, start_s=a.start_s - origin, stop_s=a.stop_s - origin) for a in rec.annotations),
        meta=_later(rec.meta, origin) if origin > 0 else rec.meta,
    )


def _later(meta: Mapping[str, Any], by_s: float) -> dict[str, Any]:
    """Facts of a recording whose first ``by_s`` seconds were left out."""
    starts = {name: meta[name] + by_s for name in _STARTS if name in meta}
    return {**meta, **starts, LEFT_OUT: meta.get(LEFT_OUT, 0.0) + by_s}


def _reason(rec: Recording, segment_of: npt.NDArray[np.int64], before: int, after: int, reason: str) -> str:
    if after - before > 1:
        return reason
    i = int(segment_of[before])
    return rec.gap_reasons[i] if i < len(rec.gap_reasons) else "unknown"
