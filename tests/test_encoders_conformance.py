"""Every encoder in the registry keeps the same promises; a new one is tested by being registered."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from kinelet.encoders.base import DenseEncoder, Encoder
from kinelet.encoders.headed import HeadedEncoder
from kinelet.encoders.io import load_encoder, save_encoder
from kinelet.encoders.registry import ENCODERS, create_encoder, encoder_info, list_encoders
from kinelet.errors import BadOptionError, SpecMismatchError
from kinelet.signal.spec import SignalSpec, imu_spec

NAMES = list_encoders()
ONLY_TRIPLES = ("stacked_rnn", "headed")
every_encoder = pytest.mark.parametrize("name", NAMES)


def windows(batch: int = 4, channels: int = 3, time: int = 128, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, channels, time, generator=torch.Generator().manual_seed(seed))


@every_encoder
def test_the_record_states_the_parameters(name: str) -> None:
    encoder = create_encoder(name)
    assert sum(p.numel() for p in encoder.parameters() if p.requires_grad) == encoder_info(name).parameters


@every_encoder
def test_the_record_states_width_and_shortest_window(name: str) -> None:
    encoder, info = create_encoder(name), ENCODERS[name]
    assert (encoder.dim, encoder.min_samples, encoder.name) == (info.dim, info.min_samples, name)


@every_encoder
@pytest.mark.parametrize("channels", [3, 6])
def test_forward_gives_one_finite_vector_a_window(name: str, channels: int) -> None:
    encoder = create_encoder(name, channels=channels, seed=0)
    z = encoder(windows(channels=channels))
    assert z.shape == (4, encoder.dim) and bool(torch.isfinite(z).all())


@every_encoder
@pytest.mark.parametrize("time", [50, 125, 200, 257, 500])
def test_any_window_length_works(name: str, time: int) -> None:
    encoder = create_encoder(name, seed=0).eval()
    with torch.no_grad():
        assert encoder(windows(2, time=max(time, encoder.min_samples))).shape == (2, encoder.dim)


@every_encoder
def test_the_shortest_window_works(name: str) -> None:
    encoder = create_encoder(name, seed=0)
    assert np.isfinite(encoder.embed(windows(2, time=encoder.min_samples))).all()


@every_encoder
def test_a_window_too_short_is_refused_with_a_reason(name: str) -> None:
    encoder = create_encoder(name, seed=0)
    with pytest.raises(SpecMismatchError, match=f"time >= {encoder.min_samples}"):
        encoder(windows(2, time=encoder.min_samples - 1))


@every_encoder
def test_wrong_number_of_channels_is_refused_naming_both(name: str) -> None:
    with pytest.raises(SpecMismatchError, match=r"\(4, 6, 128\).*3 channels acc_x acc_y acc_z"):
        create_encoder(name, seed=0)(windows(channels=6))


@every_encoder
def test_a_single_window_without_batch_axis_is_refused(name: str) -> None:
    with pytest.raises(SpecMismatchError):
        create_encoder(name, seed=0).embed(windows()[0])


@every_encoder
def test_signals_of_another_rate_are_refused(name: str) -> None:
    with pytest.raises(SpecMismatchError, match=r"100\.0.*50\.0"):
        create_encoder(name, spec=imu_spec(50.0)).check_spec(imu_spec(100.0))


@every_encoder
def test_every_parameter_gets_a_gradient(name: str) -> None:
    encoder = create_encoder(name, seed=0)
    outputs = encoder.outputs(windows()).values() if isinstance(encoder, HeadedEncoder) else [encoder(windows())]
    torch.cat([z.square().sum(dim=1) for z in outputs]).sum().backward()
    assert [k for k, p in encoder.named_parameters() if p.grad is None] == []


@every_encoder
def test_same_seed_same_weights_and_the_global_generator_is_left_alone(name: str) -> None:
    state = torch.random.get_rng_state()
    a, b = create_encoder(name, seed=3), create_encoder(name, seed=3)
    same = all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert same and torch.equal(state, torch.random.get_rng_state())


@every_encoder
def test_another_seed_gives_other_weights(name: str) -> None:
    x = windows()
    assert not np.allclose(create_encoder(name, seed=3).embed(x), create_encoder(name, seed=4).embed(x), atol=1e-4)


@every_encoder
def test_embedding_does_not_depend_on_the_batch(name: str) -> None:
    encoder, x = create_encoder(name, seed=0), windows(7)
    together, alone = encoder.embed(x), encoder.embed(x, batch_size=1)
    assert np.allclose(together, alone, atol=1e-5, rtol=1e-5)


@every_encoder
def test_embedding_takes_arrays_and_keeps_training_mode(name: str) -> None:
    encoder = create_encoder(name, seed=0).train()
    z = encoder.embed(windows().double().numpy())
    assert z.dtype == np.float32 and encoder.training


@every_encoder
def test_embedding_nothing_gives_nothing(name: str) -> None:
    encoder = create_encoder(name)
    assert encoder.embed(np.empty((0, 3, 128))).shape == (0, encoder.dim)


@every_encoder
def test_saved_and_loaded_it_is_the_same_to_the_bit(name: str, tmp_path: Path) -> None:
    encoder, x = create_encoder(name, channels=6, seed=0), windows(channels=6)
    encoder(x)  # moves running statistics, which must be kept too
    encoder.fit_input([2 + 3 * x])
    loaded = load_encoder(save_encoder(encoder, tmp_path / "model"))
    assert np.array_equal(encoder.embed(x), loaded.embed(x))


@every_encoder
def test_loaded_it_knows_its_spec_name_config_and_card(name: str, tmp_path: Path) -> None:
    encoder = create_encoder(name, spec=imu_spec(100.0, site="wrist", window_s=2.56))
    encoder.card = {"method": "none", "people": ["P1", "P2"]}
    loaded = load_encoder(save_encoder(encoder, tmp_path))
    facts = [(e.spec, e.name, e.config, e.card, e.dim) for e in (encoder, loaded)]
    assert facts[0] == facts[1] and not loaded.training


@every_encoder
def test_an_unknown_option_is_named(name: str) -> None:
    with pytest.raises(BadOptionError, match=rf"encoder {name}.*depht"):
        create_encoder(name, depht=3)


@every_encoder
def test_features_have_the_stated_width_and_reach_every_window(name: str) -> None:
    encoder = create_encoder(name, seed=0).eval()
    assert isinstance(encoder, DenseEncoder)
    time = 2 * max(encoder.min_samples, 65)
    maps = encoder.features(windows(2, time=time))
    assert maps.shape[:2] == (2, encoder.feature_dim) and 1 < maps.shape[2] <= time


@every_encoder
def test_other_sensors_than_motion_work_or_are_refused_by_name(name: str) -> None:
    spec = SignalSpec(rate_hz=4.0, channels=("eda",), units=("uS",))
    if name in ONLY_TRIPLES:
        with pytest.raises(SpecMismatchError, match="channels eda are not sensors of three axes"):
            create_encoder(name, spec=spec)
    else:
        assert create_encoder(name, spec=spec)(windows(channels=1)).shape[0] == 4


@every_encoder
def test_half_precision_autocast_works(name: str) -> None:
    encoder = create_encoder(name, seed=0).eval()
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
        low = encoder(windows())
    assert np.abs(low.float().numpy() - encoder.embed(windows())).max() < 0.1 * np.abs(encoder.embed(windows())).max()


def export_onnx(encoder: Encoder, path: Path) -> None:
    pytest.importorskip("onnxscript", reason="the extra [onnx] is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            encoder.eval(),
            (windows(3),),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
            optimize=False,
        )
    assert program is not None
    program.save(path)


@every_encoder
def test_exported_to_onnx_it_gives_the_same_for_any_batch(name: str, tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime", reason="the extra [onnx] is not installed")
    encoder = create_encoder(name, seed=0)
    encoder.fit_input([2 + 3 * windows(64)])
    export_onnx(encoder, tmp_path / "encoder.onnx")
    session = ort.InferenceSession(tmp_path / "encoder.onnx", providers=["CPUExecutionProvider"])
    feed = session.get_inputs()[0].name
    gaps = [np.abs(session.run(None, {feed: x.numpy()})[0] - encoder.embed(x)).max() for x in (windows(1), windows(9))]
    assert max(gaps) < 1e-5
