"""Metrics as functions of per-subject sufficient statistics, so that resampling people is one matrix product.

Every function maps an array with any leading axes to those leading axes. Summing the statistics of several people
gives the statistics of their pooled windows.

Which classes count: those that occur in the truth. A class that nobody performed has no recall to judge; windows
wrongly given such a class still count as errors of the class that they belong to. This makes macro-F1 equal
scikit-learn's ``f1_score(labels=unique(truth), average="macro")`` and balanced accuracy equal its
``balanced_accuracy_score``, and it keeps the set of classes the same for two encoders judged on the same people.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from kinelet.evaluate.task import Kind

Array = npt.NDArray[np.float64]
Metric = Callable[[Array], Array]


def confusion(
    truth: npt.NDArray[Any], predicted: npt.NDArray[Any], subject: npt.NDArray[Any], n_subjects: int, n_classes: int
) -> Array:
    """Count windows ``(subject, true class, predicted class)``."""
    flat = (subject * n_classes + truth) * n_classes + predicted
    counts = np.bincount(flat, minlength=n_subjects * n_classes**2)
    return counts.reshape(n_subjects, n_classes, n_classes).astype(np.float64)


def _mean_over_true_classes(per_class: Array, support: Array) -> Array:
    occurs = support > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(occurs, per_class, 0.0).sum(-1) / occurs.sum(-1))


def macro_f1(counts: Array) -> Array:
    """Mean over the true classes of ``2 TP / (2 TP + FP + FN)``; ``(..., class, class) -> (...)``."""
    hit, support = np.einsum("...ii->...i", counts), counts.sum(-1)
    f1 = 2 * hit / np.maximum(support + counts.sum(-2), 1e-12)
    return _mean_over_true_classes(f1, support)


def recall(counts: Array) -> Array:
    """Share of each class's windows that are right, NaN where it has none; ``(..., class, class) -> (..., class)``."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.einsum("...ii->...i", counts) / counts.sum(-1))


def balanced_accuracy(counts: Array) -> Array:
    """Mean recall over the true classes; ``(..., class, class) -> (...)``."""
    return _mean_over_true_classes(recall(counts), counts.sum(-1))


def accuracy(counts: Array) -> Array:
    """Share of windows that are right; ``(..., class, class) -> (...)``."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.einsum("...ii->...", counts) / counts.sum((-2, -1)))


def kappa(counts: Array) -> Array:
    """Cohen's kappa, agreement beyond what the two margins alone would give; ``(..., class, class) -> (...)``.

    Source: Cohen, *Educational and Psychological Measurement* 20(1), 1960.
    """
    total = counts.sum((-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        by_chance = (counts.sum(-1) * counts.sum(-2)).sum(-1) / total**2
        return np.asarray(np.where(by_chance < 1, (accuracy(counts) - by_chance) / (1 - by_chance), np.nan))


def moments(
    truth: npt.NDArray[Any], predicted: npt.NDArray[Any], subject: npt.NDArray[Any], n_subjects: int, centre: float
) -> Array:
    """Sums ``(subject, 8)`` of 1, t, p, t², p², tp, |p - t|, (p - t)², with t and p measured from ``centre``.

    Moving both by the same constant alters none of the metrics and keeps the sums of squares from cancelling.
    """
    t, p = np.asarray(truth, float) - centre, np.asarray(predicted, float) - centre
    columns = (np.ones_like(t), t, p, t * t, p * p, t * p, np.abs(p - t), (p - t) ** 2)
    return np.stack([np.bincount(subject, column, minlength=n_subjects) for column in columns], axis=-1)


def mae(sums: Array) -> Array:
    """Mean absolute error over windows; ``(..., 8) -> (...)``."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 6] / sums[..., 0])


def rmse(sums: Array) -> Array:
    """Root mean squared error over windows; ``(..., 8) -> (...)``."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.sqrt(sums[..., 7] / sums[..., 0]))


def _scatter(sums: Array) -> tuple[Array, Array, Array, Array, Array, Array]:
    n, t, p, tt, pp, tp = (sums[..., i] for i in range(6))
    with np.errstate(invalid="ignore", divide="ignore"):
        return n, t / n, p / n, np.maximum(tt - t * t / n, 0), np.maximum(pp - p * p / n, 0), tp - t * p / n


def pearson_r(sums: Array) -> Array:
    """Pearson's correlation over windows; NaN where truth or prediction is constant; ``(..., 8) -> (...)``."""
    _, _, _, stt, spp, stp = _scatter(sums)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where((stt > 1e-12) & (spp > 1e-12), stp / np.sqrt(stt * spp), np.nan))


def icc(sums: Array) -> Array:
    """ICC(A,1): absolute agreement of truth and prediction as two raters of the same windows; ``(..., 8) -> (...)``.

    McGraw and Wong, *Psychological Methods* 1(1), 1996, table 4, case 2A, the same number as ICC(2,1) of Shrout and
    Fleiss, *Psychological Bulletin* 86(2), 1979. With ``k = 2`` raters and ``n`` targets::

        ICC(A,1) = (MSR - MSE) / (MSR + (k - 1) MSE + k/n (MSC - MSE))

    where MSR, MSC and MSE are the mean squares between rows (windows), between columns (truth, prediction) and of
    the residual of the two-way analysis of variance.
    """
    n, mean_t, mean_p, stt, spp, stp = _scatter(sums)
    with np.errstate(invalid="ignore", divide="ignore"):
        # For two columns: rows' sum of squares is that of (t + p)/2 twice, the residual's that of (t - p)/2 twice.
        between_rows = (stt + spp + 2 * stp) / 2 / (n - 1)
        residual = (stt + spp - 2 * stp) / 2 / (n - 1)
        between_columns = n * (mean_t - mean_p) ** 2 / 2
        total = between_rows + residual + 2 / n * (between_columns - residual)
        return np.asarray(np.where(total > 1e-12, (between_rows - residual) / total, np.nan))


METRICS: Mapping[Kind, Mapping[str, Metric]] = MappingProxyType(
    {
        "classes": MappingProxyType(
            {"macro_f1": macro_f1, "balanced_accuracy": balanced_accuracy, "accuracy": accuracy, "kappa": kappa}
        ),
        "values": MappingProxyType({"mae": mae, "rmse": rmse, "r": pearson_r, "icc": icc}),
    }
)

LOWER_IS_BETTER = frozenset({"mae", "rmse"})
