"""``kinelet evaluate --protocol gait``: gait numbers of whole walks instead of labels of windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any


def evaluate_gait(
    run: Path,
    corpus: Path,
    given: Mapping[str, Any],
    overrides: Sequence[str],
    *,
    not_there: Mapping[str, bool],
    json: bool,
) -> None:
    """Judge a run on every gait target of a corpus and print a table for each.

    Args:
        run: Run directory or model folder.
        corpus: Corpus with walks.
        given: Options; ``None`` for the default.
        overrides: Further options as ``key=value``.
        not_there: Options of the other protocols, and whether they were given: they are refused.
        json: Print JSON.
    """
    from kinelet.cli import output
    from kinelet.config import apply_overrides, validate
    from kinelet.corpus.corpus import Corpus
    from kinelet.errors import BadOptionError
    from kinelet.gait.agreement import agreement
    from kinelet.gait.run import GaitRunConfig, judge_gait
    from kinelet.progress import progress_bar
    from kinelet.report import gait

    refused = [option for option, used in not_there.items() if used]
    if refused:
        raise BadOptionError(
            f"the gait protocol has no {', '.join(refused)}",
            where="options",
            remedy="People known to the encoder teach the heads, others are judged; see docs/gait.md for its options",
        )
    named = {key: value for key, value in given.items() if value is not None}
    config = validate(GaitRunConfig, apply_overrides(named, overrides), where="options")
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
