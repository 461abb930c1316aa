"""The same distance with one thing changed, where that can be done without training it again."""

from __future__ import annotations

from typing import Any

from kinelet.distances.base import Distance, MotifDistance
from kinelet.distances.config import DistanceOptions, override
from kinelet.distances.simple import DTW, Euclid


def motion_only(distance: Distance) -> Distance | None:
    """The distance without what differences in mean offset add; itself where they add nothing.

    For a motif distance the error's mean over time is left out, and with ``offset="remove"`` the posture term; for
    Euclid and dynamic time warping each window's own mean is subtracted.

    Returns:
        ``None`` for a distance of another kind.
    """
    if isinstance(distance, Euclid):
        return distance if distance.offset_free else Euclid(offset_free=True)
    if isinstance(distance, DTW):
        return distance if distance.offset_free else DTW(band=distance.band, offset_free=True)
    if not isinstance(distance, MotifDistance):
        return None
    options = options_of(distance)
    if options.offset != "plain" and not options.mean_weight:
        return distance
    return _changed(distance, offset="split" if options.offset == "plain" else options.offset, offset_weight=0.0)


def other_attention(distance: Distance) -> Distance | None:
    """A motif distance with softmax instead of sparsemax or the other way round, on the same weights.

    Returns:
        ``None`` for a distance of another kind.
    """
    if not isinstance(distance, MotifDistance):
        return None
    used = distance.options.get("attention") or distance.net.config.attention
    return _changed(distance, attention="softmax" if used == "sparsemax" else "sparsemax")


def options_of(distance: MotifDistance) -> DistanceOptions:
    """The options in force: those of the network with those of its use on top."""
    changes = {k: v for k, v in distance.options.items() if k in DistanceOptions.model_fields}
    short = (distance.options.get(k) for k in ("offset_free", "rotation_aligned"))
    return override(distance.net.config.options, changes, *short)


def _changed(distance: MotifDistance, **changes: Any) -> MotifDistance:
    short = ("offset_free", "rotation_aligned")
    rest = {k: v for k, v in distance.options.items() if k not in short}
    return MotifDistance(distance.net, distance.digest, **rest | options_of(distance).model_dump() | changes)
