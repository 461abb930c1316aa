"""From scores of windows to stretches of time, against plain transcriptions of what they are to be."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinelet.deploy.stretches import Series, Spread, Stretch, best_stretches, runs, smooth

GAP = np.nan


def series(*scores: float, step_s: float = 1.0, window_s: float = 2.0) -> Series:
    return Series(np.arange(len(scores)) * step_s, np.array(scores, dtype=float), window_s, step_s)


def found(scores: list[float], top: int = 9, **options: float) -> list[tuple[int, int, int]]:
    given = {"base": 0.0, **options}
    return [(s.first, s.peak, s.last) for s in best_stretches([series(*scores)], top, **given)]


def brute(one: Series, top: int, base: float, extent: float, merge_s: float) -> list[tuple[int, int, int]]:
    """The same by looking at every window each time, with times instead of indices."""
    left = {i for i in range(len(one.score)) if not np.isnan(one.score[i])}
    out = []
    while left and len(out) < top:
        peak = max(left, key=lambda i: (one.score[i], -i))
        if one.score[peak] <= base:
            break
        floor = base + extent * (one.score[peak] - base)
        ends = []
        for way in (-1, 1):
            end, i = peak, peak + way
            while i in left and (abs(i - end) - 1) * one.step_s <= merge_s + 1e-9:
                end = i if one.score[i] >= floor else end
                i += way
            ends.append(end)
        first, last = ends
        out.append((first, peak, last))
        start, stop = one.time_s[first], one.time_s[last] + one.window_s
        left -= {
            i
            for i in left
            if one.time_s[i] + one.window_s > start - merge_s + 1e-6 and one.time_s[i] < stop + merge_s - 1e-6
        }
    return out


scores = st.lists(st.one_of(st.just(GAP), st.integers(-4, 9).map(float)), max_size=40)


@settings(max_examples=300, deadline=None)
@given(scores, st.integers(1, 6), st.sampled_from([0.1, 0.5, 1.0]), st.sampled_from([0.0, 1.0, 2.5]))
def test_stretches_are_those_of_a_plain_transcription(
    values: list[float], top: int, extent: float, merge_s: float
) -> None:
    one = series(*values)
    mine = best_stretches([one], top, base=0.0, extent=extent, merge_s=merge_s)
    assert [(s.first, s.peak, s.last) for s in mine] == brute(one, top, 0.0, extent, merge_s)


@settings(max_examples=100, deadline=None)
@given(scores, st.sampled_from([0.0, 1.0, 3.0]))
def test_no_two_stretches_overlap_and_none_holds_a_gap(values: list[float], merge_s: float) -> None:
    one = series(*values)
    spans = sorted((s.first, s.last) for s in best_stretches([one], 99, base=0.0, merge_s=merge_s))
    assert all(one.time_s[b[0]] >= one.time_s[a[1]] + one.window_s for a, b in itertools.pairwise(spans))
    assert all(np.isfinite(one.score[a : b + 1]).all() for a, b in spans)


def test_a_stretch_is_as_wide_as_half_the_height_of_its_peak() -> None:
    assert found([0, 1, 5, 10, 6, 4, 0], top=1) == [(2, 3, 4)]


def test_the_height_is_measured_from_the_base() -> None:
    assert found([0, 1, 5, 10, 6, 4, 0], top=1, base=-10.0) == [(0, 3, 6)]


def test_a_short_dip_is_bridged_and_a_long_one_is_not() -> None:
    assert found([9, 0, 9], top=1, merge_s=1.0) == [(0, 0, 2)]
    assert found([9, 0, 0, 9], top=1, merge_s=1.0) == [(0, 0, 0)]


def test_a_gap_is_not_bridged_however_short() -> None:
    assert found([9, GAP, 9], top=1, merge_s=5.0) == [(0, 0, 0)]


def test_what_overlaps_a_better_stretch_is_no_hit_of_its_own() -> None:
    # Windows of 2 s a second apart: window 1 shares a second with windows 0 and 2.
    assert found([9, 2, 0, 0, 8]) == [(0, 0, 0), (4, 4, 4)]


def test_nothing_at_or_below_the_base_is_a_hit() -> None:
    assert found([1, 1, 1], base=1.0) == []


def test_stretches_of_several_recordings_come_in_the_order_of_their_peaks() -> None:
    both = best_stretches([series(1, 0, 0, 3), series(2)], 9, base=0.0)
    assert both == [Stretch(0, 3, 3, 3), Stretch(1, 0, 0, 0), Stretch(0, 0, 0, 0)]


def test_of_equal_peaks_the_earlier_comes_first() -> None:
    assert best_stretches([series(5, 0, 0, 5), series(5)], 1, base=0.0) == [Stretch(0, 0, 0, 0)]


def test_recordings_without_windows_are_no_trouble() -> None:
    assert best_stretches([series(), series(GAP)], 3, base=0.0) == []


def test_the_spread_of_normal_scores_is_their_standard_deviation() -> None:
    drawn = np.random.default_rng(0).normal(0.3, 0.05, 20000)
    spread = Spread.of(np.r_[drawn, np.nan])
    assert spread.z(0.4) == pytest.approx(2.0, abs=0.06)
    assert len(spread.ordered) == 20000


def test_outliers_do_not_move_the_spread() -> None:
    assert Spread.of(np.array([1.0, 2, 3, 4, 5])).scale == Spread.of(np.array([1.0, 2, 3, 4, 500])).scale


def test_where_most_scores_are_equal_the_standard_deviation_stands_in() -> None:
    values = np.array([1.0, 1, 1, 1, 2])
    assert Spread.of(values).scale == pytest.approx(values.std())


def test_scores_that_are_all_equal_have_no_z() -> None:
    assert Spread.of(np.ones(5)).z(1.0) == 0.0


def test_a_percentile_counts_the_windows_below() -> None:
    spread = Spread.of(np.array([1.0, 2, 2, 3]))
    assert [spread.percentile(v) for v in (1, 2, 3, 9)] == [0, 25, 75, 100]


def plain_mean(values: np.ndarray, steps: int) -> np.ndarray:
    """Mean over a window's neighbours, as many on either side as there are in its run."""
    out, reach = np.full_like(values, np.nan), max(0, steps) // 2
    for i in np.flatnonzero(np.isfinite(values)):
        half = 0
        while half < reach and i - half - 1 >= 0 and i + half + 1 < len(values):
            if np.isnan(values[i - half - 1]) or np.isnan(values[i + half + 1]):
                break
            half += 1
        out[i] = values[i - half : i + half + 1].mean()
    return out


@settings(max_examples=200, deadline=None)
@given(scores, st.integers(0, 9))
def test_smoothing_is_the_mean_over_neighbours_within_a_run(values: list[float], steps: int) -> None:
    x = np.array(values, dtype=float)
    np.testing.assert_allclose(smooth(x, steps), plain_mean(x, steps), atol=1e-9)


def test_classes_are_smoothed_each_by_itself() -> None:
    x = np.random.default_rng(0).normal(size=(20, 3))
    expected = np.stack([smooth(x[:, k], 5) for k in range(3)], axis=1)
    np.testing.assert_allclose(smooth(x, 5), expected)


def test_a_straight_line_stays_straight_to_its_ends() -> None:
    np.testing.assert_allclose(smooth(np.arange(10.0), 5), np.arange(10.0))


def test_runs_of_nothing() -> None:
    assert runs(np.zeros(3, dtype=bool)) == []
    assert runs(np.ones(3, dtype=bool)) == [(0, 3)]
