"""The report of a run directory: what was trained, how it went, and how it was judged."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kinelet.corpus.corpus import Corpus
from kinelet.deploy.loading import load
from kinelet.deploy.multimodal import is_multimodal, load_multimodal
from kinelet.encoders.base import Encoder
from kinelet.errors import BadFileError, KineletError
from kinelet.evaluate.result import Result
from kinelet.report import aligned, curve, evaluation, html, pairs, plots, retrieval
from kinelet.report.html import Section

SEARCHES = "-retrieval"
CURVES = {"loss": "loss", "effective_rank": "effective rank", "embedding_std": "embedding spread"}


def write_report(run: str | Path, out: str | Path | None = None, *, corpus: Corpus | None = None) -> Path:
    """Write ``report.html`` of a run: configuration, curves, and every result under ``evaluation/``.

    Of a folder in which a benchmark left ``pair_efficiency.json``: its curves; see :mod:`kinelet.report.pairs`.

    Args:
        run: Run directory.
        out: Where to write; ``report.html`` in the run if not given.
        corpus: Where windows to show the run's distance on come from, if it has one.

    Raises:
        BadFileError: if the folder holds no run.
        BadOptionError: if it holds a comparison of methods that cannot be compared.
    """
    folder = Path(run)
    if (folder / pairs.FILE).is_file():
        return pairs.write_pairs(folder, out)
    target = Path(out) if out is not None else folder / "report.html"
    if is_multimodal(folder):
        return _write_aligned(folder, target)
    if not any((folder / name).exists() for name in ("config.json", "model", "checkpoint")):
        raise BadFileError(
            f"holds neither a run nor {pairs.FILE}",
            where=str(folder),
            remedy="Give a run directory of kinelet pretrain or align, or a folder with that file",
        )
    encoder = load(folder)
    results = load_results(folder)
    signal = f"{', '.join(encoder.spec.channels)} at {encoder.spec.rate_hz:g} Hz"
    lead = f"{encoder.name}, {encoder.dim} dimensions, for {signal}."
    told = [*(s for group in results for s in evaluation.sections(group)), *_paired(folder)]
    parts = [*told, *training(folder), *distance(folder, corpus), _facts(encoder, folder)]
    html.write_page(target, f"Run {folder.name}", lead, parts, "kinelet")
    return target


def _write_aligned(folder: Path, target: Path) -> Path:
    model = load_multimodal(folder)
    went = aligned.training(read_metrics(folder / "metrics.jsonl"))
    alone = [s for group in load_results(folder) for s in evaluation.sections(group)]
    parts = [*aligned.results(folder), *alone, *went, _done(aligned.facts(model), folder)]
    html.write_page(target, f"Run {folder.name}", aligned.lead(model), parts, "kinelet")
    return target


def load_results(folder: Path) -> list[list[Result]]:
    """Results of a run, one list for each evaluation, the run's own result first."""
    groups = []
    for place in sorted((folder / "evaluation").glob("*/")):
        files = sorted(place.glob("*.json"))
        if files and not place.name.endswith((SEARCHES, *aligned.OWN)):
            groups.append([Result.load(f) for f in files])
    return groups


def _paired(folder: Path) -> list[Section]:
    """Few-shot curves and searches that were kept."""
    told = []
    for place in sorted((folder / "evaluation").glob("*/")):
        if place.name.endswith(SEARCHES):
            told.append(retrieval.section(retrieval.load(place)))
        elif curves := curve.load(place):
            told.append(curve.section(curves))
    return told


def training(folder: Path) -> list[Section]:
    """Curves of a run's log."""
    records = read_metrics(folder / "metrics.jsonl")
    if not records:
        return []
    series: dict[str, Any] = {
        title: [r.get(key) if r.get(key) is not None else float("nan") for r in records]
        for key, title in CURVES.items()
        if key in records[0]
    }
    picture = plots.curves([r["step"] for r in records], series)
    rates = sorted(r["windows_per_s"] for r in records)
    caption = (
        "An encoder that collapses shows an effective rank near 1 and a spread near 0, however low its loss. "
        f"Median throughput {rates[len(rates) // 2]:,.0f} windows/s."
    )
    return [Section("How training went", html.figure(picture, caption))]


def distance(folder: Path, corpus: Corpus | None) -> list[Section]:
    """What the rankings that a run learnt from go by; nothing if the run has no distance of its own."""
    if not (folder / "distance" / "model" / "config.json").is_file():
        return []
    if corpus is None:
        hint = f"kinelet report {folder.name} --corpus CORPUS shows what its rankings go by, and near and far windows."
        return [Section("The distance it learnt from", html.paragraph(hint))]
    from kinelet.distances.survey import survey
    from kinelet.report.distance import sections

    try:
        return sections(survey(folder / "distance", corpus), people=False)
    except KineletError as error:  # the run is told all the same
        reason = f"It could not be looked at on {corpus.path.name}: {error.what}."
        return [Section("The distance it learnt from", html.paragraph(reason))]


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Records of a run's log.

    Raises:
        BadFileError: if a line is not a record.
    """
    if not path.exists():
        return []
    try:
        return [json.loads(line) for line in path.read_text().splitlines()]
    except ValueError as error:
        raise BadFileError(f"not a log ({error})", where=str(path)) from None


def _facts(encoder: Encoder, folder: Path) -> Section:
    return _done({k: v for k, v in encoder.card.items() if not isinstance(v, (list, dict))}.items(), folder)


def _done(facts: Iterable[tuple[str, object]], folder: Path) -> Section:
    config = folder / "config.yaml"
    body = html.table(("fact", "value"), facts)
    return Section("What was done", body + (html.code(config.read_text()) if config.exists() else ""))
