"""The queue of neighbours against brute force and a list, and what it promises."""

from __future__ import annotations

import io
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from kinelet.errors import BadOptionError
from kinelet.methods.queue import NeighbourQueue

DIMS = {"text": 3, "motion": 4}


def rows(batch: int, seed: int = 0, recordings: int = 5) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor, Tensor]:
    """Windows: vectors, flags (motion always), recording, start."""
    g = torch.Generator().manual_seed(seed)
    vectors = {name: torch.randn(batch, dim, generator=g) for name, dim in DIMS.items()}
    has = {"text": torch.rand(batch, generator=g) < 0.7}
    return vectors, has, torch.randint(recordings, (batch,), generator=g), 100 * torch.rand(batch, generator=g).double()


def fed(size: int, *batches: int) -> NeighbourQueue:
    queue = NeighbourQueue(size, DIMS)
    for i, batch in enumerate(batches):
        queue.enqueue(*rows(batch, i))
    return queue


def state(queue: NeighbourQueue) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in queue.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) and a[name].dtype == b[name].dtype for name in a)


# --- filling


@pytest.mark.parametrize("batches", [(3,), (3, 3), (3, 3, 3), (10,), (10, 10), (25,), (4, 25, 7)])
def test_the_counter_grows_to_the_size_and_stops(batches: tuple[int, ...]) -> None:
    assert int(fed(10, *batches).fill) == min(10, sum(batches))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.lists(st.integers(0, 30), max_size=6))
def test_it_holds_the_last_windows_in_a_ring(size: int, batches: list[int]) -> None:
    queue, ring = fed(size, *batches), [None] * size
    at = 0
    for i, batch in enumerate(batches):
        for start in rows(batch, i)[3].tolist():
            ring[at % size] = start
            at += 1
    held = [float(s) if filled else None for s, filled in zip(queue.start_s, queue.has_motion, strict=True)]
    assert held == ring and int(queue.ptr) == at % size


@pytest.mark.parametrize("batches", [(3,), (7, 7), (25,)])
def test_all_that_is_held_of_a_window_stands_in_one_slot(batches: tuple[int, ...]) -> None:
    queue = fed(10, *batches)
    known = {}
    for i, batch in enumerate(batches):
        vectors, has, recording, start = rows(batch, i)
        for b in range(batch):
            known[float(start[b])] = (int(recording[b]), bool(has["text"][b]), vectors["motion"][b])
    for slot in queue.has_motion.nonzero()[:, 0].tolist():
        recording, text, motion = known[float(queue.start_s[slot])]
        assert (int(queue.recording[slot]), bool(queue.has_text[slot])) == (recording, text)
        torch.testing.assert_close(queue.vectors_motion[slot], motion / motion.norm())


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_stored_vectors_have_length_one(scale: float) -> None:
    queue = NeighbourQueue(10, {"motion": 8})
    queue.enqueue({"motion": scale * torch.randn(6, 8)}, {}, torch.arange(6), torch.zeros(6))
    torch.testing.assert_close(queue.vectors_motion[:6].norm(dim=1), torch.ones(6))


def test_stored_vectors_are_detached_and_zero_where_there_is_nothing() -> None:
    queue = NeighbourQueue(4, {"motion": 2})
    z = torch.full((2, 2), math.nan).index_fill(0, torch.tensor([0]), 1.0).requires_grad_()
    queue.enqueue({"motion": z}, {"motion": torch.tensor([True, False])}, torch.arange(2), torch.zeros(2))
    assert not queue.vectors_motion.requires_grad and not queue.vectors_motion[1].any()


def test_evaluation_changes_nothing() -> None:
    queue = fed(10, 7).eval()
    before = state(queue)
    queue.enqueue(*rows(4, 9))
    queue.search("text", rows(4, 9)[0]["text"], *rows(4, 9)[2:], 10.0)
    assert same(before, state(queue))


@pytest.mark.parametrize(("size", "dims"), [(0, DIMS), (4, {}), (4, {"text": 0})])
def test_impossible_queues_are_refused(size: int, dims: dict[str, int]) -> None:
    with pytest.raises(BadOptionError, match="queue of"):
        NeighbourQueue(size, dims)


# --- searching


def brute_force(
    queue: NeighbourQueue, name: str, query: Tensor, recording: int, start: float, exclude: float | None
) -> int:
    """Best admissible slot of one query, slot by slot; -1 if there is none."""
    best, found = -math.inf, -1
    for slot in range(queue.size):
        if not bool(getattr(queue, f"has_{name}")[slot]):
            continue
        near = abs(float(queue.start_s[slot]) - start) <= (-1 if exclude is None else exclude)
        if near and int(queue.recording[slot]) == recording:
            continue
        held = getattr(queue, f"vectors_{name}")[slot].double()
        cosine = float(query.double() @ held / (query.double().norm() * held.norm()))
        if cosine > best:
            best, found = cosine, slot
    return found


@pytest.mark.parametrize("exclude", [None, 0.0, 10.0, 1e9])
@pytest.mark.parametrize("name", list(DIMS))
@pytest.mark.parametrize("batches", [(), (3,), (8, 8, 8)])
def test_it_finds_what_brute_force_finds(exclude: float | None, name: str, batches: tuple[int, ...]) -> None:
    queue = fed(20, *batches)
    vectors, _, recording, start = rows(12, 77)
    want = [brute_force(queue, name, vectors[name][i], int(recording[i]), float(start[i]), exclude) for i in range(12)]
    assert queue.search(name, vectors[name], recording, start, exclude).tolist() == want


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 15), st.lists(st.integers(0, 20), max_size=4), st.integers(0, 100), st.floats(0, 50))
def test_it_finds_what_brute_force_finds_whatever_it_was_fed(
    size: int, batches: list[int], seed: int, exclude: float
) -> None:
    queue = fed(size, *batches)
    vectors, _, recording, start = rows(5, 1000 + seed, recordings=2)
    want = [
        brute_force(queue, "text", vectors["text"][i], int(recording[i]), float(start[i]), exclude) for i in range(5)
    ]
    assert queue.search("text", vectors["text"], recording, start, exclude).tolist() == want


def test_search_in_parts_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = fed(20, 20)
    vectors, _, recording, start = rows(11, 5)
    whole = queue.search("motion", vectors["motion"], recording, start, 10.0)
    monkeypatch.setattr("kinelet.methods.queue._AT_ONCE", 60)
    assert torch.equal(queue.search("motion", vectors["motion"], recording, start, 10.0), whole)


def test_empty_slots_are_never_chosen() -> None:
    queue = NeighbourQueue(10, {"motion": 2})
    queue.enqueue({"motion": torch.tensor([[1.0, 0.0]])}, {}, torch.tensor([0]), torch.zeros(1))
    # The opposite of the only window: the zeros of empty slots would be nearer.
    assert queue.search("motion", torch.tensor([[-1.0, 0.0]]), torch.tensor([1]), torch.zeros(1), None).tolist() == [0]


def test_an_empty_queue_finds_nothing() -> None:
    queue = NeighbourQueue(10, DIMS)
    assert queue.search("text", torch.ones(3, 3), torch.zeros(3).long(), torch.zeros(3), None).tolist() == [-1] * 3


def test_a_window_that_was_just_put_in_finds_itself_and_before_that_it_does_not() -> None:
    queue, new = fed(30, 20), rows(6, 50)
    query = new[0]["motion"]
    before = queue.search("motion", query, new[2], new[3], None)
    assert bool((before < 20).all())
    queue.enqueue(*new)
    assert queue.search("motion", query, new[2], new[3], None).tolist() == list(range(20, 26))


@pytest.mark.parametrize(("apart", "excluded"), [(0.0, True), (9.999, True), (10.0, True), (10.001, False)])
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_same_recording_is_excluded_within_the_margin(apart: float, excluded: bool, sign: int) -> None:
    queue = NeighbourQueue(4, {"motion": 2})
    start = torch.tensor([1e6], dtype=torch.float64)
    queue.enqueue({"motion": torch.ones(1, 2)}, {}, torch.tensor([3]), start)
    slot = queue.search("motion", torch.ones(1, 2), torch.tensor([3]), start + sign * apart, 10.0)
    assert (int(slot) == -1) == excluded


def test_another_recording_is_not_excluded() -> None:
    queue = NeighbourQueue(4, {"motion": 2})
    queue.enqueue({"motion": torch.ones(1, 2)}, {}, torch.tensor([3]), torch.zeros(1))
    assert int(queue.search("motion", torch.ones(1, 2), torch.tensor([4]), torch.zeros(1), 10.0)) == 0


def test_the_length_of_a_query_changes_nothing() -> None:
    queue, (vectors, _, recording, start) = fed(30, 30), rows(8, 3)
    long, short = (queue.search("text", f * vectors["text"], recording, start, 10.0) for f in (1e4, 1e-4))
    assert torch.equal(long, short)


def test_rows_that_are_not_to_be_looked_up_find_nothing() -> None:
    queue, (vectors, _, recording, start) = fed(30, 30), rows(8, 3)
    valid = torch.arange(8) % 2 == 0
    found = queue.search("text", vectors["text"], recording, start, None, valid=valid)
    assert ((found >= 0) == valid).all()


@pytest.mark.parametrize(("held", "there"), [(4, False), (5, True), (6, True)])
def test_nothing_is_found_before_the_queue_is_warm(held: int, there: bool) -> None:
    queue, (vectors, _, recording, start) = fed(10, held), rows(3, 3)
    found = queue.search("motion", vectors["motion"], recording, start, None, min_fill=5)
    assert bool((found >= 0).all()) == there


def test_a_query_that_is_no_number_finds_nothing() -> None:
    queue = fed(10, 10)
    assert (
        queue.search("motion", torch.full((1, 4), math.nan), torch.zeros(1).long(), torch.zeros(1), None).item() == -1
    )


def test_under_autocast_the_search_is_exact() -> None:
    queue, (vectors, _, recording, start) = fed(200, 200), rows(50, 3)
    exact = queue.search("motion", vectors["motion"], recording, start, 10.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(queue.search("motion", vectors["motion"], recording, start, 10.0), exact)


# --- what is found


def test_one_slot_serves_all_spaces() -> None:
    queue = fed(10, 10)
    slot = torch.tensor([4, -1, 9])
    for name in DIMS:
        held = getattr(queue, f"vectors_{name}")
        assert torch.equal(queue.rows(name, slot), torch.stack([held[4], torch.zeros(DIMS[name]), held[9]]))


def test_whether_a_slot_holds_something_is_false_for_no_slot() -> None:
    queue = fed(10, 10)
    slot = torch.tensor([*range(10), -1])
    assert queue.has("text", slot).tolist() == [*queue.has_text.tolist(), False]


def test_rows_found_before_feeding_are_not_changed_by_it() -> None:
    queue = fed(10, 10)
    found = queue.rows("motion", torch.tensor([0, 1]))
    before = found.clone()
    queue.enqueue(*rows(10, 4))
    assert torch.equal(found, before)


# --- saving


def test_save_and_load_give_the_same_next_step(tmp_path: Path) -> None:
    queue = fed(10, 7, 8)
    save_file(state(queue), tmp_path / "queue.safetensors")
    other = NeighbourQueue(10, DIMS)
    other.load_state_dict(load_file(tmp_path / "queue.safetensors"))
    vectors, _, recording, start = rows(4, 20)
    found = [q.search("text", vectors["text"], recording, start, 10.0) for q in (queue, other)]
    for q in (queue, other):
        q.enqueue(*rows(4, 20))
    assert torch.equal(*found) and same(state(queue), state(other))


def test_times_are_kept_to_the_millisecond_on_any_clock() -> None:
    queue = NeighbourQueue(2, {"motion": 1})
    start = torch.tensor([1.7e9 + 0.001], dtype=torch.float64)
    queue.enqueue({"motion": torch.ones(1, 1)}, {}, torch.zeros(1).long(), start)
    buffer = io.BytesIO()
    torch.save(queue.state_dict(), buffer)
    buffer.seek(0)
    assert float(torch.load(buffer, weights_only=True)["start_s"][0]) == float(start)


def test_it_moves_with_its_module() -> None:
    assert {b.device.type for b in NeighbourQueue(4, DIMS).to("meta").buffers()} == {"meta"}


def peak_bytes(queue: NeighbourQueue, batch: int, dim: int) -> int:
    """Most memory held at once while searching, by adding up what the profiler saw taken and given back."""
    query, recording, start = torch.randn(batch, dim), torch.zeros(batch).long(), torch.zeros(batch).double()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as found:
        queue.search("motion", query, recording, start, 10.0)
    held = peak = 0
    for event in found.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def test_search_takes_less_than_64_megabytes() -> None:
    peak = peak_bytes(NeighbourQueue(8192, {"motion": 64}), 512, 64)
    assert 2**20 < peak < 64e6
