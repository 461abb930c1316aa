"""Each loss against loops written from its formula, over a grid of sizes; values known in closed form; gradients."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from kinelet.errors import BadOptionError
from kinelet.functional import info_nce, masked_mse, nt_xent

SIZES = list(product([1, 2, 3, 8], [1, 2, 7], [0.05, 0.5, 2.0]))


def pair(batch: int, dim: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    z0, z1 = torch.randn(2, batch, dim, generator=g, dtype=torch.float64)
    return z0, z1


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def naive_nt_xent(z0: Tensor, z1: Tensor, temperature: float) -> float:
    """arXiv 2002.05709, equation 1, as loops: views 2k-1 and 2k are partners."""
    views = [v.numpy() for p in zip(z0, z1, strict=True) for v in p]
    total = 0.0
    for i in range(len(views)):
        j = i + 1 if i % 2 == 0 else i - 1
        denominator = 0.0
        for k in range(len(views)):
            if k != i:
                denominator += math.exp(cosine(views[i], views[k]) / temperature)
        total += -math.log(math.exp(cosine(views[i], views[j]) / temperature) / denominator)
    return total / len(views)


def naive_info_nce(q: Tensor, k: Tensor, temperature: float) -> float:
    """One direction: find each query's key."""
    total = 0.0
    for i in range(len(q)):
        denominator = 0.0
        for j in range(len(k)):
            denominator += math.exp(cosine(q[i].numpy(), k[j].numpy()) / temperature)
        total += -math.log(math.exp(cosine(q[i].numpy(), k[i].numpy()) / temperature) / denominator)
    return total / len(q)


@pytest.mark.parametrize(("batch", "dim", "temperature"), SIZES)
def test_nt_xent_equals_the_loops(batch: int, dim: int, temperature: float) -> None:
    z0, z1 = pair(batch, dim)
    assert float(nt_xent(z0, z1, temperature)) == pytest.approx(naive_nt_xent(z0, z1, temperature), abs=1e-9)


@pytest.mark.parametrize(("batch", "dim", "temperature"), SIZES)
def test_info_nce_one_way_equals_the_loops(batch: int, dim: int, temperature: float) -> None:
    q, k = pair(batch, dim)
    assert float(info_nce(q, k, temperature, symmetric=False)) == pytest.approx(
        naive_info_nce(q, k, temperature), abs=1e-9
    )


@pytest.mark.parametrize(("batch", "dim", "temperature"), SIZES)
def test_info_nce_adds_both_directions(batch: int, dim: int, temperature: float) -> None:
    q, k = pair(batch, dim)
    want = naive_info_nce(q, k, temperature) + naive_info_nce(k, q, temperature)
    assert float(info_nce(q, k, temperature)) == pytest.approx(want, abs=1e-9)


@pytest.mark.parametrize("batch", [1, 2, 62, 256])
def test_nt_xent_of_equal_views_is_the_logarithm_of_the_others(batch: int) -> None:
    z = torch.ones(batch, 5)
    assert float(nt_xent(z, z, 0.1)) == pytest.approx(math.log(2 * batch - 1), abs=1e-5)


@pytest.mark.parametrize("batch", [1, 2, 62, 256])
def test_info_nce_of_equal_embeddings_is_twice_the_logarithm(batch: int) -> None:
    z = torch.ones(batch, 5)
    assert float(info_nce(z, z, 0.1)) == pytest.approx(2 * math.log(batch), abs=1e-5)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_info_nce_of_orthonormal_embeddings_has_its_closed_form(temperature: float) -> None:
    z = torch.eye(8, dtype=torch.float64)
    assert float(info_nce(z, z, temperature)) == pytest.approx(
        2 * math.log(1 + 7 * math.exp(-1 / temperature)), rel=1e-9
    )


def test_info_nce_of_random_embeddings_lies_a_little_above_chance() -> None:
    g = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 256, 512, generator=g)
    assert 0.1 < float(info_nce(q, k, 0.1)) - 2 * math.log(256) < 0.3


@pytest.mark.parametrize("loss", [nt_xent, info_nce])
@pytest.mark.parametrize("ranks", [2, 4])
def test_mean_over_processes_is_the_loss_of_the_global_batch(loss: object, ranks: int) -> None:
    z0, z1 = pair(8, 5)
    names = ("all_z0", "all_z1") if loss is nt_xent else ("all_q", "all_k")
    size = 8 // ranks
    parts = [
        loss(z0[i : i + size], z1[i : i + size], 0.2, offset=i, **dict(zip(names, (z0, z1), strict=True)))  # type: ignore[operator]
        for i in range(0, 8, size)
    ]
    assert float(sum(parts) / ranks) == pytest.approx(float(loss(z0, z1, 0.2)), abs=1e-12)  # type: ignore[operator]


@pytest.mark.parametrize("loss", [nt_xent, info_nce])
def test_order_of_windows_changes_nothing(loss: object) -> None:
    z0, z1 = pair(8, 5)
    order = torch.randperm(8)
    assert float(loss(z0, z1, 0.2)) == pytest.approx(float(loss(z0[order], z1[order], 0.2)))  # type: ignore[operator]


@pytest.mark.parametrize("loss", [nt_xent, info_nce])
def test_length_of_vectors_changes_nothing(loss: object) -> None:
    z0, z1 = pair(8, 5)
    assert float(loss(7 * z0, z1, 0.2)) == pytest.approx(float(loss(z0, z1, 0.2)))  # type: ignore[operator]


def test_swapping_the_views_changes_nothing() -> None:
    z0, z1 = pair(8, 5)
    assert float(nt_xent(z0, z1, 0.2)) == pytest.approx(float(nt_xent(z1, z0, 0.2)))


@pytest.mark.parametrize("loss", [nt_xent, info_nce])
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_gradients_equal_finite_differences(loss: object, batch: int) -> None:
    z0, z1 = (z.requires_grad_() for z in pair(batch, 3))
    assert torch.autograd.gradcheck(lambda a, b: loss(a, b, 0.3), (z0, z1))  # type: ignore[operator]


@pytest.mark.parametrize("loss", [nt_xent, info_nce])
def test_gradient_reaches_a_learned_temperature(loss: object) -> None:
    z0, z1 = pair(4, 3)
    temperature = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: loss(z0, z1, t), (temperature,))  # type: ignore[operator]


def test_gradient_flows_through_the_gathered_batch() -> None:
    z0, z1 = (z.requires_grad_() for z in pair(4, 3))
    nt_xent(z0[:2], z1[:2], 0.2, all_z0=z0, all_z1=z1).backward()
    assert z0.grad is not None and bool((z0.grad[2:].abs().sum(1) > 0).all())


@pytest.mark.parametrize("loss", [nt_xent, info_nce])
def test_half_precision_is_computed_in_single(loss: object) -> None:
    z0, z1 = (z.bfloat16() for z in pair(16, 8))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = loss(z0, z1, 0.05)  # type: ignore[operator]
    assert low.dtype == torch.float32 and float(low) == pytest.approx(float(loss(z0.float(), z1.float(), 0.05)))  # type: ignore[operator]


@pytest.mark.parametrize("loss", [nt_xent, info_nce])
def test_a_tiny_temperature_and_zero_vectors_stay_finite(loss: object) -> None:
    z0, z1 = torch.zeros(4, 3, requires_grad=True), torch.eye(4, 3)
    value = loss(z0, z1, 1e-3)  # type: ignore[operator]
    value.backward()
    assert bool(torch.isfinite(value)) and z0.grad is not None and bool(torch.isfinite(z0.grad).all())


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_a_temperature_that_is_not_positive_is_refused(temperature: float) -> None:
    with pytest.raises(BadOptionError, match="temperature"):
        nt_xent(torch.ones(2, 2), torch.ones(2, 2), temperature)


@pytest.mark.parametrize(("a", "b"), [((2, 3), (3, 3)), ((2, 3), (2, 4)), ((2,), (2,))])
def test_shapes_that_do_not_fit_are_refused(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    with pytest.raises(BadOptionError, match="shape"):
        nt_xent(torch.ones(a), torch.ones(b), 0.1)


def test_a_global_batch_on_one_side_only_is_refused() -> None:
    with pytest.raises(BadOptionError, match="one side"):
        info_nce(torch.ones(2, 2), torch.ones(2, 2), 0.1, all_q=torch.ones(4, 2))


@pytest.mark.parametrize("offset", [-1, 3])
def test_rows_outside_the_global_batch_are_refused(offset: int) -> None:
    z, everything = torch.ones(2, 2), torch.ones(4, 2)
    with pytest.raises(BadOptionError, match="do not lie"):
        nt_xent(z, z, 0.1, all_z0=everything, all_z1=everything, offset=offset)


def naive_masked_mse(prediction: Tensor, target: Tensor, mask: Tensor) -> float:
    total, count = 0.0, 0
    for at in np.ndindex(*target.shape):
        if bool(mask[at]):
            total += float(prediction[at] - target[at]) ** 2
            count += 1
    return total / count if count else 0.0


@pytest.mark.parametrize(("batch", "channels", "time"), list(product([1, 3], [1, 6], [1, 5])))
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_masked_mse_equals_the_loops(batch: int, channels: int, time: int, share: float) -> None:
    g = torch.Generator().manual_seed(1)
    p, t = torch.randn(2, batch, channels, time, generator=g, dtype=torch.float64)
    mask = torch.rand(p.shape, generator=g) < share
    assert float(masked_mse(p, t, mask)) == pytest.approx(naive_masked_mse(p, t, mask))


def test_masked_mse_spreads_one_mask_over_channels() -> None:
    p, t = torch.zeros(2, 3, 4), torch.ones(2, 3, 4)
    mask = torch.tensor([True, False, False, True]).expand(2, 1, 4)
    assert float(masked_mse(p, t, mask)) == 1.0


def test_masked_mse_does_not_look_outside_the_mask() -> None:
    t = torch.tensor([1.0, torch.inf])
    p = torch.zeros(2, requires_grad=True)
    masked_mse(p, t, torch.tensor([True, False])).backward()
    assert p.grad is not None and p.grad.tolist() == [-2.0, 0.0]


def test_masked_mse_gradient_equals_finite_differences() -> None:
    p, t = (z.requires_grad_() for z in pair(3, 4))
    mask = torch.rand(3, 4) < 0.5
    assert torch.autograd.gradcheck(lambda a, b: masked_mse(a, b, mask), (p, t))


def test_masked_mse_of_nothing_has_a_gradient_of_zero() -> None:
    p = torch.ones(3, requires_grad=True)
    masked_mse(p, torch.zeros(3), torch.zeros(3, dtype=torch.bool)).backward()
    assert p.grad is not None and not p.grad.any()


def test_masked_mse_of_everything_is_torchs_own() -> None:
    p, t = pair(4, 5)
    assert float(masked_mse(p, t, torch.ones(4, 5, dtype=torch.bool))) == pytest.approx(
        float(functional.mse_loss(p, t))
    )


def test_masked_mse_refuses_shapes_that_would_broadcast() -> None:
    with pytest.raises(BadOptionError, match="differ in shape"):
        masked_mse(torch.ones(3, 1), torch.ones(3, 4), torch.ones(3, 4, dtype=torch.bool))
