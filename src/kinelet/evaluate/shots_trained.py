"""Few-shot by gradient descent through all weights: what an encoder without pretraining, or after it, learns."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from kinelet.encoders.base import Encoder
from kinelet.errors import BadOptionError
from kinelet.evaluate.fine_tune import FineTune, make_trainer
from kinelet.evaluate.shots import SpreadShots
from kinelet.evaluate.task import Codes, FloatArray, Task


class TrainedShots(SpreadShots):
    """Train all weights on each draw for a fixed number of steps.

    Nobody is held out to stop by: where a class has a handful of windows none can be spared, and all arms that are
    compared train as long. Head and order of windows depend on ``seed`` and the draw alone.

    Attributes:
        steps: Steps of AdamW.
        lr: Learning rate of the encoder; of one without pretraining it can be that of the head.
        head_lr: Learning rate of the linear head.
        batch_size: Windows a step.
    """

    name: ClassVar[str] = "primus-few-shot-trained"
    inputs: ClassVar[Literal["vectors", "windows"]] = "windows"

    steps: int = Field(default=300, ge=1)
    lr: float = Field(default=1e-3, gt=0)
    head_lr: float = Field(default=3e-3, gt=0)
    batch_size: int = Field(default=64, ge=2)

    def learn(self, support: Task, x: FloatArray, encoder: Encoder | None, draw: int) -> Codes:
        """Train on the windows of a draw, predict windows ``(m, channel, time)``."""
        if encoder is None:
            raise BadOptionError("training all weights needs an encoder", where=self.name)
        options = FineTune(
            lr=self.lr,
            head_lr=self.head_lr,
            class_weight="balanced",
            batch_size=self.batch_size,
            epoch_steps=max(1, self.steps // 10),
            epochs=10,
            seed=self.seed + draw,
        )
        trainer = make_trainer(options, encoder, support)
        # A pass over many windows takes more than its share of the steps.
        passes = max(1, -(-len(support) // self.batch_size))
        trainer.options = options.model_copy(update={"epochs": max(1, self.steps // max(passes, options.epoch_steps))})
        trainer.run(support, None, lambda note: None)
        return trainer.predict(x)
