"""The transformer over patches that drops hidden ones, and what all encoders on images have in common."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from corpus_tools import corpus_of, recording
from grid_toys import image_of
from kinelet.encoders.base import Encoder
from kinelet.encoders.headed import HeadedEncoder
from kinelet.encoders.image import ImageEncoder, share_input
from kinelet.encoders.registry import create_encoder
from kinelet.encoders.shared_private import SharedPrivate
from kinelet.encoders.visible import visible
from kinelet.errors import BadOptionError
from kinelet.evaluate.baselines import fresh_like, untrained
from kinelet.signal.spec import SignalSpec, imu_spec
from kinelet.train.pretrain import fit_input, training_views
from kinelet.train.recipe import DataConfig


def windows(batch: int = 4, channels: int = 3, time: int = 125, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, channels, time, generator=torch.Generator().manual_seed(seed))


def made(**options: object) -> ImageEncoder:
    encoder = create_encoder("tf_vit", seed=0, **options)
    assert isinstance(encoder, ImageEncoder)
    encoder.fit_input([windows(64, seed=7)])
    return encoder.eval()


def drawn(batch: int, n: int, equal: bool, seed: int = 1) -> torch.Tensor:
    """Masks that let a quarter of the patches be seen, exactly or on average."""
    noise = torch.rand(batch, n, generator=torch.Generator().manual_seed(seed))
    return noise.argsort(dim=1).argsort(dim=1) < n // 4 if equal else noise < 0.25


equal_or_not = pytest.mark.parametrize("equal", [True, False])
LAYOUTS: list[dict[str, object]] = [{}, {"patch": (2, 5)}, {"front": "raw"}, {"mode": "reim"}]


@equal_or_not
@pytest.mark.parametrize("rubbish", [1e6, math.nan, math.inf])
@pytest.mark.parametrize("options", LAYOUTS, ids=str)
def test_what_is_hidden_leaves_the_code_identical_to_the_bit_check_5(
    options: dict[str, object], rubbish: float, equal: bool
) -> None:
    encoder = made(**options)
    image = encoder.image(windows())
    grid = encoder.grid(image)
    keep = drawn(4, grid.n, equal)
    changed = image_of(grid, torch.where(keep[..., None], grid.patches(image), rubbish))
    assert torch.equal(encoder.encode(image, keep), encoder.encode(changed, keep))


@equal_or_not
def test_the_gradient_of_the_code_is_zero_where_hidden_and_not_where_seen_check_5(equal: bool) -> None:
    encoder = made(patch=(2, 5))
    image = encoder.image(windows()).detach().requires_grad_()
    grid = encoder.grid(image)
    keep = drawn(4, grid.n, equal)
    encoder.encode(image, keep).square().sum().backward()
    assert image.grad is not None
    touched = grid.patches(image.grad).abs().sum(dim=2) > 0
    assert torch.equal(touched, keep)


@equal_or_not
def test_every_window_has_the_code_that_it_has_alone(equal: bool) -> None:
    encoder = made()
    image = encoder.image(windows())
    keep = drawn(4, encoder.grid(image).n, equal)
    alone = torch.cat([encoder.encode(image[i : i + 1], keep[i : i + 1]) for i in range(4)])
    assert torch.allclose(encoder.encode(image, keep), alone, atol=1e-5)


def test_seeing_all_is_the_same_as_hiding_nothing() -> None:
    encoder = made()
    image = encoder.image(windows())
    keep = torch.ones(4, encoder.grid(image).n, dtype=torch.bool)
    assert torch.allclose(encoder.encode(image, keep), encoder.encode(image), atol=1e-6)


def test_hidden_patches_cost_nothing() -> None:
    encoder, seen = made(), []
    encoder.embed_patch.register_forward_hook(lambda _, given, __: seen.append(tuple(given[0].shape)))
    image = encoder.image(windows())
    n = encoder.grid(image).n
    encoder.encode(image, drawn(4, n, equal=True))
    assert seen == [(4, n // 4, 3 * 3)]


def test_where_a_patch_lies_matters() -> None:
    encoder = made()
    image = encoder.image(windows())
    assert not torch.allclose(encoder.encode(image), encoder.encode(image.flip(2)), atol=1e-3)


def test_a_mask_of_another_shape_is_refused() -> None:
    encoder = made()
    image = encoder.image(windows())
    with pytest.raises(BadOptionError, match=r"keep has shape \(4, 7\)"):
        encoder.encode(image, torch.ones(4, 7, dtype=torch.bool))


def test_hiding_all_of_a_window_is_refused() -> None:
    encoder = made()
    image = encoder.image(windows())
    keep = torch.ones(4, encoder.grid(image).n, dtype=torch.bool)
    keep[2] = False
    with pytest.raises(BadOptionError, match="nothing of a window may be seen"):
        encoder.encode(image, keep)


def test_visible_tokens_come_in_order_with_those_missing_as_noughts() -> None:
    keep = torch.tensor([[True, False, True, True], [False, True, False, False]])
    taken = visible(keep, 2, 4).take(torch.arange(1.0, 9.0).view(2, 4, 1))
    assert taken[..., 0].tolist() == [[1.0, 3.0, 4.0], [6.0, 0.0, 0.0]]


@pytest.mark.parametrize(("preset", "width", "dim"), [("tiny", 64, 128), ("small", 128, 256)])
def test_presets_have_the_parameters_of_the_formula(preset: str, width: int, dim: int) -> None:
    encoder, values = made(preset=preset), 9
    blocks = 4 * (12 * width**2 + 13 * width)
    total = blocks + (values + 1) * width + 2 * width + (width + 1) * dim
    assert (encoder.dim, sum(p.numel() for p in encoder.parameters())) == (dim, total)


def test_a_preset_gives_way_to_what_is_told() -> None:
    encoder = made(preset="small", depth=2, code=32)
    assert encoder.dim == 32 and encoder.config["width"] == 128 and encoder.config["depth"] == 2


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(BadOptionError, match="width 64 is not divisible by heads 5"):
        create_encoder("tf_vit", heads=5)


SIGNALS = {
    "acceleration at 32 Hz": (32.0, 3, 5.0),
    "pulse": (64.0, 1, 10.0),
    "skeleton": (30.0, 60, 3.0),
    "audio": (8000.0, 1, 2.0),
    "skin conductance": (4.0, 1, 10.0),
}


@pytest.mark.parametrize("signal", list(SIGNALS))
def test_any_signal_gives_a_code(signal: str) -> None:
    rate, channels, length = SIGNALS[signal]
    spec = SignalSpec(rate_hz=rate, channels=tuple(f"c{i}" for i in range(channels)), units=("1",) * channels)
    encoder = create_encoder("tf_vit", spec=spec, seed=0)
    assert encoder.embed(windows(2, channels, round(rate * length))).shape == (2, 128)


def test_maps_over_time_average_to_what_the_norm_of_tokens_gives() -> None:
    encoder, x = made(), windows(time=252)
    assert encoder.features(x).shape == (4, 64, 20)


def scale_of(encoder: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {k: v for k, v in encoder.state_dict().items() if k.endswith(("scale", "middle", "spread"))}


def alike(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    one, two = scale_of(a), scale_of(b)
    return one.keys() == two.keys() and len(one) == 3 and all(torch.equal(one[k], two[k]) for k in one)


def test_the_scale_of_images_does_not_change_when_data_of_people_held_out_change_check_3(tmp_path: Path) -> None:
    fitted = []
    for gain, folder in ((1.0, "a"), (1000.0, "b")):
        stranger = recording("c", "P3", 400, seed=3)
        stranger = stranger.replace(data=stranger.data * gain)
        parts = recording("a", "P1", 400, seed=1), recording("b", "P2", 400, seed=2), stranger
        corpus = corpus_of(tmp_path / folder, *parts)
        views = training_views(corpus, DataConfig(window_s=2.0, hold_out=("P3",)))
        encoder = create_encoder("tf_vit", spec=views[0].spec, seed=0)
        fit_input(encoder, views)
        fitted.append(encoder)
    assert alike(*fitted) and float(fitted[0].front.scale.min()) != 1.0


def headed(base: Encoder) -> Encoder:
    return HeadedEncoder.around(base, {"a": 8}, "a")


def split(base: Encoder) -> Encoder:
    return SharedPrivate.around(base, width=8)


@pytest.mark.parametrize("wrap", [headed, split])
def test_heads_pass_the_fit_on_to_the_encoder_below(wrap: object) -> None:
    base = create_encoder("tf_vit", seed=0)
    encoder = wrap(base)  # type: ignore[operator]
    encoder.fit_input([windows(64, seed=7)])
    assert encoder.needs_fit and alike(base, made())


@pytest.mark.parametrize("wrap", [headed, split])
def test_an_untrained_encoder_like_one_of_a_run_is_on_its_scale_but_has_weights_of_its_own(wrap: object) -> None:
    encoder = wrap(made())  # type: ignore[operator]
    fresh = untrained(fresh_like(encoder), imu_spec(50.0), 3)
    x = windows()
    assert alike(encoder, fresh) and not np.allclose(encoder.embed(x), fresh.embed(x), atol=1e-3)


def test_what_is_fitted_is_a_copy() -> None:
    source, target = made(), create_encoder("tf_vit", seed=1)
    share_input(source, target)
    target.fit_input([5 * windows()])
    assert alike(source, made())


def test_encoders_without_images_ask_for_no_fit() -> None:
    assert not create_encoder("resnet1d_small").needs_fit
