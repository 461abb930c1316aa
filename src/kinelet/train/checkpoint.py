"""Checkpoints: one safetensors file, its JSON state in the header, replaced atomically.

Order of batches, augmentation and dropout are pure functions of ``(seed, step, shard)``, so the step number stands
for every generator's state, and weights, buffers (queues among them), optimiser moments and the moving average are
all that has to be kept for an exact resume.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from kinelet.errors import BadFileError
from kinelet.files import atomic_write
from kinelet.train.best import BestWeights
from kinelet.train.optim import WeightAverage

NAME = "state.safetensors"


def save_checkpoint(
    folder: Path,
    *,
    step: int,
    state: dict[str, Any],
    method: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage | None,
    best: BestWeights | None = None,
) -> None:
    """Write ``checkpoint/state.safetensors``: everything after ``step`` finished steps."""
    tensors = {f"method/{k}": v for k, v in method.state_dict().items()}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{k}": v for k, v in values.items() if isinstance(v, Tensor)}
    if average is not None:
        tensors |= {f"average/{k}": v for k, v in average.values.items()}
    if best is not None:
        tensors |= {f"best/{k}": v for k, v in best.values.items()}
        state = state | {"best_score": best.score if math.isfinite(best.score) else None}
    # Cloned, because safetensors refuses tensors that share memory.
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    with atomic_write(folder / "checkpoint" / NAME) as temporary:
        save_file(tensors, temporary, metadata={"state": json.dumps(state | {"step": step})})


def read_state(folder: Path) -> dict[str, Any] | None:
    """JSON state of a run's checkpoint, or ``None`` where there is none.

    Raises:
        BadFileError: if the file is not a checkpoint.
    """
    path = folder / "checkpoint" / NAME
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as handle:
            state: dict[str, Any] = json.loads((handle.metadata() or {})["state"])
            return state
    except (SafetensorError, KeyError, ValueError) as error:
        raise BadFileError(
            f"not a checkpoint ({error})", where=str(path), remedy="Remove it to start the run from the beginning"
        ) from None


def load_checkpoint(
    folder: Path,
    *,
    method: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage | None,
    best: BestWeights | None = None,
) -> int:
    """Restore a run in place and return the number of finished steps."""
    state = read_state(folder)
    if state is None:
        return 0
    groups: dict[str, dict[str, Tensor]] = {"method": {}, "optimizer": {}, "average": {}, "best": {}}
    with safe_open(folder / "checkpoint" / NAME, framework="pt") as handle:
        for key in handle.keys():  # noqa: SIM118 - a safetensors handle is not a mapping
            group, _, name = key.partition("/")
            groups[group][name] = handle.get_tensor(key)
    method.load_state_dict(groups["method"])
    _load_optimizer(optimizer, groups["optimizer"])
    device = next(method.parameters()).device
    if average is not None:
        average.values = {k: v.to(device) for k, v in groups["average"].items()}
    if best is not None:
        best.values = {k: v.to(device) for k, v in groups["best"].items()}
        best.score = math.inf if state["best_score"] is None else float(state["best_score"])
    return int(state["step"])


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition("/")
        moments.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
