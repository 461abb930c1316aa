"""The whole walk on real recordings: build, pretrain without labels, judge on people never seen, tell it on a page.

Ten people did seven shoulder exercises with an Apple Watch on; the recordings come with the ``seglearn`` package
(BSD-3; Burns et al., "Shoulder physiotherapy exercise recognition: machine learning the inertial signals from a
smartwatch", *Physiological Measurement* 39(7), 2018).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kinelet.config import apply_overrides, validate
from kinelet.corpus.build import build
from kinelet.corpus.corpus import Corpus
from kinelet.corpus.find import dataset_sources
from kinelet.corpus.splits import Split, kfold
from kinelet.corpus.windows import Windows
from kinelet.encoders.base import Encoder
from kinelet.encoders.registry import create_encoder
from kinelet.errors import MissingExtraError
from kinelet.evaluate.baselines import run_baseline
from kinelet.evaluate.registry import get_protocol
from kinelet.evaluate.result import Result
from kinelet.evaluate.run import evaluate_crossfit
from kinelet.evaluate.task import Task
from kinelet.progress import progress_bar
from kinelet.train.folds import fold_pretrainer
from kinelet.train.pretrain import PretrainConfig

EXERCISES = {
    "PEN": "pendulum",
    "ABD": "abduction",
    "FEL": "forward elevation",
    "IR": "internal rotation",
    "ER": "external rotation",
    "TRAP": "trapezius extension",
    "ROW": "upright row",
}
RECIPE: dict[str, Any] = {
    "method": "simclr",
    "method_options": {"view_s": 4.0, "view_speed": 1.25, "augmentations": "uncropped"},
    "encoder": {"name": "resnet1d_small"},
    "data": {"window_s": 5.0, "hop_s": 1.0},
    "train": {"steps": 200, "batch_size": 128, "lr": 2e-3, "weight_decay": 1e-4, "warmup": 20, "clip": None},
}
FOLDS = 5
BASELINES = ("random", "hand_linear", "hand_boosting", "scratch")


@dataclass(frozen=True)
class Findings:
    """What the demonstration found, for its page.

    Attributes:
        corpus: The recordings.
        task: Labelled windows.
        results: The pretrained encoder's result, then the baselines'.
        vectors: Embedding of every window by the encoder that has not seen its person, ``(n, dim)``.
        folder: Where everything lies.
        seconds: How long it took.
    """

    corpus: Corpus
    task: Task
    results: list[Result]
    vectors: npt.NDArray[np.float32]
    folder: Path
    seconds: float


def run_demo(out: str | Path, overrides: list[str] | None = None) -> Findings:
    """Build, pretrain once a fold, judge, and write ``report.html``; interrupted, it goes on where it stopped.

    Args:
        out: Folder for corpus, runs, results and report.
        overrides: ``key=value`` over the recipe.

    Raises:
        MissingExtraError: if the recordings are not installed.
    """
    from kinelet.report.demo import write_demo_report

    started = time.monotonic()
    folder = Path(out)
    config = validate(PretrainConfig, apply_overrides(RECIPE, overrides or ()), where="recipe")
    corpus = _corpus(folder / "corpus")
    windows = corpus.windows(config.data.window_s, 2.5, purity=0.9)
    task = _named(Task.from_windows(windows, name="shoulder exercises"))
    splits = kfold(task.people, FOLDS, seed=0)
    with progress_bar("pretrain without labels", FOLDS * config.train.steps, unit="steps") as progress:
        pretrain = fold_pretrainer([_unlabelled(corpus, config)], folder / "folds", config, progress=progress)
        encoders = {split: pretrain(split) for split in splits}
    results = _judge(task, splits, encoders, folder)
    findings = Findings(corpus, task, results, _embed(task, encoders), folder, time.monotonic() - started)
    write_demo_report(findings, config)
    return findings


def _corpus(out: Path) -> Corpus:
    if find_spec("seglearn") is None:
        raise MissingExtraError(
            "the recordings of the demonstration are not installed", remedy="pip install 'kinelet[demo]'"
        )
    with progress_bar("build the corpus", 140, unit="recordings") as progress:
        build(dataset_sources("seglearn_watch", out), out, progress=progress)
    return Corpus.open(out)


def _unlabelled(corpus: Corpus, config: PretrainConfig) -> Windows:
    return corpus.windows(config.data.window_s, config.data.hop_s, channels=config.data.channels)


def _named(task: Task) -> Task:
    from dataclasses import replace

    return replace(task, classes=tuple(EXERCISES.get(c, c) for c in task.classes))


def _judge(task: Task, splits: tuple[Split, ...], encoders: dict[Split, Encoder], folder: Path) -> list[Result]:
    probe = get_protocol("linear_probe")

    def like(spec: Any) -> Encoder:
        one = next(iter(encoders.values()))
        return create_encoder(one.name, spec=spec, **one.config)

    ours = evaluate_crossfit(probe, lambda split: encoders[split], task, splits, name="SimCLR")  # type: ignore[index]
    runs: list[Callable[[], Result]] = [lambda: ours]
    runs += [lambda name=name: run_baseline(name, task, splits, fresh=like) for name in BASELINES]  # type: ignore[misc]
    results = []
    with progress_bar("judge, with baselines beside", len(runs), unit="contenders") as progress:
        for run in runs:
            results.append(run())
            progress(len(results), results[-1].encoder)
            results[-1].save(folder / "evaluation" / f"{len(results) - 1:02d}.json")
    return results


def _embed(task: Task, encoders: dict[Split, Encoder]) -> npt.NDArray[np.float32]:
    """Each window by the encoder that was pretrained without its person."""
    some = next(iter(encoders.values()))
    out = np.zeros((len(task), some.dim), dtype=np.float32)
    for split, encoder in encoders.items():
        rows = task.rows(split.test)
        out[rows] = encoder.embed(task.x[rows])
    return out
