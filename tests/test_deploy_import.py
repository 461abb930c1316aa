"""Checkpoints of the public RelCon code become models of kinelet: the same numbers, or a plain refusal."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import kinelet as kl
from cli_tools import done, kinelet
from kinelet.deploy.relcon_keys import encoder_key, motif_key
from kinelet.distances.io import load_distance
from kinelet.distances.network import MotifNetwork
from kinelet.encoders.base import Encoder
from kinelet.errors import BadFileError, BadOptionError
from relcon_files import checkpoint, encoder_shapes, filled, motif_shapes, probe_windows

ENCODER = filled(encoder_shapes())
MOTIF = filled(motif_shapes())
DISTANCES = {
    "softmax": [
        [456.366, 467.013, 475.290, 498.679],
        [469.101, 446.018, 452.240, 519.326],
        [520.669, 461.383, 470.074, 491.030],
        [515.682, 462.104, 421.737, 478.156],
    ],
    "sparsemax": [
        [760.995, 703.357, 704.876, 853.745],
        [782.390, 652.926, 761.570, 910.382],
        [859.688, 765.676, 801.023, 851.382],
        [940.871, 768.587, 725.109, 905.066],
    ],
}
SMALL = filled(encoder_shapes(stages=((1, 8, 3), (2, 16, 4)), stem=8))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    checkpoint(folder / "encoder.pkl", ENCODER)
    checkpoint(folder / "motif.pkl", MOTIF)
    head = {"0.weight": torch.zeros(512, 256), "0.bias": torch.zeros(512)}
    checkpoint(folder / "tuned.pkl", head, trained_net=ENCODER)
    checkpoint(folder / "small.pkl", SMALL)
    return folder


@pytest.fixture(scope="module")
def encoder(files: Path) -> Encoder:
    found = kl.import_weights("relcon", files / "encoder.pkl", site="wrist", licence="own", data="our own wrists")
    assert isinstance(found, Encoder)
    return found


def motif(files: Path, attention: str) -> MotifNetwork:
    found = kl.import_weights("relcon", files / "motif.pkl", attention=attention)
    assert isinstance(found, MotifNetwork)
    return found


# --- the numbers of the reference


def test_counts_of_tensors_are_those_of_the_public_code() -> None:
    assert (len(MOTIF), len(ENCODER)) == (34, 193)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_embeddings_equal_the_reference(encoder: Encoder, dtype: torch.dtype) -> None:
    want = [[1.44189, -2.13959, 1.09578, 0.68533], [0.28037, -2.77513, 2.85763, 0.29460]]
    z = run(encoder, 256, dtype)
    np.testing.assert_allclose(z[[0, 3]][:, [0, 1, 127, 255]], want, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), [47.9765, 52.4056, 57.8660, 64.4046], rtol=1e-4)


@pytest.mark.parametrize(
    ("time", "features", "norms"),
    [
        (200, (1.41406, -2.17408, 0.69091), (45.5056, 51.6914)),
        (1000, (1.45299, -2.32821, 0.63395), (49.2509, 54.3021)),
    ],
)
def test_embeddings_of_other_lengths_equal_the_reference(
    encoder: Encoder, time: int, features: tuple[float, ...], norms: tuple[float, ...]
) -> None:
    z = run(encoder, time, torch.float32)
    np.testing.assert_allclose(z[0, [0, 1, 255]], features, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(z[:2], axis=1), norms, rtol=1e-4)


def run(encoder: Encoder, time: int, dtype: torch.dtype) -> np.ndarray:
    with torch.no_grad():
        z: Tensor = encoder.to(dtype)(torch.tensor(probe_windows(time), dtype=dtype))
    encoder.float()
    return z.numpy()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("attention", ["softmax", "sparsemax"])
def test_distances_equal_the_reference(files: Path, attention: str, dtype: torch.dtype) -> None:
    x = torch.tensor(probe_windows(), dtype=dtype)
    network = motif(files, attention).to(dtype)
    with torch.no_grad():
        rows = [((network(a.expand_as(x), x) - a) ** 2).sum((1, 2)) for a in x]
    np.testing.assert_allclose(torch.stack(rows).numpy(), DISTANCES[attention], rtol=1e-4)


# --- the whole round trip


def test_an_imported_encoder_is_loaded_again(files: Path, tmp_path: Path, encoder: Encoder) -> None:
    kl.import_weights("relcon", files / "encoder.pkl", tmp_path / "m")
    x = probe_windows()
    assert np.array_equal(kl.load(tmp_path / "m").embed(x), encoder.embed(x))


def test_an_imported_distance_is_loaded_again(files: Path, tmp_path: Path) -> None:
    kl.import_weights("relcon", files / "motif.pkl", tmp_path / "m", attention="sparsemax")
    again = load_distance(tmp_path / "m")
    assert again.config.attention == "sparsemax"
    assert all(torch.equal(again.state_dict()[k], MOTIF[motif_key(k)]) for k in again.state_dict())


def test_every_tensor_comes_over_bit_by_bit(encoder: Encoder) -> None:
    state = encoder.state_dict()
    assert {encoder_key(k) for k in state} == set(ENCODER)
    assert all(torch.equal(v, ENCODER[encoder_key(k)]) for k, v in state.items())


def test_a_file_of_fine_tuning_gives_its_encoder(files: Path) -> None:
    found = kl.import_weights("relcon", files / "tuned.pkl")
    assert torch.equal(found.state_dict()["stem.conv.weight"], ENCODER["first_block_conv.weight"])


def test_weights_outlive_their_file(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "gone.pkl", SMALL)
    network = kl.import_weights("relcon", path)
    os.truncate(path, 0)
    assert torch.equal(network.state_dict()["stem.conv.weight"], SMALL["first_block_conv.weight"])


def test_other_widths_and_numbers_of_blocks_are_taken_over(files: Path, tmp_path: Path) -> None:
    kl.import_weights("relcon", files / "small.pkl", tmp_path / "m")
    assert kl.load(tmp_path / "m").embed(probe_windows()).shape == (4, 16)


def test_another_motif_network_is_taken_over(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "m.pkl", filled(motif_shapes(width=16, kernel=5, blocks=3, narrow=4)))
    found = kl.import_weights("relcon", path, stride=2)
    assert isinstance(found, MotifNetwork)
    assert (found.config.width, found.config.kernel, found.config.blocks, found.config.stride) == (16, 5, 3, 2)


# --- what is said about them


def test_the_card_says_that_the_unit_is_assumed(encoder: Encoder) -> None:
    assert encoder.card["unit"] == "g (assumed)"


def test_the_card_holds_what_the_user_said(encoder: Encoder) -> None:
    said = {k: encoder.card[k] for k in ("site", "licence", "data")}
    assert said == {"site": "wrist", "licence": "own", "data": "our own wrists"}


def test_the_card_says_what_nobody_said(files: Path) -> None:
    assert kl.import_weights("relcon", files / "small.pkl").card["licence"] == "not stated"


def test_the_signal_is_the_published_one(encoder: Encoder) -> None:
    spec = encoder.spec
    assert (spec.rate_hz, spec.window_samples, spec.channels) == (100.0, 256, ("acc_x", "acc_y", "acc_z"))
    assert (spec.units, spec.site) == (("g", "g", "g"), "wrist")


def test_attention_is_what_the_public_code_measures_with_unless_told(files: Path) -> None:
    found = kl.import_weights("relcon", files / "motif.pkl")
    assert isinstance(found, MotifNetwork) and found.config.attention == "softmax"
    assert "trains with sparsemax" in found.card["attention"]


def test_an_imported_encoder_is_no_licence_to_skip_the_check_of_people(encoder: Encoder) -> None:
    from kinelet.evaluate.honesty import card_note

    assert "nobody could check" in (card_note(encoder) or "")


# --- refusals


def broken(path: Path, net: dict[str, Any], **more: Any) -> str:
    with pytest.raises(BadFileError) as caught:
        kl.import_weights("relcon", checkpoint(path / "bad.pkl", net, **more))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("key", ["basicblock_list.3.projection_conv.bias", "first_block_conv.weight"])
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    assert f"missing {key}" in broken(tmp_path, {k: v for k, v in ENCODER.items() if k != key})


@pytest.mark.parametrize("key", ["q_func.layers.1.bottle.weight", "q_func.layer0.dilated_conv.weight", "out_proj.bias"])
def test_a_missing_key_of_a_motif_network_is_named(tmp_path: Path, key: str) -> None:
    assert f"missing {key}" in broken(tmp_path, {k: v for k, v in MOTIF.items() if k != key})


def test_an_extra_key_is_named(tmp_path: Path) -> None:
    assert "extra classifier.weight" in broken(tmp_path, {**ENCODER, "classifier.weight": torch.zeros(2)})


@pytest.mark.parametrize("key", ["basicblock_list.5.conv2.weight", "basicblock_list.5.conv1.weight"])
def test_a_misshapen_key_is_named_with_both_shapes(tmp_path: Path, key: str) -> None:
    told = broken(tmp_path, {**ENCODER, key: torch.zeros(128, 128, 5)})
    assert f"{key} has shape (128, 128, 5) instead of (128, 128, 4)" in told


def test_another_number_of_axes_is_refused(tmp_path: Path) -> None:
    told = broken(tmp_path, filled(encoder_shapes(stages=((1, 8, 3),), stem=8, channels=6)))
    assert "(8, 6, 7) instead of (8, 3, 7)" in told


def test_what_kinelets_encoder_cannot_hold_is_said(tmp_path: Path) -> None:
    told = broken(tmp_path, filled(encoder_shapes(stages=((1, 8, 33),), stem=8)))
    assert "cannot hold it" in told and "31" in told


def test_other_kinds_of_numbers_are_refused(tmp_path: Path) -> None:
    told = broken(tmp_path, {k: v.double() if v.is_floating_point() else v for k, v in SMALL.items()})
    assert "torch.float64 instead of torch.float32" in told


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_named(tmp_path: Path, value: float) -> None:
    assert "revin.affine_bias" in broken(tmp_path, {**MOTIF, "revin.affine_bias": torch.full((3,), value)})


def test_a_file_of_both_networks_is_refused(tmp_path: Path) -> None:
    assert "tensors of both" in broken(tmp_path, {**MOTIF, **SMALL})


def test_a_file_of_neither_network_is_refused(tmp_path: Path) -> None:
    assert "lstm.weight" in broken(tmp_path, {"lstm.weight": torch.zeros(2)})


def test_a_file_without_weights_is_refused(tmp_path: Path) -> None:
    torch.save({"model": 1}, tmp_path / "x.pkl")
    with pytest.raises(BadFileError, match="no entry 'net'"):
        kl.import_weights("relcon", tmp_path / "x.pkl")


def test_values_that_are_no_tensors_are_named(tmp_path: Path) -> None:
    assert "no tensor under out_proj.bias" in broken(tmp_path, {**MOTIF, "out_proj.bias": 1.0})


def test_a_tensor_that_the_file_does_not_hold_is_refused(tmp_path: Path) -> None:
    """A single number can be laid out as a tensor of a billion."""
    assert "more than the file has" in broken(tmp_path, {"q_func.x": torch.zeros(1).expand(1 << 30)})


class Harm:
    """What a file must not be able to do."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("harm-was-done",))


def test_no_code_in_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    broken(tmp_path, MOTIF, optimizer=Harm())
    assert not (tmp_path / "harm-was-done").exists()


def test_a_bare_pickle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"net": Harm()}))
    with pytest.raises(BadFileError, match=r"not a checkpoint of PyTorch 1\.6"):
        kl.import_weights("relcon", tmp_path / "x.pkl")


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    """Compressed, a few kilobytes may stand for gigabytes of zeros."""
    source = checkpoint(tmp_path / "plain.pkl", {"q_func.x": torch.zeros(1 << 20)})
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(tmp_path / "x.pkl", "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    with pytest.raises(BadFileError, match="larger than the file"):
        kl.import_weights("relcon", tmp_path / "x.pkl")


@pytest.mark.parametrize("cut", [0, 1, 100, 5000])
def test_a_file_cut_short_is_refused_in_one_line(files: Path, tmp_path: Path, cut: int) -> None:
    (tmp_path / "x.pkl").write_bytes((files / "small.pkl").read_bytes()[:cut])
    with pytest.raises(BadFileError, match=r"x\.pkl"):
        kl.import_weights("relcon", tmp_path / "x.pkl")


def test_damaged_bytes_are_an_error_of_the_user_or_none(files: Path, tmp_path: Path) -> None:
    whole = bytearray((files / "small.pkl").read_bytes())
    generator = np.random.default_rng(0)
    for _ in range(60):
        harmed = bytearray(whole)
        for place in generator.integers(0, len(whole), 8):
            harmed[place] = generator.integers(0, 256)
        (tmp_path / "x.pkl").write_bytes(harmed)
        try:
            kl.import_weights("relcon", tmp_path / "x.pkl")
        except BadFileError as error:
            assert "\n" not in str(error)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="no such file"):
        kl.import_weights("relcon", tmp_path / "none.pkl")


def test_other_code_is_not_known(files: Path) -> None:
    with pytest.raises(BadOptionError, match="relcon"):
        kl.import_weights("magic", files / "small.pkl")


def test_unknown_facts_are_named(files: Path) -> None:
    with pytest.raises(BadOptionError, match="colour"):
        kl.import_weights("relcon", files / "small.pkl", colour="red")


# --- the command


def test_the_command_writes_a_model_folder(files: Path, tmp_path: Path) -> None:
    told = done("import-weights", "relcon", files / "encoder.pkl", "--out", tmp_path / "m", "--site", "wrist").out
    assert "3,635,840 parameters" in told and "acceleration in g" in told and "give it with --licence" in told
    assert kl.load(tmp_path / "m").spec.site == "wrist"


def test_the_command_takes_the_attention(files: Path, tmp_path: Path) -> None:
    more = ("--out", tmp_path / "m", "--attention", "sparsemax", "--json")
    answer = json.loads(done("import-weights", "relcon", files / "motif.pkl", *more).out)
    assert answer["parameters"] == 58_617
    assert load_distance(tmp_path / "m").config.attention == "sparsemax"


def test_the_command_leaves_a_model_alone(files: Path, tmp_path: Path) -> None:
    done("import-weights", "relcon", files / "small.pkl", "--out", tmp_path / "m")
    again = kinelet("import-weights", "relcon", files / "small.pkl", "--out", tmp_path / "m")
    assert "holds a model already" in again.complaint


def test_the_command_refuses_in_one_line(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "bad.pkl", {k: v for k, v in MOTIF.items() if k != "out_proj.bias"})
    assert "missing out_proj.bias" in kinelet("import-weights", "relcon", path, "--out", tmp_path / "m").complaint
