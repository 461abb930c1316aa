"""Losses of an order: candidates sorted by a distance are to be as alike to their anchor as the order says."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from kinelet.errors import BadOptionError
from kinelet.functional.precision import full, full_precision, positive, unit

# Stands in for the similarity of a candidate that is masked: its exponential is exactly 0 beside any real one, and,
# unlike minus infinity, differences of two of them are not NaN.
_NOWHERE = -1e30


def relative_contrastive(
    anchor: Tensor,
    candidates: Tensor,
    distance: Tensor,
    tau: float | Tensor = 0.1,
    weights: Tensor | None = None,
    mask: Tensor | None = None,
    ties: float = 0.0,
    *,
    index: Tensor | None = None,
) -> Tensor:
    """Negative log-likelihood of the order of the candidates, each being a positive against all that are farther.

    With ``s`` the cosine similarities to the anchor over ``tau``, sorted by ascending distance,
    ``sum over i of w_i * (log(sum over j >= i of exp(s_j)) - s_i)``; the mean of that over anchors. Equal similarities
    give ``sum over i of w_i * ln(N - i + 1)``, without weights ``ln(N!)``.

    Args:
        anchor: Embeddings ``(batch, dim)``.
        candidates: Embeddings of each anchor's candidates ``(batch, N, dim)``, or, with ``index``, a pool
            ``(M, dim)`` that anchors share.
        distance: ``(batch, N)`` from anchor to candidate; only its order counts (and, with ``ties``, its scale). It
            gets no gradient. Equal ones keep the order of the candidates.
        tau: Temperature, positive.
        weights: Of each place of the order, nearest first: ``(N,)`` or ``(batch, N)``.
        mask: ``(batch, N)``, false for candidates that are not there: they are in no sum and in no denominator.
        ties: Candidates no more than this much farther than another are not its negatives. 0 leaves the order as it
            is.
        index: ``(batch, N)`` rows of the pool.

    Returns:
        Scalar; an anchor all of whose candidates are masked counts as 0.

    Raises:
        BadOptionError: if the temperature is not positive, ``ties`` is negative, or shapes do not fit.

    Source: Xu et al. 2024 (RelCon), arXiv 2411.18822 (ICLR 2025); the likelihood of an order is that of
    Plackett and Luce, as a loss Xia et al. 2008 (ListMLE).
    """
    similarity = similarities(anchor, candidates, index) / positive(tau)
    return ranking_loss(similarity, distance, weights, mask, ties).mean()


def similarities(anchor: Tensor, candidates: Tensor, index: Tensor | None = None) -> Tensor:
    """Cosines ``(batch, N)`` of anchors ``(batch, dim)`` with their candidates, see :func:`relative_contrastive`.

    Raises:
        BadOptionError: if shapes do not fit.
    """
    pooled = index is not None and candidates.ndim == 2 and index.shape[:1] == anchor.shape[:1]
    beside = index is None and candidates.ndim == 3 and candidates.shape[:1] == anchor.shape[:1]
    if anchor.ndim != 2 or not (pooled or beside) or candidates.shape[-1] != anchor.shape[1]:
        raise BadOptionError(
            f"anchors {tuple(anchor.shape)} do not fit candidates {tuple(candidates.shape)}"
            + ("" if index is None else f" with index {tuple(index.shape)}"),
            remedy="Give candidates (batch, N, dim), or (M, dim) with an index (batch, N)",
        )
    with full_precision(anchor):
        if index is not None:
            return (unit(anchor) @ unit(candidates).T).gather(1, index)
        return torch.einsum("bd,bnd->bn", unit(anchor), unit(candidates))


def ranking_loss(
    score: Tensor,
    distance: Tensor,
    weights: Tensor | None = None,
    mask: Tensor | None = None,
    ties: float = 0.0,
) -> Tensor:
    """Loss of each row ``(batch,)``: see :func:`relative_contrastive`, with any ``score`` ``(batch, N)``.

    Raises:
        BadOptionError: if ``ties`` is negative or shapes do not fit.
    """
    _require_fit(score, distance, weights, mask, ties)
    with full_precision(score):
        distance = full(distance)
        if mask is not None:
            distance = distance.masked_fill(~mask, torch.inf)
            score = score.masked_fill(~mask, _NOWHERE)
        order, present = order_of(distance, mask)
        s = full(score).gather(1, order)
        rest = s.flip(1).logcumsumexp(1).flip(1)
        if ties > 0:
            rest = _strict(s, rest, distance.gather(1, order), ties)
        terms = rest - s if weights is None else (rest - s) * weights
        return terms.masked_fill(~present, 0.0).sum(dim=1)


def order_of(distance: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Candidates from near to far, equal ones in their own order, masked ones last; and which places are taken.

    Args:
        distance: ``(batch, N)``.
        mask: ``(batch, N)``, false for candidates that are not there.

    Returns:
        ``order`` ``(batch, N)``, int64: the candidate at each place; ``present`` ``(batch, N)``, boolean.
    """
    order = distance.argsort(dim=1, stable=True)
    if mask is None:
        return order, torch.ones_like(order, dtype=torch.bool)
    # A second stable sort, as a real distance may be infinite too.
    order = order.gather(1, (~mask).gather(1, order).byte().argsort(dim=1, stable=True))
    return order, mask.gather(1, order)


def _strict(s: Tensor, rest: Tensor, distance: Tensor, ties: float) -> Tensor:
    """Log-denominators of each candidate and those more than ``ties`` farther, all sorted by distance."""
    beyond = torch.searchsorted(distance.contiguous(), (distance + ties).contiguous(), right=True)
    # A candidate is never its own negative, also where the sum above did not move its distance (infinity).
    beyond = beyond.maximum(torch.arange(1, s.shape[1] + 1, device=s.device))
    return torch.logaddexp(s, functional.pad(rest, (0, 1), value=_NOWHERE).gather(1, beyond))


def _require_fit(score: Tensor, distance: Tensor, weights: Tensor | None, mask: Tensor | None, ties: float) -> None:
    others = {"distance": distance.shape, "mask": score.shape if mask is None else mask.shape}
    for name, shape in others.items():
        if score.ndim != 2 or shape != score.shape:
            raise BadOptionError(f"{name} {tuple(shape)} does not fit similarities {tuple(score.shape)}")
    if weights is not None and weights.shape not in (score.shape, score.shape[1:]):
        raise BadOptionError(f"weights {tuple(weights.shape)} do not fit similarities {tuple(score.shape)}")
    if not ties >= 0:
        raise BadOptionError(f"ties is {ties}, it must not be negative")
