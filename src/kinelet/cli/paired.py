"""``kinelet evaluate --protocol retrieval | zero-shot | primus-few-shot``: as PRIMUS and its kin are judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kinelet.corpus.corpus import Corpus

SENTENCES = "sentences"


def evaluate_retrieval(
    run: Path,
    corpus: Path,
    given: Mapping[str, Any],
    overrides: Sequence[str],
    *,
    not_there: Mapping[str, Any],
    json: bool,
) -> None:
    """Search both ways between motion and every modality of a corpus that the run knows, and print a table.

    Args:
        run: Run directory or model folder.
        corpus: Corpus with sentences or vectors of other modalities.
        given: Options; ``None`` for the default.
        overrides: Further options as ``key=value``.
        not_there: Options of the other protocols, and whether they were given: they are refused.
        json: Print JSON.
    """
    from kinelet.cli import output
    from kinelet.config import apply_overrides, validate
    from kinelet.corpus.corpus import Corpus
    from kinelet.errors import BadOptionError
    from kinelet.evaluate.retrieval import RetrievalConfig, judge_retrieval
    from kinelet.progress import progress_bar
    from kinelet.report import retrieval

    refused = [option for option, used in not_there.items() if used]
    if refused:
        remedy = "Nobody's labels are learnt from, so there are no folds; people=[…] says whom to search among"
        if refused == ["--output"]:
            remedy = "Windows go through the head that was aligned with what is searched; modalities=[…] says which"
        raise BadOptionError(f"retrieval has no {', '.join(refused)}", where="options", remedy=remedy)
    named = {key: value for key, value in given.items() if value is not None}
    config = validate(RetrievalConfig, apply_overrides(named, overrides), where="options")
    with progress_bar("retrieval", 100, unit="%") as progress:
        results = judge_retrieval(run, Corpus.open(corpus), config, progress=progress)
    if json:
        output.as_json([r.to_dict() for r in results])
        return
    output.table(f"{corpus}: retrieval", retrieval.COLUMNS, retrieval.rows(results))
    for note in dict.fromkeys([*retrieval.REMARKS, *(n for r in results for n in r.notes)]):
        print(f"note: {note}")
    print(f"kept under {run / 'evaluation'}; kinelet report {run} tells it on a page")


def evaluate_curve(run: Path, corpus: Path, given: Mapping[str, Any], overrides: Sequence[str], *, json: bool) -> None:
    """Few-shot curves of a run and its baselines, as a table of macro-F1 by windows a class.

    Args:
        run: Run directory or model folder.
        corpus: Corpus with labels.
        given: Options; ``None`` for the default.
        overrides: Further options as ``key=value``.
        json: Print JSON.
    """
    from kinelet.cli import output
    from kinelet.config import apply_overrides, validate
    from kinelet.corpus.corpus import Corpus
    from kinelet.evaluate.judge_curve import CurveConfig, judge_curve
    from kinelet.progress import progress_bar
    from kinelet.report import curve

    named = {key: value for key, value in given.items() if value is not None}
    config = validate(CurveConfig, apply_overrides(named, overrides), where="options")
    total = len(config.shots) * (1 + len(config.baselines))
    with progress_bar("few-shot", total, unit="points") as progress:
        curves = judge_curve(run, Corpus.open(corpus), config, progress=progress)
    if json:
        output.as_json([{"n": n, **r.to_dict()} for c in curves.values() for n, r in c.items()])
        return
    output.table(f"{corpus}: macro-F1 by labelled windows a class", curve.columns(curves), curve.rows(curves))
    for line in curve.differences(curves):
        print(line)
    for note in dict.fromkeys(n for c in curves.values() for r in c.values() for n in r.notes):
        print(f"note: {note}")
    print(f"kept under {run / 'evaluation'}; kinelet report {run} tells it on a page")


def zero_shot_options(
    named: Mapping[str, Any], overrides: Sequence[str], corpus: Corpus
) -> tuple[dict[str, Any], list[str]]:
    """Options with the sentences of the classes: given as ``sentences=…``, else those of the corpus's data set.

    Raises:
        BadOptionError: if there are none.
    """
    from kinelet.errors import BadOptionError
    from kinelet.towers.phrases import list_sentences

    mine = [o.split("=", 1)[1] for o in overrides if o.startswith(f"{SENTENCES}=")]
    rest = [o for o in overrides if not o.startswith(f"{SENTENCES}=")]
    if not mine and not any(o.startswith("protocol_options.sentences") for o in rest):
        sets = sorted({r.dataset or "" for r in corpus.recordings})
        mine = [s for s in sets if s in list_sentences()]
        if len(sets) != 1 or not mine:
            raise BadOptionError(
                "nothing says what the classes are called in words",
                where=str(corpus.path),
                remedy="Add sentences=FILE.yaml with label: [sentence, …], or the name of a public set: "
                + ", ".join(list_sentences()),
            )
    options = {**named.get("protocol_options", {}), **({SENTENCES: mine[-1]} if mine else {})}
    return {**named, "protocol_options": options}, rest
