from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from kinelet.errors import BadOptionError
from kinelet.evaluate import metrics
from kinelet.evaluate.statistics import (
    Estimate,
    Spread,
    estimate,
    interval,
    mean_difference,
    paired_difference,
    replicate,
    resamples,
)


def people(n: int, seed: int = 0, shift: float = 0.0, per: int = 40) -> np.ndarray:
    """Confusion matrices ``(1, n, 2, 2)`` of people who differ in how often they are right."""
    r = np.random.default_rng(seed)
    right = np.clip(r.beta(8, 3, size=n) + shift, 0, 1)
    hits = r.binomial(per, right[:, None], size=(n, 2))
    c = np.zeros((1, n, 2, 2))
    c[0, :, 0, 0], c[0, :, 1, 1] = hits[:, 0], hits[:, 1]
    c[0, :, 0, 1], c[0, :, 1, 0] = per - hits[:, 0], per - hits[:, 1]
    return c


def test_an_estimate_reads_as_value_interval_and_people() -> None:
    assert str(Estimate(0.5, 0.41, 0.6234, 12)) == "0.500 [0.410, 0.623] (12 subjects)"


def test_replicates_equal_pooling_the_drawn_people_one_by_one() -> None:
    c, weights = people(5), resamples(5, 20, seed=3)
    naive = []
    for w in weights:
        drawn = [i for i in range(5) for _ in range(int(w[i]))]
        naive.append(float(metrics.macro_f1(c[0][drawn].sum(axis=0))))
    assert np.allclose(replicate(c, metrics.macro_f1, weights), naive)


def test_each_replicate_draws_as_many_people_as_there_are() -> None:
    assert (resamples(7, 50).sum(axis=1) == 7).all()


def test_blocks_do_not_alter_replicates(monkeypatch: pytest.MonkeyPatch) -> None:
    c, weights = people(5), resamples(5, 30)
    whole = replicate(c, metrics.macro_f1, weights)
    monkeypatch.setattr("kinelet.evaluate.statistics._BLOCK", 9)
    assert np.array_equal(replicate(c, metrics.macro_f1, weights), whole)


def test_the_value_is_the_mean_over_draws() -> None:
    both = np.concatenate([people(6, 0), people(6, 1)])
    alone = [estimate(people(6, s), metrics.macro_f1).value for s in (0, 1)]
    assert estimate(both, metrics.macro_f1).value == pytest.approx(np.mean(alone))


@pytest.mark.parametrize("n", [8, 20])
def test_95_percent_intervals_cover_the_population_value_about_95_times_in_100(n: int) -> None:
    truth = 8 / 11  # mean of the beta distribution: expected accuracy of a new person
    runs = 400
    made = [estimate(people(n, seed), metrics.accuracy, replicates=500) for seed in range(runs)]
    covered = np.mean([e.lo <= truth <= e.hi for e in made])
    assert 0.915 <= covered <= 0.985


def test_plain_percentile_intervals_are_too_narrow_for_few_people() -> None:
    expanded = estimate(people(8), metrics.accuracy)
    plain = estimate(people(8), metrics.accuracy, kind="percentile")
    assert plain.hi - plain.lo < 0.9 * (expanded.hi - expanded.lo)


def test_pairing_makes_the_interval_of_a_difference_narrow() -> None:
    a, b = people(10, seed=1), people(10, seed=1, shift=0.05)
    paired = paired_difference(b, a, metrics.accuracy)
    alone = estimate(a, metrics.accuracy)
    assert paired.hi - paired.lo < alone.hi - alone.lo


def test_the_difference_of_a_result_with_itself_is_zero() -> None:
    a = people(6)
    assert paired_difference(a, a, metrics.macro_f1) == Estimate(0.0, 0.0, 0.0, 6)


def test_a_difference_between_other_numbers_of_people_is_refused() -> None:
    with pytest.raises(BadOptionError, match="6 people against 5"):
        paired_difference(people(6), people(5), metrics.accuracy)


def test_one_person_gives_no_interval() -> None:
    assert math.isnan(estimate(people(1), metrics.accuracy).lo)


def test_one_person_gives_no_interval_of_a_difference() -> None:
    assert math.isnan(paired_difference(people(1), people(1), metrics.accuracy).hi)


def test_above_zero_needs_the_whole_interval() -> None:
    assert not Estimate(0.1, -0.01, 0.2, 9).above_zero


def test_undefined_replicates_are_left_out() -> None:
    lo, _ = interval(np.array([np.nan, 1.0, 1.0]), 9)
    assert lo == 1.0


def test_many_replicates_take_no_time() -> None:
    import time

    r = np.random.default_rng(0)
    c = r.integers(0, 9, size=(1, 60, 20, 20)).astype(float)
    started = time.process_time()
    estimate(c, metrics.macro_f1, replicates=2000)
    assert time.process_time() - started < 2


def test_spread_leaves_out_people_without_a_value() -> None:
    assert Spread.of([0.2, float("nan"), 0.6]).median == pytest.approx(0.4)


def test_spread_of_nobody_is_undefined() -> None:
    assert math.isnan(Spread.of([float("nan")]).mean)


def gaps(n: int, seed: int, shift: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Two encoders on the same ``n`` people, the first somewhat better."""
    return people(n, seed, shift), people(n, seed)


def test_the_mean_difference_over_one_set_is_that_sets_paired_difference() -> None:
    a, b = gaps(9, 3)
    one, paired = mean_difference([(a, b)], metrics.macro_f1), paired_difference(a, b, metrics.macro_f1)
    assert [one.value, one.lo, one.hi, one.n_subjects] == pytest.approx(
        [paired.value, paired.lo, paired.hi, paired.n_subjects]
    )


def test_the_mean_difference_equals_a_loop_over_replicates_sets_and_people() -> None:
    pairs = [gaps(4, 1), gaps(7, 2, shift=-0.1)]
    rows = []
    for i, (a, b) in enumerate(pairs):
        row = []
        for counts in resamples(a.shape[1], 300, seed=5 + i):
            drawn = [p for p, times in enumerate(counts) for _ in range(int(times))]
            row.append(float(metrics.macro_f1(a[0][drawn].sum(0)) - metrics.macro_f1(b[0][drawn].sum(0))))
        rows.append(row)
    v, n = [float(np.var(row)) for row in rows], [4, 7]
    widen = math.sqrt(sum(v[s] * n[s] / (n[s] - 1) for s in (0, 1)) / sum(v))
    freedom = sum(v) ** 2 / sum(v[s] ** 2 / (n[s] - 1) for s in (0, 1))
    tail = float(stats.norm.cdf(-widen * stats.t.ppf(0.975, freedom)))
    naive = np.quantile([(x + y) / 2 for x, y in zip(*rows, strict=True)], [tail, 1 - tail])
    made = mean_difference(pairs, metrics.macro_f1, replicates=300, seed=5)
    assert np.allclose([made.lo, made.hi], naive)


def test_the_mean_difference_counts_every_set_alike() -> None:
    pairs = [gaps(4, 1), gaps(30, 2)]
    alone = [paired_difference(a, b, metrics.accuracy).value for a, b in pairs]
    assert mean_difference(pairs, metrics.accuracy).value == pytest.approx(np.mean(alone))


def test_the_mean_difference_covers_the_population_value_about_95_times_in_100() -> None:
    runs, covered = 300, 0
    for run in range(runs):  # both alike in the population, so that the true difference is zero
        pairs = [(people(n, 1000 * run + n), people(n, 1000 * run + n + 500)) for n in (6, 8, 15)]
        made = mean_difference(pairs, metrics.accuracy, replicates=400, seed=run)
        covered += made.lo <= 0 <= made.hi
    assert 0.915 <= covered / runs <= 0.985


def test_the_mean_difference_with_itself_is_zero() -> None:
    pairs = [(people(6), people(6)), (people(5), people(5))]
    assert mean_difference(pairs, metrics.macro_f1) == Estimate(0.0, 0.0, 0.0, 11)


def test_a_set_with_one_person_gives_no_interval_of_the_mean() -> None:
    assert math.isnan(mean_difference([gaps(6, 0), gaps(1, 0)], metrics.accuracy).lo)


def test_the_mean_over_no_set_is_refused() -> None:
    with pytest.raises(BadOptionError, match="no data set"):
        mean_difference([], metrics.accuracy)


def drawn(n: int, draws: int, spread: float) -> np.ndarray:
    """Confusion matrices ``(draws, n, 2, 2)``: in each draw everybody is right more or less often."""
    shift = np.random.default_rng(7).normal(0, spread, draws)
    return np.concatenate([people(n, seed=1, shift=s) for s in shift])


def test_replicates_over_draws_equal_pooling_the_drawn_draws_one_by_one() -> None:
    c, w, d = drawn(5, 3, 0.1), resamples(5, 20), resamples(3, 20, seed=1)
    naive = []
    for people_drawn, draws_drawn in zip(w, d, strict=True):
        rows = [i for i in range(5) for _ in range(int(people_drawn[i]))]
        each = [float(metrics.macro_f1(c[k][rows].sum(axis=0))) for k in range(3) for _ in range(int(draws_drawn[k]))]
        naive.append(np.mean(each))
    assert replicate(c, metrics.macro_f1, w, d) == pytest.approx(np.array(naive))


def test_an_interval_over_draws_is_wider_where_draws_differ() -> None:
    c = drawn(40, 5, 0.2)
    narrow, wide = (estimate(c, metrics.macro_f1, over_draws=o) for o in (False, True))
    assert wide.value == narrow.value
    assert wide.hi - wide.lo > 1.5 * (narrow.hi - narrow.lo)


def test_draws_that_are_the_same_for_both_cancel_in_their_difference() -> None:
    c = drawn(12, 5, 0.1)
    gap = paired_difference(c, c, metrics.macro_f1, over_draws=True)
    assert (gap.lo, gap.hi) == (0.0, 0.0)


def test_one_draw_has_the_interval_over_people() -> None:
    c = people(12)
    assert estimate(c, metrics.macro_f1, over_draws=True) == estimate(c, metrics.macro_f1)
