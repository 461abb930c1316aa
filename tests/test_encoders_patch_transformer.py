from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from kinelet.encoders.patch_transformer import AttentionLayer, PatchTransformer, sinusoids
from kinelet.encoders.registry import create_encoder
from kinelet.errors import BadOptionError


def make(**config: object) -> PatchTransformer:
    encoder = create_encoder("patch_transformer", seed=0, **config)
    assert isinstance(encoder, PatchTransformer)
    return encoder.eval()


def test_default_is_at_most_a_million_parameters() -> None:
    assert sum(p.numel() for p in make().parameters()) <= 1_000_000


@pytest.mark.parametrize(("time", "tokens"), [(10, 1), (125, 13), (130, 13), (250, 25)])
def test_every_sample_lies_in_a_token(time: int, tokens: int) -> None:
    assert make().tokenise(torch.randn(2, 3, time)).shape == (2, tokens, 128)


def test_the_last_samples_of_an_odd_window_count() -> None:
    encoder, x = make(), torch.randn(1, 3, 128)
    y = x.clone()
    y[:, :, -1] += 1
    assert not np.allclose(encoder.embed(x), encoder.embed(y), atol=1e-6)


def test_a_token_is_a_linear_map_of_its_patch() -> None:
    encoder, x = make(), torch.randn(1, 3, 40)
    weight, bias = encoder.embed_patch.weight, encoder.embed_patch.bias
    want = torch.stack([(weight * x[0, :, i : i + 10]).sum((1, 2)) + bias for i in (0, 10, 20, 30)])
    assert torch.allclose(encoder.tokenise(x)[0], want, atol=1e-5)


@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_order_of_patches_matters(positions: str) -> None:
    encoder, x = make(positions=positions), torch.randn(1, 3, 40)
    swapped = torch.cat([x[:, :, 20:], x[:, :, :20]], dim=2)
    assert not np.allclose(encoder.embed(x), encoder.embed(swapped), atol=1e-6)


def test_positions_equal_the_formula() -> None:
    table = sinusoids(7, 6).numpy()
    want = [[(math.sin, math.cos)[i % 2](p / 10_000 ** ((i - i % 2) / 6)) for i in range(6)] for p in range(7)]
    assert np.allclose(table, want, atol=1e-6)


def test_learned_positions_are_used_as_they_are_at_their_own_length() -> None:
    encoder = make(positions="learned", learned_patches=4)
    assert encoder._positions(4, torch.zeros(())) is encoder.positions


def test_learned_positions_are_interpolated_for_other_lengths() -> None:
    encoder = make(positions="learned", learned_patches=3, width=8)
    assert encoder.positions is not None
    a, b, c = encoder.positions
    assert torch.allclose(encoder._positions(5, a), torch.stack([a, (a + b) / 2, b, (b + c) / 2, c]), atol=1e-7)


def test_attention_equals_the_formula() -> None:
    torch.manual_seed(0)
    layer, x = AttentionLayer(8, 2, 2), torch.randn(1, 5, 8)
    q, k, v = (p.detach().numpy()[0] for p in layer.qkv(layer.norm1(x)).chunk(3, dim=-1))
    mixed = np.zeros((5, 8))
    for head in (slice(0, 4), slice(4, 8)):
        for i in range(5):
            scores = np.array([q[i, head] @ k[j, head] / 2.0 for j in range(5)])
            weights = np.exp(scores) / np.exp(scores).sum()
            mixed[i, head] = sum(w * v[j, head] for j, w in enumerate(weights))
    y = x + layer.out(torch.as_tensor(mixed, dtype=torch.float32))
    assert torch.allclose(layer(x), y + layer.mlp(layer.norm2(y)), atol=1e-5)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(BadOptionError, match="width 128 is not divisible by heads 3"):
        make(heads=3)


def test_an_odd_width_is_refused() -> None:
    with pytest.raises(BadOptionError, match="width"):
        make(width=129, heads=1)


def test_training_and_evaluation_agree() -> None:
    encoder, x = make(), torch.randn(2, 3, 50)
    assert torch.equal(encoder(x), encoder.train()(x))
