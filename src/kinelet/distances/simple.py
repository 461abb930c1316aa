"""Distances that nothing has to be learnt for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from kinelet.errors import BadOptionError

CHUNK = 4096


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
    batch, _, time = a.shape
    # Row i of the table, at columns i - width .. i + width; one more column at each end stays infinite.
    before = a.new_full((batch, 2 * width + 3), torch.inf)
    before[:, width + 1] = 0.0  # so that the corner (0, 0) costs its own difference alone
    padded = torch.nn.functional.pad(b, (width, width))
    inside = torch.arange(-width, width + 1, device=a.device)
    for i in range(time):
        cost = (padded[:, :, i : i + 2 * width + 1] - a[:, :, i, None]).square().sum(dim=1)
        cost = cost.masked_fill((inside + i < 0) | (inside + i >= time), torch.inf)
        # From (i-1, j-1) at the same place of the row before, from (i-1, j) one place on.
        least = torch.minimum(before[:, 1:-1], before[:, 2:])
        before = torch.nn.functional.pad(_along(least, cost), (1, 1), value=torch.inf)
    return before[:, width + 1]


def _along(least: Tensor, cost: Tensor) -> Tensor:
    """Fill a row: each cell is its cost plus the lesser of what comes from above and of its left neighbour."""
    row, left = [], torch.full_like(least[:, 0], torch.inf)
    for k in range(least.shape[1]):
        left = cost[:, k] + torch.minimum(least[:, k], left)
        row.append(left)
    return torch.stack(row, dim=1)


def _chunks(anchor: Tensor, candidate: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    for first in range(0, len(anchor), CHUNK):
        yield anchor[first : first + CHUNK], candidate[first : first + CHUNK]


def _centred(x: Tensor, offset_free: bool) -> Tensor:
    return x - x.mean(dim=-1, keepdim=True) if offset_free else x
