"""``kinelet evaluate --protocol gait``: gait numbers of whole walks instead of labels of windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path


def evaluate_gait(
    run: Path, corpus: Path, overrides: Sequence[str], *, folds: int, hop_s: float | None, refit: bool, json: bool
) -> None:
    """Judge a run on every gait target of a corpus and print a table for each."""
    from kinelet.cli import output
    from kinelet.config import apply_overrides, validate
    from kinelet.corpus.corpus import Corpus
    from kinelet.errors import BadOptionError
    from kinelet.gait.agreement import agreement
    from kinelet.gait.run import GaitRunConfig, judge_gait
    from kinelet.progress import progress_bar
    from kinelet.report import gait

    if refit:
        raise BadOptionError(
            "the gait protocol does not pretrain anew for each fold",
            where="--refit",
            remedy="Pretrain with --hold-out: people held out are judged, the others teach the heads",
        )
    given = {"folds": folds, "hop_s": hop_s}
    config = validate(GaitRunConfig, apply_overrides(given, overrides), where="options")
    with progress_bar("evaluate gait", 100, unit="%") as progress:
        results = judge_gait(run, Corpus.open(corpus), config, progress=progress)
    if json:
        output.as_json([{**r.to_dict(), "agreement": {m: asdict(e) for m, e in agreement(r).items()}} for r in results])
        return
    for group in gait.by_target(results).values():
        output.table(gait.title(group[0]), gait.columns(gait.BRIEF), gait.rows(group, gait.BRIEF))
    for note in dict.fromkeys(n for r in results for n in r.notes):
        print(f"note: {note}")
    print(f"kept under {run / 'evaluation'}; kinelet report {run} tells it on a page")
