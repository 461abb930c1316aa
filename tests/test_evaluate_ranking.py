"""Ranks with several right answers, against a script that looks at one query at a time, and against chance."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from kinelet.errors import BadOptionError
from kinelet.evaluate import ranking
from kinelet.evaluate.ranking import Ranks, random_level, retrieval


def made(n: int = 60, m: int = 90, dim: int = 16, share: float = 0.05, seed: int = 0) -> tuple[Any, Any, Any]:
    r = np.random.default_rng(seed)
    relevant = r.random((n, m)) < share
    relevant[np.arange(n), r.integers(0, m, n)] = True
    return r.normal(size=(n, dim)), r.normal(size=(m, dim)), relevant


def one_by_one(queries: Any, gallery: Any, relevant: Any, ks: tuple[int, ...]) -> tuple[float, dict[int, float]]:
    """Sort the gallery anew for each query and walk down the list."""
    ranks = []
    for q, right in zip(queries, relevant, strict=True):
        cosine = [float(q @ g / np.linalg.norm(q) / np.linalg.norm(g)) for g in gallery]
        order = sorted(range(len(gallery)), key=lambda j: -cosine[j])
        ranks.append(next(place for place, j in enumerate(order, 1) if right[j]))
    return float(np.mean([1 / r for r in ranks])), {k: float(np.mean([r <= k for r in ranks])) for k in ks}


def test_mrr_and_recall_are_those_of_a_script_that_sorts_every_list() -> None:
    q, g, relevant = made()
    found = retrieval(q, g, relevant, (1, 5, 10))
    mrr, recall = one_by_one(q, g, relevant, (1, 5, 10))
    assert found.values == pytest.approx({"mrr": mrr, **{f"r@{k}": v for k, v in recall.items()}}, abs=1e-12)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    q, g, relevant = made()
    whole = retrieval(q, g, relevant)
    monkeypatch.setattr(ranking, "_BLOCK", 7 * len(g))
    assert np.array_equal(retrieval(q, g, relevant).scores, whole.scores)


def test_sparse_answers_are_the_same() -> None:
    q, g, relevant = made()
    assert np.array_equal(retrieval(q, g, sparse.coo_array(relevant)).scores, retrieval(q, g, relevant).scores)


def test_the_length_of_vectors_does_not_matter() -> None:
    q, g, relevant = made()
    longer = q * np.random.default_rng(1).uniform(0.1, 9, (len(q), 1))
    assert np.allclose(retrieval(longer, g, relevant).scores, retrieval(q, g, relevant).scores)


def test_its_own_copy_is_found_first() -> None:
    q, _, _ = made()
    assert set(retrieval(q, q, np.eye(len(q), dtype=bool)).values.values()) == {1.0}


@pytest.mark.parametrize(("above", "level", "right"), [(0, 1, 1), (2, 4, 1), (1, 5, 3), (0, 3, 3)])
def test_level_items_count_as_the_average_over_their_orders(above: int, level: int, right: int) -> None:
    items = [True] * right + [False] * (level - right)
    ranks = [above + 1 + order.index(True) for order in permutations(items)]
    scores = Ranks(*(np.array([float(v)]) for v in (above, level, right)))
    assert scores.rank[0] == pytest.approx(np.mean(ranks))
    expected = [np.mean([r <= k for r in ranks]) for k in range(1, above + level + 2)]
    assert scores.scores(range(1, above + level + 2))[0, 1:] == pytest.approx(expected)


def test_copies_of_an_item_are_level_whatever_the_rounding() -> None:
    r = np.random.default_rng(3)
    q, g = r.normal(size=(40, 384)), np.repeat(r.normal(size=(7, 384)), 11, axis=0)
    relevant = np.zeros((40, 77), dtype=bool)
    relevant[:, 5] = True  # one of eleven copies: at best in the middle of them
    assert retrieval(q, g, relevant).rank.min() >= 6.0


def test_what_calls_everything_equal_gets_the_recall_of_chance() -> None:
    _, _, relevant = made()
    found = retrieval(np.ones((60, 3)), np.ones((90, 3)), relevant)
    assert found.scores[:, 1:] == pytest.approx(found.chance[:, 1:])


@pytest.mark.parametrize("right", [1, 2, 5])
def test_the_random_level_is_the_mean_over_all_orders(right: int) -> None:
    items = [True] * right + [False] * (6 - right)
    ranks = [1 + order.index(True) for order in permutations(items)]
    level = random_level(np.array([right]), 6, (1, 3, 6, 50))[0]
    assert level == pytest.approx(
        [np.mean([1 / r for r in ranks]), *(np.mean([r <= k for r in ranks]) for k in (1, 3, 6, 6))]
    )


def test_random_vectors_reach_the_random_level() -> None:
    """Within four standard errors over 400 queries."""
    q, g, relevant = made(400, 300, dim=256, share=0.01, seed=5)
    found = retrieval(q, g, relevant)
    error = found.scores.std(axis=0) / np.sqrt(400)
    assert (np.abs(found.scores.mean(axis=0) - found.chance.mean(axis=0)) < 4 * error).all()


def test_a_large_gallery_keeps_its_random_level() -> None:
    level = random_level(np.array([3]), 2_000_000, (1,))[0]
    assert level[1] == pytest.approx(1.5e-6, rel=1e-3)


def test_a_query_without_a_right_answer_is_refused() -> None:
    q, g, relevant = made()
    relevant[3] = False
    with pytest.raises(BadOptionError, match="1 of 60 queries have no right answer"):
        retrieval(q, g, relevant)


def test_a_zero_vector_is_refused() -> None:
    q, g, relevant = made()
    g[2] = 0
    with pytest.raises(BadOptionError, match="gallery"):
        retrieval(q, g, relevant)


def test_another_shape_is_refused() -> None:
    q, g, relevant = made()
    with pytest.raises(BadOptionError, match=r"expected \(60, 90\)"):
        retrieval(q, g, relevant.T)
