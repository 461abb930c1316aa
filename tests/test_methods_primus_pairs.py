"""Who is whose positive, against loops over keys; neighbours, against a search by loops."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kinelet.methods.base import Modality
from kinelet.methods.primus import Primus
from kinelet.methods.primus_pairs import alike, gather_rows, overlapping, relate, same_item
from paired_tools import TEXT, TIME, VIDEO, no_augmentation, paired_batch, primus, related, unit, without
from test_functional_paired import naive_paired_nce

MIXED: dict[str, Any] = {"items": 6, "missing": 0.3, "recordings": 3, "spacing_s": 12.0}


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 8), st.integers(0, 1000))
def test_relations_equal_the_loops(rows: int, step: int) -> None:
    batch: Any = paired_batch(rows, (TEXT,), step=step, **MIXED)
    same, near = related(batch, "text")
    assert torch.equal(same_item(batch["item.text"], batch["items.text"]), same)
    assert torch.equal(overlapping(batch["moment.recording"], batch["time_s"], TIME / 50), near)


def test_a_positive_is_never_ignored_and_a_negative_is_neither() -> None:
    a, b, c = (torch.tensor([[x]]) for x in (True, True, True))
    both = relate((a, "positive"), (b, "ignore"))
    assert bool(both.positive) and not bool(both.ignore)
    assert relate((c, "negative")).positive is None and relate((c, "negative")).ignore is None


def test_masks_of_one_role_are_joined() -> None:
    relation = relate((torch.tensor([True, False]), "ignore"), (torch.tensor([False, True]), "ignore"))
    assert relation.ignore is not None and relation.ignore.tolist() == [True, True]


def test_vectors_are_alike_if_only_rounding_tells_them_apart() -> None:
    z = unit(torch.randn(3, 16, generator=torch.Generator().manual_seed(0)))
    z = torch.cat([z, unit(3.7 * z[:1]), torch.zeros(1, 16)])
    assert alike(z).nonzero().tolist() == [[0, 0], [0, 3], [1, 1], [2, 2], [3, 0], [3, 3]]


@pytest.mark.parametrize("kept", [torch.float32, torch.bfloat16])
def test_vectors_are_alike_in_mixed_precision_too(kept: torch.dtype) -> None:
    z = unit(torch.randn(6, 384, generator=torch.Generator().manual_seed(0))).to(kept)
    if kept is torch.bfloat16:
        z = (z.sign() * 2**-4).to(kept)[:, :256]  # of length 1 in these few bits too
    z = torch.cat([z, z[:2]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = alike(z)
    same = torch.eye(8, dtype=torch.bool)
    same[[0, 1, 6, 7], [6, 7, 0, 1]] = True
    assert torch.equal(found, same)


def test_codes_of_all_processes_are_joined_exactly() -> None:
    batch: Any = paired_batch(4, (TEXT,))
    batch["moment.recording"] = batch["moment.recording"] + 2**40
    batch["item.text"] = batch["item.text"] + 2**33
    rows = gather_rows(batch, ["text"], lambda z: torch.cat([z, z]), offset=4)
    assert rows.here == slice(4, 8) and torch.equal(rows.recording[4:], batch["moment.recording"])
    assert torch.equal(rows.item["text"][4:], batch["item.text"]) and torch.equal(rows.start_s[:4], batch["time_s"])
    assert torch.equal(rows.items["text"][4:], batch["items.text"])


def naive_slot(
    query: Tensor, held: list[Tensor | None], now: tuple[int, float], then: list[tuple[int, float]], exclude_s: float
) -> int:
    """The most similar earlier window that holds something and is not of the same moment; -1 for none."""
    best, slot = -2.0, -1
    for j, vector in enumerate(held):
        if vector is None or (then[j][0] == now[0] and abs(then[j][1] - now[1]) <= exclude_s):
            continue
        cosine = float(query @ vector / (query.norm() * vector.norm()))
        if cosine > best:
            best, slot = cosine, j
    return slot


def moments(batch: Any) -> list[tuple[int, float]]:
    return list(zip(batch["moment.recording"].tolist(), batch["time_s"].tolist(), strict=True))


def held_vectors(batch: Any, z: Tensor, name: str) -> list[Tensor | None]:
    if name == "motion":
        return list(z)
    return [
        v if i >= 0 else None for v, i in zip(batch[f"vectors.{name}"], batch[f"item.{name}"].tolist(), strict=True)
    ]


CHAINS = {"auto": ("video", "text")}


def naive_neighbours(method: Primus, earlier: Any, batch: Any, search: str, exclude_s: float) -> dict[str, float]:
    """Losses of the neighbours' terms by loops, and how many rows take part in each."""
    z0, z1 = (method.encoder.outputs(b["x"])["ss"].detach() for b in (earlier, batch))
    slots = []
    for i, now in enumerate(moments(batch)):
        asked = [(name, held_vectors(batch, z1, name)[i]) for name in CHAINS.get(search, (search,))]
        name, query = next((a for a in asked if a[1] is not None), ("motion", z1[i]))
        slots.append(naive_slot(query, held_vectors(earlier, z0, name), now, moments(earlier), exclude_s))
    count = len(slots)
    twins, near = torch.zeros(2, count, count, dtype=torch.bool)
    for i in range(count):
        for j in range(count):
            twins[i, j] = slots[i] == slots[j]
            for m, (a, b) in ((moments(batch), (i, j)), (moments(earlier), (slots[i], slots[j]))):
                near[i, j] |= m[a][0] == m[b][0] and abs(m[a][1] - m[b][1]) < TIME / 50
    found: dict[str, float] = {}
    outputs = method.encoder.outputs(batch["x"])
    for name in ("motion", "text", "video"):
        held = held_vectors(earlier, z0, name)
        keys = [held[s] if s >= 0 else None for s in slots]
        same = twins.clone()
        valid = [key is not None for key in keys]
        if name != "motion":
            valid = [
                v
                and int(batch[f"item.{name}"][i]) >= 0
                and any(int(batch[f"item.{asked}"][i]) >= 0 for asked in CHAINS.get(search, (search,)))
                for i, v in enumerate(valid)
            ]
            for i in range(count):
                for j in range(count):
                    if keys[i] is not None and keys[j] is not None:
                        same[i, j] |= earlier[f"item.{name}"][slots[i]] == earlier[f"item.{name}"][slots[j]]
        width = z0.shape[1] if name == "motion" else {"text": TEXT.dim, "video": VIDEO.dim}[name]
        stacked = torch.stack([torch.ones(width) if k is None else k for k in keys])
        head = "ss" if name == "motion" else method.plan.head_of[name]
        term = "nn_ss" if name == "motion" else f"nn_{name}"
        loss = naive_paired_nce(outputs[head].detach(), stacked, torch.tensor(valid), same, near, tau=0.1)
        found |= {f"loss_{term}": loss, f"rows_{term}": float(sum(valid))}
    return found


@pytest.mark.parametrize("search", ["text", "video", "auto"])
@pytest.mark.parametrize("step", [0, 1, 2])
def test_terms_of_neighbours_equal_the_loops(search: str, step: int) -> None:
    method = primus(**no_augmentation(search=search, exclude_s=4.0))
    # Items that differ, because which of two equal slots is found is a matter of rounding.
    earlier, batch = (paired_batch(9, step=10 * step + i, **MIXED | {"items": 10**6}) for i in range(2))
    want = naive_neighbours(method, earlier, batch, search, 4.0)
    method(earlier)
    parts = method(batch)["parts"]
    assert {k: float(parts[k]) for k in want} == pytest.approx(want, abs=3e-5)


def searched(options: dict[str, Any], modalities: tuple[Modality, ...] = (TEXT, VIDEO)) -> dict[str, float]:
    method = primus(modalities, **no_augmentation(**options))
    method(paired_batch(12, modalities, step=1))
    batch = without(paired_batch(8, modalities), "text", torch.arange(8) < 3)
    return {k: float(v) for k, v in method(batch)["parts"].items()}


def test_rows_without_words_may_borrow_those_of_their_neighbour() -> None:
    plain, borrowed = (searched({"borrow_targets": b}) for b in (False, True))
    assert plain["rows_nn_text"] == 5 and borrowed["rows_nn_text"] == 8


def test_neighbours_by_motion_serve_rows_that_have_what_is_aligned() -> None:
    parts = searched({"search": "motion"})
    assert (parts["rows_nn_ss"], parts["rows_nn_text"], parts["rows_nn_video"]) == (8, 5, 8)


def test_neighbours_count_once_the_queue_is_warm() -> None:
    assert searched({"min_fill": 13})["rows_nn_video"] == 0 and searched({"min_fill": 12})["rows_nn_video"] == 8


def test_a_fresh_row_never_finds_itself() -> None:
    method = primus(exclude_s=None)
    parts = method(paired_batch(6))["parts"]
    assert float(parts["rows_nn_ss"]) == 0 and float(parts["queue"]) == 6


def test_a_window_of_the_same_recording_is_a_neighbour_only_if_nothing_is_excluded() -> None:
    rows = []
    for margin in (10.0, None):
        method = primus(exclude_s=margin)
        batch: Any = paired_batch(1)
        method(batch)
        batch["time_s"] = batch["time_s"] + 9.0
        rows.append(int(method(batch)["parts"]["rows_nn_video"]))
    assert rows == [0, 1]


def test_evaluation_searches_the_queue_and_leaves_it_alone() -> None:
    method, generator = primus(), torch.Generator()
    method(paired_batch(6, step=1))
    method.eval()
    before = {k: v.clone() for k, v in method.state_dict().items()}
    scores = [method.validate(paired_batch(5), generator.manual_seed(4)) for _ in range(2)]
    assert all(torch.equal(v, before[k]) for k, v in method.state_dict().items())
    assert torch.equal(*scores) and not scores[0].requires_grad


def neighbours_with_the_same_words(autocast: bool = False) -> dict[str, tuple[float, Tensor]]:
    """Loss and gradient of the head, by role; the two lie in different slots: the queue tells them by their vectors."""
    found = {}
    for role in ("positive", "ignore", "negative"):
        method = primus((TEXT,), **no_augmentation(same_item=role, weights={"ss": 0, "text": 0, "nn_ss": 0}))
        earlier: Any = paired_batch(4, (TEXT,), step=1)
        earlier["vectors.text"][1] = earlier["vectors.text"][0]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            method(earlier)
            queue = method.queue
            assert queue is not None
            queue.search = lambda *asked, **more: torch.arange(4)  # type: ignore[method-assign]
            loss = method(paired_batch(4, (TEXT,)))["loss"]
        loss.backward()
        gradient = next(method.encoder.heads["mm"].parameters()).grad
        assert gradient is not None
        found[role] = float(loss.detach()), gradient
    return found


@pytest.mark.parametrize("autocast", [False, True])
def test_neighbours_with_the_same_words_can_be_ignored(autocast: bool) -> None:
    found = neighbours_with_the_same_words(autocast)
    assert found["ignore"][0] < found["negative"][0] - 1e-3


def test_a_repeated_key_comes_to_the_same_as_a_positive_and_as_a_negative() -> None:
    """Its copies have equal shares of what the key gets: their sum, and its gradient, are the same either way."""
    found = neighbours_with_the_same_words()
    assert found["positive"][0] == pytest.approx(found["negative"][0], rel=1e-5)
    torch.testing.assert_close(found["positive"][1], found["negative"][1])
    assert not torch.allclose(found["ignore"][1], found["negative"][1], rtol=0.01)
