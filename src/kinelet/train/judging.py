"""People set aside, on whose windows the best weights of a run are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from kinelet.corpus.loader import load_batch
from kinelet.corpus.samplers import Draw
from kinelet.corpus.splits import holdout
from kinelet.corpus.windows import Windows
from kinelet.errors import BadOptionError
from kinelet.methods.base import Batch, Method, Validation
from kinelet.train import distributed
from kinelet.train.best import Judge
from kinelet.train.config import TrainConfig
from kinelet.train.run import people

if TYPE_CHECKING:
    from kinelet.train.pairing import Pairing

Tensors = dict[str, Any]


def set_aside(
    views: Sequence[Windows], rule: Validation | None, train: TrainConfig, *, instead: str
) -> tuple[list[Windows], list[Windows]]:
    """Windows to train on, and a view of the people set aside for each of them; none without a rule.

    Args:
        views: Windows of a run.
        rule: How many people are set aside.
        train: The loop; its seed says who.
        instead: Option that does without validation, for remedies.

    Raises:
        BadOptionError: if a view has a single person, or weights are averaged too.
    """
    if rule is None:
        return list(views), []
    if train.ema:
        raise BadOptionError(
            "train.ema keeps an average of the weights, validation the best ones",
            where="train",
            remedy=f"Use one of them: train.ema=null, or {instead}",
        )
    fit, held = [], []
    for view in views:
        everybody = people(view)
        if len(everybody) < 2:
            raise BadOptionError(
                "a single person: nobody can be set aside to choose the best weights on",
                where=str(view.corpus.path),
                remedy=f"Use a corpus of two people or more, or {instead}",
            )
        split = holdout(everybody, rule.people, train.seed)
        fit.append(view.of(split.train))
        held.append(view.of(split.test))
    return fit, held


def judge_on(
    held: Sequence[Windows], rule: Validation | None, seed: int, pairing: Pairing | None = None
) -> Judge | None:
    """A judge that scores on the windows of people set aside, always the same ones; ``None`` without a rule.

    Args:
        held: Their windows.
        rule: How many are scored, and when.
        seed: Of the augmentations, alike each time.
        pairing: What the windows are paired with; it knows each of ``held``.

    Raises:
        BadOptionError: if there is a pairing, and none of these windows has anything it is paired with.
    """
    if rule is None:
        return None
    batches = [_batch(view, rule, pairing) for view in held]
    if pairing is not None and pairing.modalities:
        _require_pairs(batches, [m.name for m in pairing.modalities])
    return Judge(lambda m: _score(m, batches, seed), rule.every)


def _batch(view: Windows, rule: Validation, pairing: Pairing | None) -> Tensors:
    """Windows of people set aside, spread evenly, with the vectors of a fixed step."""
    chosen = np.unique(np.linspace(0, len(view) - 1, min(rule.windows, len(view))).round().astype(np.int64))
    extra = {} if pairing is None else pairing.extra(view, chosen, 0)
    return {key: torch.as_tensor(value) for key, value in load_batch(Draw(view, chosen, extra=extra)).items()}


def _require_pairs(batches: Sequence[Tensors], names: Sequence[str]) -> None:
    """Raise if every term of alignment would be an exact 0, as it is for fewer than two rows."""
    if not any(int((batch[f"item.{name}"] >= 0).sum()) > 1 for batch in batches for name in names):
        raise BadOptionError(
            f"windows of the people set aside have no {' or '.join(names)}: they cannot say which weights are best",
            where="validation",
            remedy="Set more people aside, choose another train.seed, or do without validation",
        )


def _score(method: Method, batches: Sequence[Tensors], seed: int) -> float:
    """Mean score of the windows, with the same augmentations each time; every process scores all of them."""
    device = next(method.parameters()).device
    total, count = 0.0, 0
    with distributed.alone(method):
        for batch in batches:
            moved = cast(Batch, {key: value.to(device) for key, value in batch.items()})
            generator = torch.Generator(device).manual_seed(seed)
            total += float(method.validate(moved, generator)) * len(batch["x"])
            count += len(batch["x"])
    return total / count
