"""Estimates with intervals by bootstrap over subjects, and paired differences on the same people.

People are drawn with replacement, all windows of a person together, because windows of one person resemble each
other. The statistics of each person (a confusion matrix, or sums) are made once; a replicate is a weighted sum.

The interval is the *expanded percentile interval* of Hesterberg, "What Teachers Should Know About the Bootstrap",
*The American Statistician* 69(4), 2015: the plain percentile interval is too narrow for few people (it lacks the
factor n/(n-1) in the variance and Student's tails), so its levels are moved to
``Φ(-sqrt(n/(n-1)) t(1-α/2; n-1))``. With 10 people a nominal 95 % uses the 0.9 % and 99.1 % quantiles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from kinelet.errors import BadOptionError
from kinelet.evaluate.metrics import Array, Metric

Interval = Literal["expanded", "percentile"]
REPLICATES = 2000
_BLOCK = 4_000_000  # numbers held at once while replicates are summed


@dataclass(frozen=True)
class Estimate:
    """A number, its 95 % interval over people, and how many people it rests on.

    ``lo`` and ``hi`` are NaN with fewer than two people: one person says nothing about the spread between people.
    """

    value: float
    lo: float
    hi: float
    n_subjects: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.lo:.3f}, {self.hi:.3f}] ({self.n_subjects} subjects)"

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.lo > 0


@dataclass(frozen=True)
class Spread:
    """How a metric varies from person to person (each person's own windows scored alone)."""

    mean: float
    sd: float
    minimum: float
    lower_quartile: float
    median: float
    upper_quartile: float
    maximum: float

    @classmethod
    def of(cls, values: npt.ArrayLike) -> Spread:
        """Summarise one value per person; people whose value is undefined (NaN) are left out."""
        v = np.asarray(values, dtype=float)
        v = v[np.isfinite(v)]
        if len(v) == 0:
            return cls(*(math.nan,) * 7)
        sd = float(v.std(ddof=1)) if len(v) > 1 else math.nan
        low, q1, q2, q3, high = (float(q) for q in np.quantile(v, [0, 0.25, 0.5, 0.75, 1]))
        return cls(float(v.mean()), sd, low, q1, q2, q3, high)


def resamples(n_subjects: int, replicates: int = REPLICATES, seed: int = 0) -> Array:
    """How often each person occurs in each replicate, ``(replicate, subject)``."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(n_subjects, np.full(n_subjects, 1 / n_subjects), size=replicates).astype(float)


def replicate(statistic: Array, metric: Metric, weights: Array, draw_weights: Array | None = None) -> Array:
    """Metric of every replicate, mean over draws.

    Args:
        statistic: Sufficient statistics ``(draw, subject, ...)`` as :mod:`kinelet.evaluate.metrics` makes them.
        metric: Function of the pooled statistics.
        weights: ``(replicate, subject)`` from :func:`resamples`.
        draw_weights: ``(replicate, draw)``, likewise, where draws are drawn anew too.

    Returns:
        ``(replicate,)``.
    """
    draws, people, tail = len(statistic), statistic.shape[1], statistic.shape[2:]
    flat = np.moveaxis(statistic, 1, 0).reshape(people, -1)
    block = max(1, _BLOCK // max(1, flat.shape[1]))
    parts = [metric((weights[i : i + block] @ flat).reshape(-1, draws, *tail)) for i in range(0, len(weights), block)]
    values = np.concatenate(parts)
    return np.asarray(values.mean(axis=1) if draw_weights is None else (values * draw_weights).sum(axis=1) / draws)


def interval(values: Array, n_subjects: int, level: float = 0.95, kind: Interval = "expanded") -> tuple[float, float]:
    """Interval from replicates; undefined replicates (NaN, such as r of a constant) are left out."""
    defined = values[np.isfinite(values)]
    if n_subjects < 2 or len(defined) == 0:
        return math.nan, math.nan
    tail = (1 - level) / 2
    if kind == "expanded":
        tail = float(stats.norm.cdf(-math.sqrt(n_subjects / (n_subjects - 1)) * stats.t.ppf(1 - tail, n_subjects - 1)))
    lo, hi = np.quantile(defined, [tail, 1 - tail])
    return float(lo), float(hi)


def estimate(
    statistic: Array,
    metric: Metric,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    level: float = 0.95,
    kind: Interval = "expanded",
    over_draws: bool = False,
) -> Estimate:
    """Estimate a metric of pooled windows, with an interval over people.

    Args:
        statistic: ``(draw, subject, ...)``; the value is the mean over draws. Every subject must have windows.
        metric: Function of the pooled statistics.
        replicates: Bootstrap replicates.
        seed: Of the resampling; the same seed and number of people give the same resamples.
        level: Coverage.
        kind: ``expanded`` (see the module) or the plain ``percentile``.
        over_draws: Draw the draws anew too, apart from the people: what other draws would have changed is then in the
            interval.
    """
    people = statistic.shape[1]
    value = float(metric(statistic.sum(axis=1)).mean())
    drawn = _draws(statistic, replicates, seed) if over_draws else None
    values = replicate(statistic, metric, resamples(people, replicates, seed), drawn) if people > 1 else np.empty(0)
    return Estimate(value, *interval(values, people, level, kind), people)


def paired_difference(
    statistic: Array,
    reference: Array,
    metric: Metric,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    level: float = 0.95,
    kind: Interval = "expanded",
    over_draws: bool = False,
) -> Estimate:
    """Estimate ``metric(statistic) - metric(reference)`` on the same people, each replicate drawn once for both.

    With ``over_draws`` the draws are drawn anew too, the same for both if they have as many.

    Raises:
        BadOptionError: if the two were not made from the same number of people.
    """
    people = _same_people(statistic, reference)
    value = _difference(statistic, reference, metric)
    if people < 2:
        return Estimate(value, math.nan, math.nan, people)
    weights = resamples(people, replicates, seed)
    if over_draws:
        sides = [replicate(s, metric, weights, _draws(s, replicates, seed)) for s in (statistic, reference)]
        return Estimate(value, *interval(sides[0] - sides[1], people, level, kind), people)
    values = _difference_replicates(statistic, reference, metric, weights)
    return Estimate(value, *interval(values, people, level, kind), people)


def _draws(statistic: Array, replicates: int, seed: int) -> Array:
    """How often each draw occurs in each replicate, ``(replicate, draw)``; depends on the number of draws alone."""
    return resamples(len(statistic), replicates, seed + 1)


def _same_people(statistic: Array, reference: Array) -> int:
    people = int(statistic.shape[1])
    if reference.shape[1] != people:
        raise BadOptionError(
            f"{people} people against {reference.shape[1]}",
            where="paired difference",
            remedy="Judge both encoders on the same task and splits",
        )
    return people


def _difference(statistic: Array, reference: Array, metric: Metric) -> float:
    return float(metric(statistic.sum(axis=1)).mean() - metric(reference.sum(axis=1)).mean())


def _difference_replicates(statistic: Array, reference: Array, metric: Metric, weights: Array) -> Array:
    return replicate(statistic, metric, weights) - replicate(reference, metric, weights)


def mean_difference(
    pairs: Sequence[tuple[Array, Array]],
    metric: Metric,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """Estimate the mean over data sets of ``metric(statistic) - metric(reference)``, each set counting alike.

    A replicate draws the people of every set, each set by itself, and takes the mean of the sets' differences. With
    ``v_s`` the variance of set ``s``'s replicates and ``n_s`` its people, the bootstrap's variance of the mean lacks
    the factor ``k² = Σ v_s n_s/(n_s-1) / Σ v_s``, and the degrees of freedom are Welch and Satterthwaite's,
    ``f = (Σ v_s)² / Σ v_s²/(n_s-1)``. The levels are moved to ``Φ(-k t(1-α/2; f))``: for one set this is the expanded
    percentile interval of :func:`paired_difference`.

    Args:
        pairs: One ``(statistic, reference)`` a set, both on the same people.
        metric: Function of the pooled statistics.
        replicates: Bootstrap replicates.
        seed: Of the resampling; set ``i`` uses ``seed + i``.
        level: Coverage.

    Raises:
        BadOptionError: if there is no set, or a pair differs in its number of people.
    """
    if not pairs:
        raise BadOptionError("no data set to take the mean over", where="paired difference")
    people = np.array([_same_people(a, b) for a, b in pairs])
    value = float(np.mean([_difference(a, b, metric) for a, b in pairs]))
    if people.min() < 2:
        return Estimate(value, math.nan, math.nan, int(people.sum()))
    drawn = [resamples(n, replicates, seed + i) for i, n in enumerate(people)]
    values = np.stack([_difference_replicates(a, b, metric, w) for (a, b), w in zip(pairs, drawn, strict=True)])
    return Estimate(value, *_joint_interval(values, people, level), int(people.sum()))


def _joint_interval(values: Array, people: Array, level: float) -> tuple[float, float]:
    """Interval of the mean over sets from replicates ``(set, replicate)`` of sets with ``people`` ``(set,)``."""
    spread = np.nanvar(values, axis=1)
    mean = values.mean(axis=0)
    defined = mean[np.isfinite(mean)]
    if len(defined) == 0:
        return math.nan, math.nan
    total = spread.sum()
    if total == 0:
        return float(defined.min()), float(defined.max())
    widen = math.sqrt((spread * people / (people - 1)).sum() / total)
    freedom = total**2 / (spread**2 / (people - 1)).sum()
    tail = float(stats.norm.cdf(-widen * stats.t.ppf(1 - (1 - level) / 2, freedom)))
    lo, hi = np.quantile(defined, [tail, 1 - tail])
    return float(lo), float(hi)
