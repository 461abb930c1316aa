"""Samplers are pure functions of seed and step, and draw what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_tools import corpus_of, people, with_gaps
from kinelet.corpus import Windows, union
from kinelet.corpus.permutation import permuted
from kinelet.corpus.samplers import BalancedSampler, MixSampler, RandomSampler, SequenceSampler
from kinelet.errors import BadOptionError


@pytest.fixture(scope="module")
def windows(tmp_path_factory) -> Windows:
    return corpus_of(tmp_path_factory.mktemp("samplers"), *people(5)).windows(1.0)


@pytest.fixture(scope="module")
def gappy(tmp_path_factory) -> Windows:
    recs = [with_gaps([310, 90, 205], name=f"r{i}", subject=f"P{i}") for i in range(3)]
    return corpus_of(tmp_path_factory.mktemp("gappy"), *recs).windows(1.0, 0.5)


@settings(max_examples=80, deadline=None)
@given(n=st.integers(1, 3000), seed=st.integers(0, 2**62), epoch=st.integers(0, 10**6))
def test_a_permutation_hits_every_number_once(n, seed, epoch):
    assert np.array_equal(np.sort(permuted(np.arange(n), n, (seed, epoch))), np.arange(n))


def test_permutations_look_random():
    # Each of 50 numbers should land on each of 50 places about 40 times in 2000 draws.
    counts = np.zeros((50, 50))
    for epoch in range(2000):
        counts[np.arange(50), permuted(np.arange(50), 50, (7, epoch))] += 1
    chi2 = ((counts - 40) ** 2 / 40).sum()
    assert chi2 == pytest.approx(49 * 49, abs=5 * np.sqrt(2 * 49 * 49))


def test_a_huge_permutation_costs_nothing():
    assert len(set(permuted(np.arange(64), 10**12, (0, 0)).tolist())) == 64


@pytest.mark.parametrize("batch", [1, 7, 32])
def test_an_epoch_holds_every_window_at_most_once_and_leaves_out_less_than_a_batch(windows, batch):
    sampler = RandomSampler(windows, batch, seed=3)
    seen = np.concatenate([sampler.indices(s) for s in range(sampler.steps_per_epoch)])
    assert len(set(seen.tolist())) == len(seen) > len(windows) - batch


def test_epochs_differ(windows):
    sampler = RandomSampler(windows, 8)
    assert not np.array_equal(sampler.indices(0), sampler.indices(sampler.steps_per_epoch))


def test_seeds_differ(windows):
    assert not np.array_equal(
        RandomSampler(windows, 8, seed=0).indices(0), RandomSampler(windows, 8, seed=1).indices(0)
    )


def test_a_step_does_not_depend_on_what_was_drawn_before(windows):
    one, two = RandomSampler(windows, 8, seed=5), RandomSampler(windows, 8, seed=5)
    for step in range(20):
        one.indices(step)
    np.testing.assert_array_equal(one.indices(17), two.indices(17))


def test_a_batch_larger_than_the_corpus_is_refused(windows):
    with pytest.raises(BadOptionError, match="smaller batch"):
        RandomSampler(windows, len(windows) + 1)


def test_an_empty_batch_is_refused(windows):
    with pytest.raises(BadOptionError):
        RandomSampler(windows, 0)


@pytest.mark.parametrize("length", [1, 2, 4])
def test_sequences_are_neighbours_in_one_stretch(gappy, length):
    runs = SequenceSampler(gappy, 3, length).indices(4).reshape(3, length)
    assert (np.diff(gappy.start[runs], axis=1) == gappy.hop).all()
    assert all(len(set(gappy.span[run].tolist())) == 1 for run in runs)


def test_every_run_comes_up_once_an_epoch(gappy):
    sampler = SequenceSampler(gappy, 1, 3)
    first = sorted(int(sampler.indices(s)[0]) for s in range(sampler.steps_per_epoch))
    expected = [i for i in range(len(gappy) - 2) if gappy.span[i] == gappy.span[i + 2]]
    assert first == expected


def test_sequences_of_selected_windows_have_no_holes(gappy):
    some = gappy.select(np.arange(len(gappy)) % 4 != 3)
    runs = SequenceSampler(some, 2, 3).indices(0).reshape(2, 3)
    assert (np.diff(some.start[runs], axis=1) == some.hop).all()


def test_too_long_sequences_are_refused(gappy):
    with pytest.raises(BadOptionError, match="runs of 50"):
        SequenceSampler(gappy, 1, 50)


def test_mixed_steps_have_the_shares_asked_for(windows, gappy):
    mix = MixSampler([(RandomSampler(windows, 4), 3.0), (RandomSampler(gappy, 4), 1.0)], seed=2)
    chosen = np.array([mix.choice(s)[0] for s in range(300)])
    assert [np.sum(chosen[i : i + 100] == 1) for i in (0, 100, 200)] == [25, 25, 25]


def test_each_part_of_a_mix_goes_through_its_steps_in_order(windows, gappy):
    mix = MixSampler([(RandomSampler(windows, 4), 2.0), (RandomSampler(gappy, 4), 1.0)])
    inner: dict[int, list[int]] = {0: [], 1: []}
    for step in range(250):
        chosen, its_step = mix.choice(step)
        inner[chosen].append(its_step)
    assert all(steps == list(range(len(steps))) for steps in inner.values())


def test_a_mixed_batch_is_one_of_its_parts(windows, gappy):
    parts = (RandomSampler(windows, 4), RandomSampler(gappy, 4))
    mix = MixSampler([(p, 1.0) for p in parts])
    chosen, inner = mix.choice(42)
    np.testing.assert_array_equal(mix.indices(42), parts[chosen].indices(inner))
    assert mix.draw(42).windows is parts[chosen].windows


@pytest.fixture(scope="module")
def joined(tmp_path_factory) -> Windows:
    big = corpus_of(tmp_path_factory.mktemp("big"), *people(4))
    small = corpus_of(tmp_path_factory.mktemp("small"), *people(1))
    return union([big, small]).windows(1.0)


def test_balanced_batches_hold_as_much_of_every_part(joined):
    for step in range(20):
        assert np.bincount(joined.part_of(BalancedSampler(joined, 8).indices(step))).tolist() == [4, 4]


def test_every_shard_of_a_balanced_batch_holds_every_part(joined):
    parts = joined.part_of(BalancedSampler(joined, 8).indices(1)).reshape(4, 2)
    assert (np.sort(parts, axis=1) == [0, 1]).all()


def test_each_part_of_balanced_batches_has_its_own_epochs(joined):
    sampler = BalancedSampler(joined, 10)
    small = min(len(g) for g in sampler.groups)
    drawn = np.concatenate([sampler.indices(s) for s in range(small // 5)])
    assert len(set(drawn.tolist())) == len(drawn)


def test_an_uneven_balanced_batch_is_refused(joined):
    with pytest.raises(BadOptionError, match="multiple of 2"):
        BalancedSampler(joined, 7)


def test_weights_must_be_positive(windows):
    with pytest.raises(BadOptionError, match="weights"):
        MixSampler([(RandomSampler(windows, 4), 0.0)])


def test_a_weight_too_small_to_be_drawn_is_refused(windows):
    with pytest.raises(BadOptionError, match="half a percent"):
        MixSampler([(RandomSampler(windows, 4), 1.0), (RandomSampler(windows, 4), 1e-4)])
