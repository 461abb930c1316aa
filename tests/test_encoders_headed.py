"""Heads on an encoder: one pass, several outputs, one of which is the embedding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import kinelet as kl
from kinelet.encoders.headed import HeadedEncoder
from kinelet.encoders.io import load_encoder, save_encoder
from kinelet.encoders.registry import create_encoder, list_encoders
from kinelet.errors import BadFileError, BadOptionError

SMALL = {"base": "resnet1d_small", "base_config": {"widths": (8, 8)}, "heads": {"ss": 5, "mm": 7}}
X = torch.randn(3, 6, 150, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def encoder() -> HeadedEncoder:
    made = create_encoder("headed", channels=6, seed=0, **SMALL)
    assert isinstance(made, HeadedEncoder)
    return made.eval()


def test_outputs_are_the_linear_maps_of_one_pass(encoder: HeadedEncoder) -> None:
    calls: list[int] = []
    encoder.base.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        out = encoder.outputs(X)
        h = encoder.base(X)
    assert list(out) == ["backbone", "ss", "mm"] and calls == [1, 1]
    for name, head in encoder.heads.items():
        assert torch.allclose(out[name], h @ head.weight.T + head.bias, atol=1e-6)


@pytest.mark.parametrize(("output", "dim"), [("ss", 5), ("mm", 7), ("backbone", 48)])
def test_forward_gives_the_selected_output(encoder: HeadedEncoder, output: str, dim: int) -> None:
    chosen = encoder.select(output)
    assert chosen.dim == dim and chosen.config["output"] == output
    with torch.no_grad():
        assert torch.equal(chosen(X), encoder.outputs(X)[output])


def test_selecting_leaves_the_encoder_as_it_was(encoder: HeadedEncoder) -> None:
    encoder.card = {"method": "none"}
    chosen = encoder.select("ss")
    chosen.card["method"] = "other"
    assert (encoder.output, encoder.dim, encoder.config["output"], encoder.card["method"]) == ("mm", 7, "mm", "none")


def test_selected_encoders_share_their_weights(encoder: HeadedEncoder) -> None:
    chosen = encoder.select("backbone")
    with torch.no_grad():
        next(encoder.base.parameters()).zero_()
    assert not bool(next(chosen.base.parameters()).any())


def test_an_output_that_is_not_there_is_refused_naming_those_that_are(encoder: HeadedEncoder) -> None:
    with pytest.raises(BadOptionError, match=r"no output is named 'text'.*backbone, ss, mm"):
        encoder.select("text")


@pytest.mark.parametrize("output", ["backbone", "ss", "mm"])
def test_saved_and_loaded_with_another_output(encoder: HeadedEncoder, tmp_path: Path, output: str) -> None:
    save_encoder(encoder, tmp_path)
    z = kl.load(tmp_path, output=output).embed(X)
    with torch.no_grad():
        assert np.allclose(z, encoder.outputs(X)[output].numpy(), atol=1e-6)


def test_a_selected_encoder_is_saved_with_its_output(encoder: HeadedEncoder, tmp_path: Path) -> None:
    loaded = load_encoder(save_encoder(encoder.select("backbone"), tmp_path))
    assert isinstance(loaded, HeadedEncoder) and loaded.output == "backbone" and loaded.dim == 48


def test_an_encoder_without_heads_has_its_backbone_only(tmp_path: Path) -> None:
    save_encoder(create_encoder("resnet1d_small", widths=(8,)), tmp_path)
    assert kl.load(tmp_path, output="backbone").name == "resnet1d_small"
    with pytest.raises(BadOptionError, match="resnet1d_small has one output, not one named 'mm'"):
        kl.load(tmp_path, output="mm")


# --- around


@pytest.mark.parametrize("name", [n for n in list_encoders() if n != "headed"])
def test_any_encoder_takes_heads(name: str, tmp_path: Path) -> None:
    base = create_encoder(name, channels=6, seed=0)
    made = HeadedEncoder.around(base, {"mm_minilm": 384}, "mm_minilm")
    assert made.base is base and made.embed(X).shape == (3, 384)
    assert np.array_equal(load_encoder(save_encoder(made, tmp_path)).embed(X), made.embed(X))


def test_heads_of_the_same_name_and_width_are_kept(encoder: HeadedEncoder) -> None:
    made = HeadedEncoder.around(encoder, {"ss": 5, "mm": 9, "text": 4}, "text")
    assert made.base is encoder.base and made.heads["ss"] is encoder.heads["ss"]
    assert [h.out_features for h in made.heads.values()] == [5, 9, 4]


def test_features_of_the_last_step_are_the_embedding() -> None:
    made = HeadedEncoder.around(create_encoder("stacked_rnn", channels=6, seed=0), {"mm": 7}, "mm")
    assert torch.allclose(made.features(X)[:, :, -1], made(X), atol=1e-6) and made.feature_dim == 7


@pytest.mark.parametrize("output", ["ss", "mm", "backbone"])
def test_features_are_as_wide_as_is_said(output: str) -> None:
    made = HeadedEncoder.around(create_encoder("stacked_rnn", channels=6), {"ss": 5, "mm": 7}, "mm").select(output)
    assert made.features(X).shape[1] == made.feature_dim


def test_maps_of_another_width_than_the_embedding_stay_as_they_are(encoder: HeadedEncoder) -> None:
    assert torch.equal(encoder.features(X), encoder.base.features(X))  # type: ignore[operator]


def test_an_encoder_out_of_no_registry_is_refused() -> None:
    class Toy(kl.Encoder):
        pass

    with pytest.raises(BadOptionError, match="no encoder is named ''"):
        HeadedEncoder.around(Toy(create_encoder("resnet1d_small").spec, 3, {}), {"mm": 8}, "mm")


# --- refusals


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"output": "text"}, "output 'text' is none of backbone, ss, mm"),
        ({"heads": {"backbone": 3}, "output": "backbone"}, "'backbone' cannot be the name"),
        ({"heads": {"keys": 3}, "output": "keys"}, "'keys' cannot be the name"),
        ({"heads": {"a.b": 3}, "output": "a.b"}, "heads"),
        ({"heads": {"mm": 0}}, "heads.mm"),
        ({"base": "headed"}, "cannot be headed itself"),
        ({"base": "magic"}, "no encoder is named 'magic'"),
        ({"base_config": {"depht": 3}}, "encoder stacked_rnn.*depht"),
    ],
)
def test_what_does_not_fit_is_named(config: dict[str, object], told: str) -> None:
    with pytest.raises(BadOptionError, match=told):
        create_encoder("headed", **config)


@pytest.mark.parametrize("key", ["base", "base_config"])
def test_a_model_that_does_not_state_its_base_is_refused(encoder: HeadedEncoder, tmp_path: Path, key: str) -> None:
    encoder.config = {k: v for k, v in encoder.config.items() if k != key}
    save_encoder(encoder, tmp_path)
    with pytest.raises(BadFileError, match=f"headed does not state {key}"):
        load_encoder(tmp_path)
