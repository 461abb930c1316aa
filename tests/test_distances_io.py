"""A distance is read back to the bit; what is damaged or leaves the attention open is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from kinelet.distances.io import distance_hash, load_distance, save_distance
from kinelet.encoders.io import save_encoder
from kinelet.encoders.registry import create_encoder
from kinelet.errors import BadFileError, BadOptionError
from kinelet.files import sha256
from kinelet.functional import motif_distance
from motif_formulas import moving, network


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    net = network("sparsemax", width=8, options={"offset": "remove", "amplitude": "own"})
    net.card = {"method": "motif", "pretrain_subjects": ["P1", "P2"]}
    return save_distance(net, tmp_path / "model")


def edit(folder: Path, **changes: Any) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


def config(folder: Path, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "config.json").read_text())["config"]
    return found | changes


def test_the_folder_holds_three_files_and_no_pickle(saved: Path) -> None:
    assert sorted(p.name for p in saved.iterdir()) == ["card.md", "config.json", "model.safetensors"]


def test_all_comes_back(saved: Path) -> None:
    wanted, loaded = network("sparsemax", width=8), load_distance(saved)
    assert all(torch.equal(v, loaded.state_dict()[k]) for k, v in wanted.state_dict().items())
    assert loaded.config.attention == "sparsemax" and loaded.config.options.amplitude == "own"
    assert loaded.card["pretrain_subjects"] == ["P1", "P2"] and not loaded.training


def test_distances_come_back_to_the_bit(saved: Path) -> None:
    x = moving(3, 32).float()
    wanted = motif_distance(network("sparsemax", width=8, options={"offset": "remove", "amplitude": "own"}), x, x)
    assert torch.equal(motif_distance(load_distance(saved), x, x), wanted)


def test_the_card_says_how_attention_was_computed_and_what_goes_in(saved: Path) -> None:
    card = (saved / "card.md").read_text()
    assert "sparsemax" in card and "acc_x [g]" in card and "100 Hz" in card and "P1" in card


def test_a_description_without_attention_is_refused(saved: Path) -> None:
    left = {k: v for k, v in config(saved).items() if k != "attention"}
    with pytest.raises(BadFileError, match="softmax or sparsemax"):
        load_distance(edit(saved, config=left))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"attention": "entmax"}, "attention"),
        ({"wdith": 8}, "wdith"),
        ({"width": 16}, "does not fit"),
        ({"blocks": 3}, r"missing key\.blocks\.2"),
        ({"width": 10**9}, "width"),
        ({"options": {"offset": "gone"}}, "offset"),
        ({"options": {"amplitude": "own"}}, "remove"),
    ],
)
def test_a_bad_key_of_the_network_is_named(saved: Path, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(BadFileError, match=named):
        load_distance(edit(saved, config=config(saved, **changes)))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"format": "kinelet-encoder"}, "not the description of a kinelet distance"),
        ({"version": 2}, "Update kinelet"),
        ({"extra": 1}, "extra"),
        ({"weights_sha256": "0" * 64}, "not the ones"),
    ],
)
def test_a_bad_description_is_refused(saved: Path, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(BadFileError, match=named):
        load_distance(edit(saved, **changes))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_an_absent_file_is_named(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(BadFileError, match=name):
        load_distance(saved)


def test_weights_that_are_not_finite_are_refused(saved: Path) -> None:
    path = saved / "model.safetensors"
    tensors = load_file(path)
    tensors["norm.scale"][0] = float("nan")
    save_file(tensors, path)
    with pytest.raises(BadFileError, match=r"norm\.scale.*finite"):
        load_distance(edit(saved, weights_sha256=sha256(path)))


def test_a_card_that_is_not_plain_data_is_refused(tmp_path: Path) -> None:
    net = network(width=8)
    net.card = {"loss": float("inf")}
    with pytest.raises(BadOptionError, match="card"):
        save_distance(net, tmp_path)


@pytest.mark.parametrize("changes", [{"attention": "softmax"}, {"options": {"offset": "remove"}}], ids=str)
def test_the_hash_follows_what_decides_the_values(saved: Path, changes: dict[str, Any]) -> None:
    before = distance_hash(saved)
    assert distance_hash(edit(saved, config=config(saved, **changes))) != before


def test_the_hash_follows_the_weights_and_not_the_card(saved: Path, tmp_path: Path) -> None:
    net = load_distance(saved)
    net.card = {}
    same = save_distance(net, tmp_path / "same")
    with torch.no_grad():
        net.norm.scale[0] += 1
    other = save_distance(net, tmp_path / "other")
    assert distance_hash(same) == distance_hash(saved) != distance_hash(other)


def test_an_encoder_is_no_distance_and_what_to_do_with_it_is_said(tmp_path: Path) -> None:
    save_encoder(create_encoder("resnet1d_small", seed=0, widths=(8, 8)), tmp_path)
    with pytest.raises(BadFileError, match=r"but of a kinelet encoder.*kinelet evaluate.*relcon.*euclid or dtw"):
        load_distance(tmp_path)
