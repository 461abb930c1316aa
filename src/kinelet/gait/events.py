"""Gait numbers from foot events: when each foot leaves the ground and when it strikes it again.

A *swing* of a foot lasts from toe-off to heel strike. A *stride* of a foot lasts from one heel strike to the next of
the same foot; its stance is the part before toe-off, its swing the rest. *Double support* is the part of a stride in
which neither foot swings: two phases of a walking cycle together, given as seconds a cycle and as a share of the cycle.
Cadence counts the steps of both feet a minute, two to a stride.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from kinelet.errors import BadOptionError

FEWEST_STRIDES = 2


class Swing(NamedTuple):
    """One swing: toe-off and heel strike in seconds."""

    off_s: float
    strike_s: float


@dataclass(frozen=True)
class Stride:
    """One stride, heel strike to heel strike of the same foot.

    Attributes:
        start_s, stop_s: The two heel strikes.
        swing_s: Duration of the foot's swing.
        double_support_s: Time without a swing of either foot; NaN where the events of the other foot do not show
            exactly one swing in this stride.
    """

    start_s: float
    stop_s: float
    swing_s: float
    double_support_s: float

    @property
    def time_s(self) -> float:
        """Duration of the stride."""
        return self.stop_s - self.start_s

    def values(self) -> dict[str, float]:
        """Value of every gait number for this stride; see :data:`UNITS`."""
        time = self.time_s
        return {
            "stride_time": time,
            "stance_time": time - self.swing_s,
            "swing_time": self.swing_s,
            "double_support_time": self.double_support_s,
            "stance_share": 1 - self.swing_s / time,
            "double_support_share": self.double_support_s / time,
            "cadence": 120.0 / time,
        }


UNITS: Mapping[str, str] = {
    "stride_time": "s",
    "stance_time": "s",
    "swing_time": "s",
    "double_support_time": "s",
    "stance_share": "of the stride",
    "double_support_share": "of the stride",
    "cadence": "steps/min",
    "steps": "steps",
    "walking_speed": "m/s",
    "stride_length": "m",
}


def strides(own: Sequence[Swing], other: Sequence[Swing]) -> Iterator[Stride]:
    """Strides of one foot.

    Args:
        own: The foot's swings in time order.
        other: The other foot's.

    Raises:
        BadOptionError: if the swings of a foot are not in order, or overlap.
    """
    _require_order(own)
    _require_order(other)
    for before, swing in pairwise(own):
        start, stop = before.strike_s, swing.strike_s
        others = [s for s in other if s.strike_s > start and s.off_s < stop]
        inside = len(others) == 1 and start <= others[0].off_s and others[0].strike_s <= stop
        both = (stop - start) - _union(swing, others[0]) if inside else float("nan")
        yield Stride(start, stop, stop - swing.off_s, both)


def bout_targets(
    left: Sequence[Swing], right: Sequence[Swing], start_s: float = -np.inf, stop_s: float = np.inf
) -> dict[str, float]:
    """Gait numbers of one straight walking bout: means over the strides of both feet that lie wholly inside it.

    Args:
        left: Swings of the left foot, in time order.
        right: Swings of the right foot.
        start_s: Start of the bout; earlier strides do not count.
        stop_s: End of the bout.

    Returns:
        Name to value, for the names of :meth:`Stride.values`; cadence is that of the mean stride. NaN where fewer than
        two strides tell it.
    """
    all_strides = [*strides(left, right), *strides(right, left)]
    inside = [s.values() for s in all_strides if s.start_s >= start_s and s.stop_s <= stop_s]
    names = Stride(0.0, 1.0, 0.4, 0.2).values()
    means = {name: _mean([v[name] for v in inside]) for name in names}
    return means | {"cadence": 120.0 / means["stride_time"]}


def step_targets(times_s: Sequence[float]) -> dict[str, float]:
    """Steps and mean cadence from the times of the steps of both feet, pauses included.

    Cadence is the number of intervals between steps over the time from the first step to the last.
    """
    times = np.sort(np.asarray(times_s, dtype=float))
    if len(times) < FEWEST_STRIDES + 1 or times[-1] <= times[0]:
        return {"steps": float(len(times)), "cadence": float("nan")}
    return {"steps": float(len(times)), "cadence": float(60.0 * (len(times) - 1) / (times[-1] - times[0]))}


def _mean(values: Sequence[float]) -> float:
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) >= FEWEST_STRIDES else float("nan")


def _union(a: Swing, b: Swing) -> float:
    overlap = max(0.0, min(a.strike_s, b.strike_s) - max(a.off_s, b.off_s))
    return (a.strike_s - a.off_s) + (b.strike_s - b.off_s) - overlap


def _require_order(swings: Sequence[Swing]) -> None:
    edges = [edge for swing in swings for edge in swing]
    for earlier, later in pairwise(edges):
        if later < earlier:
            raise BadOptionError(
                f"swings are not in time order: {later:g} s after {earlier:g} s",
                where="foot events",
                remedy="Give each foot's swings as (toe-off, heel strike), one after the other",
            )
