"""The error of rebuilt patches, counted where they were hidden."""

from __future__ import annotations

import torch
from torch import Tensor

from kinelet.errors import BadOptionError
from kinelet.functional.precision import full, full_precision


def masked_patch_mse(
    pred: Tensor,
    patches: Tensor,
    hidden: Tensor,
    cell_mask: Tensor | None = None,
    *,
    standardise: bool = True,
    eps: float = 1e-6,
    weights: Tensor | None = None,
) -> Tensor:
    """Squared error of hidden patches: mean over samples, over a sample's hidden patches, over a patch's values.

    With ``t_p = (x_p - mean(x_p)) / sqrt(var(x_p) + eps)``, each patch is judged by ``mean((y_p - t_p)^2)``: zeros
    everywhere give 1, but for patches that are constant.

    Args:
        pred: Rebuilt patches ``(batch, patch, value)``.
        patches: What they are ``(batch, patch, value)``.
        hidden: Patches that count ``(batch, patch)`` bool; the others may hold anything, infinities too.
        cell_mask: Values that are no padding ``(patch, value)`` bool; ``None``: all.
        standardise: Free each patch of its own mean and spread; otherwise patches are taken as they are.
        eps: Added to the variance.
        weights: Factor of each value's squared error ``(patch, value)``.

    Returns:
        Scalar; 0, with a gradient of 0, where nothing is hidden. Samples without hidden patches do not count.

    Raises:
        BadOptionError: if shapes do not fit.

    Source: InfoMAE, arXiv 2504.09707, equation 3; He et al. 2022 (MAE), arXiv 2111.06377, section 3 (patches freed of
    mean and spread).
    """
    each = patch_errors(pred, patches, hidden, cell_mask, standardise=standardise, eps=eps, weights=weights)
    return each.sum() / hidden.any(dim=1).sum().clamp(min=1)


def patch_errors(
    pred: Tensor,
    patches: Tensor,
    hidden: Tensor,
    cell_mask: Tensor | None = None,
    *,
    standardise: bool = True,
    eps: float = 1e-6,
    weights: Tensor | None = None,
) -> Tensor:
    """What :func:`masked_patch_mse` takes the mean of, ``(batch,)``; 0 for a sample without hidden patches."""
    _require_shapes(pred, patches, hidden, cell_mask, weights)
    with full_precision(pred):
        real = torch.ones_like(patches[0], dtype=torch.bool) if cell_mask is None else cell_mask
        counted = hidden[:, :, None] & real
        # where, not products: what does not count may be infinite.
        target = torch.where(counted, full(patches), 0.0)
        size = real.sum(dim=1).clamp(min=1)
        if standardise:
            target = torch.where(counted, _standardised(target, counted, size, eps), 0.0)
        error = torch.where(counted, full(pred) - target, 0.0).square()
        if weights is not None:
            error = error * weights
        each = error.sum(dim=2) / size
        return each.sum(dim=1) / hidden.sum(dim=1).clamp(min=1)


def falling_weights(value_bins: Tensor, floor: float = 0.1) -> Tensor:
    """Factors that fall linearly from the lowest frequency to ``floor`` of that at the highest, of mean 1.

    Args:
        value_bins: Bin of frequency of each value ``(patch, value)``; negative for padding, which gets 0.
        floor: Factor of the highest frequency over that of the lowest, above 0.

    Returns:
        ``(patch, value)`` float32.

    Source: FreqMAE weighs low frequencies more; the line is ours.
    """
    real = value_bins >= 0
    height = value_bins.clamp(min=0) / value_bins.max().clamp(min=1)
    falling = torch.where(real, 1 - (1 - floor) * height, 0.0)
    return falling * (real.sum() / falling.sum())


def _standardised(x: Tensor, counted: Tensor, size: Tensor, eps: float) -> Tensor:
    """Patches ``(batch, patch, value)``, 0 where they do not count, freed of mean and spread."""
    mean = (x.sum(dim=2) / size)[:, :, None]
    centred = torch.where(counted, x - mean, 0.0)
    variance = (centred.square().sum(dim=2) / size)[:, :, None]
    return centred / (variance + eps).sqrt()


def _require_shapes(
    pred: Tensor, patches: Tensor, hidden: Tensor, cell_mask: Tensor | None, weights: Tensor | None
) -> None:
    fits = pred.ndim == 3 and pred.shape == patches.shape and hidden.shape == pred.shape[:2]
    beside = [t for t in (cell_mask, weights) if t is not None]
    if not fits or any(t.shape != pred.shape[1:] for t in beside):
        shapes = [tuple(t.shape) for t in (pred, patches, hidden, *beside)]
        raise BadOptionError(f"shapes {shapes} are not those of patches of one grid", where="masked_patch_mse")
