"""Losses on sequences of consecutive windows, mask-aware as those of :mod:`kinelet.functional.information`."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from kinelet.errors import BadOptionError
from kinelet.functional.information import mean_valid, only
from kinelet.functional.precision import full_precision, positive, unit

_NOWHERE = -1e30


def temporal_hinge(h: Tensor, sequence: Tensor, margin: float = 1.0, *, valid: Tensor | None = None) -> Tensor:
    """Windows of one sequence are to be closer to each other than to another sequence's, by a margin.

    ``C_ss' = mean over a in s, b in s' of |h_a - h_b|`` (with a = b, where s = s'); the loss is the mean over ordered
    pairs of different sequences of ``max(C_ss - C_ss' + margin, 0)``, and exactly 0 for a single sequence.

    Args:
        h: Codes ``(batch, dim)``, not normalised.
        sequence: Number of the sequence of each row, int64 ``(batch,)``; sequences may differ in length.
        margin: In units of the codes.
        valid: Rows that count, boolean ``(batch,)``.

    Returns:
        Scalar.

    Raises:
        BadOptionError: if shapes do not fit.

    Source: InfoMAE, arXiv 2504.09707, equation 10, the sum over pairs being a mean.
    """
    _rows(h, sequence=sequence, valid=valid)
    with full_precision(h):
        if valid is not None:
            h, sequence = h[valid], sequence[valid]
        h = only(h, None)
        names, code = torch.unique(sequence, return_inverse=True)
        if len(names) < 2:
            return h.sum() * 0
        member = torch.nn.functional.one_hot(code, len(names)).to(h.dtype)
        share = member / member.sum(dim=0)
        # Distances from differences: those from products of codes lose near ones to rounding.
        apart = share.T @ torch.cdist(h, h, compute_mode="donot_use_mm_for_euclid_dist") @ share
        hinge = (apart.diagonal()[:, None] - apart + margin).relu()
        own = torch.eye(len(names), dtype=torch.bool, device=h.device)
        return hinge.masked_fill(own, 0).sum() / (len(names) * (len(names) - 1))


def instance_contrast(
    h: Tensor,
    h2: Tensor,
    sequence: Tensor | None,
    temperature: float | Tensor,
    *,
    valid: Tensor | None = None,
    negatives: Literal["other", "all"] = "other",
) -> Tensor:
    """Each window is to find its other view among both views of the windows beside it, by cosine similarity.

    Mean over both orders of the views and over windows a of
    ``-log(exp(h_a.h2_a / t) / (sum over k != a of exp(h_a.h_k / t) + sum over k of exp(h_a.h2_k / t)))``, where k runs
    over a itself and windows of other sequences: neighbours in time are no negatives. Codes that are all alike give
    ``ln(2 batch - 1)`` with all negatives; a single sequence gives exactly 0.

    Args:
        h: First view ``(batch, dim)``; length does not matter.
        h2: Second view.
        sequence: Number of the sequence of each row, int64 ``(batch,)``; not looked at with all negatives.
        temperature: Divides the similarities; positive.
        valid: Rows that count, boolean ``(batch,)``.
        negatives: ``other`` sequences' windows, or ``all`` windows.

    Returns:
        Scalar.

    Raises:
        BadOptionError: if the temperature is not positive, shapes do not fit, or there is no such choice.

    Source: InfoMAE, arXiv 2504.09707, equation 9, with the minus sign and the partners that the print lacks.
    """
    if h.shape != h2.shape:
        raise BadOptionError(f"views are {tuple(h.shape)} and {tuple(h2.shape)}, not alike")
    _rows(h, sequence=sequence, valid=valid)
    scale = 1.0 / positive(temperature)
    with full_precision(h):
        kept = _beside(h, sequence, valid, negatives)
        p, q = unit(only(h, valid)), unit(only(h2, valid))
        orders = (_finds(a, b, kept, scale) for a, b in ((p, q), (q, p)))
        return torch.stack([mean_valid(rows, valid) for rows in orders]).mean()


def orthogonality(u: Tensor, v: Tensor, *, valid: Tensor | None = None) -> Tensor:
    """Mean squared cosine of two parts of a code: 1 where they are parallel or opposed, 0 where they are orthogonal.

    Args:
        u: ``(batch, dim)``.
        v: ``(batch, dim)``.
        valid: Rows that count, boolean ``(batch,)``.

    Returns:
        Scalar.

    Raises:
        BadOptionError: if shapes do not fit.

    Source: FOCAL, arXiv 2310.20071, section 3, with the cosine squared, so that opposed parts count too.
    """
    if u.shape != v.shape:
        raise BadOptionError(f"parts are {tuple(u.shape)} and {tuple(v.shape)}, not alike")
    _rows(u, valid=valid)
    with full_precision(u):
        return mean_valid((unit(only(u, valid)) * unit(only(v, valid))).sum(dim=1).square(), valid)


def _finds(p: Tensor, q: Tensor, kept: Tensor, scale: float | Tensor) -> Tensor:
    """Loss of each row ``(batch,)``: ``p`` looks for its row of ``q`` among ``q`` and the other rows of ``p``."""
    own = torch.eye(len(p), dtype=torch.bool, device=p.device)
    across = p @ q.T * scale
    within = (p @ p.T * scale).masked_fill(~kept | own, _NOWHERE)
    everything = torch.cat([across.masked_fill(~kept, _NOWHERE), within], dim=1)
    return everything.logsumexp(dim=1) - across.diagonal()


def _beside(h: Tensor, sequence: Tensor | None, valid: Tensor | None, negatives: str) -> Tensor:
    """Which rows stand beside which, themselves included, ``(batch, batch)``."""
    own = torch.eye(len(h), dtype=torch.bool, device=h.device)
    if negatives == "all":
        kept = torch.ones_like(own)
    elif negatives == "other" and sequence is not None:
        kept = sequence[:, None] != sequence[None, :]
    else:
        raise BadOptionError(f"no negatives {negatives!r}", remedy="Use other, with sequence, or all")
    return own | (kept if valid is None else kept & valid[:, None] & valid[None, :])


def _rows(h: Tensor, **beside: Tensor | None) -> None:
    for name, given in beside.items():
        if given is not None and given.shape != h.shape[:1]:
            raise BadOptionError(f"{name} is {tuple(given.shape)}, not ({len(h)},)")
