"""Optimisers, learning-rate schedule and the moving average of weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from kinelet.train.config import TrainConfig


def make_optimizer(module: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Build the optimiser; norms and biases (tensors with fewer than two dimensions) get no weight decay.

    Adam is the fused one: torch's default goes over all weights once for each of its operations on a CPU, which takes
    several times as long.
    """
    named = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in named if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in named if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [g for g in groups if g["params"]]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.lr, fused=True)
    if config.optimizer == "adam":
        return torch.optim.Adam(groups, lr=config.lr, fused=True)
    return torch.optim.SGD(groups, lr=config.lr, momentum=0.9)


def learning_rate(step: int, config: TrainConfig) -> float:
    """Learning rate of a step (0-based): linear warm-up, then cosine to 0 or constant.

    A pure function of the step, so that a resumed run needs no scheduler state.
    """
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    if config.schedule == "constant":
        return config.lr
    done = (step - config.warmup) / max(config.steps - config.warmup, 1)
    return config.lr * 0.5 * (1.0 + math.cos(math.pi * done))


class WeightAverage:
    """Exponential moving average of a module's parameters: ``a <- decay·a + (1 - decay)·w``; buffers are copied."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values: dict[str, Tensor] = {k: v.detach().clone() for k, v in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Move the average towards the module's present weights."""
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                self.values[name].lerp_(value, 1.0 - self.decay)
            else:
                self.values[name].copy_(value)
