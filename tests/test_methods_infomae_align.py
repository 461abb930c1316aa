"""Three stages by the command's own function on the generator's corpus, and looking people held out up after it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from infomae_world import AUGMENT, OPTIONS, WORLD
from kinelet.config import load_yaml
from kinelet.corpus import BuildConfig, Corpus, build
from kinelet.corpus.moments import moments
from kinelet.datasets.shared_private import World, shared_private
from kinelet.deploy.multimodal import Multimodal
from kinelet.evaluate.cross_modal import look_up
from kinelet.evaluate.moment_features import embed_moments
from kinelet.evaluate.retrieval_result import MEDIAN_RANK
from kinelet.train.align import align
from kinelet.train.align_recipe import AlignConfig, align_recipe

#: Samples of a window are its patches; sources are told by sign.
FRONT: dict[str, Any] = {"front": "raw", "interval_s": 0.25}
SMALL: dict[str, Any] = {**FRONT, "width": 32, "depth": 2, "heads": 2, "code": 32}
#: What is shared is twice as strong as what is private, so that few steps find it.
EASY = replace(WORLD, a=2.0)
TINY: dict[str, Any] = {**FRONT, "preset": "tiny"}


def corpus_of(folder: Path, people: int, seed: int, world: World = WORLD) -> Corpus:
    drawn = list(shared_private(people, 40, world=world, seed=seed))
    build(drawn, folder, BuildConfig(quality=False, streams=True))
    return Corpus.open(folder)


def config(
    method: str, network: dict[str, Any], steps: tuple[int, int], held: tuple[str, ...], seed: int
) -> AlignConfig:
    """Stage 1 and 2 of so many steps; rates are those of few steps."""
    loop = {"batch_size": 64, "warmup": 5, "lr": 3e-3, "seed": seed, "workers": 0, "checkpoint_every": 10_000}
    told = {"augmentations": AUGMENT, "ratio": 0.5, "mode": "random", "decoder_width": 32, "decoder_depth": 1}
    stage1 = {"method": "mae", "method_options": {**told, "decoder_heads": 2}, "encoder": {"options": network}}
    options = {"method_options": OPTIONS} if method == "infomae" else {}
    base = align_recipe(None, ["pairs.window_s=1", "heads.width=16"], method=method).model_dump(mode="json")
    base["pairs"] |= {"hold_out": held}
    base["train"] |= {**loop, "steps": steps[1], "diagnose_every": 10_000}
    found = {**base, **options, "encoder": {"name": "tf_vit", "options": network}}
    return AlignConfig.model_validate({**found, "stage1": {**stage1, "train": {**loop, "steps": steps[0]}}})


def median_rank(model: Multimodal, corpus: Corpus, held: tuple[str, ...], part: str) -> float:
    """Of the right moment among those of the people held out, mean of both directions."""
    asked = moments(corpus, None, WORLD.window_s).of(held).complete()
    found = {name: parts[part] for name, parts in embed_moments(model, asked).items()}
    results = look_up(found, asked.subject.astype(np.int64), asked.subjects, name="model", task="held out")
    return float(np.mean([r.values[MEDIAN_RANK] for r in results]))


def ranks(
    folder: Path, network: dict[str, Any], steps: tuple[int, int], people: int, seed: int, world: World = WORLD
) -> tuple[float, float]:
    """Median rank by encoders side by side and by aligned ones, from the same stage 1.

    Four fifths of the people train both stages; nobody of the rest is seen by either.
    """
    corpus = corpus_of(folder / "corpus", people, seed, world)
    held = tuple(corpus.subjects[: people // 5])
    names = moments(corpus, None, WORLD.window_s).names
    none = align(
        corpus, folder / "none", config("none", network, steps, held, seed), unimodal=dict.fromkeys(names, corpus)
    )
    stage1 = {name: folder / "none" / "unimodal" / name for name in names}
    after = align(corpus, folder / "infomae", config("infomae", network, steps, held, seed), unimodal=stage1)
    return median_rank(none, corpus, held, "backbone"), median_rank(after, corpus, held, "u")


def test_three_stages_find_moments_of_people_held_out(tmp_path: Path) -> None:
    """Check 30 with one seed: within 60 CPU seconds, aligned encoders look moments up better than ``none``.

    By a network half as wide and deep as ``tiny``, on a world whose shared sources are twice as strong, so that it
    stays quick; the slow test is of ``tiny`` on the world as it is. Measured: 23.5 of 120 against 56.5, 8 CPU seconds.
    """
    begin = time.process_time()
    before, after = ranks(tmp_path, SMALL, (10, 70), 15, 0, EASY)
    assert after < 0.8 * before and time.process_time() - begin < 60


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_aligned_encoders_beat_encoders_side_by_side(tmp_path: Path, seed: int) -> None:
    """Check 30 with the network of the preset ``tiny``, on 2,300 pairs.

    Seed 0 measured: median rank 197 of 640 against 262, in 38 CPU seconds. On 720 pairs ``tiny`` does not get there in
    that time: 90 of 200 after 100 steps and 76 after 250, against 82.
    """
    begin = time.process_time()
    before, after = ranks(tmp_path, TINY, (20, 250), 80, seed)
    assert after < before and time.process_time() - begin < 60


def test_a_run_says_which_encoders_were_not_held_back(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "corpus", 2, 0)
    one, two = moments(corpus, None, WORLD.window_s).names
    told = config("infomae", SMALL, (1, 1), (), 0).model_dump(mode="json")
    told["method_options"] |= {"encoder_rate": None}
    align(corpus, tmp_path / "run", AlignConfig.model_validate(told), unimodal={one: corpus})
    found = load_yaml(tmp_path / "run" / "config.yaml")["method_options"]
    assert (found["encoder_rate"], found["fresh"]) == (0.01, [two])
