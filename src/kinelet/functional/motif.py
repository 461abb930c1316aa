"""The motif distance: how badly one window is rebuilt from another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from kinelet.distances.align import anchor_energy, error, outside_terms, prepare
from kinelet.distances.config import DistanceOptions, check_channels, override
from kinelet.functional.attention import attention_weights

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
    attention: str | None = None,
    offset_free: bool | None = None,
    rotation_aligned: bool | None = None,
    **changes: Any,
) -> Tensor:
    """Distances from anchors to candidates."""
    options = override(net.config.options, changes, offset_free, rotation_aligned)
    check_channels(options, net.spec.units)
    net.check_input(tuple(anchors.shape))
    net.check_input(tuple(candidates.shape))
    if pairs is None:
        rows = torch.cartesian_prod(torch.arange(len(anchors)), torch.arange(len(candidates))).to(anchors.device)
    else:
        rows = pairs
    size = chunk or max(1, (budget_mb << 20) // (16 * anchors.shape[-1] ** 2))
    parts = [
        _rows(net, anchors[part[:, 0]], candidates[part[:, 1]], options, attention or net.config.attention)
        for part in (rows[i : i + size] for i in range(0, len(rows), size))
    ]
    out = torch.cat(parts) if parts else anchors.new_empty(0)
    return out.reshape(len(anchors), len(candidates)) if pairs is None else out


def _rows(net: MotifNetwork, a: Tensor, c: Tensor, options: DistanceOptions, attention: str) -> Tensor:
    one = _one_way(net, a, c, options, attention)
    return (one + _one_way(net, c, a, options, attention)) / 2 if options.symmetric else one


def _one_way(net: MotifNetwork, a: Tensor, c: Tensor, options: DistanceOptions, attention: str) -> Tensor:
    anchor, candidate = prepare(a, options), prepare(c, options)
    mean, sd = net.statistics(candidate.x)
    normal = net.norm(candidate.x, mean, sd)
    scores = net.query(net.norm(anchor.x, mean, sd)).mT @ net.key(normal) * net.config.width**-0.5
    mixed = net.out(attention_weights(scores, attention) @ net.value(normal).mT).mT
    found = error(net.norm.undo(mixed, mean, sd), anchor.x, options)
    if options.relative:
        found = found / anchor_energy(anchor.x)
    return found + outside_terms(anchor, candidate, options)


def motif_rebuild(net: MotifNetwork, anchors: Tensor, candidates: Tensor) -> Tensor:
    """Rebuild each anchor from the candidate of the same row, ``(batch, channel, time)``."""
    return net(anchors, candidates)  # type: ignore[no-any-return]
