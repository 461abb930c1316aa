"""Batches: the same for any number of workers, from any step, in any number of processes."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from corpus_tools import corpus_of, people
from kinelet.corpus import Windows
from kinelet.corpus.loader import iterate_batches
from kinelet.corpus.samplers import MixSampler, RandomSampler, SequenceSampler
from kinelet.corpus.within import WithinSampler
from kinelet.errors import BadOptionError

KINDS = ["random", "within", "sequence", "mix"]


@pytest.fixture(scope="module")
def windows(tmp_path_factory) -> Windows:
    return corpus_of(tmp_path_factory.mktemp("loader"), *people(6)).windows(1.0)


def sampler_of(kind: str, windows: Windows):
    return {
        "random": lambda: RandomSampler(windows, 8, seed=1),
        "within": lambda: WithinSampler(windows, 8, 5, seed=1),
        "sequence": lambda: SequenceSampler(windows, 4, 3, seed=1),
        "mix": lambda: MixSampler([(RandomSampler(windows, 8), 1.0), (RandomSampler(windows, 8, seed=2), 1.0)]),
    }[kind]()


def collect(sampler, **options):
    return list(iterate_batches(sampler, **options))


def same(one, two) -> bool:
    return [s for s, _ in one] == [s for s, _ in two] and all(
        a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)
        for (_, a), (_, b) in zip(one, two, strict=True)
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_batches_do_not_depend_on_workers(windows, kind, workers):
    sampler = sampler_of(kind, windows)
    assert same(collect(sampler, steps=12), collect(sampler, steps=12, workers=workers))


@pytest.mark.parametrize("kind", KINDS)
def test_resuming_goes_on_exactly(windows, kind):
    whole = collect(sampler_of(kind, windows), steps=20)
    assert same(whole[13:], collect(sampler_of(kind, windows), first_step=13, steps=7, workers=2))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("world", [2, 4])
def test_ranks_read_consecutive_parts_of_the_same_batch(windows, kind, world):
    whole = collect(sampler_of(kind, windows), steps=3)
    parts = [collect(sampler_of(kind, windows), steps=3, rank=r, world=world) for r in range(world)]
    for step, (_, batch) in enumerate(whole):
        for key, value in batch.items():
            np.testing.assert_array_equal(np.concatenate([p[step][1][key] for p in parts]), value)


def test_what_a_batch_holds(windows):
    _, batch = next(iterate_batches(sampler_of("within", windows), steps=1))
    index = batch["index"]
    np.testing.assert_array_equal(batch["x"], windows.gather(index))
    np.testing.assert_array_equal(batch["candidates"][2], windows.gather(batch["candidate_index"][2]))
    np.testing.assert_array_equal(batch["subject"], windows.subject[index])
    np.testing.assert_array_equal(batch["recording"], windows.recording[index])
    np.testing.assert_array_equal(batch["part"], np.zeros(8))
    np.testing.assert_array_equal(batch["time_s"], windows.time_s[index])


def test_types_and_shapes(windows):
    _, batch = next(iterate_batches(sampler_of("within", windows), steps=1))
    assert {k: (str(v.dtype), v.shape) for k, v in batch.items()} == {
        "x": ("float32", (8, 3, 50)),
        "index": ("int64", (8,)),
        "subject": ("int64", (8,)),
        "recording": ("int64", (8,)),
        "part": ("int64", (8,)),
        "time_s": ("float64", (8,)),
        "candidate_index": ("int64", (8, 5)),
        "candidates": ("float32", (8, 5, 3, 50)),
    }


def test_runs_are_not_torn_apart_between_ranks(windows):
    with pytest.raises(BadOptionError, match="batch of 4 cannot be shared by 3"):
        collect(sampler_of("sequence", windows), steps=1, rank=0, world=3)


def test_a_batch_that_does_not_divide_is_refused(windows):
    with pytest.raises(BadOptionError, match="multiple"):
        collect(sampler_of("random", windows), steps=1, rank=0, world=3)


def test_a_rank_outside_the_world_is_refused(windows):
    with pytest.raises(BadOptionError):
        collect(sampler_of("random", windows), steps=1, rank=2, world=2)


def test_no_steps_no_batches(windows):
    assert collect(sampler_of("random", windows), steps=0, workers=2) == []


def test_reading_ahead_is_bounded(windows):
    drawn: list[int] = []

    class Noting(RandomSampler):
        def draw(self, step: int):
            drawn.append(step)
            return super().draw(step)

    batches = iterate_batches(Noting(windows, 8), steps=100, workers=2, prefetch=2)
    next(batches)
    batches.close()
    assert max(drawn) <= 4


def test_threads_end_with_the_iterator(windows):
    batches = iterate_batches(sampler_of("random", windows), steps=100, workers=2)
    next(batches)
    batches.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("kinelet-loader")]


def test_an_error_in_a_worker_reaches_the_caller(windows):
    class Broken(RandomSampler):
        def draw(self, step: int):
            raise BadOptionError("broken")

    with pytest.raises(BadOptionError, match="broken"):
        collect(Broken(windows, 8), steps=3, workers=2)
