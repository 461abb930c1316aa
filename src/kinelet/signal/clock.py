"""Clocks: is it monotonic, where are its gaps, how fast does it run, and when were the samples really taken."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from kinelet.errors import BadFileError
from kinelet.signal.recording import Segment

Times = npt.NDArray[np.float64]


def default_max_gap_s(nominal_rate: float) -> float:
    """Longest interval without samples that is not yet a gap: a quarter of a second, but at least five samples."""
    return max(0.25, 5.0 / nominal_rate)


def clock_order(
    time_s: Times, *, policy: Literal["error", "sort"] = "error", where: str = ""
) -> tuple[npt.NDArray[np.int64] | None, tuple[str, ...]]:
    """Check that a clock never runs backwards; equal times are allowed.

    Args:
        time_s: Time of each sample, shape ``(time,)``, seconds.
        policy: What to do with a clock that runs backwards: refuse, or sort its samples (equal times keep their order).
        where: File or recording, for messages.

    Returns:
        The order in which to take the samples (``None``: as they are), and warnings to record.

    Raises:
        BadFileError: Times that are not finite, or that run backwards under ``policy="error"``.
    """
    if not np.isfinite(time_s).all():
        bad = int(np.argmin(np.isfinite(time_s)))
        raise BadFileError(f"the time of sample {bad} is {time_s[bad]}", where=where, remedy="Remove rows without time")
    back = np.flatnonzero(np.diff(time_s) < 0)
    if not len(back):
        return None, ()
    first = int(back[0])
    what = f"the clock runs backwards {len(back)} times, first by {time_s[first] - time_s[first + 1]:.6g} s"
    if policy == "error":
        raise BadFileError(
            f"{what} at sample {first + 1}", where=where, remedy="Separate the recordings, or ask for sorting"
        )
    return np.argsort(time_s, kind="stable"), (f"{what} at sample {first + 1}; samples were sorted by time",)


def split_at_gaps(time_s: Times, nominal_rate: float, max_gap_s: float | None = None) -> tuple[Segment, ...]:
    """Cut an irregular clock where samples are missing for longer than ``max_gap_s``.

    Phones and Bluetooth devices deliver late and in bursts: a long interval whose samples all arrive right after it,
    with (nearly) equal times, is late delivery and not a gap.

    Args:
        time_s: Time of each sample, shape ``(time,)``, not decreasing, seconds.
        nominal_rate: Samples per second that the device was asked for.
        max_gap_s: Longest time without samples that is not a gap; default :func:`default_max_gap_s`.

    Returns:
        Segments that cover all samples; a segment's ``time_s`` is the time of its first sample.

    Raises:
        BadFileError: The clock runs backwards or holds times that are not finite.
    """
    clock_order(time_s)
    limit = default_max_gap_s(nominal_rate) if max_gap_s is None else max_gap_s
    steps = np.diff(time_s)
    long = np.flatnonzero(steps > limit)
    cuts = long[_missing_s(time_s, long, steps[long], nominal_rate) > limit] + 1
    edges = [0, *cuts.tolist(), len(time_s)]
    return tuple(Segment(a, b, float(time_s[a])) for a, b in pairwise(edges) if b > a)


def _missing_s(time_s: Times, before: npt.NDArray[np.int64], step: Times, rate: float) -> Times:
    """Seconds of samples missing in the intervals after ``before``: the interval less what arrived late after it."""
    burst_s = np.minimum(step / 2, 0.1)
    stop = np.searchsorted(time_s, time_s[before + 1] + burst_s, side="right")
    late = (stop - (before + 1)) / rate - burst_s
    return np.asarray(step - np.maximum(late, 0.0))


def interval_rate(time_s: Times, segments: tuple[Segment, ...]) -> float | None:
    """Mean rate in Hz over all segments of an irregular clock, or ``None`` where no time passes."""
    steps = sum(s.stop - s.start - 1 for s in segments)
    seconds = sum(float(time_s[s.stop - 1] - time_s[s.start]) for s in segments)
    return steps / seconds if seconds > 0 else None


def stamps_are_arrivals(time_s: Times, period_s: float) -> bool:
    """Whether times look like arrivals (repeated, or in bursts) instead of the moments of sampling."""
    steps = np.diff(time_s)
    return bool(len(steps)) and bool((steps <= 0).any() or np.mean(steps < period_s / 4) > 1e-3)


def dejitter(time_s: Times, period_s: float) -> Times:
    """Estimate when samples were taken from the times at which they arrived.

    The device samples evenly, so arrival = even grid + slow drift and steps (lost samples) + delay. Drift and steps are
    the running median of the distance to the even grid, over five times the longest interval, at least 0.3 s and ten
    samples; what remains is delay and is dropped. Samples end up at least half a period apart, and the first is not
    later than it arrived.

    Args:
        time_s: Arrival times of one segment, shape ``(time,)``, not decreasing, seconds.
        period_s: The device's sample period, seconds.

    Returns:
        Strictly increasing times, shape ``(time,)``.
    """
    from scipy.ndimage import median_filter

    index = np.arange(len(time_s), dtype=np.float64)
    lag = time_s - time_s[0] - index * period_s
    longest = float(np.max(np.diff(time_s), initial=0.0))
    half = round(max(0.3, 10 * period_s, 5 * longest) / period_s / 2)
    width = 2 * min(half, len(time_s) // 2) + 1
    even = time_s[0] + index * period_s + median_filter(lag, size=width, mode="nearest")
    even = keep_apart(even, period_s / 2)
    return np.asarray(even - max(0.0, float(even[0] - time_s[0])))


def keep_apart(time_s: Times, least_s: float) -> Times:
    """Push times later where they are less than ``least_s`` after the one before."""
    ramp = np.arange(len(time_s)) * least_s
    return np.asarray(np.maximum.accumulate(time_s - ramp) + ramp)


def typical_period_s(time_s: Times, nominal_rate: float) -> float:
    """Sample period of one segment that lost samples do not move: median over intervals of about 100 samples.

    The nominal period where hardly any time passes, less than a thousandth of what should.
    """
    lag = min(len(time_s) - 1, max(1, min(100, len(time_s) // 4)))
    period = float(np.median(time_s[lag:] - time_s[:-lag])) / lag if lag else 0.0
    return period if period * nominal_rate > 1e-3 else 1.0 / nominal_rate
