"""Searches of several folds told as one."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from kinelet.evaluate.retrieval_result import RetrievalResult

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

from primus_words import mean_over_folds


def fold(i: int, lead: float = 0.0) -> RetrievalResult:
    """A fold whose resamples are those of every other fold of its size."""
    drawn = 0.5 + 0.1 * np.random.default_rng(0).normal(size=2000)
    people = tuple(f"P{i}{j}" for j in range(5))
    return RetrievalResult(
        direction="motion -> text",
        encoder="x",
        task="t",
        queries=10,
        gallery=6,
        relevant=1.0,
        people=people,
        test=str(i),
        values={"mrr": 0.5 + lead + i / 10},
        random={"mrr": 0.2},
        replicates={"mrr": drawn + lead},
    )


def test_people_of_different_folds_are_drawn_apart() -> None:
    together = mean_over_folds([fold(i) for i in range(4)])
    assert together.replicates["mrr"].std() == pytest.approx(0.1 / np.sqrt(4), rel=0.1)


def test_two_encoders_are_drawn_together_in_every_fold() -> None:
    a, b = (mean_over_folds([fold(i, lead) for i in range(4)]) for lead in (0.1, 0.0))
    gap = a.difference(b, "mrr")
    assert (gap.lo, gap.value, gap.hi) == pytest.approx((0.1, 0.1, 0.1))


def test_values_are_means_and_counts_are_sums() -> None:
    together = mean_over_folds([fold(i) for i in range(4)])
    assert (together.values["mrr"], together.queries, together.gallery) == (pytest.approx(0.65), 40, 6)
    assert len(together.people) == 20
