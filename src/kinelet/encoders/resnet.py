"""One-dimensional residual networks: RelCon's encoder and a small one for laptops."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from kinelet.config import FrozenModel
from kinelet.encoders.base import DenseEncoder
from kinelet.encoders.blocks import (
    Magnitudes,
    NormName,
    PoolName,
    ResidualBlock,
    TimeConv1d,
    channels_last,
    make_norm,
    pool_time,
    pool_width,
)
from kinelet.signal.spec import SignalSpec

Width = Annotated[int, Field(ge=1, le=1024)]

Stage = tuple[Annotated[int, Field(ge=1, le=100)], Width, Annotated[int, Field(ge=1, le=31)]]

_STAGES_34: tuple[Stage, ...] = ((3, 64, 3), (4, 128, 4), (6, 256, 4))


class ResNet1d34Config(FrozenModel):
    """Configuration of :class:`ResNet1d34`.

    Attributes:
        norm: ``batch`` as published; ``group`` and ``layer`` do not depend on the batch.
        stem_width: Channels of the first convolution.
        stages: Blocks, width and kernel of each stage; the last width is the embedding's. Others than the published
            ones are there for checkpoints of networks that somebody trained so.
    """

    norm: NormName = "batch"
    stem_width: Width = 64
    stages: tuple[Stage, ...] = Field(default=_STAGES_34, min_length=1, max_length=64)


class Stem(nn.Module):
    """First convolution, norm, ReLU."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int, padding: int, norm: NormName) -> None:
        super().__init__()
        self.conv = TimeConv1d(channels, width, kernel, stride, padding)
        self.norm = make_norm(norm, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, channel, time)`` to ``(batch, width, step)``."""
        return functional.relu(self.norm(self.conv(x)))


class ResNet1d34(DenseEncoder):
    """The first three stages of a pre-activation ResNet-34 over time; 3,635,840 parameters for three channels.

    Stem of kernel 7 and stride 2 without padding, max-pool 3 by 2, then 3 blocks of width 64 and kernel 3, 4 of
    width 128 and 6 of width 256, both with kernel 4; the mean over time is the embedding (256 wide). There is no
    input norm: the signal's own units matter.

    Source: Xu et al., RelCon, arXiv 2411.18822, section 4.2, layer by layer as in its public configuration.
    """

    min_samples = 11

    def __init__(self, spec: SignalSpec, config: ResNet1d34Config) -> None:
        super().__init__(spec, dim=config.stages[-1][1], config=config.model_dump(mode="json"))
        self.feature_dim = self.dim
        self.stem = Stem(len(spec.channels), config.stem_width, kernel=7, stride=2, padding=0, norm=config.norm)
        blocks, before = [], config.stem_width
        for count, width, kernel in config.stages:
            for _ in range(count):
                blocks.append(ResidualBlock(before, width, kernel, config.norm))
                before = width
        self.blocks = nn.ModuleList(blocks)

    def features(self, x: Tensor) -> Tensor:
        """Map ``(batch, channel, time)`` to ``(batch, 256, step)``; 62 steps for 256 samples."""
        return self.blocks[-1](self._before_last(x)).squeeze(2)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        """Encode windows ``(batch, channel, time)`` into ``(batch, 256)``: the mean over time of the features."""
        last = self.blocks[-1]
        assert isinstance(last, ResidualBlock)
        return last.mean(self._before_last(x))

    def _before_last(self, x: Tensor) -> Tensor:
        """What goes into the last block, ``(batch, 256, 1, step)``."""
        self.check_input(tuple(x.shape))
        y: Tensor = functional.max_pool2d(self.stem(channels_last(x)), (1, 3), stride=(1, 2))
        for block in self.blocks[:-1]:
            y = block(y)
        return y


class ResNet1dSmallConfig(FrozenModel):
    """Configuration of :class:`ResNet1dSmall`.

    Attributes:
        widths: Channels of each stage; every stage after the first halves the time axis.
        blocks: Residual blocks a stage.
        kernel: Taps of the convolutions in the blocks, odd.
        stem_kernel: Taps of the first convolution, odd.
        stem_stride: Its stride.
        norm: ``batch``, ``group`` or ``layer``.
        magnitude: Append the length of each sensor's vector to the input.
        pool: Statistics over time that make up the embedding.
        stages: Pool the ``last`` stage only, or ``all`` of them side by side.
    """

    widths: tuple[Width, ...] = Field(default=(32, 64, 128), min_length=1, max_length=6)
    blocks: int = Field(default=1, ge=1, le=8)
    kernel: Literal[3, 5, 7, 9] = 5
    stem_kernel: Literal[3, 5, 7, 9, 11, 15] = 7
    stem_stride: int = Field(default=2, ge=1, le=4)
    norm: NormName = "batch"
    magnitude: bool = True
    pool: PoolName = "mean_max_std"
    stages: Literal["last", "all"] = "all"


class ResNet1dSmall(DenseEncoder):
    """A narrow pre-activation residual network whose embedding pools several statistics over time.

    Built for a laptop: under 0.5 M parameters and a few milliseconds for a hundred windows. Means, maxima and
    standard deviations of early and late stages are kept side by side, since intensity and posture, which
    classifiers of activity live on, are gone from the mean of the last stage alone.

    Source: block of He et al. 2016, arXiv 1603.05027; the sizes are kinelet's own.
    """

    min_samples = 16

    def __init__(self, spec: SignalSpec, config: ResNet1dSmallConfig) -> None:
        kept = config.widths if config.stages == "all" else config.widths[-1:]
        super().__init__(spec, dim=sum(kept) * pool_width(config.pool), config=config.model_dump(mode="json"))
        self.pool_name: PoolName = config.pool
        self.pool_all = config.stages == "all"
        self.feature_dim = sum(kept)
        kernel, stride = config.stem_kernel, config.stem_stride
        self.magnitudes = Magnitudes(spec) if config.magnitude else None
        channels = len(spec.channels) + (self.magnitudes.count if self.magnitudes else 0)
        self.stem = Stem(channels, config.widths[0], kernel, stride, kernel // 2, config.norm)
        stages, norms, before = [], [], config.widths[0]
        for i, width in enumerate(config.widths):
            first = ResidualBlock(before, width, config.kernel, config.norm, stride=1 if i == 0 else 2)
            rest = [ResidualBlock(width, width, config.kernel, config.norm) for _ in range(config.blocks - 1)]
            stages.append(nn.Sequential(first, *rest))
            norms.append(
                make_norm(config.norm, width) if self.pool_all or i == len(config.widths) - 1 else nn.Identity()
            )
            before = width
        self.stages, self.norms = nn.ModuleList(stages), nn.ModuleList(norms)

    def _maps(self, x: Tensor) -> list[Tensor]:
        """Maps of the stages that are pooled, ``(batch, width, step)`` each."""
        self.check_input(tuple(x.shape))
        y, maps = self.stem(x if self.magnitudes is None else self.magnitudes(x)), []
        for stage, norm in zip(self.stages, self.norms, strict=True):
            y = stage(y)
            maps.append(functional.relu(norm(y)))
        return maps if self.pool_all else maps[-1:]

    def features(self, x: Tensor) -> Tensor:
        """Map ``(batch, channel, time)`` to ``(batch, feature_dim, step)``: pooled stages on the finest's steps."""
        first, *others = self._maps(x)
        return torch.cat([first, *(functional.interpolate(m, size=first.shape[2]) for m in others)], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """Encode windows ``(batch, channel, time)`` into ``(batch, dim)``."""
        return torch.cat([pool_time(m, self.pool_name) for m in self._maps(x)], dim=1)
