"""Judge an encoder: one protocol, one task, any list of splits by subject."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from kinelet.encoders.base import Encoder
from kinelet.errors import BadOptionError
from kinelet.evaluate.folds import SplitLike, check_splits
from kinelet.evaluate.honesty import card_note, refuse_seen
from kinelet.evaluate.protocol import Predictions, Protocol
from kinelet.evaluate.result import Result
from kinelet.evaluate.task import Codes, FloatArray, Task
from kinelet.progress import Progress, silent

Prepare = Callable[[Task, FloatArray], tuple[Task, FloatArray]]
"""Maps (training task, test windows) to vectors; may learn from the first, never from the second."""


def evaluate(
    protocol: Protocol,
    encoder: Encoder,
    task: Task,
    splits: Sequence[SplitLike],
    *,
    name: str | None = None,
    batch_size: int = 512,
    progress: Progress = silent,
) -> Result:
    """Judge one encoder on people it has never seen.

    Args:
        protocol: From :func:`kinelet.evaluate.get_protocol`.
        encoder: Its card lists the people it was pretrained on.
        task: Windows with targets, in the encoder's spec, or in units that are converted to it.
        splits: People to learn from and to be judged on; predictions of all test folds are pooled.
        name: What to call the encoder in the report.
        batch_size: Windows per forward pass.
        progress: Told how many splits are done, and what is going on.

    Raises:
        SeenSubjectError: if the encoder was pretrained on a test person.
        SpecMismatchError: if the windows do not fit the encoder.
        BadOptionError: if protocol, task and splits do not fit together.
    """
    require_fit(protocol, task, splits)
    refuse_seen(encoder, task, splits)
    task = task.in_units_of(encoder.spec)
    encoder.spec.require(task.spec, where=f"task {task.name!r}")
    if protocol.inputs == "vectors":
        task = task.with_x(encoder.embed(task.x, batch_size))
    note = card_note(encoder)
    notes = (note,) if note else ()
    folds = [_fold(protocol, encoder, task, split, i, progress) for i, split in enumerate(splits)]
    return pool(protocol, task, folds, splits, name or encoder.name or type(encoder).__name__, notes)


def evaluate_crossfit(
    protocol: Protocol,
    pretrain: Callable[[SplitLike], Encoder],
    task: Task,
    splits: Sequence[SplitLike],
    *,
    name: str | None = None,
    batch_size: int = 512,
    progress: Progress = silent,
) -> Result:
    """Judge a way of pretraining: one encoder for each split, made from its training people.

    Args:
        protocol: From :func:`kinelet.evaluate.get_protocol`.
        pretrain: Called with each split; must use its training people only and list them in the encoder's card.
        task: Windows with targets, in the encoder's spec, or in units that are converted to it.
        splits: As for :func:`evaluate`.
        name: What to call the encoder in the report.
        batch_size: Windows per forward pass.
        progress: Told how many splits are done, and what is going on.

    Raises:
        SeenSubjectError: if an encoder was pretrained on a test person of its split.
    """
    require_fit(protocol, task, splits)
    folds, called, notes = [], "", set()
    for i, split in enumerate(splits):
        encoder = pretrain(split)
        refuse_seen(encoder, task, [split])
        part = task.take(np.sort(np.concatenate([task.rows(split.train), task.rows(split.test)])))
        part = part.in_units_of(encoder.spec)
        encoder.spec.require(part.spec, where=f"task {task.name!r}")
        if protocol.inputs == "vectors":
            part = part.with_x(encoder.embed(part.x, batch_size))
        folds.append(_fold(protocol, encoder, part, split, i, progress))
        called = encoder.name or type(encoder).__name__
        notes |= {note for note in [card_note(encoder)] if note}
    return pool(protocol, task, folds, splits, name or called, tuple(sorted(notes)))


def evaluate_features(
    protocol: Protocol,
    prepare: Prepare,
    task: Task,
    splits: Sequence[SplitLike],
    *,
    name: str,
    progress: Progress = silent,
) -> Result:
    """Judge vectors that are not an encoder's, such as hand-crafted features.

    Args:
        protocol: One that sees vectors.
        prepare: From (training task, test windows) to (training task, test vectors).
        task: Windows with targets.
        splits: As for :func:`evaluate`.
        name: What to call the representation in the report.
        progress: Told how many splits are done, and what is going on.
    """
    require_fit(protocol, task, splits)
    folds = []
    for i, split in enumerate(splits):
        train, x = prepare(task.take(task.rows(split.train)), task.x[task.rows(split.test)])
        folds.append(protocol.predict(train, x, None, partial(progress, i)))
        progress(i + 1)
    return pool(protocol, task, folds, splits, name)


def require_fit(protocol: Protocol, task: Task, splits: Sequence[SplitLike]) -> None:
    """Raise unless the protocol can judge this kind of task on these splits."""
    if task.kind not in protocol.kinds:
        raise BadOptionError(
            f"protocol {protocol.name!r} judges {' and '.join(protocol.kinds)}, but the targets are {task.kind}",
            where=f"task {task.name!r}",
            remedy="See kinelet list protocols",
        )
    check_splits(task, splits)


def _fold(
    protocol: Protocol, encoder: Encoder, task: Task, split: SplitLike, i: int, progress: Progress
) -> Predictions:
    train, x = task.take(task.rows(split.train)), task.x[task.rows(split.test)]
    predictions = protocol.predict(train, x, encoder, partial(progress, i))
    progress(i + 1)
    return predictions


def pool(
    protocol: Protocol,
    task: Task,
    folds: Sequence[Predictions],
    splits: Sequence[SplitLike],
    name: str,
    notes: tuple[str, ...] = (),
) -> Result:
    """Put the test folds' predictions ``(draw, m)`` together, in the order of the task's windows."""
    rows = [task.rows(split.test) for split in splits]
    fold = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
    row = np.concatenate(rows)
    order = np.argsort(row, kind="stable")
    row = row[order]
    remarks = [*notes, *(note for split in splits for note in protocol.notes(task.take(task.rows(split.train))))]
    people, subject = _codes(task, row)
    return Result(
        protocol=protocol.name,
        options=protocol.model_dump(mode="json"),
        encoder=name,
        task=task.name,
        classes=task.classes,
        subjects=people,
        subject=subject,
        row=row,
        fold=fold[order],
        truth=task.y[row],
        predicted=np.concatenate(folds, axis=1)[:, order],
        notes=tuple(dict.fromkeys(remarks)),
    )


def _codes(task: Task, row: Codes) -> tuple[tuple[str, ...], Codes]:
    present, codes = np.unique(task.subject[row], return_inverse=True)
    return tuple(task.subjects[i] for i in present), np.asarray(codes, dtype=np.int64)
