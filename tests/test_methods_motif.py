"""RelCon's first stage: its loss against loops, its promises, and what it learns on hidden shapes."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kinelet.config import validate
from kinelet.distances.network import MotifNetwork
from kinelet.errors import BadOptionError
from kinelet.functional import Compose, augmentations
from kinelet.functional.motif import motif_distance
from kinelet.methods.base import Batch
from kinelet.methods.motif import Motif, MotifMethodConfig, VanishedScaleError
from kinelet.signal.spec import imu_spec

every_attention = pytest.mark.parametrize("attention", ["softmax", "sparsemax"])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def motif(seed: int = 0, network: dict[str, Any] | None = None, **options: Any) -> Motif:
    torch.manual_seed(seed)
    shape = {"width": 16, "dropout": 0.0} | (network or {})
    config = validate(MotifMethodConfig, {"network": shape} | options)
    return Motif(MotifNetwork(imu_spec(50.0), config.network), config)


def batch_of(x: Tensor, seed: int = 0) -> Batch:
    n = len(x)
    codes = torch.zeros(n, dtype=torch.int64)
    times = torch.zeros(n, dtype=torch.float64)
    return {"x": x, "subject": codes, "recording": codes, "part": codes, "time_s": times, "generators": [seeded(seed)]}


def windows(batch: int = 8, time: int = 64, seed: int = 1) -> Tensor:
    g = seeded(seed)
    return torch.randn(batch, 3, time, generator=g) + 2 * torch.randn(batch, 3, 1, generator=g)


def naive_loss(method: Motif, x: Tensor, candidate: Tensor) -> float:
    """Window by window, axis by axis, sample by sample, from the two formulas."""
    total = 0.0
    for row in range(len(x)):
        y = method.encoder(x[row : row + 1], candidate[row : row + 1])[0].detach().double().numpy()
        a = x[row].double().numpy()
        squared, energy = 0.0, 0.0
        for c, t in np.ndindex(a.shape):
            squared += (y[c, t] - a[c, t]) ** 2
            energy += (a[c, t] - a[c].mean()) ** 2 + 1e-4
        total += {"published": squared, "relative": squared / energy, "log": math.log(1 + squared / energy)}[
            method.config.loss
        ]
    return total / len(x)


# --- the loss


@every_attention
@pytest.mark.parametrize("loss", ["relative", "log", "published"])
def test_the_loss_equals_the_loops(loss: str, attention: str) -> None:
    method, x = motif(loss=loss, network={"attention": attention}), windows()
    candidate = Compose(augmentations("relcon"), choose=2)(x, seeded())
    value = float(method(batch_of(x))["loss"].detach())
    assert value == pytest.approx(naive_loss(method.eval(), x, candidate), rel=1e-4)  # type: ignore[arg-type]


@pytest.mark.parametrize(("loss", "factor"), [("relative", 1.0), ("log", 1.0), ("published", 9.0)])
def test_only_the_published_loss_grows_with_the_strength_of_movement(loss: str, factor: float) -> None:
    method = motif(loss=loss, augmentations=[{"kind": "negate"}], choose=None)
    once, thrice = (float(method(batch_of(k * windows()))["loss"].detach()) for k in (1, 3))
    assert thrice == pytest.approx(factor * once, rel=1e-3)


def test_a_rebuild_as_bad_as_the_mean_costs_about_one() -> None:
    method = motif(augmentations=(), choose=None)
    with torch.no_grad():  # nothing passes, so the rebuild is the candidate's mean
        method.encoder.out.weight.zero_()
        method.encoder.out.bias.zero_()
    assert float(method(batch_of(windows()))["loss"].detach()) == pytest.approx(1.0, abs=1e-3)


def test_the_floor_keeps_still_windows_finite() -> None:
    still = torch.ones(4, 3, 64)
    assert bool(torch.isfinite(motif()(batch_of(still))["loss"]))


def test_the_floor_is_what_still_windows_count_for() -> None:
    still = torch.ones(4, 3, 64)
    low, high = (float(motif(energy_floor=f)(batch_of(still))["loss"].detach()) for f in (1e-4, 1e-2))
    assert low == pytest.approx(100 * high, rel=1e-3)


def test_the_published_loss_is_the_distance_of_each_window_to_its_augmented_copy() -> None:
    method, x = motif(loss="published"), windows()
    candidate = Compose(augmentations("relcon"), choose=2)(x, seeded())
    pairs = torch.arange(len(x)).repeat(2, 1).T
    value = float(method(batch_of(x))["loss"].detach())
    method.eval()
    assert value == pytest.approx(float(motif_distance(method.encoder, x, candidate, pairs=pairs).mean()), rel=1e-4)


every_option = pytest.mark.parametrize(
    "options",
    [
        {"offset": "remove"},
        {"offset": "remove", "amplitude": "own"},
        {"offset": "split", "offset_weight": 0.2},
        {"scale": "isotropic", "align": "gravity"},
        {"align": "procrustes"},
    ],
    ids=lambda o: "-".join(map(str, o.values())),
)


@every_option
def test_the_network_is_trained_on_the_error_that_the_distance_uses(options: dict[str, Any]) -> None:
    method, x = motif(loss="published", network={"options": options}), windows()
    candidate = Compose(augmentations("relcon"), choose=2)(x, seeded())
    pairs = torch.arange(len(x)).repeat(2, 1).T
    value = float(method(batch_of(x))["loss"].detach())
    method.eval()
    assert value == pytest.approx(float(motif_distance(method.encoder, x, candidate, pairs=pairs).mean()), rel=1e-3)


@every_option
@every_attention
def test_gradients_are_finite_with_every_option(attention: str, options: dict[str, Any]) -> None:
    method = motif(network={"options": options, "attention": attention})
    x = torch.cat([windows(), torch.ones(2, 3, 64)])  # two of them still
    method(batch_of(x))["loss"].backward()
    assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in method.parameters())


def test_offset_free_training_does_not_see_where_the_window_lies() -> None:
    method = motif(network={"options": {"offset": "remove"}}, augmentations=[{"kind": "reverse"}], choose=None)
    here, there = (float(method(batch_of(windows() + k))["loss"].detach()) for k in (0, 5))
    assert here == pytest.approx(there, rel=1e-4)


def test_the_logarithm_keeps_one_still_window_from_drowning_the_others() -> None:
    # The same window, a thousand times weaker around the same mean, with a candidate half a g away.
    strong = windows(1)
    mean = strong.mean(dim=2, keepdim=True)
    x = torch.cat([strong, mean + 1e-3 * (strong - mean)])
    shares = {}
    for loss in ("relative", "log"):
        each = motif(loss=loss).rebuild_error(x, x + 0.5)[0].detach()
        shares[loss] = float(each[1] / each.sum())
    assert shares["relative"] > 0.99 and shares["log"] < 0.95


# --- training and use


@every_attention
def test_training_and_evaluation_rebuild_alike_without_dropout(attention: str) -> None:
    method, x = motif(network={"attention": attention}), windows()
    trained = method.train().rebuild_error(x, x.flip(2))[0]
    used = method.eval().rebuild_error(x, x.flip(2))[0]
    assert torch.equal(trained, used)


@every_attention
def test_validation_is_the_training_loss_without_dropout(attention: str) -> None:
    method, x = motif(network={"attention": attention}), windows()
    assert float(method(batch_of(x, 3))["loss"].detach()) == float(method.validate(batch_of(x), seeded(3)))


def test_the_attention_mode_is_used_in_training() -> None:
    losses = [
        float(motif(network={"attention": a})(batch_of(windows()))["loss"].detach()) for a in ("softmax", "sparsemax")
    ]
    assert losses[0] != pytest.approx(losses[1], rel=1e-3)


def test_dropout_acts_in_training_and_not_in_validation() -> None:
    method, x = motif(network={"dropout": 0.5}).train(), windows()
    torch.manual_seed(0)
    trained = [float(method(batch_of(x))["loss"].detach()) for _ in range(2)]
    scored = [float(method.validate(batch_of(x), seeded())) for _ in range(2)]
    assert trained[0] != trained[1] and scored[0] == scored[1]


def test_validation_leaves_the_mode_as_it_was() -> None:
    method = motif().train()
    method.validate(batch_of(windows()), seeded())
    assert all(m.training for m in method.modules())


def test_validation_has_no_gradient_and_takes_its_augmentations_from_the_generator() -> None:
    method, x = motif(), windows()
    a, b, c = (method.validate(batch_of(x, seed=i), seeded(s)) for i, s in ((0, 1), (9, 1), (0, 2)))
    assert not a.requires_grad and torch.equal(a, b) and not torch.equal(a, c)


def test_people_are_set_aside_for_validation_as_configured() -> None:
    plan = Motif.validation(MotifMethodConfig(validation_people=0.3, validation_every=7, validation_windows=99))
    assert (plan.people, plan.every, plan.windows) == (0.3, 7, 99)


# --- the candidate


def test_the_anchor_is_clean_and_the_candidate_augmented() -> None:
    method, x = motif(augmentations=[{"kind": "negate"}], choose=None), windows()
    seen: list[tuple[Tensor, Tensor]] = []
    rebuild = method.encoder.rebuild
    method.encoder.rebuild = lambda a, c: (seen.append((a, c)), rebuild(a, c))[1]  # type: ignore[assignment, method-assign, func-returns-value]
    method(batch_of(x))
    assert torch.equal(seen[0][0], x) and torch.equal(seen[0][1], -x)


def test_by_default_two_of_the_eight_transforms_are_chosen() -> None:
    config = MotifMethodConfig()
    assert config.augmentations == augmentations("relcon") and config.choose == 2


def test_choosing_more_than_there_are_is_refused() -> None:
    with pytest.raises(BadOptionError, match="choose"):
        motif(augmentations=[{"kind": "negate"}])


@pytest.mark.parametrize(
    "options",
    [{"loss": "absolute"}, {"choose": 0}, {"energy_floor": 0}, {"validation_people": 1}, {"network": {"w": 1}}],
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadOptionError, match=next(iter(options))):
        validate(MotifMethodConfig, options)


# --- the learned scale


@pytest.mark.parametrize("value", [0.0, 9e-4, -9e-4])
@pytest.mark.parametrize("how", ["training", "validation"])
def test_a_scale_near_zero_stops_with_an_error(value: float, how: str) -> None:
    method = motif()
    with torch.no_grad():
        method.encoder.norm.scale[1] = value
    with pytest.raises(VanishedScaleError, match=r"learned scale.*train\.lr"):
        method(batch_of(windows())) if how == "training" else method.validate(batch_of(windows()), seeded())


@pytest.mark.parametrize("value", [1.1e-3, -1.1e-3])
def test_a_small_scale_is_allowed(value: float) -> None:
    method = motif()
    with torch.no_grad():
        method.encoder.norm.scale[1] = value
    assert bool(torch.isfinite(method(batch_of(windows()))["loss"]))


# --- parts


def test_parts_say_how_bad_the_rebuild_is() -> None:
    method = motif(augmentations=(), choose=None)
    with torch.no_grad():  # a rebuild that is the mean and one g too high
        method.encoder.out.weight.zero_()
        method.encoder.out.bias.fill_(1.0)
    x = windows(time=64)
    x = (x - x.mean(dim=2, keepdim=True)) / x.std(dim=2, keepdim=True, correction=0)
    parts = {k: float(v) for k, v in method(batch_of(x))["parts"].items()}
    assert parts == pytest.approx({"error": 384, "relative": 2, "offset_share": 0.5, "scale": 1}, rel=1e-3)


# --- learning: four shapes, each at a random place of its windows, in noise

TIME, SHAPE, KINDS = 96, 40, 4


def shapes() -> Tensor:
    """``(kind, channel, time)``, smooth, with energy 1 a sample."""
    g, t, k = seeded(12345), torch.arange(SHAPE) / SHAPE, torch.arange(1, 5)
    strength, phase = torch.randn(KINDS, 3, 4, 1, generator=g), torch.rand(KINDS, 3, 4, 1, generator=g)
    waves = (strength * torch.sin(2 * torch.pi * (k[:, None] * t + phase))).sum(dim=2)
    waves = waves * torch.hann_window(SHAPE, periodic=False)
    return waves / waves.square().mean(dim=(1, 2), keepdim=True).sqrt()


def motifs(batch: int, seed: int) -> tuple[Tensor, Tensor]:
    g = seeded(seed)
    kind = torch.randint(KINDS, (batch,), generator=g)
    start = torch.randint(TIME - SHAPE, (batch,), generator=g)
    x = 0.4 * torch.randn(batch, 3, TIME, generator=g)
    for row, first, wave in zip(x, start.tolist(), shapes()[kind], strict=True):
        row[:, first : first + SHAPE] += wave
    return x, kind


def same_is_nearer(method: Motif) -> float:
    """How often a candidate with the anchor's shape is nearer than one with another, over all such triples."""
    x, kind = motifs(32, 999)
    was, _ = method.training, method.eval()
    d = motif_distance(method.encoder, x, x)
    method.train(was)
    wins = []
    for i in range(len(x)):
        same = [j for j in range(len(x)) if kind[j] == kind[i] and j != i]
        other = [j for j in range(len(x)) if kind[j] != kind[i]]
        wins.append(np.mean([float(d[i, a] < d[i, b]) for a, b in itertools.product(same, other)]))
    return float(np.mean(wins))


@every_attention
def test_training_lowers_the_loss_and_brings_equal_shapes_near(attention: str) -> None:
    # Thresholds from three seeds, 40 steps: loss falls to 0.47-0.55 of the start, triples right 0.92-0.98, before
    # training 0.40-0.76.
    method = motif(network={"attention": attention, "dropout": 0.1})
    optimizer = torch.optim.Adam(method.parameters(), lr=3e-3)
    unseen = batch_of(motifs(32, 77_777)[0])
    loss, right = float(method.validate(unseen, seeded(1))), same_is_nearer(method)
    for step in range(1, 41):
        optimizer.zero_grad()
        method(batch_of(motifs(32, step)[0], seed=step))["loss"].backward()
        optimizer.step()
    after = float(method.validate(unseen, seeded(1))), same_is_nearer(method)
    assert after[0] < 0.65 * loss and after[1] > max(0.85, right + 0.1), (loss, right, after)
