"""``kinelet evaluate``: a number with an interval, on people the encoder has never seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

BASELINES = "random,hand_linear,hand_boosting,scratch"


def evaluate(
    run: Annotated[Path, typer.Argument(help="Run directory or model folder.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Further options as key=value, for example purity=0.8.")
    ] = None,
    corpus: Annotated[Path | None, typer.Option(help="Corpus with labels.")] = None,
    protocol: Annotated[str, typer.Option(help="See kinelet list protocols.")] = "linear_probe",
    track: Annotated[str, typer.Option(help="Annotations to predict.")] = "activity",
    split: Annotated[
        str | None, typer.Option(help="auto, kfold, loso, official or unseen; default auto or the benchmark's.")
    ] = None,
    folds: Annotated[int | None, typer.Option(help="Folds of people; default 5 or the benchmark's.")] = None,
    hop_s: Annotated[float | None, typer.Option(help="Hop in seconds; default no overlap or the benchmark's.")] = None,
    baselines: Annotated[
        str, typer.Option(help="Baselines to judge beside it, comma-separated; see kinelet list baselines.")
    ] = BASELINES,
    refit: Annotated[
        bool, typer.Option("--refit", help="Pretrain anew for each split, on its training people alone.")
    ] = False,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            help="Of an encoder with heads: backbone, a head such as ss or mm, or a modality; default as saved.",
        ),
    ] = None,
    modality: Annotated[
        str | None, typer.Option(help="Of a run of kinelet align: judge the encoder of this modality alone.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Judge a run on people it has never seen, with baselines on the same people beside it."""
    from kinelet.cli import output as show
    from kinelet.config import apply_overrides, load_yaml, validate
    from kinelet.corpus.corpus import Corpus
    from kinelet.deploy.multimodal import is_multimodal
    from kinelet.errors import BadOptionError
    from kinelet.evaluate.judge import JudgeConfig, judge
    from kinelet.evaluate.presets import context, settle
    from kinelet.evaluate.registry import OF_A_CORPUS
    from kinelet.progress import progress_bar
    from kinelet.report.evaluation import NAMES, differences

    if corpus is None:
        raise BadOptionError("no corpus given", remedy="Add --corpus DIR with labelled recordings")
    chosen = None if baselines == BASELINES else [b for b in baselines.split(",") if b and b != "none"]
    common: dict[str, Any] = {"track": track, "split": split, "folds": folds, "hop_s": hop_s, "refit": refit}
    common |= {"output": output, "modality": modality}
    if protocol in (*OF_A_CORPUS, "primus-few-shot"):
        _elsewhere(protocol, run, corpus, {**common, "baselines": chosen}, overrides or (), json)
        return
    given = {**common, "protocol": protocol, "baselines": BASELINES.split(",") if chosen is None else chosen}
    named = {key: value for key, value in given.items() if value is not None}
    opened = Corpus.open(corpus)
    if protocol == "zero-shot":
        from kinelet.cli.paired import zero_shot_options

        named |= {"baselines": ["random"] if chosen is None else chosen}
        named, overrides = zero_shot_options(named, overrides or (), opened)
    config = settle(validate(JudgeConfig, apply_overrides(named, overrides or ()), where="options"), opened)
    total, unit = len(opened.subjects) if config.split == "loso" else config.folds, "folds"
    # An aligned run has another kind of config.yaml, and judge() says why it cannot be pretrained anew.
    if refit and (run / "config.yaml").exists() and not is_multimodal(run):
        from kinelet.train.pretrain import PretrainConfig, steps_of

        total, unit = total * steps_of(validate(PretrainConfig, load_yaml(run / "config.yaml"))), "steps"
    with progress_bar("evaluate", total, unit=unit) as progress:
        results = judge(run, opened, config, progress=progress)
    if json:
        show.as_json([r.to_dict() for r in results])
        return
    metrics = list(results[0].estimates)
    rows = [(r.encoder, r.protocol, *(str(r.estimates[m]) for m in metrics)) for r in results]
    show.table(f"{corpus}: {protocol}", ("representation", "learner", *(NAMES.get(m, m) for m in metrics)), rows)
    for line in differences(results):
        print(line)
    for line in context(config, opened, results[0]):
        print(line)
    print(f"kept under {run / 'evaluation'}; kinelet report {run} tells it on a page")


def _elsewhere(
    protocol: str, run: Path, corpus: Path, given: dict[str, Any], overrides: Sequence[str], json: bool
) -> None:
    """Protocols that do not give one label a window."""
    if protocol == "primus-few-shot":
        from kinelet.cli.paired import evaluate_curve

        evaluate_curve(run, corpus, given, overrides, json=json)
        return
    split = given["split"] not in (None, "auto")
    if protocol == "modality_probe":
        from kinelet.cli.modalities import evaluate_modalities

        not_there = {"--refit": given["refit"], "--baselines": given["baselines"] is not None}
        not_there |= {"--output": given["output"] is not None, "--modality": given["modality"] is not None}
        wanted = {key: given[key] for key in ("track", "split", "folds", "hop_s")}
        evaluate_modalities(run, corpus, wanted, overrides, not_there=not_there, json=json)
        return
    if protocol == "gait":
        from kinelet.cli.gait import evaluate_gait

        not_there = {"--refit": given["refit"], "--track": given["track"] != "activity", "--split": split}
        not_there |= {"--output": given["output"] is not None, "--modality": given["modality"] is not None}
        wanted = {key: given[key] for key in ("folds", "hop_s", "baselines")}
        evaluate_gait(run, corpus, wanted, overrides, not_there=not_there, json=json)
        return
    from kinelet.cli.paired import evaluate_retrieval

    not_there = {"--refit": given["refit"], "--split": split, "--folds": given["folds"] is not None}
    not_there |= {"--baselines": given["baselines"] is not None, "--output": given["output"] is not None}
    not_there["--modality"] = given["modality"] is not None
    wanted = {key: given[key] for key in ("track", "hop_s")}
    evaluate_retrieval(run, corpus, wanted, overrides, not_there=not_there, json=json)
