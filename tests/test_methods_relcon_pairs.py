"""Who is compared with whom, against loops over anchors, groups and places."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from kinelet.errors import BadOptionError
from kinelet.methods.relcon_pairs import candidate_index, pair_rows

Rows = list[list[tuple[int, bool]]]
CASES = list(product([1, 2, 5, 8], [1, 3, 4], ["both", "within", "between"], ["all", "part"]))


def codes(rows: int, seed: int, kinds: int = 3) -> list[int]:
    return torch.randint(kinds, (rows,), generator=torch.Generator().manual_seed(seed)).tolist()  # type: ignore[no-any-return]


def stranger(i: int, j: int, subject: list[int], part: list[int], between: str) -> bool:
    return subject[i] != subject[j] and (between == "all" or part[i] == part[j])


def naive_batch(k: int, subject: list[int], part: list[int], which: str, between: str) -> Rows:
    """Anchors i, their k own windows stored after all anchors, then anchor (i + 1 + m) mod B."""
    b, found = len(subject), []
    for i in range(b):
        row = []
        if which != "between":
            row += [(b + i * k + n, True) for n in range(k)]
        if which != "within":
            for m in range(b - 1):
                j = (i + 1 + m) % b
                row.append((j, stranger(i, j, subject, part, between)))
        found.append(row)
    return found


def naive_every(p: int, subject: list[int], part: list[int], which: str, between: str) -> Rows:
    """Anchor (g, q): the others of group g, then row q of groups g + 1, g + 2, …"""
    groups, found = len(subject) // p, []
    for g in range(groups):
        for q in range(p):
            row = []
            if which != "between":
                row += [(g * p + other, True) for other in range(p) if other != q]
            if which != "within":
                for m in range(groups - 1):
                    i, j = g * p + q, (g + 1 + m) % groups * p + q
                    row.append((j, stranger(i, j, subject, part, between)))
            found.append(row)
    return found


def pairs_of(index: Tensor, mask: Tensor) -> Rows:
    return [
        [(int(i), bool(m)) for i, m in zip(*both, strict=True)]
        for both in zip(index.tolist(), mask.tolist(), strict=True)
    ]


@pytest.mark.parametrize(("rows", "k", "which", "between"), CASES)
def test_anchors_beside_candidates_equal_the_loops(rows: int, k: int, which: Any, between: Any) -> None:
    subject, part = codes(rows, 1), codes(rows, 2, 2)
    got = candidate_index("batch", rows, k, torch.tensor(subject), torch.tensor(part), which, between)
    assert pairs_of(*got) == naive_batch(k, subject, part, which, between)


@pytest.mark.parametrize(("groups", "p", "which", "between"), CASES)
def test_every_window_an_anchor_equals_the_loops(groups: int, p: int, which: Any, between: Any) -> None:
    subject, part = ([c for c in codes(groups, s, n) for _ in range(p)] for s, n in ((1, 3), (2, 2)))
    got = candidate_index("every", groups * p, p, torch.tensor(subject), torch.tensor(part), which, between)
    assert pairs_of(*got) == naive_every(p, subject, part, which, between)


@pytest.mark.parametrize(("kind", "size"), [("batch", 3), ("every", 2), ("every", 4)])
def test_two_processes_have_the_rows_of_one(kind: Any, size: int) -> None:
    subject, total = torch.arange(16) // 4, 16
    whole, mask = candidate_index(kind, total, size, subject)
    halves = [candidate_index(kind, 8, size, subject, first=first) for first in (0, 8)]
    # Windows beside the anchors stay in their process: there they come after the anchors of all.
    halves[1] = (torch.where(halves[1][0] >= total, halves[1][0] + 8 * size, halves[1][0]), halves[1][1])
    assert torch.equal(torch.cat([h[0] for h in halves]), whole) and torch.equal(
        torch.cat([h[1] for h in halves]), mask
    )


@pytest.mark.parametrize(("kind", "size"), [("batch", 5), ("every", 6)])
def test_nobody_is_a_stranger_to_themself(kind: Any, size: int) -> None:
    subject = torch.tensor(codes(10, 3)).repeat_interleave(6)
    index, mask = candidate_index(kind, 60, size, subject, which="between")
    met = subject[index][mask] == subject[:, None].expand_as(index)[mask]
    assert len(met) > 100 and not bool(met.any())


@pytest.mark.parametrize("kind", ["batch", "every"])
def test_no_anchor_is_its_own_candidate_and_none_comes_twice(kind: Any) -> None:
    index, _ = candidate_index(kind, 20, 5, torch.arange(20) // 5)
    alone = all(i not in row and len(set(row)) == len(row) for i, row in enumerate(index.tolist()))
    assert alone


def test_the_published_batch_has_5312_pairs() -> None:
    index, mask = candidate_index("batch", 64, 20, torch.arange(64))
    assert index.shape == (64, 83) and int(mask.sum()) == 5312 and int(index.max()) == 1343


def test_every_window_of_the_published_batch_has_as_many_candidates() -> None:
    index, mask = candidate_index("every", 1344, 21, torch.arange(64).repeat_interleave(21))
    assert index.shape == (1344, 83) and int(mask.sum()) == 111_552


def test_one_persons_batch_has_no_strangers() -> None:
    _, mask = candidate_index("batch", 6, 2, torch.zeros(6, dtype=torch.long))
    assert mask.tolist() == [[True] * 2 + [False] * 5] * 6


def test_pairs_name_anchor_and_candidate() -> None:
    anchor, candidate = pair_rows(torch.tensor([[7, 8], [9, 4]]), first=2)
    assert anchor.tolist() == [2, 2, 3, 3] and candidate.tolist() == [7, 8, 9, 4]


@pytest.mark.parametrize(("rows", "size", "first"), [(10, 4, 0), (8, 4, 2), (8, 0, 0)])
def test_broken_groups_are_refused(rows: int, size: int, first: int) -> None:
    with pytest.raises(BadOptionError, match="whole groups"):
        candidate_index("every", rows, size, torch.zeros(16), first=first)


def test_rows_beyond_the_batch_are_refused() -> None:
    with pytest.raises(BadOptionError, match="8 rows from 12 of 16"):
        candidate_index("batch", 8, 2, torch.zeros(16), first=12)


def test_parts_must_be_given_where_they_are_asked_for() -> None:
    with pytest.raises(BadOptionError, match="parts"):
        candidate_index("batch", 4, 2, torch.arange(4), between="part")
