"""Splits of people: nobody on both sides, everybody covered, the same for a seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_tools import corpus_of, recording
from kinelet.corpus import Split, holdout, kfold, leave_one_subject_out, official
from kinelet.errors import BadOptionError

PEOPLE = st.lists(st.text("abc123", min_size=1, max_size=5), min_size=2, max_size=30, unique=True)


@given(PEOPLE, st.integers(2, 30), st.integers(0, 2**31))
def test_folds_cover_everybody_once_and_never_share(people, k, seed):
    if k > len(people):
        return
    splits = kfold(people, k, seed)
    assert sorted(p for s in splits for p in s.test) == sorted(people)
    assert all(set(s.train) == set(people) - set(s.test) for s in splits)


@given(PEOPLE, st.integers(2, 30), st.integers(0, 2**31))
def test_folds_are_of_even_size(people, k, seed):
    if k <= len(people):
        sizes = [len(s.test) for s in kfold(people, k, seed)]
        assert max(sizes) - min(sizes) <= 1


@given(PEOPLE, st.integers(0, 2**31), st.randoms())
def test_folds_depend_on_the_set_of_people_and_the_seed_only(people, seed, random):
    mixed = list(people)
    random.shuffle(mixed)
    assert kfold(people, 2, seed) == kfold(mixed, 2, seed)


def test_seeds_differ():
    people = [f"P{i}" for i in range(20)]
    assert kfold(people, 4, seed=0) != kfold(people, 4, seed=1)


def test_folds_are_the_same_in_every_version():
    # The deal is part of published results; it must not change unnoticed.
    assert kfold([f"P{i}" for i in range(6)], 3, seed=0)[0].test == tuple(
        sorted(np.array([f"P{i}" for i in range(6)])[np.random.default_rng(0).permutation(6)][0::3].tolist())
    )


@given(PEOPLE)
def test_leaving_one_out_tests_everybody_alone(people):
    splits = leave_one_subject_out(people)
    assert [s.test for s in splits] == [(p,) for p in sorted(people)]
    assert all(set(s.train) | set(s.test) == set(people) for s in splits)


@given(PEOPLE, st.floats(0.01, 0.99), st.integers(0, 2**31))
def test_holdout_puts_somebody_on_each_side(people, fraction, seed):
    split = holdout(people, fraction, seed)
    assert split.train and split.test and set(split.train) | set(split.test) == set(people)


def test_holdout_takes_its_share():
    assert len(holdout([f"P{i}" for i in range(20)], 0.25).test) == 5


def test_a_person_on_both_sides_is_refused():
    with pytest.raises(BadOptionError, match="both sides"):
        Split(("a", "b"), ("b",))


@pytest.mark.parametrize(("train", "test"), [((), ("a",)), (("a",), ())])
def test_an_empty_side_is_refused(train, test):
    with pytest.raises(BadOptionError, match="nobody"):
        Split(train, test)


@pytest.mark.parametrize("make", [leave_one_subject_out, lambda p: kfold(p, 2), lambda p: holdout(p, 0.5)])
def test_a_name_for_each_window_is_refused(make):
    with pytest.raises(BadOptionError, match="people, not windows"):
        make(["P1", "P1", "P2", "P2"])


@pytest.mark.parametrize("make", [leave_one_subject_out, lambda p: kfold(p, 2), lambda p: holdout(p, 0.5)])
def test_one_person_cannot_be_split(make):
    with pytest.raises(BadOptionError):
        make(["P1"])


@pytest.mark.parametrize("k", [0, 1, 4])
def test_impossible_numbers_of_folds(k):
    with pytest.raises(BadOptionError, match="folds"):
        kfold(["a", "b", "c"], k)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5])
def test_impossible_fractions(fraction):
    with pytest.raises(BadOptionError, match="fraction"):
        holdout(["a", "b"], fraction)


def test_the_official_split_is_read_from_the_recordings(tmp_path):
    parts = [
        recording(f"r{p}", p, n=60, meta={"split": side}) for p, side in [("1", "train"), ("2", "test"), ("3", "train")]
    ]
    assert official(corpus_of(tmp_path, *parts)) == Split(("1", "3"), ("2",), name="official")


def test_further_splits_have_names(tmp_path):
    parts = [recording(f"r{p}", p, n=60, meta={"splits": {"b": side}}) for p, side in [("1", "train"), ("2", "test")]]
    assert official(corpus_of(tmp_path, *parts), "b").test == ("2",)


def test_a_corpus_without_an_official_split_says_so(tmp_path):
    with pytest.raises(BadOptionError, match="no part in a split"):
        official(corpus_of(tmp_path, recording()))


def test_an_official_split_with_a_person_on_both_sides_is_refused(tmp_path):
    parts = [recording(f"r{side}", "1", n=60, meta={"split": side}) for side in ("train", "test")]
    with pytest.raises(BadOptionError, match="both sides"):
        official(corpus_of(tmp_path, *parts))
