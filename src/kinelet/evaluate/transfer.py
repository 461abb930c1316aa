"""Cross-corpus transfer: pretrain on some corpora, judge on people of another that was not among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from kinelet.encoders.base import Encoder
from kinelet.errors import BadOptionError
from kinelet.evaluate.folds import SplitLike
from kinelet.evaluate.protocol import Protocol
from kinelet.evaluate.result import Result
from kinelet.evaluate.run import evaluate
from kinelet.evaluate.task import Task
from kinelet.progress import Progress, silent


def transfer(
    protocol: Protocol,
    pretrain: Callable[[tuple[str, ...]], Encoder],
    sources: Sequence[str],
    target: Task,
    splits: Sequence[SplitLike],
    *,
    progress: Progress = silent,
) -> Result:
    """Pretrain on ``sources`` once, then judge on ``target`` with its own splits.

    Args:
        protocol: Learns on the target's training people, is judged on its test people.
        pretrain: Called with the names of the corpora to use; must list their people in the encoder's card.
        sources: Names of corpora.
        target: Task on a corpus that is not among them.
        splits: Splits of the target's people.
        progress: Told how many splits are done.

    Raises:
        BadOptionError: if the target is among the sources.
        SeenSubjectError: if a test person occurs in a source.
    """
    names = tuple(sources)
    if not names or target.name in names:
        raise BadOptionError(
            f"sources {list(names)} and target {target.name!r} do not make a transfer",
            where="transfer",
            remedy="Name at least one source corpus, and a target that is not among them",
        )
    encoder = pretrain(names)
    return evaluate(protocol, encoder, target, splits, name=f"pretrained on {' + '.join(names)}", progress=progress)


def transfer_matrix(
    protocol: Protocol,
    pretrain: Callable[[tuple[str, ...]], Encoder],
    tasks: Mapping[str, Task],
    splits: Mapping[str, Sequence[SplitLike]],
    *,
    progress: Progress = silent,
) -> dict[str, Result]:
    """Leave one corpus out: for each task, pretrain on all the others and judge on it.

    Args:
        protocol: As for :func:`transfer`.
        pretrain: As for :func:`transfer`.
        tasks: Corpus name to task.
        splits: Corpus name to splits of its people.
        progress: Told how many targets are done.
    """
    results = {}
    for i, (name, task) in enumerate(tasks.items()):
        progress(i, f"target {name}")
        results[name] = transfer(protocol, pretrain, [other for other in tasks if other != name], task, splits[name])
    return results
