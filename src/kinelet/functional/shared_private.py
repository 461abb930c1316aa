"""The terms of shared and private parts of codes, from log ratios and estimates of information in nats.

Mask-aware as :mod:`kinelet.functional.information`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import torch
from torch import Tensor

from kinelet.errors import BadOptionError
from kinelet.functional.information import mean_valid, only
from kinelet.functional.precision import full, full_precision, unit

Sign = Literal["corrected", "printed"]
Distance = Literal["l2", "cosine"]


def shared_three_variable(
    log_r_xxu: Tensor,
    log_r_own: Tensor,
    log_r_other: Tensor,
    beta: float,
    sign: Sign = "corrected",
    *,
    valid: Tensor | None = None,
) -> Tensor:
    """One modality's share of the shared term, from three log ratios; the distance between shared parts not included.

    Corrected: ``mean[log r(X1, X2, U) - (1 - beta) log r(X, U) - log r(X', U)]`` with X the modality U is computed
    from and X' the other: ``I(X1; X2 | U) + beta H(U)``. As printed, both minus signs are plus signs.

    Args:
        log_r_xxu: Log of ``p(x1, x2, u) / (p(x1) p(x2) p(u))`` on true pairs, ``(batch,)``.
        log_r_own: Log ratio of U and its own modality.
        log_r_other: Log ratio of U and the other modality.
        beta: Weight of the entropy of U.
        sign: ``corrected``, or ``printed`` as in the paper's equations 5, 18, 19 and 21.
        valid: Rows with both modalities.

    Returns:
        Scalar.

    Raises:
        BadOptionError: if there is no such sign.

    Source: InfoMAE, arXiv 2504.09707, equations 4 and 5, the signs following from its own line 16.
    """
    s = _sign(sign)
    with full_precision(log_r_xxu):
        three, own, other = (mean_valid(full(t), valid) for t in (log_r_xxu, log_r_own, log_r_other))
        return three - s * ((1 - beta) * own + other)


def shared_reduced(own: Tensor, cross: Tensor | Sequence[Tensor], beta: float, sign: Sign = "corrected") -> Tensor:
    """One modality's share of the shared term where U depends on that modality alone, up to a constant.

    Corrected: ``beta I(X; U) - mean over the others of I(X'; U)``: U is to tell of the other modalities, and to forget
    what else it knows of its own. As printed: ``(2 - beta) I(X; U) + mean of I(X'; U)``, which pushes it away from
    all of them.

    Args:
        own: Estimate of the information between U and its own modality, scalar.
        cross: Estimates with each other modality.
        beta: Weight of the entropy of U.
        sign: ``corrected`` or ``printed``.

    Returns:
        Scalar.

    Raises:
        BadOptionError: if there is no such sign, or no other modality.

    Source: follows from :func:`shared_three_variable`, as ``E[log r(X1, X2, U)] = I(X1; X2) + I(X; U)`` there.
    """
    others = [cross] if isinstance(cross, Tensor) else list(cross)
    if not others:
        raise BadOptionError("no other modality to share with")
    with full_precision(own):
        mean = torch.stack([full(c) for c in others]).mean()
        return beta * full(own) - mean if _sign(sign) > 0 else (2 - beta) * full(own) + mean


def private_information(
    log_r_own: Tensor, log_r_shared: Tensor, gamma: float, epsilon: float, *, valid: Tensor | None = None
) -> Tensor:
    """One modality's private term: ``gamma I(X; V) + epsilon I(V; U)``, the first standing for the entropy of V.

    Args:
        log_r_own: Log ratios of X and V on true pairs, ``(batch,)``.
        log_r_shared: Log ratios of V and U.
        gamma: Weight of the first.
        epsilon: Weight of the second.
        valid: Rows in which the modality is present.

    Returns:
        Scalar.

    Source: InfoMAE, arXiv 2504.09707, equations 7 and 22.
    """
    with full_precision(log_r_own):
        return gamma * mean_valid(full(log_r_own), valid) + epsilon * mean_valid(full(log_r_shared), valid)


def shared_distance(u: Sequence[Tensor], present: Tensor | None = None, kind: Distance = "l2") -> Tensor:
    """How far the shared parts of the modalities are apart: mean over pairs of modalities of their mean over rows.

    Args:
        u: Shared part of each modality, ``(batch, dim)`` each.
        present: Which modalities each row has, boolean ``(batch, modality)``; a pair of modalities is compared in the
            rows that have both, and counts as 0 where none has.
        kind: ``l2``: mean over ``dim`` of the squared difference; ``cosine``: 1 minus the cosine.

    Returns:
        Scalar.

    Raises:
        BadOptionError: if there are fewer than two modalities or no such kind.

    Source: InfoMAE, arXiv 2504.09707, equation 4, which leaves the distance open.
    """
    if len(u) < 2:
        raise BadOptionError(f"{len(u)} modality has no other to be compared with")
    if kind not in ("l2", "cosine"):
        raise BadOptionError(f"no distance {kind!r}", remedy="Use l2 or cosine")
    with full_precision(u[0]):
        apart = []
        for i, j in combinations(range(len(u)), 2):
            both = None if present is None else present[:, i] & present[:, j]
            p, q = only(u[i], both), only(u[j], both)
            rows = (p - q).square().mean(dim=1) if kind == "l2" else 1 - (unit(p) * unit(q)).sum(dim=1)
            apart.append(mean_valid(rows, both))
        return torch.stack(apart).mean()


def _sign(sign: Sign) -> float:
    if sign not in ("corrected", "printed"):
        raise BadOptionError(f"no sign {sign!r} of the shared term", remedy="Use corrected or printed")
    return 1.0 if sign == "corrected" else -1.0
