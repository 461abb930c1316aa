"""The public PRIMUS checkpoint becomes a model of kinelet: the same numbers, or a plain refusal."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import kinelet as kl
from cli_tools import done, kinelet
from corpus_tools import corpus_of, recording
from kinelet.deploy.import_primus import theirs
from kinelet.deploy.search import search
from kinelet.deploy.words import with_words
from kinelet.encoders.headed import HeadedEncoder
from kinelet.errors import BadFileError, BadOptionError
from kinelet.evaluate.retrieval import head_for
from kinelet.methods.base import Modality
from kinelet.signal.recording import Annotation, Recording
from kinelet.signal.spec import imu_spec
from kinelet.towers.base import CallableTower
from primus_files import SHAPES, checkpoint, encoder_state, probe_windows, towers

STATE = encoder_state()
COLUMNS = [0, 1, 255, 511]
EMB = [
    [-0.16073, -0.37138, -0.21783, 0.12758],
    [-0.12161, -0.03864, -0.13284, 0.25497],
    [-0.33862, -0.39360, -0.11507, 0.11073],
]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("primus") / "best_model.ckpt", STATE | towers())


@pytest.fixture(scope="module")
def encoder(file: Path) -> HeadedEncoder:
    found = kl.import_weights("primus", file)
    assert isinstance(found, HeadedEncoder)
    return found


def run(encoder: HeadedEncoder, dtype: torch.dtype) -> dict[str, np.ndarray]:
    with torch.no_grad():
        out = encoder.to(dtype).outputs(torch.tensor(probe_windows(), dtype=dtype))
    encoder.float()
    return {name: z.numpy() for name, z in out.items()}


# --- the numbers of the reference


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_outputs_equal_the_reference(encoder: HeadedEncoder, dtype: torch.dtype) -> None:
    out = run(encoder, dtype)
    np.testing.assert_allclose(out["backbone"][:, COLUMNS], EMB, atol=2e-5)
    np.testing.assert_allclose(np.linalg.norm(out["backbone"], axis=1), [10.72378, 10.64388, 11.03015], atol=2e-5)
    np.testing.assert_allclose(out["mm"][0, COLUMNS], [-0.21638, -1.44308, -1.24666, 1.41972], atol=2e-5)
    np.testing.assert_allclose(out["ss"][0, COLUMNS], [1.61814, 1.33480, -0.34236, 0.24755], atol=2e-5)


def test_the_same_weights_stepping_over_time_equal_the_reference(encoder: HeadedEncoder) -> None:
    other = kl.create_encoder("stacked_rnn", channels=6, recurrence="time", pool_steps=32)
    other.load_state_dict(encoder.base.state_dict())
    with torch.no_grad():
        z = other.double()(torch.tensor(probe_windows())).numpy()
    np.testing.assert_allclose(z[0, COLUMNS], [-0.12989, -0.43752, -0.28333, 0.17867], atol=2e-5)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), [11.56531, 11.57888, 11.64551], atol=2e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_every_layer_equals_its_formula(encoder: HeadedEncoder, dtype: torch.dtype, tolerance: float) -> None:
    """The whole network once more, in plain arrays from the checkpoint's own tensors."""
    w = {k.removeprefix("imu_encoder."): v.double().numpy() for k, v in STATE.items()}
    want = {"norm_in": group_norm(probe_windows(), 2, w["backbone.0.weight"], w["backbone.0.bias"])}
    want["conv1"] = convolve(want["norm_in"], w["backbone.1.net.0.weight"])
    want["conv2"] = convolve(max_pool(want["conv1"]), w["backbone.2.net.0.weight"])
    want["conv3"] = convolve(max_pool(want["conv2"]), w["backbone.3.net.0.weight"])
    want["norm_out"] = group_norm(average(want["conv3"], 32), 4, w["backbone.4.weight"], w["backbone.4.bias"])
    h = np.zeros((3, 512))
    for step in range(32):
        h = gru_step(want["norm_out"][:, step], h, {k.split(".")[2]: v for k, v in w.items() if ".5." in k})
    want |= {"backbone": h, "ss": h @ w["ssl_head.weight"].T + w["ssl_head.bias"]}
    want["mm"] = h @ w["mmcl_head.weight"].T + w["mmcl_head.bias"]
    found = layers(encoder, dtype)
    gaps = {name: float(np.abs(found[name] - want[name]).max()) for name in want}
    assert {name: gap for name, gap in gaps.items() if not gap < tolerance} == {}


def layers(encoder: HeadedEncoder, dtype: torch.dtype) -> dict[str, np.ndarray]:
    """What each layer and each output gives for the probe windows."""
    found: dict[str, np.ndarray] = {}
    hooks = [
        layer.register_forward_hook(lambda _, __, out, n=name: found.update({n: out.numpy()}))
        for name, layer in encoder.base.named_children()
        if name != "rnn"
    ]
    found |= run(encoder, dtype)
    for hook in hooks:
        hook.remove()
    return found


def group_norm(x: np.ndarray, groups: int, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    g = x.reshape(len(x), groups, -1)
    g = (g - g.mean(axis=2, keepdims=True)) / np.sqrt(g.var(axis=2, keepdims=True) + 1e-5)
    return g.reshape(x.shape) * weight[:, None] + bias[:, None]


def convolve(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    taps = weight.shape[2]
    steps = x.shape[2] - 2 * (taps - 1)
    return sum(np.einsum("oc,bct->bot", weight[:, :, k], x[:, :, 2 * k : 2 * k + steps]) for k in range(taps))


def max_pool(x: np.ndarray) -> np.ndarray:
    steps = x.shape[2] // 3
    return x[:, :, : 3 * steps].reshape(*x.shape[:2], steps, 3).max(axis=3)


def average(x: np.ndarray, steps: int) -> np.ndarray:
    time = x.shape[2]
    cuts = [(i * time // steps, -((i + 1) * time // -steps)) for i in range(steps)]
    return np.stack([x[:, :, a:b].mean(axis=2) for a, b in cuts], axis=2)


def gru_step(x: np.ndarray, h: np.ndarray, w: dict[str, np.ndarray]) -> np.ndarray:
    def sigmoid(a: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-a))

    given = np.split(x @ w["weight_ih_l0"].T + w["bias_ih_l0"], 3, axis=1)
    kept = np.split(h @ w["weight_hh_l0"].T + w["bias_hh_l0"], 3, axis=1)
    reset, update = sigmoid(given[0] + kept[0]), sigmoid(given[1] + kept[1])
    return (1 - update) * np.tanh(given[2] + reset * kept[2]) + update * h


# --- the round trip


def test_every_tensor_comes_over_bit_by_bit(encoder: HeadedEncoder) -> None:
    state = encoder.state_dict()
    assert {theirs(k) for k in state} == {f"imu_encoder.{k}" for k in SHAPES}
    assert all(torch.equal(v, STATE[theirs(k)]) for k, v in state.items())


def test_written_and_loaded_it_is_the_same_to_the_bit(file: Path, tmp_path: Path, encoder: HeadedEncoder) -> None:
    kl.import_weights("primus", file, tmp_path / "m")
    again = kl.load(tmp_path / "m").state_dict()
    assert all(torch.equal(v, again[k]) for k, v in encoder.state_dict().items())


@pytest.mark.parametrize("output", ["backbone", "ss", "mm"])
def test_each_output_can_be_loaded(file: Path, tmp_path: Path, encoder: HeadedEncoder, output: str) -> None:
    kl.import_weights("primus", file, tmp_path / "m")
    z = kl.load(tmp_path / "m", output=output).embed(probe_windows())
    np.testing.assert_allclose(z, run(encoder, torch.float32)[output], atol=1e-5)


def test_weights_outlive_their_file(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "gone.ckpt", STATE)
    network = kl.import_weights("primus", path)
    os.truncate(path, 0)
    assert torch.equal(network.state_dict()["base.conv1.weight"], STATE["imu_encoder.backbone.1.net.0.weight"])


def test_towers_that_are_not_finite_are_not_looked_at(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "x.ckpt", STATE | {"text_encoder.w": torch.full((3,), torch.nan)})
    assert kl.import_weights("primus", path).name == "headed"


def test_towers_take_no_memory(tmp_path: Path) -> None:
    """In a process of its own, whose peak is not that of making the file."""
    path = checkpoint(tmp_path / "big.ckpt", STATE | {"video_encoder.w": torch.ones(1 << 25)})
    program = """
import resource, sys
import kinelet as kl
kl.import_weights("primus", sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
kl.import_weights("primus", sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    small = checkpoint(tmp_path / "small.ckpt", STATE)
    home = str(Path(str(kl.__file__)).parents[1])
    told = subprocess.run(
        [sys.executable, "-c", program, small, path],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": home},
    )
    assert path.stat().st_size > 128 << 20 and int(told.stdout) < 40_000


# --- what is said about them


def test_the_contract_is_the_published_one(encoder: HeadedEncoder) -> None:
    spec = encoder.spec
    assert spec.units == ("m/s^2",) * 3 + ("rad/s",) * 3
    assert spec.channels == ("acc_x", "acc_y", "acc_z", "gyr_x", "gyr_y", "gyr_z")
    assert (spec.rate_hz, spec.window_samples, spec.site) == (50.0, 250, "head")


def test_the_card_has_licence_attribution_and_data(encoder: HeadedEncoder) -> None:
    assert "CC-BY-4.0" in encoder.card["licence"] and "Das" in encoder.card["licence"]
    assert "presumed" in encoder.card["data"] and "assumed" in encoder.card["unit"]


def test_the_recurrence_is_stated_in_the_model(file: Path, tmp_path: Path) -> None:
    kl.import_weights("primus", file, tmp_path / "m")
    told = json.loads((tmp_path / "m" / "config.json").read_text())
    assert told["config"]["base_config"]["recurrence"] == "channels"


def test_a_recording_in_g_is_converted(encoder: HeadedEncoder) -> None:
    data = (1e-3 * np.random.default_rng(0).normal(size=(400, 6))).astype(np.float32)
    found = kl.embed(encoder, Recording(data, imu_spec(50.0, gyro=True), "p", "r"), step_s=1.0)
    # So little motion that the norm's epsilon counts, and with it the unit.
    want = encoder.embed((data[:250] * np.repeat([9.80665, 1], 3)).T[None])
    assert np.abs(encoder.embed(data[:250].T[None]) - want).max() > 1e-3
    np.testing.assert_allclose(found.vectors[:1], want, atol=2e-5)
    assert any("m/s^2" in change for change in found.changes)


def test_a_corpus_in_g_is_judged(file: Path, tmp_path: Path) -> None:
    """Sitting and walking of four people, told apart by whatever the formula's weights see."""
    spec = imu_spec(50.0, gyro=True, site="head")
    marks = [Annotation(20.0 * i, 20.0 * (i + 1), label=label) for i, label in enumerate(("sit", "walk"))]
    people = [recording(f"r{i}", f"P{i}", 2000, seed=i, spec=spec, annotations=tuple(marks)) for i in range(4)]
    corpus_of(tmp_path / "c", *people)
    kl.import_weights("primus", file, tmp_path / "m")
    more = ("--corpus", tmp_path / "c", "--folds", "2", "--baselines", "none", "--json")
    [found] = json.loads(done("evaluate", tmp_path / "m", *more).out)
    assert found["subjects"] == ["P0", "P1", "P2", "P3"]


# --- words


def clip4clip(**changes: Any) -> CallableTower:
    """A text tower in the space of the multimodal head."""
    facts = {"name": "my-clip4clip", "dim": 512, "space_id": "clip4clip", "probes": ()} | changes
    return CallableTower(lambda items: np.eye(512)[[len(i) % facts["dim"] for i in items], : facts["dim"]], **facts)


def test_a_tower_of_ones_own_searches(file: Path, tmp_path: Path) -> None:
    kl.import_weights("primus", file, tmp_path / "m")
    head = recording("r", "P1", 1000, spec=imu_spec(50.0, gyro=True, site="head"))
    found = search(kl.load(tmp_path / "m", output="ss"), corpus_of(tmp_path / "c", head), "a dog", tower=clip4clip())
    z = kl.load(tmp_path / "m").embed(probe_windows().astype(np.float32))
    words = with_words(kl.load(tmp_path / "m", output="ss"), clip4clip())
    np.testing.assert_array_equal(words.encoder.embed(probe_windows().astype(np.float32)), z)
    assert found.windows == 7 and len(found)


@pytest.mark.parametrize("tower", [clip4clip(space_id="another"), clip4clip(dim=384), None])
def test_another_tower_or_none_is_refused(encoder: HeadedEncoder, tower: CallableTower | None) -> None:
    with pytest.raises(BadOptionError, match="clip4clip"):
        with_words(encoder, tower)


def test_videos_of_its_space_can_be_retrieved(encoder: HeadedEncoder) -> None:
    assert head_for(encoder, Modality("video", 512, "clip4clip", tower="precomputed")) == "mm"


# --- refusals


def broken(folder: Path, state: dict[str, Any], **more: Any) -> str:
    with pytest.raises(BadFileError) as caught:
        kl.import_weights("primus", checkpoint(folder / "bad.ckpt", state, **more))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("key", list(SHAPES))
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    key = f"imu_encoder.{key}"
    assert f"missing {key}" in broken(tmp_path, {k: v for k, v in STATE.items() if k != key})


def test_an_extra_key_is_named(tmp_path: Path) -> None:
    assert "extra imu_encoder.third.bias" in broken(tmp_path, STATE | {"imu_encoder.third.bias": torch.zeros(2)})


def test_a_misshapen_key_is_named_with_both_shapes(tmp_path: Path) -> None:
    told = broken(tmp_path, STATE | {"imu_encoder.mmcl_head.weight": torch.zeros(384, 512)})
    assert "imu_encoder.mmcl_head.weight has shape (384, 512) instead of (512, 512)" in told


def test_other_kinds_of_numbers_are_refused(tmp_path: Path) -> None:
    told = broken(tmp_path, {k: v.half() for k, v in STATE.items()})
    assert "torch.float16 instead of torch.float32" in told and "and 10 more" in told


def test_values_that_are_not_finite_are_named(tmp_path: Path) -> None:
    key = "imu_encoder.backbone.4.bias"
    assert f"{key}: not all values are finite" in broken(tmp_path, STATE | {key: torch.full((32,), torch.inf)})


def test_a_tensor_that_the_file_does_not_hold_is_refused(tmp_path: Path) -> None:
    key = "imu_encoder.ssl_head.weight"
    assert "more than the file has" in broken(tmp_path, {key: torch.zeros(1).expand(1 << 30)})


@pytest.mark.parametrize(
    "other", [torch.eye(512).to_sparse(), torch.zeros(512, 512, device="meta")], ids=["sparse", "meta"]
)
def test_tensors_without_numbers_in_a_row_are_refused(tmp_path: Path, other: torch.Tensor) -> None:
    key = "imu_encoder.ssl_head.weight"
    assert f"no tensor under {key}" in broken(tmp_path, STATE | {key: other})


def test_a_file_without_state_dict_is_refused_naming_what_it_has(tmp_path: Path) -> None:
    torch.save({"net": {}}, tmp_path / "x.ckpt")
    with pytest.raises(BadFileError, match="no 'state_dict' but net"):
        kl.import_weights("primus", tmp_path / "x.ckpt")


def test_another_networks_checkpoint_is_refused_naming_what_it_has(tmp_path: Path) -> None:
    told = broken(tmp_path, towers())
    assert "no tensor under 'imu_encoder.' but text_encoder.clip.proj" in told


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04" + bytes(200)])
def test_foreign_files_are_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.ckpt").write_bytes(content)
    with pytest.raises(BadFileError, match=r"x\.ckpt: not a checkpoint") as caught:
        kl.import_weights("primus", tmp_path / "x.ckpt")
    assert "\n" not in str(caught.value)


def refused(path: Path) -> str:
    with pytest.raises(BadFileError) as caught:
        kl.import_weights("primus", path)
    return str(caught.value)


@pytest.mark.parametrize("keep", [0, 1000, -100])
def test_a_file_that_is_cut_short_is_to_be_downloaded_again(file: Path, tmp_path: Path, keep: int) -> None:
    (tmp_path / "x.ckpt").write_bytes(file.read_bytes()[:keep])
    told = refused(tmp_path / "x.ckpt")
    assert "damaged or cut short" in told and "Download it again" in told and "newer PyTorch" not in told


def test_a_file_of_an_old_pytorch_is_to_be_saved_anew(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "x.ckpt", _use_new_zipfile_serialization=False)
    assert "older pickle. Load and save it once with a newer PyTorch" in refused(tmp_path / "x.ckpt")


def test_another_zip_archive_is_no_checkpoint(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.zeros(3))
    told = refused(tmp_path / "x.npz")
    assert "a zip archive, but no checkpoint. Give PRIMUS's best_model.ckpt" in told


def test_a_folder_is_said_to_be_one(tmp_path: Path) -> None:
    assert "a folder, not a file. Give PRIMUS's best_model.ckpt" in refused(tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (torch.zeros(3), "holds a Tensor, not a mapping. Give PRIMUS's"),
        ({"state_dict": torch.zeros(3)}, "'state_dict' is a Tensor, not a state dict. Give PRIMUS's"),
    ],
)
def test_a_tensor_in_the_place_of_a_mapping_says_what_to_give(tmp_path: Path, content: Any, told: str) -> None:
    torch.save(content, tmp_path / "x.ckpt")
    assert told in refused(tmp_path / "x.ckpt")


def test_a_file_that_is_not_there_says_which_to_give(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match=r"gone\.ckpt: no such file. Give PRIMUS's best_model\.ckpt, Zenodo"):
        kl.import_weights("primus", tmp_path / "gone.ckpt")


def test_a_file_cut_short_is_refused(file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    (tmp_path / "x.ckpt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadFileError, match=r"x\.ckpt"):
        kl.import_weights("primus", tmp_path / "x.ckpt")


def refused_or_unchanged(path: Path, content: bytes) -> str:
    """Why a file is refused; empty if it is read, with the weights that it would have without harm."""
    path.write_bytes(content)
    try:
        found = kl.import_weights("primus", path).state_dict()
    except BadFileError as error:
        assert "\n" not in str(error)
        return str(error)
    assert all(torch.equal(v, STATE[theirs(k)]) for k, v in found.items())
    return ""


def flipped(whole: bytes, place: int, bit: int = 0) -> bytes:
    return whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :]


@pytest.mark.parametrize("key", list(SHAPES))
def test_one_bit_of_a_tensor_is_noticed(file: Path, tmp_path: Path, key: str) -> None:
    whole, raw = file.read_bytes(), STATE[f"imu_encoder.{key}"].numpy().tobytes()
    told = refused_or_unchanged(tmp_path / "x.ckpt", flipped(whole, whole.index(raw) + len(raw) // 8 * 4))
    assert f"imu_encoder.{key}: damaged" in told


def test_damage_of_what_is_not_read_is_let_be(file: Path, tmp_path: Path) -> None:
    whole, raw = file.read_bytes(), towers()["text_encoder.clip.proj"].numpy().tobytes()
    assert not refused_or_unchanged(tmp_path / "x.ckpt", flipped(whole, whole.index(raw) + 400))


def test_one_bit_of_the_description_is_noticed(file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    start = whole.index(b"imu_encoder.")
    for place in np.random.default_rng(1).integers(start, start + 1000, 20):
        assert refused_or_unchanged(tmp_path / "x.ckpt", flipped(whole, int(place), bit=int(place) % 8))


def test_damaged_bytes_are_an_error_of_the_user_or_change_nothing(file: Path, tmp_path: Path) -> None:
    whole, generator, told = file.read_bytes(), np.random.default_rng(0), []
    directory = whole.rindex(b"PK\x01\x02") - 2000  # where the file says what lies where
    for place in [*generator.integers(0, len(whole), 20), *generator.integers(directory, len(whole), 40)]:
        harmed = flipped(whole, int(place), bit=int(generator.integers(8)))
        told.append(refused_or_unchanged(tmp_path / "x.ckpt", harmed))
    assert sum(map(bool, told)) > 20


class Strange:
    """An object of the kind that training frameworks leave in their files."""

    def __init__(self) -> None:
        self.path = Path("somewhere")


class Harm:
    """What a file must not be able to do."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("harm-was-done",))


class HiddenHarm:
    """The same by way of a function of a module that is not guarded by name."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (np.save, ("harm-was-done.npy", 1))


@pytest.mark.parametrize(
    "thing",
    [argparse.Namespace(lr=2e-4), Path("run/7"), Strange(), np.float64(0.5)],
    ids=lambda thing: type(thing).__name__,
)
def test_objects_beside_the_weights_are_let_be(tmp_path: Path, thing: object) -> None:
    path = checkpoint(tmp_path / "x.ckpt", STATE, hyper_parameters={"args": thing}, callbacks=[thing])
    assert torch.equal(
        kl.import_weights("primus", path).state_dict()["base.norm_in.bias"], STATE[theirs("base.norm_in.bias")]
    )


@pytest.mark.parametrize("harm", [Harm(), HiddenHarm()])
def test_no_code_in_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: object) -> None:
    monkeypatch.chdir(tmp_path)
    path = checkpoint(tmp_path / "x.ckpt", STATE, hyper_parameters=harm)
    try:
        kl.import_weights("primus", path)
    except BadFileError as error:
        assert "\n" not in str(error)
    assert [p.name for p in tmp_path.iterdir()] == ["x.ckpt"]


def test_an_object_in_place_of_a_tensor_is_named(tmp_path: Path) -> None:
    key = "imu_encoder.ssl_head.bias"
    assert f"no tensor under {key}" in broken(tmp_path, STATE | {key: Strange()})


def test_another_file_than_the_public_one_is_refused_on_request(file: Path) -> None:
    with pytest.raises(BadFileError, match=r"SHA-256 is [0-9a-f]{64}, the public file's is 66392f3c"):
        kl.import_weights("primus", file, verify=True)


def test_the_digest_is_in_the_card_where_it_was_verified(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kinelet.files import sha256

    monkeypatch.setattr("kinelet.deploy.import_primus.PUBLIC_SHA256", sha256(file))
    assert kl.import_weights("primus", file, verify=True).card["checkpoint_sha256"] == sha256(file)


def test_unknown_facts_are_named(file: Path) -> None:
    with pytest.raises(BadOptionError, match="import-weights primus: colour"):
        kl.import_weights("primus", file, colour="red")


# --- the command


def test_the_command_writes_a_model_folder(file: Path, tmp_path: Path) -> None:
    told = done("import-weights", "primus", file, "--out", tmp_path / "m").out
    assert "1,376,204 parameters" in told and "m/s^2" in told
    assert kl.load(tmp_path / "m").card["site"] == "head"


def test_the_command_refuses_options_of_other_weights(file: Path, tmp_path: Path) -> None:
    told = kinelet("import-weights", "primus", file, "--out", tmp_path / "m", "--stride", "2").complaint
    assert "stride: no such key" in told


def test_the_command_verifies(file: Path, tmp_path: Path) -> None:
    told = kinelet("import-weights", "primus", file, "--out", tmp_path / "m", "--verify").complaint
    assert "the public file's is" in told and not (tmp_path / "m").exists()
