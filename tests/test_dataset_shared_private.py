"""The world with known information: exact numbers, what codes find in it, and corpora made of it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from critic_toys import critic_loss
from kinelet.datasets.shared_private import Draw, World, mutual_information, shared_private_windows
from kinelet.errors import BadOptionError
from kinelet.methods.critics import Critic, log_ratio

EXACT = 1.0216512475319814
WORLD = World()


def from_covariance(world: World) -> float:
    """Information between the two modalities from log determinants of what their windows' covariance is."""
    one, two, both = (np.linalg.slogdet(world.covariance(*n)).logabsdet for n in (["one"], ["two"], ["one", "two"]))
    return float(0.5 * (one + two - both))


# --- exact numbers


def test_check_16_the_default_world_has_the_known_information() -> None:
    assert mutual_information() == pytest.approx(EXACT, abs=1e-12)


WORLDS = {
    "default": {},
    "private sources": {"b": 3.0, "p": 5},
    "no private sources": {"p": 0},
    "one strong, one weak": {"b": {"one": 0.1, "two": 4.0}},
    "gain and filter": {"filtered": True, "gain": {"one": 3.0, "two": 0.2}},
    "quiet outside the bursts": {"floor": 0.3},
    "other bursts": {"seed": 9},
    "three channels": {"channels": 3},
    "other rates": {"rates": {"one": 8.0, "two": 50.0}},
}


@pytest.mark.parametrize("name", WORLDS)
def test_check_16_its_information_is_that_of_its_covariance(name: str) -> None:
    assert from_covariance(World(**WORLDS[name])) == pytest.approx(EXACT, abs=1e-9)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"a": {"one": 0.5, "two": 2.0}}, {"sigma": {"one": 1.0, "two": 0.2}}, {"k": 3}])
def test_check_16_so_it_is_for_other_strengths(options: dict[str, object]) -> None:
    world = World(**options)  # type: ignore[arg-type]
    assert world.information("one", "two") == pytest.approx(from_covariance(world), abs=1e-9)


def test_information_is_per_shared_source() -> None:
    assert mutual_information(k=4) == pytest.approx(2 * mutual_information(k=2))


def test_the_covariance_is_that_of_what_is_drawn() -> None:
    world = World(rates={"one": 4.0, "two": 6.0}, filtered=True, floor=0.5, gain=2.0)
    x = shared_private_windows(world, 100_000).x
    drawn = torch.cov(torch.cat([x["one"].flatten(1), x["two"].flatten(1)], dim=1).T)
    assert torch.allclose(drawn.double(), torch.from_numpy(world.covariance("one", "two")), atol=0.15)


@pytest.mark.parametrize("name", ["one", "two"])
def test_bursts_are_orthonormal(name: str) -> None:
    basis = np.concatenate(WORLD.bursts(name), axis=1)
    assert np.allclose(basis.T @ basis, np.eye(4))


# --- what codes find


def gaussian_information(x: Tensor, y: Tensor) -> float:
    """Information between two sets of Gaussian columns from their sample correlation."""
    correlation = torch.corrcoef(torch.cat([x, y], dim=1).T).double()
    k = x.shape[1]
    parts = [torch.linalg.slogdet(c).logabsdet for c in (correlation[:k, :k], correlation[k:, k:], correlation)]
    return float(0.5 * (parts[0] + parts[1] - parts[2]))


@pytest.fixture(scope="module")
def drawn() -> Draw:
    return shared_private_windows(WORLD, 20_000)


def code(draw: Draw, name: str, which: int) -> Tensor:
    """Windows along the shared (0) or private (1) bursts of their modality."""
    return draw.x[name].flatten(1).double() @ torch.from_numpy(WORLD.bursts(name)[which])


def test_the_shared_code_reaches_the_bound(drawn: Draw) -> None:
    assert gaussian_information(code(drawn, "one", 0), code(drawn, "two", 0)) == pytest.approx(EXACT, abs=0.03)


def test_the_private_code_tells_nothing_of_the_other_modality(drawn: Draw) -> None:
    other = torch.cat([code(drawn, "two", 0), code(drawn, "two", 1)], dim=1)
    assert gaussian_information(code(drawn, "one", 1), other) < 0.005


def held_out_information(which: int, steps: int = 150) -> float:
    """What a critic finds in common between a code of ``one`` and windows of ``two``, on windows it never saw."""
    torch.manual_seed(0)
    world, g = World(rates={"one": 16.0, "two": 16.0}, window_s=1.0, ar=0.0), torch.Generator().manual_seed(0)
    basis = torch.from_numpy(world.bursts("one")[which]).float()
    known, held_out = (shared_private_windows(world, n, seed=seed) for n, seed in ((20_000, 1), (4000, 2)))
    code, other = ([d.x["one"].flatten(1) @ basis, d.x["two"].flatten(1)] for d in (known, held_out))
    critic = Critic([2, 16], hidden=64)
    optimiser = torch.optim.Adam(critic.parameters(), lr=3e-3, betas=(0.5, 0.9))
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        rows = torch.randint(0, 20_000, (256,), generator=g)
        optimiser.zero_grad()
        loss = critic_loss(critic, [z[rows] for z in code], torch.arange(256), g)
        assert loss is not None
        loss.backward()
        optimiser.step()
        decay.step()
    return float(log_ratio(critic, *other).detach().mean())


def test_a_critic_finds_what_the_shared_code_tells_of_the_other_modality() -> None:
    assert 0.8 < held_out_information(0) < EXACT + 0.1


def test_a_critic_finds_that_the_private_code_tells_nothing() -> None:
    assert abs(held_out_information(1)) < 0.05


def shared_accuracy(draw: Draw, *names: str) -> float:
    """Of guessing the class by the signs of the best linear guess at the sources."""
    guess = torch.stack([code(draw, name, 0) for name in names]).sum(dim=0) > 0
    return float((guess.long() @ torch.tensor([1, 2]) == draw.shared).double().mean())


def test_one_modality_tells_the_shared_class_as_often_as_it_can(drawn: Draw) -> None:
    """A sign is guessed rightly with probability 1/2 + arcsin(rho) / pi, rho the correlation with the source."""
    possible = (0.5 + math.asin(1 / math.hypot(1, 0.5)) / math.pi) ** 2
    assert shared_accuracy(drawn, "one") == pytest.approx(possible, abs=0.01)


@pytest.mark.parametrize(("names", "ceiling"), [(("one",), 0.726), (("one", "two"), 0.795)])
def test_the_ceilings_are_the_known_ones(drawn: Draw, names: tuple[str, ...], ceiling: float) -> None:
    assert shared_accuracy(drawn, *names) == pytest.approx(ceiling, abs=0.01)


def test_classes_are_the_signs_of_the_sources(drawn: Draw) -> None:
    above = drawn.w["two"][:, :2] > 0
    assert torch.equal(drawn.private["two"], above.long() @ torch.tensor([1, 2]))


def test_consecutive_windows_are_as_related_as_asked() -> None:
    s = shared_private_windows(replace(WORLD, ar=0.6), 8000, 3).s.reshape(8000, 3, 2)[..., 0]
    assert torch.corrcoef(s.T)[0].tolist() == pytest.approx([1.0, 0.6, 0.36], abs=0.04)


def test_sources_keep_unit_variance_along_a_run() -> None:
    s = shared_private_windows(WORLD, 8000, 4).s.reshape(8000, 4, 2)
    assert torch.allclose(s.var(dim=0), torch.ones(4, 2, dtype=torch.float64), atol=0.06)


def test_what_is_not_linear_can_be_undone() -> None:
    world = replace(WORLD, nonlinear=0.8, filtered=True, gain=1.5)
    x = shared_private_windows(world, 50).x["one"].flatten(1).double()
    linear = shared_private_windows(replace(world, nonlinear=0.0), 50).x["one"].flatten(1).double()
    assert torch.allclose(torch.asinh(0.8 * x) / 0.8, linear, atol=1e-5)


def test_noise_outside_the_bursts_is_quieter_where_asked() -> None:
    world = replace(WORLD, floor=0.1)
    x = shared_private_windows(world, 4000).x["one"].flatten(1).double()
    basis = torch.from_numpy(np.concatenate(world.bursts("one"), axis=1))
    rest = x - x @ basis @ basis.T
    share = float(rest.square().sum(dim=1).mean()) / (x.shape[1] - 4)
    assert share == pytest.approx((0.1 * 0.5) ** 2, rel=0.02)


# --- draws


def test_the_same_seed_draws_the_same() -> None:
    a, b = (shared_private_windows(WORLD, 5, 3, seed=4) for _ in range(2))
    assert torch.equal(a.x["two"], b.x["two"])


def test_another_seed_draws_other_windows_of_the_same_world() -> None:
    a, b = (shared_private_windows(WORLD, 5, 3, seed=seed) for seed in (4, 5))
    assert not torch.equal(a.x["two"], b.x["two"])


def test_runs_are_numbered() -> None:
    draw = shared_private_windows(WORLD, 2, 3)
    assert (draw.sequence.tolist(), draw.moment.tolist()) == ([0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2])


def test_windows_are_missing_at_the_rate_asked_for() -> None:
    present = shared_private_windows(WORLD, 4000, missing={"one": 0.0, "two": 0.3}).present
    assert present.double().mean(dim=0).tolist() == pytest.approx([1.0, 0.7], abs=0.03)


def test_absent_windows_are_zero() -> None:
    draw = shared_private_windows(WORLD, 50, missing=0.5)
    assert not draw.x["two"][~draw.present[:, 1]].any()


@pytest.mark.parametrize("shift", [1, -2])
def test_windows_that_come_late_belong_to_other_moments(shift: int) -> None:
    """They share with the window that they came late for."""
    draw = shared_private_windows(WORLD, 300, 6, shift=shift)
    moved, still = (code(draw, name, 0).reshape(300, 6, 2) for name in ("two", "one"))
    size = 6 - abs(shift)
    a, b = (moved[:, shift:], still[:, :size]) if shift > 0 else (moved[:, :size], still[:, -shift:])
    assert gaussian_information(a.flatten(0, 1), b.flatten(0, 1)) == pytest.approx(EXACT, abs=0.12)


def test_and_not_with_the_window_beside_them() -> None:
    world = replace(WORLD, ar=0.0)
    draw = shared_private_windows(world, 3000, 2, shift=1)
    assert gaussian_information(code(draw, "one", 0), code(draw, "two", 0)) < 0.01


@pytest.mark.parametrize("options", [{"window_s": 0.1}, {"a": {"one": 1.0}}])
def test_worlds_that_cannot_be_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(BadOptionError):
        World(**options)  # type: ignore[arg-type]


def test_no_runs_are_refused() -> None:
    with pytest.raises(BadOptionError):
        shared_private_windows(WORLD, 0)
