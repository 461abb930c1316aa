"""Losses of pairs, where a row may lack its partner and a partner may be true of several rows."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from kinelet.errors import BadOptionError
from kinelet.functional import precision
from kinelet.functional.losses import gathered, info_nce
from kinelet.functional.precision import full_precision, unit

# Stands in for the similarity of a pair that does not count: its exponential is exactly 0 beside any real one, and,
# unlike minus infinity, a row of nothing else still has a logarithm and a gradient.
_NOWHERE = -1e30


def paired_nce(
    q: Tensor,
    k: Tensor,
    temperature: float | Tensor,
    *,
    valid: Tensor | None = None,
    positive: Tensor | None = None,
    ignore: Tensor | None = None,
    all_q: Tensor | None = None,
    all_k: Tensor | None = None,
    all_valid: Tensor | None = None,
    offset: int = 0,
) -> Tensor:
    """Symmetric cross-entropy of finding each row's partner, as :func:`info_nce`, with masks.

    With ``V`` the valid rows, ``P(i)`` the positives of row i and ``s`` the cosine similarities over the temperature,
    ``-(1 / |V|) * sum over i in V of (1 / |P(i)|) * sum over p in P(i) of
    log(exp(s_ip) / sum over j in V, not ignored, of exp(s_ij))``, and the same with ``s`` transposed, added. Rows
    outside ``V`` are neither queries nor negatives. Without masks it is ``info_nce``.

    Args:
        q: Queries ``(batch, dim)``.
        k: Keys ``(batch, dim)``; row i is the partner of query i.
        temperature: Divides the similarities; positive.
        valid: Rows ``(batch,)`` that hold both sides, boolean; ``None`` for all. The others are not looked at.
        positive: Boolean ``(total, total)``: key j is true of query i. A row is always true of itself.
        ignore: Boolean ``(total, total)``: key j is no negative of query i. What is positive is not ignored.
        all_q: Queries of the global batch ``(total, dim)``, where it is spread over processes.
        all_k: Keys of the global batch.
        all_valid: ``valid`` of the global batch ``(total,)``.
        offset: Row of the global batch that holds row 0 of ``q``.

    Returns:
        Scalar; the mean over equal processes is the loss of the global batch. Without valid rows exactly 0, with a
        gradient of 0.

    Raises:
        BadOptionError: if the temperature is not positive or shapes do not fit.

    Source: several positives as in Khosla et al. 2020, arXiv 2004.11362, equation 2, in both directions.
    """
    if valid is None and positive is None and ignore is None:
        return info_nce(q, k, temperature, all_q=all_q, all_k=all_k, offset=offset)
    others_q, others_k = gathered(q, k, all_q, all_k, offset)
    total, mine = len(others_q), slice(offset, offset + len(q))
    counts = _global(valid, all_valid, q, total)
    with full_precision(q):
        # What a row without a partner holds must not reach the others, not even as 0 * inf.
        q, k = (torch.where(counts[mine, None], z, 0) for z in (q, k))
        others_q, others_k = (torch.where(counts[:, None], z, 0) for z in (others_q, others_k))
        scale = 1.0 / precision.positive(temperature)
        target, kept = _relations(positive, ignore, counts, q)
        across = _directed(unit(q) @ unit(others_k).T * scale, target[mine], kept[mine])
        back = _directed(unit(k) @ unit(others_q).T * scale, target.T[mine], kept.T[mine])
        return (across + back) * (total / len(q)) / counts.sum().clamp(min=1)


def nearest_neighbour_nce(
    q: Tensor,
    found: Tensor,
    slot: Tensor,
    temperature: float | Tensor,
    *,
    same: Literal["positive", "ignore"] = "positive",
    valid: Tensor | None = None,
    all_q: Tensor | None = None,
    all_found: Tensor | None = None,
    all_slot: Tensor | None = None,
    all_valid: Tensor | None = None,
    offset: int = 0,
) -> Tensor:
    """Find each row's neighbour, taken from a queue, among the neighbours of all rows, in both directions.

    Rows with the same neighbour are never each other's negatives.

    Args:
        q: Queries ``(batch, dim)``.
        found: Neighbour of each ``(batch, dim)``; no gradient flows into it.
        slot: Place of the neighbour in the queue, int64 ``(batch,)``; a row with a negative one has none and is not
            looked at.
        temperature: Divides the similarities; positive.
        same: Rows with the same neighbour are ``positive`` to each other, or ``ignore``d.
        valid: Further restriction of the rows, boolean ``(batch,)``.
        all_q: Queries of the global batch ``(total, dim)``, where it is spread over processes.
        all_found: Neighbours of the global batch.
        all_slot: Their places ``(total,)``.
        all_valid: ``valid`` of the global batch.
        offset: Row of the global batch that holds row 0 of ``q``.

    Returns:
        Scalar, as of :func:`paired_nce`.

    Raises:
        BadOptionError: if the temperature is not positive or shapes do not fit.

    Source: Dwibedi et al. 2021 (NNCLR), arXiv 2104.14548, equation 3, symmetric.
    """
    slots = slot if all_slot is None else all_slot
    twins = slots[:, None] == slots[None, :]
    has = slot >= 0 if valid is None else valid & (slot >= 0)
    everyone = None if all_slot is None else all_slot >= 0
    if everyone is not None and valid is not None:
        if all_valid is None:
            raise BadOptionError("valid rows were given for the local batch only", remedy="Give all_valid too")
        everyone = everyone & all_valid
    return paired_nce(
        q,
        found.detach(),
        temperature,
        valid=has,
        positive=twins if same == "positive" else None,
        ignore=twins if same == "ignore" else None,
        all_q=all_q,
        all_k=None if all_found is None else all_found.detach(),
        all_valid=everyone,
        offset=offset,
    )


def _directed(s: Tensor, target: Tensor, kept: Tensor) -> Tensor:
    """Sum over rows of the cross-entropy between ``target``'s shares and the similarities ``s`` that are kept."""
    share = target.to(s.dtype) / target.sum(dim=1, keepdim=True).clamp(min=1)
    s = s.masked_fill(~kept, _NOWHERE)
    return (target.any(dim=1) * s.logsumexp(dim=1) - (share * s).sum(dim=1)).sum()


def _relations(positive: Tensor | None, ignore: Tensor | None, counts: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs that are true, and those that stand in the denominator, both ``(total, total)``."""
    total = len(counts)
    for name, mask in (("positive", positive), ("ignore", ignore)):
        if mask is not None and mask.shape != (total, total):
            raise BadOptionError(f"{name} is {tuple(mask.shape)}, not of all pairs ({total}, {total})")
    both = counts[:, None] & counts[None, :]
    own = torch.eye(total, dtype=torch.bool, device=q.device)
    target = (own if positive is None else positive | own) & both
    return target, both if ignore is None else both & (target | ~ignore)


def _global(valid: Tensor | None, all_valid: Tensor | None, q: Tensor, total: int) -> Tensor:
    """Valid rows of the global batch ``(total,)``."""
    if valid is not None and valid.shape != q.shape[:1]:
        raise BadOptionError(f"valid is {tuple(valid.shape)}, not ({len(q)},)")
    counts = valid if all_valid is None and total == len(q) else all_valid
    if counts is None:
        if valid is not None:
            raise BadOptionError("valid rows were given for the local batch only", remedy="Give all_valid too")
        counts = torch.ones(total, dtype=torch.bool, device=q.device)
    if counts.shape != (total,):
        raise BadOptionError(f"all_valid is {tuple(counts.shape)}, not ({total},)")
    return counts
