"""Images with hidden patches, and how well those are rebuilt, as methods are told to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from kinelet.encoders.grid import Grid
from kinelet.encoders.image import ImageEncoder
from kinelet.errors import BadOptionError
from kinelet.functional.masked_patches import falling_weights, patch_errors
from kinelet.functional.masking import MaskMode, hide_patches
from kinelet.methods.base import sharded


class Masking(Protocol):
    """What a configuration tells about masking; see :class:`kinelet.methods.mae.MAEConfig`."""

    @property
    def ratio(self) -> float:
        """Share of the patches that is hidden."""

    @property
    def mode(self) -> MaskMode:
        """Which patches are hidden together."""

    @property
    def block(self) -> tuple[int, int]:
        """Patches over time and over frequency that a block hides."""


class Judging(Protocol):
    """What a configuration tells about the error; see :class:`kinelet.methods.mae.MAEConfig`."""

    @property
    def target(self) -> Literal["patch", "image"]:
        """What patches are freed of."""

    @property
    def weighting(self) -> Literal["flat", "falling"]:
        """How squared errors count over frequency."""


@dataclass(frozen=True)
class HiddenImage:
    """Images some of whose patches are hidden.

    Attributes:
        image: All of it, ``(batch, plane, interval, bin)``.
        grid: How it is cut into patches.
        hidden: ``(batch, patch)`` bool.
    """

    image: Tensor
    grid: Grid
    hidden: Tensor

    def errors(self, rebuilt: Tensor, judging: Judging) -> Tensor:
        """Error of what was hidden in each sample, ``(batch,)``; see :func:`kinelet.functional.masked_patch_mse`.

        Args:
            rebuilt: Patches ``(batch, patch, value)``.
            judging: What to rebuild, and what counts.
        """
        weights = weights_of(self.grid, self.image) if judging.weighting == "falling" else None
        return patch_errors(
            rebuilt,
            self.grid.patches(self.image),
            self.hidden,
            self.grid.cell_mask(),
            standardise=judging.target == "patch",
            weights=weights,
        )

    def explained(self, rebuilt: Tensor, errors: Tensor, judging: Judging) -> Tensor:
        """Share of the energy of hidden patches that is rebuilt, a scalar without gradient."""
        energy = self.errors(torch.zeros_like(rebuilt), judging).sum()
        return 1 - errors.detach().sum() / energy.clamp(min=1e-12)


def hide(encoder: ImageEncoder, image: Tensor, masking: Masking, generators: Sequence[torch.Generator]) -> HiddenImage:
    """Hide patches of images ``(batch, plane, interval, bin)``; see :func:`hidden_patches`."""
    grid = encoder.grid(image)
    return HiddenImage(image, grid, hidden_patches(encoder, grid, masking, image.shape[0], generators))


def hidden_patches(
    encoder: ImageEncoder, grid: Grid, masking: Masking, batch: int, generators: Sequence[torch.Generator]
) -> Tensor:
    """Draw hidden patches ``(batch, patch)`` bool, each shard of the batch from its own generator.

    Where intervals share samples, at least two neighbouring ones are hidden together: part of the answer would stay
    visible otherwise.

    Raises:
        BadOptionError: if blocks are too short for that, or nothing or everything would be hidden.
    """
    run = rows_together(encoder, grid)
    if masking.mode == "block" and masking.block[0] < run:
        raise BadOptionError(
            f"intervals overlap, and blocks of {masking.block[0]} patch over time leave part of the answer visible",
            where="masking",
            remedy=f"Use a block of {run} or more patches over time, or an encoder with overlap=none",
        )

    def draw(rows: Tensor, generator: torch.Generator) -> Tensor:
        return hide_patches(
            grid.rows,
            grid.cols,
            len(rows),
            ratio=masking.ratio,
            generator=generator,
            mode=masking.mode,
            block=masking.block,
            run=run,
            valid=grid.valid,
            device=rows.device,
        )

    drawn: Tensor = sharded(draw, torch.empty(batch, device=grid.device), generators)
    return drawn


def rows_together(encoder: ImageEncoder, grid: Grid) -> int:
    """Rows of patches that have to be hidden together so that no visible interval holds all samples of a hidden one."""
    return -(-2 // grid.patch[0]) if encoder.front.overlaps else 1


def weights_of(grid: Grid, image: Tensor) -> Tensor:
    """Weights ``(patch, value)`` of squared errors that fall with frequency."""
    bins = torch.arange(1, image.shape[3] + 1, device=image.device).expand_as(image[:1]).to(image.dtype)
    return falling_weights(grid.patches(bins)[0] - 1)
