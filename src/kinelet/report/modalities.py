"""Tables and sections that tell how aligned encoders did: subsets and parts, searches across, probes carried across."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kinelet.evaluate.modalities_found import CROSS, RAW
from kinelet.evaluate.result import Result
from kinelet.evaluate.retrieval_result import RetrievalResult
from kinelet.evaluate.statistics import Estimate
from kinelet.report import html, plots
from kinelet.report.evaluation import NAMES
from kinelet.report.html import Section
from kinelet.report.plots import Bar

METRICS = {"classes": ("macro_f1", "accuracy"), "values": ("mae", "r")}
SEARCHES = {"r@1": "R@1", "r@10": "R@10", "median_rank": "median rank"}
LEARNERS = {"random": "random", "fine_tune": "fine-tuned", "scratch": "from scratch"}

Rows = Sequence[tuple[Result, Result | None]]
"""Results at the common width, and with all columns."""


def metric_name(result: Result) -> str:
    """What the main figure is called."""
    metric = METRICS[result.kind][0]
    return NAMES.get(metric, metric)


def people(result: Result) -> str:
    """How many people were judged."""
    return f"{len(result.subjects)} people"


def brief_columns(rows: Rows) -> tuple[str, ...]:
    """Headings of :func:`brief_rows`."""
    metrics = (NAMES.get(m, m) for m in METRICS[rows[0][0].kind])
    return ("encoders", "of", "part", "labels", *metrics, "raw width")


def brief_rows(found: Rows) -> list[tuple[str, ...]]:
    """As :func:`rows`, for a terminal of 80 columns: an interval at the main figure only."""
    return [(*row[:5], *(figure.partition(" [")[0] for figure in row[5:])) for row in rows(found)]


def columns(rows: Rows) -> tuple[str, ...]:
    """Headings of :func:`rows`."""
    first = rows[0][0]
    metrics = (NAMES.get(m, m) for m in METRICS[first.kind])
    return ("encoders", "modalities", "part", "labels", *metrics, f"{metric_name(first)}, raw width")


def rows(found: Rows) -> list[tuple[str, ...]]:
    """One row for each result."""
    out = []
    for result, raw in found:
        told, metrics = result.options, METRICS[result.kind]
        who = LEARNERS.get(told["learner"], result.encoder.split(":")[0])
        figures = [short(result.estimates[m]) for m in metrics]
        wide = short(raw.estimates[metrics[0]]) if raw is not None else "–"
        out.append((who, " + ".join(told["modalities"]), told["part"], f"{told['labels']:.0%}", *figures, wide))
    return out


def search_columns(found: Sequence[RetrievalResult]) -> tuple[str, ...]:
    """Headings of :func:`search_rows`."""
    return ("from -> to", *(f"{SEARCHES[m]} (random)" for m in _searched(found)))


def search_rows(found: Sequence[RetrievalResult]) -> list[tuple[str, ...]]:
    """One row for each direction."""
    return [(r.direction, *(_beside(short(r.estimates[m]), r.random[m]) for m in _searched(found))) for r in found]


def _searched(found: Sequence[RetrievalResult]) -> list[str]:
    return [m for m in SEARCHES if m in found[0].values]


def _beside(text: str, random: float) -> str:
    return f"{text} ({random:.3g})"


def transfer_columns(found: Sequence[Result]) -> tuple[str, ...]:
    """Headings of :func:`transfer_rows`."""
    return ("learnt on", *(f"judged on {name}" for name in _grid(found)))


def transfer_rows(found: Sequence[Result]) -> list[tuple[str, ...]]:
    """One row for each modality learnt on; figures on the diagonal are those that transfer can be compared with."""
    metric = METRICS[found[0].kind][0]
    by_pair = {_ends(r): short(r.estimates[metric]) for r in found}
    names = _grid(found)
    return [(a, *(by_pair[a, b] for b in names)) for a in names]


def _ends(result: Result) -> tuple[str, str]:
    """Learnt on which modality, judged on which."""
    return result.options["learnt_on"], result.options["judged_on"]


def _grid(found: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(_ends(r)[0] for r in found))


def short(e: Estimate) -> str:
    """Value and interval."""
    return f"{e.value:.3f} [{e.lo:.3f}, {e.hi:.3f}]"


def load(place: Path) -> tuple[Rows, list[Result]]:
    """What ``kinelet evaluate --protocol modality_probe`` kept in a folder: the table, and probes carried across."""
    kept = [Result.load(f) for f in sorted(place.glob("*.json"))]
    wide = {r.encoder: r for r in (Result.load(f) for f in sorted((place / RAW).glob("*.json")))}
    carried = [Result.load(f) for f in sorted((place / CROSS).glob("*.json"))]
    return [(r, wide.get(r.encoder)) for r in kept], carried


def section(found: Rows) -> Section:
    """Picture and table of all rows."""
    first = found[0][0]
    metric, label = METRICS[first.kind][0], metric_name(first)
    bars = [Bar(r.encoder, *_bar(r.estimates[metric]), highlight=r.options["learner"] == "probe") for r, _ in found]
    where = ", ".join(dict.fromkeys((first.task, first.options["track"])))  # a set of one track often has its name
    caption = (
        f"{where}: {label} with 95 % intervals from resampling people, "
        f"{people(first)} never seen, every modality's vectors reduced without labels to one width."
    )
    notes = "".join(html.paragraph(n) for n in dict.fromkeys(n for r, _ in found for n in r.notes))
    body = html.figure(plots.forest(bars, label), caption) + html.table(columns(found), rows(found)) + notes
    return Section("Each modality alone, and all together", body)


def _bar(e: Estimate) -> tuple[float, float, float]:
    return e.value, e.lo, e.hi


def transfer_section(found: Sequence[Result]) -> Section:
    """The grid of probes carried across."""
    text = (
        f"{metric_name(found[0])} of a probe learnt on the shared part of one modality and judged on that of another, "
        f"with all labels, on {len(found[0].truth):,} moments of {people(found[0])} that have all modalities."
    )
    table = html.table(transfer_columns(found), transfer_rows(found))
    return Section("Probes carried across modalities", html.paragraph(text) + table)


def search_section(found: Sequence[RetrievalResult]) -> Section:
    """The table of searches across modalities."""
    first = found[0]
    text = (
        f"Each of {first.gallery:,} moments of {len(first.people)} people never seen, looked up by the shared part of "
        "one modality among those of another; the right answer is the moment itself. In brackets the 95 % interval "
        "from resampling people, then what a random order would reach."
    )
    table = html.table(search_columns(found), search_rows(found))
    return Section("Moments looked up across modalities", html.paragraph(text) + table)
