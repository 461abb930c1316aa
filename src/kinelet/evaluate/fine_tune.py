"""Full fine-tuning: encoder and a linear head trained together on the labels of the training people."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from kinelet.encoders.base import Encoder
from kinelet.errors import BadOptionError
from kinelet.evaluate.folds import hold_out_people
from kinelet.evaluate.logistic import class_weights
from kinelet.evaluate.protocol import Predictions, Protocol, Say, one_draw
from kinelet.evaluate.task import FloatArray, Kind, Task


class FineTune(Protocol):
    """Train all weights with AdamW; stop by the loss on training people held out for it, and keep the best epoch.

    The encoder that is passed in is never changed: each split trains a copy.

    Attributes:
        epochs: Most epochs. An epoch is one pass over the windows, or as many as make ``epoch_steps`` steps: on a small
            set a single pass would be too little to judge by.
        epoch_steps: Fewest steps of an epoch.
        patience: Epochs without a better held-out loss after which to stop.
        lr: Learning rate of the encoder, after a warm-up of one epoch.
        head_lr: Learning rate of the head, which starts from scratch.
        weight_decay: AdamW's.
        batch_size: Windows a step.
        held_out: Share of training people for early stopping.
        class_weight: ``balanced`` weighs classes equally, ``none`` windows equally.
        seed: Of the head's weights, the order of windows and the people held out.
        device: Where to train.
    """

    name: ClassVar[str] = "fine_tune"
    kinds: ClassVar[tuple[Kind, ...]] = ("classes", "values")
    inputs: ClassVar[Literal["vectors", "windows"]] = "windows"

    epochs: int = Field(default=40, ge=1)
    epoch_steps: int = Field(default=20, ge=1)
    patience: int = Field(default=6, ge=1)
    lr: float = Field(default=3e-4, gt=0)
    head_lr: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    batch_size: int = Field(default=64, ge=2)
    held_out: float = Field(default=0.2, gt=0, lt=1)
    class_weight: Literal["none", "balanced"] = "none"
    seed: int = 0
    device: str = "cpu"

    def predict(self, train: Task, x: FloatArray, encoder: Encoder | None, say: Say) -> Predictions:
        """Train on windows ``(n, channel, time)``, predict ``(m, channel, time)``; returns ``(1, m)``."""
        if encoder is None:
            raise BadOptionError("fine-tuning needs an encoder", where=self.name)
        fit, held_out = hold_out_people(train, self.held_out, self.seed)
        trainer = _Trainer.make(self, encoder, fit)
        trainer.run(fit, held_out, say)
        scores = trainer.scores(x)
        return one_draw(scores.argmax(axis=1) if train.classes else scores[:, 0] * trainer.scale + trainer.centre)


@dataclass
class _Trainer:
    options: FineTune
    model: nn.Module
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    n_classes: int
    centre: float
    scale: float

    @classmethod
    def make(cls, options: FineTune, encoder: Encoder, fit: Task) -> _Trainer:
        generator = torch.Generator().manual_seed(options.seed)
        body = copy.deepcopy(encoder).requires_grad_(True)
        head = nn.Linear(encoder.dim, len(fit.classes) or 1)
        with torch.no_grad():
            head.weight.normal_(0, encoder.dim**-0.5, generator=generator)
            head.bias.zero_()
        # Normalising the embedding first makes one learning rate of the head right for encoders of any scale.
        top = nn.Sequential(nn.BatchNorm1d(encoder.dim, affine=False), head)
        groups: list[dict[str, Any]] = [
            {"params": list(body.parameters()), "lr": options.lr},
            {"params": list(top.parameters())},
        ]
        optimizer = torch.optim.AdamW(groups, lr=options.head_lr, weight_decay=options.weight_decay)
        model = nn.Sequential(body, top).to(options.device)
        centre, scale = (0.0, 1.0) if fit.classes else (float(fit.y.mean()), float(fit.y.std()) or 1.0)
        return cls(options, model, optimizer, generator, len(fit.classes), centre, scale)

    def run(self, fit: Task, held_out: Task, say: Say) -> None:
        best, best_loss, waited = copy.deepcopy(self.model.state_dict()), float("inf"), 0
        for epoch in range(self.options.epochs):
            self._epoch(fit, warm_up=epoch == 0)
            loss = self._loss(torch.from_numpy(self.scores(held_out.x)), held_out).item()
            say(f"epoch {epoch + 1}, held-out loss {loss:.3f}")
            waited = 0 if loss < best_loss else waited + 1
            if loss < best_loss:
                best, best_loss = copy.deepcopy(self.model.state_dict()), loss
            if waited >= self.options.patience:
                break
        self.model.load_state_dict(best)

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
            self._loss(self.model(torch.from_numpy(batch.x).to(self.options.device)), batch).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
            self.optimizer.step()
        self._set_rates(rates)

    def _set_rates(self, rates: list[float]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate

    def _loss(self, scores: Tensor, batch: Task) -> Tensor:
        if not self.n_classes:
            target = torch.as_tensor((batch.y - self.centre) / self.scale, dtype=torch.float32, device=scores.device)
            return functional.mse_loss(scores[:, 0], target)
        each = functional.cross_entropy(scores, torch.from_numpy(batch.y).to(scores.device), reduction="none")
        weight = class_weights(batch.y, self.n_classes, self.options.class_weight == "balanced")
        return (each * torch.from_numpy(weight).to(scores.device)).mean()

    @torch.inference_mode()
    def scores(self, x: FloatArray) -> FloatArray:
        self.model.eval()
        parts = [
            self.model(torch.from_numpy(x[i : i + 256]).to(self.options.device)).float().cpu().numpy()
            for i in range(0, len(x), 256)
        ]
        return np.concatenate(parts)
