from __future__ import annotations

import pytest
import torch
from torch import Tensor

from grid_toys import image_of
from kinelet.encoders.conv_gru import ConvGRU
from kinelet.encoders.image import ImageEncoder
from kinelet.encoders.registry import create_encoder
from kinelet.errors import BadOptionError, SpecMismatchError
from kinelet.signal.spec import SignalSpec, imu_spec

TRIPLE = imu_spec(50.0, window_s=5.0)
PUBLISHED_SPECS = {
    "mod_audio": SignalSpec(rate_hz=8000.0, channels=("audio",), units=("1",), window_s=2.0),
    "mod_seismic": SignalSpec(rate_hz=100.0, channels=("seismic",), units=("1",), window_s=2.0),
    "realworld_har": TRIPLE,
    "pamap2": imu_spec(100.0, window_s=2.0),
}
LIGHT = SignalSpec(rate_hz=50.0, channels=("light",), units=("lx",), window_s=5.0)
#: Rates, channels and window lengths that people have.
SIGNALS = {
    "watch": imu_spec(32.0, window_s=8.0),
    "imu": imu_spec(100.0, gyro=True, window_s=2.0),
    "pulse": SignalSpec(rate_hz=64.0, channels=("bvp",), units=("1",), window_s=5.0),
    "skeleton": SignalSpec(rate_hz=30.0, channels=tuple(f"j{i}" for i in range(60)), units=("m",) * 60, window_s=3.0),
    "audio": PUBLISHED_SPECS["mod_audio"],
    "slow": SignalSpec(rate_hz=1.0, channels=("temperature",), units=("degC",), window_s=60.0),
}
both = pytest.mark.parametrize("name", ["swin", "conv_gru"])


def windows(spec: SignalSpec = TRIPLE, batch: int = 2, seed: int = 0) -> Tensor:
    assert spec.window_samples is not None
    g = torch.Generator().manual_seed(seed)
    return torch.randn(batch, len(spec.channels), spec.window_samples, generator=g)


def made(name: str, spec: SignalSpec = TRIPLE, **options: object) -> ImageEncoder:
    encoder = create_encoder(name, spec=spec, seed=0, **options)
    assert isinstance(encoder, ImageEncoder)
    return encoder


def count(encoder: torch.nn.Module) -> int:
    return sum(p.numel() for p in encoder.parameters())


# --- published sizes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shapes", "total"),
    [
        ([("mod_audio", PUBLISHED_SPECS["mod_audio"]), ("mod_seismic", PUBLISHED_SPECS["mod_seismic"])], 11_243_840),
        ([("realworld_har", TRIPLE)] * 3, 3_063_144),
        ([("realworld_har", TRIPLE)] * 3 + [("realworld_har", LIGHT)], 4_083_936),
        ([("pamap2", PUBLISHED_SPECS["pamap2"])] * 3, 2_456_328),
    ],
    ids=["MOD", "RealWorld-HAR", "RealWorld-HAR with light", "PAMAP2"],
)
def test_check_1_published_presets_have_the_published_counts(shapes: list[tuple[str, SignalSpec]], total: int) -> None:
    assert sum(count(made("swin", spec, published_shape=name)) for name, spec in shapes) == total


@pytest.mark.parametrize(
    ("shape", "image", "padded"),
    [
        ("mod_audio", (2, 10, 1600), (12, 48)),
        ("mod_seismic", (2, 10, 20), (12, 24)),
        ("realworld_har", (6, 9, 50), (12, 36)),
        ("pamap2", (6, 9, 40), (12, 20)),
    ],
)
def test_check_1_published_images_and_grids(shape: str, image: tuple[int, ...], padded: tuple[int, int]) -> None:
    encoder = made("swin", PUBLISHED_SPECS[shape], published_shape=shape)
    found = encoder.image(windows(PUBLISHED_SPECS[shape]))
    grid = encoder.grid(found)
    assert (tuple(found.shape[1:]), (grid.rows, grid.cols)) == (image, padded)


@both
@pytest.mark.parametrize("shape", list(PUBLISHED_SPECS))
def test_published_sizes_encode_windows(name: str, shape: str) -> None:
    encoder = made(name, PUBLISHED_SPECS[shape], published_shape=shape)
    assert encoder.embed(windows(PUBLISHED_SPECS[shape], 1)).shape == (1, encoder.dim)


def test_two_sided_images_hold_every_bin_twice() -> None:
    """The second half mirrors the first with the imaginary part turned round, which is why nothing else uses them."""
    image = made("swin", PUBLISHED_SPECS["pamap2"], published_shape="pamap2").image(windows(PUBLISHED_SPECS["pamap2"]))
    real, imaginary = image[:, ::2], image[:, 1::2]
    mirrored = [part[..., 1:].flip(-1) for part in (real, imaginary)]
    assert torch.allclose(mirrored[0], real[..., 1:], atol=1e-4) and torch.allclose(
        mirrored[1], -imaginary[..., 1:], atol=1e-4
    )


def test_a_two_sided_image_is_the_plain_transform_of_each_interval() -> None:
    x = windows(PUBLISHED_SPECS["pamap2"])
    image = made("swin", PUBLISHED_SPECS["pamap2"], published_shape="pamap2").image(x)
    want = torch.fft.fft(x[0, 2, 60:100])
    assert torch.allclose(torch.complex(image[0, 4, 3], image[0, 5, 3]), want, atol=1e-4)


@both
def test_other_windows_than_published_are_refused(name: str) -> None:
    with pytest.raises(SpecMismatchError, match=r"2\.0 s at 100\.0 Hz instead of 5\.0 s at 50\.0 Hz"):
        made(name, PUBLISHED_SPECS["pamap2"], published_shape="realworld_har")


def test_fitting_leaves_a_two_sided_image_as_it_is() -> None:
    encoder, x = made("swin", published_shape="realworld_har"), windows()
    before = encoder.image(x)
    encoder.fit_input([10 * x])
    assert torch.equal(encoder.image(x), before)


def test_without_the_table_the_count_is_short_by_what_the_public_code_leaves_unused() -> None:
    short = [
        count(made("swin", PUBLISHED_SPECS[s], published_shape=s))
        - count(made("swin", PUBLISHED_SPECS[s], published_shape=s, position_table=False))
        for s in ("mod_audio", "mod_seismic", "realworld_har")
    ]
    assert (short[0] + short[1], 3 * short[2]) == (55_296, 41_472)


# --- kinelet's sizes -------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("signal", list(SIGNALS))
def test_any_signal_gives_a_code_of_a_network_under_a_million_parameters(name: str, signal: str) -> None:
    encoder = made(name, SIGNALS[signal])
    assert encoder.embed(windows(SIGNALS[signal])).shape == (2, 128) and count(encoder) < 1_000_000


@both
@pytest.mark.parametrize(
    "options", [{"front": "raw"}, {"mode": "reim"}, {"overlap": "none"}, {"patch": (2, 5)}], ids=str
)
def test_every_front_end_works(name: str, options: dict[str, object]) -> None:
    encoder = made(name, **options)
    assert encoder(windows()).shape == (2, 128)


@both
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("options", [{}, {"patch": (2, 5)}, {"front": "raw"}], ids=str)
def test_check_5_hidden_patches_leave_the_code_as_it_is_to_the_bit(
    name: str, training: bool, options: dict[str, object]
) -> None:
    encoder = made(name, **options).train(training)
    image = encoder.image(windows())
    grid = encoder.grid(image)
    keep = torch.rand(2, grid.n, generator=torch.Generator().manual_seed(1)) < 0.25
    changed = image_of(grid, torch.where(keep[..., None], grid.patches(image), 1e6))
    assert torch.equal(encoder.encode(image, keep), encoder.encode(changed, keep))


@both
def test_check_5_the_gradient_at_hidden_cells_is_zero(name: str) -> None:
    encoder = made(name)
    image = encoder.image(windows()).detach().requires_grad_()
    grid = encoder.grid(image)
    keep = torch.rand(2, grid.n, generator=torch.Generator().manual_seed(1)) < 0.25
    encoder.encode(image, keep).square().sum().backward()
    assert image.grad is not None
    found = grid.patches(image.grad).abs().sum(dim=2)
    real = grid.valid.expand_as(keep)
    assert bool((found[~keep] == 0).all()) and bool((found[keep & real] > 0).all())


@both
def test_seeing_all_is_the_same_as_hiding_nothing(name: str) -> None:
    encoder = made(name).eval()
    image = encoder.image(windows())
    keep = torch.ones(2, encoder.grid(image).n, dtype=torch.bool)
    assert torch.equal(encoder.encode(image, keep), encoder.encode(image))


@both
def test_what_is_visible_matters(name: str) -> None:
    encoder = made(name).eval()
    image = encoder.image(windows())
    keep = torch.rand(2, encoder.grid(image).n, generator=torch.Generator().manual_seed(1)) < 0.25
    assert not torch.allclose(encoder.encode(image, keep), encoder.encode(image, ~keep), atol=1e-4)


@both
def test_what_stands_for_hidden_patches_is_learned(name: str) -> None:
    encoder = made(name)
    image = encoder.image(windows())
    encoder.encode(image, torch.rand(2, encoder.grid(image).n) < 0.25).square().sum().backward()
    hidden = encoder.trunk.hidden  # type: ignore[attr-defined]
    assert bool((hidden.grad != 0).any())


@both
def test_a_mask_of_another_shape_is_refused(name: str) -> None:
    encoder = made(name)
    with pytest.raises(BadOptionError, match=r"keep has shape \(2, 7\)"):
        encoder.encode(encoder.image(windows()), torch.ones(2, 7, dtype=torch.bool))


def test_the_code_does_not_change_when_the_grid_is_padded_more() -> None:
    """Without positions and shifts, which depend on the field."""
    encoder = made("swin", SIGNALS["imu"], position_table=False, depths=(1, 1, 1)).eval()
    image = encoder.image(windows(SIGNALS["imu"]))
    z = encoder.encode(image)
    encoder.multiple = (2 * encoder.multiple[0], 3 * encoder.multiple[1])
    assert torch.allclose(encoder.encode(image), z, atol=1e-5)


def test_flattened_codes_refuse_another_window_length() -> None:
    with pytest.raises(SpecMismatchError, match="9 by 4 patches are none of 20 by 4"):
        made("swin", readout="flatten")(windows(TRIPLE.replace(window_s=2.4)))


def test_flattened_codes_know_where_things_are() -> None:
    options = {"position_table": False, "depths": (1,), "window": (2, 4)}
    image = torch.randn(1, 3, 20, 12, generator=torch.Generator().manual_seed(0))
    moved = image.roll(4, 2)
    gaps = []
    for readout in ("mean", "flatten"):
        encoder = made("swin", readout=readout, **options).eval()
        gaps.append(float((encoder.encode(image) - encoder.encode(moved)).detach().abs().max()))
    assert gaps[0] < 1e-5 < 1e-2 < gaps[1]


def test_a_frozen_embedding_of_patches_is_kept_as_it_was_drawn() -> None:
    encoder = made("swin", freeze_patch_embed=True)
    frozen = [name for name, p in encoder.named_parameters() if not p.requires_grad]
    assert frozen == [f"trunk.embed.{i}.{part}" for i in (0, 1) for part in ("weight", "bias")]


def test_features_are_means_over_the_bins_of_a_row() -> None:
    encoder = made("swin")
    assert encoder.features(windows()).shape == (2, 128, 5)


def test_published_conv_gru_has_the_published_width() -> None:
    widths = [made("conv_gru", PUBLISHED_SPECS[s], published_shape=s).dim for s in PUBLISHED_SPECS]
    assert widths == [512, 512, 512, 128]


def test_published_conv_gru_has_the_published_norm_and_others_depend_on_no_batch() -> None:
    kinds = [
        any(isinstance(m, torch.nn.BatchNorm2d) for m in made("conv_gru", TRIPLE, published_shape=shape).modules())
        for shape in ("realworld_har", None)
    ]
    assert kinds == [True, False]


def test_codes_of_clean_windows_are_those_of_training_after_masked_training() -> None:
    encoder, x = made("conv_gru").train(), windows(batch=6)
    image = encoder.image(x)
    before = encoder(x)
    for seed in range(5):
        g = torch.Generator().manual_seed(seed)
        encoder.encode(image, torch.rand(6, encoder.grid(image).n, generator=g) < 0.25)
    assert torch.equal(before, encoder(x)) and torch.equal(before, encoder.eval()(x))


def test_conv_gru_features_are_states_of_intervals_whose_mean_is_the_code() -> None:
    encoder = made("conv_gru").eval()
    assert isinstance(encoder, ConvGRU)
    assert torch.allclose(encoder.features(windows()).mean(dim=2), encoder(windows()), atol=1e-6)


@both
def test_it_fits_a_toy_task(name: str) -> None:
    """Slow or fast: learned in a few steps, or the network does not pass gradients on."""
    torch.manual_seed(0)
    t = torch.arange(100) / 50
    fast = torch.arange(16) % 2 == 0
    pace = torch.where(fast, 6.0, 2.0)[:, None, None]
    x = torch.sin(2 * torch.pi * pace * t + 6 * torch.rand(16, 3, 1)) + 0.3 * torch.randn(16, 3, 100)
    small = {"width": 8, "depths": (1, 1)} if name == "swin" else {"width": 8, "hidden": 16}
    encoder = made(name, TRIPLE.replace(window_s=2.0), **small)
    encoder.fit_input([x])
    head = torch.nn.Linear(encoder.dim, 1)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], 1e-2)
    for _ in range(12):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(head(encoder(x))[:, 0], fast.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
