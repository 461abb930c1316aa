"""The motif distance: how badly one window is rebuilt from another."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from kinelet.distances.config import check_channels, override
from kinelet.errors import BadOptionError, SpecMismatchError
from kinelet.functional.precision import exact_convolutions, full, full_precision

if TYPE_CHECKING:
    from kinelet.distances.network import MotifNetwork
    from kinelet.distances.plan import Plan

MOST_PAIRS = 1 << 22
"""Pairs that are numbered at once where all with all are wanted."""


@torch.no_grad()
def motif_distance(
    net: MotifNetwork,
    anchors: Tensor,
    candidates: Tensor,
    pairs: Tensor | None = None,
    chunk: int | None = None,
    *,
    budget_mb: float = 256,
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
        chunk: Pairs evaluated at once; ``None`` for as many as fit into the budget, on a CPU into its cache. The result
            does not depend on it.
        budget_mb: Memory in MiB for what is held at once, beside windows and results.
        precision: ``bf16`` computes features and scores in bfloat16, all else as ``fp32``.
        attention: Another way of turning scores into weights than the one the network was trained with.
        offset_free: ``True`` is ``offset="remove"``, ``False`` ``offset="plain"``; ``None`` leaves it.
        rotation_aligned: ``True`` is ``align="gravity", scale="isotropic"``; ``None`` leaves both.
        options: Fields of :class:`~kinelet.distances.config.DistanceOptions` other than the network's own.

    Returns:
        ``(A, M)``, or ``(P,)`` with ``pairs``; float32 (float64 for windows in float64) on the anchors' device.

    Raises:
        SpecMismatchError: if windows are not of the network's channels, or of different lengths.
        BadOptionError: if options or pairs do not fit.

    Source: Xu et al. 2024 (RelCon), arXiv 2411.18822, section 3.1; the evaluation is exact.
    """
    # Imported here: the network itself uses functions of this package.
    from kinelet.distances.plan import make_plan

    in_force = override(net.config.options, options, offset_free, rotation_aligned)
    check_channels(in_force, net.spec.units)
    _check(net, anchors, candidates)
    anchors, candidates = full(anchors), full(candidates).to(anchors.device)
    net = _placed(net, anchors)
    plan = make_plan(net, anchors, in_force, attention or net.config.attention, chunk, budget_mb, precision)
    with full_precision(anchors), exact_convolutions(anchors):
        if pairs is None:
            return _all_pairs(net, anchors, candidates, plan)
        return _both_ways(net, anchors, candidates, _checked(pairs, anchors, candidates), plan)


def motif_rebuild(net: MotifNetwork, anchors: Tensor, candidates: Tensor) -> Tensor:
    """Rebuild each anchor from the candidate of the same row, in the network's present mode, with gradient.

    Args:
        net: The network.
        anchors: ``(batch, channel, time)``.
        candidates: ``(batch, channel, time)``.

    Returns:
        ``(batch, channel, time)`` in the frame and units of the anchors.

    Raises:
        SpecMismatchError: if windows are not of the network's channels, or shapes differ.
    """
    _check(net, anchors, candidates)
    if len(anchors) != len(candidates):
        raise SpecMismatchError(f"{len(anchors)} anchors but {len(candidates)} candidates", where="motif_rebuild")
    rebuilt: Tensor = net(anchors, candidates)
    return rebuilt


def _check(net: MotifNetwork, anchors: Tensor, candidates: Tensor) -> None:
    net.check_input(tuple(anchors.shape))
    net.check_input(tuple(candidates.shape))
    if anchors.shape[1:] != candidates.shape[1:]:
        raise SpecMismatchError(
            f"anchors have {anchors.shape[-1]} samples, candidates {candidates.shape[-1]}", where="motif distance"
        )


def _checked(pairs: Tensor, anchors: Tensor, candidates: Tensor) -> Tensor:
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.is_floating_point():
        raise BadOptionError(f"pairs are {tuple(pairs.shape)} {pairs.dtype}, not (P, 2) whole numbers")
    if len(pairs):
        low, high = int(pairs.min()), pairs.amax(dim=0).tolist()
        if low < 0 or high[0] >= len(anchors) or high[1] >= len(candidates):
            raise BadOptionError(
                f"pairs name rows {low} to {high}, but there are {len(anchors)} anchors, {len(candidates)} candidates",
                where="motif_distance",
            )
    return pairs.to(anchors.device, torch.int64)


def _all_pairs(net: MotifNetwork, anchors: Tensor, candidates: Tensor, plan: Plan) -> Tensor:
    """Distances ``(A, M)``, some anchors at a time so that the index of pairs stays small."""
    columns = torch.arange(len(candidates), device=anchors.device)
    out = anchors.new_empty(len(anchors), len(candidates))
    size = max(1, MOST_PAIRS // max(1, len(candidates)))
    for first in range(0, len(anchors), size):
        rows = torch.arange(first, min(first + size, len(anchors)), device=anchors.device)
        found = _both_ways(net, anchors, candidates, torch.cartesian_prod(rows, columns), plan)
        out[rows] = found.reshape(len(rows), len(candidates))
    return out


def _both_ways(net: MotifNetwork, anchors: Tensor, candidates: Tensor, rows: Tensor, plan: Plan) -> Tensor:
    # Imported here: the network itself uses functions of this package.
    from kinelet.distances.fast import pair_distances

    there = pair_distances(net, anchors, candidates, rows, plan)
    if not plan.options.symmetric:
        return there
    return (there + pair_distances(net, candidates, anchors, rows.flip(1), plan)) / 2


def _placed(net: MotifNetwork, like: Tensor) -> MotifNetwork:
    """The network on the device and in the type of ``like``: itself, or a copy, which costs less than one pair."""
    weight = net.out.weight
    same = weight.device == like.device and weight.dtype == like.dtype
    return net if same else copy.deepcopy(net).to(like)
