"""Attention by whichever way is quick is attention."""

from __future__ import annotations

import math

import pytest
import torch

from kinelet.functional.attention import attend


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_against_a_loop(dtype: torch.dtype, masked: bool) -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 5, 4, requires_grad=True) for _ in range(3))
    mask = torch.rand(2, 5, 5) < 0.7 if masked else None
    if mask is not None:
        mask[..., 0] = True
    expected = torch.zeros(2, 5, 4)
    for b in range(2):
        for i in range(5):
            keys = [j for j in range(5) if mask is None or mask[b, i, j]]
            scores = [math.exp(float(q[b, i] @ k[b, j]) / 2) for j in keys]
            for j, score in zip(keys, scores, strict=True):
                expected[b, i] += score / sum(scores) * v[b, j].detach()
    got = attend(q.to(dtype), k.to(dtype), v.to(dtype), mask)
    assert got.dtype == dtype
    torch.testing.assert_close(got.float(), expected, rtol=0, atol=1e-5 if dtype == torch.float32 else 2e-2)


def test_gradients_of_both_ways_agree() -> None:
    torch.manual_seed(0)
    tensors = [torch.randn(2, 3, 7, 4, requires_grad=True) for _ in range(3)]
    grads = []
    for dtype in (torch.float32, torch.bfloat16):
        out = attend(*(t.to(dtype) for t in tensors)).float().square().sum()
        grads.append(torch.autograd.grad(out, tensors))
    for full, half in zip(*grads, strict=True):
        torch.testing.assert_close(half, full, rtol=0.1, atol=0.1)
