"""From time stamps of blocks to the clock of samples: measured rate, gaps, jumps and slow drift.

Devices stamp blocks of samples, not samples. A block's stamp is read from a real-time clock, while the sensor samples
on an oscillator of its own that is off by up to a few percent and drifts with temperature. :func:`lay_out` joins both:
the samples keep their order, the stamps say where time was lost and how fast the sensor really sampled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinelet.signal.recording import Segment

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SMOOTH_BLOCKS = 61
"""Blocks that are averaged to follow the drift of the sensor's oscillator without the jitter of single stamps."""
UNIFORM_TOLERANCE_S = 0.1
"""A uniform clock that stays this close to the stamps is kept; otherwise every sample gets its own time."""
CLOCK_POLICIES = ("device", "nominal")


@dataclass(frozen=True)
class Blocks:
    """Stamped blocks of samples, in file order.

    Attributes:
        unix_s: Time of each block's anchor sample, shape ``(block,)``.
        anchor: Where in (or around) the block that sample is, in samples from its start, shape ``(block,)``.
        count: Samples in each block, all > 0, shape ``(block,)``.
        lost_s: Seconds of samples known to be lost before each block, shape ``(block,)``.
        nominal_hz: Rate that the device was set to.
        jitter_s: How far a stamp may be off.
    """

    unix_s: Floats
    anchor: Floats
    count: Ints
    lost_s: Floats
    nominal_hz: float
    jitter_s: float

    @property
    def first(self) -> Ints:
        """Index of each block's first sample, shape ``(block,)``."""
        out: Ints = np.cumsum(self.count) - self.count
        return out


@dataclass(frozen=True)
class Timeline:
    """Clock of the samples, in the terms of a recording.

    Attributes:
        segments: Runs without gaps.
        time_s: Time of each sample, or ``None`` where the segments' uniform clock says enough.
        rate_hz: Rate of that clock.
        measured_hz: Rate by the stamps, or ``None`` where there are too few to tell it from the nominal one.
        start_unix_s: Time of the first sample.
        residual_s: Largest distance of the uniform clock from the (smoothed) stamps.
        gap_blocks: Blocks (from 1) that begin a new segment.
        warnings: What was odd about the clock.
    """

    segments: tuple[Segment, ...]
    time_s: Floats | None
    rate_hz: float
    measured_hz: float | None
    start_unix_s: float
    residual_s: float
    gap_blocks: Ints
    warnings: tuple[str, ...]


def lay_out(blocks: Blocks, clock: str) -> Timeline:
    """Give every sample its time.

    Args:
        blocks: The stamped blocks, at least one.
        clock: ``device``: follow the stamps. ``nominal``: the nominal rate between the gaps that the stamps show.

    Gaps begin where the stamps jump by more than half a block. A single stamp out of line with both of its neighbours
    is replaced by them. Where the clock goes back, the samples after it are put directly behind those before it.
    """
    rate = _typical_rate(blocks)
    tolerance = gap_tolerance(blocks, rate)
    late, warnings = _mend_single(_lateness(blocks, rate), tolerance)
    trusted = len(late) < 2 or float(np.median(np.abs(np.diff(late)))) <= tolerance
    if trusted:
        breaks = np.flatnonzero(np.abs(np.diff(late)) > tolerance) + 1
    else:
        warnings.append("the block times do not fit the sampling rate; they were ignored but for the first")
        late, breaks = late[0] + np.cumsum(np.where(blocks.lost_s > 0, blocks.lost_s, 0.0)), _lost(blocks)
    late = _undo_backward(late, breaks, warnings)
    measured = _measured_rate(blocks, late, breaks, rate) if trusted else None
    if measured is not None and abs(measured / blocks.nominal_hz - 1) > 0.1:
        warnings.append(f"the block times give {measured:.4g} Hz, the device was set to {blocks.nominal_hz:.4g} Hz")
    use = measured if clock == "device" and measured is not None else blocks.nominal_hz
    place = _follow_stamps if clock == "device" else _stack_nominal
    return place(blocks, late, breaks, rate, use, measured, tuple(warnings))


def gap_tolerance(blocks: Blocks, rate: float) -> float:
    """Jump of the stamps, in seconds, beyond which samples are missing: half a block, but more than the jitter."""
    return max(0.5 * float(np.median(blocks.count)) / rate, 5.0 / rate, 1.5 * blocks.jitter_s)


def sample_times(timeline: Timeline, index: Ints) -> Floats:
    """Time of the given samples in seconds since the first, shape of ``index``."""
    if timeline.time_s is not None:
        return timeline.time_s[index]
    start = np.array([s.start for s in timeline.segments])
    time = np.array([s.time_s for s in timeline.segments])
    at = np.searchsorted(start, index, side="right") - 1
    out: Floats = time[at] + (index - start[at]) / timeline.rate_hz
    return out


def _lost(blocks: Blocks) -> Ints:
    return np.flatnonzero(blocks.lost_s[1:] > 0) + 1


def _typical_rate(blocks: Blocks) -> float:
    """Median rate between neighbouring stamps, where that is close to the nominal one."""
    samples = np.diff(blocks.first + blocks.anchor)
    seconds = np.diff(blocks.unix_s)
    usable = (seconds > 1e-6) & (samples > 0)
    if not usable.any():
        return blocks.nominal_hz
    rate = float(np.median(samples[usable] / seconds[usable]))
    # Coarse stamps on few blocks say less than the setting does.
    coarse = blocks.jitter_s * blocks.nominal_hz / max(float(np.median(samples[usable])), 1.0)
    near = coarse / np.sqrt(usable.sum()) < abs(rate / blocks.nominal_hz - 1) < 0.3
    return rate if near else blocks.nominal_hz


def _lateness(blocks: Blocks, rate: float) -> Floats:
    """Time of each block's first sample minus the time at which it would come without gaps, shape ``(block,)``."""
    out: Floats = blocks.unix_s - (blocks.first + blocks.anchor) / rate
    return out


def _mend_single(late: Floats, tolerance: float) -> tuple[Floats, list[str]]:
    """Replace single stamps that disagree with both neighbours, which agree with each other."""
    if len(late) < 3:
        return late, []
    before, here, after = late[:-2], late[1:-1], late[2:]
    off = (np.abs(here - before) > tolerance) & (np.abs(here - after) > tolerance)
    off &= np.abs(after - before) <= tolerance
    # A neighbour that is itself off is no witness.
    off[1:] &= ~off[:-1]
    if not off.any():
        return late, []
    late = late.copy()
    late[1:-1][off] = 0.5 * (before[off] + after[off])
    return late, [f"{int(off.sum())} single block times were out of line with their neighbours and replaced"]


def _undo_backward(late: Floats, breaks: Ints, warnings: list[str]) -> Floats:
    """Shift what follows a clock that went back directly behind what came before, as long as the clock lags."""
    first, segment = _runs(breaks, len(late))
    last = np.append(first[1:], len(late)) - 1
    step = late[breaks] - late[breaks - 1]
    if (step < 0).any():
        warnings.append(
            f"the clock went back {int((step < 0).sum())} times (by up to {-step.min():.3f} s); "
            "all samples were kept in file order, those after a step back directly after those before it"
        )
    if step.max(initial=0.0) > 366 * 86400:
        warnings.append(f"the clock jumps ahead by {step.max() / 86400:.0f} days")
    # begin[k] = max(late[first[k]], begin[k-1] + drift[k-1]) for all k, as a running maximum.
    drift = late[last] - late[first]
    before = np.cumsum(drift) - drift
    begin = np.maximum.accumulate(late[first] - before) + before
    out: Floats = late + (begin - late[first])[segment]
    return out


def _runs(breaks: Ints, n: int) -> tuple[Ints, Ints]:
    """First block of each segment, and the segment of each block."""
    first = np.concatenate([[0], breaks]).astype(np.int64)
    segment = np.zeros(n, dtype=np.int64)
    segment[breaks] = 1
    return first, np.cumsum(segment)


def _segment_mean(values: Floats, segment: Ints) -> Floats:
    out: Floats = np.bincount(segment, values) / np.bincount(segment)
    return out


def _measured_rate(blocks: Blocks, late: Floats, breaks: Ints, rate: float) -> float | None:
    """Rate by least squares of block time over sample index, one slope for all segments.

    ``None`` unless it differs from the nominal rate by more than the jitter of the stamps could explain.
    """
    _, segment = _runs(breaks, len(late))
    index = blocks.first / rate
    x = index - _segment_mean(index, segment)[segment]
    y = late - _segment_mean(late, segment)[segment]
    spread = float(x @ x)
    if spread <= 0:
        return None
    measured = float(rate / (1.0 + float(x @ y) / spread))
    span = float(np.max(np.bincount(segment, np.diff(index, append=index[-1]))))
    certain = abs(measured / blocks.nominal_hz - 1) > 3 * blocks.jitter_s / max(span, 1e-9)
    return measured if certain and 0.3 < measured / blocks.nominal_hz < 3 else None


def _follow_stamps(
    blocks: Blocks,
    late: Floats,
    breaks: Ints,
    rate: float,
    use: float,
    measured: float | None,
    warnings: tuple[str, ...],
) -> Timeline:
    """Segments begin where the stamps say; samples get their own times where the rate drifts."""
    first, segment = _runs(breaks, len(late))
    late = late + blocks.first * (1.0 / rate - 1.0 / use)
    middle = _segment_mean(late, segment)
    smooth = _smooth(late, first)
    residual = float(np.max(np.abs(smooth - middle[segment])))
    if residual > max(UNIFORM_TOLERANCE_S, blocks.jitter_s):
        own = _own_times(blocks, smooth, first, use)
        if (np.diff(own) > 0).all():
            cut = blocks.first[first]
            zero = float(own[0])
            times = own - zero
            segments = _segments(cut, times[cut], int(blocks.count.sum()))
            return Timeline(segments, times, use, measured, zero, residual, breaks, warnings)
        warnings = (*warnings, "the block times are too irregular to follow; each segment has a uniform clock")
    start = middle + blocks.first[first] / use
    segments = _ordered(blocks, first, start, use)
    return Timeline(segments, None, use, measured, float(start[0]), residual, breaks, warnings)


def _stack_nominal(
    blocks: Blocks,
    late: Floats,
    breaks: Ints,
    rate: float,
    use: float,
    measured: float | None,
    warnings: tuple[str, ...],
) -> Timeline:
    """Segments one after the other at the nominal rate, with the gaps between them as the stamps show them."""
    first, _ = _runs(breaks, len(late))
    gap = np.concatenate([[0.0], np.cumsum(late[breaks] - late[breaks - 1])])
    start = late[0] + gap + blocks.first[first] / use
    segments = _ordered(blocks, first, start, use)
    drift = abs(float(late[-1] - late[0]) - float(gap[-1]) + float(blocks.first[-1]) * (1 / rate - 1 / use))
    return Timeline(segments, None, use, measured, float(start[0]), drift, breaks, warnings)


def _smooth(late: Floats, first: Ints) -> Floats:
    """Moving average within each segment; a short segment has no drift to follow, its mean is its best estimate."""
    from scipy.ndimage import uniform_filter1d

    def one(part: Floats) -> Floats:
        if len(part) < SMOOTH_BLOCKS:
            return np.full(len(part), part.mean())
        smooth: Floats = uniform_filter1d(part, SMOOTH_BLOCKS, mode="nearest")
        return smooth

    return np.concatenate([one(part) for part in np.split(late, first[1:])])


def _own_times(blocks: Blocks, smooth: Floats, first: Ints, rate: float) -> Floats:
    out = np.arange(int(blocks.count.sum()), dtype=np.float64) / rate
    bounds = np.append(blocks.first[first], len(out))
    edges = np.append(first, len(smooth))
    for i in range(len(first)):
        cut = slice(bounds[i], bounds[i + 1])
        part = slice(edges[i], edges[i + 1])
        out[cut] += np.interp(np.arange(cut.start, cut.stop), blocks.first[part], smooth[part])
    return out


def _ordered(blocks: Blocks, first: Ints, start: Floats, rate: float) -> tuple[Segment, ...]:
    """Segments at ``start`` (made relative), none before the end of the one before."""
    cut = blocks.first[first]
    total = int(blocks.count.sum())
    length = np.diff(np.append(cut, total)) / rate
    # start[k] >= start[k-1] + length[k-1] for all k, as a running maximum of start minus what came before.
    before = np.cumsum(length) - length
    pushed = np.maximum.accumulate(start - before) + before
    return _segments(cut, pushed - start[0], total)


def _segments(cut: Ints, time: Floats, total: int) -> tuple[Segment, ...]:
    stop = np.append(cut[1:], total)
    return tuple(Segment(int(a), int(b), float(t)) for a, b, t in zip(cut, stop, time, strict=True))
