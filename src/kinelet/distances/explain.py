"""How much of a ranking plain properties of windows explain; NumPy only, and no distance is computed here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import fft, stats

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

CADENCE_HZ = (0.5, 5.0)
"""Where steps, swings and repeated work of the hands lie."""
STILL_G = 0.02
"""Standard deviation below which a window has no cadence: what is left is mostly the sensor's noise."""
_FINER = 8


class Traits(NamedTuple):
    """Plain properties of windows.

    Attributes:
        offset: Mean of each axis over time ``(n, axis)``.
        energy: Standard deviation over axes and time around those means ``(n,)``.
        cadence: Frequency in Hz at which the norm repeats most strongly ``(n,)``, 0 for a window without movement.
    """

    offset: Floats
    energy: Floats
    cadence: Floats


def traits(x: npt.NDArray[np.float32], rate_hz: float) -> Traits:
    """Properties of the windows of one sensor ``(n, axis, time)`` at ``rate_hz`` samples per second."""
    wide = np.asarray(x, dtype=np.float64)
    offset = wide.mean(axis=2)
    energy = np.sqrt(((wide - offset[:, :, None]) ** 2).mean(axis=(1, 2)))
    rhythm = cadence(np.sqrt((wide**2).sum(axis=1)), rate_hz)
    return Traits(offset, energy, np.where(energy < STILL_G, 0.0, rhythm))


def cadence(norm: Floats, rate_hz: float) -> Floats:
    """Frequency between 0.5 and 5 Hz with most power in the Hann-windowed spectrum of ``norm`` ``(n, time)``.

    Padded with zeros to eight times its length, so that the peak of a window of 2.56 s is read to 0.05 Hz; frequencies
    of which less than one period fits into the window are not considered.

    Returns:
        ``(n,)`` in Hz; 0 where the signal is too short or sampled too slowly for any.
    """
    time = norm.shape[1]
    centred = (norm - norm.mean(axis=1, keepdims=True)) * np.hanning(time + 2)[1:-1]
    power = np.abs(fft.rfft(centred, n=_FINER * time, axis=1)) ** 2
    hz = fft.rfftfreq(_FINER * time, 1 / rate_hz)
    inside = (hz >= max(CADENCE_HZ[0], rate_hz / time)) & (hz <= CADENCE_HZ[1])
    if not inside.any():
        return np.zeros(len(norm))
    return np.asarray(hz[inside][power[:, inside].argmax(axis=1)], dtype=np.float64)


def gaps(found: Traits, anchor: npt.NDArray[np.int64], candidate: npt.NDArray[np.int64]) -> dict[str, Floats]:
    """Differences between windows, ``(anchor, candidate)`` each.

    Args:
        found: Properties of all windows.
        anchor: Numbers of the anchors among them.
        candidate: Numbers of the candidates.
    """
    between = found.offset[anchor][:, None] - found.offset[candidate][None]
    return {
        "mean offset": np.sqrt((between**2).sum(axis=2)),
        "energy": np.abs(found.energy[anchor][:, None] - found.energy[candidate][None]),
        "cadence": np.abs(found.cadence[anchor][:, None] - found.cadence[candidate][None]),
    }


def spearman(a: Floats, b: Floats) -> Floats:
    """Rank correlation of each row of two ``(row, column)``; ties share their mean rank, a constant row gives 0."""
    u, v = _centred_ranks(a), _centred_ranks(b)
    scale = np.sqrt((u**2).sum(axis=1) * (v**2).sum(axis=1))
    products = (u * v).sum(axis=1)
    return np.asarray(np.divide(products, scale, out=np.zeros(len(u)), where=scale > 0), dtype=np.float64)


class Explained(NamedTuple):
    """Shares of the variance of ranks, each a mean over anchors.

    Attributes:
        together: R² of the regression on all properties.
        alone: R² of each property by itself: its squared rank correlation.
        only: What R² loses when a property is left out.
    """

    together: float
    alone: dict[str, float]
    only: dict[str, float]


def explained(distance: Floats, by: Mapping[str, Floats]) -> Explained:
    """Least-squares regression of the ranks of ``distance`` on the ranks of each of ``by``, anchor by anchor.

    Args:
        distance: ``(anchor, candidate)``.
        by: Named gaps of the same shape.
    """
    together = rank_r2(distance, list(by.values()))
    alone = {name: float(rank_r2(distance, [gap]).mean()) for name, gap in by.items()}
    rest = {name: rank_r2(distance, [g for other, g in by.items() if other != name]) for name in by}
    only = {name: float((together - less).mean()) for name, less in rest.items()}
    return Explained(float(together.mean()), alone, only)


def rank_r2(distance: Floats, by: list[Floats]) -> Floats:
    """Share of the variance of each row's ranks that a linear regression on the ranks in ``by`` explains ``(row,)``."""
    y, columns = _centred_ranks(distance), [_centred_ranks(b) for b in by]
    out = np.zeros(len(y))
    for row, ranks in enumerate(y):
        total = float((ranks**2).sum())
        if total:
            X = np.stack([c[row] for c in columns], axis=1)
            left = ranks - X @ np.linalg.lstsq(X, ranks, rcond=None)[0]
            out[row] = 1 - float((left**2).sum()) / total
    return out


def average_precision(distance: Floats, relevant: Bools) -> float:
    """Mean, over the relevant candidates, of the share of relevant ones among those at least as near in order.

    Args:
        distance: ``(candidate,)``; ties keep their order.
        relevant: ``(candidate,)``, at least one of them true.
    """
    hits = relevant[np.argsort(distance, kind="stable")]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float(precision[hits].mean())


def _centred_ranks(a: Floats) -> Floats:
    ranks = stats.rankdata(a, axis=1)
    return np.asarray(ranks - ranks.mean(axis=1, keepdims=True), dtype=np.float64)
