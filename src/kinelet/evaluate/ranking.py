"""Retrieval with more than one right answer: ranks of the first relevant item, and what a random order would reach.

A query's rank is that of its first relevant item. Items whose scores are equal are in no order, so with ``a`` items
above the best relevant one and ``t`` items level with it, ``r`` of them relevant, its rank is the average
``a + (t + 1) / (r + 1)``, and it counts as found among the first ``k`` with the probability that an order of the level
items brings a relevant one there. An encoder that calls everything equal therefore gets the recall of a random order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from kinelet.errors import BadOptionError
from kinelet.evaluate.task import FloatArray

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

KS = (1, 5, 10, 50)
LEVEL = 1e-6
"""Scores of unit vectors that differ by less are equal: two copies of an item may differ by rounding."""
_BLOCK = 1 << 23  # scores held at once


@dataclass(frozen=True)
class Ranks:
    """Where the best relevant item of each query stands; arrays are ``(query,)``.

    Attributes:
        above: Items with a higher score.
        level: Items with the same score, itself among them.
        relevant: How many of those are relevant.
    """

    above: Floats
    level: Floats
    relevant: Floats

    @property
    def rank(self) -> Floats:
        """Average rank of the first relevant item, from 1."""
        return self.above + (self.level + 1) / (self.relevant + 1)

    def scores(self, ks: Sequence[int]) -> Floats:
        """Inverse rank and, for each ``k``, the share found among the first ``k``, ``(query, 1 + len(ks))``."""
        found = [_some_among(self.level, self.relevant, np.clip(k - self.above, 0, self.level)) for k in ks]
        return np.stack([1 / self.rank, *found], axis=1)


@dataclass(frozen=True)
class Retrieval:
    """How well queries find what belongs to them.

    Attributes:
        ks: Lengths of the lists looked at.
        scores: Inverse rank and recall at each of ``ks`` of every query, ``(query, 1 + len(ks))``.
        chance: The same, expected of a random order, ``(query, 1 + len(ks))``.
        rank: Average rank of each query's first relevant item, ``(query,)``.
        relevant: Relevant items of each query, ``(query,)``.
        gallery: Items searched.
    """

    ks: tuple[int, ...]
    scores: Floats
    chance: Floats
    rank: Floats
    relevant: Ints
    gallery: int

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns: ``mrr``, ``r@1``, …."""
        return metric_names(self.ks)

    @property
    def values(self) -> dict[str, float]:
        """Mean reciprocal rank and recalls over all queries."""
        return dict(zip(self.names, self.scores.mean(axis=0).tolist(), strict=True))

    @property
    def random(self) -> dict[str, float]:
        """What a random order would reach."""
        return dict(zip(self.names, self.chance.mean(axis=0).tolist(), strict=True))


def metric_names(ks: Sequence[int]) -> tuple[str, ...]:
    """``mrr`` and ``r@k`` for each ``k``."""
    return ("mrr", *(f"r@{k}" for k in ks))


def retrieval(queries: npt.ArrayLike, gallery: npt.ArrayLike, relevant: Any, ks: Sequence[int] = KS) -> Retrieval:
    """Search a gallery by cosine with every query.

    Args:
        queries: Vectors ``(n, dim)``.
        gallery: Vectors ``(m, dim)``.
        relevant: ``(n, m)``, boolean or sparse: which items are right answers to which query.
        ks: Lengths of the lists looked at.

    Raises:
        BadOptionError: if shapes do not fit, a vector is zero or not finite, or a query has no right answer.
    """
    q, g = _unit(queries, "queries"), _unit(gallery, "gallery")
    rows = right_answers(relevant, len(q), len(g))
    ranks = ranks_of(q, g, rows)
    counts = np.diff(rows.indptr).astype(np.int64)
    chance = random_level(counts, len(g), ks)
    return Retrieval(tuple(ks), ranks.scores(ks), chance, ranks.rank, counts, len(g))


def right_answers(relevant: Any, n: int, m: int) -> Any:
    """``relevant`` as sorted compressed rows.

    Raises:
        BadOptionError: if it is not ``(n, m)``, or a query has no right answer.
    """
    rows = sparse.csr_array(relevant if sparse.issparse(relevant) else np.asarray(relevant, dtype=bool))
    if rows.shape != (n, m):
        raise BadOptionError(f"relevant is {rows.shape}, expected {(n, m)}", where="retrieval")
    rows.eliminate_zeros()
    rows.sort_indices()
    empty = np.flatnonzero(np.diff(rows.indptr) == 0)
    if len(empty) or n == 0:
        what = f"{len(empty)} of {n} queries have no right answer in the gallery" if n else "there is no query"
        raise BadOptionError(what, where="retrieval", remedy="Leave them out, and say how many they are")
    return rows


def ranks_of(queries: FloatArray, gallery: FloatArray, rows: Any) -> Ranks:
    """Where the best relevant item of each query stands, for unit vectors and compressed rows of right answers."""
    size = max(1, _BLOCK // max(1, len(gallery)))
    parts = [
        _ranks(queries[i : i + size] @ gallery.T, rows.indptr[i : i + size + 1], rows.indices)
        for i in range(0, len(queries), size)
    ]
    return Ranks(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _ranks(scores: FloatArray, first: Ints, items: Ints) -> tuple[Floats, Floats, Floats]:
    query = np.repeat(np.arange(len(scores)), np.diff(first))
    right = scores[query, items[first[0] : first[-1]]]
    begin = first[:-1] - first[0]
    best = np.maximum.reduceat(right, begin)
    above = (scores > (best + LEVEL)[:, None]).sum(axis=1)
    level = (scores >= (best - LEVEL)[:, None]).sum(axis=1) - above
    relevant = np.add.reduceat((right >= (best - LEVEL)[query]).astype(np.int64), begin)
    return above.astype(np.float64), level.astype(np.float64), relevant.astype(np.float64)


def random_level(relevant: Ints, gallery: int, ks: Sequence[int]) -> Floats:
    """Expected inverse rank and recalls of a random order, ``(query, 1 + len(ks))``.

    ``R@k = 1 - C(N - P, k) / C(N, k)`` for ``P`` relevant of ``N``; the first relevant item is at rank ``r`` with
    probability ``C(N - r, P - 1) / C(N, P)``.
    """
    counts, where = np.unique(relevant, return_inverse=True)
    n, p = np.float64(gallery), counts.astype(np.float64)
    columns = [_random_mrr(int(c), gallery) for c in counts]
    recalls = [_some_among(np.full(len(p), n), p, np.full(len(p), float(min(k, gallery)))) for k in ks]
    return np.stack([np.array(columns), *recalls], axis=1)[where]


def _random_mrr(relevant: int, gallery: int) -> float:
    rank = np.arange(1, gallery - relevant + 2, dtype=np.float64)
    later = (gallery - relevant - rank[:-1] + 1) / (gallery - rank[:-1])
    chance = np.cumprod(np.concatenate([[relevant / gallery], later]))
    return float((chance / rank).sum())


def _some_among(n: Floats, right: Floats, k: Floats) -> Floats:
    """Probability that some of ``right`` among ``n`` items in random order are among the first ``k``.

    ``1 - Π (1 - max(right, k) / (n - i))`` over ``i < min(right, k)``: the ratio of binomials without large numbers.
    """
    few, many = np.minimum(right, k), np.maximum(right, k)
    log = np.zeros(np.broadcast(n, few).shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        for i in range(int(few.max(initial=0))):
            log += np.where((i < few) & (n - many > i), np.log1p(-many / (n - i)), 0.0)
    return np.where(few + many > n, 1.0, -np.expm1(log))


def _unit(vectors: npt.ArrayLike, what: str) -> FloatArray:
    wide = np.asarray(vectors, dtype=np.float64)
    length = np.linalg.norm(wide, axis=-1, keepdims=True)
    if wide.ndim != 2 or not (np.isfinite(length).all() and (length > 0).all()):
        raise BadOptionError(f"{what} {wide.shape} are not rows of finite vectors longer than 0", where="retrieval")
    return np.asarray(wide / length, dtype=np.float32)
