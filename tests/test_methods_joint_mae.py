"""One masked autoencoder for several modalities: each is rebuilt from the codes of all that are there."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from kinelet.encoders.shared_private import SharedPrivate
from kinelet.errors import BadOptionError
from kinelet.functional.masked_patches import masked_patch_mse
from kinelet.methods.joint_mae import JointMAE, JointMAEConfig
from kinelet.methods.moment_codes import named_generators
from kinelet.methods.tf_masking import hidden_patches
from multimodal_toys import NAMES, make_batch, make_encoder, make_encoders

TINY: dict[str, Any] = {"decoder_width": 16, "decoder_depth": 1}


def joint(seed: int = 0, **options: Any) -> JointMAE:
    encoders = make_encoders(NAMES, width=16)
    torch.manual_seed(seed)
    return JointMAE(encoders, JointMAEConfig(**{**TINY, **options}))


def loss_of(method: JointMAE, batch: dict[str, Any]) -> Tensor:
    fresh = {**batch, "generators": [torch.Generator().manual_seed(5)]}
    return method(fresh)["loss"]


def test_the_loss_is_the_mean_over_modalities_of_errors_rebuilt_from_all_codes() -> None:
    method, batch = joint(augmentations="none").eval(), make_batch(8)
    drawn = named_generators([torch.Generator().manual_seed(5)], NAMES)
    seen = {}
    for name in NAMES:
        base = method.base(name)
        image = base.image(batch[f"x.{name}"])
        grid = base.grid(image)
        seen[name] = (image, grid, hidden_patches(base, grid, method.config, 8, drawn[name]))
    code = torch.cat([method.base(n).encode(seen[n][0], ~seen[n][2]) for n in sorted(NAMES)], dim=1)
    errors = []
    for name, (image, grid, hidden) in seen.items():
        rebuilt = method.decoders[name](code, grid, hidden)
        errors.append(masked_patch_mse(rebuilt, grid.patches(image), hidden, grid.cell_mask()))
    assert torch.allclose(loss_of(method, batch), torch.stack(errors).mean(), rtol=1e-5)


def test_the_rebuilding_of_one_modality_depends_on_the_code_of_the_other() -> None:
    method, batch = joint(), make_batch(8)
    out = method({**batch, "generators": [torch.Generator().manual_seed(5)]})
    with torch.no_grad():
        for p in method.base("bvp").parameters():
            p.zero_()
    other = method({**batch, "generators": [torch.Generator().manual_seed(5)]})
    assert float(out["parts"]["explained.acc"]) != float(other["parts"]["explained.acc"])


@pytest.mark.parametrize("value", [float("nan"), 1e6])
def test_check_24_what_is_absent_influences_nothing(value: float) -> None:
    method, batch = joint(), make_batch(16, missing=0.5)
    absent = ~batch["present"]
    other = {
        **batch,
        **{f"x.{n}": torch.where(absent[:, i, None, None], value, batch[f"x.{n}"]) for i, n in enumerate(NAMES)},
    }
    assert torch.equal(loss_of(method, batch), loss_of(method, other))


def test_check_24_a_modality_that_nobody_has_leaves_gradients_of_zero() -> None:
    method, batch = joint(), make_batch(8)
    batch["present"][:, NAMES.index("bvp")] = False
    loss_of(method, batch).backward()
    found = [p.grad for p in method.base("bvp").parameters()]
    assert all(g is not None and not bool(g.any()) for g in found)


def test_a_modality_that_nobody_has_explains_nothing() -> None:
    method, batch = joint(), make_batch(8)
    batch["present"][:, NAMES.index("bvp")] = False
    assert float(method(batch)["parts"]["explained.bvp"]) == 0


def test_the_heads_are_left_as_they_are() -> None:
    method = joint()
    loss_of(method, make_batch(8)).backward()
    heads = [p for n in NAMES for h in (method.of(n).head_u, method.of(n).head_v) for p in h.parameters()]
    assert all(p.grad is None and not p.requires_grad for p in heads) and method.features == ("backbone",)


def test_it_learns() -> None:
    method, batch = joint(augmentations="none"), make_batch(16)
    optimizer = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=5e-3)
    losses = []
    for _ in range(16):
        loss = loss_of(method, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


def test_diagnosis_is_of_the_generator_alone_and_leaves_no_gradient() -> None:
    method, batch = joint().eval(), make_batch(8)
    found = [method.diagnose(batch, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2] and set(found[0]) == {"loss", "explained.acc", "explained.bvp"}


def test_an_encoder_without_an_image_is_refused() -> None:
    encoders: dict[str, SharedPrivate] = {n: make_encoder(n, "resnet1d_small", widths=(8, 16)) for n in NAMES}
    with pytest.raises(BadOptionError, match=r"joint_mae.*tf_vit"):
        JointMAE(encoders, JointMAEConfig())


def test_it_begins_with_fresh_decoders_of_the_width_of_all_codes() -> None:
    method = joint()
    assert not JointMAE.needs_unimodal and {d.config["dim"] for d in method.decoders.values()} == {256}
