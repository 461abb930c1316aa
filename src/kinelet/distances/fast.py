"""Motif distances of many pairs: what depends on one window is computed once per window, exactly.

A pair costs a query stack and one matrix of scores. Keys and values are a candidate's alone; the output map is applied
to the values before they are mixed, since weights sum to one; the first query convolution is linear in the anchor, so
that for each pair it is a weighted sum of what was convolved once. Where every candidate is normalised alike, queries
are an anchor's alone too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from kinelet.distances.align import Prepared, anchor_energy, error, outside_terms, prepare
from kinelet.distances.network import VARIANCE_FLOOR, statistics
from kinelet.distances.plan import Plan
from kinelet.functional.attention import attention_weights

if TYPE_CHECKING:
    from kinelet.distances.network import MotifNetwork

ONE = (1 + VARIANCE_FLOOR) ** 0.5
ALIKE = 2e-6
"""Candidates whose statistics differ by no more than this, some rounding, from 0 and 1 count as normalised alike."""


@dataclass(frozen=True)
class Keys:
    """What a candidate gives to every pair it is in.

    Attributes:
        mean, sd: What both windows of a pair are normalised with ``(batch, channel)``.
        key: Keys over the square root of their width ``(batch, width, step)``.
        mixed: Values after the output map and in the units of the windows ``(batch, channel, step)``.
    """

    mean: Tensor
    sd: Tensor
    key: Tensor
    mixed: Tensor


def pair_distances(net: MotifNetwork, anchors: Tensor, candidates: Tensor, rows: Tensor, plan: Plan) -> Tensor:
    """Distances of pairs.

    Args:
        net: The network.
        anchors: ``(A, channel, time)``.
        candidates: ``(M, channel, time)``.
        rows: Row of the anchor and row of the candidate of each pair, int64 ``(P, 2)``.
        plan: How.

    Returns:
        ``(P,)``.
    """
    anchor, candidate = prepare(anchors, plan.options), prepare(candidates, plan.options)
    out = anchors.new_empty(len(rows))
    for block in _blocks(rows[:, 1], plan.windows):
        held, where = rows[block, 1].unique(return_inverse=True)  # type: ignore[no-untyped-call]
        keys = _keys(net, candidate.x[held], plan)
        alike = _alike(keys)[where]
        for part, shared in ((block[alike], True), (block[~alike], False)):
            local = where[alike] if shared else where[~alike]
            out[part] = _of_block(net, anchor, keys, rows[part, 0], local, plan, shared)
    out = out + outside_terms(anchor, candidate, rows, plan.options)
    return out / anchor_energy(anchor.x)[rows[:, 0]] if plan.options.relative else out


def _blocks(candidate: Tensor, windows: int) -> Iterator[Tensor]:
    """Numbers of pairs, block after block, each with no more than so many different candidates."""
    order = candidate.argsort(stable=True)
    rank = (candidate[order].diff() != 0).cumsum(0)
    block = functional.pad(rank, (1, 0))[: len(order)] // windows
    yield from order.split(block.unique(return_counts=True)[1].tolist())  # type: ignore[no-untyped-call]


def _keys(net: MotifNetwork, x: Tensor, plan: Plan) -> Keys:
    """Like :func:`_some_keys`, as many at a time as pairs: a stack passes through more than it keeps."""
    parts = [_some_keys(net, x[i : i + plan.chunk], plan) for i in range(0, len(x), plan.chunk)]
    return Keys(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Keys)))


def _some_keys(net: MotifNetwork, x: Tensor, plan: Plan) -> Keys:
    mean, sd = statistics(x, plan.options.scale)
    normal = net.norm(x, mean, sd)
    with plan.matmuls(x):
        key = net.key(normal)
        value = net.value(normal)
    mixed = net.norm.undo(net.out(value.to(x.dtype).mT).mT, mean, sd)
    return Keys(mean[:, :, 0], sd[:, :, 0], key * net.config.width**-0.5, mixed)


def _alike(keys: Keys) -> Tensor:
    """Which candidates have mean 0 and spread 1 on every axis, as after centring and scaling each by its own."""
    alike: Tensor = (keys.mean.abs() < ALIKE) & ((keys.sd - ONE).abs() < ALIKE)
    return alike.all(dim=1)


def _of_block(
    net: MotifNetwork, anchor: Prepared, keys: Keys, who: Tensor, what: Tensor, plan: Plan, shared: bool
) -> Tensor:
    """Distances of pairs of anchors ``who`` and candidates ``what``, which are rows of ``keys``."""
    out = anchor.x.new_empty(len(who))
    order = who.argsort(stable=True)
    for first in range(0, len(order), plan.chunk):
        part = order[first : first + plan.chunk]
        mine, theirs = who[part], what[part]
        held, counts = mine.unique_consecutive(return_counts=True)  # type: ignore[no-untyped-call]
        x = anchor.x[held]
        query = _own_queries(net, x, plan) if shared else _pair_queries(net, x, counts, keys, theirs, plan)
        out[part] = _errors(query, x, counts, keys, theirs, plan)
    return out


def _own_queries(net: MotifNetwork, x: Tensor, plan: Plan) -> Tensor:
    """Queries ``(anchor, width, time)`` of anchors that are normalised as every window with spread 1 is."""
    with plan.matmuls(x):
        query: Tensor = net.query(x / ONE * net.norm.scale[:, None] + net.norm.shift[:, None])
    return query


def _pair_queries(net: MotifNetwork, x: Tensor, counts: Tensor, keys: Keys, theirs: Tensor, plan: Plan) -> Tensor:
    """Queries ``(pair, width, time)``: the first convolution put together from each anchor's own, the rest as it is."""
    stem, (channels, time) = net.query.stem, x.shape[1:]
    weight, bias = stem.conv.weight, stem.conv.bias
    assert bias is not None
    # Centred by the anchor's own mean: with the candidate's a small spread would magnify what cancels.
    own = x.mean(dim=-1)
    alone = weight.transpose(0, 1).reshape(-1, 1, weight.shape[-1])
    both = torch.cat([x - own[:, :, None], torch.ones_like(x[:1])])
    sums = functional.conv1d(both, alone, padding=weight.shape[-1] // 2, groups=channels)
    *parts, ones = stem.enlarge(sums).reshape(len(both), channels, -1)
    gain = net.norm.scale / keys.sd[theirs]
    shift = net.norm.shift + (own.repeat_interleave(counts, dim=0) - keys.mean[theirs]) * gain
    summed = torch.cat([g @ p for g, p in zip(gain.split(counts.tolist()), parts, strict=True)])  # type: ignore[no-untyped-call]
    first = summed.addmm_(shift, ones).reshape(len(theirs), -1, time) + bias[:, None]
    with plan.matmuls(x):
        query: Tensor = net.query.after_stem(first)
    return query


def _errors(query: Tensor, x: Tensor, counts: Tensor, keys: Keys, theirs: Tensor, plan: Plan) -> Tensor:
    """Squared errors ``(pair,)``; ``query`` is of pairs, or of anchors where it does not depend on the candidate."""
    if len(query) != len(theirs):
        query = query.repeat_interleave(counts, dim=0)
    with plan.matmuls(x):
        scores = query.mT @ keys.key[theirs]
    weights = attention_weights(scores.to(x.dtype), plan.attention)
    rebuilt = keys.mixed[theirs] @ weights.mT
    return error(rebuilt, x.repeat_interleave(counts, dim=0), plan.options)
