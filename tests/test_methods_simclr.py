from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kinelet.encoders.base import Encoder
from kinelet.errors import BadOptionError
from kinelet.functional import Compose
from kinelet.functional.augment import Negate, Rotate
from kinelet.methods.heads import projector
from kinelet.methods.simclr import SimCLR, SimCLRConfig
from kinelet.signal.spec import imu_spec
from test_functional_losses import naive_nt_xent
from test_methods_conformance import make, make_batch


def simclr(**options: Any) -> SimCLR:
    method = make("simclr", **options)
    assert isinstance(method, SimCLR)
    return method


class Flatten(Encoder):
    """Windows as vectors: shows what the method feeds to an encoder."""

    def __init__(self, time: int = 40) -> None:
        super().__init__(imu_spec(50.0), 3 * time, {})
        self.gain = nn.Parameter(torch.ones(()))
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.detach())
        return self.gain * x.flatten(1)


def views(shards: int = 1, time: int = 40, **options: Any) -> tuple[Tensor, Tensor]:
    encoder = Flatten(round(options["view_s"] * 50) if options.get("view_s") else time)
    SimCLR(encoder, SimCLRConfig(**options))(make_batch(8, 3, time, shards=shards))
    a, b = encoder.seen[0].chunk(2)
    return a, b


@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_the_loss_is_nt_xent_of_the_projected_views(temperature: float) -> None:
    method = simclr(temperature=temperature)
    projected: list[Tensor] = []
    method.projector.register_forward_hook(lambda _m, _i, z: projected.append(z.detach().double()))
    loss = method(make_batch())["loss"]
    assert float(loss.detach()) == pytest.approx(naive_nt_xent(*projected[0].chunk(2), temperature), rel=1e-5)


def test_views_come_from_the_configured_augmentations() -> None:
    a, b = views(augmentations=[{"kind": "negate"}], second_view=[])
    assert torch.equal(a, -make_batch(8, 3, 40)["x"]) and torch.equal(b, make_batch(8, 3, 40)["x"])


def test_without_a_second_pipeline_both_views_are_drawn_from_the_first() -> None:
    a, b = views(augmentations=[{"kind": "rotate"}])
    x = make_batch(8, 3, 40)["x"]
    assert torch.allclose(a.norm(dim=1), x.norm(dim=1), atol=1e-4) and not torch.allclose(a, b, atol=0.1)


def test_each_shard_draws_from_its_own_generator_first_view_first() -> None:
    a, b = views(shards=2, augmentations=[{"kind": "rotate"}])
    batch, rotate = make_batch(8, 3, 40, shards=2), Compose([Rotate()])
    want = [
        [rotate(part, g) for _ in range(2)] for part, g in zip(batch["x"].chunk(2), batch["generators"], strict=True)
    ]
    assert torch.equal(a, torch.cat([w[0] for w in want])) and torch.equal(b, torch.cat([w[1] for w in want]))


def test_cropped_views_are_parts_of_the_window() -> None:
    a, b = views(view_s=0.4, augmentations="none")
    x = make_batch(8, 3, 40)["x"]
    parts = x.unfold(2, 20, 1).transpose(1, 2)  # (batch, start, channel, 20)
    inside = [(parts == v[:, None]).all(dim=3).all(dim=2).any(dim=1) for v in (a, b)]
    assert bool(torch.stack(inside).all()) and not torch.equal(a, b)


def test_views_longer_than_the_window_are_refused() -> None:
    with pytest.raises(BadOptionError, match="200 samples"):
        views(view_s=4.0)


def test_equal_views_of_distant_windows_are_told_apart() -> None:
    out = SimCLR(Flatten(), SimCLRConfig(augmentations=(), projector=(64,)))(make_batch(8, 3, 40))
    assert float(out["parts"]["accuracy"]) == 1.0 and float(out["parts"]["positive"]) == pytest.approx(1.0, abs=1e-5)


def test_training_brings_partners_together() -> None:
    method = simclr()
    optimizer = torch.optim.Adam(method.parameters(), lr=3e-3)
    accuracies = []
    for step in range(30):
        out = method(make_batch(32, seed=step))
        optimizer.zero_grad()
        out["loss"].backward()
        optimizer.step()
        accuracies.append(float(out["parts"]["accuracy"]))
    assert sum(accuracies[-5:]) > 1.5 * sum(accuracies[:5]) > 0


def test_augmentations_are_given_by_preset_or_in_full() -> None:
    by_name, in_full = SimCLRConfig(augmentations="none"), SimCLRConfig(augmentations=(Negate(),))
    assert by_name.augmentations == () and in_full.augmentations[0].kind == "negate"


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(BadOptionError, match="strong"):
        simclr(augmentations="strong")


@pytest.mark.parametrize("options", [{"temperature": 0}, {"projector": []}, {"projector": [0]}, {"view_s": -1}])
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadOptionError, match=next(iter(options))):
        simclr(**options)


def test_the_default_needs_motion_sensors_and_says_what_to_do_else() -> None:
    method = SimCLR(Flatten(), SimCLRConfig())
    batch = make_batch(4, 3, 40)
    batch["x"] = batch["x"][:, :2]
    with pytest.raises(BadOptionError, match="any_signal"):
        method(batch)


@pytest.mark.parametrize(("norm", "kinds"), [("batch", "LBRL"), ("layer", "LNRL"), ("none", "LRL")])
def test_heads_are_linear_norm_relu_linear(norm: str, kinds: str) -> None:
    letters = {nn.Linear: "L", nn.BatchNorm1d: "B", nn.LayerNorm: "N", nn.ReLU: "R"}
    head = projector(16, (8, 4), norm)  # type: ignore[arg-type]
    assert "".join(letters[type(m)] for m in head) == kinds and head(torch.randn(3, 16)).shape == (3, 4)
