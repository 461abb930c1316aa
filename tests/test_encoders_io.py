"""What is written is read back to the bit; what is damaged is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from kinelet.encoders.base import Encoder
from kinelet.encoders.io import load_encoder, save_encoder
from kinelet.encoders.registry import create_encoder
from kinelet.errors import BadFileError, BadOptionError, KineletError
from kinelet.files import sha256
from kinelet.signal.spec import imu_spec


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    encoder = create_encoder("resnet1d_small", spec=imu_spec(50.0, site="wrist", window_s=5.0), widths=(8, 16), seed=1)
    encoder.card = {"method": "simclr", "pretrain_subjects": [f"P{i}" for i in range(20)], "steps": 600}
    return save_encoder(encoder, tmp_path / "model")


def edit(folder: Path, **changes: Any) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


def edit_weights(folder: Path, change: Any) -> Path:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    return edit(folder, weights_sha256=sha256(path))


def test_the_folder_holds_three_files_and_no_pickle(saved: Path) -> None:
    assert sorted(p.name for p in saved.iterdir()) == ["card.md", "config.json", "model.safetensors"]


def test_the_description_is_plain_json_with_a_version(saved: Path) -> None:
    data = json.loads((saved / "config.json").read_text())
    assert (data["format"], data["version"], data["spec"]["window_s"]) == ("kinelet-encoder", 1, 5.0)


def test_every_tensor_comes_back_to_the_bit(saved: Path) -> None:
    wanted = create_encoder("resnet1d_small", widths=(8, 16), seed=1).state_dict()
    loaded = load_encoder(saved).state_dict()
    assert list(wanted) == list(loaded) and all(torch.equal(wanted[k], loaded[k]) for k in wanted)


def test_loading_leaves_the_global_generator_alone(saved: Path) -> None:
    state = torch.random.get_rng_state()
    load_encoder(saved)
    assert torch.equal(state, torch.random.get_rng_state())


def test_the_card_says_what_goes_in_and_where_weights_come_from(saved: Path) -> None:
    card = (saved / "card.md").read_text()
    assert "acc_x [g]" in card and "50 Hz" in card and "wrist" in card and "simclr" in card


def test_the_card_abridges_long_lists(saved: Path) -> None:
    card = (saved / "card.md").read_text()
    assert "(20 in all)" in card and "P19" not in card


def test_saving_again_replaces_the_folder(saved: Path) -> None:
    other = create_encoder("patch_transformer", depth=1, seed=2)
    save_encoder(other, saved)
    assert load_encoder(saved).name == "patch_transformer"


def test_an_encoder_without_a_name_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(BadOptionError):
        save_encoder(Encoder(imu_spec(50.0), 1, {}), tmp_path)


def test_a_card_that_is_not_plain_data_is_refused(tmp_path: Path) -> None:
    encoder = create_encoder("resnet1d_small")
    encoder.card = {"loss": float("nan")}
    with pytest.raises(KineletError, match="card"):
        save_encoder(encoder, tmp_path)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_an_absent_file_is_named(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(BadFileError, match=name):
        load_encoder(saved)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": "other"}', "[" * 100_000])
def test_a_description_that_is_none_is_refused(saved: Path, text: str) -> None:
    (saved / "config.json").write_text(text)
    with pytest.raises(BadFileError, match=r"config\.json"):
        load_encoder(saved)


def test_a_description_that_is_not_text_is_refused(saved: Path) -> None:
    (saved / "config.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadFileError, match="not JSON"):
        load_encoder(saved)


def test_an_enormous_description_is_refused_unread(saved: Path) -> None:
    (saved / "config.json").write_bytes(b" " * (5 << 20))
    with pytest.raises(BadFileError, match="larger than"):
        load_encoder(saved)


def test_a_newer_format_is_refused_with_the_remedy(saved: Path) -> None:
    with pytest.raises(BadFileError, match=r"version 2.*Update kinelet"):
        load_encoder(edit(saved, version=2, something_new=1))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"extra": 1}, "extra"),
        ({"version": "new"}, "version"),
        ({"version": 0}, "version"),
        ({"config": []}, "config"),
        ({"spec": {"rate_hz": -1, "channels": ["acc_x"], "units": ["g"]}}, "rate_hz"),
        ({"weights_sha256": "abc"}, "weights_sha256"),
        ({"name": "resnet99"}, "resnet99"),
        ({"config": {"widhts": [8, 16]}}, "widhts"),
        ({"config": {"widths": [8] * 7}}, "widths"),
        ({"config": {"widths": [-8]}}, "widths"),
    ],
)
def test_a_bad_key_in_the_description_is_named(saved: Path, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(BadFileError, match=named):
        load_encoder(edit(saved, **changes))


def test_a_missing_key_in_the_description_is_named(saved: Path) -> None:
    path = saved / "config.json"
    data = json.loads(path.read_text())
    del data["spec"]
    path.write_text(json.dumps(data))
    with pytest.raises(BadFileError, match="spec"):
        load_encoder(saved)


def test_a_missing_tensor_is_named(saved: Path) -> None:
    with pytest.raises(BadFileError, match=r"missing stem\.conv\.bias"):
        load_encoder(edit_weights(saved, lambda t: t.pop("stem.conv.bias")))


def test_an_extra_tensor_is_named(saved: Path) -> None:
    with pytest.raises(BadFileError, match="extra decoy"):
        load_encoder(edit_weights(saved, lambda t: t.update(decoy=torch.zeros(1))))


def test_a_misshapen_tensor_is_named_with_both_shapes(saved: Path) -> None:
    with pytest.raises(BadFileError, match=r"stem\.conv\.bias has shape \(9,\) instead of \(8,\)"):
        load_encoder(edit_weights(saved, lambda t: t.update({"stem.conv.bias": torch.zeros(9)})))


def test_a_tensor_of_another_type_is_named(saved: Path) -> None:
    with pytest.raises(BadFileError, match=r"stem\.conv\.bias.*F64"):
        load_encoder(edit_weights(saved, lambda t: t.update({"stem.conv.bias": torch.zeros(8).double()})))


def test_weights_that_are_not_finite_are_refused(saved: Path) -> None:
    with pytest.raises(BadFileError, match=r"stem\.conv\.bias.*finite"):
        load_encoder(edit_weights(saved, lambda t: t["stem.conv.bias"].fill_(float("inf"))))


def test_another_configuration_than_the_weights_is_refused(saved: Path) -> None:
    with pytest.raises(BadFileError, match="does not fit"):
        load_encoder(edit(saved, config={"widths": [8, 16, 32]}))


def test_a_forged_giant_is_refused_before_it_is_built(saved: Path) -> None:
    spec = {"rate_hz": 50.0, "channels": ["acc_x"], "units": ["g"]}
    giant = {"width": 1024, "depth": 24, "learned_patches": 4096, "positions": "learned"}
    with pytest.raises(BadFileError, match="does not fit"):
        load_encoder(edit(saved, name="patch_transformer", config=giant, spec=spec))


@pytest.mark.parametrize("widths", [[10**9], [10**30]])
def test_absurd_widths_are_refused(saved: Path, widths: list[int]) -> None:
    with pytest.raises(BadFileError, match="widths"):
        load_encoder(edit(saved, config={"widths": widths}))


def test_thousands_of_channels_are_refused(saved: Path) -> None:
    names = [f"c{i}" for i in range(2000)]
    with pytest.raises(BadFileError, match="2000 channels"):
        load_encoder(edit(saved, spec={"rate_hz": 50.0, "channels": names, "units": ["g"] * 2000}))


def test_changed_bytes_are_noticed(saved: Path) -> None:
    path = saved / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(BadFileError, match="not the ones"):
        load_encoder(saved)


@pytest.mark.parametrize("cut", [0, 4, 100, -1])
def test_truncated_weights_are_refused(saved: Path, cut: int) -> None:
    path = saved / "model.safetensors"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(BadFileError, match="not a safetensors file"):
        load_encoder(saved)


def test_a_pickle_in_place_of_weights_is_refused(saved: Path) -> None:
    torch.save({"a": torch.zeros(1)}, saved / "model.safetensors")
    with pytest.raises(BadFileError, match="not a safetensors file"):
        load_encoder(saved)
