"""The distance between windows that a method ranks by: given, or trained first on the windows of the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from kinelet.config import validate
from kinelet.corpus.loader import load_batch
from kinelet.corpus.samplers import Draw
from kinelet.corpus.splits import holdout
from kinelet.corpus.windows import Windows
from kinelet.distances.base import Distance, open_distance
from kinelet.distances.io import save_distance
from kinelet.distances.network import MotifNetwork
from kinelet.errors import BadOptionError
from kinelet.methods.base import Batch, Method, Validation
from kinelet.methods.registry import get_method
from kinelet.progress import Progress, silent
from kinelet.train import distributed
from kinelet.train.best import Judge
from kinelet.train.recipe import DistanceConfig, PretrainConfig
from kinelet.train.run import Run, common_spec, people, require_even

FOLDER = "distance"


def train_distance(
    views: Sequence[Windows],
    out: str | Path,
    config: PretrainConfig,
    *,
    resume: bool = False,
    progress: Progress = silent,
) -> MotifNetwork:
    """Train a distance on windows and write a run directory.

    Some of the people are set aside, and the weights kept are those that do best on them; they count as seen.

    Args:
        views: Windows.
        out: Run directory.
        config: What to do; its method is one that keeps a distance.
        resume: Go on from the checkpoint in ``out``.
        progress: Told after every step.

    Raises:
        BadOptionError: if ``out`` holds another run, the windows cannot be trained on, or are of fewer than two
            people.
    """
    world = distributed.join(config.train.device)
    require_even(config.train, world.size)
    kind, options = get_method(config.method)
    method_config: Any = validate(options, config.method_options, where=f"method {config.method}")
    config = config.model_copy(update={"method_options": method_config.model_dump(mode="json"), "distance": None})
    run = Run(views, Path(out), config, world, progress)
    fit_views, judge = _set_aside(views, kind.validation(method_config), config.train.seed)
    run.prepare(resume, None, fit_views)
    torch.manual_seed(config.train.seed)
    network = MotifNetwork(common_spec(views), method_config.network)
    run.train(cast(Any, kind)(network, method_config), judge=judge)
    network = network.cpu().eval()
    network.card = run.card()
    if world.main:
        save_distance(network, run.folder / "model")
    distributed.barrier(world)
    return network


def _set_aside(views: Sequence[Windows], rule: Validation | None, seed: int) -> tuple[list[Windows], Judge | None]:
    """Windows to train on, and a judge that scores on the others'."""
    if rule is None:
        return list(views), None
    fit, batches = [], []
    for view in views:
        everybody = people(view)
        if len(everybody) < 2:
            raise BadOptionError(
                "a single person: nobody can be set aside to choose the best weights on",
                where=str(view.corpus.path),
                remedy="Use a corpus of two people or more, or distance=euclid",
            )
        split = holdout(everybody, rule.people, seed)
        fit.append(view.of(split.train))
        batches.append(_batch(view.of(split.test), rule))
    return fit, Judge(lambda m: _score(m, batches, seed), rule.every)


def _batch(view: Windows, rule: Validation) -> dict[str, Any]:
    """Windows of people set aside, spread evenly."""
    chosen = np.unique(np.linspace(0, len(view) - 1, min(rule.windows, len(view))).round().astype(np.int64))
    return {key: torch.as_tensor(value) for key, value in load_batch(Draw(view, chosen)).items()}


def _score(method: Method, batches: Sequence[dict[str, Any]], seed: int) -> float:
    """Mean score of the windows, with the same augmentations each time."""
    device = next(method.parameters()).device
    total, count = 0.0, 0
    for batch in batches:
        moved = cast(Batch, {key: value.to(device) for key, value in batch.items()})
        generator = torch.Generator(device).manual_seed(seed)
        total += float(method.validate(moved, generator)) * len(batch["x"])
        count += len(batch["x"])
    return total / count


def resolve_distance(config: PretrainConfig) -> DistanceConfig:
    """What a run is told about its distance, defaults written out; seed, device and threads are the run's."""
    told = config.distance or DistanceConfig()
    options = validate(get_method("motif")[1], told.method_options, where="distance.method_options")
    train = told.train.model_copy(update={k: getattr(config.train, k) for k in ("seed", "device", "threads")})
    return told.model_copy(update={"method_options": options.model_dump(mode="json"), "train": train})


def distance_of(run: Run, told: DistanceConfig) -> Distance:
    """The distance of a run: opened, or trained into ``distance/`` of its folder.

    Raises:
        SpecMismatchError: if it is of another rate, unit or length than the run's windows.
    """
    where = told.use
    if where is None:
        first = PretrainConfig(
            method="motif", method_options=told.method_options, data=run.config.data, train=told.train
        )
        # Drawn apart, so that the encoder starts from the same weights whether or not a distance is trained before.
        with torch.random.fork_rng(devices=[]):
            train_distance(run.views, run.folder / FOLDER, first, resume=True, progress=run.progress)
        where = str(run.folder / FOLDER)
    return open_distance(where, common_spec(run.views), **told.options)
