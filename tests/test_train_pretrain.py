"""From corpora to a run directory: what is in it, who it was trained on, and when it may be gone on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from corpus_tools import corpus_of, people, recording, with_pairs
from kinelet.config import load_yaml, validate
from kinelet.corpus import Corpus, union
from kinelet.corpus.splits import Split
from kinelet.encoders.io import load_encoder
from kinelet.errors import BadOptionError, KineletError, SpecMismatchError
from kinelet.methods.registry import get_method, list_methods, method_info
from kinelet.signal.spec import imu_spec
from kinelet.train import distributed
from kinelet.train import run as module
from kinelet.train.distributed import World
from kinelet.train.folds import fold_pretrainer
from kinelet.train.pretrain import PretrainConfig, pretrain

TRAIN = {"steps": 4, "batch_size": 8, "warmup": 1, "log_every": 1, "checkpoint_every": 2, "threads": 1, "device": "cpu"}
SMALL = {"name": "resnet1d_small", "options": {"widths": [8, 8]}}
# Hides patches of images, which other encoders have none of.
IMAGES = {"name": "tf_vit", "options": {"width": 16, "depth": 1, "heads": 2, "code": 16, "interval_s": 0.2}}
METHODS = [name for name in list_methods() if method_info(name).keeps == "encoder"]


def fed(method: str) -> dict[str, Any]:
    """What a method needs to be told for the small corpora of these tests."""
    if method == "mae":
        return {"method": method, "encoder": IMAGES}
    if not get_method(method)[0].uses_distance:
        return {"method": method}
    return {"method": method, "method_options": {"candidates": 3}, "distance": "euclid"}


def config(**changes: Any) -> PretrainConfig:
    train, data = TRAIN | changes.pop("train", {}), {"window_s": 1.0} | changes.pop("data", {})
    return validate(PretrainConfig, {"encoder": SMALL, "train": train, "data": data} | changes)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return with_pairs(corpus_of(tmp_path_factory.mktemp("own") / "own", *people(4, each=1, length=400)))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Another study with a person P1 of its own, and a person whom the first does not have."""
    parts = (recording("x", "P1", 1500, seed=31), recording("y", "Q9", 1500, seed=32))
    return corpus_of(tmp_path_factory.mktemp("other") / "other", *parts)


def weights(run: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(run / "model" / "model.safetensors")
    return found


def same(a: Path, b: Path) -> bool:
    first, second = weights(a), weights(b)
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


class StopError(Exception):
    """Stands for whatever ends a run."""


def broken_off(corpora: Any, run: Path, settings: PretrainConfig, after: int) -> None:
    def stop(done: int, note: str = "") -> None:
        if done == after:
            raise StopError

    with pytest.raises(StopError):
        pretrain(corpora, run, settings, progress=stop)


def batches(monkeypatch: pytest.MonkeyPatch, corpora: Any, run: Path, settings: PretrainConfig) -> list[dict[str, Any]]:
    """The batches that a run would train on."""
    seen: list[dict[str, Any]] = []
    with monkeypatch.context() as patch:
        patch.setattr(module, "fit", lambda method, source, train, *_, **__: seen.extend(source(0, train.steps)))
        pretrain(corpora, run, settings)
    return seen


def test_a_run_directory_holds_what_the_contract_names(corpus: Corpus, tmp_path: Path) -> None:
    pretrain(corpus, tmp_path, config())
    written = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert {p for p in written if not p.startswith("events/")} == {
        "config.yaml",
        "metrics.jsonl",
        "checkpoint/state.safetensors",
        "model/config.json",
        "model/model.safetensors",
        "model/card.md",
    }


def test_no_file_of_a_run_is_a_pickle(corpus: Corpus, tmp_path: Path) -> None:
    pretrain(corpus, tmp_path, config())
    heads = [p.read_bytes()[:2] for p in tmp_path.rglob("*") if p.is_file()]
    assert b"PK" not in heads
    assert not [h for h in heads if h[:1] == b"\x80"]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_every_weight_of_its_encoder(method: str, corpus: Corpus, tmp_path: Path) -> None:
    """All but the batch counters must have moved from where they began."""
    encoder = {"name": "patch_transformer", "options": {"width": 16, "depth": 1, "heads": 2}}
    settings = config(**{"encoder": encoder, **fed(method)})
    pretrain(
        corpus,
        tmp_path / "short",
        settings.model_copy(update={"train": settings.train.model_copy(update={"steps": 1})}),
    )
    pretrain(corpus, tmp_path / "long", settings)
    short, long = weights(tmp_path / "short"), weights(tmp_path / "long")
    assert not [k for k in long if long[k].is_floating_point() and long[k].ndim > 1 and torch.equal(long[k], short[k])]


def test_the_model_on_disk_is_the_encoder_that_came_back(corpus: Corpus, tmp_path: Path) -> None:
    encoder = pretrain(corpus, tmp_path, config())
    x = np.random.default_rng(0).normal(size=(5, 3, 50)).astype(np.float32)
    np.testing.assert_array_equal(load_encoder(tmp_path / "model").embed(x), encoder.embed(x))


def test_the_model_knows_its_signal_and_window(corpus: Corpus, tmp_path: Path) -> None:
    pretrain(corpus, tmp_path, config())
    assert load_encoder(tmp_path / "model").spec == imu_spec(50.0, site="wrist", window_s=1.0)


def test_metrics_hold_loss_parts_throughput_and_signs_of_collapse(corpus: Corpus, tmp_path: Path) -> None:
    pretrain(corpus, tmp_path, config())
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert {"loss", "accuracy", "windows_per_s", "embedding_std", "effective_rank", "lr"} <= lines[0].keys()


def test_the_saved_configuration_names_every_default_of_encoder_and_method(corpus: Corpus, tmp_path: Path) -> None:
    pretrain(corpus, tmp_path, config())
    saved = load_yaml(tmp_path / "config.yaml")
    assert saved["method_options"]["temperature"] == 0.1
    assert saved["encoder"]["options"]["widths"] == [8, 8]
    assert "kernel" in saved["encoder"]["options"]


def test_the_saved_configuration_repeats_the_run(corpus: Corpus, tmp_path: Path) -> None:
    pretrain(corpus, tmp_path / "a", config())
    pretrain(corpus, tmp_path / "b", validate(PretrainConfig, load_yaml(tmp_path / "a" / "config.yaml")))
    assert same(tmp_path / "a", tmp_path / "b")


def test_another_seed_gives_another_model(corpus: Corpus, tmp_path: Path) -> None:
    pretrain(corpus, tmp_path / "a", config())
    pretrain(corpus, tmp_path / "b", config(train={"seed": 1}))
    assert not same(tmp_path / "a", tmp_path / "b")


def test_threads_that_read_ahead_change_nothing(corpus: Corpus, tmp_path: Path) -> None:
    pretrain(corpus, tmp_path / "a", config(train={"workers": 0}))
    pretrain(corpus, tmp_path / "b", config(train={"workers": 3}))
    assert same(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("after", [1, 2, 3])
@pytest.mark.parametrize("method", METHODS)
def test_a_broken_run_ends_with_the_same_bits(method: str, after: int, corpus: Corpus, tmp_path: Path) -> None:
    settings = config(**fed(method))
    pretrain(corpus, tmp_path / "whole", settings)
    broken_off(corpus, tmp_path / "broken", settings, after)
    pretrain(corpus, tmp_path / "broken", settings, resume=True)
    assert same(tmp_path / "whole", tmp_path / "broken")


def test_a_run_is_not_overwritten(corpus: Corpus, tmp_path: Path) -> None:
    broken_off(corpus, tmp_path, config(), 3)
    with pytest.raises(BadOptionError, match="--resume"):
        pretrain(corpus, tmp_path, config())


@pytest.mark.parametrize(
    "changes",
    [
        {"train": {"lr": 0.5}},
        {"train": {"seed": 3}},
        {"data": {"window_s": 2.0}},
        {"data": {"hold_out": ["P1"]}},
        {"method_options": {"temperature": 0.5}},
        {"encoder": {"name": "resnet1d_small", "options": {"widths": [8, 16]}}},
    ],
    ids=str,
)
def test_another_configuration_cannot_go_on_with_a_run(changes: Any, corpus: Corpus, tmp_path: Path) -> None:
    broken_off(corpus, tmp_path, config(), 3)
    with pytest.raises(BadOptionError, match="another configuration"):
        pretrain(corpus, tmp_path, config(**changes), resume=True)


def test_another_corpus_cannot_go_on_with_a_run(corpus: Corpus, other: Corpus, tmp_path: Path) -> None:
    broken_off(corpus, tmp_path, config(), 3)
    with pytest.raises(BadOptionError, match="another configuration or corpus"):
        pretrain(other, tmp_path, config(), resume=True)


def test_how_often_is_logged_may_change_on_the_way(corpus: Corpus, tmp_path: Path) -> None:
    broken_off(corpus, tmp_path, config(), 3)
    pretrain(corpus, tmp_path, config(train={"log_every": 2, "workers": 0}), resume=True)
    assert (tmp_path / "model" / "config.json").is_file()


def test_a_finished_run_comes_back_as_it_is(corpus: Corpus, tmp_path: Path) -> None:
    pretrain(corpus, tmp_path, config())
    before, steps = weights(tmp_path), []
    pretrain(corpus, tmp_path, config(), resume=True, progress=lambda done, note="": steps.append(done))
    assert all(torch.equal(v, before[k]) for k, v in weights(tmp_path).items())
    assert steps == []


def test_a_model_whose_checkpoint_is_gone_is_not_trained_over(corpus: Corpus, tmp_path: Path) -> None:
    pretrain(corpus, tmp_path, config())
    (tmp_path / "checkpoint" / "state.safetensors").unlink()
    with pytest.raises(BadOptionError, match="no checkpoint"):
        pretrain(corpus, tmp_path, config(), resume=True)


def test_people_held_out_are_in_no_batch(monkeypatch: pytest.MonkeyPatch, corpus: Corpus, tmp_path: Path) -> None:
    held = config(data={"hold_out": ["P0", "P2"]}, train={"steps": 20})
    codes = {int(c) for batch in batches(monkeypatch, corpus, tmp_path, held) for c in batch["subject"]}
    assert {corpus.subjects[c] for c in codes} == {"P1", "P3"}


def test_people_held_out_are_not_in_the_card(corpus: Corpus, tmp_path: Path) -> None:
    card = pretrain(corpus, tmp_path, config(data={"hold_out": ["P0", "P2"]})).card
    assert {name.rpartition("/")[2] for name in card["pretrain_subjects"]} == {"P1", "P3"}
    assert card["pretrain_people"] == 2


def test_a_name_that_nobody_has_is_refused_with_the_names_there_are(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(BadOptionError, match=r"P7.*P0, P1, P2, P3"):
        pretrain(corpus, tmp_path, config(data={"hold_out": ["P7", "P1"]}))


def test_a_person_of_one_of_several_corpora_can_be_held_out(corpus: Corpus, other: Corpus, tmp_path: Path) -> None:
    card = pretrain([corpus, other], tmp_path, config(data={"hold_out": ["Q9"]})).card
    assert not [name for name in card["pretrain_subjects"] if "Q9" in name]
    assert card["pretrain_people"] == 5


def test_everybody_held_out_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(BadOptionError, match="nobody is left"):
        pretrain(corpus, tmp_path, config(data={"hold_out": list(corpus.subjects)}))


def test_the_card_names_people_and_corpora_of_all_parts(corpus: Corpus, other: Corpus, tmp_path: Path) -> None:
    card = pretrain([corpus, other], tmp_path, config()).card
    assert set(card["pretrain_subjects"]) == corpus.identities(corpus.subjects) | other.identities(other.subjects)
    assert [c["hash"] for c in card["pretrain_corpora"]] == [corpus.hash, other.hash]


def test_people_of_a_union_keep_the_names_of_its_parts(corpus: Corpus, other: Corpus, tmp_path: Path) -> None:
    card = pretrain(union([corpus, other]), tmp_path, config()).card
    assert corpus.identities(corpus.subjects) | other.identities(other.subjects) <= set(card["pretrain_subjects"])


def test_several_corpora_take_turns(
    monkeypatch: pytest.MonkeyPatch, corpus: Corpus, other: Corpus, tmp_path: Path
) -> None:
    """32 and 60 windows: with square roots, 42 of 100 batches are of the first."""
    people_seen = [
        len(set(b["subject"].tolist()))
        for b in batches(monkeypatch, [corpus, other], tmp_path, config(train={"steps": 100, "batch_size": 16}))
    ]
    assert sum(n > 2 for n in people_seen) == 42


def test_balanced_batches_hold_as_many_windows_of_each_part(
    monkeypatch: pytest.MonkeyPatch, corpus: Corpus, other: Corpus, tmp_path: Path
) -> None:
    both = union([corpus, other])
    counts = [
        np.bincount(batch["part"]).tolist()
        for batch in batches(monkeypatch, both, tmp_path, config(data={"balance": "part"}))
    ]
    assert counts == [[4, 4]] * 4


def test_corpora_that_do_not_fit_together_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    slow = corpus_of(tmp_path / "slow", recording("a", "S1", 500, spec=imu_spec(25.0, site="wrist")))
    with pytest.raises(SpecMismatchError, match="25"):
        pretrain([corpus, slow], tmp_path / "run", config())


def test_a_refused_start_leaves_no_folder_behind(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(KineletError):
        pretrain(corpus, tmp_path / "run", config(train={"batch_size": 512}))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("batch", "accumulate"), [(9, 1), (12, 4)])
def test_a_batch_that_processes_cannot_share_evenly_is_refused(
    batch: int, accumulate: int, monkeypatch: pytest.MonkeyPatch, corpus: Corpus, tmp_path: Path
) -> None:
    """12 rows for 2 processes in 4 micro-batches would be 2, 2, 1, 1 rows each."""
    monkeypatch.setattr(distributed, "join", lambda _: World(0, 2, torch.device("cpu")))
    with pytest.raises(BadOptionError, match=f"a multiple of {2 * accumulate}"):
        pretrain(corpus, tmp_path, config(train={"batch_size": batch, "accumulate": accumulate}))


def test_chosen_channels_are_those_of_the_model(corpus: Corpus, tmp_path: Path) -> None:
    settings = config(data={"channels": ["acc_z", "acc_x"]}, method_options={"augmentations": "any_signal"})
    assert pretrain(corpus, tmp_path, settings).spec.channels == ("acc_z", "acc_x")


def test_the_average_of_weights_is_what_is_kept(corpus: Corpus, tmp_path: Path) -> None:
    pretrain(corpus, tmp_path, config(train={"ema": 0.5}))
    state = load_file(tmp_path / "checkpoint" / "state.safetensors")
    assert all(torch.equal(v, state[f"average/{k}"]) for k, v in weights(tmp_path).items())


def folds(corpus: Corpus, out: Path, **changes: Any) -> Any:
    return fold_pretrainer([corpus.windows(1.0)], out, config(**changes))


def test_each_split_is_trained_on_its_training_people_alone(corpus: Corpus, tmp_path: Path) -> None:
    make = folds(corpus, tmp_path)
    for split in (Split(("P0", "P1"), ("P2", "P3")), Split(("P2", "P3"), ("P0", "P1"))):
        named = {name.rpartition("/")[2] for name in make(split).card["pretrain_subjects"]}
        assert named == set(split.train)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_split_that_was_trained_before_is_loaded(corpus: Corpus, tmp_path: Path) -> None:
    split = Split(("P0", "P1"), ("P2", "P3"))
    folds(corpus, tmp_path)(split)
    steps: list[int] = []
    again = fold_pretrainer(
        [corpus.windows(1.0)], tmp_path, config(), progress=lambda done, note="": steps.append(done)
    )
    again(split)
    assert steps == []


def test_progress_counts_over_all_splits(corpus: Corpus, tmp_path: Path) -> None:
    steps: list[int] = []
    make = fold_pretrainer([corpus.windows(1.0)], tmp_path, config(), progress=lambda done, note="": steps.append(done))
    for split in (Split(("P0", "P1"), ("P2", "P3")), Split(("P2", "P3"), ("P0", "P1"))):
        make(split)
    assert steps == list(range(1, 9))


@pytest.mark.parametrize(("name", "least"), [("stacked_rnn", 2.46), ("resnet1d_34", 0.22)])
def test_windows_too_short_for_the_encoder_are_refused_before_anything_is_written(
    corpus: Corpus, tmp_path: Path, name: str, least: float
) -> None:
    short = config(encoder={"name": name, "options": {}}, data={"window_s": 0.2})
    with pytest.raises(BadOptionError, match=rf"0\.2 s have 10 samples.*{name}.*data\.window_s={least:g} or longer"):
        pretrain(corpus, tmp_path / "run", short)
    assert not (tmp_path / "run").exists()
