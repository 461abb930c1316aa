"""The distance between windows that a method ranks by: given, or trained first on the windows of the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch

from kinelet.config import validate
from kinelet.corpus.windows import Windows
from kinelet.distances.base import Distance, open_distance
from kinelet.distances.io import save_distance
from kinelet.distances.network import MotifNetwork
from kinelet.methods.registry import get_method
from kinelet.progress import Progress, silent
from kinelet.train import distributed
from kinelet.train.judging import judge_on, set_aside
from kinelet.train.recipe import DistanceConfig, PretrainConfig
from kinelet.train.run import Run, common_spec, require_even

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
    rule = kind.validation(method_config)
    fit_views, held = set_aside(views, rule, config.train, instead="distance=euclid")
    run.plan(resume, None, fit_views)
    torch.manual_seed(config.train.seed)
    network = MotifNetwork(common_spec(views), method_config.network)
    method = cast(Any, kind)(network, method_config)
    run.begin()
    run.train(method, judge=judge_on(held, rule, config.train.seed))
    network = network.cpu().eval()
    network.card = run.card()
    if world.main:
        save_distance(network, run.folder / "model")
    distributed.barrier(world)
    return network


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
