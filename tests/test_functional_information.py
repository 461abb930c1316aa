"""Information terms: loops written from the formulas, and rows that do not count."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import gaussians
from kinelet.errors import BadOptionError
from kinelet.functional import (
    critic_accuracy,
    density_ratio_bce,
    density_ratio_logits,
    mean_valid,
    nce_information,
    private_information,
    shared_distance,
    shared_reduced,
    shared_three_variable,
    smile_information,
)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# --- loops written from the formulas


def naive_distance(u: list[Tensor], present: Tensor, kind: str) -> float:
    pairs = []
    for i in range(len(u)):
        for j in range(i + 1, len(u)):
            rows = []
            for n in range(len(present)):
                if present[n, i] and present[n, j]:
                    a, b = u[i][n].tolist(), u[j][n].tolist()
                    length = math.sqrt(sum(p * p for p in a)) * math.sqrt(sum(q * q for q in b))
                    cosine = sum(p * q for p, q in zip(a, b, strict=True)) / length
                    squares = [(p - q) ** 2 for p, q in zip(a, b, strict=True)]
                    rows.append(sum(squares) / len(squares) if kind == "l2" else 1 - cosine)
            pairs.append(sum(rows) / len(rows) if rows else 0.0)
    return sum(pairs) / len(pairs)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(2, 4), st.sampled_from(["l2", "cosine"]), st.integers(0, 9999))
def test_the_distance_equals_the_loops(batch: int, modalities: int, kind: str, seed: int) -> None:
    u = [draw(batch, 3, seed=seed + i) for i in range(modalities)]
    present = torch.rand(batch, modalities, generator=torch.Generator().manual_seed(seed)) < 0.7
    got = shared_distance(u, present, kind)  # type: ignore[arg-type]
    assert float(got) == pytest.approx(naive_distance(u, present, kind), abs=1e-9)


def test_the_distance_does_not_know_an_order_of_modalities() -> None:
    u = [draw(5, 3, seed=i) for i in range(3)]
    assert float(shared_distance(u)) == pytest.approx(float(shared_distance([u[2], u[0], u[1]])))


@pytest.mark.parametrize("clip", [0.5, 5.0])
def test_smile_equals_the_loops(clip: float) -> None:
    joint, product = draw(7), draw(7, seed=1) * 2
    valid = torch.tensor([True, False, True, True, False, True, True])
    t = [float(v) for v, there in zip(joint, valid, strict=True) if there]
    z = [math.exp(max(-clip, min(clip, float(v)))) for v, there in zip(product, valid, strict=True) if there]
    naive = sum(t) / len(t) - math.log(sum(z) / len(z))
    assert float(smile_information(joint, product, clip, valid=valid)) == pytest.approx(naive)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 7), st.integers(0, 9999))
def test_nce_equals_the_loops(batch: int, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    scores, valid = draw(batch, batch, seed=seed), torch.rand(batch, generator=g) < 0.7
    beside = torch.rand(batch, batch, generator=g) < 0.6
    rows = [a for a in range(batch) if valid[a]]
    total = 0.0
    for a in rows:
        compared = [math.exp(float(scores[a, b])) for b in rows if b == a or beside[a, b]]
        total += float(scores[a, a]) - math.log(sum(compared) / len(compared))
    naive = total / len(rows) if rows else 0.0
    assert float(nce_information(scores, valid=valid, beside=beside)) == pytest.approx(naive, abs=1e-9)


def test_nce_tells_no_more_than_the_rows_compared_can() -> None:
    assert float(nce_information(torch.eye(16) * 100)) == pytest.approx(math.log(16))


def test_the_loss_of_a_critic_equals_the_loop() -> None:
    joint, product = draw(6), draw(6, seed=1)
    told = [-math.log(1 / (1 + math.exp(-float(t)))) for t in joint]
    told_apart = [-math.log(1 - 1 / (1 + math.exp(-float(t)))) for t in product]
    assert float(density_ratio_bce(joint, product)) == pytest.approx(sum(told) / 6 + sum(told_apart) / 6)


def test_a_critic_that_knows_nothing_has_twice_the_log_of_two() -> None:
    assert float(density_ratio_bce(torch.zeros(5), torch.zeros(3))) == pytest.approx(2 * math.log(2))


def test_the_private_term_weighs_both_means() -> None:
    own, shared = torch.tensor([1.0, 3.0]), torch.tensor([10.0, 20.0])
    assert float(private_information(own, shared, 0.5, 0.1)) == pytest.approx(0.5 * 2 + 0.1 * 15)


def test_the_reduced_term_takes_the_mean_over_the_others() -> None:
    own, cross = torch.tensor(2.0), [torch.tensor(1.0), torch.tensor(3.0)]
    assert float(shared_reduced(own, cross, 0.1)) == pytest.approx(0.1 * 2 - 2)


def test_the_printed_reduced_term_pushes_away_from_both() -> None:
    assert float(shared_reduced(torch.tensor(2.0), torch.tensor(3.0), 0.1, "printed")) == pytest.approx(1.9 * 2 + 3)


# --- what the estimators find, given the true log ratios of a bivariate normal, correlated by 0.8


def related(rows: int) -> tuple[Tensor, Tensor]:
    x = draw(rows, 2)
    covariance = torch.tensor([[1.0, 0.8], [0.8, 1.0]], dtype=torch.float64)
    return covariance, x @ torch.linalg.cholesky(covariance).T


EXACT = -0.5 * math.log(1 - 0.64)


def test_smile_finds_the_information() -> None:
    covariance, x = related(40_000)
    apart = torch.stack([x[:, 0], x[:, 1].roll(1)], dim=1)
    ratios = [gaussians.log_ratio(covariance, z, [0], [1]) for z in (x, apart)]
    assert float(smile_information(*ratios, clip=10.0)) == pytest.approx(EXACT, abs=0.03)


def test_nce_finds_the_information() -> None:
    covariance, x = related(1500)
    every = torch.stack(torch.broadcast_tensors(x[:, :1], x[None, :, 1]), dim=2).reshape(-1, 2)
    scores = gaussians.log_ratio(covariance, every, [0], [1]).reshape(1500, 1500)
    assert float(nce_information(scores)) == pytest.approx(EXACT, abs=0.05)


# --- bounded logits


def test_check_12_logits_never_exceed_the_bound() -> None:
    scores = torch.tensor([-torch.inf, -1e30, -11.0, 0.0, 11.0, 1e30, torch.inf])
    assert float(density_ratio_logits(scores, 10.0).abs().max()) <= 10.0


def test_small_logits_stay_as_they_are() -> None:
    scores = torch.linspace(-0.5, 0.5, 11, dtype=torch.float64)
    assert torch.allclose(density_ratio_logits(scores), scores, atol=5e-4)


def test_logits_of_half_precision_are_bounded_in_full() -> None:
    assert density_ratio_logits(torch.zeros(2, dtype=torch.bfloat16)).dtype == torch.float32


@pytest.mark.parametrize(("joint", "product", "share"), [(1.0, -1.0, 1.0), (-1.0, 1.0, 0.0), (0.0, 0.0, 0.5)])
def test_accuracy_is_of_pairs_and_of_rows_apart(joint: float, product: float, share: float) -> None:
    assert float(critic_accuracy(torch.full((4,), joint), torch.full((4,), product))) == share


# --- rows that do not count

Term = Callable[[Tensor, Tensor], Tensor]
TERMS: dict[str, Term] = {
    "mean_valid": lambda x, v: mean_valid(x[:, 0], v),
    "bce": lambda x, v: density_ratio_bce(x[:, 0], x[:, 1], valid=v),
    "smile": lambda x, v: smile_information(x[:, 0], x[:, 1], valid=v),
    "nce": lambda x, v: nce_information(x[:, :1] + 2 * x[:, 1:2].T, valid=v),
    "three_variable": lambda x, v: shared_three_variable(x[:, 0], x[:, 1], x[:, 2], 0.1, valid=v),
    "private": lambda x, v: private_information(x[:, 0], x[:, 1], 0.1, 0.2, valid=v),
    "distance": lambda x, v: shared_distance([x, x.flip(1) * 2], torch.stack([v, v], dim=1)),
    "cosine": lambda x, v: shared_distance([x, x.flip(1) * 2], torch.stack([v, v], dim=1), "cosine"),
}


@pytest.mark.parametrize("name", TERMS)
def test_rows_that_do_not_count_reach_no_value(name: str) -> None:
    x, valid = draw(6, 3), torch.tensor([True, True, False, True, False, True])
    spoilt = x.clone()
    spoilt[~valid] = torch.nan
    assert torch.equal(TERMS[name](spoilt, valid), TERMS[name](x, valid))


@pytest.mark.parametrize("name", TERMS)
def test_rows_that_do_not_count_reach_no_gradient(name: str) -> None:
    x, valid = draw(6, 3), torch.tensor([True, True, False, True, False, True])
    x[~valid] = torch.nan
    x.requires_grad_()
    TERMS[name](x, valid).backward()
    assert x.grad is not None and bool(x.grad.isfinite().all()) and not x.grad[~valid].any()


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("rows", [1, 5])
def test_check_19_without_a_row_that_counts_the_term_is_a_zero_that_supports_backward(name: str, rows: int) -> None:
    x = torch.full((rows, 3), torch.nan, requires_grad=True)
    value = TERMS[name](x, torch.zeros(rows, dtype=torch.bool))
    value.backward()
    assert float(value.detach()) == 0 and x.grad is not None and not x.grad.any()


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("rows", [1, 3, 7])
def test_check_19_short_batches_are_finite(name: str, rows: int) -> None:
    assert bool(TERMS[name](draw(rows, 3), torch.ones(rows, dtype=torch.bool)).isfinite())


@pytest.mark.parametrize(
    "call",
    [
        lambda: density_ratio_logits(torch.zeros(2), 0.0),
        lambda: smile_information(torch.zeros(2), torch.zeros(2), -1.0),
        lambda: shared_three_variable(torch.zeros(1), torch.zeros(1), torch.zeros(1), 0.1, "plus"),  # type: ignore[arg-type]
        lambda: shared_reduced(torch.zeros(()), [], 0.1),
        lambda: shared_distance([torch.zeros(2, 2)]),
        lambda: shared_distance([torch.zeros(2, 2)] * 2, kind="l1"),  # type: ignore[arg-type]
        lambda: nce_information(torch.zeros(2, 3)),
        lambda: mean_valid(torch.zeros(2), torch.zeros(3, dtype=torch.bool)),
    ],
)
def test_what_makes_no_sense_is_refused(call: Callable[[], Tensor]) -> None:
    with pytest.raises(BadOptionError):
        call()
