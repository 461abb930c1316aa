"""Losses of pairs with masks, against double loops written from the formula, and by what they promise."""

from __future__ import annotations

import math
from typing import Any, Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kinelet.errors import BadOptionError
from kinelet.functional import info_nce, nearest_neighbour_nce, paired_nce

TAU = 0.2


def vectors(batch: int, dim: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    q, k = torch.randn(2, batch, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return q, k


def masks(batch: int, seed: int = 0, share: float = 0.3) -> dict[str, Tensor]:
    """Valid rows, and positives and ignored that are neither symmetric nor free of each other."""
    g = torch.Generator().manual_seed(seed)
    positive, ignore = torch.rand(2, batch, batch, generator=g) < share
    return {"valid": torch.rand(batch, generator=g) < 0.7, "positive": positive, "ignore": ignore}


def naive_direction(
    s: list[list[float]], valid: list[bool], positive: list[list[bool]], ignore: list[list[bool]]
) -> float:
    """Row direction: mean over valid rows of the mean over positives of minus the logarithm of the share."""
    rows = [i for i, there in enumerate(valid) if there]
    total = 0.0
    for i in rows:
        mine = [j for j in rows if j == i or positive[i][j]]
        beside = [j for j in rows if j in mine or not ignore[i][j]]
        denominator = sum(math.exp(s[i][j]) for j in beside)
        total += sum(-math.log(math.exp(s[i][p]) / denominator) for p in mine) / len(mine)
    return total / len(rows) if rows else 0.0


def naive_paired_nce(q: Tensor, k: Tensor, valid: Tensor, positive: Tensor, ignore: Tensor, tau: float = TAU) -> float:
    size = range(len(q))
    s = [[float(q[i] @ k[j] / (q[i].norm() * k[j].norm())) / tau for j in size] for i in size]
    turned = [[s[i][j] for i in size] for j in size]
    there = valid.tolist()
    across = naive_direction(s, there, positive.tolist(), ignore.tolist())
    return across + naive_direction(turned, there, positive.T.tolist(), ignore.T.tolist())


@pytest.mark.parametrize("batch", [1, 2, 5, 9])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_it_equals_the_loops(batch: int, share: float, seed: int) -> None:
    q, k = vectors(batch, seed=seed)
    chosen = masks(batch, seed, share)
    assert float(paired_nce(q, k, TAU, **chosen)) == pytest.approx(naive_paired_nce(q, k, **chosen), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 7), st.integers(1, 4), st.integers(0, 10_000), st.floats(0.05, 2.0))
def test_it_equals_the_loops_whatever_the_masks(batch: int, dim: int, seed: int, tau: float) -> None:
    q, k = vectors(batch, dim, seed)
    chosen = masks(batch, seed)
    assert float(paired_nce(q, k, tau, **chosen)) == pytest.approx(naive_paired_nce(q, k, **chosen, tau=tau), abs=1e-7)


@pytest.mark.parametrize("name", ["valid", "positive", "ignore"])
def test_one_mask_alone_equals_the_loops(name: str) -> None:
    q, k = vectors(6)
    none = {"valid": torch.ones(6).bool(), "positive": torch.zeros(6, 6).bool(), "ignore": torch.zeros(6, 6).bool()}
    one = {name: masks(6)[name]}
    assert float(paired_nce(q, k, TAU, **one)) == pytest.approx(naive_paired_nce(q, k, **none | one), abs=1e-9)


# --- the plain form


@pytest.mark.parametrize("batch", [1, 2, 62, 256])
def test_masks_that_say_nothing_give_the_plain_form(batch: int) -> None:
    q, k = (z.float() for z in vectors(batch, 32))
    empty = torch.zeros(batch, batch, dtype=torch.bool)
    found = paired_nce(q, k, TAU, valid=torch.ones(batch).bool(), positive=torch.eye(batch).bool(), ignore=empty)
    assert float(found) == pytest.approx(float(info_nce(q, k, TAU)), abs=1e-5)


def test_without_masks_it_is_the_plain_form_to_the_bit() -> None:
    q, k = vectors(7)
    assert torch.equal(paired_nce(q, k, TAU), info_nce(q, k, TAU))


@pytest.mark.parametrize("batch", [1, 2, 62, 256])
def test_equal_embeddings_give_twice_the_logarithm(batch: int) -> None:
    z = torch.ones(batch, 5)
    assert float(paired_nce(z, z, 0.1, valid=torch.ones(batch).bool())) == pytest.approx(2 * math.log(batch), abs=1e-5)


def test_orthonormal_embeddings_give_the_closed_form() -> None:
    z = torch.eye(8, dtype=torch.float64)
    want = 2 * math.log(1 + 7 * math.exp(-10))
    assert float(paired_nce(z, z, 0.1, valid=torch.ones(8).bool())) == pytest.approx(want, rel=1e-9)


def test_random_embeddings_lie_a_little_above_chance() -> None:
    q, k = torch.randn(2, 256, 512, generator=torch.Generator().manual_seed(0))
    loss = float(paired_nce(q, k, 0.1, valid=torch.ones(256).bool()))
    assert 0.1 < loss - 2 * math.log(256) < 0.3


# --- rows that lack their partner


def test_rows_that_are_not_valid_might_as_well_not_be_there() -> None:
    q, k = vectors(8)
    valid = torch.tensor([1, 0, 1, 1, 0, 1, 0, 1]).bool()
    chosen = masks(8)
    small = {name: chosen[name][valid][:, valid] for name in ("positive", "ignore")}
    whole = paired_nce(q, k, TAU, **chosen | {"valid": valid})
    assert float(whole) == pytest.approx(float(paired_nce(q[valid], k[valid], TAU, **small)), abs=1e-12)


@pytest.mark.parametrize("rubbish", [1e3, math.inf, math.nan])
def test_what_stands_in_a_row_that_is_not_valid_changes_nothing(rubbish: float) -> None:
    q, k = vectors(6)
    valid = torch.arange(6) != 2
    other = k.clone()
    other[2] = rubbish
    assert torch.equal(paired_nce(q, k, TAU, valid=valid), paired_nce(q, other, TAU, valid=valid))


@pytest.mark.parametrize("rubbish", [0.0, math.nan])
def test_gradients_of_rows_that_are_not_valid_are_zero(rubbish: float) -> None:
    q, k = vectors(6)
    valid = torch.arange(6) != 2
    k[2] = rubbish
    paired_nce(q.requires_grad_(), k.requires_grad_(), TAU, valid=valid).backward()
    assert q.grad is not None and k.grad is not None
    assert not q.grad[2].any() and not k.grad[2].any() and bool((q.grad[valid].abs().sum(1) > 0).all())


@pytest.mark.parametrize("batch", [1, 6])
def test_without_valid_rows_it_is_exactly_zero_with_a_gradient_of_zero(batch: int) -> None:
    q, k = vectors(batch)
    tau = torch.tensor(TAU, dtype=torch.float64, requires_grad=True)
    chosen = masks(batch) | {"valid": torch.zeros(batch, dtype=torch.bool)}
    loss = paired_nce(q.requires_grad_(), k, tau, **chosen)
    loss.backward()
    assert float(loss.detach()) == 0.0 and q.grad is not None and not q.grad.any() and tau.grad == 0


# --- several positives


def twins(rows: int = 7) -> Tensor:
    """Rows 2 and 6 are each other's positives."""
    out = torch.zeros(rows, rows, dtype=torch.bool)
    out[2, 6] = out[6, 2] = True
    return out


def gradients(loss: Any, q: Tensor, k: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
    q, k = q.detach().clone().requires_grad_(), k.detach().clone().requires_grad_()
    loss(q, k, positive).backward()
    assert q.grad is not None and k.grad is not None
    return q.grad, k.grad


def ours(q: Tensor, k: Tensor, positive: Tensor) -> Tensor:
    return paired_nce(q, k, TAU, positive=positive)


def loops(q: Tensor, k: Tensor, positive: Tensor) -> Tensor:
    """The formula as loops over rows and their positives, differentiable; every row is valid, nothing is ignored."""
    total = q.new_zeros(())
    for a, b in ((q, k), (k, q)):
        for i in range(len(a)):
            s = torch.stack([a[i] @ b[j] / (a[i].norm() * b[j].norm()) / TAU for j in range(len(b))])
            mine = [j for j in range(len(b)) if j == i or positive[i, j]]
            total = total + sum(-torch.log(s[j].exp() / s.exp().sum()) for j in mine) / len(mine) / len(a)
    return total


@pytest.mark.parametrize("copied", ["both", "key", "neither"])
def test_gradients_of_a_declared_pair_are_those_of_the_loops(copied: str) -> None:
    q, k = vectors(7)
    q[6] = q[2] if copied == "both" else q[6]
    k[6] = k[6] if copied == "neither" else k[2]
    torch.testing.assert_close(gradients(ours, q, k, twins()), gradients(loops, q, k, twins()))


@pytest.mark.parametrize("side", [0, 1], ids=["query", "key"])
def test_copies_that_are_declared_get_equal_gradients_from_different_partners(side: int) -> None:
    # One sentence about two windows: undeclared, each copy is drawn to its own window and pushed from the other's.
    # (Copies on both sides get equal gradients undeclared too, which would show nothing.)
    pair = vectors(7)
    pair[side][6] = pair[side][2]
    declared, silent = (gradients(ours, *pair, p)[side] for p in (twins(), torch.zeros(7, 7).bool()))
    torch.testing.assert_close(declared[2], declared[6])
    assert float((silent[2] - silent[6]).norm()) > 0.01


def test_ignored_pairs_get_a_gradient_of_zero() -> None:
    q, k = vectors(2)
    loss = paired_nce(q.requires_grad_(), k.requires_grad_(), TAU, ignore=~torch.eye(2).bool())
    loss.backward()
    # With its only negative ignored, each row finds its partner for certain.
    assert float(loss.detach()) == 0.0 and q.grad is not None and not q.grad.any()


def test_moving_an_ignored_key_does_not_move_the_query() -> None:
    q, k = vectors(6)
    ignore = torch.zeros(6, 6, dtype=torch.bool)
    ignore[1, 4] = True
    gradients = []
    for key in (k[4], -k[4]):
        moved = k.clone()
        moved[4] = key
        query = q.clone().requires_grad_()
        paired_nce(query, moved, TAU, ignore=ignore).backward()
        assert query.grad is not None
        gradients.append(query.grad[1])
    # Neither as a row nor in the column of key 4 does query 1 meet it.
    torch.testing.assert_close(*gradients)


def test_what_is_positive_is_not_ignored() -> None:
    q, k = vectors(6)
    twins = masks(6)["positive"]
    torch.testing.assert_close(
        paired_nce(q, k, TAU, positive=twins, ignore=twins), paired_nce(q, k, TAU, positive=twins)
    )


def test_a_relation_that_is_not_symmetric_is_turned_for_the_other_direction() -> None:
    q, k = vectors(6)
    chosen = masks(6)
    turned = {"valid": chosen["valid"], "positive": chosen["positive"].T, "ignore": chosen["ignore"].T}
    torch.testing.assert_close(paired_nce(q, k, TAU, **chosen), paired_nce(k, q, TAU, **turned))


# --- processes, precision, gradients


@pytest.mark.parametrize("ranks", [2, 4])
def test_mean_over_processes_is_the_loss_of_the_global_batch(ranks: int) -> None:
    q, k = vectors(8)
    chosen = masks(8, seed=3)
    valid, size = chosen.pop("valid"), 8 // ranks
    parts = [
        paired_nce(
            q[i : i + size], k[i : i + size], TAU, valid=valid[i : i + size], **everyone(q, k, valid, i), **chosen
        )
        for i in range(0, 8, size)
    ]
    assert float(sum(parts) / ranks) == pytest.approx(float(paired_nce(q, k, TAU, valid=valid, **chosen)), abs=1e-12)


def everyone(q: Tensor, k: Tensor, valid: Tensor, offset: int) -> dict[str, Any]:
    return {"all_q": q, "all_k": k, "all_valid": valid, "offset": offset}


def test_a_process_without_valid_rows_adds_nothing() -> None:
    q, k = vectors(4)
    valid = torch.tensor([True, True, False, False])
    assert float(paired_nce(q[2:], k[2:], TAU, valid=valid[2:], **everyone(q, k, valid, 2))) == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_gradients_equal_finite_differences(seed: int) -> None:
    q, k = (z.requires_grad_() for z in vectors(5, 3, seed))
    tau = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b, t: paired_nce(a, b, t, **masks(5, seed)), (q, k, tau))


def test_half_precision_is_computed_in_single() -> None:
    q, k = (z.bfloat16() for z in vectors(16, 8))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = paired_nce(q, k, 0.05, **masks(16))
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, paired_nce(q.float(), k.float(), 0.05, **masks(16)))


def test_a_tiny_temperature_and_zero_vectors_stay_finite() -> None:
    q, k = torch.zeros(6, 3, requires_grad=True), torch.eye(6, 3)
    paired_nce(q, k, 1e-3, **masks(6)).backward()
    assert q.grad is not None and bool(torch.isfinite(q.grad).all())


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"positive": torch.ones(3, 2).bool()}, "positive is"),
        ({"ignore": torch.ones(2, 2).bool()}, "ignore is"),
        ({"valid": torch.ones(2).bool()}, "valid is"),
        ({"all_valid": torch.ones(4).bool(), "valid": torch.ones(3).bool()}, "all_valid is"),
        ({"valid": torch.ones(3).bool(), "all_q": torch.ones(6, 5), "all_k": torch.ones(6, 5)}, "local batch only"),
    ],
)
def test_masks_that_do_not_fit_are_refused(given: dict[str, Tensor], fault: str) -> None:
    with pytest.raises(BadOptionError, match=fault):
        paired_nce(torch.ones(3, 5), torch.ones(3, 5), TAU, **given)


def test_a_temperature_that_is_not_positive_is_refused() -> None:
    with pytest.raises(BadOptionError, match="temperature"):
        paired_nce(torch.ones(2, 2), torch.ones(2, 2), 0.0, valid=torch.ones(2).bool())


# --- neighbours


@pytest.mark.parametrize("same", ["positive", "ignore"])
def test_rows_with_one_neighbour_are_never_each_others_negatives(same: Literal["positive", "ignore"]) -> None:
    q, _ = vectors(6)
    found, _ = vectors(6, seed=1)
    slot = torch.tensor([3, 7, 3, -1, 9, 7])
    twins = torch.tensor([[a == b for b in slot] for a in slot])
    nobody = torch.zeros(6, 6, dtype=torch.bool)
    positive, ignore = (twins, nobody) if same == "positive" else (nobody, twins)
    want = naive_paired_nce(q, found, slot >= 0, positive, ignore)
    assert float(nearest_neighbour_nce(q, found, slot, TAU, same=same)) == pytest.approx(want, abs=1e-9)


@pytest.mark.parametrize("same", ["positive", "ignore"])
def test_neighbours_that_all_differ_give_the_plain_form(same: Literal["positive", "ignore"]) -> None:
    q, found = vectors(6)
    assert float(nearest_neighbour_nce(q, found, torch.arange(6), TAU, same=same)) == pytest.approx(
        float(info_nce(q, found, TAU)), abs=1e-12
    )


def test_no_gradient_flows_into_neighbours() -> None:
    q, found = (z.requires_grad_() for z in vectors(4))
    nearest_neighbour_nce(q, found, torch.arange(4), TAU).backward()
    assert found.grad is None and q.grad is not None and bool(q.grad.any())


def test_rows_may_be_restricted_further() -> None:
    q, found = vectors(6)
    valid = torch.arange(6) < 4
    some = nearest_neighbour_nce(q, found, torch.arange(6), TAU, valid=valid)
    assert float(some) == pytest.approx(float(info_nce(q[:4], found[:4], TAU)), abs=1e-12)


def test_without_neighbours_it_is_exactly_zero() -> None:
    q, found = vectors(4)
    loss = nearest_neighbour_nce(q.requires_grad_(), found, torch.full((4,), -1), TAU)
    loss.backward()
    assert float(loss.detach()) == 0.0 and q.grad is not None and not q.grad.any()


def test_mean_over_processes_is_the_loss_of_all_neighbours() -> None:
    q, found = vectors(8)
    slot, valid = torch.tensor([1, 2, 1, -1, 5, 2, 1, 4]), torch.arange(8) != 6
    parts = [
        nearest_neighbour_nce(
            q[i : i + 4],
            found[i : i + 4],
            slot[i : i + 4],
            TAU,
            valid=valid[i : i + 4],
            all_q=q,
            all_found=found,
            all_slot=slot,
            all_valid=valid,
            offset=i,
        )
        for i in (0, 4)
    ]
    whole = nearest_neighbour_nce(q, found, slot, TAU, valid=valid)
    assert float(sum(parts) / 2) == pytest.approx(float(whole), abs=1e-12)


def test_restricted_rows_of_one_process_only_are_refused() -> None:
    q, found = vectors(2)
    with pytest.raises(BadOptionError, match="local batch only"):
        nearest_neighbour_nce(
            q,
            found,
            torch.arange(2),
            TAU,
            valid=torch.ones(2).bool(),
            all_q=q,
            all_found=found,
            all_slot=torch.arange(2),
        )


@pytest.mark.parametrize("batch", [2, 16, 62])
def test_six_terms_of_equal_embeddings_give_six_logarithms(batch: int) -> None:
    # As in the sum with lambda 1/2 and both kinds of weight 1: halves of text, video and motion, and of their
    # neighbours, each term being twice the logarithm.
    z, slot = torch.ones(batch, 4), torch.arange(batch)
    plain, found = paired_nce(z, z, 0.1, valid=slot >= 0), nearest_neighbour_nce(z, z, slot, 0.1)
    total = 0.5 * (plain + plain) + 0.5 * plain + 0.5 * (found + found) + 0.5 * found
    assert float(total) == pytest.approx(6 * math.log(batch), abs=1e-4)
