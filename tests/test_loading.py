"""``kl.load``: an encoder from a run or a model folder, and plain words where there is none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import kinelet as kl
from kinelet.distances.io import save_distance
from kinelet.encoders.io import save_encoder
from kinelet.encoders.registry import create_encoder
from kinelet.errors import BadFileError
from motif_formulas import network

X = np.random.default_rng(0).normal(size=(3, 3, 60)).astype(np.float32)


@pytest.fixture
def encoder() -> kl.Encoder:
    return create_encoder("resnet1d_small", seed=3, widths=(8, 8))


def test_a_model_folder_is_loaded(encoder: kl.Encoder, tmp_path: Path) -> None:
    save_encoder(encoder, tmp_path)
    np.testing.assert_array_equal(kl.load(tmp_path).embed(X), encoder.embed(X))


def test_a_run_directory_is_loaded_through_its_model(encoder: kl.Encoder, tmp_path: Path) -> None:
    save_encoder(encoder, tmp_path / "model")
    np.testing.assert_array_equal(kl.load(str(tmp_path)).embed(X), encoder.embed(X))


def test_it_is_in_evaluation_mode(encoder: kl.Encoder, tmp_path: Path) -> None:
    save_encoder(encoder.train(), tmp_path)
    assert not kl.load(tmp_path).training


def test_loading_leaves_torchs_generator_alone(encoder: kl.Encoder, tmp_path: Path) -> None:
    save_encoder(encoder, tmp_path)
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    kl.load(tmp_path)
    assert torch.equal(torch.rand(3), expected)


def test_an_unfinished_run_says_how_to_finish_it(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    with pytest.raises(BadFileError, match=r"not finished.*--resume"):
        kl.load(tmp_path)


@pytest.mark.parametrize("make", ["absent", "empty", "file"])
def test_what_holds_no_model_is_named(make: str, tmp_path: Path) -> None:
    place = tmp_path / make
    if make == "empty":
        place.mkdir()
    elif make == "file":
        place.write_text("x")
    with pytest.raises(BadFileError, match=f"{make}: no model here"):
        kl.load(place)


def test_another_tools_config_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(BadFileError, match="not the description of a kinelet encoder"):
        kl.load(tmp_path)


@pytest.mark.parametrize("within", [".", "model"])
def test_a_distance_is_no_encoder_and_what_to_do_with_it_is_said(within: str, tmp_path: Path) -> None:
    save_distance(network(width=8), tmp_path / within)
    with pytest.raises(BadFileError, match=r"but of a kinelet distance.*kinelet distance report.*distance=FOLDER"):
        kl.load(tmp_path)


def test_missing_weights_are_named(encoder: kl.Encoder, tmp_path: Path) -> None:
    save_encoder(encoder, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(BadFileError, match=r"model\.safetensors"):
        kl.load(tmp_path)
