from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge as Reference

from evaluating import as_they_are, folds, silent, values, vectors
from kinelet.evaluate.regression import Constant, Ridge, RidgeProbe, choose_penalty
from kinelet.evaluate.run import evaluate_features


@pytest.mark.parametrize("penalty", [0.01, 1.0])
def test_ridge_equals_scikit_learn(penalty: float) -> None:
    t = values()
    mine = Ridge.fit(t.x, t.y[:, None]).predict(t.x, penalty)[:, 0]
    want = Reference(alpha=penalty * len(t)).fit(t.x.astype(float), t.y).predict(t.x.astype(float))
    assert np.abs(mine - want).max() < 1e-3


def test_a_linear_target_is_found_on_new_people() -> None:
    t = values()
    result = evaluate_features(RidgeProbe(), as_they_are, t, folds(t), name="x")
    assert result.estimates["icc"].value > 0.98


def test_the_mean_of_the_training_people_is_chance() -> None:
    t = values()
    result = evaluate_features(Constant(), as_they_are, t, folds(t), name="x")
    assert result.estimates["rmse"].value == pytest.approx(t.y.std(), rel=0.05)


def test_constant_predicts_the_commonest_class() -> None:
    t = vectors()
    assert set(Constant().predict(t, t.x, None, silent)[0]) == {np.bincount(t.y).argmax()}


def test_classes_are_judged_by_ridge_too() -> None:
    t = vectors(noise=0.2)
    assert evaluate_features(RidgeProbe(), as_they_are, t, folds(t), name="x").estimates["macro_f1"].value > 0.9


def test_noise_asks_for_a_larger_penalty() -> None:
    r = np.random.default_rng(0)
    clear, noisy = values(noise=0.01), values(noise=20.0)
    noisy = noisy.with_x(np.concatenate([noisy.x, r.normal(size=(len(noisy), 100)).astype(np.float32)], axis=1))
    grid = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
    chosen = [choose_penalty(t, t.y[:, None], grid, 3) for t in (clear, noisy)]
    assert chosen[0] < chosen[1]


def test_with_one_training_person_the_middle_penalty_is_taken() -> None:
    t = values(n_people=1)
    assert choose_penalty(t, t.y[:, None], (1.0, 2.0, 3.0), 3) == 2.0


def test_each_person_has_an_error_of_their_own() -> None:
    t = values()
    result = evaluate_features(RidgeProbe(), as_they_are, t, folds(t), name="x")
    p = result.predicted[0][result.subject == 2]
    assert result.per_subject("mae")["P02"] == pytest.approx(np.abs(p - t.y[t.subject == 2]).mean())


def test_a_regression_result_has_no_confusion_matrix() -> None:
    t = values()
    with pytest.raises(AttributeError, match="confusion"):
        _ = evaluate_features(Constant(), as_they_are, t, folds(t), name="x").confusion
