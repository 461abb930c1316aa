"""Encoders of several modalities: together, alone, with some absent, on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import kinelet as kl
from kinelet.deploy.multimodal import Multimodal, load_multimodal, save_multimodal
from kinelet.encoders.registry import create_encoder
from kinelet.encoders.shared_private import SharedPrivate
from kinelet.errors import BadFileError, BadOptionError

X = {"acc": torch.randn(6, 3, 100), "all6": torch.randn(6, 6, 100)}


@pytest.fixture
def model() -> Multimodal:
    torch.manual_seed(0)
    encoders = {
        name: SharedPrivate.around(create_encoder("resnet1d_small", channels=x.shape[1]), width=16)
        for name, x in X.items()
    }
    return Multimodal(encoders, {"method": "infomae"}).eval()


@torch.no_grad()
def test_each_modality_is_what_its_encoder_alone_gives(model: Multimodal) -> None:
    found = model.outputs(X)
    torch.testing.assert_close(found["acc"]["u"], model.of("acc").outputs(X["acc"])["u"])
    torch.testing.assert_close(found["all"]["u_mean"], (found["acc"]["u"] + found["all6"]["u"]) / 2)


@torch.no_grad()
def test_absent_windows_count_for_nothing(model: Multimodal) -> None:
    """Spec check 24: every non-empty subset can be embedded, and NaN of what is absent goes nowhere."""
    present = torch.ones(6, 2, dtype=torch.bool)
    present[2, 0], present[3, 1] = False, False
    broken = {name: x.clone() for name, x in X.items()}
    broken["acc"][2], broken["all6"][3] = torch.nan, torch.nan
    found, whole = model.outputs(broken, present), model.outputs(X)
    torch.testing.assert_close(found["all"]["u_mean"][2], whole["all6"]["u"][2])
    torch.testing.assert_close(found["all"]["u_mean"][3], whole["acc"]["u"][3])
    assert not found["acc"]["u"][2].any()
    torch.testing.assert_close(model.outputs({"acc": X["acc"]})["all"]["u_mean"], whole["acc"]["u"])


def test_folder_holds_an_encoder_a_modality(model: Multimodal, tmp_path: Path) -> None:
    save_multimodal(model, tmp_path / "model")
    loaded = load_multimodal(tmp_path)
    assert loaded.names == ("acc", "all6")
    for name, x in X.items():
        torch.testing.assert_close(loaded.of(name)(x), model.of(name)(x), rtol=0, atol=0)
        torch.testing.assert_close(kl.load(tmp_path, modality=name)(x), model.of(name)(x), rtol=0, atol=0)


def test_load_asks_whose(model: Multimodal, tmp_path: Path) -> None:
    save_multimodal(model, tmp_path / "model")
    with pytest.raises(BadOptionError, match="modality=acc or all6"):
        kl.load(tmp_path)
    with pytest.raises(BadOptionError, match="no modality 'bvp'"):
        kl.load(tmp_path, modality="bvp")


def test_names_that_leave_the_folder_are_refused(model: Multimodal, tmp_path: Path) -> None:
    save_multimodal(model, tmp_path / "model")
    path = tmp_path / "model" / "multimodal.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "names": ["../../etc"]}))
    with pytest.raises(BadFileError, match="cannot be the name"):
        load_multimodal(tmp_path)


def test_nothing_to_load(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="kinelet align"):
        load_multimodal(tmp_path)
