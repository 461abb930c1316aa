"""Put a recording on another sampling rate, from the rate that was measured and without touching its gaps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from kinelet.errors import BadFileError, BadOptionError
from kinelet.signal.clock import (
    Times,
    dejitter,
    interval_rate,
    keep_apart,
    split_at_gaps,
    stamps_are_arrivals,
    typical_period_s,
)
from kinelet.signal.polyphase import polyphase
from kinelet.signal.recording import FloatArray, Recording, Segment

Clock = Literal["auto", "stamps", "dejitter"]

_DRIFT_SAMPLES = 0.005
"""Part of a sample by which two rates may part over a segment and still be the same rate."""
_CHUNK = 1 << 18


def measured_rate(rec: Recording) -> float:
    """Rate in Hz at which the device really sampled.

    It is ``meta["measured_rate_hz"]`` where the reader measured it, else the mean rate between gaps of an irregular
    clock, else ``spec.rate_hz``.

    Raises:
        BadFileError: The measured rate is not a positive number.
    """
    if (stated := rec.meta.get("measured_rate_hz")) is not None:
        rate = float(stated)
        if not (math.isfinite(rate) and rate > 0):
            raise BadFileError(f"the measured rate is {stated!r} Hz", where=f"recording {rec.name!r}")
        return rate
    if rec.time_s is None:
        return rec.spec.rate_hz
    return interval_rate(rec.time_s, rec.segments) or rec.spec.rate_hz


def resample(rec: Recording, rate_hz: float, *, max_gap_s: float | None = None, clock: Clock = "auto") -> Recording:
    """Put a recording on an even clock of ``rate_hz``.

    An even clock goes through a polyphase Kaiser low-pass (flat to 0.8 of the smaller Nyquist frequency, -80 dB above
    it) at the ratio of ``rate_hz`` to the *measured* rate. An irregular clock is cut at gaps, its samples are put
    where they were taken, joined by a cubic spline and, where the rate goes down, low-passed the same way.
    Segments keep their start times and no value is computed across a gap; annotations, in seconds, stay as they are.
    What was done is recorded in ``meta["resample"]``.

    Args:
        rec: Recording, ``data`` of shape ``(time, channel)``.
        rate_hz: Rate wanted, Hz.
        max_gap_s: Irregular clocks only: longest time without samples that is joined over, seconds; default a quarter
            of a second or five samples, whichever is longer.
        clock: Irregular clocks only. ``stamps`` takes each sample at its time; ``dejitter`` takes times as arrivals of
            evenly taken samples; ``auto`` dejitters where times repeat or come in bursts.

    Returns:
        The recording at ``rate_hz``; unchanged if it has that clock already.

    Raises:
        BadOptionError: ``rate_hz`` is not a positive number.
        BadFileError: Samples that are not finite, or a clock that runs backwards.
    """
    if not (math.isfinite(rate_hz) and rate_hz > 0):
        raise BadOptionError(f"rate {rate_hz!r} Hz is not a positive number", where="resample")
    if not np.isfinite(rec.data).all():
        raise BadFileError(
            f"{int((~np.isfinite(rec.data)).any(axis=1).sum())} samples are not finite",
            where=f"recording {rec.name!r}",
            remedy="Cut them out as gaps first",
        )
    if rec.time_s is not None:
        return _resample_irregular(rec, rec.time_s, rate_hz, max_gap_s, clock)
    return _resample_even(rec, rate_hz)


@dataclass(frozen=True)
class _Piece:
    """One segment on the new clock, and the input segment it came from."""

    source: int
    time_s: float
    data: FloatArray


def _resample_even(rec: Recording, rate: float) -> Recording:
    source = _clock_rate(rec)
    longest = max(s.stop - s.start for s in rec.segments)
    if abs(rate / source - 1.0) * longest < _DRIFT_SAMPLES:
        return rec if rec.spec.rate_hz == rate else rec.replace(spec=rec.spec.replace(rate_hz=rate))
    pieces = []
    for i, s in enumerate(rec.segments):
        n_out = _room(rec, i, s.time_s, (s.stop - s.start) / source, rate)
        if n_out:
            pieces.append(_Piece(i, s.time_s, polyphase(rec.data[s.start : s.stop], rate / source, n_out)))
    return _assemble(rec, pieces, rec.gap_reasons, rate, {"clock": "even", "from_hz": source})


def _clock_rate(rec: Recording) -> float:
    """Rate of an even clock: the measured one, unless the user chose the nominal clock when reading."""
    policies = rec.meta.get("policies")
    nominal = isinstance(policies, dict) and policies.get("clock") == "nominal"
    return rec.spec.rate_hz if nominal else measured_rate(rec)


def _room(rec: Recording, index: int, start_s: float, seconds: float, rate: float) -> int:
    """Samples that fit a segment of so many seconds, at most up to where the next one starts."""
    if index + 1 < len(rec.segments):
        seconds = min(seconds, rec.segments[index + 1].time_s - start_s)
    return math.floor(seconds * rate + 1e-6)


def _resample_irregular(rec: Recording, time_s: Times, rate: float, max_gap_s: float | None, clock: Clock) -> Recording:
    split, reasons = _split_again(rec, time_s, max_gap_s)
    pieces, used = [], set()
    for i, s in enumerate(split.segments):
        stamps = time_s[s.start : s.stop]
        period = typical_period_s(stamps, rec.spec.rate_hz)
        late = clock == "dejitter" or (clock == "auto" and stamps_are_arrivals(stamps, period))
        taken = dejitter(stamps, period) if late else keep_apart(stamps, period / 4)
        n_out = _room(split, i, s.time_s, float(taken[-1]) + period - s.time_s, rate)
        if n_out:
            used.add("dejittered" if late else "stamps")
            data = _spline(taken, rec.data[s.start : s.stop], period, s.time_s, rate, n_out)
            pieces.append(_Piece(i, s.time_s, data))
    how = {"clock": "+".join(sorted(used)), "from_hz": measured_rate(rec)}
    return _assemble(split, pieces, reasons, rate, how)


def _split_again(rec: Recording, time_s: Times, max_gap_s: float | None) -> tuple[Recording, tuple[str, ...]]:
    """Cut the segments of an irregular clock at gaps that its reader left in."""
    segments: list[Segment] = []
    reasons: list[str] = []
    for i, s in enumerate(rec.segments):
        parts = split_at_gaps(time_s[s.start : s.stop], rec.spec.rate_hz, max_gap_s)
        segments += [Segment(s.start + p.start, s.start + p.stop, p.time_s) for p in parts]
        after = rec.gap_reasons[i] if i < len(rec.gap_reasons) else "unknown"
        reasons += ["clock"] * (len(parts) - 1) + [after]
    return rec.replace(segments=tuple(segments), gap_reasons=()), tuple(reasons[:-1])


def _assemble(
    rec: Recording, pieces: list[_Piece], reasons: tuple[str, ...], rate: float, how: dict[str, Any]
) -> Recording:
    """Make a recording of the new segments; what was too short for one sample is dropped and said so."""
    if not pieces:
        raise BadFileError(
            f"no segment is as long as one sample at {rate:g} Hz",
            where=f"recording {rec.name!r}",
            remedy="Ask for a higher rate",
        )
    segments, start = [], 0
    for piece in pieces:
        segments.append(Segment(start, start + len(piece.data), piece.time_s))
        start += len(piece.data)
    kept = [p.source for p in pieces]
    dropped = len(rec.segments) - len(kept)
    note = (f"{dropped} segments shorter than one sample at {rate:g} Hz were dropped",) if dropped else ()
    return Recording(
        data=np.concatenate([p.data for p in pieces]),
        spec=rec.spec.replace(rate_hz=rate),
        subject=rec.subject,
        name=rec.name,
        segments=tuple(segments),
        start_unix_s=rec.start_unix_s,
        annotations=rec.annotations,
        gap_reasons=_merged_reasons(reasons, kept),
        resolution=rec.resolution,
        streams=rec.streams,
        meta={
            **{k: v for k, v in rec.meta.items() if k != "measured_rate_hz"},
            "resample": {**how, "to_hz": rate, "segments_dropped": dropped},
        },
        warnings=rec.warnings + note,
    )


def _merged_reasons(reasons: tuple[str, ...], kept: list[int]) -> tuple[str, ...]:
    """Reasons of the gaps between the kept segments; a gap that grew over a dropped segment names all its reasons."""
    padded = reasons + ("unknown",) * (max(kept) - len(reasons))
    return tuple("+".join(dict.fromkeys(padded[a:b])) for a, b in pairwise(kept))


def _spline(taken: Times, data: FloatArray, period: float, start_s: float, rate: float, n_out: int) -> FloatArray:
    """Read samples at irregular times on an even grid from ``start_s``, shape ``(n_out, channel)``.

    Worked off in chunks that overlap by more than the low-pass is long.
    """
    if len(taken) == 1:
        return np.repeat(data, n_out, axis=0)
    # On a grid twice as fine as the samples a spline has next to no images to fold; the low-pass then takes care.
    fold = 1 if rate * period >= 1.0 else math.ceil(2.0 / (rate * period))
    chunk, overlap = max(1, _CHUNK // fold), 0 if fold == 1 else 64
    out = np.empty((n_out, data.shape[1]), dtype=np.float32)
    for a in range(0, n_out, chunk):
        low, high = max(0, a - overlap), min(n_out, a + chunk + overlap)
        fine = _spline_at(taken, data, period, start_s + np.arange(low * fold, high * fold) / (rate * fold))
        part = fine if fold == 1 else polyphase(fine, 1.0 / fold, high - low)
        out[a : a + chunk] = part[a - low : a - low + chunk]
    return out


def _spline_at(taken: Times, data: FloatArray, period: float, at: Times) -> FloatArray:
    """Cubic spline at these times; it forgets its ends within a few samples, so that a cut-out is enough."""
    from scipy.interpolate import CubicSpline

    at = np.clip(at, taken[0], taken[-1])
    low = max(0, int(np.searchsorted(taken, at[0])) - 32)
    high = min(len(taken), int(np.searchsorted(taken, at[-1])) + 33)
    values: FloatArray = CubicSpline(*_bridge(taken[low:high], data[low:high], period))(at).astype(np.float32)
    return values


def _bridge(taken: Times, data: FloatArray, period: float) -> tuple[Times, FloatArray]:
    """Lay points on a straight line over lost samples: a free cubic would overshoot there."""
    missing = np.maximum(np.rint(np.diff(taken) / period).astype(np.int64) - 1, 0)
    if not missing.any():
        return taken, data
    position = np.concatenate([[0], np.cumsum(missing + 1)])
    every = np.arange(position[-1] + 1)
    return (
        np.interp(every, position, taken),
        np.stack([np.interp(every, position, c) for c in data.T], axis=1).astype(np.float32),
    )
