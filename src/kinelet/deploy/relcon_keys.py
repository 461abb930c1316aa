"""How the public RelCon code names the tensors of its two networks, and what their shapes tell of each.

Source: names and shapes as published with Xu et al. 2024, arXiv 2411.18822.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from torch import Tensor

State = Mapping[str, Tensor]

ENCODER_PREFIX = ("first_block_", "basicblock_list.")
MOTIF_PREFIX = ("q_func.", "k_func.", "v_func.", "revin.", "out_proj.")

_HEADS = {"stem.conv": "first_block_conv", "stem.norm": "first_block_bn"}
_PARTS = {"norm1": "bn1", "conv1": "conv1", "norm2": "bn2", "conv2": "conv2", "skip": "projection_conv"}
_RESCALE = {"norm.scale": "revin.affine_weight", "norm.shift": "revin.affine_bias"}
_STACKS = {"query": "q_func", "key": "k_func", "value": "v_func"}
_LAYERS = {"stem.conv": "layer0.dilated_conv", "reduce": "bottle", "conv": "dilated_conv"}


def encoder_key(ours: str) -> str:
    """The checkpoint's name of one of the encoder's tensors.

    >>> encoder_key("blocks.3.skip.weight")
    'basicblock_list.3.projection_conv.weight'
    """
    head, _, rest = ours.rpartition(".")
    if head in _HEADS:
        return f"{_HEADS[head]}.{rest}"
    _, block, part, rest = ours.split(".")
    return f"basicblock_list.{block}.{_PARTS[part]}.{rest}"


def motif_key(ours: str) -> str:
    """The checkpoint's name of one of the motif network's tensors.

    >>> motif_key("query.blocks.1.reduce.bias")
    'q_func.layers.1.bottle.bias'
    """
    if ours in _RESCALE:
        return _RESCALE[ours]
    stack, _, rest = ours.partition(".")
    if stack == "out":
        return f"out_proj.{rest}"
    layer, _, kind = rest.rpartition(".")
    if layer in _LAYERS:
        return f"{_STACKS[stack]}.{_LAYERS[layer]}.{kind}"
    _, block, part = layer.split(".")
    return f"{_STACKS[stack]}.layers.{block}.{_LAYERS[part]}.{kind}"


def encoder_config(state: State) -> dict[str, Any] | None:
    """Widths, kernels and numbers of blocks that the shapes tell of; ``None`` where they do not."""
    stem, count = _conv(state, "first_block_conv.weight"), _count(state, "basicblock_list")
    convs = [_conv(state, f"basicblock_list.{b}.conv1.weight") for b in range(count)]
    forms = [(c[0], c[2]) for c in convs if c is not None]
    if stem is None or not forms or len(forms) < count:
        return None
    stages = [(len(list(same)), *form) for form, same in groupby(forms)]
    return {"stem_width": stem[0], "stages": stages}


def motif_config(state: State) -> dict[str, Any] | None:
    """Width, kernel, bottleneck and number of blocks that the shapes tell of; ``None`` where they do not."""
    stem, count = _conv(state, "q_func.layer0.dilated_conv.weight"), _count(state, "q_func.layers")
    narrow = _conv(state, "q_func.layers.0.bottle.weight")
    if stem is None or (count and narrow is None):
        return None
    return {"width": stem[0], "kernel": stem[2], "blocks": count, "bottleneck": narrow[0] if narrow else None}


def _conv(state: State, key: str) -> tuple[int, int, int] | None:
    shape = tuple(state[key].shape) if key in state else ()
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 else None


def _count(state: State, prefix: str) -> int:
    return len({m[1] for k in state if (m := re.match(rf"{re.escape(prefix)}\.(\d{{1,3}})\.", k))})
