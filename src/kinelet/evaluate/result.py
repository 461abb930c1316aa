"""The outcome of a protocol: predictions for people never seen, and everything that follows from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from kinelet.errors import BadFileError
from kinelet.evaluate import metrics, statistics
from kinelet.evaluate.metrics import METRICS, Array
from kinelet.evaluate.protocol import Predictions
from kinelet.evaluate.statistics import Estimate, Spread
from kinelet.evaluate.task import Codes, Kind
from kinelet.files import write_text

SCHEMA = 1


@dataclass(frozen=True, eq=False)
class Result:
    """Pooled predictions of all test folds and what they say.

    Attributes:
        protocol, options: Protocol and its options.
        encoder: What made the representation.
        task: Name of the task.
        classes: Class names; empty for regression.
        subjects: Test people.
        subject: Codes ``(n,)`` into ``subjects``.
        row: Indices ``(n,)`` into the task's windows.
        fold: Test fold of each window, ``(n,)``.
        truth: Targets ``(n,)``.
        predicted: ``(draw, n)``.
        estimates: Metric name to estimate with interval.
        notes: Remarks about what could not be done or checked.
    """

    protocol: str
    options: Mapping[str, Any]
    encoder: str
    task: str
    classes: tuple[str, ...]
    subjects: tuple[str, ...]
    subject: Codes
    row: Codes
    fold: Codes
    truth: Predictions
    predicted: Predictions
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.estimates:
            sums = self.statistic()
            made = {name: statistics.estimate(sums, metric) for name, metric in METRICS[self.kind].items()}
            object.__setattr__(self, "estimates", made)

    @property
    def kind(self) -> Kind:
        """``classes`` or ``values``."""
        return "classes" if self.classes else "values"

    def statistic(self) -> Array:
        """Sufficient statistics ``(draw, subject, ...)`` of each person, for :mod:`kinelet.evaluate.statistics`."""
        return self._sums(self.subject, len(self.subjects))

    def _sums(self, group: Codes, groups: int) -> Array:
        if self.classes:
            n = len(self.classes)
            parts = [metrics.confusion(self.truth, p, group, groups, n) for p in self.predicted]
        else:
            centre = float(np.mean(self.truth))
            parts = [metrics.moments(self.truth, p, group, groups, centre) for p in self.predicted]
        return np.stack(parts)

    @property
    def confusion(self) -> Array:
        """Windows ``(true class, predicted class)`` of all people, mean over draws."""
        if not self.classes:
            raise AttributeError("a regression result has no confusion matrix")
        return np.asarray(self.statistic().sum(axis=1).mean(axis=0))

    @property
    def recall(self) -> dict[str, float]:
        """Share of each class's windows that are right, all people pooled; NaN for a class that nobody performed."""
        return dict(zip(self.classes, metrics.recall(self.confusion).tolist(), strict=True))

    def per_subject(self, metric: str) -> dict[str, float]:
        """Each person's own windows scored alone (mean over draws); NaN where undefined."""
        values = METRICS[self.kind][metric](self.statistic()).mean(axis=0)
        return dict(zip(self.subjects, (float(v) for v in values), strict=True))

    def per_fold(self, metric: str) -> Array:
        """Each test fold's windows scored alone (mean over draws), ``(fold,)``; papers average these.

        The estimates here pool the folds instead, because a fold of few people may lack classes.
        """
        sums = self._sums(self.fold, int(self.fold.max()) + 1)
        return np.asarray(METRICS[self.kind][metric](sums).mean(axis=0))

    def spread(self, metric: str) -> Spread:
        """How the metric varies from person to person."""
        return Spread.of(list(self.per_subject(metric).values()))

    def over_draws(self, metric: str) -> Estimate:
        """The metric with an interval over people and draws; see :func:`kinelet.evaluate.statistics.estimate`."""
        return statistics.estimate(self.statistic(), METRICS[self.kind][metric], over_draws=True)

    def difference(self, reference: Result, metric: str, *, over_draws: bool = False) -> Estimate:
        """This minus ``reference`` on the same people, windows and resamples (and draws, if asked for).

        Raises:
            BadOptionError: if the two were not judged on the same windows.
        """
        from kinelet.evaluate.compare import require_same_test

        require_same_test(self, reference)
        a, b = self.statistic(), reference.statistic()
        return statistics.paired_difference(a, b, METRICS[self.kind][metric], over_draws=over_draws)

    def __str__(self) -> str:
        numbers = ", ".join(f"{name} {value}" for name, value in self.estimates.items())
        return f"{self.task}: {self.encoder}, {self.protocol}: {numbers}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, with figures of people and classes written out for other tools."""
        out: dict[str, Any] = {"schema": SCHEMA, **_plain_fields(self)}
        out["estimates"] = {name: asdict(value) for name, value in self.estimates.items()}
        out["per_subject"] = {name: self.per_subject(name) for name in self.estimates}
        if self.classes:
            out |= {"confusion": self.confusion.tolist(), "recall": self.recall}
        return cast(dict[str, Any], _nan_to_none(out))

    def save(self, path: str | Path) -> None:
        """Write as JSON (schema version 1), atomically."""
        write_text(path, json.dumps(self.to_dict(), allow_nan=False))

    @classmethod
    def load(cls, path: str | Path) -> Result:
        """Read what :meth:`save` wrote.

        Raises:
            BadFileError: if it is not a result, or of another schema version.
        """
        try:
            raw = json.loads(Path(path).read_text(encoding="utf-8"))
            schema = raw["schema"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadFileError(f"not an evaluation result ({error})", where=str(path)) from error
        if schema != SCHEMA:
            raise BadFileError(
                f"result schema {schema!r}, but this version reads {SCHEMA}", where=str(path), remedy="Evaluate again"
            )
        return _from_dict(raw, str(path))


_ARRAYS = ("subject", "row", "fold", "truth", "predicted")
_PLAIN = ("protocol", "encoder", "task")
_TUPLES = ("classes", "subjects", "notes")


def _plain_fields(result: Result) -> dict[str, Any]:
    plain = {name: getattr(result, name) for name in _PLAIN}
    tuples = {name: list(getattr(result, name)) for name in _TUPLES}
    arrays = {name: getattr(result, name).tolist() for name in _ARRAYS}
    return {**plain, "options": dict(result.options), **tuples, **arrays}


def _from_dict(raw: dict[str, Any], where: str) -> Result:
    try:
        kind = np.int64 if raw["classes"] else np.float64
        values: dict[str, Any] = {name: np.asarray(raw[name], dtype=np.int64) for name in ("subject", "row", "fold")}
        values |= {name: np.asarray(raw[name], dtype=kind) for name in ("truth", "predicted")}
        values |= {name: tuple(raw[name]) for name in _TUPLES}
        values |= {name: raw[name] for name in (*_PLAIN, "options")}
        estimates = {name: Estimate(**_none_to_nan(value)) for name, value in raw["estimates"].items()}
        return Result(**values, estimates=estimates)
    except (KeyError, TypeError, ValueError) as error:
        raise BadFileError(f"incomplete evaluation result ({error!r})", where=where, remedy="Evaluate again") from error


def _nan_to_none(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _nan_to_none(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_nan_to_none(v) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _none_to_nan(value: dict[str, Any]) -> dict[str, Any]:
    return {key: float("nan") if v is None else v for key, v in value.items()}
