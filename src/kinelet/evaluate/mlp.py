"""MLP probe: one hidden layer on the frozen embedding, for what a straight boundary cannot tell apart."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field

from kinelet.encoders.base import Encoder
from kinelet.evaluate.folds import hold_out_people
from kinelet.evaluate.logistic import Scaler
from kinelet.evaluate.protocol import Predictions, Say, one_draw
from kinelet.evaluate.task import FloatArray, Kind, Task
from kinelet.evaluate.training import TrainedProtocol, Trainer, head


class MLPProbe(TrainedProtocol):
    """One hidden layer with ReLU on standardised vectors; stopped by the loss on training people held out for it.

    Inputs, and targets that are values, are standardised with the people who are trained on, not with those who
    decide when to stop. Batches are drawn in a new order every epoch.

    Attributes:
        hidden: Units of the hidden layer.
        lr: AdamW's learning rate, after a warm-up of one epoch.
        class_weight: ``balanced`` weighs classes equally, ``none`` windows equally.
    """

    name: ClassVar[str] = "mlp_probe"
    kinds: ClassVar[tuple[Kind, ...]] = ("classes", "values")

    hidden: int = Field(default=512, ge=1)
    lr: float = Field(default=1e-3, gt=0)
    class_weight: Literal["none", "balanced"] = "none"
    epochs: int = Field(default=100, ge=1)
    patience: int = Field(default=5, ge=1)

    def predict(self, train: Task, x: FloatArray, encoder: Encoder | None, say: Say) -> Predictions:
        """Train on vectors ``(n, dim)``, predict ``(m, dim)``; returns ``(1, m)``.

        Raises:
            BadOptionError: if there are fewer than two training people.
        """
        fit, held_out = hold_out_people(train, self.held_out, self.seed)
        scaler = Scaler.fit(fit.x)
        generator = torch.Generator().manual_seed(self.seed)
        model = head(train.x.shape[1], self.hidden, len(train.classes) or 1, generator)
        groups = [{"params": list(model.parameters()), "lr": self.lr}]
        balanced = self.class_weight == "balanced"
        trainer = Trainer.make(self, model, groups, fit, generator, balanced=balanced)
        trainer.run(fit.with_x(scaler(fit.x)), held_out.with_x(scaler(held_out.x)), say)
        return one_draw(trainer.predict(scaler(x)))
