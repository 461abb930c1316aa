"""Sections that tell how well motion and what it was paired with find each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kinelet.evaluate.retrieval_result import RetrievalResult
from kinelet.report import html
from kinelet.report.html import Section

REMARKS = (
    "in brackets the 95 % interval from resampling people, and after it the level of a random order",
    "right answers: same sentence, or same recording and half of the time or more shared",
)


def columns(results: Sequence[RetrievalResult]) -> tuple[str, ...]:
    """Headings of the table."""
    return ("direction", "queries", "gallery", "right answers", *(name.upper() for name in results[0].values))


def rows(results: Sequence[RetrievalResult]) -> list[tuple[str, ...]]:
    """One row a direction."""
    return [
        (
            r.direction,
            str(r.queries),
            str(r.gallery),
            f"{r.relevant:.1f}",
            *(f"{e.value:.3f} [{e.lo:.3f}, {e.hi:.3f}]; {r.random[k]:.3f}" for k, e in r.estimates.items()),
        )
        for r in results
    ]


def section(results: Sequence[RetrievalResult]) -> Section:
    """The table of a page, with its remarks."""
    first = results[0]
    told = f"{first.task}, {len(first.people)} people never seen. "
    remarks = [*REMARKS, *dict.fromkeys(n for r in results for n in r.notes)]
    text = html.paragraph(told + "; ".join(remarks) + ".")
    return Section("Search both ways", html.table(columns(results), rows(results)) + text)


def load(place: Path) -> list[RetrievalResult]:
    """Results that ``kinelet evaluate --protocol retrieval`` kept in a folder."""
    return [RetrievalResult.load(file) for file in sorted(place.glob("*.json"))]
