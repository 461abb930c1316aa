from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score

from kinelet.evaluate import metrics

pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=60)


def counts(rows: list[tuple[int, int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    t, p, s = np.array(rows).T
    return t, p, metrics.confusion(t, p, s, 3, 5)


@given(pairs)
def test_macro_f1_equals_scikit_learn_over_the_true_classes(rows: list[tuple[int, int, int]]) -> None:
    t, p, c = counts(rows)
    want = f1_score(t, p, labels=np.unique(t), average="macro", zero_division=0)
    assert metrics.macro_f1(c.sum(0)) == pytest.approx(want)


@given(pairs)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_balanced_accuracy_equals_scikit_learn(rows: list[tuple[int, int, int]]) -> None:
    t, p, c = counts(rows)
    assert metrics.balanced_accuracy(c.sum(0)) == pytest.approx(balanced_accuracy_score(t, p))


@given(pairs)
def test_accuracy_is_the_share_of_equal_codes(rows: list[tuple[int, int, int]]) -> None:
    t, p, c = counts(rows)
    assert metrics.accuracy(c.sum(0)) == pytest.approx((t == p).mean())


def test_confusion_counts_each_person_apart() -> None:
    c = metrics.confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), np.array([0, 0, 1]), 2, 2)
    assert c.tolist() == [[[1, 0], [1, 0]], [[0, 0], [0, 1]]]


def test_predicting_a_class_nobody_performed_lowers_macro_f1_through_recall_only() -> None:
    c = metrics.confusion(np.array([0, 0, 0, 1]), np.array([0, 0, 2, 1]), np.zeros(4, int), 1, 3)
    assert metrics.macro_f1(c[0]) == pytest.approx((2 * 2 / (3 + 2) + 1) / 2)


def test_no_windows_at_all_give_nan() -> None:
    assert np.isnan(metrics.macro_f1(np.zeros((3, 3))))


def regression(n: int = 50, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r = np.random.default_rng(seed)
    t = 1000 + r.normal(size=n) * 3
    return t, t + 0.7 + r.normal(size=n), metrics.moments(t, t * 0, r.integers(0, 4, n), 4, 1000.0)


def pooled(t: np.ndarray, p: np.ndarray) -> np.ndarray:
    subject = np.arange(len(t)) % 4
    return metrics.moments(t, p, subject, 4, float(t.mean())).sum(axis=0)


def icc_by_anova(t: np.ndarray, p: np.ndarray) -> float:
    """McGraw and Wong 1996, table 4, written out from the mean squares."""
    table, k, n = np.stack([t, p], axis=1), 2, len(t)
    grand, rows, columns = table.mean(), table.mean(axis=1), table.mean(axis=0)
    msr = k * ((rows - grand) ** 2).sum() / (n - 1)
    msc = n * ((columns - grand) ** 2).sum() / (k - 1)
    residual = table - rows[:, None] - columns[None] + grand
    mse = (residual**2).sum() / ((n - 1) * (k - 1))
    return float((msr - mse) / (msr + (k - 1) * mse + k / n * (msc - mse)))


@pytest.mark.parametrize("seed", range(5))
def test_icc_equals_the_analysis_of_variance(seed: int) -> None:
    t, p, _ = regression(seed=seed)
    assert metrics.icc(pooled(t, p)) == pytest.approx(icc_by_anova(t, p))


def test_icc_of_shrout_and_fleiss_example() -> None:
    # Judges 1 and 3 of table 2 in Shrout and Fleiss 1979.
    t, p = np.array([9.0, 6, 8, 7, 10, 6]), np.array([5.0, 3, 6, 2, 6, 4])
    assert metrics.icc(pooled(t, p)) == pytest.approx(icc_by_anova(t, p))


def test_icc_falls_with_an_offset_that_r_does_not_see() -> None:
    t, p, _ = regression()
    assert metrics.icc(pooled(t, p + 5)) < metrics.icc(pooled(t, p)) - 0.2


def test_r_is_not_altered_by_an_offset() -> None:
    t, p, _ = regression()
    assert metrics.pearson_r(pooled(t, p + 5)) == pytest.approx(np.corrcoef(t, p)[0, 1])


def test_mae_is_the_mean_absolute_error() -> None:
    t, p, _ = regression()
    assert metrics.mae(pooled(t, p)) == pytest.approx(np.abs(t - p).mean())


def test_rmse_is_the_root_mean_squared_error() -> None:
    t, p, _ = regression()
    assert metrics.rmse(pooled(t, p)) == pytest.approx(np.sqrt(((t - p) ** 2).mean()))


def test_r_of_a_constant_prediction_is_undefined() -> None:
    t, _, _ = regression()
    assert np.isnan(metrics.pearson_r(pooled(t, np.full_like(t, 3.0))))


def test_people_add_up_to_the_pool() -> None:
    t, p, _ = regression()
    everyone = metrics.moments(t, p, np.zeros(len(t), int), 1, float(t.mean()))[0]
    assert np.allclose(pooled(t, p), everyone)
