"""A transformer over patches of time."""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from kinelet.config import FrozenModel
from kinelet.encoders.base import TokenEncoder
from kinelet.functional.attention import attend
from kinelet.signal.spec import SignalSpec


class PatchTransformerConfig(FrozenModel):
    """Configuration of :class:`PatchTransformer`.

    Attributes:
        patch: Samples in a patch (all channels together).
        width: Width of the tokens and of the embedding.
        depth: Layers.
        heads: Attention heads; they divide ``width``.
        mlp_ratio: Width of the hidden layer of each MLP over ``width``.
        positions: ``sinusoidal`` works for any length as it is; ``learned`` positions are interpolated linearly
            where a window has another number of patches than ``learned_patches``.
        learned_patches: Learned positions kept.
    """

    patch: int = Field(default=10, ge=1, le=1000)
    width: int = Field(default=128, ge=8, le=1024, multiple_of=2)
    depth: int = Field(default=4, ge=1, le=24)
    heads: int = Field(default=4, ge=1, le=32)
    mlp_ratio: int = Field(default=4, ge=1, le=8)
    positions: Literal["sinusoidal", "learned"] = "sinusoidal"
    learned_patches: int = Field(default=25, ge=1, le=4096)

    @model_validator(mode="after")
    def _heads_divide(self) -> PatchTransformerConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not divisible by heads {self.heads}")
        return self


class AttentionLayer(nn.Module):
    """Pre-norm self-attention and MLP, each with a residual connection; no dropout."""

    def __init__(self, width: int, heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, mlp_ratio * width), nn.GELU(), nn.Linear(mlp_ratio * width, width))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Mix tokens ``(batch, token, width)``.

        Args:
            x: Tokens.
            mask: Which may be looked at, bool, to be spread over ``(batch, head, token, token)``; ``None``: all.
        """
        parts = self.qkv(self.norm1(x)).chunk(3, dim=-1)
        q, k, v = (p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in parts)
        mixed = attend(q, k, v, mask).transpose(1, 2).flatten(2)
        x = x + self.out(mixed)
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class PatchTransformer(TokenEncoder):
    """Patches of all channels as tokens, position codes, pre-norm transformer layers, mean over tokens.

    A window whose length is no multiple of the patch is continued by repeating its last sample, so that every sample
    counts.

    Source: Dosovitskiy et al. 2021, arXiv 2010.11929, in one dimension; positions of Vaswani et al. 2017,
    arXiv 1706.03762, section 3.5.
    """

    def __init__(self, spec: SignalSpec, config: PatchTransformerConfig) -> None:
        super().__init__(spec, dim=config.width, config=config.model_dump(mode="json"))
        self.patch, self.feature_dim, self.min_samples = config.patch, config.width, config.patch
        self.embed_patch = nn.Conv1d(len(spec.channels), config.width, config.patch, config.patch)
        layers = [AttentionLayer(config.width, config.heads, config.mlp_ratio) for _ in range(config.depth)]
        self.layers, self.norm = nn.ModuleList(layers), nn.LayerNorm(config.width)
        learned = config.positions == "learned"
        self.positions = nn.Parameter(0.02 * torch.randn(config.learned_patches, config.width)) if learned else None

    def tokenise(self, x: Tensor) -> Tensor:
        """Map windows ``(batch, channel, time)`` to tokens ``(batch, ceil(time / patch), width)`` without positions."""
        self.check_input(tuple(x.shape))
        missing = -x.shape[2] % self.patch
        padded = functional.pad(x, (0, missing), mode="replicate") if missing else x
        return self.embed_patch(padded).transpose(1, 2)  # type: ignore[no-any-return]

    def mix(self, tokens: Tensor) -> Tensor:
        """Add positions to tokens ``(batch, token, width)`` and run the layers and the last norm."""
        x = tokens + self._positions(tokens.shape[1], tokens)
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)  # type: ignore[no-any-return]

    def _positions(self, count: int, like: Tensor) -> Tensor:
        if self.positions is None:
            return sinusoids(count, self.feature_dim).to(like.device, like.dtype)
        if count == len(self.positions):
            return self.positions
        table = self.positions.T[None]
        return functional.interpolate(table, size=count, mode="linear", align_corners=True)[0].T


def sinusoids(count: int, width: int) -> Tensor:
    """Sine (even columns) and cosine (odd columns) position codes ``(count, width)`` of arXiv 1706.03762.

    >>> sinusoids(2, 2)[0]
    tensor([0., 1.])
    """
    frequency = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    angle = torch.arange(count)[:, None] * frequency
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
