"""``kinelet embed``: vectors of a recording, in files that anything can read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from cli_tools import done, kinelet, write_table
from device_files import write_ax3, write_gt3x
from kinelet.encoders.io import save_encoder
from kinelet.encoders.registry import create_encoder
from kinelet.signal.spec import imu_spec

DIM = 48


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder for two seconds at 50 Hz."""
    encoder = create_encoder("resnet1d_small", spec=imu_spec(50.0, window_s=2.0), seed=0, widths=(8, 8))
    return save_encoder(encoder, tmp_path_factory.mktemp("model"))


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """7.2 s at 100 Hz."""
    write_ax3(tmp_path / "a.cwa")
    return tmp_path / "a.cwa"


def test_what_was_adapted_is_told(model: Path, recording: Path, tmp_path: Path) -> None:
    shown = done("embed", model, recording, "--out", tmp_path / "z.npz").out.splitlines()
    assert "adapted: resampled from 100 to 50 Hz" in shown
    assert shown[-1] == f"{tmp_path / 'z.npz'}: 6 vectors of {DIM}, 6 valid, one every 1 s, each from 2 s"


def test_another_output_of_an_encoder_with_heads(recording: Path, tmp_path: Path) -> None:
    small = {"base": "resnet1d_small", "base_config": {"widths": (8, 8)}, "heads": {"ss": 5, "mm": 7}}
    save_encoder(create_encoder("headed", spec=imu_spec(50.0, window_s=2.0), **small), tmp_path / "m")
    told = done("embed", tmp_path / "m", recording, "--out", tmp_path / "z.npz", "--output", "ss").out
    assert "6 vectors of 5" in told
    wrong = kinelet("embed", tmp_path / "m", recording, "--out", tmp_path / "z.npz", "--output", "text")
    assert "Choose one of: backbone, ss, mm" in wrong.complaint


def test_npz_is_readable_without_pickle(model: Path, recording: Path, tmp_path: Path) -> None:
    done("embed", model, recording, "--out", tmp_path / "z.npz", "--step-s", "0.5")
    with np.load(tmp_path / "z.npz", allow_pickle=False) as held:
        assert held["vectors"].shape == (11, DIM)
        np.testing.assert_allclose(held["time_s"], np.arange(11) / 2)
        assert np.isfinite(held["vectors"]).all()


def test_parquet_holds_the_same_numbers(model: Path, recording: Path, tmp_path: Path) -> None:
    for name in ("z.npz", "z.parquet"):
        done("embed", model, recording, "--out", tmp_path / name)
    table = parquet.read_table(tmp_path / "z.parquet")
    columns = [f"z{i}" for i in range(DIM)]
    assert table.column_names == ["time_s", "valid", *columns]
    with np.load(tmp_path / "z.npz", allow_pickle=False) as held:
        np.testing.assert_array_equal(np.stack([table[c].to_numpy() for c in columns], axis=1), held["vectors"])


def test_windows_across_a_gap_are_marked(model: Path, tmp_path: Path) -> None:
    write_ax3(tmp_path / "gap.cwa", blocks=12, skip=(5,))
    done("embed", model, tmp_path / "gap.cwa", "--out", tmp_path / "z.npz")
    with np.load(tmp_path / "z.npz", allow_pickle=False) as held:
        across = (held["time_s"] + 2.0 > 6.0 + 1e-9) & (held["time_s"] < 7.2 - 1e-9)
        np.testing.assert_array_equal(held["valid"], ~across)
        assert np.isnan(held["vectors"][across]).all()


def test_the_answer_for_machines(model: Path, recording: Path, tmp_path: Path) -> None:
    document = done("embed", model, recording, "--out", tmp_path / "z.npz", "--json").document
    assert (document["vectors"], document["valid"], document["dim"], document["window_s"]) == (6, 6, DIM, 2.0)
    assert document["changes"] == ["resampled from 100 to 50 Hz"]


def test_a_recording_shorter_than_a_window_gives_a_warning(model: Path, tmp_path: Path) -> None:
    write_gt3x(tmp_path / "d.gt3x", [0])
    shown = done("embed", model, tmp_path / "d.gt3x", "--out", tmp_path / "z.npz").out
    assert "no stretch of the recording is as long" in shown


def test_one_recording_of_a_table_is_embedded(model: Path, tmp_path: Path) -> None:
    table, card = write_table(tmp_path, people=("P1",))
    document = done("embed", model, table, "--card", card, "--out", tmp_path / "z.npz", "--json").document
    assert document["vectors"] == 7


def test_a_table_of_several_recordings_asks_which(model: Path, tmp_path: Path) -> None:
    table, card = write_table(tmp_path)
    assert "recording" in kinelet("embed", model, table, "--card", card, "--out", tmp_path / "z.npz").complaint


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--out", "z.txt"], ".npz or .parquet"),
        (["--out", "z"], ".npz or .parquet"),
        (["--step-s", "0"], "--step-s"),
        (["speed=3"], "speed"),
    ],
)
def test_a_wrong_option_is_one_line_and_nothing_is_written(
    model: Path, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert told in kinelet("embed", model, recording, *more).complaint
    assert [p.name for p in tmp_path.iterdir()] == ["a.cwa"]


def test_a_missing_gyroscope_is_named_with_both_sides(recording: Path, tmp_path: Path) -> None:
    encoder = create_encoder("resnet1d_small", spec=imu_spec(50.0, gyro=True, window_s=2.0), widths=(8, 8))
    save_encoder(encoder, tmp_path / "six")
    complaint = kinelet("embed", tmp_path / "six", recording, "--out", tmp_path / "z.npz").complaint
    assert "gyr_x" in complaint
    assert "acc_x" in complaint


def test_what_is_no_model_is_one_line(recording: Path, tmp_path: Path) -> None:
    assert "no model here" in kinelet("embed", tmp_path, recording, "--out", tmp_path / "z.npz").complaint
