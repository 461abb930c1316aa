"""Tokens that may be seen, drawn together so that nothing is computed from the others."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kinelet.errors import BadOptionError


@dataclass(frozen=True)
class Visible:
    """Which tokens of each row of a batch may be seen.

    Attributes:
        index: Their numbers, in order, ``(batch, count)``; filled up with others where a row has fewer.
        here: Which of them count, ``(batch, count)`` bool; ``None``: all.
    """

    index: Tensor
    here: Tensor | None

    @property
    def bias(self) -> Tensor | None:
        """Mask for attention ``(batch, 1, 1, count)`` bool, ``None`` where all count."""
        return None if self.here is None else self.here[:, None, None]

    def take(self, tokens: Tensor) -> Tensor:
        """Tokens ``(batch, count, value)`` out of ``(batch, token, value)``; those that do not count are zero."""
        row = torch.arange(len(tokens), device=tokens.device)[:, None]
        taken = tokens[row, self.index]
        return taken if self.here is None else taken.masked_fill(~self.here[..., None], 0.0)

    def mean(self, tokens: Tensor) -> Tensor:
        """Mean ``(batch, width)`` of the tokens ``(batch, count, width)`` that count."""
        if self.here is None:
            return tokens.mean(dim=1)
        weight = self.here.to(tokens.dtype)[..., None]
        return (tokens * weight).sum(dim=1) / weight.sum(dim=1)


def visible(keep: Tensor, batch: int, count: int) -> Visible:
    """Collect what ``keep`` ``(batch, count)`` bool lets see.

    Raises:
        BadOptionError: if it is of another shape, or a row has nothing to see.
    """
    if keep.shape != (batch, count):
        raise BadOptionError(f"keep has shape {tuple(keep.shape)}; ({batch}, {count}) is expected", where="keep")
    counts = keep.sum(dim=1)
    least, most = (int(c) for c in counts.aminmax())
    if least < 1:
        raise BadOptionError("nothing of a window may be seen", where="keep", remedy="Hide a smaller share of patches")
    if least == most:
        return Visible(keep.nonzero()[:, 1].view(-1, most), None)
    index = keep.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :most]
    return Visible(index, keep.gather(1, index))
