"""The best weights of an encoder's run, chosen on people set aside."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from corpus_tools import corpus_of, people, with_pairs
from kinelet.config import validate
from kinelet.corpus.corpus import Corpus
from kinelet.errors import BadOptionError
from kinelet.methods.base import Validation
from kinelet.methods.primus import Primus, PrimusConfig
from kinelet.train.checkpoint import NAME
from kinelet.train.config import TrainConfig
from kinelet.train.distributed import World, alone, connect
from kinelet.train.judging import judge_on, set_aside
from kinelet.train.pairing import Pairing
from kinelet.train.pretrain import PretrainConfig, pretrain
from kinelet.train.recipes import recipe
from paired_tools import paired_batch, primus
from test_train_processes import finish, losses, start

RUN = Path(__file__).with_name("pretrain_run.py")
RULE = Validation(people=0.25, every=2, windows=6)
TRAIN = {"steps": 6, "batch_size": 8, "lr": 0.002, "warmup": 0, "schedule": "constant", "log_every": 1}
TRAIN |= {"checkpoint_every": 2, "threads": 1, "device": "cpu"}
OPTIONS = {"queue": 20, "exclude_s": 3.0, "validate_people": 0.25, "validate_every": 2, "validate_windows": 16}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Four people, with sentences for most windows and something seen in half of the recordings."""
    return with_pairs(corpus_of(tmp_path_factory.mktemp("paired") / "own", *people(4, each=2, length=700)))


def config(train: Any = None, **options: Any) -> PretrainConfig:
    given = {
        "method": "primus",
        "method_options": OPTIONS | options,
        "encoder": {"name": "stacked_rnn", "options": {"hidden": 8}},
        "data": {"window_s": 2.5},
        "train": TRAIN | (train or {}),
    }
    return validate(PretrainConfig, given)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(folder / "model" / "model.safetensors")
    return found


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def scores(folder: Path) -> dict[int, float]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line["validation"] for line in lines if "validation" in line}


@pytest.fixture(scope="module")
def whole(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with validation."""
    folder = tmp_path_factory.mktemp("whole")
    pretrain(corpus, folder, config())
    return folder


def test_people_are_set_aside_scored_every_so_often_and_count_as_seen(whole: Path) -> None:
    card = json.loads((whole / "model" / "config.json").read_text())["card"]
    assert list(scores(whole)) == [2, 4, 6]
    assert card["pretrain_people"] == 4 and {"P0", "P1", "P2", "P3"} <= set(card["pretrain_subjects"])


def test_nobody_is_trained_on_who_is_set_aside(corpus: Corpus) -> None:
    view = corpus.windows(2.5)
    (fit,), (held,) = set_aside([view], RULE, TrainConfig(), instead="")
    names = [set(np.array(v.subjects)[v.subject]) for v in (fit, held)]
    assert len(names[1]) == 1 and not names[0] & names[1] and len(fit) + len(held) == len(view)


def test_the_weights_kept_are_those_with_the_lowest_validation(
    corpus: Corpus, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretrain(corpus, tmp_path / "short", config({"steps": 4}, validate_people=0.25))
    told = iter((3.0, 1.0, 2.0))
    monkeypatch.setattr(Primus, "validate", lambda *_: torch.tensor(next(told)))
    pretrain(corpus, tmp_path / "long", config())
    assert scores(tmp_path / "long") == {2: 3.0, 4: 1.0, 6: 2.0}
    best, last = load_file(tmp_path / "long" / "checkpoint" / NAME), load_file(tmp_path / "short" / "checkpoint" / NAME)
    assert all(torch.equal(v, last[f"method/encoder.{k}"]) for k, v in weights(tmp_path / "long").items())
    assert not same(weights(tmp_path / "long"), {k[15:]: v for k, v in best.items() if k.startswith("method/encoder.")})


class StopError(Exception):
    """Stands for whatever ends a run."""


@pytest.mark.parametrize("after", [2, 3, 5])
def test_broken_off_it_ends_with_the_same_bits_and_the_same_best(
    after: int, corpus: Corpus, whole: Path, tmp_path: Path
) -> None:
    def stop(done: int, note: str = "") -> None:
        if done == after:
            raise StopError

    with pytest.raises(StopError):
        pretrain(corpus, tmp_path, config(), progress=stop)
    pretrain(corpus, tmp_path, config(), resume=True)
    states = [load_file(folder / "checkpoint" / NAME) for folder in (whole, tmp_path)]
    assert any(key.startswith("best/") for key in states[0]) and same(*states)
    assert same(weights(whole), weights(tmp_path))
    assert scores(whole) == scores(tmp_path)


def test_validation_changes_nothing_but_the_people_trained_on(corpus: Corpus, whole: Path, tmp_path: Path) -> None:
    """Scores leave queue, temperatures and the randomness of steps alone."""
    pretrain(corpus, tmp_path, config(validate_every=1))
    states = [load_file(folder / "checkpoint" / NAME) for folder in (whole, tmp_path)]
    trained = [{k: v for k, v in state.items() if not k.startswith("best/")} for state in states]
    assert same(*trained) and len(scores(tmp_path)) == 6


def test_by_default_the_last_weights_are_kept(corpus: Corpus, tmp_path: Path) -> None:
    pretrain(corpus, tmp_path, config({"steps": 2}, validate_people=0))
    assert not scores(tmp_path) and Primus.validation(PrimusConfig()) is None
    asked = PrimusConfig(validate_people=0.1, validate_every=7, validate_windows=9)
    assert Primus.validation(asked) == Validation(0.1, 7, 9)
    assert not any(key.startswith("best/") for key in load_file(tmp_path / "checkpoint" / NAME))


def test_of_the_recipes_the_reference_alone_validates() -> None:
    made = {name: recipe(name).method_options for name in ("primus", "slip", "imu2clip", "primus_reference")}
    assert {name for name, options in made.items() if options.get("validate_people")} == {"primus_reference"}


def test_windows_set_aside_come_with_what_they_are_paired_with(corpus: Corpus) -> None:
    view = corpus.windows(2.5)
    fit, held = set_aside([view], RULE, TrainConfig(seed=1), instead="")
    seen: list[Any] = []

    class Listener(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.gather, self.rank_offset = torch.nn.Parameter(torch.zeros(1)), None, 0

        def validate(self, batch: Any, generator: torch.Generator) -> torch.Tensor:
            seen.append((batch, int(torch.randint(1000, (1,), generator=generator))))
            return batch["x"].mean()

    judge = judge_on(held, RULE, 3, Pairing([*fit, *held]))
    assert judge is not None and judge.every == 2
    assert judge.score(Listener()) == judge.score(Listener())  # type: ignore[arg-type]
    (first, drawn), (second, again) = seen
    assert len(first["x"]) == 6 and drawn == again and torch.equal(first["item.text"], second["item.text"])
    whole = Pairing([view]).items("text", view, np.arange(len(view)))
    place = {(int(r), float(t)): i for i, (r, t) in enumerate(zip(view.recording, view.time_s, strict=True))}
    for row, (r, t) in enumerate(zip(first["recording"].tolist(), first["time_s"].tolist(), strict=True)):
        known = set(whole[place[r, t]].tolist()) - {-1}
        assert set(first["items.text"][row].tolist()) - {-1} == known
        assert int(first["item.text"][row]) in known or not known
    assert (first["item.text"] >= 0).any()


def test_neighbours_do_not_count_in_a_score() -> None:
    """Their terms are 0 for an empty queue: the first weights would always be the best."""
    method, generator = primus(), torch.Generator()
    before = method.eval().validate(paired_batch(5), generator.manual_seed(4))
    method.train()(paired_batch(6, step=1))
    assert int(method.eval().forward(paired_batch(5))["parts"]["rows_nn_ss"]) > 0
    assert torch.equal(method.validate(paired_batch(5), generator.manual_seed(4)), before)


def test_neighbours_count_where_there_is_nothing_else() -> None:
    method = primus(weights={"ss": 0, "text": 0, "video": 0})
    method(paired_batch(6, step=1))
    assert float(method.eval().validate(paired_batch(5), torch.Generator())) > 0


def test_a_score_is_of_the_batch_alone_and_training_sees_all_processes_again() -> None:
    method = primus()
    connect(method, 4, World(1, 2, torch.device("cpu")))
    joint = method.gather
    with pytest.raises(ValueError, match="x"), alone(method):
        assert method.rank_offset == 0 and method.gather is not joint
        raise ValueError("x")
    assert method.rank_offset == 4 and method.gather is joint


def test_people_without_any_pair_cannot_choose(tmp_path: Path) -> None:
    """The one set aside is the only one without sentences."""
    view = with_pairs(corpus_of(tmp_path / "c", *people(2, each=1, length=700))).windows(2.5)
    fit, held = set_aside([view], RULE, TrainConfig(), instead="")
    pairing = Pairing([*fit, *held])
    for links in pairing._links.values():
        links[1].item[:] = -1
    with pytest.raises(BadOptionError, match="have no text or video"):
        judge_on(held, RULE, 0, pairing)


@pytest.mark.parametrize(("options", "told"), [({"ema": 0.9}, "ema"), ({}, "single person")])
def test_what_cannot_be_validated_is_told_with_a_remedy(tmp_path: Path, options: Any, told: str) -> None:
    alone = corpus_of(tmp_path / "c", *people(1, each=2, length=700))
    with pytest.raises(BadOptionError, match=told) as caught:
        pretrain(with_pairs(alone), tmp_path / "run", config(options))
    assert "validate_people=0" in str(caught.value.remedy)


def test_two_processes_choose_what_one_chooses(corpus: Corpus, tmp_path: Path) -> None:
    told = ["method=primus", *(f"method_options.{k}={v}" for k, v in OPTIONS.items()), "encoder.name=stacked_rnn"]
    told += ["encoder.options.hidden=8", "data.window_s=2.5", *(f"train.{k}={v}" for k, v in TRAIN.items())]
    told += ["train.optimizer=sgd", "train.lr=0.02"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    place: dict[str, Any] = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    arguments = (str(corpus.path), *told)
    two = [start(tmp_path / "two", *arguments, program=RUN, RANK=str(r), LOCAL_RANK=str(r), **place) for r in range(2)]
    pretrain(corpus, tmp_path / "one", config({"optimizer": "sgd", "lr": 0.02, "shards": 2}))
    finish(*two)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-5)
    assert scores(tmp_path / "two") == pytest.approx(scores(tmp_path / "one"), rel=1e-5)
    one, both = weights(tmp_path / "one"), weights(tmp_path / "two")
    for name, value in one.items():
        torch.testing.assert_close(both[name], value, rtol=1e-4, atol=1e-5)
