"""Distances computed beforehand and shared between runs that draw the same batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from corpus_tools import corpus_of, people
from kinelet.config import validate
from kinelet.corpus.windows import Windows
from kinelet.train import distributed
from kinelet.train.distributed import World
from kinelet.train.feeding import Cached
from kinelet.train.pretrain import PretrainConfig, pretrain_windows

OPTIONS = {"anchors": "every", "candidates": 3, "cache": 2}
TRAIN = {"steps": 3, "batch_size": 8, "warmup": 1, "threads": 1, "device": "cpu"}


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Windows:
    return corpus_of(tmp_path_factory.mktemp("own") / "own", *people(4, each=1, length=400)).windows(1.0)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the batches whose distances are computed."""
    numbers: list[int] = []
    original = Cached._compute

    def spy(self: Cached, number: int) -> Any:
        numbers.append(number)
        return original(self, number)

    monkeypatch.setattr(Cached, "_compute", spy)
    return numbers


def run(windows: Windows, out: Path, cache: Path | None, distance: str = "euclid", **options: Any) -> Path:
    config = {
        "method": "relcon",
        "method_options": OPTIONS | options,
        "encoder": {"name": "resnet1d_small", "options": {"widths": [8, 8]}},
        "train": TRAIN,
        "data": {"window_s": 1.0},
        "distance": distance,
    }
    pretrain_windows([windows], out, validate(PretrainConfig, config), cache=cache)
    return out


def test_a_run_with_another_loss_computes_no_distance_again(
    windows: Windows, tmp_path: Path, computed: list[int]
) -> None:
    run(windows, tmp_path / "a", tmp_path / "cache")
    run(windows, tmp_path / "b", tmp_path / "cache", temperature=0.3)
    assert computed == [0, 1]


def test_shared_distances_give_the_same_weights(windows: Windows, tmp_path: Path) -> None:
    run(windows, tmp_path / "first", tmp_path / "cache")
    shared, alone = (run(windows, tmp_path / name, c) for name, c in (("a", tmp_path / "cache"), ("b", None)))
    a, b = (load_file(folder / "model" / "model.safetensors") for folder in (shared, alone))
    assert all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("change", [{"which": "within"}, {"between": "part"}, {"candidates": 1}])
def test_other_candidates_are_computed_anew(
    windows: Windows, tmp_path: Path, computed: list[int], change: dict[str, Any]
) -> None:
    run(windows, tmp_path / "a", tmp_path / "cache")
    run(windows, tmp_path / "b", tmp_path / "cache", **change)
    assert computed == [0, 1, 0, 1]


def test_another_distance_is_computed_anew(windows: Windows, tmp_path: Path, computed: list[int]) -> None:
    run(windows, tmp_path / "a", tmp_path / "cache")
    run(windows, tmp_path / "b", tmp_path / "cache", distance="dtw")
    assert computed == [0, 1, 0, 1]


def test_the_folder_of_a_run_keeps_none_of_them(windows: Windows, tmp_path: Path) -> None:
    assert not list(run(windows, tmp_path / "a", tmp_path / "cache").glob("distances*"))


def test_processes_compute_a_batch_together_even_if_one_has_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between two processes' files, the one that has its own would leave the other waiting for its rows."""
    cached = Cached(Any, 3, Any, tmp_path, World(0, 2, torch.device("cpu")))  # type: ignore[arg-type]
    monkeypatch.setattr(Cached, "_compute", lambda self, number: np.full((1, 1), float(number)))
    for number in range(3):
        np.save(tmp_path / f"{number:06d}-0of2.npy", np.full((1, 1), -1.0))
    asked: list[bool] = []

    def second_lacks_another(flag: bool, world: World) -> bool:
        asked.append(flag)
        return flag or len(asked) == 2

    monkeypatch.setattr(distributed, "any_rank", second_lacks_another)
    cached.fill()
    assert asked == [False] * 3
    assert [float(np.load(tmp_path / f"{n:06d}-0of2.npy")[0, 0]) for n in range(3)] == [-1.0, 1.0, -1.0]
