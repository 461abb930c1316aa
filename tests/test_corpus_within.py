"""Candidates within person and hour."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_tools import corpus_of, recording
from kinelet.corpus import Windows
from kinelet.corpus.within import WithinSampler, _without
from kinelet.errors import BadOptionError
from kinelet.signal.recording import Annotation
from kinelet.signal.spec import imu_spec

SLOW = imu_spec(1.0)


def hours(subject: str, name: str, start_h: float, length_h: float = 2.0):
    return recording(name, subject, round(length_h * 3600), spec=SLOW, start_unix_s=start_h * 3600.0)


@pytest.fixture(scope="module")
def windows(tmp_path_factory) -> Windows:
    # P0 has two recordings that share hour 10 (and so interleave there); windows overlap by half.
    recs = [hours("P0", "a", 9.5), hours("P0", "b", 10.25), *(hours(f"P{i}", f"r{i}", i) for i in range(1, 6))]
    return corpus_of(tmp_path_factory.mktemp("within"), *recs).windows(60.0, 30.0)


def overlap(windows: Windows, anchor: int, others: np.ndarray) -> np.ndarray:
    same = windows.recording[others] == windows.recording[anchor]
    return same & (np.abs(windows.start[others] - windows.start[anchor]) < windows.n_samples)


@pytest.mark.parametrize("within", ["hour", "subject", "mixed"])
def test_candidates_are_of_the_same_person_different_and_apart(windows, within):
    sampler = WithinSampler(windows, 12, 20, within=within)
    for step in range(15):
        draw = sampler.draw(step)
        for anchor, row in zip(draw.index, draw.candidates, strict=True):
            assert (windows.subject[row] == windows.subject[anchor]).all()
            assert len(set(row.tolist())) == 20 and not overlap(windows, anchor, row).any()


def test_hour_candidates_are_of_the_same_hour(windows):
    draw = WithinSampler(windows, 12, 20, within="hour").draw(0)
    assert (windows.hour[draw.candidates] == windows.hour[draw.index][:, None]).all()


def test_mixed_candidates_are_half_of_the_hour_and_half_of_others(windows):
    draw = WithinSampler(windows, 12, 9, within="mixed").draw(0)
    same = windows.hour[draw.candidates] == windows.hour[draw.index][:, None]
    assert (same == np.array([True] * 5 + [False] * 4)).all()


def test_the_anchor_is_no_candidate_even_when_overlap_is_allowed(windows):
    draw = WithinSampler(windows, 30, 60, disjoint=False, drop_short=True).draw(0)
    assert not (draw.candidates == draw.index[:, None]).any()


def test_overlapping_candidates_come_up_when_allowed(windows):
    draw = WithinSampler(windows, 30, 60, disjoint=False, drop_short=True).draw(0)
    assert any(overlap(windows, a, row).any() for a, row in zip(draw.index, draw.candidates, strict=True))


def test_every_allowed_candidate_comes_up(windows):
    sampler = WithinSampler(windows, 1, 5, distinct_subjects=False, within="hour")
    anchor = int(np.flatnonzero(windows.subject == 1)[5])
    groups, rng = sampler._groups, np.random.default_rng(0)
    seen = {int(i) for _ in range(400) for i in sampler._draw_candidates(anchor, 5, 0, rng)}
    everyone = np.flatnonzero((windows.subject == 1) & (windows.hour == windows.hour[anchor]))
    assert seen == set(everyone[~overlap(windows, anchor, everyone)].tolist())
    assert groups.free("hour")[anchor] == len(seen)


@pytest.mark.parametrize("unit", ["hour", "subject"])
def test_free_candidates_are_counted_as_a_loop_counts_them(windows, unit):
    free = WithinSampler(windows, 1, 1)._groups.free(unit)
    for anchor in range(0, len(windows), 41):
        group = windows.subject == windows.subject[anchor]
        if unit == "hour":
            group &= windows.hour == windows.hour[anchor]
        others = np.flatnonzero(group)
        assert free[anchor] == len(others) - overlap(windows, anchor, others).sum()


def test_anchors_are_of_different_people_where_there_are_enough(windows):
    draw = WithinSampler(windows, 6, 5).draw(3)
    assert len(set(windows.subject[draw.index].tolist())) == 6


def test_anchors_are_spread_evenly_where_there_are_not(windows):
    draw = WithinSampler(windows, 14, 5).draw(3)
    assert sorted(np.bincount(windows.subject[draw.index])) == [2, 2, 2, 2, 3, 3]


def test_anchors_do_not_repeat(windows):
    index = WithinSampler(windows, 60, 5).indices(0)
    assert len(set(index.tolist())) == 60


def test_a_step_is_a_pure_function_of_seed_and_step(windows):
    one, two = WithinSampler(windows, 6, 5, seed=4), WithinSampler(windows, 6, 5, seed=4)
    one.draw(0)
    np.testing.assert_array_equal(one.candidates(9), two.candidates(9))
    np.testing.assert_array_equal(one.indices(9), two.draw(9).index)


def test_too_few_windows_an_hour_fail_with_the_count_and_the_remedy(windows):
    with pytest.raises(BadOptionError, match=r"\d+ of 1673 windows lack 100 candidates.*fewer candidates"):
        WithinSampler(windows, 6, 100)


def test_short_hours_are_left_out_on_demand_and_counted(windows):
    sampler = WithinSampler(windows, 6, 100, drop_short=True)
    assert 0 < sampler.dropped == len(windows) - len(sampler.anchors)


def test_nothing_left_is_an_error_even_on_demand(windows):
    with pytest.raises(BadOptionError, match="lack 5000"):
        WithinSampler(windows, 6, 5000, drop_short=True)


def test_a_person_with_one_hour_cannot_be_mixed(tmp_path):
    windows = corpus_of(tmp_path, hours("P", "a", 1.0, 0.9)).windows(60.0)
    with pytest.raises(BadOptionError, match="in other hours"):
        WithinSampler(windows, 1, 4, within="mixed")


def test_stretched_windows_that_overlap_are_not_candidates(tmp_path):
    marks = tuple(
        Annotation(a, b, label="x") for a, b in [(0, 900), (100, 200), (950, 1000), (1100, 1200), (1150, 1300)]
    )
    rec = hours("P", "a", 0.0, 0.5).replace(annotations=marks)
    windows = corpus_of(tmp_path, rec).windows(10.0, placement="stretch")
    draw = WithinSampler(windows, 5, 3).draw(0)
    first = draw.candidates[np.flatnonzero(draw.index == 0)[0]]
    assert set(first.tolist()) == {2, 3, 4}


@pytest.mark.parametrize("bad", [{"k": 0}, {"batch_size": 0}, {"within": "day"}])
def test_options_that_make_no_sense(windows, bad):
    with pytest.raises(BadOptionError):
        WithinSampler(windows, **{"batch_size": 4, "k": 2, **bad})


@settings(max_examples=80, deadline=None)
@given(
    span=st.tuples(st.integers(0, 20), st.integers(1, 30)),
    holes=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 8)), max_size=5),
    seed=st.integers(0, 10**6),
)
def test_places_are_drawn_outside_holes(span, holes, seed):
    a, b = span[0], span[0] + span[1]
    ranges = [(start, start + length) for start, length in holes]
    allowed = sorted(set(range(a, b)) - {p for start, stop in ranges for p in range(start, stop)})
    if allowed:
        drawn = _without((a, b), ranges, len(allowed), np.random.default_rng(seed))
        assert sorted(drawn.tolist()) == allowed
