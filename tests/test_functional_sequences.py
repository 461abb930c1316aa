"""Losses on sequences, against double loops written from the formulas, and by what they promise."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kinelet.errors import BadOptionError
from kinelet.functional import instance_contrast, nt_xent, orthogonality, temporal_hinge

TAU = 0.2


def codes(batch: int, dim: int = 4, seed: int = 0) -> Tensor:
    return torch.randn(batch, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def some(batch: int, seed: int = 0) -> Tensor:
    return torch.rand(batch, generator=torch.Generator().manual_seed(seed)) < 0.7


def of_four(batch: int) -> Tensor:
    """Numbers of sequences of four windows, the last of which may be short."""
    return torch.arange(batch) // 4


# --- temporal hinge


def naive_hinge(h: Tensor, sequence: Tensor, margin: float, valid: Tensor) -> float:
    rows = [a for a in range(len(h)) if valid[a]]
    members: dict[int, list[int]] = {}
    for a in rows:
        members.setdefault(int(sequence[a]), []).append(a)

    def c(s: int, t: int) -> float:
        total = 0.0
        for a in members[s]:
            for b in members[t]:
                total += math.sqrt(sum((p - q) ** 2 for p, q in zip(h[a].tolist(), h[b].tolist(), strict=True)))
        return total / (len(members[s]) * len(members[t]))

    hinges = [max(c(s, s) - c(s, t) + margin, 0.0) for s in members for t in members if t != s]
    return sum(hinges) / len(hinges) if hinges else 0.0


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 11), st.integers(0, 9999), st.floats(0.1, 3.0))
def test_the_hinge_equals_the_loops(batch: int, seed: int, margin: float) -> None:
    h, valid = codes(batch, seed=seed), some(batch, seed)
    sequence = torch.randint(0, 4, (batch,), generator=torch.Generator().manual_seed(seed))
    naive = naive_hinge(h, sequence, margin, valid)
    assert float(temporal_hinge(h, sequence, margin, valid=valid)) == pytest.approx(naive, abs=1e-9)


def line(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


PAIRS = torch.tensor([0, 0, 1, 1])


def test_check_18_sequences_that_touch_are_charged_half() -> None:
    assert float(temporal_hinge(line(0, 1, 1, 2), PAIRS)) == 0.5


def test_check_18_sequences_far_apart_are_not_charged() -> None:
    assert float(temporal_hinge(line(0, 1, 3, 4), PAIRS)) == 0.0


def test_check_18_the_distances_are_those_of_the_formula() -> None:
    """A margin that nothing undercuts shows them: C_ss = 0.5 and C_ss' = 1 leave 100 - 0.5."""
    assert float(temporal_hinge(line(0, 1, 1, 2), PAIRS, margin=100.0)) == 99.5


def test_the_hinge_scales_with_the_codes() -> None:
    assert float(temporal_hinge(line(0, 10, 10, 20), PAIRS, margin=10.0)) == 5.0


def test_numbers_of_sequences_mean_nothing() -> None:
    h = codes(8)
    assert torch.equal(temporal_hinge(h, of_four(8)), temporal_hinge(h, of_four(8) * 1000 - 7))


def test_windows_that_are_all_alike_have_a_gradient() -> None:
    h = torch.ones(8, 3, requires_grad=True)
    temporal_hinge(h, of_four(8)).backward()
    assert h.grad is not None and bool(h.grad.isfinite().all())


def test_a_step_against_the_gradient_brings_a_sequence_together() -> None:
    h = codes(8).requires_grad_()
    before = temporal_hinge(h, of_four(8), margin=5.0)
    before.backward()
    assert h.grad is not None
    assert float(temporal_hinge((h - 0.1 * h.grad).detach(), of_four(8), margin=5.0)) < float(before.detach())


# --- contrast between views


def naive_contrast(h: Tensor, h2: Tensor, sequence: Tensor, tau: float, valid: Tensor, everyone: bool) -> float:
    rows = [a for a in range(len(h)) if valid[a]]

    def s(x: Tensor, y: Tensor) -> float:
        return math.exp(float(x @ y / (x.norm() * y.norm())) / tau)

    total = 0.0
    for p, q in ((h, h2), (h2, h)):
        for a in rows:
            others = [k for k in rows if k != a and (everyone or sequence[k] != sequence[a])]
            denominator = sum(s(p[a], p[k]) for k in others) + sum(s(p[a], q[k]) for k in [a, *others])
            total -= math.log(s(p[a], q[a]) / denominator)
    return total / (2 * len(rows)) if rows else 0.0


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(0, 9999), st.floats(0.05, 2.0), st.booleans())
def test_the_contrast_equals_the_loops(batch: int, seed: int, tau: float, everyone: bool) -> None:
    h, h2, valid = codes(batch, seed=seed), codes(batch, seed=seed + 1), some(batch, seed)
    sequence = torch.randint(0, 3, (batch,), generator=torch.Generator().manual_seed(seed))
    negatives = "all" if everyone else "other"
    got = instance_contrast(h, h2, sequence, tau, valid=valid, negatives=negatives)  # type: ignore[arg-type]
    assert float(got) == pytest.approx(naive_contrast(h, h2, sequence, tau, valid, everyone), abs=1e-7)


@pytest.mark.parametrize("batch", [2, 5, 16])
def test_check_17_equal_similarities_give_the_log_of_what_is_compared(batch: int) -> None:
    alike = torch.ones(batch, 3, dtype=torch.float64)
    loss = instance_contrast(alike, alike, None, TAU, negatives="all")
    assert float(loss) == pytest.approx(math.log(2 * batch - 1))


def test_check_17_aligned_orthogonal_views_give_nothing_at_low_temperature() -> None:
    h = torch.eye(8)
    assert float(instance_contrast(h, h * 3, torch.arange(8), 0.01)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("negatives", ["other", "all"])
def test_check_17_swapping_the_views_changes_nothing(negatives: str) -> None:
    h, h2 = codes(8), codes(8, seed=1)
    a, b = (
        instance_contrast(p, q, of_four(8), TAU, negatives=negatives)  # type: ignore[arg-type]
        for p, q in ((h, h2), (h2, h))
    )
    assert float(a) == pytest.approx(float(b), rel=1e-12)


def test_with_all_negatives_it_is_the_loss_of_simclr() -> None:
    h, h2 = codes(6), codes(6, seed=1)
    simclr = float(nt_xent(h, h2, TAU))
    assert float(instance_contrast(h, h2, None, TAU, negatives="all")) == pytest.approx(simclr)


def test_neighbours_are_no_negatives() -> None:
    """What a window of the same sequence looks like does not matter to a row."""
    h, h2 = codes(8), codes(8, seed=1)
    first = h.clone().requires_grad_()
    kept = torch.zeros(8, dtype=torch.bool)
    kept[[0, 1]] = True
    instance_contrast(first, h2, of_four(8), TAU, valid=kept).backward()
    assert first.grad is not None and not first.grad.any()


# --- orthogonality


@pytest.mark.parametrize(("cosine", "charged"), [(1.0, 1.0), (-1.0, 1.0), (0.0, 0.0), (0.6, 0.36), (-0.6, 0.36)])
def test_check_21_orthogonality_charges_parallel_and_opposed_parts_alike(cosine: float, charged: float) -> None:
    u = torch.tensor([[2.0, 0.0]], dtype=torch.float64)
    v = 3 * torch.tensor([[cosine, math.sqrt(1 - cosine**2)]], dtype=torch.float64)
    assert float(orthogonality(u, v)) == pytest.approx(charged, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(0, 9999))
def test_orthogonality_equals_the_loop(batch: int, seed: int) -> None:
    u, v, valid = codes(batch, seed=seed), codes(batch, seed=seed + 1), some(batch, seed)
    rows = [float(u[a] @ v[a] / (u[a].norm() * v[a].norm())) ** 2 for a in range(batch) if valid[a]]
    assert float(orthogonality(u, v, valid=valid)) == pytest.approx(sum(rows) / max(len(rows), 1), abs=1e-9)


# --- batches of any size, and rows that do not count

Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
LOSSES: dict[str, Loss] = {
    "hinge": lambda h, s, v: temporal_hinge(h, s, valid=v),
    "contrast": lambda h, s, v: instance_contrast(h, h.flip(1) * 2 + h, s, TAU, valid=v),
    "contrast_all": lambda h, s, v: instance_contrast(h, h.flip(1) * 2 + h, s, TAU, valid=v, negatives="all"),
    "orthogonality": lambda h, s, v: orthogonality(h, h.flip(1) * 2 + h, valid=v),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("batch", [0, 1, 2, 3, 4, 6, 9])
def test_check_19_any_number_of_windows_gives_a_finite_loss_and_gradient(name: str, batch: int) -> None:
    """One window, one sequence, a last short one, and none at all."""
    h = codes(batch).requires_grad_()
    loss = LOSSES[name](h, of_four(batch), None)
    loss.backward()
    assert bool(loss.isfinite()) and h.grad is not None and bool(h.grad.isfinite().all())


@pytest.mark.parametrize("name", ["hinge", "contrast"])
@pytest.mark.parametrize("batch", [1, 4])
def test_check_19_one_sequence_gives_exactly_nothing(name: str, batch: int) -> None:
    assert float(LOSSES[name](codes(batch), of_four(batch), None)) == 0.0


@pytest.mark.parametrize("name", LOSSES)
def test_check_19_without_a_row_that_counts_there_is_a_zero_that_supports_backward(name: str) -> None:
    h = torch.full((6, 4), torch.nan, requires_grad=True)
    loss = LOSSES[name](h, of_four(6), torch.zeros(6, dtype=torch.bool))
    loss.backward()
    assert float(loss.detach()) == 0 and h.grad is not None and not h.grad.any()


@pytest.mark.parametrize("name", LOSSES)
def test_rows_that_do_not_count_reach_neither_value_nor_gradient(name: str) -> None:
    h, valid = codes(9), some(9, seed=2)
    spoilt = h.clone()
    spoilt[~valid] = torch.nan
    spoilt.requires_grad_()
    loss = LOSSES[name](spoilt, of_four(9), valid)
    loss.backward()
    same = float(loss.detach()) == float(LOSSES[name](h, of_four(9), valid))
    assert same and spoilt.grad is not None and not spoilt.grad[~valid].any() and bool(spoilt.grad.isfinite().all())


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_is_computed_in_full(name: str) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert LOSSES[name](codes(8).bfloat16(), of_four(8), None).dtype == torch.float32


@pytest.mark.parametrize(
    "call",
    [
        lambda h: temporal_hinge(h, torch.zeros(3, dtype=torch.long)),
        lambda h: instance_contrast(h, h[:2], None, TAU, negatives="all"),
        lambda h: instance_contrast(h, h, None, TAU),
        lambda h: instance_contrast(h, h, of_four(4), 0.0),
        lambda h: instance_contrast(h, h, of_four(4), TAU, negatives="none"),  # type: ignore[arg-type]
        lambda h: orthogonality(h, h[:, :2]),
        lambda h: orthogonality(h, h, valid=torch.ones(3, dtype=torch.bool)),
    ],
)
def test_what_makes_no_sense_is_refused(call: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(BadOptionError):
        call(codes(4))
