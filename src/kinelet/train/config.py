"""What the loop can be told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from kinelet.config import FrozenModel


class TrainConfig(FrozenModel):
    """Configuration of the loop, the same for every method.

    Attributes:
        steps: Optimiser steps.
        batch_size: Windows per step over all processes.
        accumulate: Micro-batches a step is cut into. Contrastive methods then see fewer negatives at once.
        optimizer: ``adamw``, ``adam`` or ``sgd`` (with momentum 0.9).
        lr: Peak learning rate.
        weight_decay: Decay of weights; never of norms and biases.
        warmup: Steps of linear warm-up from 0.
        schedule: ``cosine`` down to 0, or ``constant``, after the warm-up.
        clip: Largest gradient norm; ``None`` for no clipping.
        ema: Decay of an exponential moving average of the encoder, which is then what is kept; ``None`` for none.
        precision: ``fp32``, or ``bf16`` autocast.
        compile: Compile the method with ``torch.compile``.
        seed: Seed of weights, order and augmentation.
        shards: Generators a step's randomness is drawn from in one process; ``n`` reproduces ``n`` processes.
        workers: Threads that read batches ahead.
        log_every: Steps between lines in ``metrics.jsonl``.
        checkpoint_every: Steps between checkpoints.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads; ``None`` leaves torch's choice.
    """

    steps: int = Field(default=1000, ge=1)
    batch_size: int = Field(default=256, ge=2)
    accumulate: int = Field(default=1, ge=1)
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    warmup: int = Field(default=50, ge=0)
    schedule: Literal["cosine", "constant"] = "cosine"
    clip: float | None = Field(default=1.0, gt=0)
    ema: float | None = Field(default=None, gt=0, lt=1)
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False
    seed: int = Field(default=0, ge=0)
    shards: int = Field(default=1, ge=1)
    workers: int = Field(default=1, ge=0)
    log_every: int = Field(default=20, ge=1)
    checkpoint_every: int = Field(default=200, ge=1)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _divisible(self) -> TrainConfig:
        parts = self.accumulate * self.shards
        if self.batch_size % parts:
            raise ValueError(f"batch_size {self.batch_size} is not divisible by accumulate x shards = {parts}")
        return self
