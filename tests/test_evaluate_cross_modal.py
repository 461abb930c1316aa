"""Moments looked up across modalities and probes carried across: against plain loops, and with nothing in common."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kinelet.corpus.splits import Split, kfold
from kinelet.errors import BadOptionError
from kinelet.evaluate.cross_modal import carry_over, look_up, median_replicates
from kinelet.evaluate.modality_probe import Group, ModalityProbe
from kinelet.evaluate.retrieval_result import RetrievalResult
from kinelet.evaluate.statistics import resamples
from kinelet.evaluate.task import FloatArray, Task
from kinelet.signal.spec import imu_spec

PEOPLE = tuple("abcdef")
N, DIM = 180, 8


def world(noise: float, seed: int = 0) -> tuple[dict[str, FloatArray], Task]:
    """One code that two modalities know up to noise, and a class that can be told from it."""
    g = np.random.default_rng(seed)
    y = g.integers(0, 3, N)
    code = g.normal(size=(N, DIM)) + 3.0 * np.eye(DIM)[y]
    shared = {name: (code + noise * g.normal(size=(N, DIM))).astype(np.float32) for name in ("acc", "bvp")}
    task = Task(shared["acc"], y, np.arange(N) % len(PEOPLE), PEOPLE, imu_spec(50.0), ("x", "y", "z"), name="own")
    return shared, task


def found(noise: float) -> list[RetrievalResult]:
    shared, task = world(noise)
    return look_up(shared, task.subject, task.subjects, name="m", task="own")


def probe(width: int | None = None) -> ModalityProbe:
    return ModalityProbe(groups=(Group(name="u", columns=DIM),), width=width)


def test_ranks_are_those_of_a_plain_search() -> None:
    shared, _ = world(0.7)
    forth = found(0.7)[0]
    q, g = (u / np.linalg.norm(u, axis=1, keepdims=True) for u in shared.values())
    scores = q @ g.T
    rank = np.array([1 + sum(scores[i, j] > scores[i, i] for j in range(N)) for i in range(N)])
    assert forth.direction == "acc -> bvp"
    assert forth.values["r@1"] == pytest.approx((rank == 1).mean())
    assert forth.values["r@10"] == pytest.approx((rank <= 10).mean())
    assert forth.values["median_rank"] == np.median(rank)
    assert (forth.queries, forth.gallery, forth.people) == (N, N, PEOPLE)


def test_random_level_is_that_of_one_right_answer() -> None:
    random = found(0.0)[1].random
    assert random["r@1"] == pytest.approx(1 / N)
    assert random["r@10"] == pytest.approx(10 / N)
    assert random["median_rank"] == (N + 1) / 2


def test_the_same_code_is_found_at_once_and_noise_is_not() -> None:
    assert all(r.values["r@1"] == 1 and r.values["median_rank"] == 1 for r in found(0.0))
    g = np.random.default_rng(1)
    apart = {name: g.normal(size=(N, DIM)).astype(np.float32) for name in ("acc", "bvp")}
    for result in look_up(apart, np.arange(N) % 6, PEOPLE, name="m", task="own"):
        e = result.estimates["r@10"]
        assert e.lo <= result.random["r@10"] <= e.hi


def test_median_of_every_resample_is_the_median_of_the_people_drawn() -> None:
    g = np.random.default_rng(2)
    rank, person = g.integers(1, 40, 50).astype(np.float64), g.integers(0, 5, 50)
    expected = [
        np.median(np.concatenate([np.repeat(rank[person == p], int(w[p])) for p in range(5)])) for w in resamples(5)
    ]
    np.testing.assert_array_equal(median_replicates(rank, person, 5), expected)


def test_interval_of_the_median_rank_lies_in_the_gallery() -> None:
    for result in found(1.5):
        e = result.estimates["median_rank"]
        assert 1 <= e.lo <= e.value <= e.hi <= N


def test_three_modalities_are_looked_up_in_all_directions() -> None:
    shared, task = world(0.1)
    got = look_up(shared | {"gyr": shared["acc"]}, task.subject, task.subjects, name="m", task="own")
    assert len({r.direction for r in got}) == 6


def test_probe_of_one_modality_is_judged_on_the_other_as_it_is() -> None:
    shared, task = world(0.8)
    splits = kfold(PEOPLE, 3, 0)
    got = {(r.options["learnt_on"], r.options["judged_on"]): r for r in carry_over(shared, task, splits, probe(4), "m")}
    assert list(got) == [("acc", "acc"), ("acc", "bvp"), ("bvp", "acc"), ("bvp", "bvp")]
    expected = np.full(N, -1)
    for split in splits:
        train, test = task.rows(split.train), task.rows(split.test)
        learnt = task.take(train).with_x(shared["acc"][train])
        expected[test] = probe(4).predict(learnt, shared["bvp"][test], None, lambda _note: None)[0]
    np.testing.assert_array_equal(got["acc", "bvp"].predicted[0], expected)


def test_transfer_sees_alignment_where_a_probe_on_both_does_not() -> None:
    shared, task = world(0.3)
    turned = {"acc": shared["acc"], "bvp": np.roll(shared["bvp"], 1, axis=1)}
    splits = kfold(PEOPLE, 3, 0)
    same, other = (
        {(r.options["learnt_on"], r.options["judged_on"]): r.estimates["accuracy"].value for r in results}
        for results in (carry_over(s, task, splits, probe(), "m") for s in (shared, turned))
    )
    assert same["acc", "bvp"] > 0.9
    assert other["bvp", "bvp"] > 0.9
    assert other["acc", "bvp"] < 0.4


def test_values_are_carried_across_too() -> None:
    shared, task = world(0.1)
    values = Task(task.x, 2.0 * shared["acc"][:, 0] + 1, task.subject, PEOPLE, task.spec)
    across = carry_over(shared, values, kfold(PEOPLE, 3, 0), probe(), "m")[1]
    assert across.estimates["r"].value > 0.95


def test_moments_that_lack_a_modality_are_left_out() -> None:
    shared, task = world(0.3)
    shared["bvp"][:30] = np.nan
    for result in carry_over(shared, task, kfold(PEOPLE, 3, 0), probe(), "m"):
        np.testing.assert_array_equal(np.sort(result.row), np.arange(N - 30))


def test_folds_without_a_complete_moment_are_left_out() -> None:
    shared, task = world(0.3)
    shared["bvp"][task.rows(["f"])] = np.nan
    lonely = Split(tuple("abcde"), ("f",))
    assert carry_over(shared, task, [lonely], probe(), "m") == []
    both = carry_over(shared, task, [lonely, Split(tuple("bcdef"), ("a",))], probe(), "m")
    assert all(r.subjects == ("a",) for r in both)


def test_parts_of_several_widths_are_refused() -> None:
    shared, task = world(0.3)
    wide = shared | {"bvp": np.pad(shared["bvp"], ((0, 0), (0, 1)))}
    with pytest.raises(BadOptionError, match="differ in width"):
        look_up(wide, task.subject, PEOPLE, name="m", task="own")
    with pytest.raises(BadOptionError, match="differ in width"):
        carry_over(wide, task, kfold(PEOPLE, 3, 0), probe(), "m")


def test_kept_results_come_back_with_their_median_rank(tmp_path: Path) -> None:
    first = found(0.7)[0]
    first.save(tmp_path / "x.json")
    again = RetrievalResult.load(tmp_path / "x.json")
    assert again.estimates["median_rank"].value == first.estimates["median_rank"].value
    assert first.difference(again, "median_rank").value == 0
