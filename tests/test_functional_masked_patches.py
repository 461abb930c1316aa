"""The error of hidden patches against loops written from its formula."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from kinelet.errors import BadOptionError
from kinelet.functional.masked_patches import falling_weights, masked_patch_mse, patch_errors

CASES = list(product([1, 3], [2, 5], [2, 6], [True, False], [True, False]))


def naive(
    pred: Tensor, x: Tensor, hidden: Tensor, real: Tensor, standardise: bool, weights: Tensor | None = None
) -> float:
    """Specification of stage 1, as loops: standardised targets, mean over values, patches, samples."""
    samples = []
    for b in range(len(x)):
        patches = []
        for p in range(x.shape[1]):
            if not hidden[b, p]:
                continue
            cells = [v for v in range(x.shape[2]) if real[p, v]]
            values = [float(x[b, p, v]) for v in cells]
            if standardise:
                mean = sum(values) / len(values)
                variance = sum((v - mean) ** 2 for v in values) / len(values)
                values = [(v - mean) / math.sqrt(variance + 1e-6) for v in values]
            errors = [
                (float(pred[b, p, v]) - t) ** 2 * (1.0 if weights is None else float(weights[p, v]))
                for v, t in zip(cells, values, strict=True)
            ]
            patches.append(sum(errors) / len(errors))
        if patches:
            samples.append(sum(patches) / len(patches))
    return sum(samples) / len(samples)


def case(batch: int = 3, patches: int = 5, values: int = 6, padded: bool = True, seed: int = 0) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(seed)
    pred, x = torch.randn(2, batch, patches, values, generator=g, dtype=torch.float64)
    hidden = torch.rand(batch, patches, generator=g).argsort(dim=1) < max(1, patches // 2)
    real = torch.ones(patches, values, dtype=torch.bool)
    if padded:
        real[-1, -1] = False
    return {"pred": pred, "patches": 3 + 2 * x, "hidden": hidden, "cell_mask": real}


@pytest.mark.parametrize(("batch", "patches", "values", "padded", "standardise"), CASES)
def test_the_error_equals_the_loops(batch: int, patches: int, values: int, padded: bool, standardise: bool) -> None:
    given = case(batch, patches, values, padded)
    want = naive(given["pred"], given["patches"], given["hidden"], given["cell_mask"], standardise)
    assert float(masked_patch_mse(**given, standardise=standardise)) == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize("standardise", [True, False])
def test_weights_multiply_squared_errors(standardise: bool) -> None:
    given, weights = case(), torch.rand(5, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    want = naive(given["pred"], given["patches"], given["hidden"], given["cell_mask"], standardise, weights)
    assert float(masked_patch_mse(**given, standardise=standardise, weights=weights)) == pytest.approx(want, rel=1e-9)


def test_zeros_are_one_away_from_standardised_patches() -> None:
    given = case(8, 20, 12)
    given["pred"] = torch.zeros_like(given["pred"])
    assert float(masked_patch_mse(**given)) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("where", ["visible", "padding"])
@pytest.mark.parametrize("side", ["pred", "patches"])
@pytest.mark.parametrize("value", [1e6, math.nan, math.inf])
def test_check_5_visible_patches_and_padding_are_ignored(where: str, side: str, value: float) -> None:
    given = case()
    change = ~given["hidden"][:, :, None].expand_as(given["pred"])
    if where == "padding":
        change = ~given["cell_mask"].expand_as(given["pred"])
    other = {**given, side: torch.where(change, value, given[side])}
    assert float(masked_patch_mse(**other)) == float(masked_patch_mse(**given))


def test_check_5_the_gradient_of_visible_patches_and_padding_is_zero() -> None:
    given = case()
    given["pred"].requires_grad_()
    masked_patch_mse(**given).backward()
    gradient, counted = given["pred"].grad, given["hidden"][:, :, None] & given["cell_mask"]
    assert gradient is not None and bool((gradient[~counted] == 0).all()) and bool((gradient[counted] != 0).all())


def test_samples_with_nothing_hidden_do_not_count() -> None:
    given = case(3)
    given["hidden"][1] = False
    rest = {k: v if k == "cell_mask" else v[[0, 2]] for k, v in given.items()}
    assert float(masked_patch_mse(**given)) == pytest.approx(float(masked_patch_mse(**rest)), rel=1e-12)


def test_nothing_hidden_anywhere_is_a_zero_that_can_be_differentiated() -> None:
    given = case()
    given["hidden"] = torch.zeros_like(given["hidden"])
    given["pred"].requires_grad_()
    loss = masked_patch_mse(**given)
    loss.backward()
    assert float(loss.detach()) == 0 and given["pred"].grad is not None and not given["pred"].grad.any()


def test_the_errors_of_samples_have_the_loss_as_mean() -> None:
    given = case()
    assert float(patch_errors(**given).mean()) == pytest.approx(float(masked_patch_mse(**given)), rel=1e-12)


def test_a_constant_patch_has_a_target_of_zeros() -> None:
    given = case()
    given["patches"] = torch.full_like(given["patches"], 7.0)
    want = naive(given["pred"], torch.zeros_like(given["pred"]), given["hidden"], given["cell_mask"], False)
    assert float(masked_patch_mse(**given)) == pytest.approx(want, rel=1e-9)


def test_offset_and_gain_of_a_patch_are_no_matter() -> None:
    given = case()
    other = {**given, "patches": 5 - 3 * given["patches"], "pred": -given["pred"]}
    assert float(masked_patch_mse(**other)) == pytest.approx(float(masked_patch_mse(**given)), rel=1e-5)


def test_autocast_computes_the_error_in_single_precision() -> None:
    given = {k: v.float() if v.is_floating_point() else v for k, v in case().items()}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = masked_patch_mse(**given)
    assert loss.dtype == torch.float32 and float(loss) == pytest.approx(float(masked_patch_mse(**given)), rel=1e-6)


@pytest.mark.parametrize("key", ["patches", "hidden", "cell_mask"])
def test_shapes_that_do_not_fit_are_told(key: str) -> None:
    given: dict[str, Any] = case()
    with pytest.raises(BadOptionError, match="shapes"):
        masked_patch_mse(**{**given, key: given[key][:, :-1]})


def test_falling_weights_have_mean_one_and_fall() -> None:
    bins = torch.tensor([[0, 1, 2], [3, 4, -1]])
    weights = falling_weights(bins, floor=0.2)
    line = torch.tensor([[1.0, 0.8, 0.6], [0.4, 0.2, 0.0]])
    assert torch.allclose(weights, line * 5 / line.sum())


def test_falling_weights_of_one_bin_are_flat() -> None:
    assert torch.equal(falling_weights(torch.zeros(2, 3)), torch.ones(2, 3))
