"""Sparsemax: its definition, its gradient, and the two ways its threshold is found."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kinelet.errors import BadOptionError
from kinelet.functional import sparsemax
from kinelet.functional.attention import _by_search, _by_sorting, attention_weights
from motif_formulas import sparsemax as by_formula


def scores(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize(
    ("given_scores", "wanted"),
    [
        ([1.0, 0.5, -1.0], [0.75, 0.25, 0.0]),
        ([3.0, 0.0, 0.0], [1.0, 0.0, 0.0]),
        ([2.0] * 4, [0.25] * 4),
        ([7.0], [1.0]),
    ],
)
def test_worked_examples(given_scores: list[float], wanted: list[float]) -> None:
    assert sparsemax(torch.tensor(given_scores)).tolist() == pytest.approx(wanted)


def test_rows_equal_the_formula() -> None:
    z = 3 * scores(50, 31)
    np.testing.assert_allclose(sparsemax(z).numpy(), np.stack([by_formula(row) for row in z.numpy()]), atol=1e-14)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=40))
def test_both_ways_find_the_same_threshold(row: list[float]) -> None:
    z = torch.tensor([row], dtype=torch.float64)
    torch.testing.assert_close(_by_search(z), _by_sorting(z), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_sum_to_one(dtype: torch.dtype) -> None:
    total = sparsemax(5 * scores(8, 256, dtype=dtype)).sum(dim=-1)
    torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=1e-6)


def test_a_shift_changes_nothing() -> None:
    z = scores(4, 20)
    torch.testing.assert_close(sparsemax(z + 100), sparsemax(z), rtol=0, atol=1e-12)


def test_far_scores_weigh_exactly_nothing() -> None:
    assert (sparsemax(5 * scores(10, 50)) == 0).any()


def test_any_dimension_may_be_chosen() -> None:
    z = scores(3, 7, 5)
    assert torch.equal(sparsemax(z, dim=1), sparsemax(z.transpose(1, 2)).transpose(1, 2))


def test_the_gradient_equals_finite_differences() -> None:
    assert torch.autograd.gradcheck(sparsemax, (scores(4, 9).requires_grad_(),))


def test_the_gradient_is_that_of_the_support_minus_its_mean() -> None:
    z = torch.tensor([1.0, 0.5, -1.0], requires_grad=True)
    (sparsemax(z) * torch.tensor([2.0, 4.0, 8.0])).sum().backward()  # type: ignore[no-untyped-call]
    assert z.grad is not None and z.grad.tolist() == [-1.0, 1.0, 0.0]


def test_scores_are_left_as_they_are() -> None:
    z = scores(3, 8)
    before = z.clone()
    sparsemax(z)
    assert torch.equal(z, before)


def test_no_number_in_gives_no_number_out_and_ends() -> None:
    assert sparsemax(torch.tensor([1.0, float("nan"), 0.0])).isnan().any()


def test_modes_go_by_name() -> None:
    z = scores(2, 6)
    assert torch.equal(attention_weights(z, "softmax"), z.softmax(-1))
    assert torch.equal(attention_weights(z, "sparsemax"), sparsemax(z))


def test_another_mode_is_refused() -> None:
    with pytest.raises(BadOptionError, match="entmax"):
        attention_weights(scores(2, 3), "entmax")


def test_scores_in_half_precision_give_the_weights_of_the_same_scores_in_full() -> None:
    torch.manual_seed(0)
    half = (8 * torch.randn(64, 256)).bfloat16()
    weights = sparsemax(half)
    assert weights.dtype == torch.bfloat16
    torch.testing.assert_close(weights.float(), sparsemax(half.float()), atol=1e-2, rtol=1e-2)
