"""Encoders with heads in pretraining: by methods that train them, and by those that would not."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from corpus_tools import corpus_of, people
from kinelet.config import validate
from kinelet.corpus.corpus import Corpus
from kinelet.encoders.headed import HeadedEncoder
from kinelet.encoders.registry import create_encoder
from kinelet.errors import BadOptionError
from kinelet.methods.primus import Primus, PrimusConfig
from kinelet.train.pretrain import PretrainConfig, pretrain
from paired_tools import TEXT, paired_batch
from test_train_processes import start

RUN = Path(__file__).with_name("pretrain_run.py")
HEADED = {"base": "resnet1d_small", "base_config": {"widths": [8, 8]}, "heads": {"ss": 8, "mm": 6}, "output": "mm"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return corpus_of(tmp_path_factory.mktemp("own") / "own", *people(2, each=1, length=300))


def config(method: str, **options: Any) -> PretrainConfig:
    train = {"steps": 1, "batch_size": 4, "threads": 1, "device": "cpu"}
    encoder = {"name": "headed", "options": HEADED | options}
    return validate(PretrainConfig, {"method": method, "encoder": encoder, "data": {"window_s": 1.0}, "train": train})


@pytest.mark.parametrize("method", ["simclr", "masked"])
def test_a_method_that_trains_no_heads_refuses_them(method: str, corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(BadOptionError, match=f"'{method}' trains no heads, and the encoder has ss, mm") as caught:
        pretrain(corpus, tmp_path / "run", config(method))
    assert "encoder.name=resnet1d_small" in str(caught.value.remedy)
    assert not (tmp_path / "run").exists()


def test_without_heads_it_is_an_encoder_like_others(corpus: Corpus, tmp_path: Path) -> None:
    encoder = pretrain(corpus, tmp_path, config("simclr", heads={}, output="backbone"))
    assert encoder.name == "headed" and encoder.card["method"] == "simclr"


def test_two_processes_are_told_the_same_and_none_waits_for_the_other(corpus: Corpus, tmp_path: Path) -> None:
    told = ["method=simclr", "encoder.name=headed", "data.window_s=1.0", "train.steps=2", "train.batch_size=4"]
    told += ["encoder.options.base=resnet1d_small", "train.device=cpu"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    place: dict[str, Any] = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    arguments = (str(corpus.path), *told)
    two = [start(tmp_path / "two", *arguments, program=RUN, RANK=str(r), LOCAL_RANK=str(r), **place) for r in range(2)]
    for process in two:
        _, error = process.communicate(timeout=120)
        assert process.returncode != 0 and b"'simclr' trains no heads" in error


def test_primus_trains_every_head_and_leaves_no_parameter_without_gradient() -> None:
    """What several processes need: heads that no term uses are not in the method."""
    encoder = create_encoder("headed", channels=6, **HEADED | {"heads": {"ss": 8, "mm": 6, "old": 5}})
    method = Primus(encoder, PrimusConfig(queue=8), (TEXT,))
    method(paired_batch(4, (TEXT,), step=1))["loss"].backward()
    assert isinstance(method.encoder, HeadedEncoder) and set(method.encoder.heads) == {"ss", "mm"}
    without = [name for name, p in method.named_parameters() if p.requires_grad and p.grad is None]
    assert not without
