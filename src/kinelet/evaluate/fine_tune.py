"""Full fine-tuning: encoder and head trained together on the labels of the training people."""

from __future__ import annotations

import copy
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import nn

from kinelet.encoders.base import Encoder
from kinelet.errors import BadOptionError
from kinelet.evaluate.folds import hold_out_people
from kinelet.evaluate.protocol import Predictions, Say, one_draw
from kinelet.evaluate.task import FloatArray, Kind, Task
from kinelet.evaluate.training import TrainedProtocol, Trainer, head


class FineTune(TrainedProtocol):
    """Train all weights with AdamW; stop by the loss on training people held out for it, and keep the best epoch.

    The encoder that is passed in is never changed: each split trains a copy.

    Attributes:
        lr: Learning rate of the encoder, after a warm-up of one epoch.
        head_lr: Learning rate of the head, which starts from scratch.
        head_hidden: Units of a hidden layer in the head; ``None`` for a linear head. It has as many outputs as there
            are classes.
        class_weight: ``balanced`` weighs classes equally, ``none`` windows equally.
    """

    name: ClassVar[str] = "fine_tune"
    kinds: ClassVar[tuple[Kind, ...]] = ("classes", "values")
    inputs: ClassVar[Literal["vectors", "windows"]] = "windows"

    lr: float = Field(default=3e-4, gt=0)
    head_lr: float = Field(default=3e-3, gt=0)
    head_hidden: int | None = Field(default=None, ge=1)
    class_weight: Literal["none", "balanced"] = "none"

    def predict(self, train: Task, x: FloatArray, encoder: Encoder | None, say: Say) -> Predictions:
        """Train on windows ``(n, channel, time)``, predict ``(m, channel, time)``; returns ``(1, m)``."""
        if encoder is None:
            raise BadOptionError("fine-tuning needs an encoder", where=self.name)
        fit, held_out = hold_out_people(train, self.held_out, self.seed)
        trainer = make_trainer(self, encoder, fit)
        trainer.run(fit, held_out, say)
        return one_draw(trainer.predict(x))


def make_trainer(options: FineTune, encoder: Encoder, fit: Task) -> Trainer:
    """A trainer of a copy of ``encoder`` with a head for the targets of ``fit``."""
    generator = torch.Generator().manual_seed(options.seed)
    body = copy.deepcopy(encoder).requires_grad_(True)
    # Normalising the embedding first makes one learning rate of the head right for encoders of any scale.
    norm = nn.BatchNorm1d(encoder.dim, affine=False)
    top = nn.Sequential(norm, head(encoder.dim, options.head_hidden, len(fit.classes) or 1, generator))
    groups: list[dict[str, Any]] = [
        {"params": list(body.parameters()), "lr": options.lr},
        {"params": list(top.parameters()), "lr": options.head_lr},
    ]
    balanced = options.class_weight == "balanced"
    return Trainer.make(options, nn.Sequential(body, top), groups, fit, generator, balanced=balanced)
