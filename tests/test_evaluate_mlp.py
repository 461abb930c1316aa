from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from evaluating import SPEC, as_they_are, folds, names, silent, values, vectors
from kinelet.errors import BadOptionError
from kinelet.evaluate.folds import hold_out_people
from kinelet.evaluate.logistic import Scaler
from kinelet.evaluate.mlp import MLPProbe
from kinelet.evaluate.probe import LinearProbe
from kinelet.evaluate.run import evaluate_features
from kinelet.evaluate.task import Task

QUICK = MLPProbe(hidden=32, epochs=12, lr=0.01)
T = vectors()


def rings(n_people: int = 6, per: int = 60) -> Task:
    """Two classes, one around the other: no straight boundary tells them apart."""
    r = np.random.default_rng(3)
    subject = np.repeat(np.arange(n_people), per)
    y = r.integers(0, 2, len(subject))
    x = r.normal(size=(len(y), 3))
    x *= (1 + 2 * y)[:, None] / np.linalg.norm(x, axis=1, keepdims=True)
    return Task(x.astype(np.float32), y, subject, names(n_people), SPEC, ("in", "out"))


def score(protocol: MLPProbe | LinearProbe, task: Task, metric: str = "macro_f1") -> float:
    return evaluate_features(protocol, as_they_are, task, folds(task, 2), name="x").estimates[metric].value


def test_what_no_straight_boundary_parts_is_told_apart() -> None:
    t = rings()
    assert score(QUICK, t) > 0.95 > score(LinearProbe(), t) + 0.2


def test_values_are_learnt_in_their_own_unit() -> None:
    t = values()
    assert score(QUICK, t, "rmse") < 0.5 * float(np.std(t.y))


def test_values_follow_a_change_of_unit() -> None:
    t = values()
    first = QUICK.predict(t, t.x, None, silent)
    changed = QUICK.predict(replace(t, y=1000 * t.y - 7), t.x, None, silent)
    assert np.allclose(changed, 1000 * first - 7, rtol=1e-3)


def test_the_scale_of_the_inputs_does_not_matter() -> None:
    scaled = T.with_x(T.x * np.float32(1024) + np.float32(4096))
    assert np.mean(QUICK.predict(scaled, scaled.x, None, silent) == QUICK.predict(T, T.x, None, silent)) > 0.99


def test_the_scaler_sees_neither_those_who_stop_it_nor_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[np.ndarray] = []
    original = Scaler.fit
    monkeypatch.setattr(Scaler, "fit", lambda x: fitted.append(x) or original(x))
    QUICK.predict(T, T.x, None, silent)
    assert [len(x) for x in fitted] == [len(hold_out_people(T, QUICK.held_out)[0])]


def test_the_same_seed_gives_the_same_predictions() -> None:
    first = QUICK.predict(T, T.x, None, silent)
    torch.manual_seed(99)
    assert np.array_equal(first, QUICK.predict(T, T.x, None, silent))


def test_one_training_person_is_too_few() -> None:
    t = T.take(T.rows(["P00"]))
    with pytest.raises(BadOptionError, match="two training people"):
        QUICK.predict(t, t.x, None, silent)


def test_training_stops_when_it_no_longer_helps() -> None:
    told: list[str] = []
    MLPProbe(hidden=64, epochs=200, patience=2, lr=0.03).predict(T, T.x, None, told.append)
    assert 2 < len(told) < 60


def test_batches_come_in_a_new_order_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    original = Task.take
    monkeypatch.setattr(Task, "take", lambda self, i: seen.append(tuple(np.asarray(i)[:5])) or original(self, i))
    MLPProbe(hidden=4, epochs=2, epoch_steps=1, batch_size=512).predict(T, T.x, None, silent)
    assert len(set(seen[-2:])) == 2
