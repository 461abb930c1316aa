# ruff: noqa: D101, D102
"""RelCon as its description reads, one step at a time: what ``relcon_step.py`` measures kinelet against.

A transcription for comparison, not for use: windows are fetched from one small file each and augmented one by one in
NumPy; the distance goes through the network one candidate column at a time, with a convolution over a mask of ones and
a multiplication by an identity matrix; anchors and candidates pass through the encoder in two calls; the loss is a loop
over anchors. Nothing of kinelet is imported, so that the two cannot share a mistake.

Source: Xu et al., RelCon, arXiv 2411.18822, and the step it describes in its public configuration.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation
from torch import Tensor, nn

Attention = Literal["softmax", "sparsemax"]
Rng = np.random.Generator


# --- windows: one file each, augmented one by one -------------------------------------------------------------------


def fetch(folder: Path, numbers: Sequence[int]) -> Tensor:
    """Windows ``(batch, channel, time)``, one file each."""
    return torch.stack([torch.from_numpy(np.load(folder / f"{i:07d}.npy")) for i in numbers])


def noise(x: np.ndarray, rng: Rng) -> np.ndarray:
    return x + rng.normal(0, 0.1, x.shape)


def scale(x: np.ndarray, rng: Rng) -> np.ndarray:
    return x * rng.normal(1, 0.25, (len(x), 1))


def rotate(x: np.ndarray, rng: Rng) -> np.ndarray:
    axis, angle = rng.uniform(-1, 1, 3), rng.uniform(-math.pi, math.pi)
    return Rotation.from_rotvec(angle * axis / np.linalg.norm(axis)).as_matrix() @ x


def negate(x: np.ndarray, rng: Rng) -> np.ndarray:
    return -x


def reverse(x: np.ndarray, rng: Rng) -> np.ndarray:
    return x[:, ::-1]


def shuffle_axes(x: np.ndarray, rng: Rng) -> np.ndarray:
    while True:
        order = rng.permutation(len(x))
        if (order != np.arange(len(x))).any():
            return x[order]


def permute_segments(x: np.ndarray, rng: Rng) -> np.ndarray:
    pieces = np.split(x, np.sort(rng.integers(0, x.shape[1], 5)), axis=1)
    return np.concatenate([pieces[i] for i in rng.permutation(len(pieces))], axis=1)


def time_warp(x: np.ndarray, rng: Rng) -> np.ndarray:
    time = np.arange(x.shape[1])
    out = np.empty_like(x)
    for axis, row in enumerate(x):
        spline = CubicSpline(np.linspace(0, time[-1], 6), rng.normal(1, 0.2, 6))
        warped = np.cumsum(spline(time))
        out[axis] = np.interp(time, time[-1] * warped / warped[-1], row)
    return out


TRANSFORMS: tuple[Callable[[np.ndarray, Rng], np.ndarray], ...] = (
    noise,
    scale,
    rotate,
    negate,
    reverse,
    shuffle_axes,
    permute_segments,
    time_warp,
)


def augment(windows: Tensor, rng: Rng) -> Tensor:
    """Two different transforms of each window, in random order."""
    out = []
    for window in windows.numpy():
        for which in rng.choice(len(TRANSFORMS), 2, replace=False):
            window = TRANSFORMS[which](window, rng)
        out.append(np.ascontiguousarray(window, dtype=np.float32))
    return torch.from_numpy(np.stack(out))


# --- stage 1: the distance network ----------------------------------------------------------------------------------


class Sparsemax(torch.autograd.Function):
    """Euclidean projection of the last axis onto the simplex (arXiv 1602.02068)."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        ordered = z.sort(dim=-1, descending=True).values
        total = ordered.cumsum(-1)
        rank = torch.arange(1, z.shape[-1] + 1, device=z.device)
        size = (1 + rank * ordered > total).sum(-1, keepdim=True)
        threshold = (total.gather(-1, size - 1) - 1) / size
        out = (z - threshold).clamp(min=0)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (out,) = ctx.saved_tensors
        support = out > 0
        mean = (gradient * support).sum(-1, keepdim=True) / support.sum(-1, keepdim=True)
        return support * (gradient - mean)


class MaskedConv(nn.Module):
    """Convolution scaled by how many taps see unmasked samples, which a second convolution counts."""

    def __init__(self, channels: int, width: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, width, kernel, padding=kernel // 2)
        self.kernel = kernel

    def forward(self, x: Tensor) -> Tensor:
        mask = torch.ones_like(x)
        taps = torch.ones_like(self.conv.weight)
        seen = F.conv1d(mask, taps, padding=self.kernel // 2)
        full = float(x.shape[1] * self.kernel)
        return F.conv1d(x * mask, self.conv.weight, padding=self.kernel // 2) * (full / seen) + self.conv.bias[:, None]


class Residual(nn.Module):
    def __init__(self, width: int, bottleneck: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.reduce = nn.Conv1d(width, bottleneck, 1)
        self.conv = nn.Conv1d(bottleneck, width, kernel, padding=dilation * (kernel // 2), dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        return F.instance_norm(F.gelu(self.conv(self.reduce(x)) + x))


class Stack(nn.Module):
    def __init__(self, channels: int, width: int, kernel: int, blocks: int) -> None:
        super().__init__()
        self.stem = MaskedConv(channels, width, kernel)
        self.blocks = nn.ModuleList(Residual(width, width // 8, kernel, 2**i) for i in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        x = F.instance_norm(F.gelu(self.stem(x)))
        for block in self.blocks:
            x = block(x)
        return x


class MotifNet(nn.Module):
    """Rebuilds the anchor from the candidate by cross-attention; 58,617 parameters for three channels."""

    def __init__(self, attention: Attention, channels: int = 3, width: int = 64, kernel: int = 15) -> None:
        super().__init__()
        self.attention, self.width = attention, width
        self.gamma, self.beta = nn.Parameter(torch.ones(channels, 1)), nn.Parameter(torch.zeros(channels, 1))
        self.query, self.key, self.value = (Stack(channels, width, kernel, blocks=2) for _ in range(3))
        self.out = nn.Linear(width, channels)

    def forward(self, anchor: Tensor, candidate: Tensor) -> Tensor:
        mean = candidate.mean(-1, keepdim=True).detach()
        sd = torch.sqrt(candidate.var(-1, keepdim=True, unbiased=False) + 1e-5).detach()
        a = (anchor - mean) / sd * self.gamma + self.beta
        c = (candidate - mean) / sd * self.gamma + self.beta
        identity = torch.eye(self.width, dtype=a.dtype).to(a.device)
        q, k, v = (
            stack(x).transpose(1, 2) @ identity for stack, x in ((self.query, a), (self.key, c), (self.value, c))
        )
        scores = q @ k.transpose(1, 2) / math.sqrt(self.width)
        weights = scores.softmax(-1) if self.attention == "softmax" else Sparsemax.apply(scores)
        y = self.out(F.dropout(weights, 0.1, self.training) @ v).transpose(1, 2)
        return (y - self.beta) / (self.gamma + 1e-10) * sd + mean

    def distance(self, anchor: Tensor, candidate: Tensor) -> Tensor:
        """Squared error summed over axes and time, ``(batch,)``; pairs are rows."""
        self.eval()
        with torch.no_grad():
            d = (self(anchor, candidate) - anchor).square().sum((1, 2))
        self.train()
        return d


def stage1_step(net: MotifNet, optimizer: torch.optim.Optimizer, windows: Tensor, rng: Rng) -> float:
    """One step on ``windows``: rebuild each from an augmented copy of itself."""
    candidate = augment(windows, rng)
    device = net.out.weight.device
    anchor, candidate = windows.to(device), candidate.to(device)
    optimizer.zero_grad()
    loss = (net(anchor, candidate) - anchor).square().sum()
    loss.backward()
    optimizer.step()
    return float(loss.detach())


# --- stage 2: the encoder -------------------------------------------------------------------------------------------


class PaddedConv(nn.Conv1d):
    """Convolution that keeps the length; an even kernel pads one more on the right."""

    def forward(self, x: Tensor) -> Tensor:
        taps = self.kernel_size[0]
        return super().forward(F.pad(x, ((taps - 1) // 2, taps // 2)))


class Block(nn.Module):
    def __init__(self, before: int, width: int, kernel: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm1d(before), PaddedConv(before, width, kernel)
        self.norm2, self.conv2 = nn.BatchNorm1d(width), PaddedConv(width, width, kernel)
        self.skip = nn.Conv1d(before, width, 1) if before != width else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.relu(self.norm1(x)))
        y = self.conv2(F.relu(self.norm2(y)))
        return y + (x if self.skip is None else self.skip(x))


class Encoder(nn.Module):
    """Pre-activation residual network, 13 blocks; 3,635,840 parameters for three channels."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.stem = nn.ModuleDict({"conv": nn.Conv1d(channels, 64, 7, stride=2), "norm": nn.BatchNorm1d(64)})
        widths = [(64, 3)] * 3 + [(128, 4)] * 4 + [(256, 4)] * 6
        before = [64, *(width for width, _ in widths)]
        self.blocks = nn.ModuleList(Block(b, width, kernel) for b, (width, kernel) in zip(before, widths, strict=False))

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool1d(F.relu(self.stem["norm"](self.stem["conv"](x))), 3, stride=2)
        for block in self.blocks:
            x = block(x)
        return x.mean(-1)


def distances(net: MotifNet, anchors: Tensor, candidates: Tensor) -> Tensor:
    """``(anchors, K + anchors - 1)``: to each anchor's own candidates, then to the anchors that follow it, in turn."""
    columns = [net.distance(anchors, candidates[:, k]) for k in range(candidates.shape[1])]
    columns += [net.distance(anchors, anchors.roll(-shift, 0)) for shift in range(1, len(anchors))]
    return torch.stack(columns, dim=1)


def ranking_loss(z: Tensor, own: Tensor, distance: Tensor, tau: float = 0.1) -> Tensor:
    """Negative log-likelihood of the order of the distances, anchor by anchor; ``own`` is ``(anchors, K, dim)``."""
    losses = []
    for i in range(len(z)):
        others = torch.cat([z[i + 1 :], z[:i]])
        others = torch.cat([own[i], others])
        similarity = F.cosine_similarity(z[i : i + 1], others) / tau
        ordered = similarity[distance[i].argsort(stable=True)]
        weight = torch.exp(ordered)
        farther = torch.flip(torch.cumsum(torch.flip(weight, [0]), 0), [0])
        losses.append(-torch.log(weight / farther).sum())
    return torch.stack(losses).mean()


def stage2_step(
    net: MotifNet, encoder: Encoder, optimizer: torch.optim.Optimizer, anchors: Tensor, candidates: Tensor
) -> float:
    """One step: ``anchors`` ``(batch, channel, time)``, ``candidates`` ``(batch, K, channel, time)``."""
    device = net.out.weight.device
    anchors, candidates = anchors.to(device), candidates.to(device)
    distance = distances(net, anchors, candidates)
    optimizer.zero_grad()
    z = encoder(anchors)
    own = encoder(candidates.flatten(0, 1)).view(*candidates.shape[:2], -1)
    loss = ranking_loss(z, own, distance)
    loss.backward()
    optimizer.step()
    return float(loss.detach())


# --- the same weights -----------------------------------------------------------------------------------------------


def fill(module: nn.Module, weights: Mapping[str, Tensor], rename: Mapping[str, str]) -> None:
    """Copy ``weights`` into ``module``; names differ by the given prefixes only, and nothing may be missing."""
    named = {}
    for name, value in weights.items():
        for theirs, ours in rename.items():
            if name == theirs or name.startswith(f"{theirs}."):
                name = ours + name[len(theirs) :]
                break
        named[name] = value
    own = module.state_dict()
    module.load_state_dict({name: value.reshape(own[name].shape) for name, value in named.items()})
