"""Optimisers, learning-rate schedule and the moving average of weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from kinelet.methods.base import Method, Rate
from kinelet.train.config import TrainConfig


def make_optimizer(method: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Build the optimiser; norms and biases (tensors with fewer than two dimensions) get no weight decay.

    Adam is the fused one: torch's default goes over all weights once for each of its operations on a CPU, which takes
    several times as long. Groups hold ``scale``, the multiple of the loop's learning rate that they are trained with.
    """
    groups = [g for rate, named in _by_rate(method) for g in _decayed(named, rate, config)]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.lr, fused=True)
    if config.optimizer == "adam":
        return torch.optim.Adam(groups, lr=config.lr, fused=True)
    return torch.optim.SGD([_without_betas(g) for g in groups], lr=config.lr, momentum=0.9)


def clip_gradients(method: nn.Module, norm: float) -> None:
    """Clip the gradients of a method; parameters whose rate is ``apart`` by a norm of their own."""
    together: list[nn.Parameter] = []
    for rate, named in _by_rate(method):
        if rate.apart:
            nn.utils.clip_grad_norm_(named, norm)
        else:
            together += named
    nn.utils.clip_grad_norm_(together, norm)


def _by_rate(method: nn.Module) -> list[tuple[Rate, list[nn.Parameter]]]:
    """Trained parameters by the rate that fits their name first; the loop's own rate comes first."""
    rates = method.rates() if isinstance(method, Method) else {}
    found: dict[str | None, list[nn.Parameter]] = {None: [], **{prefix: [] for prefix in rates}}
    for name, parameter in method.named_parameters():
        if parameter.requires_grad:
            found[next((prefix for prefix in rates if name.startswith(prefix)), None)].append(parameter)
    return [(Rate() if prefix is None else rates[prefix], named) for prefix, named in found.items() if named]


def _decayed(named: Sequence[nn.Parameter], rate: Rate, config: TrainConfig) -> list[dict[str, Any]]:
    decay = config.weight_decay if rate.weight_decay is None else rate.weight_decay
    shared: dict[str, Any] = {"scale": rate.scale} | ({} if rate.betas is None else {"betas": rate.betas})
    groups = [
        {"params": [p for p in named if p.ndim >= 2], "weight_decay": decay, **shared},
        {"params": [p for p in named if p.ndim < 2], "weight_decay": 0.0, **shared},
    ]
    return [g for g in groups if g["params"]]


def _without_betas(group: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key != "betas"}


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
