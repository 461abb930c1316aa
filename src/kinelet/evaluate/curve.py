"""A few-shot curve: one result for each number of labelled windows a class, all on the same test people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from kinelet.encoders.base import Encoder
from kinelet.evaluate.folds import SplitLike, check_splits
from kinelet.evaluate.honesty import card_note, refuse_seen
from kinelet.evaluate.metrics import METRICS, Array
from kinelet.evaluate.result import Result
from kinelet.evaluate.run import pool, require_fit
from kinelet.evaluate.shots import PrimusFewShot, Shots, SpreadShots
from kinelet.evaluate.task import Task
from kinelet.progress import Progress, silent

SHOTS: tuple[Shots, ...] = (1, 5, 10, 25, 50, 100, 250, 500, "all")

Curve = Mapping[Shots, Result]
"""Results by windows a class."""


def few_shot_curve(
    encoder: Encoder | None,
    task: Task,
    splits: Sequence[SplitLike],
    *,
    protocol: SpreadShots | None = None,
    shots: Sequence[Shots] = SHOTS,
    name: str | None = None,
    batch_size: int = 512,
    progress: Progress = silent,
) -> dict[Shots, Result]:
    """Judge an encoder with ever more labelled windows a class.

    Windows are embedded once. All encoders judged on the same task and splits learn from the same windows, so results
    of one ``n`` can be subtracted (:meth:`Result.difference`, :func:`kinelet.evaluate.compare.compare`).

    Args:
        encoder: ``None`` if the task holds vectors ``(n, dim)`` already.
        task: Windows with labels, cut without overlap.
        splits: People to learn from and to be judged on.
        protocol: How to learn from a draw; its own ``n`` is not used. Default :class:`PrimusFewShot`.
        shots: Windows a class. A number that no class of any split's training people has is left out: it would be
            ``all`` over again.
        name: What to call the encoder in the report.
        batch_size: Windows per forward pass.
        progress: Told how many numbers of windows are done.

    Raises:
        SeenSubjectError: if the encoder was pretrained on a test person.
        SpecMismatchError: if the windows do not fit the encoder.
        BadOptionError: if task and splits do not fit together.
    """
    learner = protocol or PrimusFewShot()
    require_fit(learner, task, splits)
    check_splits(task, splits)
    called, notes = name or "vectors", tuple[str, ...]()
    if encoder is not None:
        refuse_seen(encoder, task, splits)
        task = task.in_units_of(encoder.spec)
        encoder.spec.require(task.spec, where=f"task {task.name!r}")
        called = name or encoder.name or type(encoder).__name__
        notes = tuple(note for note in [card_note(encoder)] if note)
        if learner.inputs == "vectors":
            task = task.with_x(encoder.embed(task.x, batch_size))
    parts = [(task.take(task.rows(s.train)), task.x[task.rows(s.test)]) for s in splits]
    out: dict[Shots, Result] = {}
    for n in feasible(task, splits, shots):
        one, say = learner.model_copy(update={"n": n}), partial(progress, len(out))
        folds = [one.predict(train, x, encoder, say) for train, x in parts]
        out[n] = pool(one, task, folds, splits, called, notes)
    progress(len(out))
    return out


def feasible(task: Task, splits: Sequence[SplitLike], shots: Sequence[Shots]) -> tuple[Shots, ...]:
    """Those of ``shots`` that at least one class of one split's training people has."""
    most = max(int(np.bincount(task.y[task.rows(s.train)]).max()) for s in splits)
    return tuple(n for n in shots if n == "all" or n <= most)


def draw_spread(result: Result, metric: str) -> float:
    """Standard deviation of a metric over draws, all people pooled; 0 where there is one draw."""
    values: Array = METRICS[result.kind][metric](result.statistic().sum(axis=1))
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0
