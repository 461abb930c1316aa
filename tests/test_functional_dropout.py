from __future__ import annotations

import math

import pytest
import torch

from kinelet.functional.dropout import dropout


def test_nothing_is_dropped_outside_training() -> None:
    x = torch.randn(5, 7)
    assert torch.equal(dropout(x, 0.5, False), x)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_as_much_is_dropped_as_asked(p: float) -> None:
    torch.manual_seed(0)
    n = 200_000
    share = float((dropout(torch.ones(n), p, True) == 0).float().mean())
    assert abs(share - p) < 5 * math.sqrt(p * (1 - p) / n)


@pytest.mark.parametrize("place", range(4))
def test_the_four_elements_of_a_number_are_dropped_alike(place: int) -> None:
    torch.manual_seed(0)
    dropped = dropout(torch.ones(100_000, 4), 0.1, True)[:, place] == 0
    assert abs(float(dropped.float().mean()) - 0.1) < 0.005


def test_neighbours_are_dropped_independently() -> None:
    torch.manual_seed(0)
    dropped = (dropout(torch.ones(100_000, 4), 0.5, True) == 0).double()
    off_diagonal = torch.corrcoef(dropped.T) - torch.eye(4)
    assert float(off_diagonal.abs().max()) < 0.02


def test_the_mean_is_kept() -> None:
    torch.manual_seed(0)
    assert math.isclose(float(dropout(torch.ones(300_000), 0.3, True).mean()), 1.0, abs_tol=0.01)


def test_the_gradient_is_that_of_the_same_mask() -> None:
    torch.manual_seed(0)
    x = torch.randn(33, requires_grad=True)
    y = dropout(x, 0.5, True)
    y.sum().backward()
    assert x.grad is not None and torch.allclose(x.grad * x, y)


def test_the_same_seed_drops_the_same() -> None:
    runs = []
    for _ in range(2):
        torch.manual_seed(3)
        runs.append(dropout(torch.ones(3, 5, 7), 0.5, True))
    assert torch.equal(*runs)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_all_or_nothing(p: float) -> None:
    assert torch.equal(dropout(torch.ones(9), p, True), torch.full((9,), 1 - p))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_the_kind_of_number_is_kept(dtype: torch.dtype) -> None:
    assert dropout(torch.ones(9, dtype=dtype), 0.5, True).dtype == dtype
