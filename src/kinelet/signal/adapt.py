"""Fit a recording to a signal specification, and say what that took."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kinelet.errors import SpecMismatchError
from kinelet.signal.recording import Recording
from kinelet.signal.resample import measured_rate, resample
from kinelet.signal.spec import SignalSpec
from kinelet.signal.units import canonical_unit, unit_factor


@dataclass(frozen=True)
class Changes:
    """What adapting a recording changed, and what the user should know about it, in words."""

    made: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.made)

    def __iter__(self) -> Iterator[str]:
        return iter(self.made)

    def __str__(self) -> str:
        return "; ".join((*self.made, *self.remarks)) or "nothing changed"


def adapt(rec: Recording, spec: SignalSpec, *, max_gap_s: float | None = None) -> tuple[Recording, Changes]:
    """Give a recording the channels, units and rate of ``spec``.

    Channels are put in order and left out, units converted, and the rate changed by
    :func:`kinelet.signal.resample`. Nothing is invented: a missing channel, or gravity that one side has and the other
    has not, is an error. Site and window length are not adapted.

    Args:
        rec: Recording.
        spec: What is wanted.
        max_gap_s: See :func:`kinelet.signal.resample`.

    Returns:
        The recording in ``spec`` (with its own site), and what was changed; the changes are also in
        ``meta["adapted"]``.

    Raises:
        SpecMismatchError: Channels are missing, units do not convert, or gravity differs; names both sides.
    """
    made: list[str] = []
    out = _convert(_choose(rec, spec, made), spec, made)
    _check_gravity(rec, spec)
    remarks = _remarks(rec, spec)
    if out.time_s is not None or out.spec.rate_hz != spec.rate_hz or measured_rate(out) != spec.rate_hz:
        before = out
        out = resample(out, spec.rate_hz, max_gap_s=max_gap_s)
        if out is not before:
            made.append(f"resampled from {measured_rate(before):.6g} to {spec.rate_hz:g} Hz")
    if made:
        out = out.replace(meta={**out.meta, "adapted": [*rec.meta.get("adapted", ()), *made]})
    return out, Changes(tuple(made), remarks)


def _choose(rec: Recording, spec: SignalSpec, made: list[str]) -> Recording:
    have, want = rec.spec.channels, spec.channels
    missing = [c for c in want if c not in have]
    if missing:
        raise SpecMismatchError(
            f"channels {have} lack {', '.join(missing)} of the expected {want}",
            where=f"recording {rec.name!r}",
            remedy="Use a recording that has them, or an encoder made for the channels that are there",
        )
    if have == want:
        return rec
    columns = [have.index(c) for c in want]
    left_out = [c for c in have if c not in want]
    made.append(f"left out {', '.join(left_out)}" if left_out else f"reordered {' '.join(have)} to {' '.join(want)}")
    return rec.replace(
        data=np.ascontiguousarray(rec.data[:, columns]),
        spec=rec.spec.replace(channels=want, units=tuple(rec.spec.units[c] for c in columns)),
        resolution=None if rec.resolution is None else tuple(rec.resolution[c] for c in columns),
    )


def _convert(rec: Recording, spec: SignalSpec, made: list[str]) -> Recording:
    have, want = rec.spec.units, spec.units
    if have == want:
        return rec
    factors = [unit_factor(a, b) for a, b in zip(have, want, strict=True)]
    pairs = {(a, b) for a, b in zip(have, want, strict=True) if canonical_unit(a) != canonical_unit(b)}
    made.extend(f"converted {a} to {b}" for a, b in sorted(pairs))
    steps = rec.resolution
    return rec.replace(
        data=(rec.data * np.array(factors, dtype=np.float32)),
        spec=rec.spec.replace(units=want),
        resolution=None
        if steps is None
        else tuple(r if r is None else r * f for r, f in zip(steps, factors, strict=True)),
    )


def _check_gravity(rec: Recording, spec: SignalSpec) -> None:
    if rec.spec.gravity != spec.gravity and any(c.startswith("acc_") for c in spec.channels):
        words = {True: "with gravity", False: "without gravity"}
        raise SpecMismatchError(
            f"acceleration is {words[rec.spec.gravity]} but {words[spec.gravity]} is expected",
            where=f"recording {rec.name!r}",
            remedy="Gravity cannot be put back, nor removed without a choice of filter: read the other stream",
        )


def _remarks(rec: Recording, spec: SignalSpec) -> tuple[str, ...]:
    """What stays different, or was not in the signal to begin with."""
    remarks = []
    if spec.site is not None and rec.spec.site != spec.site:
        remarks.append(f"site is {rec.spec.site or 'unknown'}, not {spec.site}")
    if (source := measured_rate(rec)) < 0.99 * spec.rate_hz:
        remarks.append(f"there is nothing above {source / 2:.4g} Hz in a recording at {source:.4g} Hz")
    return tuple(remarks)
