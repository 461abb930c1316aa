"""Sections that tell results: who won, by how much, on whom, and where it went wrong."""

from __future__ import annotations

from collections.abc import Sequence

from kinelet.corpus.parts import PUBLISHED
from kinelet.evaluate.result import Result
from kinelet.evaluate.statistics import Estimate
from kinelet.report import html, plots
from kinelet.report.html import Section
from kinelet.report.plots import Bar

FEWEST = 6
"""People below which no conclusion is drawn: a nominal 95 % interval covers .92 with five, .87 with four, .71 with
three and .52 with two (means of normal values, 400 simulations each)."""
NAMES = {
    "macro_f1": "macro-F1",
    "balanced_accuracy": "balanced accuracy",
    "kappa": "Cohen's kappa",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "r": "Pearson r",
    "icc": "ICC",
}


def headline(result: Result) -> str:
    """The first metric of a result."""
    return next(iter(result.estimates))


def sections(results: Sequence[Result]) -> list[Section]:
    """Tell results on the same people; the first is the one that the others are compared with."""
    first, metric = results[0], headline(results[0])
    label = NAMES.get(metric, metric)
    notes = list(dict.fromkeys(n for r in results for n in r.notes))
    leaky = any(n.startswith(PUBLISHED) for n in notes)
    title = "How well, by the published protocol" if leaky else "How well, on people never seen"
    held = "See the remarks: nobody is held out for certain." if leaky else "Every estimate is from people held out."
    out = [Section(title, _forest(results, metric, label, held))]
    if len(results) > 1:
        out.append(Section("Against each alternative, on the same people", _differences(results, metric, label)))
        out.append(Section("Person by person", _people(first, results[1:], metric, label)))
    if first.classes:
        picture = plots.confusion(first.confusion, first.classes)
        caption = f"Rows: what people did. Columns: what {first.encoder} called it. Shares of each row, all people."
        out.append(Section("What is taken for what", html.figure(picture, caption) + _recalls(results)))
    else:
        from kinelet.report.gait import bland_altman

        caption = "One point a prediction, one colour a person. Bias and 95 % limits of agreement with their intervals."
        picture = html.figure(bland_altman(first), caption)
        out.append(Section("Where it differs from the reference", picture))
    if notes:
        out.append(Section("Remarks", "".join(html.paragraph(n) for n in notes)))
    return out


def _forest(results: Sequence[Result], metric: str, label: str, held: str) -> str:
    bars = [_bar(r.encoder, r.estimates[metric], highlight=i == 0) for i, r in enumerate(results)]
    caption = f"{label}, with 95 % intervals from resampling people. {held}"
    rows = [(r.encoder, r.protocol, *(str(e) for e in r.estimates.values())) for r in results]
    columns = ("representation", "protocol", *(NAMES.get(m, m) for m in results[0].estimates))
    return html.figure(plots.forest(bars, label), caption) + html.table(columns, rows)


def _differences(results: Sequence[Result], metric: str, label: str) -> str:
    first = results[0]
    gaps = [(r.encoder, first.difference(r, metric)) for r in results[1:]]
    bars = [_bar(f"minus {name}", gap, highlight=gap.lo > 0 or gap.hi < 0) for name, gap in gaps]
    told = " ".join(differences(results))
    caption = f"Paired differences in {label}, the same people resampled together. Right of 0 {first.encoder} is ahead."
    return html.paragraph(told) + html.figure(plots.forest(bars, f"difference in {label}", zero=True), caption)


def _verdict(name: str, other: str, gap: Estimate) -> str:
    interval = f"{gap.value:+.3f} [{gap.lo:+.3f}, {gap.hi:+.3f}]"
    if gap.n_subjects < FEWEST:
        return f"{gap.n_subjects} people are too few to tell {name} from {other} ({interval})."
    if gap.lo > 0:
        return f"{name} is ahead of {other} ({interval})."
    if gap.hi < 0:
        return f"{name} is behind {other} ({interval})."
    return f"Between {name} and {other} these people do not decide ({interval})."


def _people(first: Result, others: Sequence[Result], metric: str, label: str) -> str:
    best = max(others, key=lambda r: r.estimates[metric].value)
    a, b = best.per_subject(metric), first.per_subject(metric)
    spread = first.spread(metric)
    picture = plots.dumbbell(list(b), list(a.values()), list(b.values()), (best.encoder, first.encoder), label)
    caption = (
        f"{label} of each person's own windows. {first.encoder}: median {spread.median:.3f}, "
        f"from {spread.minimum:.3f} to {spread.maximum:.3f}."
    )
    return html.figure(picture, caption)


def _recalls(results: Sequence[Result]) -> str:
    """Share of each class's windows that each representation gets right."""
    first, by_result = results[0], [r.recall for r in results]
    windows = first.confusion.sum(axis=1)
    rows = [
        (name, f"{count:.0f}", *(f"{recall[name]:.3f}" if count else "–" for recall in by_result))
        for name, count in zip(first.classes, windows, strict=True)
    ]
    return html.table(("recall of", "windows", *(r.encoder for r in results)), rows)


def _bar(name: str, estimate: Estimate, *, highlight: bool) -> Bar:
    return Bar(name, estimate.value, estimate.lo, estimate.hi, highlight)


def differences(results: Sequence[Result]) -> list[str]:
    """One line for each paired difference of the first result from another."""
    first, metric = results[0], headline(results[0])
    named = [(r.encoder if r.protocol == first.protocol else f"{r.encoder} ({r.protocol})", r) for r in results[1:]]
    return [_verdict(first.encoder, name, first.difference(r, metric)) for name, r in named]
