from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kinelet.encoders.base import Encoder
from kinelet.encoders.registry import create_encoder
from kinelet.errors import BadOptionError
from kinelet.methods.masked import Masked, MaskedConfig
from kinelet.signal.spec import imu_spec
from test_functional_losses import naive_masked_mse
from test_methods_conformance import make, make_batch


def masked(encoder: str = "resnet1d_small", **options: Any) -> Masked:
    method = make("masked", encoder, **options)
    assert isinstance(method, Masked)
    return method


def drawn(method: Masked, batch: int = 64, channels: int = 6, time: int = 125, seed: int = 0) -> Tensor:
    return method.draw(torch.zeros(batch, channels, time), torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("encoder", ["resnet1d_small", "patch_transformer"])
@pytest.mark.parametrize("hide", ["time", "channel"])
@pytest.mark.parametrize("target", ["window", "raw"])
def test_the_loss_is_the_squared_error_of_hidden_samples(encoder: str, hide: str, target: str) -> None:
    method = masked(encoder, hide=hide, target=target)
    batch = make_batch(4)
    hidden = method.draw(batch["x"], torch.Generator().manual_seed(0))
    rebuilt = method._decode(method._encode(batch["x"], hidden), batch["x"])
    want = batch["x"]
    if target == "window":
        want = (want - want.mean(2, keepdim=True)) / want.std(2, keepdim=True, correction=0).clamp(min=0.05)
    naive = naive_masked_mse(rebuilt.detach(), want, hidden.expand_as(want))
    assert float(method(batch)["loss"].detach()) == pytest.approx(naive, rel=1e-4)


@pytest.mark.parametrize("encoder", ["resnet1d_34", "resnet1d_small", "patch_transformer"])
@pytest.mark.parametrize("time", [125, 128, 250])
def test_what_is_rebuilt_has_the_shape_of_the_window(encoder: str, time: int) -> None:
    method, x = masked(encoder), torch.randn(2, 6, time)
    hidden = drawn(method, 2, time=time)
    assert method._decode(method._encode(x, hidden), x).shape == x.shape


@pytest.mark.parametrize("encoder", ["resnet1d_small", "patch_transformer"])
@pytest.mark.parametrize("hide", ["time", "channel"])
def test_what_is_hidden_cannot_be_seen(encoder: str, hide: str) -> None:
    method, x = masked(encoder, hide=hide).eval(), torch.randn(3, 6, 125)
    hidden = drawn(method, 3)
    other = torch.where(hidden, 100 * torch.randn(3, 6, 125), x)
    assert torch.equal(method._encode(x, hidden), method._encode(other, hidden))


@pytest.mark.parametrize("encoder", ["resnet1d_small", "patch_transformer"])
def test_what_is_not_hidden_is_seen(encoder: str) -> None:
    method, x = masked(encoder).eval(), torch.randn(3, 6, 125)
    hidden = drawn(method, 3)
    other = torch.where(hidden, x, x + 1)
    assert not torch.allclose(method._encode(x, hidden), method._encode(other, hidden), atol=1e-3)


@pytest.mark.parametrize(("fraction", "spans"), [(0.01, 1), (0.5, 3), (0.99, 5)])
def test_every_row_hides_the_same_whole_spans(fraction: float, spans: int) -> None:
    # 125 samples hold six spans of 20.
    hidden = drawn(masked(fraction=fraction, span_s=0.4))
    assert bool((hidden.sum(dim=2) == 20 * spans).all())


def test_spans_start_anywhere() -> None:
    hidden = drawn(masked(fraction=0.01, span_s=0.4), batch=4000)[:, 0]
    starts = (hidden & ~hidden.roll(1, dims=1)).nonzero()
    assert len(starts) == 4000 and set(starts[:, 1].tolist()) == set(range(125))


def test_every_sample_is_hidden_equally_often() -> None:
    share = drawn(masked(fraction=0.5), batch=8000)[:, 0].double().mean(dim=0)
    assert float(share.max() - share.min()) < 0.06


def test_hiding_time_hides_it_in_all_channels() -> None:
    assert drawn(masked()).shape == (64, 1, 125)


def test_hiding_channels_draws_for_each_channel() -> None:
    hidden = drawn(masked(hide="channel"))
    assert hidden.shape == (64, 6, 125) and not torch.equal(hidden[:, 0], hidden[:, 1])


def test_rows_hide_different_times() -> None:
    assert len({tuple(row.flatten().tolist()) for row in drawn(masked())}) > 30


def test_tokens_are_hidden_whole() -> None:
    hidden = drawn(masked("patch_transformer", span_s=0.5))[:, 0, :120].reshape(64, 12, 10)
    assert torch.equal(hidden.any(dim=2), hidden.all(dim=2))


def test_spans_are_rounded_up_to_whole_tokens() -> None:
    assert masked("patch_transformer", span_s=0.22).span == 2


@settings(max_examples=40, deadline=None)
@given(st.integers(4, 300), st.floats(0.02, 2.0), st.floats(0.01, 0.99), st.sampled_from(["time", "channel"]))
def test_something_is_hidden_and_something_is_left_in_every_row(
    time: int, span_s: float, fraction: float, hide: str
) -> None:
    method = masked(span_s=span_s, fraction=fraction, hide=hide)
    if time < 2 * method.span:
        with pytest.raises(BadOptionError, match="spans"):
            drawn(method, 4, time=time)
        return
    hidden = drawn(method, 4, time=time)
    assert bool(hidden.any(dim=2).all()) and bool((~hidden).any(dim=2).all())


def test_still_windows_do_not_blow_up() -> None:
    batch = make_batch()
    batch["x"] = torch.full_like(batch["x"], 1.0) + 1e-6 * torch.randn_like(batch["x"])
    assert float(masked()(batch)["loss"].detach()) < 10


def test_a_perfect_decoder_explains_everything() -> None:
    method, batch = masked(target="raw"), make_batch()
    method._decode = lambda maps, x: x + 0 * maps.sum()  # type: ignore[method-assign]
    out = method(batch)
    assert float(out["loss"].detach()) == 0.0 and float(out["parts"]["explained"]) == 1.0


def test_rebuilding_nothing_explains_nothing() -> None:
    method, batch = masked(), make_batch()
    method._decode = lambda maps, x: 0 * x + 0 * maps.sum()  # type: ignore[method-assign]
    assert float(method(batch)["parts"]["explained"]) == 0.0


def test_an_encoder_without_features_is_refused_with_the_remedy() -> None:
    with pytest.raises(BadOptionError, match="patch_transformer"):
        Masked(Encoder(imu_spec(50.0), 4, {}), MaskedConfig())


@pytest.mark.parametrize("options", [{"fraction": 0}, {"fraction": 1}, {"span_s": 0}, {"hide": "rows"}])
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadOptionError, match=next(iter(options))):
        masked(**options)


def test_encoders_with_layers_after_their_maps_are_sent_to_mae() -> None:
    with pytest.raises(BadOptionError, match="Use method mae"):
        Masked(create_encoder("tf_vit"), MaskedConfig())
