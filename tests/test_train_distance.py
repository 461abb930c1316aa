"""A distance trained first or given, cached distances, and the best weights of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from corpus_tools import corpus_of, people
from kinelet.cli.app import app
from kinelet.config import load_yaml, validate
from kinelet.corpus import Corpus
from kinelet.corpus.blocks import BlockSampler
from kinelet.corpus.loader import load_batch
from kinelet.distances.base import open_distance
from kinelet.distances.io import distance_hash, load_distance
from kinelet.encoders.registry import create_encoder
from kinelet.errors import BadOptionError, SpecMismatchError
from kinelet.methods.relcon import RelCon, RelConConfig
from kinelet.train.best import BestWeights
from kinelet.train.distance import train_distance
from kinelet.train.distributed import join
from kinelet.train.feeding import Cached
from kinelet.train.loop import DivergedError
from kinelet.train.pretrain import PretrainConfig, pretrain, steps_of, training_views

TRAIN = {"steps": 4, "batch_size": 8, "warmup": 1, "log_every": 1, "checkpoint_every": 2, "threads": 1, "device": "cpu"}
FIRST = {
    "method_options": {"network": {"width": 8, "kernel": 5, "blocks": 1}, "validation_every": 2},
    "train": {"steps": 4, "batch_size": 8, "log_every": 1, "checkpoint_every": 2},
}
SMALL = {"name": "resnet1d_small", "options": {"widths": [8, 8]}}
EVERY = {"anchors": "every", "candidates": 3}


def config(**changes: Any) -> PretrainConfig:
    base = {
        "method": "relcon",
        "method_options": EVERY,
        "encoder": SMALL,
        "train": TRAIN,
        "data": {"window_s": 1.0},
        "distance": FIRST,
    }
    return validate(PretrainConfig, base | changes)


def motif(**changes: Any) -> PretrainConfig:
    return validate(
        PretrainConfig,
        {"method": "motif", "method_options": FIRST["method_options"], "data": {"window_s": 1.0}}
        | {"train": FIRST["train"] | {"threads": 1, "device": "cpu", "optimizer": "adam"}}
        | changes,
    )


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return corpus_of(tmp_path_factory.mktemp("own") / "own", *people(4, each=1, length=400))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(folder / "model" / "model.safetensors")
    return found


def same(a: Path, b: Path) -> bool:
    first, second = weights(a), weights(b)
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def test_one_call_trains_the_distance_and_then_the_encoder(corpus: Corpus, tmp_path: Path) -> None:
    encoder = pretrain(corpus, tmp_path, config())
    assert encoder.card["distance"]["sha256"] == distance_hash(tmp_path / "distance" / "model")
    assert load_yaml(tmp_path / "config.yaml")["distance"]["method_options"]["network"]["width"] == 8


def test_the_second_stage_leaves_the_distance_as_the_first_left_it(corpus: Corpus, tmp_path: Path) -> None:
    told = config().distance
    assert told is not None
    alone = motif(train=told.train.model_copy(update={"threads": 1, "device": "cpu"}).model_dump())
    train_distance(training_views(corpus, alone.data), tmp_path / "alone", alone)
    pretrain(corpus, tmp_path / "both", config())
    assert same(tmp_path / "alone", tmp_path / "both" / "distance")


def test_a_distance_that_is_given_is_as_good_as_one_trained_first(corpus: Corpus, tmp_path: Path) -> None:
    pretrain(corpus, tmp_path / "first", config())
    pretrain(corpus, tmp_path / "given", config(distance=str(tmp_path / "first" / "distance")))
    assert same(tmp_path / "first", tmp_path / "given")
    assert not (tmp_path / "given" / "distance").exists()


def test_whoever_taught_the_distance_counts_as_seen(corpus: Corpus, tmp_path: Path) -> None:
    train_distance(training_views(corpus, motif().data), tmp_path / "d", motif())
    held = config(distance=str(tmp_path / "d"), data={"window_s": 1.0, "hold_out": ["P1"]})
    encoder = pretrain(corpus, tmp_path / "e", held)
    assert any(name.endswith("P1") for name in encoder.card["pretrain_subjects"])
    assert encoder.card["pretrain_people"] == 3


def test_people_set_aside_for_validation_count_as_seen(corpus: Corpus, tmp_path: Path) -> None:
    net = train_distance(training_views(corpus, motif().data), tmp_path, motif())
    assert net.card["pretrain_people"] == 4
    assert "validation" in (tmp_path / "metrics.jsonl").read_text()


def test_a_distance_for_other_windows_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    train_distance(training_views(corpus, motif().data), tmp_path / "d", motif())
    with pytest.raises(SpecMismatchError):
        pretrain(corpus, tmp_path / "e", config(distance=str(tmp_path / "d"), data={"window_s": 0.5}))


def test_another_distance_under_the_same_name_is_not_gone_on_with(corpus: Corpus, tmp_path: Path) -> None:
    train_distance(training_views(corpus, motif().data), tmp_path / "d", motif())
    pretrain(corpus, tmp_path / "e", config(distance=str(tmp_path / "d")))
    other = motif(train=motif().train.model_copy(update={"seed": 7}).model_dump())
    train_distance(training_views(corpus, other.data), tmp_path / "d2", other)
    (tmp_path / "d").rename(tmp_path / "old")
    (tmp_path / "d2").rename(tmp_path / "d")
    with pytest.raises(BadOptionError, match="another configuration"):
        pretrain(corpus, tmp_path / "e", config(distance=str(tmp_path / "d")), resume=True)


def test_a_method_without_use_for_a_distance_refuses_one(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(BadOptionError, match="uses no distance"):
        pretrain(corpus, tmp_path, config(method="simclr", method_options={}, distance="euclid"))


def test_a_single_person_cannot_be_set_aside(tmp_path: Path) -> None:
    alone = corpus_of(tmp_path / "c", *people(1, each=1, length=900))
    with pytest.raises(BadOptionError, match="single person"):
        train_distance(training_views(alone, motif().data), tmp_path / "d", motif())


def test_an_encoder_is_not_what_the_method_motif_leaves(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(BadOptionError, match="leaves no encoder"):
        pretrain(corpus, tmp_path, motif())


class StopError(Exception):
    """Stands for whatever ends a run."""


@pytest.mark.parametrize("after", [1, 3, 5, 6, 8, 9])
def test_a_run_broken_off_anywhere_ends_with_the_same_bits(after: int, corpus: Corpus, tmp_path: Path) -> None:
    """Four steps of the distance, two cached batches, four steps of the encoder."""
    settings = config(method_options=EVERY | {"cache": 2})
    pretrain(corpus, tmp_path / "whole", settings)

    def stop(done: int, note: str = "") -> None:
        if done == after:
            raise StopError

    with pytest.raises(StopError):
        pretrain(corpus, tmp_path / "broken", settings, progress=stop)
    pretrain(corpus, tmp_path / "broken", settings, resume=True)
    assert same(tmp_path / "whole", tmp_path / "broken")
    assert not list((tmp_path / "whole").glob("distances*"))


def test_progress_is_told_every_step_of_both_stages_and_the_cache(corpus: Corpus, tmp_path: Path) -> None:
    settings, told = config(method_options=EVERY | {"cache": 2}), []
    pretrain(corpus, tmp_path, settings, progress=lambda done, note="": told.append(done))
    assert sorted(set(told)) == list(range(1, 11)) and steps_of(settings) == 10


def test_a_batch_that_cannot_be_cut_into_groups_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(BadOptionError, match=r"groups of 4 windows.*multiple of 4"):
        pretrain(corpus, tmp_path, config(train=TRAIN | {"batch_size": 10}))


def test_cached_batches_come_back_with_the_distances_that_the_method_computes(corpus: Corpus, tmp_path: Path) -> None:
    windows = corpus.windows(1.0)
    encoder = create_encoder("resnet1d_small", spec=windows.spec, widths=(8, 8))
    method = RelCon(encoder, RelConConfig(**EVERY), open_distance("euclid", windows.spec))
    cached = Cached(BlockSampler(windows, 3, 4), 5, method.distances, tmp_path / "cache", join("cpu"))
    cached.fill()
    drawn = [load_batch(cached.draw(step)) for step in range(10)]
    for batch in drawn:
        fresh = {k: torch.as_tensor(v) for k, v in batch.items() if k != "distance"}
        np.testing.assert_allclose(batch["distance"], method.distances(fresh).numpy(), rtol=1e-5)
    first, second = ([b["index"].tolist() for b in part] for part in (drawn[:5], drawn[5:]))
    assert sorted(first) == sorted(second)


def test_the_best_weights_are_kept_and_not_the_last() -> None:
    layer = torch.nn.Linear(1, 1)
    best = BestWeights(layer)
    for value, score in ((1.0, 3.0), (2.0, 1.0), (3.0, 2.0)):
        torch.nn.init.constant_(layer.weight, value)
        best.update(layer, score)
    assert float(best.values["weight"]) == 2.0 and best.score == 1.0


def test_the_weights_kept_are_those_with_the_lowest_validation(corpus: Corpus, tmp_path: Path) -> None:
    """With a learning rate that ruins the network the first of two scores is the better one."""
    wild = motif().train.model_copy(update={"lr": 0.3, "steps": 4})
    net = train_distance(training_views(corpus, motif().data), tmp_path / "long", motif(train=wild.model_dump()))
    short = wild.model_copy(update={"steps": 2})
    train_distance(training_views(corpus, motif().data), tmp_path / "short", motif(train=short.model_dump()))
    scores = [float(v) for v in _validation(tmp_path / "long")]
    assert len(scores) == 2
    assert same(tmp_path / "long", tmp_path / "short") == (scores[0] <= scores[1])
    assert torch.equal(load_distance(tmp_path / "long" / "model").out.weight, net.out.weight)


def _validation(folder: Path) -> list[Any]:
    import json

    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["validation"] for line in lines if "validation" in line]


def test_the_command_line_trains_both_stages_and_a_distance_alone(corpus: Corpus, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    more = ["train.steps=2", "train.batch_size=8", "train.threads=1", "train.device=cpu", "data.window_s=1.0"]
    network = ["network.width=8", "network.kernel=5", "network.blocks=1"]
    both = ["pretrain", "relcon", "--corpus", str(corpus.path), "--out", str(tmp_path / "r"), *more]
    both += ["method_options.candidates=3", "distance.train.steps=2", "distance.train.batch_size=8"]
    both += [f"distance.method_options.{n}" for n in network] + ["encoder.options.widths=[8,8]"]
    assert CliRunner().invoke(app, both, catch_exceptions=False).exit_code == 0
    assert (tmp_path / "r" / "model" / "config.json").exists()
    alone = ["pretrain", "motif", "--corpus", str(corpus.path), "--out", str(tmp_path / "m"), *more]
    done = CliRunner().invoke(app, [*alone, *(f"method_options.{n}" for n in network)], catch_exceptions=False)
    assert "a distance, trained on 4 people" in done.output
    given = [*both[:4], "--out", str(tmp_path / "g"), *more, "method_options.candidates=3"]
    given += [f"distance={tmp_path / 'm'}", "encoder.options.widths=[8,8]"]
    assert CliRunner().invoke(app, given, catch_exceptions=False).exit_code == 0


def test_a_validation_that_is_no_number_stops_the_run(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinelet.methods.motif.Motif.validate", lambda *_: torch.tensor(torch.nan))
    with pytest.raises(DivergedError, match="validation is nan after step 2"):
        train_distance(training_views(corpus, motif().data), tmp_path, motif())
