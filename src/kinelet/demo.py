"""The whole walk on real recordings: build, pretrain without labels, judge on people never seen, tell it on a page.

Ten people did seven shoulder exercises with an Apple Watch on; the recordings come with the ``seglearn`` package
(BSD-3; Burns et al., "Shoulder physiotherapy exercise recognition: machine learning the inertial signals from a
smartwatch", *Physiological Measurement* 39(7), 2018).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
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
from kinelet.evaluate.folds import SplitLike
from kinelet.evaluate.registry import get_protocol
from kinelet.evaluate.result import Result
from kinelet.evaluate.run import evaluate, evaluate_crossfit
from kinelet.evaluate.task import Task
from kinelet.progress import Progress, progress_bar
from kinelet.signal.spec import SignalSpec
from kinelet.train.folds import fold_pretrainer
from kinelet.train.pretrain import PretrainConfig, steps_of

EXERCISES = {
    "PEN": "pendulum",
    "ABD": "abduction",
    "FEL": "forward elevation",
    "IR": "internal rotation",
    "ER": "external rotation",
    "TRAP": "trapezius extension",
    "ROW": "upright row",
}
#: RelCon, cut down to minutes: windows of 2.56 s, a narrow distance network, few batches whose distances are kept.
RECIPE: dict[str, Any] = {
    "method": "relcon",
    "method_options": {
        "anchors": "batch",
        "which": "between",
        "weights": "geometric",
        "decay": 0.3,
        "own_view": True,
        "projector": [128, 64],
        "augmentations": "standard",
        "cache": 16,
    },
    "encoder": {"name": "resnet1d_small"},
    "data": {"window_s": 2.56, "hop_s": 1.28, "channels": ["acc_x", "acc_y", "acc_z"]},
    "distance": {
        "method_options": {
            "network": {"width": 32, "options": {"offset": "remove", "amplitude": "own", "scale": "isotropic"}},
            "validation_every": 20,
        },
        "train": {"steps": 60, "log_every": 20},
    },
    "train": {"steps": 105, "batch_size": 128, "lr": 2e-3, "weight_decay": 1e-4, "warmup": 15, "clip": None},
}
FOLDS = 5
JUDGED_S = 5.0
BASELINES = ("random", "hand_linear", "hand_boosting")
# A few minutes do not pay for the patience that the baseline `scratch` has elsewhere.
SCRATCH = {"lr": 2e-3, "epochs": 12, "patience": 3}


@dataclass(frozen=True)
class Findings:
    """What the demonstration found, for its page.

    Attributes:
        corpus: The recordings.
        task: Labelled windows.
        results: The pretrained encoder's result, then the baselines'.
        vectors: Embedding of every window by the first fold's encoder ``(n, dim)``; each fold's encoder has a space of
            its own, so that only one can be drawn.
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
    windows = corpus.windows(JUDGED_S, JUDGED_S / 2, purity=0.9, channels=config.data.channels)
    task = _named(Task.from_windows(windows, name="shoulder exercises"))
    splits = kfold(task.people, FOLDS, seed=0)
    with progress_bar("pretrain without labels", FOLDS * steps_of(config), unit="steps") as progress:
        pretrain = fold_pretrainer([_unlabelled(corpus, config)], folder / "folds", config, progress=progress)
        encoders = {split: pretrain(split) for split in splits}
    results = _judge(task, splits, encoders, folder)
    findings = Findings(corpus, task, results, encoders[splits[0]].embed(task.x), folder, time.monotonic() - started)
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
    data = config.data
    return corpus.windows(data.window_s, data.hop_s, channels=data.channels, placement=data.placement)


def _named(task: Task) -> Task:
    from dataclasses import replace

    return replace(task, classes=tuple(EXERCISES.get(c, c) for c in task.classes))


def _judge(task: Task, splits: tuple[Split, ...], encoders: dict[Split, Encoder], folder: Path) -> list[Result]:
    one = next(iter(encoders.values()))

    def like(spec: SignalSpec) -> Encoder:
        return create_encoder(one.name, spec=spec, seed=0, **one.config)

    def by_test_people(split: SplitLike) -> Encoder:
        return next(encoder for known, encoder in encoders.items() if known.test == split.test)

    def ours(progress: Progress) -> Result:
        probe = get_protocol("linear_probe")
        return evaluate_crossfit(probe, by_test_people, task, splits, name="RelCon", progress=progress)

    def baseline(name: str, progress: Progress) -> Result:
        return run_baseline(name, task, splits, fresh=like, progress=progress)

    def scratch(progress: Progress) -> Result:
        fine_tune = get_protocol("fine_tune", **SCRATCH)
        name = "supervised from scratch"
        return evaluate(fine_tune, like(task.spec), task, splits, name=name, progress=progress)

    runs: list[Callable[[Progress], Result]] = [ours, *(partial(baseline, name) for name in BASELINES), scratch]
    results: list[Result] = []
    with progress_bar("judge, with baselines beside", len(runs) * len(splits), unit="folds") as progress:
        for run in runs:
            before = len(results) * len(splits)
            results.append(run(lambda done, note="", before=before: progress(before + done, note)))
            results[-1].save(folder / "evaluation" / f"{len(results) - 1:02d}.json")
    return results
