"""Information terms on Gaussians: identities, and what both forms do to an encoder."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

import gaussians
from kinelet.functional import (
    shared_reduced,
    shared_three_variable,
)

X1, X2, U = range(4), range(4, 8), range(8, 12)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# --- Gaussian identities


def ratios_of_the_spec() -> tuple[Tensor, Tensor, Tensor]:
    s = gaussians.of_the_spec()
    return (
        gaussians.total_correlation(s, X1, X2, U)[None],
        gaussians.total_correlation(s, X1, U)[None],
        gaussians.total_correlation(s, X2, U)[None],
    )


def test_check_8_the_corrected_term_is_the_conditional_information() -> None:
    exact = gaussians.conditional_information(gaussians.of_the_spec(), X1, X2, U)
    assert float(shared_three_variable(*ratios_of_the_spec(), beta=0.0)) == pytest.approx(float(exact), rel=1e-6)


def test_check_8_its_value_is_the_known_one() -> None:
    assert float(shared_three_variable(*ratios_of_the_spec(), beta=0.0)) == pytest.approx(2.0557, abs=5e-5)


def test_check_8_the_printed_term_has_the_known_value() -> None:
    printed = shared_three_variable(*ratios_of_the_spec(), beta=0.0, sign="printed")
    assert float(printed) == pytest.approx(7.1467, abs=5e-5)


def test_check_8_the_printed_term_is_off_by_twice_the_pairwise_information() -> None:
    three, own, other = ratios_of_the_spec()
    printed = shared_three_variable(three, own, other, beta=0.0, sign="printed")
    corrected = shared_three_variable(three, own, other, beta=0.0)
    assert float(printed - corrected) == pytest.approx(2 * float(own + other), rel=1e-6)


def test_the_corrected_term_adds_beta_times_the_entropy() -> None:
    three, own, other = ratios_of_the_spec()
    more = shared_three_variable(three, own, other, 0.3) - shared_three_variable(three, own, other, 0.0)
    assert float(more) == pytest.approx(0.3 * float(own))


def toy(noise: float, seed: int = 3) -> tuple[Tensor, Tensor]:
    """Covariance of X1 (four), X2 (four), and of them with a two-wide U made of X1."""
    a = draw(8, 8, seed=seed)
    covariance = a @ a.T + torch.eye(8, dtype=torch.float64)
    return covariance, gaussians.encoded(covariance, draw(2, 4, seed=seed + 1), noise)


TWO_WIDE = range(8, 10)


@pytest.mark.parametrize("noise", [1e-1, 1e-3, 1e-5])
def test_check_9_what_u_leaves_in_common_is_what_it_does_not_tell_of_the_other(noise: float) -> None:
    _, s = toy(noise)
    left = gaussians.conditional_information(s, X1, X2, TWO_WIDE)
    told = gaussians.total_correlation(s, X1, X2) - gaussians.total_correlation(s, X2, TWO_WIDE)
    assert float(left) == pytest.approx(float(told), rel=1e-6)


@pytest.mark.parametrize("noise", [1e-1, 1e-3, 1e-5])
@pytest.mark.parametrize("sign", ["corrected", "printed"])
@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_check_9_both_forms_are_equal_up_to_a_constant(noise: float, sign: str, beta: float) -> None:
    _, s = toy(noise)
    own, other = gaussians.total_correlation(s, X1, TWO_WIDE), gaussians.total_correlation(s, X2, TWO_WIDE)
    three = gaussians.total_correlation(s, X1, X2, TWO_WIDE)
    full = shared_three_variable(three[None], own[None], other[None], beta, sign)  # type: ignore[arg-type]
    constant = gaussians.total_correlation(s, X1, X2)
    reduced = shared_reduced(own, other, beta, sign)  # type: ignore[arg-type]
    assert float(full) == pytest.approx(float(reduced + constant), rel=1e-6)


def test_check_9_information_about_its_own_modality_grows_without_end_as_noise_falls() -> None:
    known = [float(gaussians.total_correlation(toy(n)[1], X1, TWO_WIDE)) for n in (1e-3, 1e-5, 1e-7)]
    assert [b - a for a, b in pairwise(known)] == pytest.approx([4.605, 4.605], abs=0.005)


# --- gradients of an encoder through closed-form ratios


def encoder_gradients(form: str, beta: float = 0.1, windows: int = 4000) -> Tensor:
    """Gradient with respect to the weight of ``U = weight X1 + noise``, the ratios being known and held still."""
    covariance, _ = toy(0.1)
    weight = draw(2, 4, seed=4).requires_grad_()
    x = draw(windows, 8, seed=5) @ torch.linalg.cholesky(covariance).T
    u = x[:, :4] @ weight.T + math.sqrt(0.1) * draw(windows, 2, seed=6)
    s = gaussians.encoded(covariance, weight.detach(), 0.1)
    rows = torch.cat([x, u], dim=1)
    own, other = gaussians.log_ratio(s, rows, X1, TWO_WIDE), gaussians.log_ratio(s, rows, X2, TWO_WIDE)
    if form == "three_variable":
        loss = shared_three_variable(gaussians.log_ratio(s, rows, X1, X2, TWO_WIDE), own, other, beta)
    else:
        loss = shared_reduced(own.mean(), other.mean(), beta)
    return torch.autograd.grad(loss, weight)[0].flatten()


def exact_gradient(beta: float = 0.1) -> Tensor:
    covariance, _ = toy(0.1)
    weight = draw(2, 4, seed=4).requires_grad_()
    s = gaussians.encoded(covariance, weight, 0.1)
    own, other = gaussians.total_correlation(s, X1, TWO_WIDE), gaussians.total_correlation(s, X2, TWO_WIDE)
    return torch.autograd.grad(beta * own - other, weight)[0].flatten()


def test_check_11_both_forms_move_the_encoder_the_same_way() -> None:
    gradients = [encoder_gradients(form) for form in ("three_variable", "reduced")]
    assert float(torch.cosine_similarity(*gradients, dim=0)) > 0.95


@pytest.mark.parametrize("form", ["three_variable", "reduced"])
def test_check_11_and_that_is_the_way_of_the_information_itself(form: str) -> None:
    assert float(torch.cosine_similarity(encoder_gradients(form), exact_gradient(), dim=0)) > 0.95
