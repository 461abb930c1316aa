"""How the arms of ``primus_results.py`` are judged: a curve over labelled windows a class, for people of a fold."""

from __future__ import annotations

import torch

from har_sets import Opened
from kinelet.encoders.base import Encoder
from kinelet.encoders.registry import create_encoder
from kinelet.evaluate.curve import few_shot_curve
from kinelet.evaluate.features import hand_crafted
from kinelet.evaluate.result import Result
from kinelet.evaluate.shots import PrimusFewShot, Shots
from kinelet.evaluate.shots_trained import TrainedShots
from primus_arms import Arm

SHOTS: tuple[Shots, ...] = (1, 5, 10, 25, 50, 100, 250, 500, "all")
#: Supervised learning from scratch takes a training a draw: fewer numbers of windows, one draw.
SCRATCH_SHOTS: tuple[Shots, ...] = (10, "all")
SCRATCH = TrainedShots(draws=1, steps=400, lr=3e-3)
DRAWS = 5


def curve_of(arm: Arm, encoder: Encoder | None, opened: Opened, fold: int) -> dict[Shots, Result]:
    """Results of a fold's people by labelled windows a class of the other people."""
    splits, task = [opened.splits[fold]], opened.task
    if arm.kind == "hand":
        vectors = task.with_x(hand_crafted(task.x, task.spec).values)
        learner = PrimusFewShot(draws=DRAWS, normalise="columns")
        return few_shot_curve(None, vectors, splits, protocol=learner, shots=SHOTS, name=arm.title)
    if encoder is None:
        torch.manual_seed(arm.config.train.seed)
        encoder = create_encoder(arm.config.encoder.name, spec=task.spec, **arm.config.encoder.options).eval()
    if arm.kind == "scratch":
        return few_shot_curve(encoder, task, splits, protocol=SCRATCH, shots=SCRATCH_SHOTS, name=arm.title)
    return few_shot_curve(encoder, task, splits, protocol=PrimusFewShot(draws=DRAWS), shots=SHOTS, name=arm.title)
