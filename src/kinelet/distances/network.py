"""The network that rebuilds one window from another."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from kinelet.distances.align import prepare, restore
from kinelet.distances.config import MotifConfig, check_channels
from kinelet.errors import SpecMismatchError
from kinelet.functional.attention import attention_weights
from kinelet.functional.dropout import dropout
from kinelet.signal.spec import SignalSpec

VARIANCE_FLOOR = 1e-5
SCALE_FLOOR = 1e-10


class MotifNetwork(nn.Module):
    """Rebuilds an anchor from a candidate by attention over the candidate's samples.

    Attributes:
        spec: The signal it expects; the distance depends on rate and unit.
        config: Its shape, attention and options.
        card: Facts that travel with the weights.
        name: ``motif``.

    Source: Xu et al. 2024 (RelCon), arXiv 2411.18822, section 3.1. The convolutions follow REBAR, arXiv 2311.00519.
    """

    name = "motif"

    def __init__(self, spec: SignalSpec, config: MotifConfig | None = None) -> None:
        super().__init__()
        config = config or MotifConfig()
        check_channels(config.options, spec.units)
        self.spec, self.config = spec, config
        self.card: dict[str, Any] = {}
        channels = len(spec.channels)
        self.norm = Rescale(channels)
        self.query = Stack(channels, config, stride=1)
        self.key = Stack(channels, config, stride=config.stride)
        self.value = Stack(channels, config, stride=config.stride)
        self.out = nn.Linear(config.width, channels)

    def forward(self, anchor: Tensor, candidate: Tensor) -> Tensor:
        """Rebuild each anchor from the candidate of the same row.

        Args:
            anchor: ``(batch, channel, time)``.
            candidate: ``(batch, channel, time)``.

        Returns:
            ``(batch, channel, time)`` in the frame and units of the anchors as they came, whatever the options.
        """
        prepared = prepare(anchor, self.config.options)
        y = self.rebuild(prepared.x, prepare(candidate, self.config.options).x)
        return restore(y, prepared)

    def rebuild(self, anchor: Tensor, candidate: Tensor, attention: str | None = None) -> Tensor:
        """Like :meth:`forward`, on windows that are prepared: what comes out is to be compared with ``anchor``."""
        mean, sd = statistics(candidate, self.config.options.scale)
        scale, shift = self.norm.scale, self.norm.shift
        query = self.query.rescaled((anchor - mean) / sd, scale, shift)
        normal = (candidate - mean) / sd
        key, value = (stack.rescaled(normal, scale, shift) for stack in (self.key, self.value))
        scores = (query * self.config.width**-0.5).mT @ key
        weights = attention_weights(scores, attention or self.config.attention)
        weights = dropout(weights, self.config.dropout, self.training)
        # The output map before mixing: three axes are mixed instead of all features, and the same comes out.
        mixed = (weights @ functional.linear(value.mT, self.out.weight) + self.out.bias).mT
        return self.norm.undo(mixed, mean, sd)

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise unless ``shape`` is a batch of windows of this network.

        Raises:
            SpecMismatchError: naming what was given and what is expected.
        """
        if len(shape) != 3 or shape[1] != len(self.spec.channels) or shape[2] < 2:
            raise SpecMismatchError(
                f"windows have shape {tuple(shape)} but (batch, {len(self.spec.channels)}, time >= 2) is expected",
                where="motif network",
            )


@torch.no_grad()
def statistics(candidate: Tensor, scale: str) -> tuple[Tensor, Tensor]:
    """What both windows of a pair are normalised with.

    Args:
        candidate: ``(batch, channel, time)``.
        scale: ``axis``: a standard deviation for each axis; ``isotropic``: one over all axes; ``none``: nothing is
            normalised, the mean is 0 and the standard deviation 1.

    Returns:
        Mean and standard deviation over time, ``(batch, channel, 1)`` each.
    """
    var, mean = torch.var_mean(candidate, dim=-1, correction=0, keepdim=True)
    if scale == "none":
        return torch.zeros_like(mean), torch.ones_like(mean)
    if scale == "isotropic":
        var = var.mean(dim=1, keepdim=True).expand_as(mean)
    return mean, (var + VARIANCE_FLOOR).sqrt()


class Rescale(nn.Module):
    """Normalise by given statistics, then a learned scale and shift per channel; and back.

    Source: Kim et al. 2022 (RevIN), with the candidate's statistics as in arXiv 2411.18822, section 3.1.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, mean: Tensor, sd: Tensor) -> Tensor:
        """Normalise ``x`` ``(batch, channel, time)``; statistics are ``(batch, channel, 1)``."""
        return self.scale[:, None] * ((x - mean) / sd) + self.shift[:, None]

    def undo(self, x: Tensor, mean: Tensor, sd: Tensor) -> Tensor:
        """Take ``x`` ``(batch, channel, time)`` back to the units that the statistics are in."""
        return (x - self.shift[:, None]) / (self.scale[:, None] + SCALE_FLOOR) * sd + mean


class Stack(nn.Module):
    """Features of a window at each of its samples, each with mean 0 and variance 1 over time."""

    def __init__(self, channels: int, config: MotifConfig, stride: int) -> None:
        super().__init__()
        self.stem = Stem(channels, config.width, config.kernel)
        last = config.blocks - 1
        self.blocks = nn.ModuleList(
            Block(config.width, config.inner, config.kernel, 2**b, stride if b == last else 1)
            for b in range(config.blocks)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, channel, time)`` to ``(batch, width, ceil(time / stride))``."""
        return self.after_stem(self.stem(x))

    def rescaled(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """What :meth:`forward` gives for ``scale * x + shift``, each ``(channel,)``."""
        return self.after_stem(self.stem.rescaled(x, scale, shift))

    def after_stem(self, x: Tensor) -> Tensor:
        """The rest of the stack, from what the first convolution gave ``(batch, width, time)``."""
        x = settle(x)
        for block in self.blocks:
            x = block(x)
        return x


class Stem(nn.Module):
    """A convolution whose sums are enlarged where the kernel hangs over the edge.

    Source: Liu et al. 2018 (partial convolution), arXiv 1804.07723, with nothing but the edges masked.
    """

    def __init__(self, channels: int, width: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, width, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, channel, time)`` to ``(batch, width, time)``."""
        kernel = self.conv.kernel_size[0]
        sums = functional.conv1d(x, self.conv.weight, padding=kernel // 2)
        bias = self.conv.bias
        assert bias is not None
        return self.enlarge(sums) + bias[:, None]

    def rescaled(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """What :meth:`forward` gives for ``scale * x + shift``.

        The weights are scaled instead of the windows, and what the shift adds is the same for all windows: gradients
        for scale and shift then come from those of the weights, and none is sent through the convolution to windows
        that need none.
        """
        weight, bias, kernel = self.conv.weight, self.conv.bias, self.conv.kernel_size[0]
        assert bias is not None
        sums = functional.conv1d(x, weight * scale[:, None], padding=kernel // 2)
        constant = (weight * shift[:, None]).sum(dim=1) @ taps_inside(x.shape[-1], kernel, x)
        return self.enlarge(sums + constant) + bias[:, None]

    def enlarge(self, sums: Tensor) -> Tensor:
        """Multiply sums ``(…, time)`` by the kernel's length over the taps that lay inside the window."""
        return sums * edge_ratio(sums.shape[-1], self.conv.kernel_size[0], sums)


class Block(nn.Module):
    """Residual block with a narrow middle."""

    def __init__(self, width: int, inner: int, kernel: int, dilation: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.reduce = nn.Conv1d(width, inner, 1)
        self.conv = nn.Conv1d(inner, width, kernel, stride, dilation * (kernel // 2), dilation)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, width, time)`` to ``(batch, width, ceil(time / stride))``."""
        kept: Tensor = x if self.stride == 1 else x[:, :, :: self.stride]
        return settle(kept + self.conv(self.reduce(x)))


def settle(x: Tensor) -> Tensor:
    """GELU, then mean 0 and variance 1 over time: ``(batch, width, time)`` to the same shape."""
    x = functional.gelu(x)
    # Over the last dimension alone this is the instance norm, by a faster kernel.
    return functional.layer_norm(x, x.shape[-1:], eps=VARIANCE_FLOOR)


def edge_ratio(samples: int, kernel: int, like: Tensor) -> Tensor:
    """Kernel length over the taps that lie inside a window: ``(time,)``, 1 but at the edges."""
    return kernel / taps_inside(samples, kernel, like).sum(dim=0)


def taps_inside(samples: int, kernel: int, like: Tensor) -> Tensor:
    """Which taps lie inside a window at each of its samples: ones and zeros ``(kernel, time)``."""
    tap, t = torch.arange(kernel, device=like.device), torch.arange(samples, device=like.device)
    place = t + tap[:, None] - kernel // 2
    return ((place >= 0) & (place < samples)).to(like.dtype)
