"""Checkpoints as the public PRIMUS code leaves them, filled by formula, and windows to try them on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

SHAPES = {
    "backbone.0.weight": (6,),
    "backbone.0.bias": (6,),
    "backbone.1.net.0.weight": (32, 6, 10),
    "backbone.2.net.0.weight": (32, 32, 5),
    "backbone.3.net.0.weight": (32, 32, 5),
    "backbone.4.weight": (32,),
    "backbone.4.bias": (32,),
    "backbone.5.weight_ih_l0": (1536, 32),
    "backbone.5.weight_hh_l0": (1536, 512),
    "backbone.5.bias_ih_l0": (1536,),
    "backbone.5.bias_hh_l0": (1536,),
    "ssl_head.weight": (512, 512),
    "ssl_head.bias": (512,),
    "mmcl_head.weight": (512, 512),
    "mmcl_head.bias": (512,),
}
NORM_WEIGHTS = (0, 5)


def encoder_state() -> dict[str, Tensor]:
    """The encoder's fifteen tensors under the checkpoint's names."""
    return {f"imu_encoder.{key}": _filled(shape, j) for j, (key, shape) in enumerate(SHAPES.items())}


def _filled(shape: tuple[int, ...], j: int) -> Tensor:
    n = np.arange(int(np.prod(shape)), dtype=np.float64)
    values = 1 + 0.1 * np.sin(n + 1 + j) if j in NORM_WEIGHTS else 0.08 * np.sin(0.37 * n + 1 + j)
    return torch.tensor(values.reshape(shape), dtype=torch.float32)


def towers() -> dict[str, Tensor]:
    """What else is in such a file: a frozen tower registered twice, and temperatures."""
    tower = torch.randn(40, 50, generator=torch.Generator().manual_seed(0))
    scalars = {f"{kind}_loss.temperature": torch.tensor(0.1) for kind in ("mmcl", "ssl")}
    return {"text_encoder.clip.proj": tower, "video_encoder.clip.proj": tower, **scalars}


def checkpoint(path: Path, state: Mapping[str, Any], **more: Any) -> Path:
    """A file as the training framework leaves it."""
    optimiser = {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 2e-4, "params": [0]}]}
    torch.save(
        {"epoch": 14, "global_step": 100, "state_dict": dict(state), "optimizer_states": [optimiser]} | more, path
    )
    return path


def probe_windows(time: int = 250) -> np.ndarray:
    """Three windows of six channels, (3, 6, time)."""
    b, c, t = np.meshgrid(np.arange(3), np.arange(6), np.arange(time), indexing="ij")
    swing = np.sin(0.05 * (b + 1) * (c + 1) * t + 0.3 * c)
    return swing + 0.01 * b * c + 0.2 * np.cos(0.31 * t * (1 + 0.1 * c))
