"""Judge a run on a corpus, with baselines beside it: what ``kinelet evaluate`` does."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from kinelet.config import FrozenModel, dump_yaml, load_yaml, validate
from kinelet.corpus.corpus import Corpus
from kinelet.corpus.info import require_track
from kinelet.corpus.splits import Split, kfold, leave_one_subject_out, official
from kinelet.corpus.streams import proper
from kinelet.corpus.windows import Placement, Windows
from kinelet.deploy.loading import load, select_output
from kinelet.deploy.multimodal import is_multimodal
from kinelet.encoders.base import Encoder
from kinelet.errors import BadOptionError, SpecMismatchError
from kinelet.evaluate.baselines import fresh_like, run_baseline
from kinelet.evaluate.honesty import seen
from kinelet.evaluate.presets import context, settle
from kinelet.evaluate.registry import get_protocol
from kinelet.evaluate.result import Result
from kinelet.evaluate.run import evaluate, evaluate_crossfit
from kinelet.evaluate.task import Task
from kinelet.progress import Progress, silent

SPLITS = "splits.yaml"


class JudgeConfig(FrozenModel):
    """How a run is judged.

    A protocol that is a published benchmark (see :mod:`kinelet.evaluate.benchmarks`) says itself which site, windows,
    classes and splits a data set is judged with; what is given here goes before that.

    Attributes:
        protocol: Name of the protocol; see ``kinelet list protocols``.
        protocol_options: Its options.
        track: Annotations to predict.
        window_s: Window length in seconds; ``None`` for the encoder's own.
        hop_s: Hop in seconds; ``None`` for windows that do not overlap.
        placement: How windows are laid; see :meth:`kinelet.corpus.corpus.Corpus.windows`.
        purity: Share of a window that its label must cover.
        site: Recordings of this body site only; ``None`` for all.
        classes: Labels that count; ``None`` for all of the track.
        split: ``kfold``, ``loso`` (leave one subject out), ``official``, or ``unseen``: learn from the people the
            encoder was pretrained on, be judged on the others. ``auto`` is ``kfold`` for an encoder that knows nobody
            of the corpus or with ``refit``, else ``unseen``.
        folds: Folds of ``kfold``.
        seed: Of the folds.
        baselines: Names of baselines to judge beside the run.
        refit: Pretrain anew for each split on its training people, as the run's ``config.yaml`` says: on windows cut
            as it says, from all of the corpus, whatever windows are judged.
        output: Of an encoder with heads, which one's output is judged, or ``backbone``; ``None`` as it was saved.
        modality: Of a run of ``kinelet align``, whose encoder is judged.
    """

    protocol: str = "linear_probe"
    protocol_options: dict[str, Any] = Field(default_factory=dict)
    track: str = "activity"
    window_s: float | None = Field(default=None, gt=0)
    hop_s: float | None = Field(default=None, gt=0)
    placement: Placement = "grid"
    purity: float = Field(default=0.5, gt=0, le=1)
    site: str | None = None
    classes: tuple[str, ...] | None = None
    split: Literal["auto", "kfold", "loso", "official", "unseen"] = "auto"
    folds: int = Field(default=5, ge=2)
    seed: int = 0
    baselines: tuple[str, ...] = ("random", "hand_linear", "hand_boosting", "scratch")
    refit: bool = False
    output: str | None = None
    modality: str | None = None


def judge(run: str | Path, corpus: Corpus, config: JudgeConfig, *, progress: Progress = silent) -> list[Result]:
    """Judge a run and its baselines on the same people; results go to ``evaluation/`` in the run directory.

    Args:
        run: Run directory or model folder.
        corpus: Corpus with labels (or values).
        config: How.
        progress: Told about steps of pretraining (with ``refit``) or splits.

    Returns:
        The run's result, then the baselines'.

    Raises:
        SeenSubjectError: if the run would be judged on people it was pretrained on.
        BadOptionError: if corpus, run and options do not fit together.
    """
    folder = Path(run)
    _require_free_output(folder, config)
    encoder = load(folder, output=config.output, modality=config.modality)
    config = settle(config, corpus)
    windows = cut_labelled(corpus, encoder, config)
    kind: Literal["classes", "values"] = "classes" if windows.classes else "values"
    task = Task.from_windows(windows, target=kind, name=corpus.path.name)
    splits = choose_splits(encoder, task, corpus, config)
    protocol = get_protocol(config.protocol, **config.protocol_options)
    name = title_of(encoder, folder, config)
    if config.refit:
        pretrain = _refit(folder, corpus, encoder.spec.channels, config.output, progress)
        results = [evaluate_crossfit(protocol, pretrain, task, splits, name=name)]
    else:
        results = [evaluate(protocol, encoder, task, splits, name=name, progress=progress)]
    results[0] = replace(results[0], notes=(*results[0].notes, *context(config, corpus, results[0])))
    same = None if protocol.name in ("linear_probe", "ridge") else protocol
    fresh = fresh_like(encoder)
    results += [run_baseline(b, task, splits, fresh=fresh, seed=config.seed, protocol=same) for b in config.baselines]
    place = place_of(folder, task, config)
    save_results(place, results)
    folds = [{"name": s.name, "train": list(s.train), "test": list(s.test)} for s in splits]
    dump_yaml({"config": config.model_dump(mode="json"), "splits": folds}, place / SPLITS)
    return results


def title_of(encoder: Encoder, folder: Path, config: JudgeConfig) -> str:
    """What to call a run in reports."""
    told = "".join(f", {name}" for name in (config.modality, config.output) if name is not None)
    return f"{encoder.card.get('method', 'encoder')} ({folder.name}{told})"


def place_of(folder: Path, task: Task, config: JudgeConfig) -> Path:
    """Where results on a task go; those of an output that was chosen lie apart."""
    parts = [task.name, config.track, config.protocol, *(n for n in (config.modality, config.output) if n)]
    return folder / "evaluation" / plain_name("-".join(parts))


def _require_free_output(folder: Path, config: JudgeConfig) -> None:
    if config.refit and (config.modality is not None or is_multimodal(folder)):
        raise BadOptionError(
            "--refit pretrains one encoder anew, and this one was aligned with others",
            where="options",
            remedy="Align with --hold-out, and leave --refit out: the people held out are judged",
        )
    if config.output is not None and config.protocol == "zero-shot":
        raise BadOptionError(
            "zero-shot has no --output: windows go through the head that was aligned with text",
            where="options",
            remedy="Leave it out, or choose a protocol that learns from labels",
        )


def cut_labelled(corpus: Corpus, encoder: Encoder, config: JudgeConfig) -> Windows:
    """Labelled windows as the options say, in the encoder's rate and channels."""
    require_track(corpus, config.track)
    part = corpus.select(site=config.site) if config.site else corpus
    windows = proper(part, encoder.spec.channels).windows(
        config.window_s or encoder.spec.window_s or 5.0,
        config.hop_s,
        track=config.track,
        placement=config.placement,
        purity=config.purity,
        classes=config.classes,
        channels=encoder.spec.channels,
    )
    if windows.spec.rate_hz != encoder.spec.rate_hz:
        raise SpecMismatchError(
            f"holds {windows.spec.rate_hz:g} Hz, and the encoder expects {encoder.spec.rate_hz:g} Hz",
            where=str(corpus.path),
            remedy=f"Build it again with kinelet corpus build … --rate {encoder.spec.rate_hz:g}",
        )
    return windows


def choose_splits(encoder: Encoder, task: Task, corpus: Corpus, config: JudgeConfig) -> tuple[Split, ...]:
    """Splits of the people who have labelled windows."""
    known = seen(encoder, task, task.people)
    kind = config.split
    if kind == "auto":
        kind = "kfold" if config.refit or not known else "unseen"
    if kind == "unseen":
        return (_unseen(known, task),)
    if kind == "official":
        return (official(corpus),)
    if kind == "loso":
        return leave_one_subject_out(task.people)
    return kfold(task.people, min(config.folds, len(task.people)), config.seed)


def _unseen(known: Sequence[str], task: Task) -> Split:
    new = [s for s in task.people if s not in known]
    if not new or not known:
        share = "all" if known else "none"
        raise BadOptionError(
            f"the encoder was pretrained on {share} of the {len(task.people)} people of the corpus",
            where=f"task {task.name!r}",
            remedy="Add --refit to pretrain once a fold on its training people, or pretrain with --hold-out"
            if known
            else "Use --split kfold or loso",
        )
    return Split(tuple(known), tuple(new), name="unseen")


def _refit(
    folder: Path, corpus: Corpus, channels: tuple[str, ...], output: str | None, progress: Progress
) -> Callable[[Any], Encoder]:
    from kinelet.train.folds import fold_pretrainer
    from kinelet.train.pretrain import PretrainConfig, training_views

    source = folder / "config.yaml"
    if not source.exists():
        raise BadOptionError("no config.yaml, so it cannot be pretrained again", where=str(folder))
    if len(load(folder).card.get("pretrain_corpora", ())) > 1:
        raise BadOptionError(
            "the run was pretrained on several corpora, and --refit would use this one alone",
            where=str(folder),
            remedy="Pretrain with --hold-out and judge the people held out",
        )
    recipe = validate(PretrainConfig, load_yaml(source), where=str(source))
    # The splits say who is trained on, so nobody is held out beside them.
    views = training_views(corpus, recipe.data.model_copy(update={"channels": channels, "hold_out": ()}))
    pretrain = fold_pretrainer(views, folder / "folds", recipe, progress=progress)
    return pretrain if output is None else lambda split: select_output(pretrain(split), output)


def save_results(folder: Path, results: Sequence[Result]) -> None:
    """Write results on the same windows as numbered files, in place of those that are there."""
    if folder.exists():
        for old in folder.glob("*.json"):
            old.unlink()
    for i, result in enumerate(results):
        result.save(folder / f"{i:02d}-{plain_name(result.encoder)}.json")


def plain_name(name: str) -> str:
    """A name for a file: letters, digits, dot, dash and underscore only."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("_")
