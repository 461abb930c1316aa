"""Parts that the convolutional encoders share: norms, the residual block, pooling over time."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from kinelet.signal.spec import SignalSpec

NormName = Literal["batch", "group", "layer"]
PoolName = Literal["mean", "max", "mean_max", "mean_std", "mean_max_std"]

_GROUPS = 8


def make_norm(name: NormName, channels: int) -> nn.Module:
    """Affine norm of ``(batch, channels, time)``; all kinds have ``2 * channels`` parameters.

    ``batch`` uses statistics of the batch, the others those of each window alone: ``group`` over eight groups of
    channels (fewer where they do not divide), ``layer`` over all channels and times.
    """
    if name == "batch":
        return BatchNorm(channels)
    groups = max(g for g in range(1, _GROUPS + 1) if channels % g == 0) if name == "group" else 1
    return nn.GroupNorm(groups, channels)


def channels_last(x: Tensor) -> Tensor:
    """Lay ``(batch, channel, time)`` out as ``(batch, channel, 1, time)`` with a sample's channels side by side.

    Convolutions and norms are faster on that, values equal to rounding. The blocks of this module take either.
    """
    return x.unsqueeze(2).contiguous(memory_format=torch.channels_last)


class BatchNorm(nn.BatchNorm1d):
    """Batch norm of ``(batch, channel, time)`` or of :func:`channels_last`."""

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim not in (3, 4):
            raise ValueError(f"expected 3 or 4 dimensions, got {input.ndim}")


class TimeConv1d(nn.Conv1d):
    """Convolution over time of ``(batch, width_in, time)`` or of :func:`channels_last`."""

    def forward(self, x: Tensor) -> Tensor:
        """Map to ``(batch, width, time)``, or its channels-last form."""
        if x.ndim == 3:
            return super().forward(x)
        padding = (0, int(self.padding[0]))
        return functional.conv2d(x, self.weight.unsqueeze(2), self.bias, (1, *self.stride), padding)


class SameConv1d(TimeConv1d):
    """Convolution that gives ``ceil(time / stride)`` samples; an even kernel pads one more on the right.

    Torch's own ``padding="same"`` pads alike but knows no stride and warns about even kernels.
    """

    def __init__(self, width_in: int, width: int, kernel: int, stride: int = 1) -> None:
        super().__init__(width_in, width, kernel, stride, padding=(kernel - 1) // 2)
        self.extra = (kernel + 1) % 2

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, width_in, time)`` to ``(batch, width, ceil(time / stride))``."""
        return super().forward(functional.pad(x, (0, 1)) if self.extra else x)

    def mean(self, x: Tensor) -> Tensor:
        """Mean over time of what :meth:`forward` gives ``(batch, width)``, from sums of its input alone; stride 1.

        Each tap sees all samples but the few that it pushes over an edge.
        """
        left, length, total = int(self.padding[0]), x.shape[-1], x.sum(dim=-1)
        seen = []
        for shift in range(-left, self.kernel_size[0] - left):
            lost = x[..., :shift] if shift > 0 else x[..., length + shift :]
            seen.append(total - lost.sum(dim=-1) if shift else total)
        sums = torch.stack(seen, dim=-1).flatten(1) / length
        return functional.linear(sums, self.weight.flatten(1), self.bias)


class ResidualBlock(nn.Module):
    """Pre-activation block: norm, ReLU, conv, norm, ReLU, conv, plus a shortcut of the raw input.

    The shortcut is the identity, or a 1×1 convolution where width or stride change.

    Source: He et al. 2016, arXiv 1603.05027, with the shortcut on the block's raw input as in RelCon's encoder.
    """

    def __init__(self, width_in: int, width: int, kernel: int, norm: NormName, stride: int = 1) -> None:
        super().__init__()
        self.norm1 = make_norm(norm, width_in)
        self.conv1 = SameConv1d(width_in, width, kernel, stride)
        self.norm2 = make_norm(norm, width)
        self.conv2 = SameConv1d(width, width, kernel)
        reshape = stride != 1 or width_in != width
        self.skip = TimeConv1d(width_in, width, 1, stride) if reshape else None

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, width_in, time)`` to ``(batch, width, ceil(time / stride))``; see :func:`channels_last`."""
        return self.conv2(self._inner(x)) + self._shortcut(x)  # type: ignore[no-any-return]

    def mean(self, x: Tensor) -> Tensor:
        """Mean over time of what :meth:`forward` gives, ``(batch, width)``, without the second convolution."""
        return self.conv2.mean(self._inner(x)) + self._shortcut(x).mean(dim=-1).flatten(1)

    def _inner(self, x: Tensor) -> Tensor:
        y = self.conv1(functional.relu(self.norm1(x)))
        return functional.relu(self.norm2(y))

    def _shortcut(self, x: Tensor) -> Tensor:
        return x if self.skip is None else self.skip(x)


class Magnitudes(nn.Module):
    """Append the length of each sensor's vector to the channels: what no rotation of the sensor changes.

    Sensors are found by name (``acc_x acc_y acc_z``, …). An acceleration with gravity in it has 1 g taken off, so
    that a sensor at rest reads 0.

    Attributes:
        count: How many channels are added.
    """

    def __init__(self, spec: SignalSpec) -> None:
        super().__init__()
        names = spec.channels
        stems = [n[:-2] for n in names if n.endswith("_x") and {f"{n[:-2]}_y", f"{n[:-2]}_z"} <= set(names)]
        self.sensors = [tuple(names.index(f"{stem}_{axis}") for axis in "xyz") for stem in stems]
        self.rest = [1.0 if stem == "acc" and spec.gravity else 0.0 for stem in stems]
        self.count = len(stems)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, channel, time)`` to ``(batch, channel + count, time)``."""
        lengths = [_length(x, axes) - rest for axes, rest in zip(self.sensors, self.rest, strict=True)]
        return torch.cat([x, *lengths], dim=1)


def _length(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    # The floor keeps the gradient finite where all axes are zero.
    squares = sum((x[:, a : a + 1].square() for a in axes), torch.full((), 1e-12, device=x.device))
    return squares.sqrt()


def pool_time(x: Tensor, pool: PoolName) -> Tensor:
    """Summarise ``(batch, channel, time)`` over time as ``(batch, channel * n)``, n the statistics in ``pool``.

    >>> pool_time(torch.tensor([[[1.0, 3.0]]]), "mean_max")
    tensor([[2., 3.]])
    """
    return torch.cat([_STATISTICS[name](x) for name in pool.split("_")], dim=1)


def pool_width(pool: PoolName) -> int:
    """How many statistics ``pool`` concatenates."""
    return len(pool.split("_"))


def _std(x: Tensor) -> Tensor:
    # The floor keeps the gradient finite where a channel is constant over the window.
    return (x.var(dim=2, unbiased=False) + 1e-5).sqrt()


_STATISTICS = {"mean": lambda x: x.mean(dim=2), "max": lambda x: x.amax(dim=2), "std": _std}
