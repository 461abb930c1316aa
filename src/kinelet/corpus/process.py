"""What a build does to a recording before it is stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, is_dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from kinelet.config import FrozenModel
from kinelet.corpus.quantise import estimate_step
from kinelet.errors import BadFileError
from kinelet.signal.recording import Recording, Segment

BoolArray = npt.NDArray[np.bool_]
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


def prepare(rec: Recording, config: BuildConfig) -> tuple[Recording, dict[str, Any]]:
    """Apply the options to a recording; also return its quality figures, measured before anything was changed."""
    rec = drop_not_finite(rec)
    rec = rec.replace(resolution=_resolution(rec))
    quality = _quality(rec) if config.quality else {}
    notes: dict[str, Any] = {}
    if config.calibrate:
        rec, notes["calibration"] = _calibrate(rec)
    if config.nonwear == "drop":
        rec, notes["nonwear_dropped_s"] = _drop_nonwear(rec)
    rec, changes = _adapt(rec, config)
    if changes:
        notes["changes"] = changes
    if rec.streams and not config.streams:
        notes["streams_left_out"] = sorted(rec.streams)
    return rec.replace(meta={**rec.meta, **notes}), quality


def _resolution(rec: Recording) -> tuple[float | None, ...]:
    known = rec.resolution or (None,) * rec.data.shape[1]
    return tuple(estimate_step(rec.data[:, i]) if step is None else step for i, step in enumerate(known))


def _quality(rec: Recording) -> dict[str, Any]:
    report = rec.quality()
    return asdict(report) if is_dataclass(report) else dict(report.model_dump(mode="json"))


def _calibrate(rec: Recording) -> tuple[Recording, str]:
    from kinelet.signal.calibrate import calibrate

    if not {"acc_x", "acc_y", "acc_z"} <= set(rec.spec.channels):
        return rec, "no three-axis accelerometer"
    calibrated, outcome = calibrate(rec)
    return calibrated, str(outcome)


def _drop_nonwear(rec: Recording) -> tuple[Recording, float]:
    from kinelet.signal.nonwear import nonwear

    times = rec.times()
    keep = np.ones(len(times), dtype=bool)
    for start, stop in nonwear(rec):
        keep[np.searchsorted(times, start) : np.searchsorted(times, stop)] = False
    if not keep.any():
        raise BadFileError("never worn", where=f"recording {rec.name!r}", remedy="Keep it with nonwear=keep")
    return keep_samples(rec, keep, "nonwear"), float((~keep).sum() / rec.spec.rate_hz)


def _adapt(rec: Recording, config: BuildConfig) -> tuple[Recording, list[str]]:
    spec = rec.spec
    if config.channels is not None and config.channels != spec.channels:
        units = dict(zip(spec.channels, spec.units, strict=True))
        spec = spec.replace(channels=config.channels, units=tuple(units.get(c, "g") for c in config.channels))
    if config.rate_hz is not None:
        spec = spec.replace(rate_hz=config.rate_hz)
    if spec == rec.spec and rec.time_s is None:
        return rec, []
    from kinelet.signal.adapt import adapt

    adapted, changes = adapt(rec, spec, max_gap_s=config.max_gap_s)
    return adapted, _words(changes)


def _words(changes: Any) -> list[str]:
    return [str(c) for c in changes] if isinstance(changes, Iterable) else [str(changes)]


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

    Second 0 is the first sample that is kept; annotations and the absolute start move with it.

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
    )


def _reason(rec: Recording, segment_of: npt.NDArray[np.int64], before: int, after: int, reason: str) -> str:
    if after - before > 1:
        return reason
    i = int(segment_of[before])
    return rec.gap_reasons[i] if i < len(rec.gap_reasons) else "unknown"
