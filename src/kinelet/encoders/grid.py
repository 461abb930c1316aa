"""Images cut into patches, row after row."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from kinelet.encoders.patch_transformer import sinusoids


@dataclass(frozen=True)
class Grid:
    """How images ``(batch, plane, interval, bin)`` of one size are cut into patches.

    Patches are numbered row by row; the values of a patch are laid out plane, interval, bin. Where patches do not
    divide the image, or a network wants more of them, the image is continued with zeros below and to the right.

    Attributes:
        planes: Planes of the image.
        intervals: Its intervals.
        bins: Its bins.
        patch: Intervals and bins in a patch.
        rows: Patches along time.
        cols: Patches along frequency.
        device: Where masks are made.
    """

    planes: int
    intervals: int
    bins: int
    patch: tuple[int, int]
    rows: int
    cols: int
    device: torch.device

    @classmethod
    def of(cls, image: Tensor, patch: tuple[int, int], multiple: tuple[int, int] = (1, 1)) -> Grid:
        """Grid of an image.

        Args:
            image: ``(batch, plane, interval, bin)``.
            patch: Intervals and bins in a patch.
            multiple: Rows and columns come in multiples of these.
        """
        planes, intervals, bins = image.shape[1:]
        rows, cols = (
            -(-size // (side * times)) * times
            for size, side, times in zip((intervals, bins), patch, multiple, strict=True)
        )
        return cls(planes, intervals, bins, patch, rows, cols, image.device)

    @property
    def n(self) -> int:
        """Number of patches."""
        return self.rows * self.cols

    @property
    def values(self) -> int:
        """Values in a patch, padding included."""
        return self.planes * self.patch[0] * self.patch[1]

    @property
    def cells(self) -> Tensor:
        """Which cells of each patch are part of the image, ``(patch, interval * bin)`` bool."""
        real = torch.ones(1, 1, self.intervals, self.bins, dtype=torch.bool, device=self.device)
        return self._cut(self._padded(real))[0]

    @property
    def valid(self) -> Tensor:
        """Patches that hold at least one cell of the image, ``(patch,)`` bool."""
        row = torch.arange(self.rows, device=self.device) * self.patch[0] < self.intervals
        col = torch.arange(self.cols, device=self.device) * self.patch[1] < self.bins
        return (row[:, None] & col).flatten()

    @property
    def padded(self) -> bool:
        """Whether some patch holds no cell of the image at all."""
        return self.rows > -(-self.intervals // self.patch[0]) or self.cols > -(-self.bins // self.patch[1])

    def cell_mask(self) -> Tensor:
        """Which values of each patch are part of the image, ``(patch, value)`` bool."""
        return self.cells.repeat(1, self.planes)

    def patches(self, image: Tensor) -> Tensor:
        """Cut images ``(batch, plane, interval, bin)`` into patches ``(batch, patch, value)``."""
        return self._cut(self._padded(image))

    def places(self, width: int, like: Tensor) -> Tensor:
        """Sine-cosine codes ``(patch, width)`` of where patches lie: half tells the row, half the column.

        Args:
            width: A multiple of 4.
            like: Gives device and type.
        """
        row, col = (sinusoids(count, width // 2) for count in (self.rows, self.cols))
        both = torch.cat([row[:, None].expand(-1, self.cols, -1), col[None].expand(self.rows, -1, -1)], dim=2)
        return both.flatten(0, 1).to(like.device, like.dtype)

    def _padded(self, image: Tensor) -> Tensor:
        below = self.rows * self.patch[0] - self.intervals
        right = self.cols * self.patch[1] - self.bins
        return functional.pad(image, (0, right, 0, below)) if below or right else image

    def _cut(self, image: Tensor) -> Tensor:
        high, wide = self.patch
        parts = image.reshape(image.shape[0], -1, self.rows, high, self.cols, wide)
        return parts.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
