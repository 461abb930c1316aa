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
    """Judge every subset of modalities of a run of ``kinelet align`` by each part, and print tables.

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
    from kinelet.deploy.multimodal import load_multimodal
    from kinelet.errors import BadOptionError
    from kinelet.evaluate.judge_modalities import judge_modalities
    from kinelet.evaluate.modalities_config import ModalitiesConfig, rows_of
    from kinelet.progress import progress_bar
    from kinelet.report import modalities as tell

    refused = [option for option, used in not_there.items() if used]
    if refused:
        remedy = "parts=u,v says which parts are judged; --modality NAME with another protocol judges one alone"
        raise BadOptionError(f"modality_probe has no {', '.join(refused)}", where="options", remedy=remedy)
    named = {key: value for key, value in given.items() if value is not None}
    config = validate(ModalitiesConfig, apply_overrides(named, overrides), where="options")
    total = len(rows_of(load_multimodal(run).names, config))
    with progress_bar("modalities", total, unit="rows") as progress:
        found = judge_modalities(run, Corpus.open(corpus), config, progress=progress)
    if json:
        output.as_json(found.to_dict())
        return
    rows = [(j.result, j.raw) for j in found.rows]
    title = f"{corpus}: {config.track}, each modality {found.rows[0].width} wide, {tell.people(rows[0][0])}"
    output.table(title, tell.brief_columns(rows), tell.brief_rows(rows), tight=True)
    if found.searches:
        first = found.searches[0]
        title = f"U looked up across modalities: {first.gallery:,} moments of {len(first.people)} people"
        output.table(title, tell.search_columns(found.searches), tell.search_rows(found.searches), tight=True)
    if found.transfers:
        title = f"{tell.metric_name(found.transfers[0])} of a probe learnt on U of one modality, with all labels"
        output.table(title, tell.transfer_columns(found.transfers), tell.transfer_rows(found.transfers), tight=True)
    for note in dict.fromkeys(note for j in found.rows for note in j.result.notes):
        print(f"note: {note}")
    print(f"kept under {run / 'evaluation'}; kinelet report {run} tells it on a page")
