"""Sequences of consecutive moments, shares of them, and what is kept out (check 20 of the specification)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinelet.corpus.loader import iterate_batches, load_batch
from kinelet.corpus.moment_sampler import MomentSampler, deal, near
from kinelet.corpus.moment_tiles import tiles
from kinelet.corpus.moments import Moments, moments
from kinelet.errors import BadOptionError
from moment_tools import acc, bvp, corpus_of, wristbands


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory) -> Moments:
    """Moments of three people with gaps in either sensor, at different places."""
    made = []
    for i in range(3):
        pulse = bvp(64.0, (2.0, 31.0 + i), (31.9 + i, 70.0), (75.0, 90.0), subject=f"P{i}")
        first = acc(32.0, (0.0, 44.0), (45.1, 100.0), subject=f"P{i}", name=f"r{i}", streams={"bvp": pulse})
        made.append(first)
    return moments(corpus_of(tmp_path_factory.mktemp("torn"), *made), None, 2.0)


def naive_tiles(made: Moments, length: int) -> list[list[int]]:
    """Go through the moments one by one; a sequence ends where the next moment may not join it."""
    runs, hop = made.layout.runs, made.layout.rules.hop_s
    run = made.locate(np.arange(len(made)))[0]
    stretch = runs.stretch[run]
    found: list[list[int]] = []
    piece: list[int] = []

    def joins(i: int) -> bool:
        last = piece[-1]
        near = made.clock[i] == made.clock[last] and abs(made.time_s[i] - made.time_s[last] - hop) < 1e-6
        return near and runs.chain[run[i]] == runs.chain[run[last]] and all(same_stretch(i, m) for m in range(2))

    def same_stretch(i: int, modality: int) -> bool:
        had = {int(stretch[j, modality]) for j in piece} - {-1}
        return stretch[i, modality] < 0 or not had or had == {int(stretch[i, modality])}

    for i in range(len(made)):
        if piece and not joins(i):
            found += [piece[k : k + length] for k in range(0, len(piece) - length + 1, length)]
            piece = []
        piece.append(i)
    return found + [piece[k : k + length] for k in range(0, len(piece) - length + 1, length)]


@pytest.mark.parametrize("length", [1, 2, 3, 4, 7])
def test_sequences_are_those_of_a_plain_walk(torn: Moments, length: int) -> None:
    first = tiles(torn, length)
    assert (first[:, None] + np.arange(length)).tolist() == naive_tiles(torn, length)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.floats(0.2, 1.0))
def test_sequences_of_a_selection_are_those_of_a_plain_walk(torn: Moments, seed: int, length: int, kept: float) -> None:
    some = torn.select(np.random.default_rng(seed).random(len(torn)) < kept)
    assert (tiles(some, length)[:, None] + np.arange(length)).tolist() == naive_tiles(some, length)


def test_check_20_sequences_cross_no_recording_and_no_gap(torn: Moments) -> None:
    first = tiles(torn, 4)
    members = first[:, None] + np.arange(4)
    stretch = torn.stretch_of(members.ravel()).reshape(-1, 4, 2)
    kinds = [len(set(row[row >= 0].tolist())) for sequence in stretch for row in sequence.T]
    steps = np.diff(torn.time_s[members], axis=1)
    same_clock = (torn.clock[members] == torn.clock[first][:, None]).all()
    assert (max(kinds), bool(np.allclose(steps, 2.0)), bool(same_clock)) == (1, True, True)


def test_check_20_every_moment_at_most_once_an_epoch(torn: Moments) -> None:
    sampler = MomentSampler(torn, 3, 4)
    drawn = Counter(i for step in range(sampler.steps_per_epoch) for i in sampler.indices(step).tolist())
    assert max(drawn.values()) == 1


def test_all_but_the_tails_and_a_last_batch_are_drawn(torn: Moments) -> None:
    sampler = MomentSampler(torn, 1, 4)
    drawn = {i for step in range(sampler.steps_per_epoch) for i in sampler.indices(step).tolist()}
    assert len(drawn) == len(torn) - sampler.dropped


def test_epochs_are_shuffled_anew(torn: Moments) -> None:
    sampler = MomentSampler(torn, len(tiles(torn, 4)), 4)
    assert sampler.indices(0).tolist() != sampler.indices(1).tolist()


def test_a_step_depends_on_nothing_drawn_before(torn: Moments) -> None:
    used = MomentSampler(torn, 3, 4, seed=5)
    for step in range(4):
        used.draw(step)
    assert used.indices(9).tolist() == MomentSampler(torn, 3, 4, seed=5).indices(9).tolist()


def test_a_batch_takes_all_sequences_where_there_are_fewer(torn: Moments) -> None:
    sampler = MomentSampler(torn, 10_000, 4)
    assert (sampler.sequences, sampler.steps_per_epoch) == (len(tiles(torn, 4)), 1)


def test_rows_of_a_sequence_follow_each_other(torn: Moments) -> None:
    batch = load_batch(MomentSampler(torn, 3, 4).draw(0))
    assert (batch["sequence"].tolist(), batch["moment"].tolist()) == (np.repeat(range(3), 4).tolist(), [0, 1, 2, 3] * 3)


def test_two_processes_share_a_batch_by_whole_sequences(torn: Moments) -> None:
    sampler = MomentSampler(torn, 4, 3)
    halves = [next(iterate_batches(sampler, steps=1, rank=r, world=2))[1] for r in range(2)]
    assert [h["sequence"].tolist() for h in halves] == [[0, 0, 0, 1, 1, 1], [2, 2, 2, 3, 3, 3]]


def test_threads_read_the_same_batches(torn: Moments) -> None:
    sampler = MomentSampler(torn, 3, 4)
    one, many = (list(iterate_batches(sampler, steps=5, workers=w)) for w in (0, 3))
    assert all(np.array_equal(a["x.bvp"], b["x.bvp"]) for (_, a), (_, b) in zip(one, many, strict=True))


def test_sequences_longer_than_any_run_are_refused(torn: Moments) -> None:
    with pytest.raises(BadOptionError, match="no sequence of 99 consecutive moments"):
        MomentSampler(torn, 2, 99)


@pytest.mark.parametrize(("sequences", "length"), [(0, 4), (2, 0)])
def test_empty_batches_are_refused(torn: Moments, sequences: int, length: int) -> None:
    with pytest.raises(BadOptionError):
        MomentSampler(torn, sequences, length)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Moments:
    """960 moments of one person without a gap: 240 sequences of 4."""
    pulse = bvp(8.0, (0.0, 960.0), subject="P")
    made = acc(8.0, (0.0, 960.0), subject="P", name="r", streams={"bvp": pulse})
    return moments(corpus_of(tmp_path_factory.mktemp("long"), made), None, 1.0)


def neighbours(made: Moments, index: np.ndarray, length: int) -> int:
    """Pairs of sequences of a batch that follow each other, counted one by one."""
    starts = [(made.clock[i], made.time_s[i]) for i in index[::length]]
    step = length * made.layout.rules.hop_s
    return sum(a[0] == b[0] and 0 < b[1] - a[1] < step * 1.5 for a in starts for b in starts)


def test_sequences_of_a_batch_do_not_follow_each_other(long: Moments) -> None:
    """Random batches of 16 of 240 sequences hold one such pair each on average; ours hold none."""
    sampler = MomentSampler(long, 16, 4)
    assert len(sampler.first) == 240
    rng = np.random.default_rng(0)
    by_chance = [rng.choice(sampler.first, 16, replace=False) for _ in range(45)]
    chance = sum(neighbours(long, np.repeat(f, 4), 4) for f in by_chance)
    ours = sum(neighbours(long, sampler.indices(step), 4) for step in range(45))
    assert (ours, chance > 20) == (0, True)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 40), st.integers(0, 2**32 - 1), st.integers(0, 5))
def test_a_deal_gives_each_place_once_and_none_near_another(n: int, sequences: int, seed: int, epoch: int) -> None:
    sequences = min(sequences, n)
    dealt = deal(n, sequences, (seed, epoch))
    batches = n // sequences
    assert dealt.shape == (batches, sequences)
    assert len(np.unique(dealt)) == batches * sequences
    ordered = np.sort(dealt, axis=1)
    around = np.diff(np.concatenate([ordered, ordered[:, :1] + n], axis=1), axis=1)
    assert around.min() >= batches // 2 + 1


def test_what_an_epoch_leaves_over_is_drawn_in_another() -> None:
    drawn = [set(deal(23, 5, (0, epoch)).ravel().tolist()) for epoch in range(20)]
    assert (len(drawn[0]), set().union(*drawn)) == (20, set(range(23)))


def test_batches_are_not_the_same_ones_every_epoch() -> None:
    met = {frozenset(batch) for epoch in range(5) for batch in deal(240, 16, (0, epoch)).tolist()}
    assert len(met) == 75


def test_rows_of_a_batch_are_not_in_the_order_of_time() -> None:
    dealt = deal(240, 16, (0, 0))
    assert not (np.diff(dealt, axis=1) > 0).all(axis=1).any()


def test_neighbours_are_counted_where_one_batch_is_all_there_is(long: Moments) -> None:
    assert (MomentSampler(long, 240, 4).neighbours, MomentSampler(long, 120, 4).neighbours) == (240, 0)


def test_neighbours_are_those_with_less_than_a_sequence_between(long: Moments) -> None:
    assert near(long, np.array([0, 4, 12, 19, 400]), 4) == 4


def members(made: Moments) -> set[int]:
    return set(made.base(np.arange(len(made))).tolist())


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.001, 1.0), st.floats(0.001, 1.0), st.integers(1, 5))
def test_a_smaller_share_is_part_of_a_larger_one(torn: Moments, seed: int, a: float, b: float, length: int) -> None:
    small, large = sorted((a, b))
    assert members(torn.share(small, seed, length)) <= members(torn.share(large, seed, length))


def test_a_share_is_of_whole_sequences(torn: Moments) -> None:
    shared = torn.share(0.3, 0, 4)
    assert members(shared) == {int(i) for f in tiles(shared, 4) for i in shared.base(np.arange(f, f + 4))}


def test_a_share_has_its_size(torn: Moments) -> None:
    n = len(tiles(torn, 4))
    assert len(torn.share(0.3, 0, 4)) == 4 * round(0.3 * n)


def test_the_smallest_share_is_one_sequence(torn: Moments) -> None:
    assert len(torn.share(1e-9, 0, 4)) == 4


def test_a_share_of_one_is_everything(torn: Moments) -> None:
    assert members(torn.share(1.0, 0, 4)) == members(torn)


def test_seeds_choose_differently(torn: Moments) -> None:
    assert members(torn.share(0.3, 0, 2)) != members(torn.share(0.3, 1, 2))


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.1])
def test_shares_that_are_none_are_refused(torn: Moments, fraction: float) -> None:
    with pytest.raises(BadOptionError, match="a share of"):
        torn.share(fraction)


def test_what_is_kept_out_is_not_in_the_rest(torn: Moments) -> None:
    rest, out = torn.keep_out(0.2, 0, 4)
    assert (members(rest) & members(out), members(rest) | members(out)) == (set(), members(torn))


def test_what_overlaps_in_time_with_what_is_kept_out_is_in_neither(tmp_path: Path) -> None:
    made = moments(wristbands(tmp_path), None, 4.0, 1.0)
    rest, out = made.keep_out(0.2, 0, 3)
    apart = np.abs(rest.time_s[:, None] - out.time_s)[rest.clock[:, None] == out.clock]
    assert apart.min() >= 4.0 - 1e-6


def test_no_more_is_left_out_than_overlaps(tmp_path: Path) -> None:
    made = moments(wristbands(tmp_path), None, 4.0, 1.0)
    rest, out = made.keep_out(0.2, 0, 3)
    near = (made.clock[:, None] == out.clock) & (np.abs(made.time_s[:, None] - out.time_s) < 4.0 - 1e-6)
    assert members(rest) == set(np.flatnonzero(~near.any(axis=1)).tolist())


def test_one_sequence_alone_is_not_kept_out(tmp_path: Path) -> None:
    rest, out = moments(wristbands(tmp_path, 1, 10.0), None, 5.0).keep_out(0.5, 0, 2)
    assert (len(rest), len(out)) == (2, 0)


def test_nothing_kept_out_leaves_everything(torn: Moments) -> None:
    rest, out = torn.keep_out(0.0)
    assert (len(rest), len(out)) == (len(torn), 0)


def test_nothing_at_all_is_in_no_sequence(torn: Moments) -> None:
    assert not len(tiles(torn.select([]), 3))
