"""Groups of one person's windows, and the order in which windows lead them."""

from __future__ import annotations

import numpy as np
import pytest

from corpus_tools import corpus_of, recording
from kinelet.corpus import Windows, union
from kinelet.corpus.blocks import BlockSampler
from kinelet.corpus.cycle import PartsCycle, PeopleCycle, PlainCycle
from kinelet.corpus.turns import TurnSampler
from kinelet.errors import BadOptionError
from kinelet.signal.spec import imu_spec

SLOW = imu_spec(1.0)


def hours(subject: str, name: str, start_h: float, length_h: float = 2.0):
    return recording(name, subject, round(length_h * 3600), spec=SLOW, start_unix_s=start_h * 3600.0)


@pytest.fixture(scope="module")
def windows(tmp_path_factory) -> Windows:
    """P0 has two recordings that share hour 10; windows overlap by half."""
    recs = [hours("P0", "a", 9.5), hours("P0", "b", 10.25), *(hours(f"P{i}", f"r{i}", i) for i in range(1, 6))]
    return corpus_of(tmp_path_factory.mktemp("blocks"), *recs).windows(60.0, 30.0)


def groups_of(sampler: BlockSampler, step: int) -> np.ndarray:
    return sampler.draw(step).index.reshape(-1, sampler.size)


@pytest.mark.parametrize("size", [2, 12])
def test_a_group_is_of_one_person_and_hour_and_no_two_windows_share_samples(windows, size):
    sampler = BlockSampler(windows, 12, size, drop_short=True)
    for step in range(10):
        for group in groups_of(sampler, step):
            assert len(set(windows.subject[group].tolist())) == 1 == len(set(windows.hour[group].tolist()))
            same = windows.recording[group][:, None] == windows.recording[group]
            near = np.abs(windows.start[group][:, None] - windows.start[group]) < windows.n_samples
            assert ((same & near) == np.eye(size, dtype=bool)).all()


def test_windows_of_the_whole_person_come_together_when_asked(windows):
    groups = np.concatenate([groups_of(BlockSampler(windows, 6, 30, within="subject"), s) for s in range(5)])
    assert (windows.subject[groups] == windows.subject[groups[:, :1]]).all()
    assert (windows.hour[groups] != windows.hour[groups[:, :1]]).any()


def test_tight_pools_are_filled_though_chance_packs_them_loosely(windows):
    """An hour holds 60 windows that do not overlap; chance alone packs about three quarters of them."""
    sampler = BlockSampler(windows, 6, 59, drop_short=True)
    assert groups_of(sampler, 0).shape == (6, 59)
    assert all(len(set(g.tolist())) == 59 for g in groups_of(sampler, 1))


def test_groups_are_of_different_people_where_there_are_enough(windows):
    lead = groups_of(BlockSampler(windows, 6, 5, drop_short=True), 7)[:, 0]
    assert len(set(windows.subject[lead].tolist())) == 6


def test_every_window_leads_within_an_epoch_of_the_busiest_person(windows):
    sampler = BlockSampler(windows, 4, 3, drop_short=True)
    most = np.bincount(windows.subject[sampler.leads]).max()
    rounds = -(-6 * most // 4) + 6
    led = np.concatenate([groups_of(sampler, s)[:, 0] for s in range(rounds)])
    assert set(led.tolist()) == set(sampler.leads.tolist())


def test_a_step_is_a_pure_function_of_seed_and_step(windows):
    one, two = BlockSampler(windows, 6, 5, seed=4), BlockSampler(windows, 6, 5, seed=4)
    one.draw(0)
    np.testing.assert_array_equal(one.draw(9).index, two.draw(9).index)
    assert (BlockSampler(windows, 6, 5, seed=5).draw(9).index != one.draw(9).index).any()


def test_too_small_pools_fail_with_the_count_and_the_remedy(windows):
    with pytest.raises(BadOptionError, match=r"\d+ of 1673 windows are of an hour with fewer than 50.*Use fewer"):
        BlockSampler(windows, 6, 50)


def test_small_pools_are_left_out_on_demand_and_counted(windows):
    sampler = BlockSampler(windows, 6, 50, drop_short=True)
    assert 0 < sampler.dropped == len(windows) - len(sampler.leads)


def test_ranks_get_whole_groups(windows):
    assert BlockSampler(windows, 6, 5).draw(0).run == 5


def test_parts_of_a_union_have_equal_shares(tmp_path):
    big = corpus_of(tmp_path / "big", *(recording(f"r{i}", f"P{i}", 900, seed=i) for i in range(8)))
    small = corpus_of(tmp_path / "small", *(recording(f"r{i}", f"P{i}", 900, seed=9 + i) for i in range(2)))
    windows = union([big, small]).windows(1.0)
    index = BlockSampler(windows, 6, 4, balance=True).draw(3).index.reshape(6, 4)
    assert np.bincount(windows.part_of(index[:, 0])).tolist() == [3, 3]
    with pytest.raises(BadOptionError, match="5 anchors or groups a batch cannot be shared by 2 parts"):
        BlockSampler(windows, 5, 4, balance=True)


@pytest.mark.parametrize(("people", "batch"), [(7, 3), (7, 7), (3, 8), (5, 4)])
def test_people_take_turns_and_are_never_twice_in_a_batch_that_has_room(people, batch):
    subject = np.repeat(np.arange(people), np.arange(1, people + 1) * 4)
    cycle = PeopleCycle(np.arange(len(subject)), subject, batch, (0,))
    turns = np.zeros(people, dtype=int)
    for step in range(people * 3):
        counts = np.bincount(subject[cycle.draw(step)], minlength=people)
        assert counts.max() - counts.min() <= 1 and (batch > people or counts.max() == 1)
        turns += counts
    assert (turns == 3 * batch).all()


def test_each_person_s_windows_come_up_once_an_epoch():
    subject = np.repeat([0, 1], [6, 11])
    cycle = PeopleCycle(np.arange(17), subject, 2, (3,))
    drawn = np.concatenate([cycle.draw(s) for s in range(11)])
    mine = drawn[subject[drawn] == 0]
    assert sorted(mine[:6].tolist()) == list(range(6)) and len(set(mine[6:].tolist())) == 5
    assert sorted(drawn[subject[drawn] == 1].tolist()) == list(range(6, 17))


def test_a_plain_cycle_reaches_every_window_once_an_epoch():
    cycle = PlainCycle(np.arange(100, 112), 4, (1,))
    first = np.concatenate([cycle.draw(s) for s in range(3)])
    assert sorted(first.tolist()) == list(range(100, 112))
    assert first.tolist() != np.concatenate([cycle.draw(s) for s in range(3, 6)]).tolist()


def test_a_batch_larger_than_all_windows_holds_every_one():
    assert set(PlainCycle(np.arange(3), 5, (1,)).draw(0).tolist()) == {0, 1, 2}


def test_parts_alternate():
    part = np.array([0, 0, 0, 1, 1, 1])
    cycle = PartsCycle(np.arange(6), np.arange(6), part, 4, (0,))
    assert part[cycle.draw(0)].tolist() == [0, 1, 0, 1]


def test_windows_without_candidates_are_of_different_people(windows):
    sampler = TurnSampler(windows, 6, seed=2)
    drawn = [sampler.draw(s) for s in range(40)]
    assert all(len(set(windows.subject[d.index].tolist())) == 6 and d.candidates is None for d in drawn)
    assert len({int(i) for d in drawn for i in d.index}) == 240


@pytest.mark.parametrize(
    ("batch", "balance", "told"), [(9, False, "9 from 8 windows"), (6, True, "3 from 2 windows of")]
)
def test_a_batch_without_candidates_is_not_filled_up_with_windows_drawn_twice(tmp_path, batch, balance, told):
    many, few = recording("a", "P0", 360, spec=SLOW), recording("b", "P1", 120, spec=SLOW)
    both = union([corpus_of(tmp_path / "many", many), corpus_of(tmp_path / "few", few)]).windows(60.0)
    with pytest.raises(BadOptionError, match=f"a batch of {told}.*smaller batch, a shorter hop or more data"):
        TurnSampler(both, batch, balance=balance)


def test_a_person_with_fewer_windows_than_turns_gives_some_again_as_documented(tmp_path):
    recs = recording("a", "P0", 360, spec=SLOW), recording("b", "P1", 120, spec=SLOW)
    windows = corpus_of(tmp_path / "own", *recs).windows(60.0)
    drawn = TurnSampler(windows, 8).draw(0).index
    assert np.bincount(windows.subject[drawn]).tolist() == [4, 4]
    assert len(set(drawn[windows.subject[drawn] == 1].tolist())) == 2
