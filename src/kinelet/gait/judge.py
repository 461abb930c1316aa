"""Judge encoders on gait numbers of a walk, with what needs no pretraining on the same walks beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kinelet.corpus.splits import Split, kfold, leave_one_subject_out
from kinelet.errors import BadOptionError
from kinelet.evaluate.honesty import card_note, refuse_seen, seen
from kinelet.evaluate.protocol import Protocol
from kinelet.evaluate.result import Result
from kinelet.evaluate.run import evaluate_features
from kinelet.evaluate.task import Task
from kinelet.gait.agreement import FEWEST, few_people_note
from kinelet.gait.config import GaitConfig
from kinelet.gait.contenders import Contender, Encoders, contenders_of, nothing
from kinelet.gait.estimators import imputed, steps_of
from kinelet.gait.walks import Walks
from kinelet.progress import Progress, silent


def gait_results(
    encoders: Encoders, walks: Walks, config: GaitConfig | None = None, *, progress: Progress = silent
) -> list[Result]:
    """Judge encoders and baselines on every target of the walks, all by the same splits of people.

    Whole people are held out, in folds. Where an encoder was pretrained on some of the people, the heads learn from
    those and are judged on the others.

    Args:
        encoders: Name to encoder, all with the spec of the walks; several of one name (folds, seeds) are draws, over
            which metrics are averaged.
        walks: From :func:`kinelet.gait.cut.cut_walks`.
        config: How.
        progress: Told how many percent of the targets are done.

    Returns:
        A result for each target, contender and head, in that order; ``encoder`` names the contender, ``protocol`` the
        head. The target ``steps`` is predicted through cadence: steps = cadence times the walk's duration, plus one.
        More metrics than a result's own are in :func:`kinelet.gait.agreement.agreement`.

    Raises:
        SeenSubjectError: if an encoder was pretrained on all of the people.
        SpecMismatchError: if an encoder expects another signal than the walks have.
        BadOptionError: if there is no such target, head or baseline, or only one person walks.
    """
    config = config or GaitConfig()
    contenders = contenders_of(encoders, walks, config)
    out: list[Result] = []
    learnt = _learnable(config.targets or walks.targets, walks)
    for done, target in enumerate(learnt):
        progress(100 * done // len(learnt), target)
        splits = _splits(contenders, walks.task(target, nothing(walks)), config)
        for contender in contenders:
            for head in contender.heads(target):
                out += _judge(contender, head, walks, target, splits)
    progress(100)
    wanted = config.targets or walks.targets
    return [r for r in out if r.task.rsplit(": ", 1)[1] in wanted]


def _splits(contenders: Sequence[Contender], task: Task, config: GaitConfig) -> tuple[Split, ...]:
    """The same for all: learn from people that an encoder knows and be judged on the others, if it knows some."""
    encoders = [encoder for contender in contenders for encoder in contender.encoders]
    known = {s for encoder in encoders for s in seen(encoder, task, task.people)}
    new = tuple(s for s in task.people if s not in known)
    if known and new:
        return (Split(tuple(sorted(known)), new, name="unseen"),)
    splits = splits_of(task, config.folds, config.seed)
    for encoder in encoders:
        refuse_seen(encoder, task, splits)
    return splits


def splits_of(task: Task, folds: int = 5, seed: int = 0) -> tuple[Split, ...]:
    """Whole people held out: folds of people, or one person at a time where there are fewer than six.

    Raises:
        BadOptionError: if there is one person only.
    """
    people = task.people
    if len(people) < 2:
        raise BadOptionError(
            f"only {', '.join(people)} has the target", where=f"task {task.name!r}", remedy="Two people are needed"
        )
    return leave_one_subject_out(people) if len(people) < FEWEST else kfold(people, min(folds, len(people)), seed)


def _learnable(targets: Sequence[str], walks: Walks) -> list[str]:
    """Targets to be learnt: the number of steps comes with cadence."""
    unknown = [t for t in targets if t not in walks.targets]
    if unknown:
        raise BadOptionError(
            f"no walk has the targets {unknown}", where=walks.name, remedy=f"Targets here: {', '.join(walks.targets)}"
        )
    return list(dict.fromkeys("cadence" if t == "steps" else t for t in targets))


def _judge(contender: Contender, head: Protocol, walks: Walks, target: str, splits: Sequence[Split]) -> list[Result]:
    task = walks.task(target, contender.draws[0])
    if head.name == "mlp_probe" and len(task.people) < 3:
        return []  # it stops on people held out of training, and there is one to learn from
    results = [
        evaluate_features(head, imputed, task.with_x(d[task.recording]), splits, name=contender.name)
        for d in contender.draws
    ]
    first = results[0]
    result = replace(
        first,
        predicted=np.concatenate([r.predicted for r in results]),
        notes=tuple(dict.fromkeys((*first.notes, *_notes(contender, walks, target, len(task.people))))),
        estimates={},
    )
    if target == "cadence" and "steps" in walks.targets:
        return [result, steps_of(result, walks, task, contender.counted)]
    return [result]


def _notes(contender: Contender, walks: Walks, target: str, people: int) -> list[str]:
    notes = [*few_people_note(people), *filter(None, map(card_note, contender.encoders))]
    if people < 3 and any(head.name == "mlp_probe" for head in contender.heads(target)):
        notes.append("the MLP probe was left out: it needs two people or more to learn from")
    if walks.changes:
        notes.append(f"recordings were adapted: {'; '.join(walks.changes)}")
    if walks.left_out:
        notes.append(f"{walks.left_out} bouts are too short and were left out")
    return notes
