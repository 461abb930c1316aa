"""Multinomial logistic regression with an L2 penalty, fast enough to try many strengths on two cores.

Objective (the one of scikit-learn's ``LogisticRegression``, divided by ``C n``)::

    mean_i w_i CE(y_i, softmax(x_i V + b)) + ||V||² / (2 C n)

L-BFGS runs in coordinates where the upper bound of the Hessian by Böhning, "Multinomial logistic regression
algorithm", *Annals of the Institute of Statistical Mathematics* 44, 1992, ``1/2 XᵀX/n + 1/(C n)``, is the identity:
correlated embeddings then need tens of iterations where the plain problem needs hundreds. Along a path of strengths
each fit starts where the line through the two before it, over log C, points: half the iterations of a start from the
last one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from kinelet.evaluate.task import Codes, FloatArray
from kinelet.evaluate.threads import threads_for

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Scaler:
    """Standardisation fitted on training windows: ``(x - mean) / sd``; constant features become zero."""

    mean: FloatArray
    scale: FloatArray

    @classmethod
    def fit(cls, x: FloatArray) -> Scaler:
        """Measure mean and standard deviation of each column of ``(n, dim)``."""
        mean, sd = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
        varies = sd > 1e-6 * np.maximum(np.abs(mean), 1e-6)
        scale = np.where(varies, 1 / np.where(varies, sd, 1), 0)
        return cls(mean.astype(np.float32), scale.astype(np.float32))

    def __call__(self, x: FloatArray) -> FloatArray:
        """Standardise ``(n, dim)``, limited to ±10 so that one odd window cannot carry a decision."""
        return np.clip((x - self.mean) * self.scale, -10, 10)


@dataclass(frozen=True)
class Logistic:
    """A fitted model: ``coef (dim, class)``, ``intercept (class,)``, and whether the iteration came to its end."""

    coef: FloatArray
    intercept: FloatArray
    converged: bool = True

    def scores(self, x: FloatArray) -> FloatArray:
        """Log-odds up to a constant, ``(n, class)``."""
        return x @ self.coef + self.intercept

    def predict(self, x: FloatArray) -> Codes:
        """Most probable class of each row, ``(n,)``."""
        return np.asarray(self.scores(x).argmax(axis=1), dtype=np.int64)


def class_weights(y: Codes, n_classes: int, balanced: bool) -> FloatArray:
    """Weight of each window, mean 1: all equal, or inverse to its class's share."""
    if not balanced:
        return np.ones(len(y), dtype=np.float32)
    counts = np.bincount(y, minlength=n_classes)
    return np.asarray(len(y) / ((counts > 0).sum() * np.maximum(counts, 1))[y], dtype=np.float32)


def fit_path(
    x: FloatArray,
    y: Codes,
    n_classes: int,
    strengths: Iterable[float],
    *,
    balanced: bool = False,
    max_iter: int = 1000,
    tolerance: float = 1e-5,
) -> Iterator[Logistic]:
    """Fit one model for each ``C`` in turn, each starting from those before.

    Args:
        x: Standardised features ``(n, dim)``.
        y: Codes ``(n,)``; classes that do not occur are never predicted.
        n_classes: Number of classes.
        strengths: Values of ``C``, best from small (strong penalty) to large.
        balanced: Weigh classes equally.
        max_iter: L-BFGS iterations for each.
        tolerance: Largest gradient (in the scaled coordinates) at which an iteration ends.
    """
    with threads_for(x.size * n_classes):
        problem = _Problem.make(x, y, n_classes, balanced)
    known: list[tuple[float, Array]] = []
    for strength in strengths:
        with threads_for(x.size * n_classes):
            start = _continued(known, float(np.log(strength))) if known else problem.zeros(n_classes)
            solution, converged = problem.solve(1 / (strength * len(x)), start, max_iter, tolerance)
        known = [*known[-1:], (float(np.log(strength)), solution)]
        yield problem.model(solution, converged)


def _continued(known: list[tuple[float, Array]], to: float) -> Array:
    """Where the line through the last two solutions, if there are two, leads at log C = ``to``."""
    (before, v), (last, w) = known[0], known[-1]
    onwards = (to - last) / (last - before) if last != before else 0.0
    return w + min(max(onwards, 0.0), 2.0) * (w - v)


@dataclass(frozen=True)
class _Problem:
    rotated: FloatArray  # x in the principal axes of x, (n, rank)
    axes: FloatArray  # (dim, rank)
    power: Array  # mean square along each axis, (rank,)
    y: Codes
    present: npt.NDArray[np.bool_]
    weight: FloatArray

    @classmethod
    def make(cls, x: FloatArray, y: Codes, n_classes: int, balanced: bool) -> _Problem:
        power, axes = _principal_axes(x)
        present = np.bincount(y, minlength=n_classes) > 0
        weight = class_weights(y, n_classes, balanced) / np.float32(len(y))
        return cls(x @ axes, axes, power, y, present, weight)

    def zeros(self, n_classes: int) -> Array:
        """Start of a first fit."""
        return np.zeros((self.rotated.shape[1] + 1, n_classes))

    def solve(self, penalty: float, start: Array, max_iter: int, tolerance: float) -> tuple[Array, bool]:
        """Minimise from ``start`` ``(rank + 1, class)``, coefficients in the principal axes and intercepts last."""
        step = 1 / np.sqrt(np.append(self.power / 2 + penalty, 0.5))[:, None]
        scaled_penalty = np.append(np.full(len(self.power), penalty), 0.0)[:, None] * step**2
        design = np.hstack([self.rotated, np.ones((len(self.y), 1), np.float32)]) * step[:, 0].astype(np.float32)

        def objective(flat: Array) -> tuple[float, Array]:
            v = flat.reshape(start.shape)
            loss, residual = self._loss(design @ v.astype(np.float32))
            gradient = design.T @ residual + scaled_penalty * v
            return loss + 0.5 * float((scaled_penalty * v * v).sum()), gradient.ravel()

        options = {"maxiter": max_iter, "ftol": 1e-8, "gtol": tolerance, "maxcor": 10}
        solution = minimize(objective, (start / step).ravel(), jac=True, method="L-BFGS-B", options=options)
        return np.asarray(solution.x.reshape(start.shape) * step), bool(solution.success)

    def _loss(self, scores: FloatArray) -> tuple[float, FloatArray]:
        """Weighted cross-entropy of ``(n, class)`` scores and its gradient with respect to them."""
        scores = np.where(self.present, scores, np.float32(-1e9))
        scores -= scores.max(axis=1, keepdims=True)
        rows = np.arange(len(self.y))
        probability = np.exp(scores)
        total = probability.sum(axis=1, keepdims=True)
        loss = float(((np.log(total[:, 0]) - scores[rows, self.y]) * self.weight).sum(dtype=np.float64))
        probability /= total
        probability[rows, self.y] -= 1
        return loss, probability * self.weight[:, None]

    def model(self, v: Array, converged: bool) -> Logistic:
        intercept = np.where(self.present, v[-1], -1e9)
        return Logistic((self.axes @ v[:-1]).astype(np.float32), intercept.astype(np.float32), converged)


def _principal_axes(x: FloatArray) -> tuple[Array, FloatArray]:
    """Mean square along, and directions of, the principal axes of ``(n, dim)``; those without variance are dropped.

    A penalised solution lies in the span of the rows, so nothing is lost, and few rows make a small problem.
    """
    n, dim = x.shape
    wide = n < dim
    gram = (x @ x.T if wide else x.T @ x).astype(np.float64)
    power, vectors = np.linalg.eigh(gram)
    keep = power > 1e-6 * max(power[-1], 1e-30)
    power, vectors = power[keep], vectors[:, keep]
    if wide:
        vectors = x.T @ (vectors / np.sqrt(power)).astype(np.float32)
    return power / n, vectors.astype(np.float32)
