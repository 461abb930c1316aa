"""Parts of the Swin-like encoder: shifted window attention that sees no padding, and patch merging."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kinelet.encoders.swin_windows import MERGED, Field, Pair, Windows
from kinelet.functional.dropout import dropout


class WindowAttention(nn.Module):
    """Self-attention within windows, with a learned bias for each relative position and head.

    Source: Liu et al. 2021, arXiv 2103.14030, section 3.2.
    """

    index: Tensor

    def __init__(self, width: int, heads: int, window: Pair, p_weights: float, p_out: float) -> None:
        super().__init__()
        self.heads, self.p_weights, self.p_out = heads, p_weights, p_out
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.bias = nn.Parameter(torch.empty((2 * window[0] - 1) * (2 * window[1] - 1), heads))
        nn.init.trunc_normal_(self.bias, std=0.02)
        self.register_buffer("index", _relative(window), persistent=False)

    def forward(self, x: Tensor, allowed: Tensor | None) -> Tensor:
        """Mix tokens ``(batch, window, token, width)``; ``allowed`` as in :meth:`Windows.allowed`."""
        parts: Tensor = self.qkv(x)
        q, k, v = parts.reshape(*x.shape[:3], 3, self.heads, -1).permute(3, 0, 1, 4, 2, 5)
        weights = dropout(self.weights(q, k, allowed), self.p_weights, self.training)
        mixed = (weights @ v).transpose(2, 3).flatten(3)
        return dropout(self.out(mixed), self.p_out, self.training)

    def weights(self, q: Tensor, k: Tensor, allowed: Tensor | None) -> Tensor:
        """Weights ``(batch, window, head, token, token)`` from queries and keys ``(batch, window, head, token, d)``.

        A weight that is not allowed is 0 to the bit; a token that may look at nothing has all weights 0.
        """
        bias = self.bias[self.index].permute(2, 0, 1)
        scores: Tensor = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1) + bias
        if allowed is None:
            return scores.softmax(dim=-1)
        hidden = ~allowed[:, None]
        lowest = torch.finfo(scores.dtype).min
        return scores.masked_fill(hidden, lowest).softmax(dim=-1).masked_fill(hidden, 0.0)


def _relative(window: Pair) -> Tensor:
    """Number of the relative position of each pair of tokens in a window, ``(token, token)``."""
    row, col = torch.meshgrid(torch.arange(window[0]), torch.arange(window[1]), indexing="ij")
    row, col = row.flatten(), col.flatten()
    down = row[:, None] - row[None] + window[0] - 1
    right = col[:, None] - col[None] + window[1] - 1
    return down * (2 * window[1] - 1) + right


@dataclass(frozen=True)
class Drops:
    """Shares that are dropped in training.

    Attributes:
        tokens: Of what attention and MLP give.
        weights: Of the weights of attention.
        paths: Of windows that skip a residual branch.
    """

    tokens: float = 0.0
    weights: float = 0.0
    paths: float = 0.0


class SwinBlock(nn.Module):
    """Pre-norm window attention and MLP, each with a residual connection."""

    def __init__(self, width: int, heads: int, mlp_ratio: int, window: Pair, shifted: bool, drops: Drops) -> None:
        super().__init__()
        self.window, self.shifted, self.drops = window, shifted, drops
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = WindowAttention(width, heads, window, drops.weights, drops.tokens)
        self.widen, self.narrow = nn.Linear(width, mlp_ratio * width), nn.Linear(mlp_ratio * width, width)

    def forward(self, x: Tensor, field: Field) -> Tensor:
        """Mix tokens ``(batch, row * col, width)`` of a field."""
        windows = Windows.of(field, self.window, self.shifted)
        mixed = self.attention(windows.cut(self.norm1(x)), windows.allowed(x.device))
        x = x + self._path(windows.join(mixed))
        return x + self._path(self._mlp(self.norm2(x)))

    def _mlp(self, x: Tensor) -> Tensor:
        y = dropout(nn.functional.gelu(self.widen(x)), self.drops.tokens, self.training)
        return dropout(self.narrow(y), self.drops.tokens, self.training)

    def _path(self, x: Tensor) -> Tensor:
        p = self.drops.paths
        if not self.training or p == 0:
            return x
        kept = torch.rand(len(x), 1, 1, device=x.device) >= p
        return x * kept / (1 - p)


class Merging(nn.Module):
    """Two by two tokens become one of twice the width; padding counts as 0."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(MERGED * MERGED * width)
        self.reduce = nn.Linear(MERGED * MERGED * width, 2 * width, bias=False)

    def forward(self, x: Tensor, field: Field) -> Tensor:
        """Map tokens ``(batch, row * col, width)`` to ``(batch, row * col / 4, 2 * width)``."""
        down, across, width = field.rows // MERGED, field.cols // MERGED, x.shape[2]
        x = without_padding(x, field).reshape(-1, down, MERGED, across, MERGED, width).transpose(2, 3)
        four = x.reshape(-1, down * across, MERGED * MERGED * width)
        return self.reduce(self.norm(four))  # type: ignore[no-any-return]


def without_padding(x: Tensor, field: Field) -> Tensor:
    """Tokens ``(batch, row * col, width)`` with 0 where there is padding."""
    return x.masked_fill(~field.valid(x.device)[:, None], 0.0) if field.padded else x
