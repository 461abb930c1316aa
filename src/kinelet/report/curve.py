"""Sections that tell how far a few labelled windows go."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kinelet.evaluate.curve import Curve, draw_spread
from kinelet.evaluate.result import Result
from kinelet.evaluate.spread import Shots
from kinelet.evaluate.statistics import Estimate
from kinelet.report import html, plots
from kinelet.report.evaluation import FEWEST
from kinelet.report.html import Section

METRIC = "macro_f1"


def columns(curves: Mapping[str, Curve]) -> tuple[str, ...]:
    """Headings: what was judged."""
    return ("windows a class", *curves)


def rows(curves: Mapping[str, Curve]) -> list[tuple[str, ...]]:
    """Macro-F1, its standard deviation over draws, and its interval over people and draws, by windows a class."""
    every = [n for n in next(iter(curves.values())) if all(n in curve for curve in curves.values())]
    return [(str(n), *(_cell(curve[n]) for curve in curves.values())) for n in every]


def _cell(result: Result) -> str:
    e = result.over_draws(METRIC)
    spread = f" ± {draw_spread(result, METRIC):.3f}" if len(result.predicted) > 1 else ""
    return f"{e.value:.3f}{spread} [{e.lo:.3f}, {e.hi:.3f}]"


def _bar(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.lo, estimate.hi


def differences(curves: Mapping[str, Curve]) -> list[str]:
    """One line for each other curve: where the first is ahead of it, behind it, or not to be told from it."""
    (name, first), *others = curves.items()
    return [_line(name, first, other, curve) for other, curve in others]


def _line(name: str, first: Curve, other: str, curve: Curve) -> str:
    gaps = {n: first[n].difference(curve[n], METRIC, over_draws=True) for n in first if n in curve}
    people = next(iter(gaps.values())).n_subjects
    told = ", ".join(f"{n}: {g.value:+.3f} [{g.lo:+.3f}, {g.hi:+.3f}]" for n, g in gaps.items())
    if people < FEWEST:
        return f"{people} people are too few to tell {name} from {other} ({told})."
    sides = {"ahead": [n for n, g in gaps.items() if g.lo > 0], "behind": [n for n, g in gaps.items() if g.hi < 0]}
    verdict = "; ".join(f"{word} at {', '.join(map(str, ns))}" for word, ns in sides.items() if ns)
    return f"{name} minus {other}: {verdict or 'these people do not decide'} ({told})."


def section(curves: Mapping[str, Curve]) -> Section:
    """Picture, table and paired differences; the first curve is the run's own."""
    task = next(iter(next(iter(curves.values())).values())).task
    caption = (
        f"{task}: macro-F1 by labelled windows a class, with 95 % intervals over people and draws; ± in the table "
        "is the standard deviation over draws. Every encoder learns from the same windows, judged on people never seen."
    )
    table = html.table(columns(curves), rows(curves))
    series = {name: [_bar(r.over_draws(METRIC)) for r in curve.values()] for name, curve in curves.items()}
    labels = [str(n) for n in next(iter(curves.values()))]
    picture = plots.intervals(labels, series, "labelled windows a class", "macro-F1")
    return Section(
        "How far a few labels go",
        html.figure(picture, caption) + table + html.paragraph(" ".join(differences(curves))),
    )


def load(place: Path) -> dict[str, Curve]:
    """Curves that ``kinelet evaluate --protocol primus-few-shot`` kept in a folder, by name."""
    curves: dict[str, dict[Shots, Result]] = {}
    for folder in sorted(place.glob("n-*"), key=lambda p: (p.name == "n-all", len(p.name), p.name)):
        number = folder.name.removeprefix("n-")
        n: Shots = "all" if number == "all" else int(number)
        for file in sorted(folder.glob("*.json")):
            result = Result.load(file)
            curves.setdefault(result.encoder, {})[n] = result
    return dict(curves)
