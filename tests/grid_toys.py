"""Patches put together to images again."""

from __future__ import annotations

from torch import Tensor

from kinelet.encoders.grid import Grid


def image_of(grid: Grid, patches: Tensor) -> Tensor:
    """Put patches ``(batch, patch, value)`` together to images ``(batch, plane, interval, bin)``."""
    high, wide = grid.patch
    parts = patches.reshape(patches.shape[0], grid.rows, grid.cols, grid.planes, high, wide)
    whole = parts.permute(0, 3, 1, 4, 2, 5).reshape(-1, grid.planes, grid.rows * high, grid.cols * wide)
    return whole[:, :, : grid.intervals, : grid.bins]
