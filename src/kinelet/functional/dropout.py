"""Dropout whose random numbers cost little on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_LEVELS = 1 << 16


def dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """Like :func:`torch.nn.functional.dropout`; on a CPU, ``p`` is rounded to a multiple of 1/65536.

    There torch draws one number after the other on one core, which takes as long as a matrix product of attention;
    here each 64 random bits decide four elements.

    Args:
        x: Of any shape.
        p: Probability of an element to become 0; the others are divided by that of staying.
        training: Whether anything is dropped.
    """
    threshold = round(p * _LEVELS)
    if not training or threshold in (0, _LEVELS) or x.device.type != "cpu" or torch.compiler.is_compiling():
        return functional.dropout(x, p, training)
    return _Dropout.apply(x, threshold)  # type: ignore[no-any-return, no-untyped-call]


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, threshold: int) -> Tensor:
        ctx.gain = _LEVELS / (_LEVELS - threshold)
        bits = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(1 << 63), None)
        kept = bits.view(torch.int16)[: x.numel()].view(x.shape) >= threshold - _LEVELS // 2
        ctx.save_for_backward(kept)
        return (x * kept).mul_(ctx.gain)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (kept,) = ctx.saved_tensors
        return (grad * kept).mul_(ctx.gain), None
