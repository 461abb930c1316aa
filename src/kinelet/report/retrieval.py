"""Sections that tell how well motion and what it was paired with find each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kinelet.evaluate.retrieval_result import RetrievalResult
from kinelet.report import html
from kinelet.report.html import Section

COLUMNS = ("direction", "queries", "gallery", "right answers", "metric", "value", "random order")
REMARKS = (
    "in brackets the 95 % interval from resampling people",
    "right answers: the same sentence, or the same recording and half of the time or more shared",
)


def rows(results: Sequence[RetrievalResult]) -> list[tuple[str, ...]]:
    """One row for each direction and metric."""
    out: list[tuple[str, ...]] = []
    for r in results:
        facts = (r.direction, str(r.queries), str(r.gallery), f"{r.relevant:.1f}")
        for name, e in r.estimates.items():
            out.append((*facts, name.upper(), f"{e.value:.3f} [{e.lo:.3f}, {e.hi:.3f}]", f"{r.random[name]:.3f}"))
            facts = ("", "", "", "")
    return out


def section(results: Sequence[RetrievalResult]) -> Section:
    """The table of a page, with its remarks."""
    first = results[0]
    told = f"{first.task}, {len(first.people)} people never seen. "
    remarks = [*REMARKS, *dict.fromkeys(n for r in results for n in r.notes)]
    text = html.paragraph(told + "; ".join(remarks) + ".")
    return Section("Search both ways", html.table(COLUMNS, rows(results)) + text)


def load(place: Path) -> list[RetrievalResult]:
    """Results that ``kinelet evaluate --protocol retrieval`` kept in a folder."""
    return [RetrievalResult.load(file) for file in sorted(place.glob("*.json"))]
