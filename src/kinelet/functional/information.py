"""Estimates of information between codes and signals from the logits of critics.

All estimates are in nats. ``valid`` says which rows count; what the others hold, even NaN, reaches neither a value nor
a gradient, and where no row counts the result is exactly 0 and still has a gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from kinelet.errors import BadOptionError
from kinelet.functional.precision import full, full_precision

_NOWHERE = -1e30


def mean_valid(x: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean of ``x`` ``(batch,)`` over the rows where ``valid`` ``(batch,)`` is true; 0 where it is nowhere true.

    Raises:
        BadOptionError: if the shapes differ.

    >>> mean_valid(torch.tensor([1.0, 3.0, torch.nan]), torch.tensor([True, True, False]))
    tensor(2.)
    """
    if valid is None:
        return x.mean() if x.numel() else x.sum()
    if valid.shape != x.shape:
        raise BadOptionError(f"valid is {tuple(valid.shape)}, not {tuple(x.shape)}")
    return only(x, valid).sum() / valid.sum().clamp(min=1)


def only(z: Tensor, valid: Tensor | None) -> Tensor:
    """Give ``z`` ``(batch, …)`` in full precision with zeros in the rows that are not ``valid``."""
    if valid is None:
        return full(z)
    return torch.where(valid.reshape(-1, *[1] * (z.ndim - 1)), full(z), 0)


def density_ratio_logits(scores: Tensor, bound: float = 10.0) -> Tensor:
    """Bound scores smoothly to ``(-bound, bound)``; small ones stay as they are.

    The logit of a discriminator of true pairs against pairs drawn apart is the logarithm of their density ratio.

    Args:
        scores: Any shape.
        bound: Positive.

    Returns:
        Log ratios, the same shape, float32 (float64 stays).

    Raises:
        BadOptionError: if the bound is not positive.

    Source: InfoMAE, arXiv 2504.09707, equation 6; the bound is ours.
    """
    if not bound > 0:
        raise BadOptionError(f"bound of logits is {bound}, it must be positive")
    return bound * torch.tanh(full(scores) / bound)


def density_ratio_bce(
    joint: Tensor, product: Tensor, *, valid: Tensor | None = None, valid_product: Tensor | None = None
) -> Tensor:
    """Loss of a critic: minus the mean log probability that pairs are told from rows drawn apart.

    ``-mean log s(joint) - mean log(1 - s(product))``, s the sigmoid; a critic that knows nothing has ``2 ln 2``.

    Args:
        joint: Logits of true pairs, ``(batch,)``.
        product: Logits of rows drawn apart, ``(batch,)`` or another length.
        valid: Rows of ``joint`` that count.
        valid_product: Rows of ``product`` that count; by default ``valid``, where the lengths agree.

    Returns:
        Scalar.

    Source: Kim and Mnih 2018 (FactorVAE), arXiv 1802.05983, equation 3, as InfoMAE uses it.
    """
    counts = _apart(joint, product, valid, valid_product)
    with full_precision(joint):
        missed = mean_valid(functional.softplus(-only(joint, valid)), valid)
        return missed + mean_valid(functional.softplus(only(product, counts)), counts)


def critic_accuracy(
    joint: Tensor, product: Tensor, *, valid: Tensor | None = None, valid_product: Tensor | None = None
) -> Tensor:
    """Share of true pairs with a positive logit and of rows drawn apart with a negative one, the two averaged.

    0.5 is chance, also for logits that are all 0. Arguments as of :func:`density_ratio_bce`.
    """
    counts = _apart(joint, product, valid, valid_product)
    seen, refused = (torch.sign(full(joint)) + 1) / 2, (1 - torch.sign(full(product))) / 2
    return (mean_valid(seen, valid) + mean_valid(refused, counts)) / 2


def smile_information(
    joint: Tensor,
    product: Tensor,
    clip: float = 5.0,
    *,
    valid: Tensor | None = None,
    valid_product: Tensor | None = None,
) -> Tensor:
    """Information from logits: mean over pairs minus the log of the mean clipped ratio over rows drawn apart.

    Args:
        joint: Logits of true pairs, ``(batch,)``.
        product: Logits of rows drawn apart, ``(rows,)``.
        clip: Logits of rows drawn apart are cut to ``[-clip, clip]``.
        valid: Rows of ``joint`` that count.
        valid_product: Rows of ``product`` that count; by default ``valid``, where the lengths agree.

    Returns:
        Scalar.

    Raises:
        BadOptionError: if ``clip`` is not positive.

    Source: Song and Ermon 2020, arXiv 1910.06222, equation 11 (SMILE).
    """
    if not clip > 0:
        raise BadOptionError(f"clip is {clip}, it must be positive")
    counts = _apart(joint, product, valid, valid_product)
    with full_precision(joint):
        kept = torch.ones_like(product, dtype=torch.bool) if counts is None else counts
        cut = torch.where(kept, only(product, kept).clamp(-clip, clip), _NOWHERE)
        partition = cut.logsumexp(0) - kept.sum().clamp(min=1).to(cut.dtype).log()
        return mean_valid(full(joint), valid) - torch.where(kept.any(), partition, 0)


def nce_information(scores: Tensor, *, valid: Tensor | None = None, beside: Tensor | None = None) -> Tensor:
    """Lower bound of information from scores of every row with every row, at most the log of the rows compared.

    Mean over rows a of ``s_aa - log(mean over b of exp(s_ab))``, b being a itself and the rows that stand beside it.

    Args:
        scores: ``(batch, batch)``; row a is the pair's one side, column b the other's.
        valid: Rows that are pairs, ``(batch,)``.
        beside: Which b stand beside which a, boolean ``(batch, batch)``, for example those of other sequences; by
            default all.

    Returns:
        Scalar; minus it is the InfoNCE loss without its constant.

    Raises:
        BadOptionError: if shapes do not fit.

    Source: van den Oord et al. 2018, arXiv 1807.03748, section 2.3.
    """
    batch = len(scores)
    for name, mask, shape in (("scores", scores, (batch, batch)), ("beside", beside, (batch, batch))):
        if mask is not None and tuple(mask.shape) != shape:
            raise BadOptionError(f"{name} is {tuple(mask.shape)}, not {shape}")
    with full_precision(scores):
        counts = torch.ones(batch, dtype=torch.bool, device=scores.device) if valid is None else valid
        kept = counts[:, None] & counts[None, :]
        if beside is not None:
            kept = kept & (beside | torch.eye(batch, dtype=torch.bool, device=scores.device))
        s = torch.where(kept, full(scores), _NOWHERE)
        log_mean = s.logsumexp(1) - kept.sum(1).clamp(min=1).to(s.dtype).log()
        return mean_valid(torch.where(counts, s.diagonal(), 0) - torch.where(counts, log_mean, 0), counts)


def _apart(joint: Tensor, product: Tensor, valid: Tensor | None, valid_product: Tensor | None) -> Tensor | None:
    """Which rows drawn apart count: those asked for, or those of the pairs, one for one."""
    return valid if valid_product is None and len(product) == len(joint) else valid_product
