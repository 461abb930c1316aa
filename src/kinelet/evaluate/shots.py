"""Few-shot as PRIMUS is judged: N labelled windows a class, from as many training people as there are.

Das et al., "PRIMUS: Pretraining IMU Encoders with Multimodal Self-Supervision", arXiv 2411.15127, judge encoders by a
linear head on N windows a class. Here every encoder learns from the same windows, and the head is a penalised logistic
regression that starts from zero: its objective has one minimum, so no encoder can owe its score to a lucky or informed
first weight (a head that starts from the class sentences is a zero-shot classifier, which has a column of its own), and
there is no learning rate, number of epochs or batch that suits one encoder better than another.
"""

from __future__ import annotations

import copy
import math
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from kinelet.encoders.base import Encoder
from kinelet.errors import BadOptionError
from kinelet.evaluate.knn import unit
from kinelet.evaluate.logistic import Logistic, Scaler, class_weights, fit_path
from kinelet.evaluate.spread import Shots, SpreadShots
from kinelet.evaluate.task import Codes, FloatArray, Task
from kinelet.evaluate.training import linear

__all__ = ["PrimusFewShot", "ScratchShots", "Shots", "SpreadShots"]


class PrimusFewShot(SpreadShots):
    """A linear head on frozen vectors of length 1.

    Vectors are brought to length 1, then centred and scaled by one number, both measured on the draw: an offset or a
    scale common to all vectors, which encoders have in different measure, then changes nothing.

    Attributes:
        normalise: ``rows`` as said, or ``columns``: every feature standardised on the draw, for vectors that are a list
            of quantities in different units, such as hand-crafted features.
        strength: ``C`` of the logistic regression.
    """

    name: ClassVar[str] = "primus-few-shot"

    normalise: Literal["rows", "columns"] = "rows"
    strength: float = Field(default=10.0, gt=0)

    def learn(self, support: Task, x: FloatArray, encoder: Encoder | None, draw: int) -> Codes:
        """Fit the head to vectors of the draw, predict vectors ``(m, dim)``."""
        if self.normalise == "columns":
            scaler = Scaler.fit(support.x)
            return self._fit(scaler(support.x), support).predict(scaler(x))
        known = unit(support.x)
        centre = known.mean(axis=0)
        scale = np.float32(1 / max(float(np.sqrt(np.square(known - centre).sum(axis=1).mean())), 1e-6))
        return self._fit((known - centre) * scale, support).predict((unit(x) - centre) * scale)

    def _fit(self, x: FloatArray, support: Task) -> Logistic:
        (model,) = fit_path(x, support.y, len(support.classes), [self.strength], balanced=True)
        return model


class ScratchShots(SpreadShots):
    """All weights trained on the draw: from scratch for an untrained encoder, full fine-tuning for a pretrained one.

    AdamW with a warm-up over a tenth of the steps and a cosine down to zero; nobody is held out of so few windows to
    stop it, so the number of steps is fixed beforehand. The encoder that is passed in is never changed. The first
    weights of the head and the order of windows depend on ``seed`` and the number of the draw alone.

    Attributes:
        lr: Learning rate of the encoder.
        head_lr: Learning rate of the head.
        epochs: Passes over the windows of a draw, within the next two.
        min_steps: Fewest steps.
        max_steps: Most steps.
        batch_size: Windows a step, or all of the draw if they are fewer.
        weight_decay: AdamW's.
    """

    name: ClassVar[str] = "primus-few-shot-tuned"
    inputs: ClassVar[Literal["vectors", "windows"]] = "windows"

    lr: float = Field(default=1e-3, gt=0)
    head_lr: float = Field(default=3e-3, gt=0)
    epochs: int = Field(default=30, ge=1)
    min_steps: int = Field(default=100, ge=1)
    max_steps: int = Field(default=400, ge=1)
    batch_size: int = Field(default=64, ge=2)
    weight_decay: float = Field(default=0.01, ge=0)

    def learn(self, support: Task, x: FloatArray, encoder: Encoder | None, draw: int) -> Codes:
        """Train a copy of the encoder on windows ``(n, channel, time)`` of the draw, predict ``(m, channel, time)``."""
        if encoder is None:
            raise BadOptionError("training all weights needs an encoder", where=self.name)
        generator = torch.Generator().manual_seed(self.seed * 100_003 + draw)
        body = copy.deepcopy(encoder).requires_grad_(True)
        # Normalising the embedding first makes one learning rate of the head right for encoders of any scale.
        top = nn.Sequential(nn.BatchNorm1d(body.dim, affine=False), linear(body.dim, len(support.classes), generator))
        model = nn.Sequential(body, top)
        self._train(model, support, generator)
        return _predicted(model.eval(), x, np.unique(support.y))

    def _train(self, model: nn.Sequential, support: Task, generator: torch.Generator) -> None:
        size = max(2, min(self.batch_size, len(support)))
        steps = min(max(self.epochs * len(support) // size, self.min_steps), self.max_steps)
        rates = [
            {"params": part.parameters(), "lr": lr} for part, lr in zip(model, (self.lr, self.head_lr), strict=True)
        ]
        optimizer = torch.optim.AdamW(rates, weight_decay=self.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
        x, y = torch.from_numpy(support.x), torch.from_numpy(support.y)
        weight = torch.from_numpy(class_weights(support.y, len(support.classes), True))
        model.train()
        for rows in _batches(len(support), size, steps, generator):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(x[rows]), y[rows], reduction="none")
            (loss * weight[rows]).mean().backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            schedule.step()


def _rate(step: int, steps: int) -> float:
    """Share of the learning rate at a step: up over a tenth of the steps, then a cosine down to zero."""
    warm = max(1, steps // 10)
    return (step + 1) / warm if step < warm else 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _batches(n: int, size: int, steps: int, generator: torch.Generator) -> list[Tensor]:
    """Rows of each step: windows in one random order after another, every one as often as the others."""
    passes = -(-steps * size // n)
    order = torch.cat([torch.randperm(n, generator=generator) for _ in range(passes)])
    return list(order[: steps * size].reshape(steps, size))


@torch.inference_mode()
def _predicted(model: nn.Module, x: FloatArray, present: Codes) -> Codes:
    """Most probable class of each window among those that were taught."""
    parts = [model(torch.from_numpy(x[i : i + 256])).numpy()[:, present] for i in range(0, len(x), 256)]
    return np.asarray(present[np.concatenate(parts).argmax(axis=1)], dtype=np.int64)
