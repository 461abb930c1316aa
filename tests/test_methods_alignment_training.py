"""Methods that align by contrast: what is trained, what encoders are shown, and what is drawn."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from kinelet.methods.moment_codes import Trained, codes_of, named_generators
from kinelet.methods.registry import get_method
from multimodal_toys import make_batch
from test_methods_alignment import THREE, make


def trained(method: Trained) -> Trained:
    optimizer = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=0.01, weight_decay=0.1)
    for seed in range(2):
        method(make_batch(names=THREE, seed=seed))["loss"].backward()
        optimizer.step()
    return method


@pytest.mark.parametrize("name", ["infonce", "cmc", "gmc", "focal"])
def test_a_frozen_encoder_stays_as_it_is(name: str) -> None:
    """Check 22: weights and running statistics."""
    method = make(name, freeze_encoder=True).train()
    before = {k: v.clone() for k, v in method.state_dict().items() if ".base." in k}
    after = trained(method).state_dict()
    assert before and all(torch.equal(v, after[k]) for k, v in before.items())


def test_infonce_leaves_encoders_frozen_and_cmc_moves_them() -> None:
    moved = {}
    for name in ("infonce", "cmc"):
        method = make(name).train()
        before = {k: p.clone() for k, p in method.named_parameters() if ".base." in k}
        now = dict(trained(method).named_parameters())
        moved[name] = any(not torch.equal(p, now[k]) for k, p in before.items())
    assert moved == {"infonce": False, "cmc": True}


def test_encoders_learn_at_a_rate_of_their_own() -> None:
    assert {prefix: r.scale for prefix, r in make("cmc", encoder_rate=0.2).rates().items()} == {
        f"encoder.{n}.base.": 0.2 for n in THREE
    }


class Recorder(nn.Module):
    """Stands in for an encoder, and remembers which rows it was shown."""

    dim = 2

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.shown: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.shown.append(x)
        return x[:, 0, :2] * self.weight


def test_an_encoder_sees_present_rows_alone_and_their_codes_go_where_they_belong() -> None:
    encoder, x = Recorder(), torch.arange(12.0).reshape(4, 1, 3)
    there = torch.tensor([True, False, True, False])
    code = codes_of(cast(Any, encoder), x, there)
    assert torch.equal(encoder.shown[0], x[[0, 2]])
    assert torch.equal(code.detach(), torch.tensor([[0.0, 1.0], [0.0, 0.0], [6.0, 7.0], [0.0, 0.0]]))


def test_without_a_row_every_weight_has_a_gradient_of_zero() -> None:
    encoder = Recorder()
    code = codes_of(cast(Any, encoder), None, torch.zeros(3, dtype=torch.bool))
    code.sum().backward()
    assert code.shape == (3, 2) and torch.equal(encoder.weight.grad, torch.zeros(2))


def test_each_modality_draws_by_itself() -> None:
    def draws(names: tuple[str, ...]) -> dict[str, Tensor]:
        made = named_generators([torch.Generator().manual_seed(5)], names)
        return {n: torch.rand(3, generator=g[0]) for n, g in made.items()}

    few, many = draws(("acc", "bvp")), draws(("gyr", "bvp", "acc"))
    assert torch.equal(few["acc"], many["acc"]) and not torch.equal(few["acc"], few["bvp"])


def test_views_differ_between_rows_and_from_step_to_step() -> None:
    method, batch = make("cmc", augmentations="focal"), make_batch(names=THREE)
    batch["x.acc"] = batch["x.acc"][:1].expand(16, -1, -1).clone()
    first, second = method.augmented(batch)["acc"], method.augmented(batch)["acc"]
    assert len({tuple(row.flatten().tolist()) for row in first}) > 8 and not torch.equal(first, second)


@pytest.mark.parametrize("name", ["infonce", "cmc", "gmc", "focal"])
def test_encoders_move_less_where_pairs_are_few(name: str) -> None:
    kind, config = get_method(name)
    settle = cast(Any, kind).settle
    told = [settle(config(), 999), settle(config(), 1000), settle(cast(Any, config)(encoder_rate=0.5), 10)]
    assert [c.encoder_rate for c in told] == [0.01, 0.1, 0.5]
