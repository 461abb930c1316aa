"""The masked autoencoder on images: what is hidden stays hidden, what is rebuilt lies where it belongs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from grid_toys import image_of
from kinelet.encoders.grid import Grid
from kinelet.encoders.image import ImageEncoder
from kinelet.encoders.registry import create_encoder
from kinelet.encoders.tf_vit import TFViT
from kinelet.encoders.visible import visible
from kinelet.errors import BadFileError, BadOptionError
from kinelet.functional.augment import Compose
from kinelet.functional.masking import hide_patches
from kinelet.methods.base import Batch
from kinelet.methods.mae import MAE, MAEConfig
from kinelet.methods.tf_decoder import PatchDecoder, decoder_for, load_decoder, save_decoder, token_decoder_for
from kinelet.methods.tf_masking import hidden_patches, rows_together
from kinelet.signal.spec import SignalSpec
from multimodal_toys import generators, signal, spec_of
from test_functional_masked_patches import naive

TOKENS = {"decoder": "tokens"}


def encoder_of(name: str = "acc", base: str = "tf_vit", **options: Any) -> ImageEncoder:
    made = create_encoder(base, spec=spec_of(name), seed=0, **options)
    assert isinstance(made, ImageEncoder)
    return made


def mae(encoder: ImageEncoder | None = None, **options: Any) -> MAE:
    encoder = encoder or encoder_of()
    torch.manual_seed(0)
    return MAE(encoder, MAEConfig(**options))


def windows(rows: int = 8, name: str = "acc", seed: int = 0) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    low, high = torch.rand(2, rows, generator=g)
    return signal(name, 1 + 4 * low, 6 + 6 * high)


def batch_of(x: Tensor, seed: int = 0, shards: int = 1) -> Batch:
    code = torch.arange(len(x))
    return {
        "x": x,
        "subject": code,
        "recording": code,
        "part": code,
        "time_s": code.double(),
        "generators": generators(seed, shards),
    }


def test_the_loss_is_the_error_of_the_formula() -> None:
    method, x = mae(augmentations="none").eval(), windows()
    image = method.encoder.image(x)
    grid = method.encoder.grid(image)
    hidden = hidden_patches(method.encoder, grid, method.config, len(x), generators())
    rebuilt = method.decoder(method.encoder.encode(image, ~hidden), grid, hidden)
    want = naive(rebuilt.detach(), grid.patches(image), hidden, grid.cell_mask(), True)
    assert float(method(batch_of(x))["loss"].detach()) == pytest.approx(want, rel=1e-4)


def test_check_4_every_window_hides_three_quarters_of_what_is_there() -> None:
    encoder = encoder_of("bvp")
    grid = encoder.grid(encoder.image(windows(1, "bvp")))
    hidden = hidden_patches(encoder, grid, MAEConfig(), 20, generators())
    assert hidden.sum(dim=1).tolist() == [round(0.75 * int(grid.valid.sum()))] * 20


@pytest.mark.parametrize("mode", ["block", "random", "tube", "time", "mixed"])
def test_check_5_what_is_hidden_has_no_influence_on_the_code_not_by_a_bit(mode: Any) -> None:
    encoder, x = encoder_of().eval(), windows()
    image = encoder.image(x)
    grid = encoder.grid(image)
    hidden = hidden_patches(encoder, grid, MAEConfig(mode=mode), len(x), generators())
    patches = grid.patches(image)
    other = torch.where(hidden[:, :, None], 100 * torch.randn_like(patches), patches)
    assert torch.equal(encoder.encode(image, ~hidden), encoder.encode(image_of(grid, other), ~hidden))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_windows_that_are_no_numbers_are_refused(value: float) -> None:
    x = windows()
    x[3, 0, 5] = value
    with pytest.raises(BadOptionError, match="1 of 8 windows"):
        mae()(batch_of(x))


def test_a_visible_interval_never_holds_all_samples_of_a_hidden_one() -> None:
    encoder = encoder_of(patch=(1, 2))
    grid = encoder.grid(encoder.image(windows(1)))
    hidden = hidden_patches(encoder, grid, MAEConfig(mode="time"), 200, generators()).reshape(200, grid.rows, grid.cols)
    alone = hidden[:, 1:-1] & ~hidden[:, :-2] & ~hidden[:, 2:]
    assert rows_together(encoder, grid) == 2 and int(alone.sum(dim=(1, 2)).max()) <= 1


def test_blocks_that_leave_the_answer_visible_are_refused() -> None:
    method = mae(encoder_of(patch=(1, 2)), block=(1, 3))
    with pytest.raises(BadOptionError, match=r"leave part of the answer visible.*block of 2"):
        method(batch_of(windows()))


def test_blocks_of_one_interval_do_where_intervals_do_not_overlap() -> None:
    method = mae(encoder_of(patch=(1, 2), overlap="none"), block=(1, 2))
    assert bool(torch.isfinite(method(batch_of(windows()))["loss"]))


def test_samples_that_only_hidden_intervals_hold_do_not_reach_the_code() -> None:
    """The leak that overlapping intervals would be: the middle of a hidden block, changed in the window itself."""
    encoder, x = encoder_of(patch=(1, 2)).eval(), windows()
    image = encoder.image(x)
    grid = encoder.grid(image)
    rows, hop = torch.arange(grid.rows), 8
    hidden = ((rows >= 2) & (rows < 4))[:, None].expand(-1, grid.cols).flatten().expand(len(x), -1)
    other = x.clone()
    # Intervals 2 and 3 of 16 samples, 8 apart, alone hold samples 24 to 31.
    other[:, :, 3 * hop : 4 * hop] += torch.randn(len(x), x.shape[1], hop)
    changed = encoder.image(other)
    assert not torch.equal(image, changed)
    assert torch.equal(encoder.encode(image, ~hidden), encoder.encode(changed, ~hidden))


def test_the_gradient_of_the_code_with_respect_to_those_samples_is_zero() -> None:
    encoder, x = encoder_of(patch=(1, 2)).eval(), windows().requires_grad_()
    image = encoder.image(x)
    grid = encoder.grid(image)
    rows = torch.arange(grid.rows)
    hidden = ((rows >= 2) & (rows < 4))[:, None].expand(-1, grid.cols).flatten().expand(len(x), -1)
    encoder.encode(image, ~hidden).square().sum().backward()
    assert x.grad is not None and not x.grad[:, :, 24:32].any() and bool(x.grad[:, :, :16].any())


def test_the_normalisation_is_not_of_the_window_itself() -> None:
    """Statistics of the window would tell about what is hidden."""
    encoder, x = encoder_of().eval(), windows()
    encoder.fit_input([x])
    other = x.clone()
    other[:, :, 32:] *= 10
    before, after = encoder.image(x), encoder.image(other)
    # Intervals that end before sample 32 are what they were.
    assert torch.equal(before[:, :, :3], after[:, :, :3])


def test_check_7_the_overfitted_windows_are_rebuilt() -> None:
    x = windows(8)
    method = mae(encoder_of(width=48, depth=1), augmentations="none", decoder_depth=1)
    method.encoder.fit_input([x])
    optimizer = torch.optim.Adam(method.parameters(), lr=5e-3)
    losses = []
    for step in range(170):
        optimizer.param_groups[0]["lr"] = 5e-3 * min(1, (step + 1) / 30)
        loss = method(batch_of(x, seed=0))["loss"]
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(method.parameters(), 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize("depth", [0, 2])
def test_check_7_a_cell_is_rebuilt_from_the_code_of_its_own_row_and_column(
    depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without attention nothing else reaches it: the order is that of the grid, not of a line through it."""
    decoder, grid = decoder_for(encoder_of(patch=(2, 2)), depth=depth), Grid.of(torch.zeros(1, 3, 5, 10), (2, 2))
    for block in decoder.blocks:
        torch.nn.init.zeros_(block.out.weight)
        torch.nn.init.zeros_(block.out.bias)
    assert (grid.rows, grid.cols) == (3, 5)
    tables = {count: torch.randn(count, decoder.width // 2).requires_grad_() for count in (3, 5)}
    monkeypatch.setattr("kinelet.encoders.grid.sinusoids", lambda count, width: tables[count])
    image = image_of(grid, decoder(torch.randn(1, decoder.config["dim"]), grid))[0]
    for interval in range(5):
        for at in range(10):
            found = torch.autograd.grad(image[1, interval, at], [tables[3], tables[5]], retain_graph=True)
            touched = [g.abs().sum(dim=1).nonzero()[:, 0].tolist() for g in found]
            assert touched == [[interval // 2], [at // 2]], (interval, at)


def test_check_7_with_attention_every_place_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test above would find if it were blind."""
    decoder, grid = decoder_for(encoder_of(patch=(2, 2)), depth=1), Grid.of(torch.zeros(1, 3, 5, 10), (2, 2))
    rows = torch.randn(3, decoder.width // 2).requires_grad_()
    monkeypatch.setattr(
        "kinelet.encoders.grid.sinusoids", lambda count, width: rows if count == 3 else torch.zeros(count, width)
    )
    decoder(torch.randn(1, decoder.config["dim"]), grid)[0, 0].sum().backward()
    assert rows.grad is not None and bool(rows.grad.any(dim=1).all())


def test_check_7_places_know_row_and_column() -> None:
    table = Grid.of(torch.zeros(1, 3, 3, 10), (1, 2)).places(16, torch.zeros(1)).reshape(3, 5, 16)
    assert torch.equal(table[:, :, :8], table[:, :1, :8].expand(-1, 5, -1))
    assert torch.equal(table[:, :, 8:], table[:1, :, 8:].expand(3, -1, -1))
    assert len(torch.unique(table.flatten(0, 1), dim=0)) == 15


def test_check_7_patches_of_the_decoder_lie_where_the_grid_puts_them() -> None:
    encoder = encoder_of()
    image = encoder.image(windows(1))
    grid = encoder.grid(image)
    patches = torch.zeros(1, grid.n, grid.values)
    row, col = grid.rows - 2, 1
    patches[0, row * grid.cols + col] = 1
    touched = image_of(grid, patches)[0].abs().sum(dim=0).nonzero()
    tall, wide = grid.patch
    assert set((touched[:, 0] // tall).tolist()) == {row} and set((touched[:, 1] // wide).tolist()) == {col}


@pytest.mark.parametrize("equal", [True, False])
def test_patches_that_nobody_asks_for_are_zero_and_the_others_know_their_place(equal: bool) -> None:
    encoder = encoder_of()
    grid, decoder = encoder.grid(encoder.image(windows(1))), decoder_for(encoder, depth=0)
    only = torch.rand(5, grid.n, generator=torch.Generator().manual_seed(0)).argsort(dim=1) < 9
    only[0, :3] |= not equal
    code = torch.randn(5, encoder.dim)
    some, everything = decoder(code, grid, only), decoder(code, grid)
    assert torch.allclose(some, torch.where(only[:, :, None], everything, 0), atol=1e-6)


def test_patches_that_nobody_asks_for_do_not_change_the_others() -> None:
    encoder = encoder_of()
    grid, decoder = encoder.grid(encoder.image(windows(1))), decoder_for(encoder)
    only = torch.zeros(2, grid.n, dtype=torch.bool)
    only[0, :4], only[1, :9] = True, True
    code = torch.randn(2, encoder.dim)
    assert torch.allclose(decoder(code, grid, only)[:1], decoder(code[:1], grid, only[:1]), atol=1e-6)


def test_windows_of_another_length_are_rebuilt_by_the_same_decoder() -> None:
    made = create_encoder("tf_vit", spec=spec_of("acc", window_s=None), seed=0)
    assert isinstance(made, ImageEncoder)
    method = mae(made)
    losses = [method(batch_of(torch.randn(4, 3, time)))["loss"] for time in (64, 100)]
    assert all(bool(torch.isfinite(loss)) for loss in losses)


@pytest.mark.parametrize("options", [{"target": "image"}, {"weighting": "falling"}, {"mode": "mixed"}, TOKENS])
def test_options_change_the_loss(options: dict[str, Any]) -> None:
    told, plain = (mae(**given)(batch_of(windows()))["loss"] for given in (options, {}))
    assert not torch.equal(told, plain)


def test_each_window_is_augmented_by_itself() -> None:
    x = windows(1).expand(6, -1, -1)
    views = Compose(MAEConfig().augmentations)(x, generators()[0])
    assert len(torch.unique(views.flatten(1), dim=0)) > 3


def test_a_decoder_that_says_nothing_explains_nothing() -> None:
    method = mae()
    torch.nn.init.zeros_(method.decoder.out.weight)
    torch.nn.init.zeros_(method.decoder.out.bias)
    out = method(batch_of(windows(64)))
    assert float(out["parts"]["explained"]) == 0 and 0.95 < float(out["loss"].detach()) <= 1


def test_another_encoder_is_refused_with_those_that_do() -> None:
    with pytest.raises(BadOptionError, match=r"resnet1d_small.*tf_vit"):
        MAE(create_encoder("resnet1d_small"), MAEConfig())


def test_the_decoder_is_kept_beside_the_encoder(tmp_path: Path) -> None:
    method = mae()
    method.keep(tmp_path)
    again = load_decoder(tmp_path / "decoder")
    grid = method.encoder.grid(method.encoder.image(windows(1)))
    code = torch.randn(3, method.encoder.dim)
    assert torch.equal(again(code, grid), method.decoder(code, grid)) and again.spec == method.encoder.spec


def test_a_decoder_whose_weights_are_others_is_refused(tmp_path: Path) -> None:
    save_decoder(decoder_for(encoder_of()), tmp_path / "one")
    save_decoder(decoder_for(encoder_of(), width=32), tmp_path / "other")
    (tmp_path / "one/model.safetensors").write_bytes((tmp_path / "other/model.safetensors").read_bytes())
    with pytest.raises(BadFileError, match="does not fit"):
        load_decoder(tmp_path / "one")


def test_a_folder_of_an_encoder_is_no_decoder(tmp_path: Path) -> None:
    from kinelet.encoders.io import save_encoder

    save_encoder(encoder_of(), tmp_path)
    with pytest.raises(BadFileError, match="not the description of a kinelet decoder"):
        load_decoder(tmp_path)


def test_a_decoder_of_tokens_learns_faster_than_one_of_a_vector_and_leaves_no_decoder(tmp_path: Path) -> None:
    method, x = mae(encoder_of(width=32, depth=1), augmentations="none", decoder_depth=1, **TOKENS), windows(8)
    optimizer = torch.optim.Adam(method.parameters(), lr=3e-3)
    losses = []
    for _ in range(25):
        out = method(batch_of(x))
        optimizer.zero_grad()
        out["loss"].backward()
        optimizer.step()
        losses.append(float(out["loss"].detach()))
    method.keep(tmp_path)
    assert losses[-1] < 0.7 * losses[0] and not list(tmp_path.iterdir())


def test_every_weight_of_a_decoder_of_tokens_has_a_gradient() -> None:
    method = mae(**TOKENS)
    method(batch_of(windows()))["loss"].backward()
    assert [name for name, p in method.named_parameters() if p.grad is None] == []


def test_a_decoder_of_tokens_needs_tokens() -> None:
    with pytest.raises(BadOptionError, match=r"conv_gru.*vector"):
        mae(encoder_of(base="conv_gru"), **TOKENS)


def test_tokens_reach_the_decoder_where_they_belong() -> None:
    encoder = encoder_of()
    assert isinstance(encoder, TFViT)
    grid, decoder = encoder.grid(encoder.image(windows(1))), token_decoder_for(encoder, depth=0)
    keep = torch.zeros(2, grid.n, dtype=torch.bool)
    keep[0, [2, 7]], keep[1, 5] = True, True
    seen = visible(keep, 2, grid.n)
    code, tokens = torch.randn(2, encoder.dim), torch.randn(2, 2, encoder.width)
    changed = decoder.fill(code, grid, tokens + 1, seen) != decoder.fill(code, grid, tokens, seen)
    assert torch.equal(changed.any(dim=2), keep)


def test_options_of_the_decoder_that_do_not_fit_are_told() -> None:
    with pytest.raises(BadOptionError, match="divisible"):
        decoder_for(encoder_of(), width=64, heads=5)


def test_a_decoder_of_any_code_and_signal() -> None:
    spec = SignalSpec(rate_hz=64.0, channels=("bvp",), units=("1",))
    made = create_encoder("tf_vit", spec=spec, seed=0)
    assert isinstance(made, ImageEncoder)
    decoder = decoder_for(made, dim=512)
    assert isinstance(decoder, PatchDecoder) and decoder.config["dim"] == 512


def test_hiding_draws_for_each_shard_by_itself() -> None:
    encoder = encoder_of()
    grid = encoder.grid(encoder.image(windows(1)))
    both = hidden_patches(encoder, grid, MAEConfig(), 8, generators(0, shards=2))
    alone = [hidden_patches(encoder, grid, MAEConfig(), 4, [g]) for g in generators(0, shards=2)]
    assert torch.equal(both, torch.cat(alone)) and hide_patches.__doc__
