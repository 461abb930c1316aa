"""Several results on the same people side by side, with paired differences from one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kinelet.errors import BadOptionError
from kinelet.evaluate import statistics
from kinelet.evaluate.metrics import METRICS
from kinelet.evaluate.result import Result
from kinelet.evaluate.statistics import Estimate


@dataclass(frozen=True)
class Row:
    """One result's estimate, and its difference from the reference (``None`` for the reference itself)."""

    encoder: str
    protocol: str
    estimate: Estimate
    difference: Estimate | None


@dataclass(frozen=True)
class Comparison:
    """Results on the same windows, in the order given.

    Attributes:
        task, metric: What was judged.
        reference: Encoder that the differences are taken from.
        rows: One for each result.
    """

    task: str
    metric: str
    reference: str
    rows: tuple[Row, ...]

    def table(self) -> str:
        """Markdown table of estimates and paired differences."""
        head = (
            f"| {self.task} | protocol | {self.metric} | minus {self.reference} (paired) |\n| --- | --- | --- | --- |"
        )
        return "\n".join([head, *(self._line(row) for row in self.rows)])

    @staticmethod
    def _line(row: Row) -> str:
        d = row.difference
        paired = "reference" if d is None else f"{d.value:+.3f} [{d.lo:+.3f}, {d.hi:+.3f}]"
        return f"| {row.encoder} | {row.protocol} | {row.estimate} | {paired} |"


def require_same_test(a: Result, b: Result) -> None:
    """Raise unless two results were judged on the same windows of the same people.

    Raises:
        BadOptionError: saying what differs.
    """
    for what in ("task", "classes", "subjects"):
        if getattr(a, what) != getattr(b, what):
            _refuse(a, b, what)
    for what in ("row", "subject", "truth"):
        if not np.array_equal(getattr(a, what), getattr(b, what)):
            _refuse(a, b, what)


def _refuse(a: Result, b: Result, what: str) -> None:
    raise BadOptionError(
        f"{a.encoder!r} and {b.encoder!r} differ in {what}",
        where="comparison",
        remedy="Judge both on the same task and the same splits",
    )


def compare(results: Sequence[Result], *, metric: str | None = None, reference: int = -1) -> Comparison:
    """Compare results on the same people.

    Args:
        results: Two or more, on the same task and splits.
        metric: Default macro-F1 for classes, MAE for values.
        reference: Index of the result that the others are compared with; default the last.

    Raises:
        BadOptionError: if the results are not about the same windows, or there is no such metric.
    """
    if not results:
        raise BadOptionError("no results to compare", where="comparison")
    base, kind = results[reference], results[0].kind
    chosen = metric or ("macro_f1" if kind == "classes" else "mae")
    if chosen not in METRICS[kind]:
        raise BadOptionError(f"unknown metric {chosen!r}", where="comparison", remedy=f"One of {list(METRICS[kind])}")
    rows = [
        Row(r.encoder, r.protocol, r.estimates[chosen], None if r is base else r.difference(base, chosen))
        for r in results
    ]
    return Comparison(base.task, chosen, base.encoder, tuple(rows))


def mean_difference(results: Sequence[Result], references: Sequence[Result], metric: str) -> Estimate:
    """Mean over data sets of the paired differences from a reference; people are resampled in every set by itself.

    Args:
        results: One for each data set.
        references: Of the same data sets, in the same order.
        metric: Name of the metric.

    Raises:
        BadOptionError: if a pair is not about the same windows.
    """
    for result, reference in zip(results, references, strict=True):
        require_same_test(result, reference)
    pairs = [(r.statistic(), b.statistic()) for r, b in zip(results, references, strict=True)]
    return statistics.mean_difference(pairs, METRICS[results[0].kind][metric])
