"""The outcome of a search both ways, with intervals over people.

A gallery of people drawn with replacement holds copies of fewer people, so that of several right answers the best one
is missing more often than a copy of it helps: replicates lie below the estimate on average. That shift is an artefact
of the copies and not what other people would have changed, so replicates are moved by one number until their mean is
the estimate, before the levels of :func:`kinelet.evaluate.statistics.interval` are read off them (the bootstrap's
estimate of bias taken out: Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 10).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kinelet.errors import BadFileError, BadOptionError
from kinelet.evaluate.ranking import LEVEL, Ranks, Retrieval, metric_names
from kinelet.evaluate.statistics import Estimate, interval, resamples
from kinelet.evaluate.task import Codes, FloatArray
from kinelet.files import write_text

FORMAT, SCHEMA = "kinelet-retrieval", 1
MEDIAN_RANK = "median_rank"
"""Metric that is a place in the gallery and no share."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RetrievalResult:
    """One direction of a search.

    Attributes:
        direction: Such as ``text -> motion``.
        encoder: What was judged.
        task: Name of the corpus.
        queries, gallery: How many there are.
        relevant: Right answers of a query, on average.
        people: Whose windows they are.
        test: Digest of queries, gallery and right answers; results with the same one can be compared.
        values: ``mrr`` and ``r@k`` over all queries.
        random: What a random order would reach.
        replicates: The metrics of each resample of people, ``(replicate,)``; the same resamples for every encoder.
        notes: Remarks.
    """

    direction: str
    encoder: str
    task: str
    queries: int
    gallery: int
    relevant: float
    people: tuple[str, ...]
    test: str
    values: Mapping[str, float]
    random: Mapping[str, float]
    replicates: Mapping[str, Floats]
    notes: tuple[str, ...] = ()

    @property
    def estimates(self) -> dict[str, Estimate]:
        """Each metric with its 95 % interval over people."""
        n = len(self.people)
        most = {MEDIAN_RANK: (1.0, float(self.gallery))}
        return {k: _estimate(v, self.replicates[k], n, most.get(k, (0.0, 1.0))) for k, v in self.values.items()}

    def difference(self, reference: RetrievalResult, metric: str) -> Estimate:
        """This minus ``reference``, for the same queries, gallery and resamples of people.

        Raises:
            BadOptionError: if the two were not judged on the same.
        """
        if (self.direction, self.test) != (reference.direction, reference.test):
            raise BadOptionError(
                f"{self.encoder!r} and {reference.encoder!r} were asked other queries",
                where=self.direction,
                remedy="Judge both on the same people with the same options",
            )
        gap = self.replicates[metric] - reference.replicates[metric]
        most = float(self.gallery) if metric == MEDIAN_RANK else 1.0
        return _estimate(self.values[metric] - reference.values[metric], gap, len(self.people), (-most, most))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        plain = {k: v for k, v in vars(self).items() if k != "replicates"}
        replicates = {k: [None if np.isnan(x) else round(float(x), 6) for x in v] for k, v in self.replicates.items()}
        estimates = {k: _no_nan(asdict(e)) for k, e in self.estimates.items()}
        return {"format": FORMAT, "schema": SCHEMA, **plain, "estimates": estimates, "replicates": replicates}

    def save(self, path: str | Path) -> None:
        """Write as JSON (schema version 1), atomically."""
        write_text(path, json.dumps(self.to_dict(), allow_nan=False))

    @classmethod
    def load(cls, path: str | Path) -> RetrievalResult:
        """Read what :meth:`save` wrote.

        Raises:
            BadFileError: if it is not such a result, or of another schema version.
        """
        try:
            raw = json.loads(Path(path).read_text(encoding="utf-8"))
            if (raw.pop("format"), raw.pop("schema")) != (FORMAT, SCHEMA):
                raise ValueError("another format or schema version")
            raw.pop("estimates")
            raw["replicates"] = {k: np.array(v, dtype=np.float64) for k, v in raw["replicates"].items()}
            return cls(**{**raw, "people": tuple(raw["people"]), "notes": tuple(raw["notes"])})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadFileError(f"not a retrieval result ({error})", where=str(path), remedy="Evaluate again") from error


def _estimate(value: float, replicates: Floats, people: int, possible: tuple[float, float]) -> Estimate:
    """An estimate with the interval of replicates moved to have it as their mean, within what is ``possible``.

    The estimate is never outside: where replicates are few distinct numbers, their mean can be.
    """
    defined = replicates[np.isfinite(replicates)]
    lo, hi = interval(defined - defined.mean() + value, people) if len(defined) else (np.nan, np.nan)
    return Estimate(value, max(min(lo, value), possible[0]), min(max(hi, value), possible[1]), people)


def _no_nan(values: dict[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in values.items()}


def query_replicates(found: Retrieval, person: Codes, people: int) -> dict[str, Floats]:
    """Metrics where people are drawn anew with all the queries that are theirs.

    Args:
        found: The search.
        person: Code of each query's person, ``(query,)``.
        people: How many people there are.
    """
    sums = np.stack([np.bincount(person, column, minlength=people) for column in found.scores.T], axis=1)
    counts = np.bincount(person, minlength=people).astype(np.float64)
    weights = resamples(people)
    return _by_name(found, (weights @ sums) / (weights @ counts)[:, None])


def gallery_replicates(
    found: Retrieval, queries: FloatArray, gallery: FloatArray, rows: Any, person: Codes, people: int
) -> dict[str, Floats]:
    """Metrics where people are drawn anew with all their windows in the gallery.

    Queries that belong to nobody (sentences) are asked again in each resampled gallery; one that has no right answer
    there is left out of that resample.

    Args:
        found: The search in the gallery as it is.
        queries: Unit vectors ``(query, dim)``.
        gallery: Unit vectors ``(item, dim)``.
        rows: Right answers, compressed rows.
        person: Code of each gallery item's person, ``(item,)``.
        people: How many people there are.
    """
    weights = resamples(people)
    total, asked = np.zeros((len(weights), 1 + len(found.ks))), np.zeros(len(weights))
    for i in range(len(queries)):
        right = rows.indices[rows.indptr[i] : rows.indptr[i + 1]]
        ranks, there = _resampled(gallery @ queries[i], right, person, weights)
        total[there] += ranks.scores(found.ks)
        asked[there] += 1
    with np.errstate(invalid="ignore"):
        return _by_name(found, total / asked[:, None])


def _resampled(scores: FloatArray, right: Codes, person: Codes, weights: Floats) -> tuple[Ranks, Any]:
    """Ranks of one query in each resample that has a right answer, and which those are."""
    people = weights.shape[1]
    best = np.full(people, -np.inf, dtype=np.float32)
    np.maximum.at(best, person[right], scores[right])
    who = np.argsort(-best, kind="stable")[: int(np.isfinite(best).sum())]
    drawn = weights[:, who] > 0
    there = drawn.any(axis=1)
    first = drawn.argmax(axis=1)[there]  # of the people drawn, the one with the best right answer decides
    mine, mine_right, own = weights[there], scores[right], person[right]
    counts = []
    for p in who:
        above = np.bincount(person[scores > best[p] + LEVEL], minlength=people)
        level = np.bincount(person[scores >= best[p] - LEVEL], minlength=people) - above
        counts.append((above, level, np.bincount(own[np.abs(mine_right - best[p]) <= LEVEL], minlength=people)))
    table = np.asarray(counts, dtype=np.float64)  # (candidate, above/level/right, person)
    return Ranks(*((mine * table[first, kind]).sum(axis=1) for kind in range(3))), there


def _by_name(found: Retrieval, values: Floats) -> dict[str, Floats]:
    return dict(zip(metric_names(found.ks), values.T, strict=True))
