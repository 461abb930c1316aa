"""When to say nothing: thresholds against trying every one, and what they are worth on people left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinelet.deploy.abstain import LEAST, calibrate, threshold_for
from kinelet.errors import BadOptionError

answers = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=30)


def columns(rows: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([float(r[0]) for r in rows]), np.array([r[1] for r in rows])


def people(n: int = 5, per: int = 200, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Windows that are right as often as their confidence says."""
    r = np.random.default_rng(seed)
    confidence = r.uniform(0, 1, n * per)
    truth = r.integers(0, 3, n * per)
    right = r.uniform(size=n * per) < confidence
    return confidence, np.where(right, truth, (truth + 1) % 3), truth, np.repeat(np.arange(n), per)


@settings(max_examples=300, deadline=None)
@given(answers, st.sampled_from([0.3, 0.5, 0.9, 1.0]), st.sampled_from([1, 3]))
def test_a_precision_is_reached_by_the_threshold_that_answers_most(
    rows: list[tuple[int, bool]], target: float, least: int
) -> None:
    confidence, right = columns(rows)
    tried = {t: (right[confidence >= t].mean(), (confidence >= t).sum()) for t in confidence}
    good = [t for t, (precision, n) in tried.items() if precision >= target - 1e-9 and n >= min(least, len(rows))]
    if not good:
        with pytest.raises(BadOptionError, match="no threshold reaches"):
            threshold_for(confidence, right, "precision", target, least=least)
        return
    assert threshold_for(confidence, right, "precision", target, least=least) == min(good)


@settings(max_examples=200, deadline=None)
@given(answers, st.sampled_from([0.01, 0.3, 0.5, 1.0]))
def test_a_coverage_is_reached_by_the_highest_threshold(rows: list[tuple[int, bool]], target: float) -> None:
    confidence, right = columns(rows)
    good = [t for t in confidence if (confidence >= t).mean() >= target - 1e-9]
    assert threshold_for(confidence, right, "coverage", target) == max(good)


def test_the_order_of_windows_does_not_matter() -> None:
    confidence, predicted, truth, _ = people()
    right, order = predicted == truth, np.random.default_rng(1).permutation(len(truth))
    one = threshold_for(confidence, right, "precision", 0.8)
    assert threshold_for(confidence[order], right[order], "precision", 0.8) == one


def test_one_lucky_window_is_no_precision() -> None:
    confidence = np.r_[1.0, np.linspace(0, 0.9, 99)]
    right = np.r_[True, np.zeros(99, dtype=bool)]
    with pytest.raises(BadOptionError, match=r"the best is 0\.050"):
        threshold_for(confidence, right, "precision", 0.9, least=20)


@pytest.mark.parametrize("target", [0.0, -0.5, 1.5, float("nan")])
def test_a_target_is_a_share(target: float) -> None:
    with pytest.raises(BadOptionError, match="share"):
        threshold_for(np.ones(3), np.ones(3, dtype=bool), "precision", target)


def test_no_windows_set_no_threshold() -> None:
    with pytest.raises(BadOptionError, match="no window"):
        threshold_for(np.empty(0), np.empty(0, dtype=bool), "coverage", 0.5)


def test_confidence_that_is_a_probability_gives_the_threshold_of_the_formula() -> None:
    # Right with probability c, c uniform: windows above t are right in (1 + t) / 2 of the cases.
    confidence, predicted, truth, _ = people(n=50, per=2000)
    assert threshold_for(confidence, predicted == truth, "precision", 0.8) == pytest.approx(0.6, abs=0.02)


def test_each_person_is_judged_with_the_threshold_of_the_others() -> None:
    confidence, predicted, truth, person = people()
    found = calibrate(confidence, predicted, truth, person, tuple("abcde"), target=0.8)
    right, answered, good = predicted == truth, 0, 0
    for p in range(5):
        others = person != p
        tried = sorted(set(confidence[others]))
        enough = [t for t in tried if right[others & (confidence >= t)].mean() >= 0.8]
        enough = [t for t in enough if (others & (confidence >= t)).sum() >= LEAST]
        mine = (person == p) & (confidence >= min(enough))
        answered, good = answered + mine.sum(), good + (mine & right).sum()
    assert found.precision.value == pytest.approx(good / answered)
    assert found.coverage.value == pytest.approx(answered / len(person))
    assert found.accuracy.value == pytest.approx(right.mean())


def test_the_threshold_itself_is_of_all_people() -> None:
    confidence, predicted, truth, person = people()
    found = calibrate(confidence, predicted, truth, person, tuple("abcde"), target=0.8)
    assert found.threshold == threshold_for(confidence, predicted == truth, "precision", 0.8)
    assert found.thresholds[0] <= found.threshold <= found.thresholds[1]


def test_what_people_left_out_get_is_near_what_was_asked_for() -> None:
    confidence, predicted, truth, person = people(n=10, per=500)
    found = calibrate(confidence, predicted, truth, person, tuple("abcdefghij"), target=0.85)
    assert found.precision.lo < 0.85 < found.precision.hi


def test_a_person_unlike_the_others_shows_in_the_estimate_not_in_the_target() -> None:
    confidence, predicted, truth, person = people(n=4)
    predicted = np.where(person == 0, (truth + 1) % 3, predicted)
    found = calibrate(confidence, predicted, truth, person, tuple("abcd"), target=0.7)
    assert found.precision.value < 0.6


def test_an_answer_to_a_window_of_no_class_is_wrong() -> None:
    confidence, _, truth, person = people(n=2, per=50)
    predicted, unknown = truth.copy(), np.where(np.arange(100) % 2 == 0, -2, truth)
    found = calibrate(confidence, predicted, unknown, person, ("a", "b"), aim="coverage", target=1.0)
    assert (found.others, found.accuracy.value) == (50, 0.5)


def test_where_the_others_reach_nothing_their_person_is_not_answered() -> None:
    confidence, truth = np.tile(np.linspace(0, 1, 40), 2), np.zeros(80, dtype=np.int64)
    predicted, person = np.repeat([0, 1], 40), np.repeat([0, 1], 40)  # person 0 always right, person 1 never
    found = calibrate(confidence, predicted, truth, person, ("a", "b"), target=0.5)
    assert found.coverage.value == 0.5  # the right one's threshold answers the wrong one's windows
    assert found.precision.value == 0.0


def test_one_person_is_not_enough() -> None:
    with pytest.raises(BadOptionError, match="Two are the least"):
        calibrate(np.ones(5), np.zeros(5, int), np.zeros(5, int), np.zeros(5, int), ("a",))


def test_rows_tell_all_figures() -> None:
    confidence, predicted, truth, person = people()
    rows = dict(calibrate(confidence, predicted, truth, person, tuple("abcde"), target=0.8).rows())
    assert rows["asked for"] == "precision 0.8"
    assert "(5 subjects)" in rows["precision, on people left out"]
