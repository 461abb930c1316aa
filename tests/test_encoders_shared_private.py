"""Heads for what is shared and what is private: parts, counts, choosing one, files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import kinelet as kl
from kinelet.encoders.io import save_encoder
from kinelet.encoders.registry import create_encoder
from kinelet.encoders.shared_private import SharedPrivate
from kinelet.errors import BadOptionError


@pytest.fixture
def encoder() -> SharedPrivate:
    torch.manual_seed(0)
    return SharedPrivate.around(create_encoder("resnet1d_small"), width=24).eval()


def test_parts_are_normalised_heads_of_one_code(encoder: SharedPrivate) -> None:
    x = torch.randn(5, 3, 100)
    code = encoder.base(x)
    parts = encoder.outputs(x)
    u = encoder.head_u(code)
    expected = (u - u.mean(dim=1, keepdim=True)) / (u.var(dim=1, keepdim=True, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(parts["u"], expected)
    torch.testing.assert_close(parts["uv"], torch.cat([parts["u"], parts["v"]], dim=1))
    torch.testing.assert_close(parts["backbone"], code)


def test_a_head_of_256_from_256_counts_131584() -> None:
    """Spec 4.3: two layers, no weights in the normalisation."""
    base = create_encoder("resnet1d_34")
    made = SharedPrivate.around(base, width=256)
    heads = sum(p.numel() for p in made.parameters()) - sum(p.numel() for p in base.parameters())
    assert heads == 2 * 131_584


@pytest.mark.parametrize(("output", "dim"), [("u", 24), ("v", 24), ("uv", 48), ("backbone", 672)])
def test_select_changes_the_output_and_shares_weights(encoder: SharedPrivate, output: str, dim: int) -> None:
    x = torch.randn(2, 3, 100)
    chosen = encoder.select(output)
    assert chosen.dim == dim
    torch.testing.assert_close(chosen(x), encoder.outputs(x)[output])
    assert chosen.head_u is encoder.head_u


def test_saved_and_loaded_by_part(encoder: SharedPrivate, tmp_path: Path) -> None:
    save_encoder(encoder, tmp_path / "model")
    x = torch.randn(3, 3, 100)
    loaded = kl.load(tmp_path, output="u")
    torch.testing.assert_close(loaded(x), encoder.outputs(x)["u"], rtol=0, atol=0)
    with pytest.raises(BadOptionError, match="no output is named 'w'"):
        kl.load(tmp_path, output="w")


def test_one_linear_layer_without_normalisation() -> None:
    made = SharedPrivate.around(create_encoder("resnet1d_small"), width=8, depth=1, norm="none")
    code = torch.randn(4, 672)
    torch.testing.assert_close(made.split(code)[0], made.head_u(code))
    assert isinstance(made.head_u, torch.nn.Linear)


def test_heads_on_heads_are_refused() -> None:
    with pytest.raises(BadOptionError, match="cannot have heads itself"):
        create_encoder("shared_private", base="shared_private")
