"""The motion encoder of PRIMUS: three convolutions and a recurrence whose last state is the embedding."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from kinelet.config import FrozenModel
from kinelet.encoders.base import DenseEncoder
from kinelet.errors import SpecMismatchError
from kinelet.functional.augment import Scale
from kinelet.signal.spec import SignalSpec

WIDTH = 32
LEGACY_STEPS = 32

Recurrence = Literal["time", "channels"]


class StackedRNNConfig(FrozenModel):
    """Configuration of :class:`StackedRNN`.

    Weights of one recurrence fit the other without a complaint, so a stored configuration always states it.

    Attributes:
        recurrence: The GRU steps over ``time``, or over the ``channels`` of the last convolution with the time steps
            as its input, as the published weights need it.
        hidden: Width of the GRU and of the embedding.
        pool_steps: Time steps that the last convolution's output is averaged (or stretched) to; ``None`` keeps those
            that there are. Over ``channels`` always 32.
    """

    recurrence: Recurrence = "time"
    hidden: int = Field(default=512, ge=1, le=8192)
    pool_steps: int | None = Field(default=None, ge=1, le=4096)

    @model_validator(mode="before")
    @classmethod
    def _legacy_steps(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("recurrence") == "channels":
            return {**given, "pool_steps": given.get("pool_steps") or LEGACY_STEPS}
        return given

    @model_validator(mode="after")
    def _steps_fit(self) -> StackedRNNConfig:
        if self.recurrence == "channels" and self.pool_steps != LEGACY_STEPS:
            raise ValueError(f"recurrence over channels needs pool_steps {LEGACY_STEPS}, not {self.pool_steps}")
        return self


class StackedRNN(DenseEncoder):
    """Group norm over each sensor's axes, three dilated convolutions with max-pooling, group norm, GRU.

    The first norm takes one offset and one scale off each sensor: acceleration in another unit gives the same
    embedding, how strong a movement is does not show, which way a sensor leans does. No dropout and no running
    statistics: training and evaluation give the same.

    Source: Das et al. 2025, arXiv 2411.15127, section 2; layers as the public code has them.
    """

    min_samples = 123

    def __init__(self, spec: SignalSpec, config: StackedRNNConfig) -> None:
        super().__init__(spec, dim=config.hidden, config=config.model_dump(mode="json"))
        self.recurrence, self.pool_steps = config.recurrence, config.pool_steps
        self.norm_in = nn.GroupNorm(count_triples(spec), len(spec.channels))
        self.conv1 = nn.Conv1d(len(spec.channels), WIDTH, 10, dilation=2, bias=False)
        self.conv2 = nn.Conv1d(WIDTH, WIDTH, 5, dilation=2, bias=False)
        self.conv3 = nn.Conv1d(WIDTH, WIDTH, 5, dilation=2, bias=False)
        self.norm_out = nn.GroupNorm(4, WIDTH)
        self.rnn = nn.GRU(WIDTH, config.hidden, batch_first=True)
        self.feature_dim = config.hidden if config.recurrence == "time" else WIDTH

    def forward(self, x: Tensor) -> Tensor:
        """Encode windows ``(batch, channel, time)`` into ``(batch, hidden)``, the GRU's last state."""
        maps = self.maps(x)
        _, last = self.rnn(maps.transpose(1, 2) if self.recurrence == "time" else maps)
        return last[0]  # type: ignore[no-any-return]

    def features(self, x: Tensor) -> Tensor:
        """Map windows to ``(batch, feature_dim, step)``.

        The GRU's state at each step; where it does not step over time, the maps that it is fed with.
        """
        maps = self.maps(x)
        if self.recurrence == "channels":
            return maps
        states, _ = self.rnn(maps.transpose(1, 2))
        return states.transpose(1, 2)  # type: ignore[no-any-return]

    def maps(self, x: Tensor) -> Tensor:
        """What goes into the GRU, ``(batch, 32, step)``: 15 steps for 250 samples, or ``pool_steps``."""
        self.check_input(tuple(x.shape))
        y = functional.max_pool1d(self.conv1(self.norm_in(x)), 3)
        y = self.conv3(functional.max_pool1d(self.conv2(y), 3))
        if self.pool_steps is not None:
            y = functional.adaptive_avg_pool1d(y, self.pool_steps)
        return self.norm_out(y)  # type: ignore[no-any-return]


def count_triples(spec: SignalSpec) -> int:
    """How many sensors of three axes, ``NAME_x NAME_y NAME_z`` one after the other, make up the channels.

    Raises:
        SpecMismatchError: if there are other channels.
    """
    names = spec.channels
    starts = range(0, len(names), 3)
    stems = [names[i].removesuffix("_x") for i in starts]
    wanted = tuple(f"{stem}_{axis}" for stem in stems for axis in "xyz")
    if names != wanted:
        raise SpecMismatchError(
            f"channels {' '.join(names)} are not sensors of three axes, one after the other",
            where="encoder stacked_rnn",
            remedy="It takes acc_x acc_y acc_z, or these and gyr_x gyr_y gyr_z; use another encoder for other channels",
        )
    return len(stems)


def warn_cancelled(augmentations: Sequence[Any], encoder: nn.Module) -> None:
    """Warn where an augmentation does nothing: one factor a sensor, in front of a norm over that sensor.

    Args:
        augmentations: Configurations of :mod:`kinelet.functional.augment`.
        encoder: Any network that may have a :class:`StackedRNN` in it.
    """
    cancelled = {a.mode for a in augmentations if isinstance(a, Scale) and a.mode in ("per_sensor", "per_window")}
    if cancelled and any(isinstance(part, StackedRNN) for part in encoder.modules()):
        warnings.warn(
            f"augmentation scale, mode {' and '.join(sorted(cancelled))}, has no effect: the input norm of stacked_rnn "
            "takes one factor off each sensor; use mode per_channel or per_step",
            UserWarning,
            stacklevel=2,
        )
