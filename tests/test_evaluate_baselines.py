from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest

from evaluating import SPEC, Stats, folds, values, waves
from kinelet.encoders.base import Encoder
from kinelet.encoders.registry import create_encoder
from kinelet.errors import BadOptionError, MissingExtraError
from kinelet.evaluate.baselines import fresh_like, list_baselines, run_baseline
from kinelet.evaluate.task import Task
from kinelet.evaluate.transfer import transfer, transfer_matrix
from kinelet.signal.spec import SignalSpec

T = waves()
S = folds(T, 2)


def stats(spec: SignalSpec) -> Encoder:
    return Stats(spec)


@pytest.mark.parametrize("name", ["random", "hand_linear", "hand_thirds_linear", "hand_boosting"])
def test_a_baseline_tells_swings_apart(name: str) -> None:
    assert run_baseline(name, T, S, fresh=stats).estimates["accuracy"].value > 0.85


def test_a_network_from_scratch_tells_swings_apart() -> None:
    t = waves(n_people=8, per=30)
    assert run_baseline("scratch", t, folds(t, 2)[:1], fresh=stats).estimates["accuracy"].value > 0.7


def test_constant_is_no_better_than_chance() -> None:
    assert run_baseline("constant", T, S).estimates["balanced_accuracy"].value <= 0.5


@pytest.mark.parametrize("name", ["random", "hand_linear", "hand_boosting", "constant"])
def test_values_have_the_same_baselines(name: str) -> None:
    t = Task(T.x, (T.x.astype(float) ** 2).mean(axis=(1, 2)), T.subject, T.subjects, T.spec)
    assert run_baseline(name, t, S, fresh=stats).kind == "values"


def test_the_same_seed_gives_the_same_random_encoder() -> None:
    def fresh(spec: SignalSpec) -> Encoder:
        return create_encoder("resnet1d_small", spec=spec)

    a, b = (run_baseline("random", T, S, fresh=fresh, seed=3) for _ in range(2))
    assert np.array_equal(a.predicted, b.predicted)


def test_fresh_encoders_have_the_architecture_but_not_the_weights() -> None:
    encoder = create_encoder("resnet1d_small", spec=SPEC)
    other = fresh_like(encoder)(SPEC)
    shapes = [[p.shape for p in e.parameters()] for e in (encoder, other)]
    differ = any(not np.array_equal(p.detach(), q.detach()) for p, q in zip(encoder.parameters(), other.parameters()))  # noqa: B905
    assert shapes[0] == shapes[1] and differ


def test_an_unknown_baseline_is_named() -> None:
    with pytest.raises(BadOptionError, match="magic"):
        run_baseline("magic", T, S)


def test_baselines_are_listed() -> None:
    assert {"random", "hand_linear", "hand_boosting", "scratch", "minirocket"} <= set(list_baselines())


def test_minirocket_without_aeon_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [m for m in sys.modules if m.split(".")[0] == "aeon"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "aeon", None)
    with pytest.raises(MissingExtraError, match=r"kinelet\[baselines\]"):
        run_baseline("minirocket", T, S)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("aeon") is None, reason="the extra [baselines] is not installed")
def test_minirocket_tells_swings_apart() -> None:
    assert run_baseline("minirocket", T, S).estimates["accuracy"].value > 0.85


def pretrained(names: tuple[str, ...]) -> Encoder:
    encoder = Stats()
    encoder.card = {"method": "made", "pretrain_subjects": [f"{n}/P00" for n in names]}
    return encoder


def task(name: str) -> Task:
    return Task(T.x, T.y, T.subject, T.subjects, T.spec, T.classes, origins=(name,), name=name)


def test_transfer_names_its_sources() -> None:
    from kinelet.evaluate.knn import KNN

    assert transfer(KNN(), pretrained, ["a", "b"], task("c"), S).encoder == "pretrained on a + b"


@pytest.mark.parametrize("sources", [[], ["c"]])
def test_a_target_among_the_sources_is_no_transfer(sources: list[str]) -> None:
    from kinelet.evaluate.knn import KNN

    with pytest.raises(BadOptionError, match="transfer"):
        transfer(KNN(), pretrained, sources, task("c"), S)


def test_the_matrix_leaves_each_corpus_out() -> None:
    from kinelet.evaluate.knn import KNN

    asked: list[tuple[str, ...]] = []

    def pretrain(names: tuple[str, ...]) -> Encoder:
        asked.append(names)
        return pretrained(names)

    tasks = {name: task(name) for name in "abc"}
    transfer_matrix(KNN(), pretrain, tasks, dict.fromkeys("abc", S))
    assert asked == [("b", "c"), ("a", "c"), ("a", "b")]


def test_hand_crafted_ridge_finds_a_value() -> None:
    t = Task(T.x, (T.x.astype(float) ** 2).mean(axis=(1, 2)), T.subject, T.subjects, T.spec)
    assert run_baseline("hand_linear", t, S).estimates["icc"].value > 0.9


def test_values_of_vectors_need_no_windows() -> None:
    assert run_baseline("constant", values(), folds(values())).estimates["mae"].value > 0
