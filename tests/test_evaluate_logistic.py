from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info

from evaluating import vectors
from kinelet.evaluate.logistic import Scaler, class_weights, fit_path
from kinelet.evaluate.threads import threads_for


def odds(scores: np.ndarray) -> np.ndarray:
    return scores - scores.mean(axis=1, keepdims=True)


@pytest.mark.parametrize("strength", [0.01, 1.0])
@pytest.mark.parametrize("balanced", [False, True])
def test_scores_equal_scikit_learns(strength: float, balanced: bool) -> None:
    t = vectors(noise=2.0)
    (mine,) = fit_path(t.x, t.y, 3, [strength], balanced=balanced)
    reference = LogisticRegression(C=strength, class_weight="balanced" if balanced else None, tol=1e-8, max_iter=2000)
    want = reference.fit(t.x, t.y).decision_function(t.x)
    assert np.abs(odds(mine.scores(t.x)) - odds(want)).max() < 5e-3


def test_scores_equal_scikit_learns_with_more_columns_than_rows() -> None:
    r = np.random.default_rng(0)
    x, y = r.normal(size=(20, 60)).astype(np.float32), np.arange(20) % 3
    (mine,) = fit_path(x, y, 3, [0.1])
    want = LogisticRegression(C=0.1, tol=1e-8, max_iter=2000).fit(x, y).decision_function(x)
    assert np.abs(odds(mine.scores(x)) - odds(want)).max() < 5e-3


def test_repeated_columns_are_no_difficulty() -> None:
    t = vectors()
    x = np.concatenate([t.x] * 3, axis=1)
    (mine,) = fit_path(x, t.y, 3, [0.1])
    want = LogisticRegression(C=0.1, tol=1e-8, max_iter=5000).fit(x, t.y).predict_log_proba(x)
    assert np.abs(odds(mine.scores(x)) - odds(want)).max() < 5e-3


def test_a_path_ends_where_a_single_fit_ends() -> None:
    t = vectors(noise=2.0)
    *_, last = fit_path(t.x, t.y, 3, [0.001, 0.01, 0.1])
    (alone,) = fit_path(t.x, t.y, 3, [0.1])
    assert np.abs(odds(last.scores(t.x)) - odds(alone.scores(t.x))).max() < 5e-3


def test_a_class_without_windows_is_never_predicted() -> None:
    t = vectors()
    (model,) = fit_path(t.x, t.y, 5, [1.0])
    assert model.predict(t.x * 100).max() <= 2


def test_one_class_alone_is_always_predicted() -> None:
    t = vectors()
    (model,) = fit_path(t.x, np.ones(len(t), int), 3, [1.0])
    assert (model.predict(t.x) == 1).all()


def test_constant_features_do_not_matter() -> None:
    t = vectors()
    padded = np.concatenate([t.x, np.full((len(t), 1), 7.7, np.float32)], axis=1)
    (a,) = fit_path(Scaler.fit(padded)(padded), t.y, 3, [0.1])
    (b,) = fit_path(Scaler.fit(t.x)(t.x), t.y, 3, [0.1])
    assert np.array_equal(a.predict(Scaler.fit(padded)(padded)), b.predict(Scaler.fit(t.x)(t.x)))


def test_features_that_are_all_constant_give_the_commonest_class() -> None:
    (model,) = fit_path(np.zeros((5, 2), np.float32), np.array([0, 1, 1, 1, 2]), 3, [1.0])
    assert (model.predict(np.zeros((2, 2), np.float32)) == 1).all()


def test_scaler_centres_and_scales() -> None:
    z = Scaler.fit(vectors().x)(vectors().x)
    assert np.allclose(z.std(axis=0), 1, atol=1e-3)


def test_scaler_limits_odd_windows() -> None:
    assert Scaler.fit(vectors().x)(vectors().x * 1e6).max() == 10


def test_balanced_weights_give_every_class_the_same_total() -> None:
    y = np.array([0, 0, 0, 1, 2, 2])
    totals = np.bincount(y, class_weights(y, 4, True), minlength=4)
    assert np.allclose(totals, [2, 2, 2, 0])


@pytest.mark.parametrize("path", [[0.01, 0.01, 0.1], [1.0, 0.01, 0.1], [0.001, 0.003, 1.0], [0.001, 0.01, 0.1]])
def test_probabilities_equal_scikit_learns_along_any_path(path: list[float]) -> None:
    t = vectors(noise=2.0)
    *_, mine = fit_path(t.x, t.y, 3, path)
    want = LogisticRegression(C=path[-1], tol=1e-8, max_iter=2000).fit(t.x, t.y).predict_proba(t.x)
    scores = mine.scores(t.x)
    assert np.abs(np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True) - want).max() < 1e-3


def test_separable_classes_converge_at_a_weak_penalty() -> None:
    r = np.random.default_rng(0)
    x, y = r.normal(size=(300, 200)).astype(np.float32), np.arange(300) % 5
    assert all(model.converged for model in fit_path(x, y, 5, [0.001, 0.01, 0.1, 1.0, 10.0]))


def test_short_products_run_on_one_thread_and_leave_the_others_as_they_were() -> None:
    def blas() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = blas()
    with threads_for(1000):
        assert set(blas()) <= {1}
    assert blas() == before


def test_long_products_keep_their_threads() -> None:
    def blas() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = blas()
    with threads_for(10**9):
        assert blas() == before
