"""The loop that fine-tuning and MLP probes share: AdamW, and the epoch kept that people held out liked best."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from kinelet.evaluate.logistic import class_weights
from kinelet.evaluate.protocol import Protocol, Say
from kinelet.evaluate.task import FloatArray, Task


class TrainedProtocol(Protocol):
    """A protocol that trains a network by gradient descent and stops by people held out of the training people.

    Attributes:
        epochs: Most epochs. An epoch is one pass over the windows, or as many as make ``epoch_steps`` steps: on a small
            set a single pass would be too little to judge by.
        epoch_steps: Fewest steps of an epoch.
        patience: Epochs without a better held-out loss after which to stop.
        weight_decay: AdamW's.
        batch_size: Windows a step, drawn in a new order every epoch.
        held_out: Share of training people for early stopping.
        seed: Of the first weights, the order of windows and the people held out.
        device: Where to train.
    """

    epochs: int = Field(default=40, ge=1)
    epoch_steps: int = Field(default=20, ge=1)
    patience: int = Field(default=6, ge=1)
    weight_decay: float = Field(default=0.01, ge=0)
    batch_size: int = Field(default=64, ge=2)
    held_out: float = Field(default=0.2, gt=0, lt=1)
    seed: int = 0
    device: str = "cpu"


@dataclass
class Trainer:
    """One training of one network.

    Attributes:
        options: How long and by whom it is stopped.
        model: Maps a batch of inputs to scores ``(batch, class)``, or to one standardised value ``(batch, 1)``.
        optimizer: Its parameters and rates.
        generator: Draws the order of windows.
        n_classes: 0 where values are predicted.
        centre, scale: Mean and standard deviation of the values that are learnt from.
        balanced: Weigh classes equally rather than windows.
    """

    options: TrainedProtocol
    model: nn.Module
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    n_classes: int
    centre: float
    scale: float
    balanced: bool = False

    @classmethod
    def make(
        cls,
        options: TrainedProtocol,
        model: nn.Module,
        groups: list[dict[str, Any]],
        fit: Task,
        generator: torch.Generator,
        *,
        balanced: bool = False,
    ) -> Trainer:
        """A trainer of ``model`` for the targets of ``fit``; ``groups`` are AdamW's, each with its ``lr``."""
        model = model.to(options.device)
        optimizer = torch.optim.AdamW(groups, weight_decay=options.weight_decay)
        centre, scale = (0.0, 1.0) if fit.classes else (float(fit.y.mean()), float(fit.y.std()) or 1.0)
        return cls(options, model, optimizer, generator, len(fit.classes), centre, scale, balanced)

    def run(self, fit: Task, held_out: Task | None, say: Say) -> None:
        """Train on ``fit`` and go back to the epoch with the least loss on ``held_out``; without it, to the end."""
        if held_out is None:
            for epoch in range(self.options.epochs):
                self._epoch(fit, warm_up=epoch == 0)
                say(f"epoch {epoch + 1}")
            return
        best, best_loss, waited = copy.deepcopy(self.model.state_dict()), float("inf"), 0
        for epoch in range(self.options.epochs):
            self._epoch(fit, warm_up=epoch == 0)
            loss = self.loss(torch.from_numpy(self.scores(held_out.x)), held_out).item()
            say(f"epoch {epoch + 1}, held-out loss {loss:.3f}")
            waited = 0 if loss < best_loss else waited + 1
            if loss < best_loss:
                best, best_loss = copy.deepcopy(self.model.state_dict()), loss
            if waited >= self.options.patience:
                break
        self.model.load_state_dict(best)

    def predict(self, x: FloatArray) -> np.ndarray[tuple[int, ...], np.dtype[Any]]:
        """Codes or values ``(m,)`` for ``m`` inputs."""
        scores = self.scores(x)
        return np.asarray(scores.argmax(axis=1) if self.n_classes else scores[:, 0] * self.scale + self.centre)

    def _epoch(self, fit: Task, warm_up: bool) -> None:
        self.model.train()
        size = self.options.batch_size
        passes = max(1, -(-self.options.epoch_steps * size // len(fit)))
        order = torch.cat([torch.randperm(len(fit), generator=self.generator) for _ in range(passes)]).numpy()
        # Batch statistics of a single window are undefined: a last batch of one waits for the next epoch's order.
        starts = [i for i in range(0, len(order), size) if min(size, len(order) - i) > 1]
        rates = [group["lr"] for group in self.optimizer.param_groups]
        for step, i in enumerate(starts):
            self._set_rates([r * (step + 1) / len(starts) if warm_up else r for r in rates])
            batch = fit.take(order[i : i + size])
            self.optimizer.zero_grad()
            self.loss(self.model(torch.from_numpy(batch.x).to(self.options.device)), batch).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
            self.optimizer.step()
        self._set_rates(rates)

    def _set_rates(self, rates: list[float]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate

    def loss(self, scores: Tensor, batch: Task) -> Tensor:
        """Cross-entropy of scores ``(batch, class)``, or squared error of standardised values ``(batch, 1)``."""
        if not self.n_classes:
            target = torch.as_tensor((batch.y - self.centre) / self.scale, dtype=torch.float32, device=scores.device)
            return functional.mse_loss(scores[:, 0], target)
        each = functional.cross_entropy(scores, torch.from_numpy(batch.y).to(scores.device), reduction="none")
        weight = class_weights(batch.y, self.n_classes, self.balanced)
        return (each * torch.from_numpy(weight).to(scores.device)).mean()

    @torch.inference_mode()
    def scores(self, x: FloatArray) -> FloatArray:
        """What the network says in evaluation mode, ``(m, class)`` or ``(m, 1)``."""
        self.model.eval()
        parts = [
            self.model(torch.from_numpy(x[i : i + 256]).to(self.options.device)).float().cpu().numpy()
            for i in range(0, len(x), 256)
        ]
        return np.concatenate(parts)


def linear(inputs: int, outputs: int, generator: torch.Generator, gain: float = 1.0) -> nn.Linear:
    """A linear layer whose weights depend on ``generator`` alone: sd ``gain / sqrt(inputs)``, no bias at first."""
    layer = nn.Linear(inputs, outputs)
    with torch.no_grad():
        layer.weight.normal_(0, gain * inputs**-0.5, generator=generator)
        layer.bias.zero_()
    return layer


def head(inputs: int, hidden: int | None, outputs: int, generator: torch.Generator) -> nn.Sequential:
    """``inputs -> outputs``, by way of ``hidden`` units with ReLU if there is a number of them."""
    if hidden is None:
        return nn.Sequential(linear(inputs, outputs, generator))
    # ReLU halves the mean square, which the factor of He et al. 2015 (arXiv 1502.01852) makes up for.
    first = linear(inputs, hidden, generator, gain=2**0.5)
    return nn.Sequential(first, nn.ReLU(), linear(hidden, outputs, generator))
