"""The convolutional and recurrent network from an image to a code."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from kinelet.config import FrozenModel

Norm = Literal["layer", "batch"]
STEPS = 40
"""Steps along the spectrum that are enough unless told otherwise."""


class ConvGRUOptions(FrozenModel):
    """What the network is made of.

    Attributes:
        width: Channels of the convolutions.
        stride: Bins that the first convolution steps over; its kernel is as wide, three at least. None: 1, and a
            fortieth of the bins where that is more.
        convolutions: Residual convolutions after the first.
        merged: Channels of an interval once its bins are merged.
        hidden: Units of each direction of the recurrent network; the code is twice as wide.
        layers: Of the recurrent network.
        dropout: Share of channels dropped after each residual convolution in training.
        norm: After each convolution. ``layer``: over the channels of each cell, the same in training and after it,
            whatever is hidden elsewhere. ``batch``: as published; what it learns of images with hidden patches does
            not fit whole ones.
    """

    width: int = Field(default=32, ge=1, le=1024)
    stride: int | None = Field(default=None, ge=1, le=1024)
    convolutions: int = Field(default=4, ge=0, le=16)
    merged: int = Field(default=64, ge=1, le=4096)
    hidden: int = Field(default=64, ge=1, le=4096)
    layers: int = Field(default=2, ge=1, le=8)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    norm: Norm = "layer"


class CellNorm(nn.LayerNorm):
    """Layer norm over the channels of each cell: no cell knows of another, hidden or not."""

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, width, interval, bin)`` to the same shape."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def _norm(name: Norm, width: int) -> nn.Module:
    return CellNorm(width) if name == "layer" else nn.BatchNorm2d(width)


class SpectrumBlock(nn.Module):
    """Convolution over the bins of each interval, norm, GELU, whole channels dropped; with a residual."""

    def __init__(self, width: int, p: float, norm: Norm = "layer") -> None:
        super().__init__()
        self.conv, self.norm, self.p = nn.Conv2d(width, width, (1, 3), padding=(0, 1)), _norm(norm, width), p

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, width, interval, bin)`` to the same shape."""
        return x + functional.dropout2d(functional.gelu(self.norm(self.conv(x))), self.p, self.training)


class ConvGRUTrunk(nn.Module):
    """Convolutions over the spectrum of each interval, then a GRU over intervals in both directions.

    Args:
        planes: Of the image.
        bins: Of the image.
        options: What it is made of.

    Source: DeepSense, Yao et al. 2017, arXiv 1611.01942, as FOCAL, arXiv 2310.20071, uses it.
    """

    def __init__(self, planes: int, bins: int, options: ConvGRUOptions) -> None:
        super().__init__()
        stride = options.stride or max(1, bins // STEPS)
        width, kernel = options.width, max(3, stride)
        # As many bins on both sides as let no bin go unseen.
        self.steps = -(-bins // stride)
        self.short = max(0, (self.steps - 1) * stride + kernel - bins)
        self.hidden = nn.Parameter(torch.zeros(planes))
        self.first = nn.Conv2d(planes, width, (1, kernel), (1, stride))
        self.norm = _norm(options.norm, width)
        self.blocks = nn.ModuleList(
            SpectrumBlock(width, options.dropout, options.norm) for _ in range(options.convolutions)
        )
        self.merge = nn.Linear(width * self.steps, options.merged)
        sizes = (options.merged, options.hidden, options.layers)
        self.gru = nn.GRU(*sizes, batch_first=True, bidirectional=True)

    def forward(self, image: Tensor, keep: Tensor | None = None) -> Tensor:
        """Map images ``(batch, plane, interval, bin)`` to states ``(batch, interval, 2 * hidden)``.

        Args:
            image: What is looked at.
            keep: Cells that may be seen, ``(batch, interval, bin)`` bool; None: all.
        """
        x = functional.pad(self._seen(image, keep), (self.short // 2, self.short - self.short // 2))
        x = functional.gelu(self.norm(self.first(x)))
        for block in self.blocks:
            x = block(x)
        merged = functional.gelu(self.merge(x.transpose(1, 2).flatten(2)))
        return self.gru(merged)[0]  # type: ignore[no-any-return]

    def _seen(self, image: Tensor, keep: Tensor | None) -> Tensor:
        """The image with the learned value of its plane in each cell that may not be seen."""
        if keep is None:
            keep = torch.ones(1, *image.shape[2:], dtype=torch.bool, device=image.device)
        return torch.where(keep[:, None], image, self.hidden.to(image.dtype)[:, None, None])
