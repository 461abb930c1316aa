"""Fields of tokens with padding, and the windows of attention that they are cut into.

Tokens are laid out row by row, ``(batch, row * col, width)``. A field may be padded at the bottom and at the right;
nobody looks at what stands there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

Pair = tuple[int, int]
MERGED = 2
"""Tokens that become one, along each axis, between two stages."""


@dataclass(frozen=True)
class Field:
    """A field of tokens, some of them padding.

    Attributes:
        rows, cols: Its size.
        real: How many rows and columns hold signal; the others are padding.
    """

    rows: int
    cols: int
    real: Pair

    @property
    def padded(self) -> bool:
        """Whether there is any padding."""
        return self.real != (self.rows, self.cols)

    def valid(self, device: torch.device | None = None) -> Tensor:
        """Tokens that are no padding, ``(rows * cols,)`` bool."""
        row, col = torch.arange(self.rows, device=device), torch.arange(self.cols, device=device)
        return ((row < self.real[0])[:, None] & (col < self.real[1])[None]).flatten()

    def merged(self) -> Field:
        """The field after merging; a token made of any signal is no padding."""
        real = (-(-self.real[0] // MERGED), -(-self.real[1] // MERGED))
        return Field(self.rows // MERGED, self.cols // MERGED, real)


@dataclass(frozen=True)
class Windows:
    """How a field is cut into windows of attention.

    Attributes:
        field: What is cut.
        size: Rows and columns of a window; they divide the field.
        shift: Rows and columns that the field is rolled by before.
    """

    field: Field
    size: Pair
    shift: Pair

    @classmethod
    def of(cls, field: Field, size: Pair, shifted: bool) -> Windows:
        """Windows of a field, shifted by half along each axis that has more than one of them."""
        more = (field.rows > size[0], field.cols > size[1])
        shift = (size[0] // 2 if shifted and more[0] else 0, size[1] // 2 if shifted and more[1] else 0)
        return cls(field, size, shift)

    def cut(self, x: Tensor) -> Tensor:
        """Map tokens ``(batch, row * col, width)`` to ``(batch, window, token, width)``."""
        high, wide = self.size
        down, across = self.field.rows // high, self.field.cols // wide
        x = x.reshape(-1, self.field.rows, self.field.cols, x.shape[2])
        if any(self.shift):
            x = x.roll((-self.shift[0], -self.shift[1]), (1, 2))
        x = x.reshape(-1, down, high, across, wide, x.shape[3]).transpose(2, 3)
        return x.reshape(-1, down * across, high * wide, x.shape[5])

    def join(self, x: Tensor) -> Tensor:
        """The inverse of :meth:`cut`."""
        high, wide = self.size
        down, across = self.field.rows // high, self.field.cols // wide
        x = x.reshape(-1, down, across, high, wide, x.shape[3]).transpose(2, 3)
        x = x.reshape(-1, self.field.rows, self.field.cols, x.shape[5])
        return (x.roll(self.shift, (1, 2)) if any(self.shift) else x).flatten(1, 2)

    def allowed(self, device: torch.device | None = None) -> Tensor | None:
        """Which token (second axis) may look at which (third), ``(window, token, token)`` bool; None: all at all.

        Padding is looked at by nobody. Tokens that the roll brought together from opposite edges do not meet.
        """
        if not any(self.shift) and not self.field.padded:
            return None
        row = _region(self.field.rows, self.size[0], self.shift[0], device)
        col = _region(self.field.cols, self.size[1], self.shift[1], device)
        facts = torch.stack([(3 * row[:, None] + col[None]).flatten(), self.field.valid(device).long()], dim=-1)
        region, valid = self.cut(facts[None])[0].unbind(-1)
        return (region[:, :, None] == region[:, None, :]) & (valid[:, None, :] > 0)


def _region(length: int, size: int, shift: int, device: torch.device | None) -> Tensor:
    """Stretch that each place belongs to, before the roll: only those that the roll moves to the end are apart."""
    place = torch.arange(length, device=device)
    return (place < shift).long() if shift else torch.zeros_like(place)
