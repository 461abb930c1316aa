"""Distances that nothing has to be learnt for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from kinelet.errors import BadOptionError

CHUNK = 512
"""Pairs at once: what they hold fits a cache."""


class Euclid:
    """Sum of squared differences, sample by sample.

    Args:
        offset_free: Each window's own mean is subtracted first.
    """

    subjects: tuple[str, ...] = ()

    def __init__(self, *, offset_free: bool = False) -> None:
        self.offset_free = offset_free

    @torch.no_grad()
    def pairs(self, x: Tensor, anchor: Tensor, candidate: Tensor) -> Tensor:
        """See :meth:`kinelet.distances.base.Distance.pairs`."""
        x = _centred(x.float(), self.offset_free)
        parts = [(x[a] - x[c]).square().sum(dim=(1, 2)) for a, c in _chunks(anchor, candidate)]
        return torch.cat(parts) if parts else x.new_empty(0)

    def describe(self) -> dict[str, Any]:
        """See :meth:`kinelet.distances.base.Distance.describe`."""
        return {"kind": "euclid", "offset_free": self.offset_free}


class DTW:
    """Dynamic time warping: the least sum of squared differences over monotone alignments within a band.

    Args:
        band: Farthest that aligned samples may be apart, as a share of the window.
        offset_free: Each window's own mean is subtracted first.

    Source: Sakoe and Chiba 1978, symmetric form without slope weights, all axes aligned together.

    Raises:
        BadOptionError: if ``band`` is not between 0 and 1.
    """

    subjects: tuple[str, ...] = ()

    def __init__(self, *, band: float = 0.1, offset_free: bool = False) -> None:
        if not 0 <= band <= 1:
            raise BadOptionError(f"band is {band}", where="DTW", remedy="It is a share of the window, from 0 to 1")
        self.band, self.offset_free = band, offset_free

    @torch.no_grad()
    def pairs(self, x: Tensor, anchor: Tensor, candidate: Tensor) -> Tensor:
        """See :meth:`kinelet.distances.base.Distance.pairs`."""
        x = _centred(x.float(), self.offset_free)
        width = round(self.band * x.shape[-1])
        parts = [dtw(x[a], x[c], width) for a, c in _chunks(anchor, candidate)]
        return torch.cat(parts) if parts else x.new_empty(0)

    def describe(self) -> dict[str, Any]:
        """See :meth:`kinelet.distances.base.Distance.describe`."""
        return {"kind": "dtw", "band": self.band, "offset_free": self.offset_free}


def dtw(a: Tensor, b: Tensor, width: int) -> Tensor:
    """Warping distance of each pair of rows, samples at most ``width`` apart.

    Args:
        a: ``(batch, channel, time)``.
        b: ``(batch, channel, time)``.
        width: Half-width of the band in samples.

    Returns:
        ``(batch,)``.
    """
    # Along anti-diagonals of the table no cell needs another one of its own, so that each is one step for all pairs.
    first, second = a.permute(2, 1, 0).contiguous(), b.permute(2, 1, 0).flip(0).contiguous()
    time, _, batch = first.shape
    # Cell (i, j) of diagonal i + j is at i + 1; what is read but lies outside the table or the band is infinite.
    older, old, new = (first.new_full((time + 2, batch), torch.inf) for _ in range(3))
    older[0] = 0.0  # so that the corner (0, 0) costs its own difference alone
    for s in range(2 * time - 1):
        low, high = max(0, s - time + 1, (s - width + 1) // 2), min(s, time - 1, (s + width) // 2)
        shift = time - 1 - s
        cost = (first[low : high + 1] - second[low + shift : high + shift + 1]).square().sum(dim=1)
        least = torch.minimum(torch.minimum(old[low + 1 : high + 2], old[low : high + 1]), older[low : high + 1])
        new[low] = new[high + 2] = torch.inf
        new[low + 1 : high + 2] = cost + least
        older, old, new = old, new, older
    return old[time].clone()


def _chunks(anchor: Tensor, candidate: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    for first in range(0, len(anchor), CHUNK):
        yield anchor[first : first + CHUNK], candidate[first : first + CHUNK]


def _centred(x: Tensor, offset_free: bool) -> Tensor:
    return x - x.mean(dim=-1, keepdim=True) if offset_free else x
