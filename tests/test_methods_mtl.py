"""The three questions of multi-task self-supervision, against a loop over windows and on signals that show time."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kinelet.encoders.base import Encoder
from kinelet.errors import BadOptionError
from kinelet.functional.augment import Permute, Reverse, TimeWarp
from kinelet.methods.base import Batch
from kinelet.methods.mtl import MTL, TASKS, MTLConfig
from kinelet.signal.spec import imu_spec
from test_methods_conformance import make, make_batch


class Flatten(Encoder):
    """Windows as vectors: shows what the method feeds to an encoder."""

    def __init__(self, time: int = 40) -> None:
        super().__init__(imu_spec(50.0), 3 * time, {})
        self.gain = nn.Parameter(torch.ones(()))
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.detach())
        return self.gain * x.flatten(1)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def flat(**options: Any) -> MTL:
    torch.manual_seed(0)
    return MTL(Flatten(), MTLConfig(**options))


def naive_loss(method: MTL, batch: Batch, answers: Tensor, seen: Tensor) -> float:
    """Window by window and question by question, from the definition of binary cross-entropy."""
    x = batch["x"].double()
    spreads = [float(torch.stack([c.std(correction=0) for c in row]).mean()) for row in x]
    total, w, b = 0.0, method.heads.weight.detach().double(), method.heads.bias.detach().double()
    for i, row in enumerate(seen.double()):
        logits = w @ row.flatten() + b
        loss = 0.0
        for task in range(3):
            p = 1 / (1 + math.exp(-float(logits[task])))
            loss -= math.log(p if answers[i, task] else 1 - p)
        weight = spreads[i] / (sum(spreads) / len(spreads)) if method.config.weights == "spread" else 1.0
        total += weight * loss
    return total / len(x)


@pytest.mark.parametrize("weights", ["spread", "equal"])
def test_the_loss_equals_the_loops(weights: str) -> None:
    method, batch = flat(weights=weights), make_batch(16, 3, 40)
    batch["x"] = batch["x"] * torch.linspace(0.1, 2, 16)[:, None, None]
    answers = method.draw(batch["x"], seeded())
    loss = float(method(batch)["loss"].detach())
    assert loss == pytest.approx(naive_loss(method, batch, answers, method.encoder.seen[0]), rel=1e-5)  # type: ignore[index,union-attr]


def test_untrained_answers_cost_three_coins() -> None:
    method = flat()
    nn.init.zeros_(method.heads.weight)
    nn.init.zeros_(method.heads.bias)
    assert float(method(make_batch(32, 3, 40))["loss"].detach()) == pytest.approx(3 * math.log(2), rel=1e-5)


def test_each_answer_is_a_coin_of_its_own() -> None:
    answers = flat().draw(torch.zeros(40_000, 3, 4), seeded())
    patterns = (answers * torch.tensor([1, 2, 4])).sum(dim=1).bincount(minlength=8)
    assert (patterns / 40_000).tolist() == pytest.approx([0.125] * 8, abs=0.01)


@pytest.mark.parametrize("share", [0.2, 0.8])
def test_the_share_of_transformed_windows_is_an_option(share: float) -> None:
    answers = flat(share=share).draw(torch.zeros(40_000, 3, 4), seeded())
    assert answers.float().mean(dim=0).tolist() == pytest.approx([share] * 3, abs=0.01)


def test_windows_with_three_noes_are_left_to_the_bit() -> None:
    method, x = flat(), torch.randn(200, 3, 40, generator=seeded(1))
    answers = method.draw(x, seeded())
    y, none = method.distort(x, answers, seeded()), ~answers.any(dim=1)
    assert bool(none.any()) and torch.equal(y[none], x[none])


@pytest.mark.parametrize("task", range(3))
def test_one_yes_applies_that_transform_alone(task: int) -> None:
    method, x = flat(), torch.randn(20, 3, 40, generator=seeded(1))
    answers = torch.zeros(20, 3, dtype=torch.bool)
    answers[:, task] = True
    transform = (Reverse(), Permute(segments=4, allow_identity=False), TimeWarp(sigma=0.2, knots=4))[task]
    assert torch.equal(method.distort(x, answers, seeded()), transform.apply(x, seeded()))


def test_a_yes_always_changes_the_window() -> None:
    method, x = flat(), torch.randn(2000, 3, 40, generator=seeded(1))
    answers = torch.eye(3, dtype=torch.bool).repeat(667, 1)[:2000]
    assert bool((method.distort(x, answers, seeded()) != x).flatten(1).any(dim=1).all())


def test_still_windows_do_not_count() -> None:
    method, batch = flat(), make_batch(8, 3, 40)
    batch["x"][:4] = batch["x"][:4, :, :1]
    weights = method._weights(batch["x"])
    assert float(weights[:4].abs().max()) < 1e-5 and float(weights.mean()) == pytest.approx(1, abs=1e-5)


def test_a_batch_without_any_movement_has_a_finite_loss() -> None:
    method, batch = flat(), make_batch(8, 3, 40)
    batch["x"] = torch.ones(8, 3, 40)
    assert bool(torch.isfinite(method(batch)["loss"]))


def test_parts_are_the_shares_of_right_answers() -> None:
    method, batch = flat(), make_batch(64, 3, 40)
    nn.init.zeros_(method.heads.weight)
    with torch.no_grad():
        method.heads.bias.copy_(torch.tensor([1.0, -1.0, 1.0]))  # always yes, no, yes
    share = method.draw(batch["x"], seeded()).float().mean(dim=0)
    parts = method(batch)["parts"]
    assert [float(parts[t]) for t in TASKS] == pytest.approx([float(share[0]), 1 - float(share[1]), float(share[2])])


def test_each_shard_draws_from_its_own_generator() -> None:
    both, one = flat(), flat()
    both(make_batch(8, 3, 40, shards=2))
    batch = make_batch(8, 3, 40, shards=2)
    batch["x"], batch["generators"] = batch["x"][4:], batch["generators"][1:]
    one(batch)
    assert torch.equal(both.encoder.seen[0][4:], one.encoder.seen[0])  # type: ignore[index,union-attr]


def sawtooth(batch: int, seed: int) -> Tensor:
    """Slow rises and sudden falls at one steady pace: direction, order and pace of time all show."""
    g = seeded(seed)
    t = torch.arange(100) / 50
    phase = torch.rand(batch, 1, 1, generator=g) + torch.tensor([0.0, 0.3, 0.6])[:, None]
    strength = 0.5 + torch.rand(batch, 1, 1, generator=g)
    return strength * ((4 * t + phase) % 1 - 0.5)


def test_the_direction_order_and_pace_of_time_are_learned() -> None:
    method = make("mtl", channels=3)
    optimizer = torch.optim.Adam(method.parameters(), lr=3e-3)
    for step in range(300):
        loss = method(learning_batch(64, step))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    method.eval()
    parts = method(learning_batch(512, 10_000))["parts"]
    assert all(float(parts[t]) > 0.7 for t in TASKS), parts


def learning_batch(batch: int, seed: int) -> Batch:
    out = make_batch(batch, 3, 100, seed=seed)
    out["x"] = sawtooth(batch, seed)
    return out


@pytest.mark.parametrize("options", [{"share": 0}, {"segments": 1}, {"knots": 3}, {"sigma": 0}, {"weights": "sd"}])
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadOptionError, match=next(iter(options))):
        make("mtl", **options)
