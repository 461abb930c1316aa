"""Agreement metrics against formulas written out another way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinelet.errors import BadOptionError
from kinelet.evaluate.result import Result
from kinelet.gait.agreement import AGREEMENT, agreement, difference, few_people_note, sums_by_person


def made(n: int = 60, people: int = 6, seed: int = 0, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, predictions and people; everybody walks, not all equally often."""
    rng = np.random.default_rng(seed)
    subject = np.r_[np.arange(people), rng.integers(0, people, n - people)]
    level = spread * rng.normal(size=people)[subject]
    truth = 100 + level + rng.normal(size=n)
    return truth, truth + 0.3 + 0.5 * rng.normal(size=people)[subject] + 0.4 * rng.normal(size=n), subject


def value(name: str, truth: np.ndarray, predicted: np.ndarray, subject: np.ndarray) -> float:
    sums = sums_by_person(truth, predicted, subject, int(subject.max()) + 1)
    return float(AGREEMENT[name](sums.sum(axis=0)))


def result(truth: np.ndarray, predicted: np.ndarray, subject: np.ndarray, encoder: str = "a") -> Result:
    n, people = len(truth), int(subject.max()) + 1
    names = tuple(f"p{i}" for i in range(people))
    draws = np.atleast_2d(predicted)
    return Result("ridge", {}, encoder, "walks: x", (), names, subject, np.arange(n), np.zeros(n, int), truth, draws)


def two_way(truth: np.ndarray, predicted: np.ndarray) -> float:
    """ICC(A,1) from the two-way analysis of variance, cell by cell."""
    x = np.stack([truth, predicted], axis=1)
    n, k = x.shape
    rows, columns, grand = x.mean(axis=1), x.mean(axis=0), x.mean()
    msr = k * ((rows - grand) ** 2).sum() / (n - 1)
    msc = n * ((columns - grand) ** 2).sum() / (k - 1)
    mse = ((x - rows[:, None] - columns[None] + grand) ** 2).sum() / ((n - 1) * (k - 1))
    return float((msr - mse) / (msr + (k - 1) * mse + k / n * (msc - mse)))


def one_way_limits(truth: np.ndarray, predicted: np.ndarray, subject: np.ndarray) -> tuple[float, float]:
    """Bland-Altman limits with components of variance, person by person."""
    d = predicted - truth
    groups = [d[subject == i] for i in np.unique(subject)]
    n, k = len(d), len(groups)
    msb = sum(len(g) * (g.mean() - d.mean()) ** 2 for g in groups) / (k - 1)
    msw = sum(((g - g.mean()) ** 2).sum() for g in groups) / (n - k)
    size = (n**2 - sum(len(g) ** 2 for g in groups)) / ((k - 1) * n)
    s = np.sqrt(max((msb - msw) / size, 0) + msw)
    return float(d.mean() - 1.96 * s), float(d.mean() + 1.96 * s)


@pytest.mark.parametrize("seed", range(3))
def test_icc(seed: int) -> None:
    truth, predicted, subject = made(seed=seed)
    assert value("icc", truth, predicted, subject) == pytest.approx(two_way(truth, predicted), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_limits_of_agreement(seed: int) -> None:
    data = made(seed=seed)
    assert (value("loa_low", *data), value("loa_high", *data)) == pytest.approx(one_way_limits(*data), abs=1e-9)


def test_limits_with_one_walk_to_a_difference_level_are_the_plain_ones() -> None:
    """Where people do not differ, the components add up to about the plain variance of the differences."""
    rng = np.random.default_rng(0)
    truth, subject = rng.normal(size=4000), np.arange(4000) % 400
    predicted = truth + rng.normal(size=4000)
    plain = 1.96 * (predicted - truth).std(ddof=1)
    assert value("loa_high", truth, predicted, subject) - value("bias", truth, predicted, subject) == pytest.approx(
        plain, rel=0.01
    )


def test_limits_count_differences_between_people() -> None:
    """Twenty walks of each of two hundred people whose errors differ: both components are found."""
    rng = np.random.default_rng(1)
    subject = np.repeat(np.arange(200), 20)
    d = 2.0 * rng.normal(size=200)[subject] + rng.normal(size=4000)
    truth = rng.normal(size=4000)
    width = value("loa_high", truth, truth + d, subject) - value("bias", truth, truth + d, subject)
    assert width == pytest.approx(1.96 * np.sqrt(5), rel=0.1)


@pytest.mark.parametrize("seed", range(3))
def test_correlation_within_people(seed: int) -> None:
    truth, predicted, subject = made(seed=seed)
    t, p = (x - np.array([x[subject == s].mean() for s in subject]) for x in (truth, predicted))
    assert value("r_within", truth, predicted, subject) == pytest.approx(np.corrcoef(t, p)[0, 1], abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_correlation_between_people(seed: int) -> None:
    truth, predicted, subject = made(seed=seed)
    t, p = ([x[subject == s].mean() for s in range(6)] for x in (truth, predicted))
    assert value("r_between", truth, predicted, subject) == pytest.approx(np.corrcoef(t, p)[0, 1], abs=1e-9)


def test_pooled_correlation_hides_that_nothing_is_told_within_people() -> None:
    rng = np.random.default_rng(0)
    subject = np.repeat(np.arange(10), 20)
    level = 10.0 * rng.normal(size=10)[subject]
    truth, predicted = level + rng.normal(size=200), level + rng.normal(size=200)
    assert value("r", truth, predicted, subject) > 0.95
    assert abs(value("r_within", truth, predicted, subject)) < 0.25


def test_a_constant_prediction_has_no_correlation_within_people() -> None:
    truth, _, subject = made()
    assert np.isnan(value("r_within", truth, np.full(len(truth), 100.0), subject))


def test_two_people_have_no_correlation_between_people() -> None:
    assert np.isnan(value("r_between", *made(people=2)))


def test_one_person_has_no_limits() -> None:
    assert np.isnan(value("loa_low", *made(people=1)))


@given(st.floats(-50, 50), st.integers(0, 5))
def test_bias_is_what_was_added(shift: float, seed: int) -> None:
    truth, predicted, subject = made(seed=seed)
    before = value("bias", truth, predicted, subject)
    assert value("bias", truth, predicted + shift, subject) == pytest.approx(before + shift, abs=1e-6)


@pytest.mark.parametrize("name", ["mae", "rmse", "r", "r_within", "r_between", "icc", "bias", "loa_low"])
def test_the_order_of_walks_does_not_matter(name: str) -> None:
    data = made()
    order = np.random.default_rng(0).permutation(len(data[0]))
    assert value(name, *data) == pytest.approx(value(name, *(x[order] for x in data)), abs=1e-9)


def test_perfect_predictions() -> None:
    truth, _, subject = made()
    found = agreement(result(truth, truth, subject))
    assert {n: round(e.value, 9) for n, e in found.items()} == {
        **dict.fromkeys(("mae", "rmse", "bias", "loa_low", "loa_high"), 0.0),
        **dict.fromkeys(("r", "r_within", "r_between", "icc"), 1.0),
    }


def test_intervals_hold_the_estimate_and_count_people() -> None:
    found = agreement(result(*made(people=8)))
    assert all(e.lo <= e.value <= e.hi and e.n_subjects == 8 for e in found.values())


def test_draws_are_averaged() -> None:
    truth, predicted, subject = made()
    both = agreement(result(truth, np.stack([predicted, truth]), subject))["mae"].value
    assert both == pytest.approx(np.abs(predicted - truth).mean() / 2)


def test_a_paired_difference_is_surer_than_two_intervals() -> None:
    truth, predicted, subject = made(spread=5.0)
    a, b = result(truth, predicted, subject), result(truth, predicted + 0.2, subject, "b")
    gap = difference(b, a, "bias")
    assert (gap.value, gap.hi - gap.lo) == pytest.approx((0.2, 0.0), abs=1e-9)


def test_unknown_metric_is_refused() -> None:
    truth, predicted, subject = made()
    a = result(truth, predicted, subject)
    with pytest.raises(BadOptionError, match="unknown metric"):
        difference(a, a, "nonsense")


def test_a_person_without_walks_is_refused() -> None:
    with pytest.raises(BadOptionError, match="1 people have no walk"):
        sums_by_person([1.0, 2.0], [1.0, 2.0], np.array([0, 2]), 3)


@pytest.mark.parametrize(("people", "remarks"), [(2, 1), (5, 1), (6, 0)])
def test_few_people_are_remarked_on(people: int, remarks: int) -> None:
    assert len(few_people_note(people)) == remarks
