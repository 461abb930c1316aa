"""``kinelet evaluate --protocol modality_probe``: encoders of several modalities, each alone and all together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def evaluate_modalities(
    run: Path,
    corpus: Path,
    given: Mapping[str, Any],
    overrides: Sequence[str],
    *,
    not_there: Mapping[str, bool],
    json: bool,
) -> None:
    """Judge every subset of modalities of a run of ``kinelet align`` by each part, and print a table.

    Args:
        run: Run directory.
        corpus: Corpus with labels or values.
        given: Options; ``None`` for the default.
        overrides: Further options as ``key=value``.
        not_there: Options of the other protocols, and whether they were given: they are refused.
        json: Print JSON.
    """
    from kinelet.cli import output
    from kinelet.config import apply_overrides, validate
    from kinelet.corpus.corpus import Corpus
    from kinelet.errors import BadOptionError
    from kinelet.evaluate.judge_modalities import ModalitiesConfig, judge_modalities, rows_of
    from kinelet.progress import progress_bar
    from kinelet.report.evaluation import NAMES

    refused = [option for option, used in not_there.items() if used]
    if refused:
        remedy = "parts=u,v says which parts are judged; --modality NAME with another protocol judges one alone"
        raise BadOptionError(f"modality_probe has no {', '.join(refused)}", where="options", remedy=remedy)
    named = {key: value for key, value in given.items() if value is not None}
    config = validate(ModalitiesConfig, apply_overrides(named, overrides), where="options")
    with progress_bar("modalities", rows_of(run, config), unit="rows") as progress:
        found = judge_modalities(run, Corpus.open(corpus), config, progress=progress)
    if json:
        told = [
            {"modalities": j.modalities, "part": j.part, "labels": j.labels, "width": j.width}
            | {"result": j.result.to_dict(), "raw_width": j.raw.to_dict()}
            for j in found
        ]
        output.as_json(told)
        return
    metrics = list(found[0].result.estimates)[:2]
    head = ("modalities", "part", "labels", *(NAMES.get(m, m) for m in metrics), f"{NAMES.get(metrics[0])}, raw width")
    body = [
        (
            " + ".join(j.modalities),
            j.part,
            f"{j.labels:.0%}",
            *(str(j.result.estimates[m]) for m in metrics),
            str(j.raw.estimates[metrics[0]]),
        )
        for j in found
    ]
    output.table(f"{corpus}: modality_probe, each modality {found[0].width} wide", head, body)
    for note in dict.fromkeys(note for j in found for note in j.result.notes):
        print(f"note: {note}")
    print(f"kept under {run / 'evaluation'}; kinelet report {run} tells it on a page")
