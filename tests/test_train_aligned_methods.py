"""Every method that aligns modalities, through ``kinelet align`` as a whole, on a small corpus with gaps."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from kinelet.config import validate
from kinelet.corpus.build import BuildConfig, build
from kinelet.corpus.corpus import Corpus
from kinelet.datasets.shared_private import World, shared_private
from kinelet.deploy.multimodal import Multimodal, load_multimodal
from kinelet.methods.registry import get_method, list_methods, method_info
from kinelet.train.align import align
from kinelet.train.align_recipe import AlignConfig

ALIGNED = [name for name in list_methods() if method_info(name).keeps == "aligned"]
TRAINED = [name for name in ALIGNED if cast(Any, get_method(name)[0]).kind == "trained"]
FITTED = [name for name in ALIGNED if name not in TRAINED]

SMALL = {"width": 16, "depth": 1, "heads": 2, "code": 12}
SMALL_DECODER = {"width": 16, "depth": 1, "heads": 2}
OPTIONS: dict[str, dict[str, Any]] = {
    "infomae": {"decoder": SMALL_DECODER, "critic": {"width": 16}},
    "joint_mae": {"decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2},
}
TRAIN = {
    "steps": 3,
    "batch_size": 8,
    "warmup": 1,
    "log_every": 1,
    "checkpoint_every": 1,
    "diagnose_every": 2,
    "threads": 1,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Three people with two modalities, of which a fifth of the windows is missing."""
    folder = tmp_path_factory.mktemp("world") / "pairs"
    world = World(rates={"one": 16.0, "two": 32.0})
    build(shared_private(3, 30, world=world, missing={"one": 0.0, "two": 0.2}), folder, BuildConfig(streams=True))
    return Corpus.open(folder)


def config(method: str, **train: Any) -> AlignConfig:
    told = {
        "method": method,
        "method_options": OPTIONS.get(method, {}),
        "encoder": {"name": "tf_vit", "options": SMALL},
        "heads": {"width": 8},
        "pairs": {"window_s": 2.0, "length": 2, "keep_out": 0.2},
        "train": TRAIN | train,
    }
    return validate(AlignConfig, told)


def weights(run: Path) -> dict[str, Tensor]:
    files = sorted((run / "model").rglob("model.safetensors"))
    return {f"{f.parent.name}.{k}": v for f in files for k, v in load_file(f).items()}


def same(a: Path, b: Path) -> bool:
    one, other = weights(a), weights(b)
    return bool(one) and one.keys() == other.keys() and all(torch.equal(v, other[k]) for k, v in one.items())


class StopError(Exception):
    """Stands for whatever ends a run."""


def broken_off(corpus: Corpus, run: Path, method: str, after: int) -> None:
    def stop(done: int, note: str = "") -> None:
        if done == after:
            raise StopError

    with pytest.raises(StopError):
        align(corpus, run, config(method), progress=stop)


@pytest.fixture(scope="module", params=ALIGNED)
def aligned(
    request: pytest.FixtureRequest, corpus: Corpus, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path, Multimodal]:
    run = tmp_path_factory.mktemp(request.param) / "run"
    return request.param, run, align(corpus, run, config(request.param))


def test_what_is_on_disk_is_what_came_back(aligned: tuple[str, Path, Multimodal]) -> None:
    _, run, model = aligned
    x = {"one": torch.randn(4, 1, 32), "two": torch.randn(4, 1, 64)}
    with torch.no_grad():
        a, b = model.outputs(x), load_multimodal(run).outputs(x)
    assert all(torch.equal(a[n][p], b[n][p]) for n in ("one", "two") for p in ("backbone", "u", "v"))


def test_the_card_names_method_features_and_pairs(aligned: tuple[str, Path, Multimodal]) -> None:
    name, _, model = aligned
    kind = cast(Any, get_method(name)[0])
    assert model.card["method"] == name and tuple(model.card["features"]) == kind.features
    assert 0 < model.card["pairs"] < 90 and model.card["pretrain_people"] == 3


def test_parts_are_finite_and_of_the_width_of_the_heads(aligned: tuple[str, Path, Multimodal]) -> None:
    """Heads that are fitted are as wide as the code."""
    width = 12 if aligned[0] in FITTED else 8
    with torch.no_grad():
        found = aligned[2].outputs({"one": torch.randn(4, 1, 32), "two": torch.randn(4, 1, 64)})
    parts = [found[n][p] for n in ("one", "two") for p in ("u", "v")]
    assert all(p.shape == (4, width) and bool(torch.isfinite(p).all()) for p in parts)


def test_another_run_ends_with_the_same_bits_even_if_it_is_broken_off(
    aligned: tuple[str, Path, Multimodal], corpus: Corpus, tmp_path: Path
) -> None:
    method, whole, _ = aligned
    if method in TRAINED:
        broken_off(corpus, tmp_path / "run", method, 2)
    align(corpus, tmp_path / "run", config(method), resume=method in TRAINED)
    assert same(whole, tmp_path / "run")


@pytest.fixture(scope="module")
def untouched(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    run = tmp_path_factory.mktemp("untouched") / "run"
    align(corpus, run, config("none"))
    return {k: v for k, v in weights(run).items() if ".base." in k}


def test_encoders_that_are_frozen_are_those_that_came_in_and_others_move(
    aligned: tuple[str, Path, Multimodal], untouched: dict[str, Tensor]
) -> None:
    """Check 22."""
    after = weights(aligned[1])
    kept = bool(untouched) and all(torch.equal(v, after[k]) for k, v in untouched.items())
    assert kept == (aligned[0] in {*FITTED, "infonce"})
