"""Which patches of a grid of intervals by frequencies are hidden."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from kinelet.errors import BadOptionError

MaskMode = Literal["block", "random", "tube", "time", "mixed"]

_CHANCE: dict[MaskMode, float] = {"random": 0.5, "tube": 0.25, "time": 0.25}
"""How often each is drawn by ``mixed``."""


def hide_patches(
    rows: int,
    cols: int,
    batch: int,
    *,
    ratio: float,
    generator: torch.Generator,
    mode: MaskMode = "block",
    block: tuple[int, int] = (2, 3),
    run: int = 1,
    valid: Tensor | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Draw the patches that are hidden, another choice for every row of a batch.

    Patches are hidden group after group, groups in random order, until there are enough; of the last group as many as
    are missing. Groups are blocks that lie on a grid which begins anywhere, single patches, columns (bands of
    frequency), or rows (stretches of time).

    Args:
        rows: Patches over time.
        cols: Patches over frequency; patch ``row * cols + col`` lies in this row and column.
        batch: Number of choices.
        ratio: Share of the valid patches that is hidden, between 0 and 1.
        generator: Source of randomness.
        mode: ``block``, ``random``, ``tube`` (whole columns), ``time`` (whole rows), or ``mixed``: one of the last
            three for every row of the batch, with chances 0.5, 0.25 and 0.25.
        block: Rows and columns of a block.
        run: Rows that are hidden together where groups are not blocks. Two or more where neighbouring rows share
            samples: a single hidden row could be told from the rows around it. One group in each choice may still be
            such a row: of the last one only as many patches are hidden as are missing, and at the first and the last
            row the grid of groups may cut one.
        valid: Patches that hold anything at all, ``(rows * cols,)`` bool; the others are never hidden nor counted.
        device: Of the result; that of the generator unless given.

    Returns:
        ``(batch, rows * cols)`` bool, true where hidden: ``round(ratio * valid)`` patches in every row.

    Raises:
        BadOptionError: if nothing or everything would be hidden, or a size is not positive.

    Source: InfoMAE, arXiv 2504.09707 (share); He et al. 2022 (MAE), arXiv 2111.06377, section 3 (choice by sorting
    noise).

    >>> hide_patches(2, 4, 1, ratio=0.5, generator=torch.Generator().manual_seed(0)).sum()
    tensor(4)
    """
    chance = _Draw(generator, batch)
    seen = torch.ones(rows * cols, dtype=torch.bool) if valid is None else valid.cpu()
    count = _count(ratio, int(seen.sum()), min(rows, cols, batch, run, *block))
    if mode == "mixed":
        keys = _one_of([_keys(m, rows, cols, block, run, chance) for m in _CHANCE], chance.uniform(1)[:, 0])
    else:
        keys = _keys(mode, rows, cols, block, run, chance)
    if valid is not None:
        keys = keys.masked_fill(~valid.to(keys.device), torch.inf)
    # Stable, so that patches that are hidden together come in the order of time.
    order = keys.argsort(dim=1, stable=True)
    hidden = torch.zeros_like(keys, dtype=torch.bool).scatter_(1, order[:, :count], True)
    return hidden if device is None else hidden.to(device)


class _Draw:
    """Uniform noise for one batch, on the device of its generator."""

    def __init__(self, generator: torch.Generator, batch: int) -> None:
        self.generator, self.batch, self.device = generator, batch, generator.device

    def uniform(self, width: int) -> Tensor:
        """Noise ``(batch, width)``."""
        return torch.rand((self.batch, width), generator=self.generator, device=self.device)

    def begin(self, size: int) -> Tensor:
        """Where a grid of this step begins, ``(batch, 1)``."""
        return (self.uniform(1) * size).long()


def _count(ratio: float, valid: int, least: int) -> int:
    count = round(ratio * valid)
    if least < 1 or not 0 < count < valid:
        raise BadOptionError(
            f"{count} of {valid} patches would be hidden",
            where="masking",
            remedy="Choose another ratio, smaller patches, or longer windows",
        )
    return count


def _keys(mode: MaskMode, rows: int, cols: int, block: tuple[int, int], run: int, chance: _Draw) -> Tensor:
    """Key ``(batch, patch)`` of every patch, the smaller the sooner it is hidden.

    Groups are in random order, and in a group the strips of it, which are one column wide.
    """
    place = torch.arange(rows * cols, device=chance.device)
    tall, wide = block if mode == "block" else (run, 1)
    bands, widths = rows // tall + 2, cols // wide + 2
    band = (place // cols + chance.begin(tall)) // tall
    col = (place % cols).expand_as(band)
    strip = band * cols + col
    if mode == "block":
        group, groups = band * widths + (col + chance.begin(wide)) // wide, bands * widths
    else:
        group, groups = {"time": (band, bands), "tube": (col, cols)}.get(mode, (strip, bands * cols))
    order = chance.uniform(groups).argsort(dim=1).float()
    return order.gather(1, group) + chance.uniform(bands * cols).gather(1, strip)


def _one_of(choices: list[Tensor], chance: Tensor) -> Tensor:
    """Of the keys of all modes, those of one mode for each row."""
    edge = torch.tensor(list(_CHANCE.values()), device=chance.device).cumsum(0)[:-1]
    picked = torch.bucketize(chance, edge, right=True)
    return torch.stack(choices)[picked, torch.arange(len(picked), device=chance.device)]
