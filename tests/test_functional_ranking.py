"""The loss of an order against double loops written from its formula, values known in closed form, its options."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations, product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kinelet.errors import BadOptionError
from kinelet.functional import relative_contrastive
from kinelet.functional.ranking import order_of, ranking_loss

SIZES = list(product([1, 2, 7], [1, 2, 5, 20], [1, 3, 16]))


def naive_loss(
    anchor: Tensor,
    candidates: Tensor,
    distance: Tensor,
    tau: float = 0.1,
    weights: Sequence[float] | None = None,
    mask: Tensor | None = None,
    ties: float = 0.0,
) -> Tensor:
    """Loops over anchors, places and farther candidates, with sums of plain exponentials."""
    total = torch.zeros((), dtype=anchor.dtype)
    for b in range(len(anchor)):
        here = [n for n in range(distance.shape[1]) if mask is None or bool(mask[b, n])]
        order = sorted(here, key=lambda n: float(distance[b, n]))  # sorted is stable
        s = {}
        for n in order:
            c = candidates[b, n]
            s[n] = (anchor[b] @ c) / (anchor[b].norm() * c.norm()) / tau
        for place, i in enumerate(order):
            denominator = torch.exp(s[i])
            for j in order[place + 1 :]:
                if ties == 0 or float(distance[b, j]) > float(distance[b, i]) + ties:
                    denominator = denominator + torch.exp(s[j])
            total = total + (1.0 if weights is None else weights[place]) * (torch.log(denominator) - s[i])
    return total / len(anchor)


def draw(batch: int, n: int, dim: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    g = torch.Generator().manual_seed(seed)
    anchor = torch.randn(batch, dim, generator=g, dtype=torch.float64).to(dtype)
    candidates = torch.randn(batch, n, dim, generator=g, dtype=torch.float64).to(dtype)
    distance = torch.rand(batch, n, generator=g, dtype=torch.float64).to(dtype)
    return anchor.requires_grad_(), candidates.requires_grad_(), distance


def gradients(loss: Tensor, *of: Tensor) -> Tensor:
    return torch.cat([g.flatten().double() for g in torch.autograd.grad(loss, of)])


def log_factorial(n: int) -> float:
    return math.lgamma(n + 1)


@pytest.mark.parametrize(("batch", "n", "dim"), SIZES)
def test_value_and_gradient_equal_the_double_loop(batch: int, n: int, dim: int) -> None:
    a, c, d = draw(batch, n, dim)
    got, want = relative_contrastive(a, c, d), naive_loss(a, c, d)
    assert torch.allclose(got, want, rtol=1e-9, atol=1e-9)
    assert torch.allclose(gradients(got, a, c), gradients(want, a, c), rtol=0, atol=1e-9)


# In one dimension the true gradient is 0, and what single precision leaves of it is rounding.
@pytest.mark.parametrize(("batch", "n", "dim"), [size for size in SIZES if size[2] > 1])
def test_single_precision_equals_the_double_loop_in_double(batch: int, n: int, dim: int) -> None:
    a, c, d = draw(batch, n, dim, dtype=torch.float32)
    got, want = relative_contrastive(a, c, d), naive_loss(a.double(), c.double(), d)
    slope = gradients(want, a, c)
    assert float(got.detach()) == pytest.approx(float(want.detach()), rel=1e-6, abs=1e-6)
    assert float((gradients(got, a, c) - slope).abs().max()) <= 1e-6 * max(1.0, float(slope.abs().max()))


@pytest.mark.parametrize("tau", [0.03, 0.5, 5.0])
def test_the_temperature_divides_the_cosines(tau: float) -> None:
    a, c, d = draw(3, 6, 4)
    assert float(relative_contrastive(a, c, d, tau).detach()) == pytest.approx(
        float(naive_loss(a, c, d, tau).detach()), rel=1e-9
    )


@pytest.mark.parametrize("n", [1, 3, 12, 20, 83])
def test_equal_similarities_give_the_logarithm_of_the_number_of_orders(n: int) -> None:
    loss = relative_contrastive(torch.ones(4, 5), torch.ones(4, n, 5), torch.rand(4, n))
    assert float(loss) == pytest.approx(log_factorial(n), abs=1e-4)


def test_the_published_values_at_equal_similarities() -> None:
    values = [float(ranking_loss(torch.zeros(1, n), torch.rand(1, n))) for n in (3, 12, 20, 83)]
    assert values == pytest.approx([1.79176, 19.987, 42.336, 286.893], abs=1e-3)


def test_three_candidates_by_hand() -> None:
    score, distance = torch.tensor([[0.5, 2.0, 1.0]]), torch.tensor([[9.0, 1.0, 4.0]])
    terms = [ranking_loss(score, distance, weights=w) for w in torch.eye(3)]
    assert [float(t) for t in terms] == pytest.approx([0.46437, 0.47407, 0.0], abs=1e-5)
    assert float(ranking_loss(score, distance)) == pytest.approx(0.93845, abs=1e-5)


def test_the_loss_is_the_likelihood_of_choosing_one_after_the_other() -> None:
    score = torch.tensor([0.3, -1.2, 2.0, 0.7, 0.1], dtype=torch.float64)
    left, chance = list(range(5)), 1.0
    for chosen in range(5):
        chance *= float(score[chosen].exp() / score[left].exp().sum())
        left.remove(chosen)
    assert math.exp(-float(ranking_loss(score[None], torch.arange(5.0)[None]))) == pytest.approx(chance, rel=1e-12)


def test_the_likelihoods_of_all_orders_add_up_to_one() -> None:
    score = torch.tensor([[1.5, -0.4, 0.0, 3.0]], dtype=torch.float64).expand(24, 4)
    distance = torch.tensor(list(permutations(range(4))), dtype=torch.float64)
    assert float(torch.exp(-ranking_loss(score, distance)).sum()) == pytest.approx(1.0, abs=1e-12)


def test_the_gradient_is_that_of_the_formula() -> None:
    score = torch.randn(1, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    (got,) = torch.autograd.grad(ranking_loss(score, torch.arange(9.0)[None]).sum(), score)
    e = score.detach()[0].exp()
    want = [sum(float(e[k] / e[i:].sum()) for i in range(k + 1)) - 1 for k in range(9)]
    assert got[0].tolist() == pytest.approx(want, abs=1e-12)


def test_evenly_spaced_cosines_in_the_right_order_still_cost() -> None:
    cosine = torch.linspace(1, -1, 83, dtype=torch.float64)[None]
    assert float(ranking_loss(cosine / 0.1, torch.arange(83.0)[None])) == pytest.approx(121.9, abs=0.1)


def test_random_directions_cost_what_the_specification_measured() -> None:
    a, c, d = draw(400, 83, 256, dtype=torch.float32)
    assert float(relative_contrastive(a, c, d).detach()) == pytest.approx(303.2, abs=1.0)


@pytest.mark.parametrize("cosine", [1.0, -1.0])
@pytest.mark.parametrize("tau", [1e-3, 0.1])
def test_extreme_cosines_stay_finite(cosine: float, tau: float) -> None:
    a = torch.randn(4, 8, generator=torch.Generator().manual_seed(0), requires_grad=True)
    c = (cosine * a.detach()[:, None].repeat(1, 10, 1)).requires_grad_()
    loss = relative_contrastive(a, c, torch.rand(4, 10), tau)
    assert float(loss.detach()) == pytest.approx(log_factorial(10), abs=1e-2)
    assert bool(torch.isfinite(gradients(loss, a, c)).all())


def test_opposite_cosines_at_a_low_temperature_stay_finite() -> None:
    a = torch.eye(4)[:1].requires_grad_()
    c = torch.stack([torch.eye(4)[0] * s for s in (-1.0, 1.0, -1.0, 1.0)])[None].requires_grad_()
    loss = relative_contrastive(a, c, torch.tensor([[1.0, 2.0, 3.0, 4.0]]), 1e-3)
    # The first is one of two opposite ones before two equal ones: 2000 twice over, and ln 2 each.
    assert float(loss.detach()) == pytest.approx(4000 + 2 * math.log(2), abs=1e-2)
    assert bool(torch.isfinite(gradients(loss, a, c)).all())


def test_autocast_changes_nothing() -> None:
    a, c, d = draw(4, 9, 8, dtype=torch.float32)
    plain = relative_contrastive(a, c, d)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = relative_contrastive(a, c, d)
    assert under.dtype == torch.float32 and torch.equal(plain, under)


def test_half_embeddings_give_a_finite_single_precision_loss() -> None:
    a, c, d = draw(4, 83, 8, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = relative_contrastive(a.bfloat16(), c.bfloat16(), d, 1e-3)
    assert loss.dtype == torch.float32 and bool(torch.isfinite(gradients(loss, a, c)).all())


def test_double_stays_double() -> None:
    assert relative_contrastive(*draw(2, 3, 4)).dtype == torch.float64


def test_a_reversed_order_costs_more() -> None:
    angle = torch.linspace(0, 3, 12)
    c = torch.stack([angle.cos(), angle.sin()], dim=1)[None]
    a, d = torch.tensor([[1.0, 0.0]]), torch.arange(12.0)[None]
    assert float(relative_contrastive(a, c, -d)) > float(relative_contrastive(a, c, d)) + 10


def test_the_scale_of_embeddings_does_not_matter() -> None:
    a, c, d = draw(3, 7, 5)
    assert torch.allclose(relative_contrastive(100 * a, 0.01 * c, d), relative_contrastive(a, c, d), rtol=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 12))
def test_the_order_in_which_candidates_are_given_does_not_matter(seed: int, n: int) -> None:
    a, c, d = draw(2, n, 3, seed)
    shuffle = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    assert torch.allclose(relative_contrastive(a, c[:, shuffle], d[:, shuffle]), relative_contrastive(a, c, d))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 12))
def test_only_the_order_of_distances_counts(seed: int, n: int) -> None:
    a, c, d = draw(2, n, 3, seed)
    assert torch.equal(relative_contrastive(a, c, d), relative_contrastive(a, c, torch.exp(5 * d) - 7))


def test_equal_distances_keep_the_order_of_the_candidates() -> None:
    a, c, _ = draw(2, 40, 3)
    got = relative_contrastive(a, c, torch.ones(2, 40))
    assert torch.equal(got, relative_contrastive(a, c, torch.arange(40.0).expand(2, 40)))


def test_a_pool_with_an_index_equals_candidates_beside_each_anchor() -> None:
    a, _, d = draw(4, 6, 5)
    pool = torch.randn(9, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).requires_grad_()
    index = torch.randint(9, (4, 6), generator=torch.Generator().manual_seed(4))
    got, want = relative_contrastive(a, pool, d, index=index), relative_contrastive(a, pool[index], d)
    assert torch.allclose(got, want, rtol=1e-12)
    assert torch.allclose(gradients(got, a, pool), gradients(want, a, pool), atol=1e-12)


def test_the_distance_gets_no_gradient() -> None:
    a, c, d = draw(2, 3, 4)
    d.requires_grad_()
    relative_contrastive(a, c, d, ties=0.1).backward()
    assert d.grad is None and a.grad is not None


MASK = torch.tensor([[True, False, True, True, False, True], [True] * 6, [False, False, True, False, False, False]])


@pytest.mark.parametrize("ties", [0.0, 0.2])
def test_a_mask_equals_the_loop_without_the_masked(ties: float) -> None:
    a, c, d = draw(3, 6, 4)
    got, want = (f(a, c, d, mask=MASK, ties=ties) for f in (relative_contrastive, naive_loss))
    assert torch.allclose(got, want, rtol=1e-9)
    assert torch.allclose(gradients(got, a, c), gradients(want, a, c), atol=1e-9)


def test_masked_candidates_get_no_gradient_and_do_not_matter() -> None:
    a, c, d = draw(3, 6, 4)
    loss = relative_contrastive(a, c, d, mask=MASK)
    (grad,) = torch.autograd.grad(loss, c)
    moved = torch.where(MASK[:, :, None], c.detach(), 1e3), torch.where(MASK, d, -1.0)
    assert torch.equal(grad[~MASK], torch.zeros_like(grad[~MASK])) and bool((grad[0, 0] != 0).any())
    assert torch.allclose(relative_contrastive(a, *moved, mask=MASK), loss, rtol=1e-12)


def test_what_stands_at_a_masked_distance_may_be_anything() -> None:
    a, c, d = draw(3, 6, 4)
    loss = relative_contrastive(a, c, d.masked_fill(~MASK, torch.nan), mask=MASK)
    assert torch.equal(loss, relative_contrastive(a, c, d, mask=MASK))


def test_infinitely_far_candidates_come_before_masked_ones() -> None:
    a, c, d = draw(3, 6, 4)
    far = d.clone()
    far[:, 2] = torch.inf
    assert torch.allclose(relative_contrastive(a, c, far, mask=MASK), naive_loss(a, c, far, mask=MASK), rtol=1e-9)


def test_an_anchor_without_candidates_counts_as_zero() -> None:
    a, c, d = draw(2, 4, 3)
    mask = torch.tensor([[True] * 4, [False] * 4])
    loss = relative_contrastive(a, c, d, mask=mask)
    assert torch.allclose(loss, relative_contrastive(a[:1], c[:1], d[:1]) / 2)
    assert bool(torch.isfinite(gradients(loss, a, c)).all())


@pytest.mark.parametrize("ties", [1e-9, 0.05, 0.3])
def test_near_ties_leave_each_others_denominators(ties: float) -> None:
    a, c, d = draw(4, 15, 4)
    d = (10 * d).round() / 10  # many exact ties
    got, want = relative_contrastive(a, c, d, ties=ties), naive_loss(a, c, d, ties=ties)
    assert torch.allclose(got, want, rtol=1e-9)
    assert torch.allclose(gradients(got, a, c), gradients(want, a, c), atol=1e-9)


def test_candidates_that_are_all_tied_cost_nothing() -> None:
    a, c, d = draw(2, 8, 4)
    assert float(relative_contrastive(a, c, d, ties=2.0).detach()) == pytest.approx(0.0, abs=1e-12)


def test_no_ties_and_weights_of_one_are_the_plain_loss() -> None:
    a, c, d = draw(3, 8, 4)
    assert torch.equal(relative_contrastive(a, c, d, weights=torch.ones(8), ties=0.0), relative_contrastive(a, c, d))


def test_ties_too_small_to_tie_anything_are_the_plain_loss() -> None:
    a, c, d = draw(3, 8, 4)
    assert torch.allclose(relative_contrastive(a, c, d, ties=1e-12), relative_contrastive(a, c, d), rtol=1e-12)


@pytest.mark.parametrize("ties", [0.0, 0.1])
def test_weights_belong_to_places(ties: float) -> None:
    a, c, d = draw(3, 6, 4)
    w = [1 / math.log2(1 + i) for i in range(1, 7)]
    got = relative_contrastive(a, c, d, weights=torch.tensor(w, dtype=torch.float64), ties=ties)
    want = naive_loss(a, c, d, weights=w, ties=ties)
    assert torch.allclose(got, want, rtol=1e-9)
    assert torch.allclose(gradients(got, a, c), gradients(want, a, c), atol=1e-9)


def test_weights_of_each_row() -> None:
    a, c, d = draw(2, 3, 4)
    w = torch.tensor([[1.0, 0.0, 2.0], [0.5, 3.0, 0.0]], dtype=torch.float64)
    rows = [relative_contrastive(a[i : i + 1], c[i : i + 1], d[i : i + 1], weights=w[i]) for i in range(2)]
    assert torch.allclose(relative_contrastive(a, c, d, weights=w), torch.stack(rows).mean())


def test_weighted_value_at_equal_similarities() -> None:
    w = 1 / torch.log2(1 + torch.arange(1, 84).double())
    want = sum(float(w[i - 1]) * math.log(83 - i + 1) for i in range(1, 84))
    assert float(ranking_loss(torch.zeros(1, 83, dtype=torch.float64), torch.rand(1, 83), w)) == pytest.approx(want)


def test_the_nearest_twenty_carry_less_than_a_third() -> None:
    w = (torch.arange(83) < 20).float()
    assert float(ranking_loss(torch.zeros(1, 83), torch.rand(1, 83), w)) == pytest.approx(85.9, abs=0.05)


def test_the_order_is_that_of_a_stable_sort_masked_last() -> None:
    d = torch.tensor([[3.0, 1.0, torch.inf, 1.0, 0.0]])
    order, present = order_of(d, torch.tensor([[True, True, True, True, False]]))
    assert order.tolist() == [[1, 3, 0, 2, 4]] and present.tolist() == [[True] * 4 + [False]]


@pytest.mark.parametrize("tau", [0.0, -0.1])
def test_a_temperature_that_is_not_positive_is_refused(tau: float) -> None:
    with pytest.raises(BadOptionError, match="temperature"):
        relative_contrastive(*draw(2, 3, 4), tau)


def test_negative_ties_are_refused() -> None:
    with pytest.raises(BadOptionError, match="ties"):
        relative_contrastive(*draw(2, 3, 4), ties=-1.0)


@pytest.mark.parametrize("shape", [(3, 3, 4), (2, 3, 5), (2, 4)])
def test_candidates_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    a, _, d = draw(2, 3, 4)
    with pytest.raises(BadOptionError, match="do not fit candidates"):
        relative_contrastive(a, torch.ones(shape), d)


@pytest.mark.parametrize("name", ["distance", "mask", "weights"])
def test_other_shapes_that_do_not_fit_are_named(name: str) -> None:
    a, c, d = draw(2, 3, 4)
    wrong = {"distance": d} | {name: torch.ones(2, 4, dtype=torch.bool)}
    with pytest.raises(BadOptionError, match=name):
        relative_contrastive(a, c, **wrong)
