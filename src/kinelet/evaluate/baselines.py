"""Baselines: what needs no pretraining, judged on the same splits as every encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch

from kinelet.encoders.base import Encoder
from kinelet.encoders.image import share_input
from kinelet.encoders.registry import create_encoder
from kinelet.errors import BadOptionError
from kinelet.evaluate.boosting import Boosting
from kinelet.evaluate.features import hand_crafted
from kinelet.evaluate.fine_tune import FineTune
from kinelet.evaluate.folds import SplitLike
from kinelet.evaluate.minirocket import minirocket
from kinelet.evaluate.probe import LinearProbe
from kinelet.evaluate.protocol import Protocol
from kinelet.evaluate.regression import Constant, RidgeProbe
from kinelet.evaluate.result import Result
from kinelet.evaluate.run import evaluate, evaluate_features
from kinelet.evaluate.task import Task
from kinelet.progress import Progress, silent
from kinelet.signal.spec import SignalSpec

ALIGNMENT = "alignment"
"""Key of a card that says which head goes with which modality."""

Fresh = Callable[[SignalSpec], Encoder]
"""Makes an untrained encoder for a signal."""

Runner = Callable[[Task, Sequence[SplitLike], Fresh, int, Progress], Result]


@dataclass(frozen=True)
class Baseline:
    """A baseline.

    Attributes:
        name: Registry name.
        title: What reports call it.
        extra: Optional dependency that it needs.
        run: Judges it.
    """

    name: str
    title: str
    run: Runner
    extra: str | None = None


def small_encoder(spec: SignalSpec) -> Encoder:
    """The encoder that ``random`` and ``scratch`` use unless another is given."""
    return create_encoder("resnet1d_small", spec=spec)


def fresh_like(encoder: Encoder) -> Fresh:
    """Make untrained encoders of the same architecture and configuration, whose heads stand for the same spaces.

    What was fitted to the input is taken over: on another scale, random weights would not be the same baseline.
    """

    def make(spec: SignalSpec) -> Encoder:
        made = create_encoder(encoder.name, spec=spec, **encoder.config)
        if encoder.needs_fit:
            share_input(encoder, made)
        made.card = {key: encoder.card[key] for key in (ALIGNMENT,) if key in encoder.card}
        return made

    return make


def run_baseline(
    name: str,
    task: Task,
    splits: Sequence[SplitLike],
    *,
    fresh: Fresh = small_encoder,
    seed: int = 0,
    protocol: Protocol | None = None,
    progress: Progress = silent,
) -> Result:
    """Judge a baseline on the same people as an encoder.

    Args:
        name: One of :func:`list_baselines`.
        task: Windows with targets.
        splits: As for :func:`kinelet.evaluate.run.evaluate`.
        fresh: Architecture of ``random`` and ``scratch``; see :func:`fresh_like`.
        seed: Of random weights and kernels.
        protocol: What the encoder is judged by, if not by a linear probe on all labels: ``random`` and the linear
            baselines on hand-crafted features then learn in the same way, so that the comparison is one of
            representations. The others are whole recipes and stay as they are.
        progress: Told how many splits are done.

    Raises:
        BadOptionError: if there is no such baseline.
        MissingExtraError: if it needs an extra that is not installed.
    """
    if name not in BASELINES:
        raise BadOptionError(f"no baseline is named {name!r}", remedy=f"Choose one of: {', '.join(BASELINES)}")
    if protocol is not None and name == "random":
        random_encoder = untrained(fresh, task.spec, seed)
        return evaluate(protocol, random_encoder, task, splits, name="random encoder", progress=progress)
    if protocol is not None and protocol.inputs == "vectors" and name in ("hand_linear", "hand_thirds_linear"):
        title = f"{BASELINES[name].title.removesuffix(', linear')}, {protocol.name}"
        return _hand(lambda _: protocol, title, name == "hand_thirds_linear")(task, splits, fresh, seed, progress)
    return BASELINES[name].run(task, splits, fresh, seed, progress)


def list_baselines() -> tuple[str, ...]:
    """Names that :func:`run_baseline` knows."""
    return tuple(BASELINES)


def untrained(fresh: Fresh, spec: SignalSpec, seed: int) -> Encoder:
    """An encoder with random weights of a seed, in evaluation mode; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return fresh(spec).eval()


def _linear(task: Task) -> Protocol:
    return LinearProbe() if task.classes else RidgeProbe()


def _constant(task: Task, splits: Sequence[SplitLike], fresh: Fresh, seed: int, progress: Progress) -> Result:
    empty = task.with_x(np.zeros((len(task), 1), np.float32))
    return evaluate_features(Constant(), lambda t, x: (t, x), empty, splits, name="constant", progress=progress)


def _random(task: Task, splits: Sequence[SplitLike], fresh: Fresh, seed: int, progress: Progress) -> Result:
    encoder = untrained(fresh, task.spec, seed)
    return evaluate(_linear(task), encoder, task, splits, name="random encoder", progress=progress)


def _scratch(task: Task, splits: Sequence[SplitLike], fresh: Fresh, seed: int, progress: Progress) -> Result:
    encoder = untrained(fresh, task.spec, seed)
    protocol = FineTune(lr=2e-3, patience=8, seed=seed)
    return evaluate(protocol, encoder, task, splits, name="supervised from scratch", progress=progress)


def _hand(protocol: Callable[[Task], Protocol], title: str, thirds: bool) -> Runner:
    def run(task: Task, splits: Sequence[SplitLike], fresh: Fresh, seed: int, progress: Progress) -> Result:
        # The features of a window depend on that window alone, so all may be computed at once.
        vectors = task.with_x(hand_crafted(task.x, task.spec, thirds=thirds).values)
        return evaluate_features(protocol(task), lambda t, x: (t, x), vectors, splits, name=title, progress=progress)

    return run


def _minirocket(task: Task, splits: Sequence[SplitLike], fresh: Fresh, seed: int, progress: Progress) -> Result:
    return evaluate_features(RidgeProbe(), minirocket(seed=seed), task, splits, name="MiniRocket", progress=progress)


_RECORDS = (
    Baseline("constant", "always the commonest class or the mean", _constant),
    Baseline("random", "random encoder, linear probe", _random),
    Baseline("hand_linear", "hand-crafted features, linear", _hand(_linear, "hand-crafted + linear", thirds=False)),
    Baseline(
        "hand_thirds_linear",
        "hand-crafted features with the order of events, linear",
        _hand(_linear, "hand-crafted with thirds + linear", thirds=True),
    ),
    Baseline(
        "hand_boosting",
        "hand-crafted features, gradient boosting",
        _hand(lambda task: Boosting(), "hand-crafted + boosting", thirds=False),
    ),
    Baseline("scratch", "supervised from scratch", _scratch),
    Baseline("minirocket", "MiniRocket (2,000 kernels), ridge", _minirocket, extra="baselines"),
)
BASELINES: Mapping[str, Baseline] = MappingProxyType({record.name: record for record in _RECORDS})
