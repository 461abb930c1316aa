"""Checkpoints in the layout of the public RelCon code, filled with numbers from a formula."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]


def stack(width: int = 64, kernel: int = 15, blocks: int = 2, channels: int = 3, narrow: int = 8) -> Shapes:
    """The tensors of one of the motif network's stacks, in the file's order."""
    out: Shapes = {"layer0.dilated_conv.weight": (width, channels, kernel), "layer0.dilated_conv.bias": (width,)}
    for b in range(blocks):
        out |= {f"layers.{b}.bottle.weight": (narrow, width, 1), f"layers.{b}.bottle.bias": (narrow,)}
        out |= {f"layers.{b}.dilated_conv.weight": (width, narrow, kernel), f"layers.{b}.dilated_conv.bias": (width,)}
    return out


def motif_shapes(width: int = 64, kernel: int = 15, blocks: int = 2, channels: int = 3, narrow: int = 8) -> Shapes:
    """All tensors of a motif network, in the file's order."""
    out: Shapes = {"revin.affine_weight": (channels,), "revin.affine_bias": (channels,)}
    for name in "qkv":
        out |= {f"{name}_func.{k}": v for k, v in stack(width, kernel, blocks, channels, narrow).items()}
    return out | {"out_proj.weight": (channels, width), "out_proj.bias": (channels,)}


def norm_shapes(name: str, width: int) -> Shapes:
    kinds = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{k}": (width,) for k in kinds} | {f"{name}.num_batches_tracked": ()}


def encoder_shapes(
    stages: tuple[tuple[int, int, int], ...] = ((3, 64, 3), (4, 128, 4), (6, 256, 4)), stem: int = 64, channels: int = 3
) -> Shapes:
    """All tensors of an encoder, in the file's order; stages are (blocks, width, kernel)."""
    out: Shapes = {"first_block_conv.weight": (stem, channels, 7), "first_block_conv.bias": (stem,)}
    out |= norm_shapes("first_block_bn", stem)
    before, forms = stem, [(w, k) for count, w, k in stages for _ in range(count)]
    for b, (width, kernel) in enumerate(forms):
        part = norm_shapes("bn1", before)
        part |= {"conv1.weight": (width, before, kernel), "conv1.bias": (width,)}
        part |= norm_shapes("bn2", width)
        part |= {"conv2.weight": (width, width, kernel), "conv2.bias": (width,)}
        if width != before:
            part |= {"projection_conv.weight": (width, before, 1), "projection_conv.bias": (width,)}
        out |= {f"basicblock_list.{b}.{k}": v for k, v in part.items()}
        before = width
    return out


def filled(shapes: Shapes) -> dict[str, Tensor]:
    """Numbers that look random and follow from the place in the file alone."""
    return {key: _value(key, shape, j) for j, (key, shape) in enumerate(shapes.items())}


def _value(key: str, shape: tuple[int, ...], j: int) -> Tensor:
    if key.endswith("num_batches_tracked"):
        return torch.tensor(7)
    n = np.arange(int(np.prod(shape)), dtype=np.int64)
    u = (2 * ((7919 * (n + 1) * (n + 1 + j)) % 10007) / 10006 - 1).reshape(shape)
    if len(shape) > 1:
        values = u * np.sqrt(3 / np.prod(shape[1:]))
    elif key.endswith("running_var"):
        values = 1 + 0.2 * u
    elif key == "revin.affine_weight" or ("bn" in key and key.endswith("weight")):
        values = 1 + 0.1 * u
    else:
        values = 0.1 * u
    return torch.tensor(values, dtype=torch.float32)


def probe_windows(time: int = 256) -> np.ndarray:
    """Four windows of three axes, (4, 3, time)."""
    b, c, t = np.meshgrid(np.arange(4), np.arange(3), np.arange(time), indexing="ij")
    swing = np.sin(0.05 * (b + 1) * (c + 1) * t + 0.3 * c)
    return swing + 0.2 * np.cos(0.31 * t * (1 + 0.1 * c)) + 0.1 * b * (c - 1)


def checkpoint(path: Path, net: Mapping[str, Any], **more: Any) -> Path:
    """A file as the public code leaves it, with an optimiser's state beside the weights."""
    decoy = {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 1e-6, "params": [0]}]}
    torch.save({"net": dict(net), "optimizer": decoy, "test_loss": 281.5, "epoch": 12} | more, path)
    return path
