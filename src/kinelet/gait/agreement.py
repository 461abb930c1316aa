"""How well predicted gait numbers agree with a reference: error, correlation, ICC and limits of agreement.

Every number is a function of sums over people, so that a bootstrap over people is one matrix product, as in
:mod:`kinelet.evaluate.statistics`. Walks of one person resemble each other, hence three correlations:

- ``r`` over all walks, which people who differ from each other inflate;
- ``r_within``: deviations from each person's own means, pooled (Bland and Altman, *BMJ* 310:446, 1995);
- ``r_between``: of the people's means, each person counted once (Bland and Altman, *BMJ* 310:633, 1995, unweighted).

``bias`` is the mean of prediction minus reference, and the 95 % limits of agreement are ``bias ± 1.96 s``, where ``s²``
is the variance of a single difference as the sum of its components between and within people, from a one-way analysis
of variance with unequal numbers of walks (Bland and Altman, *Journal of Biopharmaceutical Statistics* 17(4), 2007).
``icc`` is ICC(A,1), see :func:`kinelet.evaluate.metrics.icc`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from kinelet.errors import BadOptionError
from kinelet.evaluate import metrics, statistics
from kinelet.evaluate.metrics import Array, Metric
from kinelet.evaluate.result import Result
from kinelet.evaluate.statistics import Estimate

FEWEST = 6
"""People below which an interval over people, or a verdict, means little."""

_BASIC = 8  # columns of metrics.moments
# Further columns: within-person sums of squares and products, sums over people's means, sums of the differences.
_WITHIN, _MEANS, _DIFFERENCES = slice(8, 11), slice(11, 17), slice(17, 21)


def sums_by_person(
    truth: npt.ArrayLike, predicted: npt.ArrayLike, subject: npt.NDArray[np.int64], n_subjects: int
) -> Array:
    """Sufficient statistics ``(subject, 21)`` of all metrics here; every person must have a walk.

    Raises:
        BadOptionError: if a person has none.
    """
    t, p = np.asarray(truth, dtype=float), np.asarray(predicted, dtype=float)
    centre = float(t.mean())
    basic = metrics.moments(t, p, subject, n_subjects, centre)
    n, st, sp, tt, pp, tp = (basic[:, i] for i in range(6))
    if (n == 0).any():
        raise BadOptionError(f"{int((n == 0).sum())} people have no walk", where="agreement")
    mt, mp = st / n, sp / n
    within = np.stack([np.maximum(tt - n * mt**2, 0), np.maximum(pp - n * mp**2, 0), tp - n * mt * mp], axis=1)
    means = np.stack([np.ones_like(n), mt, mp, mt**2, mp**2, mt * mp], axis=1)
    d = sp - st
    differences = np.stack([d, d**2 / n, basic[:, 7], n**2], axis=1)
    return np.concatenate([basic, within, means, differences], axis=1)


def _basic(metric: Metric) -> Metric:
    return lambda sums: metric(sums[..., :_BASIC])


def within_r(sums: Array) -> Array:
    """Correlation within people; NaN where truth or prediction does not vary within anybody; ``(..., 21) -> (...)``."""
    tt, pp, tp = np.moveaxis(sums[..., _WITHIN], -1, 0)
    return _ratio(tp, tt, pp)


def between_r(sums: Array) -> Array:
    """Correlation of people's means; NaN below three people; ``(..., 21) -> (...)``."""
    k, t, p, tt, pp, tp = np.moveaxis(sums[..., _MEANS], -1, 0)
    r = _ratio(tp - t * p / k, np.maximum(tt - t * t / k, 0), np.maximum(pp - p * p / k, 0))
    return np.where(k >= 3, r, np.nan)


def bias(sums: Array) -> Array:
    """Mean of prediction minus reference; ``(..., 21) -> (...)``."""
    return np.asarray(sums[..., _DIFFERENCES.start] / sums[..., 0])


def sd_of_difference(sums: Array) -> Array:
    """Standard deviation of a single difference, people and walks both varying; ``(..., 21) -> (...)``.

    NaN where there are fewer than two people, or nobody walked twice.
    """
    n, k = sums[..., 0], sums[..., _MEANS.start]
    d, squares_of_people, squares, n_squared = np.moveaxis(sums[..., _DIFFERENCES], -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = np.maximum(squares_of_people - d**2 / n, 0) / (k - 1)
        within = np.maximum(squares - squares_of_people, 0) / (n - k)
        walks = (n - n_squared / n) / (k - 1)
        variance = within + np.maximum(between - within, 0) / walks
        return np.asarray(np.where((k > 1) & (n > k), np.sqrt(variance), np.nan))


def lower_limit(sums: Array) -> Array:
    """Lower 95 % limit of agreement; ``(..., 21) -> (...)``."""
    return bias(sums) - 1.96 * sd_of_difference(sums)


def upper_limit(sums: Array) -> Array:
    """Upper 95 % limit of agreement; ``(..., 21) -> (...)``."""
    return bias(sums) + 1.96 * sd_of_difference(sums)


AGREEMENT: Mapping[str, Metric] = MappingProxyType(
    {
        "mae": _basic(metrics.mae),
        "rmse": _basic(metrics.rmse),
        "r": _basic(metrics.pearson_r),
        "r_within": within_r,
        "r_between": between_r,
        "icc": _basic(metrics.icc),
        "bias": bias,
        "loa_low": lower_limit,
        "loa_high": upper_limit,
    }
)


def agreement(result: Result) -> dict[str, Estimate]:
    """All metrics of :data:`AGREEMENT` for a regression result, with intervals over people.

    Raises:
        BadOptionError: if the result is one of classes.
    """
    return {name: statistics.estimate(_statistic(result), metric) for name, metric in AGREEMENT.items()}


def difference(result: Result, reference: Result, metric: str) -> Estimate:
    """``metric`` of ``result`` minus that of ``reference`` on the same walks, paired over people.

    Raises:
        BadOptionError: if the two were not judged on the same walks, or there is no such metric.
    """
    from kinelet.evaluate.compare import require_same_test

    require_same_test(result, reference)
    if metric not in AGREEMENT:
        raise BadOptionError(f"unknown metric {metric!r}", where="agreement", remedy=f"One of {list(AGREEMENT)}")
    return statistics.paired_difference(_statistic(result), _statistic(reference), AGREEMENT[metric])


def _statistic(result: Result) -> Array:
    if result.classes:
        raise BadOptionError("classes have no limits of agreement", where=result.task)
    people = len(result.subjects)
    return np.stack([sums_by_person(result.truth, p, result.subject, people) for p in result.predicted])


def few_people_note(n: int) -> tuple[str, ...]:
    """A remark where there are too few people to generalise from."""
    if n >= FEWEST:
        return ()
    return (
        f"{n} people: every fold leaves one person out and learns from {n - 1}; intervals over people and differences "
        "between models mean hardly anything",
    )


def _ratio(tp: Array, tt: Array, pp: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where((tt > 1e-12) & (pp > 1e-12), tp / np.sqrt(tt * pp), np.nan))
