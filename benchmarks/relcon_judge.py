"""How the contenders of ``relcon_results.py`` are judged: from a set's windows to predictions for people of a fold."""

from __future__ import annotations

from collections.abc import Callable

import torch

from kinelet.corpus.splits import Split
from kinelet.encoders.base import Encoder
from kinelet.encoders.registry import create_encoder
from kinelet.evaluate.boosting import Boosting
from kinelet.evaluate.features import hand_crafted
from kinelet.evaluate.few_shot import FewShot
from kinelet.evaluate.fine_tune import FineTune
from kinelet.evaluate.honesty import refuse_seen
from kinelet.evaluate.minirocket import minirocket
from kinelet.evaluate.probe import LinearProbe
from kinelet.evaluate.protocol import Protocol
from kinelet.evaluate.regression import RidgeProbe
from kinelet.evaluate.result import Result
from kinelet.evaluate.run import evaluate, evaluate_features
from kinelet.evaluate.task import FloatArray, Task
from kinelet.signal.spec import SignalSpec
from kinelet.train.pretrain import PretrainConfig
from relcon_contenders import Contender

PROTOCOLS: dict[str, Callable[[], Protocol]] = {
    "in_corpus": LinearProbe,
    "few_shot": FewShot,
    "across": LinearProbe,
}


def protocol_of(contender: Contender, family: str) -> Protocol:
    """How a contender learns from the labels."""
    own: dict[str, Protocol] = {
        "boosting": Boosting(),
        "minirocket": RidgeProbe(),
        "scratch": FineTune(lr=2e-3, patience=8, seed=contender.config.train.seed),
    }
    return own.get(contender.kind) or PROTOCOLS[family]()


def families_of(contender: Contender, families: tuple[str, ...]) -> list[str]:
    """Families that need a result of their own: one without pretraining is the same within and across corpora."""
    if contender.kind == "pretrained":
        return list(families)
    wanted = ["in_corpus"] if {"in_corpus", "across"} & set(families) else []
    learner = contender.kind in ("random", "hand")
    return wanted + (["few_shot"] if learner and "few_shot" in families else [])


Judge = Callable[[Protocol, Split], Result]


def judge_of(contender: Contender, task: Task, encoder: Encoder | None) -> Judge:
    """Judging by one contender; what is the same for every fold and protocol is computed here, once."""
    name = contender.title
    if contender.kind == "minirocket":
        return lambda p, split: evaluate_features(p, minirocket(), task, [split], name=name)
    if contender.kind == "scratch":
        start = untrained(contender.config, task.spec)
        return lambda p, split: evaluate(p, start, task, [split], name=name)
    if contender.kind in ("hand", "boosting"):
        vectors = task.with_x(hand_crafted(task.x, task.spec).values)
        return lambda p, split: evaluate_features(p, as_they_are, vectors, [split], name=name)
    known = untrained(contender.config, task.spec) if encoder is None else encoder
    known.spec.require(task.spec, where=f"task {task.name!r}")
    embedded = task.with_x(known.embed(task.x))

    def judge(protocol: Protocol, split: Split) -> Result:
        refuse_seen(known, task, [split])
        return evaluate_features(protocol, as_they_are, embedded, [split], name=name)

    return judge


def as_they_are(train: Task, x: FloatArray) -> tuple[Task, FloatArray]:
    """Vectors that were computed before."""
    return train, x


def untrained(config: PretrainConfig, spec: SignalSpec) -> Encoder:
    """The network with the very weights that pretraining begins with."""
    torch.manual_seed(config.train.seed)
    return create_encoder(config.encoder.name, spec=spec, **config.encoder.options).eval()
