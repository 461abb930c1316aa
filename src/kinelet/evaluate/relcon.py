"""How RelCon and those it compares itself with were judged, as protocols: from windows, with every fit inside a fold.

They differ from kinelet's own protocols in what is done to the windows before the encoder sees them. What they were
run on, and what was published, is in :mod:`kinelet.evaluate.benchmarks`.

Source: Haresamudram et al. 2022, arXiv 2202.12938 (linear); Yuan et al. 2024, arXiv 2206.02909 (MLP, fine-tuning); both
as taken over by Xu et al. 2024, arXiv 2411.18822.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from kinelet.encoders.base import Encoder
from kinelet.errors import BadOptionError
from kinelet.evaluate.fine_tune import FineTune
from kinelet.evaluate.mlp import MLPProbe
from kinelet.evaluate.probe import LinearProbe
from kinelet.evaluate.protocol import Predictions, Say
from kinelet.evaluate.task import FloatArray, Task

STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0)
CLIP_G = 3.0


@dataclass(frozen=True)
class AxisScaler:
    """Mean and standard deviation of each axis over training windows, ``(channel, 1)``."""

    mean: FloatArray
    sd: FloatArray

    @classmethod
    def fit(cls, x: FloatArray) -> AxisScaler:
        """Measure windows ``(n, channel, time)``."""
        mean = x.mean(axis=(0, 2), dtype=np.float64)
        sd = x.std(axis=(0, 2), dtype=np.float64)
        return cls(mean[:, None].astype(np.float32), np.where(sd > 0, sd, 1)[:, None].astype(np.float32))

    def __call__(self, x: FloatArray) -> FloatArray:
        """Standardise windows ``(n, channel, time)``."""
        return (x - self.mean) / self.sd


class RelConLinear(LinearProbe):
    """Logistic regression on the frozen embedding of windows that are standardised per axis.

    Axes are standardised with the training people of the fold, who also choose the penalty among themselves. An
    encoder that was pretrained in g sees other amplitudes than it knows; that is how the published figures came
    about, and ``normalise="none"`` is there to see what it costs.

    Attributes:
        normalise: ``axis``: as published. ``none``: windows in their own unit.
    """

    name: ClassVar[str] = "relcon-linear"
    inputs: ClassVar[Literal["vectors", "windows"]] = "windows"

    strengths: tuple[float, ...] = Field(default=STRENGTHS, min_length=1)
    inner_folds: int = Field(default=4, ge=2)
    max_iter: int = Field(default=2000, ge=1)
    normalise: Literal["axis", "none"] = "axis"

    def predict(self, train: Task, x: FloatArray, encoder: Encoder | None, say: Say) -> Predictions:
        """Fit on windows ``(n, channel, time)``, predict ``(m, channel, time)``; returns ``(1, m)``."""
        if self.normalise == "axis":
            scaler = AxisScaler.fit(train.x)
            train, x = train.with_x(scaler(train.x)), scaler(x)
        return super().predict(*_embedded(train, x, encoder, self.name), None, say)


class RelConMLP(MLPProbe):
    """An MLP on the frozen embedding of windows in g that are clipped; stopped by training people held out for it.

    Attributes:
        clip_g: Limit of accelerations; ``None`` for none.
    """

    name: ClassVar[str] = "relcon-mlp"
    kinds = ("classes",)
    inputs: ClassVar[Literal["vectors", "windows"]] = "windows"

    clip_g: float | None = Field(default=CLIP_G, gt=0)

    def predict(self, train: Task, x: FloatArray, encoder: Encoder | None, say: Say) -> Predictions:
        """Train on windows ``(n, channel, time)``, predict ``(m, channel, time)``; returns ``(1, m)``."""
        clipped = train.with_x(clip(train.x, train, self.clip_g)), clip(x, train, self.clip_g)
        return super().predict(*_embedded(*clipped, encoder, self.name), None, say)


class RelConFineTune(FineTune):
    """All weights trained on windows in g that are clipped, under a head with one hidden layer.

    Attributes:
        clip_g: Limit of accelerations; ``None`` for none.
    """

    name: ClassVar[str] = "relcon-finetune"
    kinds = ("classes",)

    clip_g: float | None = Field(default=CLIP_G, gt=0)
    head_hidden: int | None = Field(default=512, ge=1)
    lr: float = Field(default=1e-4, gt=0)
    head_lr: float = Field(default=1e-3, gt=0)
    batch_size: int = Field(default=16, ge=2)
    epochs: int = Field(default=10, ge=1)
    patience: int = Field(default=10, ge=1)

    def predict(self, train: Task, x: FloatArray, encoder: Encoder | None, say: Say) -> Predictions:
        """Train on windows ``(n, channel, time)``, predict ``(m, channel, time)``; returns ``(1, m)``."""
        clipped = train.with_x(clip(train.x, train, self.clip_g))
        return super().predict(clipped, clip(x, train, self.clip_g), encoder, say)


def clip(x: FloatArray, task: Task, limit_g: float | None) -> FloatArray:
    """Limit the channels in g of windows ``(n, channel, time)`` to ``±limit_g``; others stay as they are."""
    if limit_g is None:
        return x
    limits = np.array([limit_g if unit == "g" else np.inf for unit in task.spec.units], dtype=np.float32)
    return np.clip(x, -limits[:, None], limits[:, None])


def _embedded(train: Task, x: FloatArray, encoder: Encoder | None, name: str) -> tuple[Task, FloatArray]:
    if encoder is None:
        raise BadOptionError("the protocol starts from windows and needs an encoder", where=name)
    return train.with_x(encoder.embed(train.x)), encoder.embed(x)
