"""Losses: tensors in, scalar out, no state. All are computed in float32 (float64 stays) even under autocast."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from kinelet.errors import BadOptionError
from kinelet.functional.precision import full, full_precision, positive, unit


def nt_xent(
    z0: Tensor,
    z1: Tensor,
    temperature: float | Tensor,
    *,
    all_z0: Tensor | None = None,
    all_z1: Tensor | None = None,
    offset: int = 0,
    group: Tensor | None = None,
    all_group: Tensor | None = None,
) -> Tensor:
    """Normalised temperature-scaled cross-entropy over two views.

    Each of the ``2 * batch`` views is to find its partner among all other views by cosine similarity; the mean over
    views of ``-log(exp(s_partner) / sum over the others of exp(s))``. Views that are all alike give
    ``ln(2 * total - 1)``.

    Args:
        z0: First view of each window, ``(batch, dim)``.
        z1: Second view, ``(batch, dim)``.
        temperature: Divides the similarities; positive.
        all_z0: First views of the global batch ``(total, dim)``, where it is spread over processes.
        all_z1: Second views of the global batch.
        offset: Row of the global batch that holds row 0 of ``z0``.
        group: Code of each window ``(batch,)``; only windows of the same group are each other's negatives.
        all_group: Codes of the global batch ``(total,)``.

    Returns:
        Scalar; the mean over equal processes is the loss of the global batch.

    Raises:
        BadOptionError: if the temperature is not positive or shapes do not fit.

    Source: Chen et al. 2020 (SimCLR), arXiv 2002.05709, equation 1.
    """
    others0, others1 = gathered(z0, z1, all_z0, all_z1, offset)
    with full_precision(z0):
        views = torch.cat([unit(z0), unit(z1)])
        logits = views @ torch.cat([unit(others0), unit(others1)]).T / positive(temperature)
        mine = torch.arange(offset, offset + len(z0), device=z0.device)
        own, partner = torch.cat([mine, mine + len(others0)]), torch.cat([mine + len(others0), mine])
        logits = logits.scatter(1, own[:, None], -torch.inf)
        if group is not None:
            everyone = group if all_group is None else all_group
            logits = logits.masked_fill((group[:, None] != everyone[None, :]).repeat(2, 2), -torch.inf)
        return functional.cross_entropy(logits, partner)


def info_nce(
    q: Tensor,
    k: Tensor,
    temperature: float | Tensor,
    *,
    symmetric: bool = True,
    all_q: Tensor | None = None,
    all_k: Tensor | None = None,
    offset: int = 0,
) -> Tensor:
    """Cross-entropy of finding each row's partner in ``k`` among all rows of ``k``, by cosine similarity.

    With ``symmetric`` the same in the other direction is *added*, not averaged: equal embeddings give
    ``2 * ln(batch)``, orthonormal ones ``2 * ln(1 + (batch - 1) * exp(-1 / temperature))``.

    Args:
        q: Queries ``(batch, dim)``.
        k: Keys ``(batch, dim)``; row i is the partner of query i.
        temperature: Divides the similarities; positive.
        symmetric: Add the direction from keys to queries.
        all_q: Queries of the global batch ``(total, dim)``, where it is spread over processes.
        all_k: Keys of the global batch.
        offset: Row of the global batch that holds row 0 of ``q``.

    Returns:
        Scalar.

    Raises:
        BadOptionError: if the temperature is not positive or shapes do not fit.

    Source: van den Oord et al. 2018, arXiv 1807.03748, equation 4; both directions as in arXiv 2103.00020.
    """
    others_q, others_k = gathered(q, k, all_q, all_k, offset)
    with full_precision(q):
        scale = 1.0 / positive(temperature)
        partner = torch.arange(offset, offset + len(q), device=q.device)
        loss = functional.cross_entropy(unit(q) @ unit(others_k).T * scale, partner)
        if symmetric:
            loss = loss + functional.cross_entropy(unit(k) @ unit(others_q).T * scale, partner)
        return loss


def masked_mse(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error over the elements where ``mask`` is true; 0 where it is nowhere true.

    Args:
        prediction: Any shape.
        target: The same shape.
        mask: Boolean, broadcastable to that shape.

    Returns:
        Scalar.

    Raises:
        BadOptionError: if prediction and target differ in shape.

    Source: He et al. 2022 (MAE), arXiv 2111.06377, section 3, loss on masked parts only.
    """
    if prediction.shape != target.shape:
        raise BadOptionError(f"prediction {tuple(prediction.shape)} and target {tuple(target.shape)} differ in shape")
    with full_precision(prediction):
        kept = mask.expand_as(target)
        # where, not a product: what lies outside the mask may be infinite.
        error = torch.where(kept, full(prediction) - full(target), 0.0)
        return error.square().sum() / kept.sum().clamp(min=1)


def gathered(a: Tensor, b: Tensor, all_a: Tensor | None, all_b: Tensor | None, offset: int) -> tuple[Tensor, Tensor]:
    """The global batch, which is the local one where none is given."""
    if a.ndim != 2 or a.shape != b.shape:
        raise BadOptionError(
            f"two batches (batch, dim) of one shape are expected, not {tuple(a.shape)} and {tuple(b.shape)}"
        )
    if (all_a is None) != (all_b is None):
        raise BadOptionError("the global batch was given for one side only", remedy="Give both sides, or neither")
    others_a, others_b = (a, b) if all_a is None or all_b is None else (all_a, all_b)
    if others_a.shape != others_b.shape or not 0 <= offset <= len(others_a) - len(a):
        raise BadOptionError(
            f"rows {offset} to {offset + len(a)} do not lie in batches of {len(others_a)} and {len(others_b)} rows"
        )
    return others_a, others_b
