"""The motif distance: how badly one window is rebuilt from another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from kinelet.distances.config import check_channels, override
from kinelet.errors import BadOptionError, SpecMismatchError
from kinelet.functional.precision import full_precision

if TYPE_CHECKING:
    from kinelet.distances.network import MotifNetwork


@torch.no_grad()
def motif_distance(
    net: MotifNetwork,
    anchors: Tensor,
    candidates: Tensor,
    pairs: Tensor | None = None,
    chunk: int | None = None,
    *,
    budget_mb: int = 256,
    precision: Literal["fp32", "bf16"] = "fp32",
    attention: Literal["softmax", "sparsemax"] | None = None,
    offset_free: bool | None = None,
    rotation_aligned: bool | None = None,
    **options: Any,
) -> Tensor:
    """Squared error of each anchor rebuilt from each candidate: directed, in the square of the windows' unit.

    The network's training mode does not matter, there is no dropout, and nothing of it changes.

    Args:
        net: The network.
        anchors: ``(A, channel, time)`` in the network's unit and rate.
        candidates: ``(M, channel, time)``.
        pairs: Row of the anchor and row of the candidate of each pair wanted, int64 ``(P, 2)``; ``None`` for all.
        chunk: Pairs evaluated at once; ``None`` for as many as fit into the budget. The result does not depend on it.
        budget_mb: Memory in MiB for what is held at once, beside windows and results.
        precision: ``bf16`` computes features and scores in bfloat16, all else as ``fp32``.
        attention: Another way of turning scores into weights than the one the network was trained with.
        offset_free: ``True`` is ``offset="remove"``, ``False`` ``offset="plain"``; ``None`` leaves it.
        rotation_aligned: ``True`` is ``align="gravity", scale="isotropic"``; ``None`` leaves both.
        options: Fields of :class:`~kinelet.distances.config.DistanceOptions` other than the network's own.

    Returns:
        ``(A, M)``, or ``(P,)`` with ``pairs``.

    Raises:
        SpecMismatchError: if windows are not of the network's channels, or of different lengths.
        BadOptionError: if options or pairs do not fit.

    Source: Xu et al. 2024 (RelCon), arXiv 2411.18822, section 3.1; the evaluation is exact.
    """
    # Imported here: the network itself uses functions of this package.
    from kinelet.distances.fast import Plan, pair_distances

    in_force = override(net.config.options, options, offset_free, rotation_aligned)
    check_channels(in_force, net.spec.units)
    _check(net, anchors, candidates)
    rows = _rows(anchors, candidates, pairs)
    plan = Plan(
        in_force,
        attention or net.config.attention,
        chunk or _chunk(net, anchors.shape[-1], budget_mb),
        max(1, (budget_mb << 20) // (8 * 2 * net.config.width * anchors.shape[-1])),
        precision == "bf16",
    )
    with full_precision(anchors):
        found = pair_distances(net, anchors, candidates, rows, plan)
        if in_force.symmetric:
            found = (found + pair_distances(net, candidates, anchors, rows.flip(1), plan)) / 2
    return found.reshape(len(anchors), len(candidates)) if pairs is None else found


def motif_rebuild(net: MotifNetwork, anchors: Tensor, candidates: Tensor) -> Tensor:
    """Rebuild each anchor from the candidate of the same row, in the network's present mode, with gradient.

    Args:
        net: The network.
        anchors: ``(batch, channel, time)``.
        candidates: ``(batch, channel, time)``.

    Returns:
        ``(batch, channel, time)``.
    """
    rebuilt: Tensor = net(anchors, candidates)
    return rebuilt


def _check(net: MotifNetwork, anchors: Tensor, candidates: Tensor) -> None:
    net.check_input(tuple(anchors.shape))
    net.check_input(tuple(candidates.shape))
    if anchors.shape[1:] != candidates.shape[1:]:
        raise SpecMismatchError(
            f"anchors have {anchors.shape[-1]} samples, candidates {candidates.shape[-1]}", where="motif_distance"
        )


def _rows(anchors: Tensor, candidates: Tensor, pairs: Tensor | None) -> Tensor:
    device = anchors.device
    if pairs is None:
        return torch.cartesian_prod(
            torch.arange(len(anchors), device=device), torch.arange(len(candidates), device=device)
        )
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.is_floating_point():
        raise BadOptionError(f"pairs are {tuple(pairs.shape)} {pairs.dtype}, not (P, 2) whole numbers")
    return pairs.to(device)


def _chunk(net: MotifNetwork, time: int, budget_mb: int) -> int:
    """Pairs that fit into the budget: scores and weights, and the features of a query stack as it goes along."""
    steps = -(-time // net.config.stride)
    bytes_a_pair = 4 * (3 * time * steps + 6 * net.config.width * time)
    return max(1, (budget_mb << 20) // bytes_a_pair)
