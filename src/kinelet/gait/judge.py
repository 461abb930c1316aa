"""Judge encoders on gait numbers of a walk, with what needs no pretraining on the same walks beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from pydantic import Field

from kinelet.config import FrozenModel
from kinelet.corpus.splits import Split, kfold, leave_one_subject_out
from kinelet.encoders.base import Encoder
from kinelet.errors import BadOptionError
from kinelet.evaluate.baselines import fresh_like, small_encoder, untrained
from kinelet.evaluate.features import hand_crafted
from kinelet.evaluate.honesty import card_note, refuse_seen, seen
from kinelet.evaluate.protocol import Protocol
from kinelet.evaluate.registry import get_protocol
from kinelet.evaluate.regression import Constant, RidgeProbe
from kinelet.evaluate.result import Result
from kinelet.evaluate.run import evaluate_features
from kinelet.evaluate.task import FloatArray, Task
from kinelet.gait.agreement import FEWEST, few_people_note
from kinelet.gait.estimators import DETECTED, AsIs, detected, imputed, person, steps_of
from kinelet.gait.walks import Statistic, Walks
from kinelet.progress import Progress, silent

Encoders = Mapping[str, Encoder | Sequence[Encoder]]
BASELINES = ("constant", "person", "detector", "detector_ridge", "hand", "random")


class GaitConfig(FrozenModel):
    """How gait is judged.

    Attributes:
        targets: Names of targets; empty for all that the walks have.
        heads: Protocols on the aggregated vectors.
        statistics: Of the windows' vectors over a walk.
        folds: Folds of people; with fewer than six people one is left out at a time.
        seed: Of the folds and the random encoder.
        baselines: ``constant`` (mean of the training people), ``person`` (age, height, weight), ``detector`` (what the
            step detector says), ``detector_ridge`` (ridge on all it measures), ``hand`` (hand-crafted features),
            ``random`` (the first encoder's architecture untrained).
    """

    targets: tuple[str, ...] = ()
    heads: tuple[str, ...] = Field(default=("ridge", "mlp_probe"), min_length=1)
    statistics: tuple[Statistic, ...] = Field(default=("mean",), min_length=1)
    folds: int = Field(default=5, ge=2)
    seed: int = 0
    baselines: tuple[str, ...] = BASELINES


@dataclass(frozen=True)
class Contender:
    """What is compared.

    Attributes:
        name: For tables.
        draws: Vectors of the walks ``(bout, dim)``, one array a draw.
        heads: From the name of a target to the protocols that predict it from the vectors.
        encoders: Encoders behind the vectors.
        counted: Numbers of steps ``(bout,)``, where they are counted rather than told from cadence.
    """

    name: str
    draws: Sequence[FloatArray]
    heads: Callable[[str], Sequence[Protocol]]
    encoders: Sequence[Encoder] = ()
    counted: npt.NDArray[np.float64] | None = None


def gait_results(
    encoders: Encoders, walks: Walks, config: GaitConfig | None = None, *, progress: Progress = silent
) -> list[Result]:
    """Judge encoders and baselines on every target of the walks, all by the same splits of people.

    Whole people are held out, in folds. Where an encoder was pretrained on some of the people, the heads learn from
    those and are judged on the others.

    Args:
        encoders: Name to encoder, all with the spec of the walks; several of one name (folds, seeds) are draws, over
            which metrics are averaged.
        walks: From :func:`kinelet.gait.walks.cut_walks`.
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
    contenders = _contenders(encoders, walks, config)
    out: list[Result] = []
    learnt = _learnable(config.targets or walks.targets, walks)
    for done, target in enumerate(learnt):
        progress(100 * done // len(learnt), target)
        splits = _splits(contenders, walks.task(target, _nothing(walks)), config)
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


def ridge() -> RidgeProbe:
    """Ridge with stronger penalties to choose from too: there are fewer walks than columns."""
    return RidgeProbe(penalties=(1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0, 1000.0))


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
        notes=tuple(dict.fromkeys((*first.notes, *_notes(contender, walks, len(first.subjects))))),
        estimates={},
    )
    if target == "cadence" and "steps" in walks.targets:
        return [result, steps_of(result, walks, task, contender.counted)]
    return [result]


def _notes(contender: Contender, walks: Walks, people: int) -> list[str]:
    notes = [*few_people_note(people), *filter(None, map(card_note, contender.encoders))]
    if walks.changes:
        notes.append(f"recordings were adapted: {'; '.join(walks.changes)}")
    if walks.left_out:
        notes.append(f"{walks.left_out} bouts are too short and were left out")
    return notes


def _contenders(encoders: Encoders, walks: Walks, config: GaitConfig) -> list[Contender]:
    heads = [ridge() if name == "ridge" else get_protocol(name) for name in config.heads]
    out = []
    for name, given in encoders.items():
        group = [given] if isinstance(given, Encoder) else list(given)
        out.append(_embedded(name, group, walks, config, heads))
    makers: Mapping[str, Callable[[], Contender | None]] = {
        "constant": lambda: Contender("constant", [_nothing(walks)], lambda _: [Constant()]),
        "person": lambda: _person(walks),
        "detector": lambda: _detector(walks),
        "detector_ridge": lambda: Contender("step detector's measures", [detected(walks)[0]], lambda _: [ridge()]),
        "hand": lambda: Contender("hand-crafted features", [_hand(walks, config)], lambda _: heads),
        "random": lambda: _random(encoders, walks, config, heads),
    }
    for baseline in config.baselines:
        if baseline not in makers:
            raise BadOptionError(f"no gait baseline is named {baseline!r}", remedy=f"Choose among: {', '.join(makers)}")
        made = makers[baseline]()
        out += [made] if made else []
    return out


def _embedded(
    name: str, encoders: Sequence[Encoder], walks: Walks, config: GaitConfig, heads: Sequence[Protocol]
) -> Contender:
    for encoder in encoders:
        encoder.spec.require(walks.spec, where=f"gait of {walks.name}")
    draws = [walks.aggregate(encoder.embed(walks.x), config.statistics) for encoder in encoders]
    return Contender(name, draws, lambda _: heads, encoders)


def _random(encoders: Encoders, walks: Walks, config: GaitConfig, heads: Sequence[Protocol]) -> Contender:
    given = next(iter(encoders.values()), None)
    model = given if isinstance(given, Encoder) or given is None else given[0]
    fresh = fresh_like(model) if model is not None else small_encoder
    return _embedded("random encoder", [untrained(fresh, walks.spec, config.seed)], walks, config, heads)


def _hand(walks: Walks, config: GaitConfig) -> FloatArray:
    return walks.aggregate(hand_crafted(walks.x, walks.spec).values, config.statistics)


def _person(walks: Walks) -> Contender | None:
    about = person(walks)
    return None if about is None else Contender("age, height, weight", [about], lambda _: [ridge()])


def _detector(walks: Walks) -> Contender:
    vectors, counted = detected(walks)

    def heads(target: str) -> list[Protocol]:
        return [AsIs(column=DETECTED.index(target))] if target in DETECTED else []

    return Contender("step detector", [vectors], heads, counted=counted)


def _nothing(walks: Walks) -> FloatArray:
    return np.zeros((len(walks.bouts), 1), dtype=np.float32)
