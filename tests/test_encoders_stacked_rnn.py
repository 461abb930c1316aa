"""PRIMUS's encoder: sizes and steps of the paper's table, what its input norm hides, and what is refused."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from kinelet.encoders.base import Encoder
from kinelet.encoders.headed import HeadedEncoder
from kinelet.encoders.io import load_encoder, save_encoder
from kinelet.encoders.registry import create_encoder
from kinelet.encoders.stacked_rnn import StackedRNN, warn_cancelled
from kinelet.errors import BadFileError, BadOptionError, SpecMismatchError
from kinelet.functional import scale
from kinelet.functional.augment import Permute, Scale
from kinelet.methods.simclr import SimCLR, SimCLRConfig
from kinelet.signal.spec import SignalSpec

both = pytest.mark.parametrize("recurrence", ["time", "channels"])


def stacked(channels: int = 6, **config: object) -> StackedRNN:
    made = create_encoder("stacked_rnn", channels=channels, seed=0, **config)
    assert isinstance(made, StackedRNN)
    return made


def size(encoder: torch.nn.Module) -> int:
    return sum(p.numel() for p in encoder.parameters())


def moving(batch: int = 4, time: int = 250) -> Tensor:
    """Windows of an accelerometer in m/s² with gravity and a gyroscope in rad/s, all in motion."""
    g = torch.Generator().manual_seed(0)
    offset = torch.tensor([0.0, 0.0, 9.8, 0.0, 0.0, 0.0])[:, None]
    return offset + torch.randn(batch, 6, time, generator=g)


# --- sizes


@both
@pytest.mark.parametrize(("channels", "count"), [(6, 850_892), (3, 849_926)])
def test_parameters_of_the_backbone(recurrence: str, channels: int, count: int) -> None:
    assert size(stacked(channels, recurrence=recurrence)) == count


@both
@pytest.mark.parametrize(
    ("channels", "heads", "count"),
    [
        (6, {"ss": 512, "mm": 512}, 1_376_204),
        (6, {"mm": 512}, 1_113_548),
        (3, {"ss": 512, "mm": 512}, 1_375_238),
        (6, {"ss": 512, "mm": 512, "minilm": 384}, 1_376_204 + 196_992),
    ],
)
def test_parameters_with_heads(recurrence: str, channels: int, heads: dict[str, int], count: int) -> None:
    encoder = create_encoder("headed", channels=channels, heads=heads, base_config={"recurrence": recurrence})
    assert size(encoder) == count


def test_parameters_of_each_layer() -> None:
    counts = {name: size(layer) for name, layer in stacked().named_children()}
    convs = {"conv1": 1920, "conv2": 5120, "conv3": 5120}
    assert counts == {"norm_in": 12, **convs, "norm_out": 64, "rnn": 838_656}


@both
def test_nothing_but_parameters_is_stored(recurrence: str) -> None:
    assert list(stacked(recurrence=recurrence).buffers()) == []


# --- steps


def shapes(encoder: StackedRNN, time: int) -> dict[str, tuple[int, ...]]:
    """Shape that each layer gives for two windows of ``time`` samples; the GRU's own input under ``rnn``."""
    seen: dict[str, tuple[int, ...]] = {}
    for name, layer in encoder.named_children():
        layer.register_forward_hook(lambda _, i, o, n=name: seen.update({n: (i if n == "rnn" else [o])[0].shape}))
    with torch.no_grad():
        encoder(torch.randn(2, 6, time))
    return {name: tuple(shape) for name, shape in seen.items()}


@both
def test_shapes_of_each_layer_are_the_published_ones(recurrence: str) -> None:
    told = shapes(stacked(recurrence=recurrence, pool_steps=32), 250)
    assert told["norm_in"] == (2, 6, 250)
    assert (told["conv1"], told["conv2"], told["conv3"]) == ((2, 32, 232), (2, 32, 69), (2, 32, 15))
    assert (told["norm_out"], told["rnn"]) == ((2, 32, 32), (2, 32, 32))


@pytest.mark.parametrize(("time", "steps"), [(123, 1), (250, 15), (500, 42), (1000, 98)])
def test_over_time_it_takes_the_steps_that_there_are(time: int, steps: int) -> None:
    told = shapes(stacked(), time)
    assert told["conv3"][2] == steps and told["rnn"] == (2, steps, 32)


@both
@pytest.mark.parametrize("time", [123, 250, 500, 1000])
def test_every_length_that_the_layers_allow_is_taken(recurrence: str, time: int) -> None:
    z = stacked(recurrence=recurrence).embed(torch.randn(2, 6, time))
    assert z.shape == (2, 512) and np.isfinite(z).all()


@both
def test_one_sample_less_is_refused_naming_the_least(recurrence: str) -> None:
    with pytest.raises(SpecMismatchError, match=r"\(2, 6, 122\).*time >= 123"):
        stacked(recurrence=recurrence)(torch.randn(2, 6, 122))


def test_the_pools_take_the_largest_of_three() -> None:
    encoder, x = stacked(), moving()
    y = encoder.conv1(encoder.norm_in(x))
    y = encoder.conv2(y[:, :, :231].unflatten(2, (77, 3)).amax(dim=3))
    want = encoder.norm_out(encoder.conv3(y.unflatten(2, (23, 3)).amax(dim=3)))
    assert torch.allclose(encoder.maps(x), want, atol=1e-6)


# --- the recurrence


def test_modes_share_weights_and_differ_in_what_they_give() -> None:
    """The trap: weights of one mode fit the other without a complaint."""
    a, b = stacked(recurrence="time", pool_steps=32), stacked(recurrence="channels")
    b.load_state_dict(a.state_dict())
    assert np.abs(a.embed(moving()) - b.embed(moving())).max() > 0.05


def test_over_channels_each_step_is_a_channel() -> None:
    """The recurrence is causal: the last channel of the maps cannot change what all but the last step gave."""
    encoder = stacked(recurrence="channels")
    maps = encoder.maps(moving())
    other = maps.clone()
    other[:, -1] += 1
    states = [encoder.rnn(m)[0] for m in (maps, other)]
    assert torch.equal(states[0][:, :-1], states[1][:, :-1]) and not torch.equal(states[0][:, -1], states[1][:, -1])


def test_the_embedding_is_the_last_state() -> None:
    encoder = stacked()
    assert torch.equal(encoder.features(moving())[:, :, -1], encoder(moving()))


def test_time_is_the_default_and_is_written_down() -> None:
    assert stacked().config == {"recurrence": "time", "hidden": 512, "pool_steps": None}


def test_channels_have_their_steps_written_down() -> None:
    assert stacked(recurrence="channels").config["pool_steps"] == 32


def test_channels_with_other_steps_are_refused() -> None:
    with pytest.raises(BadOptionError, match="needs pool_steps 32, not 16"):
        stacked(recurrence="channels", pool_steps=16)


@pytest.mark.parametrize("name", ["stacked_rnn", "headed"])
def test_a_model_that_does_not_state_its_recurrence_is_refused(name: str, tmp_path: Path) -> None:
    path = save_encoder(create_encoder(name), tmp_path / "m") / "config.json"
    told = json.loads(path.read_text())
    del (told["config"] if name == "stacked_rnn" else told["config"]["base_config"])["recurrence"]
    path.write_text(json.dumps(told))
    with pytest.raises(BadFileError, match="stacked_rnn does not state recurrence"):
        load_encoder(tmp_path / "m")


@both
def test_the_stored_recurrence_is_the_one_that_is_loaded(recurrence: str, tmp_path: Path) -> None:
    loaded = load_encoder(save_encoder(stacked(recurrence=recurrence), tmp_path))
    assert isinstance(loaded, StackedRNN) and loaded.recurrence == recurrence


def test_training_and_evaluation_give_the_same() -> None:
    encoder = stacked()
    assert torch.equal(encoder.train()(moving()), encoder.eval()(moving()))


# --- the input norm


@both
def test_the_unit_of_acceleration_does_not_matter_in_motion(recurrence: str) -> None:
    encoder, x = stacked(recurrence=recurrence), moving()
    in_g = x / torch.tensor([9.80665] * 3 + [1.0] * 3)[:, None]
    assert np.abs(encoder.embed(x) - encoder.embed(in_g)).max() < 1e-5


def test_the_unit_of_a_still_gyroscope_does_matter() -> None:
    """Its spread is near the norm's epsilon, which is why a contract has to fix units."""
    encoder, x = stacked(), moving()
    x[:, 3:] *= 0.002
    degrees = torch.cat([x[:, :3], x[:, 3:] * 57.29578], dim=1)
    assert np.abs(encoder.embed(x) - encoder.embed(degrees)).max() > 1e-2


@both
def test_the_posture_survives(recurrence: str) -> None:
    encoder, x = stacked(recurrence=recurrence), moving()
    leaning = x + torch.tensor([3.0, 0, 0, 0, 0, 0])[:, None]
    assert np.abs(encoder.embed(x) - encoder.embed(leaning)).max() > 1e-2


def test_a_common_offset_of_a_sensor_is_taken_off() -> None:
    encoder, x = stacked(), moving()
    moved = x + torch.tensor([2.0, 2, 2, 0, 0, 0])[:, None]
    assert np.abs(encoder.embed(x) - encoder.embed(moved)).max() < 1e-5


def test_each_sensor_is_normed_by_itself() -> None:
    """What the gyroscope reads must not rescale the accelerometer: their parts of the norm are independent."""
    encoder, x = stacked(), moving()
    louder = torch.cat([x[:, :3], 5 * x[:, 3:].roll(7, dims=2)], dim=1)
    assert torch.equal(encoder.norm_in(x)[:, :3], encoder.norm_in(louder)[:, :3])


@both
def test_scaling_per_sensor_leaves_embeddings_unchanged(recurrence: str) -> None:
    encoder, x = stacked(recurrence=recurrence), moving()
    scaled = scale(x, torch.Generator().manual_seed(1), mode="per_sensor", sigma=0.25)
    assert not torch.allclose(scaled, x) and np.abs(encoder.embed(scaled) - encoder.embed(x)).max() < 1e-5


# --- the warning


SENSOR, CHANNEL = Scale(mode="per_sensor"), Scale(mode="per_channel")


@pytest.mark.parametrize("mode", ["per_sensor", "per_window"])
@pytest.mark.parametrize("name", ["stacked_rnn", "headed"])
def test_scaling_that_the_norm_cancels_warns(mode: str, name: str) -> None:
    with pytest.warns(UserWarning, match=f"{mode}, has no effect"):
        warn_cancelled([Permute(), Scale(mode=mode)], create_encoder(name))


@pytest.mark.parametrize(
    ("name", "augmentations"),
    [
        ("stacked_rnn", [CHANNEL, Permute()]),
        ("stacked_rnn", [Scale(mode="per_step")]),
        ("stacked_rnn", []),
        ("resnet1d_small", [SENSOR]),
    ],
)
def test_other_scaling_and_other_encoders_do_not_warn(name: str, augmentations: list[Scale]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_cancelled(augmentations, create_encoder(name))


@pytest.mark.parametrize("key", ["augmentations", "second_view"])
def test_simclr_warns_for_either_view(key: str) -> None:
    with pytest.warns(UserWarning, match="per_sensor, has no effect"):
        SimCLR(stacked(), SimCLRConfig.model_validate({"augmentations": "none"} | {key: [SENSOR]}))


# --- the signal


def test_sensors_of_three_axes_of_any_name_are_taken() -> None:
    names = tuple(f"{sensor}_{axis}" for sensor in ("acc", "gyr", "mag") for axis in "xyz")
    encoder: Encoder = create_encoder("stacked_rnn", spec=SignalSpec(rate_hz=50, channels=names, units=("1",) * 9))
    assert encoder.embed(torch.randn(2, 9, 250)).shape == (2, 512)


@pytest.mark.parametrize(
    "names",
    [
        ("acc_x", "acc_y"),
        ("acc_x", "acc_z", "acc_y"),
        ("acc_x", "gyr_x", "acc_y", "gyr_y", "acc_z", "gyr_z"),
        ("acc_x", "acc_y", "acc_z", "ppg"),
        ("a", "b", "c"),
    ],
    ids=" ".join,
)
def test_other_channels_are_refused_by_name(names: tuple[str, ...]) -> None:
    spec = SignalSpec(rate_hz=50, channels=names, units=("1",) * len(names))
    with pytest.raises(SpecMismatchError, match=f"channels {' '.join(names)} are not sensors of three axes"):
        create_encoder("stacked_rnn", spec=spec)


def test_an_accelerometer_alone_has_a_network_of_its_own() -> None:
    """Declared, not filled up: with zeros for a gyroscope the answer is another one."""
    alone, x = stacked(channels=3), moving()
    assert alone.embed(x[:, :3]).shape == (4, 512)
    with pytest.raises(SpecMismatchError, match=r"\(4, 3, 250\).*6 channels"):
        stacked(channels=6)(x[:, :3])


def test_heads_find_the_network_below_them() -> None:
    assert isinstance(HeadedEncoder.around(stacked(), {"mm": 8}, "mm").base, StackedRNN)
