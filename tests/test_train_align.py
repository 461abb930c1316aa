"""From encoders of one modality each and pairs to a run directory: stages, resume, people held out, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import kinelet as kl
from kinelet.corpus import BuildConfig, Corpus, build
from kinelet.datasets.shared_private import shared_private
from kinelet.deploy.multimodal import load_multimodal
from kinelet.errors import BadOptionError
from kinelet.train.align import align, training_pairs
from kinelet.train.align_recipe import AlignConfig, align_recipe
from kinelet.train.loop import InterruptedRunError

TINY = [
    "encoder.options={width: 16, depth: 1, heads: 2, code: 16}",
    "stage1={encoder: {options: {width: 16, depth: 1, heads: 2, code: 16}}, train: {steps: 3, batch_size: 16}}",
    "heads.width=16",
    "pairs.window_s=2",
    "train.steps=4",
    "train.batch_size=16",
    "train.warmup=0",
    "train.checkpoint_every=2",
    "train.workers=0",
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("world")
    build(list(shared_private(4, 40, seed=1)), folder, BuildConfig(quality=False, streams=True))
    return Corpus.open(folder)


def config(method: str = "infomae", *told: str) -> AlignConfig:
    return align_recipe(None, [*TINY, *told], method=method)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_multimodal(folder).state_dict()


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_three_stages_from_one_corpus(corpus: Corpus, tmp_path: Path) -> None:
    held = corpus.subjects[0]
    names = training_pairs(corpus, config()).names
    model = align(
        corpus, tmp_path / "run", config("infomae", f"pairs.hold_out=[{held}]"), unimodal=dict.fromkeys(names, corpus)
    )
    assert model.names == names
    assert model.card["pretrain_people"] == 3
    seen = set(model.card["pretrain_subjects"])
    assert not seen & corpus.identities([held])
    assert seen >= corpus.identities(corpus.subjects[1:])
    for name in names:
        stage1 = json.loads((tmp_path / "run" / "unimodal" / name / "model" / "config.json").read_text())["card"]
        assert not set(stage1["pretrain_subjects"]) & corpus.identities([held])
        alone = kl.load(tmp_path / "run", modality=name, output="u")
        x = torch.randn(2, len(alone.spec.channels), alone.spec.window_samples or 0)
        torch.testing.assert_close(alone(x), model.of(name).outputs(x)["u"])


def test_stage_1_weights_are_where_stage_2_begins(corpus: Corpus, tmp_path: Path) -> None:
    """Spec check 22: with encoders frozen, alignment leaves them as stage 1 made them, to the bit."""
    names = training_pairs(corpus, config()).names
    told = config("infomae", "method_options.freeze_encoder=true")
    model = align(corpus, tmp_path / "run", told, unimodal=dict.fromkeys(names, str(corpus.path)))
    for name in names:
        first = kl.load(tmp_path / "run" / "unimodal" / name).state_dict()
        assert same(first, model.of(name).base.state_dict())


def test_resumed_run_ends_with_the_same_bits(corpus: Corpus, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    align(corpus, whole, config())

    def stop(done: int, note: str = "") -> None:
        if done == 2:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(InterruptedRunError):
        align(corpus, cut, config(), progress=stop)
    align(corpus, cut, config(), resume=True)
    assert same(weights(whole), weights(cut))


@pytest.mark.parametrize("method", ["none", "cca", "procrustes"])
def test_closed_forms_take_no_steps(corpus: Corpus, tmp_path: Path, method: str) -> None:
    model = align(corpus, tmp_path / "run", config(method))
    assert model.card["steps"] == 0
    assert not (tmp_path / "run" / "checkpoint").exists()
    assert load_multimodal(tmp_path / "run").card["features"] == model.card["features"]


def test_a_share_of_the_pairs_is_part_of_a_larger_one(corpus: Corpus) -> None:
    def chosen(share: float) -> set[int]:
        found = training_pairs(corpus, config("infomae", f"pairs.share={share}"))
        return set(found.base(np.arange(len(found))).tolist())

    few, half = chosen(0.1), chosen(0.5)
    assert few < half < chosen(1.0)
    assert abs(len(half) - len(chosen(1.0)) / 2) <= 4


def test_held_out_pairs_are_logged(corpus: Corpus, tmp_path: Path) -> None:
    model = align(corpus, tmp_path / "run", config("infomae", "train.diagnose_every=2"))
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert any(key.startswith("held_out_accuracy") for key in lines[-1])
    assert model.card["pairs_kept_out"] > 0
    assert model.card["pairs"] + model.card["pairs_kept_out"] <= len(training_pairs(corpus, config()))


def test_another_configuration_is_refused_a_finished_folder(corpus: Corpus, tmp_path: Path) -> None:
    align(corpus, tmp_path / "run", config("none"))
    with pytest.raises(BadOptionError, match="holds"):
        align(corpus, tmp_path / "run", config("none"))


def _refusal(corpus: Corpus, tmp_path: Path, match: str, *told: str, method: str = "infomae", **given: Any) -> None:
    with pytest.raises(BadOptionError, match=match):
        align(corpus, tmp_path / "run", config(method, *told), **given)
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_refusals_write_nothing(corpus: Corpus, tmp_path: Path) -> None:
    _refusal(corpus, tmp_path, "aligns nothing", method="simclr")
    _refusal(corpus, tmp_path, "no modality eeg", unimodal={"eeg": "x"})
    _refusal(corpus, tmp_path, "not in the corpus", "pairs.hold_out=[nobody]")
    _refusal(corpus, tmp_path, "no multiple", "train.batch_size=18")


def test_a_run_of_another_rate_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    names = training_pairs(corpus, config()).names
    wrong = kl.create_encoder("tf_vit", channels=3)
    with pytest.raises(kl.KineletError, match=r"rate_hz is 16\.0 but 50\.0"):
        align(corpus, tmp_path / "run", config(), unimodal={names[0]: wrong})
