"""Rows of scores turned into weights that sum to one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from kinelet.errors import BadOptionError
from kinelet.functional.precision import full


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention of ``(…, token, width)``, in whichever way is quick here.

    In half precision on a CPU the gradient of torch's fused attention takes several times as long as that of the plain
    products (torch 2.13; 107 ms against 20 for 128 windows of 62 tokens, four heads of 16).

    Args:
        q: Queries.
        k: Keys.
        v: Values.
        mask: Which keys may be looked at, bool, to be spread over ``(…, token, token)``; ``None``: all.
    """
    if q.device.type != "cpu" or q.dtype == torch.float32 or not torch.is_grad_enabled():
        return functional.scaled_dot_product_attention(q, k, v, mask)
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    mixed: Tensor = scores.softmax(dim=-1).to(v.dtype) @ v
    return mixed


def sparsemax(z: Tensor, dim: int = -1) -> Tensor:
    """Project scores onto the simplex: like softmax, but far ones get a weight of exactly 0.

    >>> sparsemax(torch.tensor([1.0, 0.5, -1.0]))
    tensor([0.7500, 0.2500, 0.0000])

    Args:
        z: Scores of any shape.
        dim: The dimension along which the weights are to sum to one.

    Returns:
        Weights of the same shape.

    Source: Martins and Astudillo 2016, arXiv 1602.02068, algorithm 1 (value) and proposition 2 (gradient).
    """
    rows = z.movedim(dim, -1)
    weights: Tensor = _Sparsemax.apply(rows)  # type: ignore[no-untyped-call]
    return weights.movedim(-1, dim)


def attention_weights(scores: Tensor, mode: str) -> Tensor:
    """Weights over the last dimension of ``scores`` by ``softmax`` or ``sparsemax``.

    Raises:
        BadOptionError: on another mode.
    """
    if mode == "softmax":
        return scores.softmax(dim=-1)
    if mode == "sparsemax":
        return sparsemax(scores)
    raise BadOptionError(f"attention is {mode!r}", remedy="Choose softmax or sparsemax")


class _Sparsemax(torch.autograd.Function):
    """The gradient needs the weights only, so neither sort nor search is differentiated."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        # Thresholds found by search are several times faster than by sorting, but a compiler cannot trace the search.
        wide = full(z)  # in half precision the search would go in circles
        threshold = _by_sorting(wide) if torch.compiler.is_compiling() else _by_search(wide)
        weights = (wide - threshold).clamp_(min=0).to(z.dtype)
        ctx.save_for_backward(weights)
        return weights

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (weights,) = ctx.saved_tensors
        # As numbers: truth values take ten times as long to sum.
        support: Tensor = torch.sign(weights)
        inside = grad * support
        mean = inside.sum(dim=-1, keepdim=True) / support.sum(dim=-1, keepdim=True)
        return (inside - mean) * support


def _by_sorting(z: Tensor) -> Tensor:
    """Threshold of each row ``(…, 1)`` from its sorted scores."""
    ordered = z.sort(dim=-1, descending=True).values
    excess = ordered.cumsum(dim=-1) - 1
    rank = torch.arange(1, z.shape[-1] + 1, device=z.device, dtype=z.dtype)
    size = (rank * ordered > excess).sum(dim=-1, keepdim=True)
    return excess.gather(-1, size - 1) / size


def _by_search(z: Tensor) -> Tensor:
    """The same threshold by Newton steps on ``sum(max(z - t, 0)) = 1`` from below, which end after finitely many."""
    top = z.amax(dim=-1, keepdim=True)
    shifted, above = z - top, torch.empty_like(z)
    threshold, size = torch.full_like(top, -1.0), torch.zeros_like(top)
    for _ in range(z.shape[-1]):
        # As numbers, not as truth values: those take ten times as long to sum.
        torch.gt(shifted, threshold, out=above)
        count = above.sum(dim=-1, keepdim=True)
        if torch.equal(count, size):
            break
        size, threshold = count, (above.mul_(shifted).sum(dim=-1, keepdim=True) - 1) / count
    return threshold + top
