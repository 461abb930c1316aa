"""Judge a run by a few-shot curve, with baselines on the same draws beside it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from kinelet.config import Listed, validate
from kinelet.corpus.corpus import Corpus
from kinelet.deploy.loading import load
from kinelet.encoders.base import Encoder
from kinelet.errors import BadOptionError
from kinelet.evaluate.baselines import fresh_like, untrained
from kinelet.evaluate.curve import SHOTS, Curve, few_shot_curve
from kinelet.evaluate.features import hand_crafted
from kinelet.evaluate.folds import SplitLike
from kinelet.evaluate.judge import JudgeConfig, choose_splits, cut_labelled, place_of, save_results, title_of
from kinelet.evaluate.shots import PrimusFewShot, Shots
from kinelet.evaluate.shots_trained import TrainedShots
from kinelet.evaluate.task import Task
from kinelet.progress import Progress, silent

BASELINES = ("random", "hand_linear", "scratch")


class CurveConfig(JudgeConfig):
    """How a run is judged with ever more labelled windows.

    Attributes:
        shots: Windows a class.
        baselines: ``random`` (the same network untrained), ``hand_linear`` (hand-crafted features), ``scratch`` (the
            same network trained on each draw, which takes a training a draw).
        scratch: Options of that training; see :class:`kinelet.evaluate.shots_trained.TrainedShots`.
    """

    protocol: str = PrimusFewShot.name
    shots: Annotated[tuple[Shots, ...], Listed] = Field(default=SHOTS, min_length=1)
    baselines: tuple[str, ...] = ("random", "hand_linear")
    scratch: dict[str, Any] = Field(default_factory=dict)


def judge_curve(
    run: str | Path, corpus: Corpus, config: CurveConfig, *, progress: Progress = silent
) -> dict[str, Curve]:
    """Few-shot curves of a run and its baselines; results go to ``evaluation/`` in the run directory.

    Args:
        run: Run directory or model folder.
        corpus: Corpus with labels.
        config: How.
        progress: Told how many numbers of windows are done, of all curves together.

    Returns:
        Curves by name, the run's first; all on the same people, windows and draws.

    Raises:
        SeenSubjectError: if the run would be judged on people it was pretrained on.
        BadOptionError: if corpus, run and options do not fit together.
    """
    folder = Path(run)
    encoder = load(folder, output=config.output, modality=config.modality)
    _require_known(config)
    task = Task.from_windows(cut_labelled(corpus, encoder, config), name=corpus.path.name)
    splits = choose_splits(encoder, task, corpus, config)
    learner = validate(PrimusFewShot, config.protocol_options, where="protocol_options")
    name = title_of(encoder, folder, config)
    ask = partial(few_shot_curve, splits=splits, shots=config.shots)
    curves: dict[str, Curve] = {name: ask(encoder, task, protocol=learner, name=name, progress=progress)}
    for baseline in config.baselines:
        done = sum(len(c) for c in curves.values())
        title, curve = _baseline(baseline, encoder, task, splits, config, learner, partial(_after, progress, done))
        curves[title] = curve
    place = place_of(folder, task, config)
    for old in place.glob("n-*/*.json"):
        old.unlink()
    for n in next(iter(curves.values())):
        save_results(place / f"n-{n}", [c[n] for c in curves.values()])
    return curves


def _require_known(config: CurveConfig) -> None:
    unknown = sorted(set(config.baselines) - set(BASELINES))
    if unknown or config.refit:
        raise BadOptionError(
            "a curve pretrains nothing anew" if config.refit else f"no curve for {', '.join(unknown)}",
            where="options",
            remedy="Leave out --refit" if config.refit else f"Baselines of a curve: {', '.join(BASELINES)}",
        )


def _baseline(
    baseline: str,
    encoder: Encoder,
    task: Task,
    splits: Sequence[SplitLike],
    config: CurveConfig,
    learner: PrimusFewShot,
    progress: Progress,
) -> tuple[str, Curve]:
    ask = partial(few_shot_curve, splits=splits, shots=config.shots, progress=progress)
    if baseline == "hand_linear":
        title, vectors = "hand-crafted", task.with_x(hand_crafted(task.x, task.spec).values)
        columns = learner.model_copy(update={"normalise": "columns"})
        return title, ask(None, vectors, protocol=columns, name=title)
    fresh = untrained(fresh_like(encoder), task.spec, config.seed)
    if baseline == "random":
        return "random encoder", ask(fresh, task, protocol=learner, name="random encoder")
    options = {"draws": learner.draws, "seed": learner.seed, **config.scratch}
    trained = validate(TrainedShots, options, where="options scratch")
    return "supervised from scratch", ask(fresh, task, protocol=trained, name="supervised from scratch")


def _after(progress: Progress, before: int, done: int, note: str = "") -> None:
    progress(before + done, note)
