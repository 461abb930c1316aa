"""Rows put together apart: what a critic is to tell from rows that belong together."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

log = logging.getLogger(__name__)


def other_sequences(sequence: Tensor, generator: torch.Generator, count: int = 1) -> list[Tensor] | None:
    """Draw ``count`` rows for each row, of sequences that are neither its own nor each other's.

    Each draw is a permutation of all rows: rows are laid on a circle, sequence by sequence in random order, and each
    takes those at random distances that no sequence spans. Where sequences are too few or too uneven for that, the
    draws avoid the row's own sequence alone, and where one holds more than half of all rows, they repeat rows.

    Args:
        sequence: Number of the sequence of each row, ``(rows,)``.
        generator: Of any device.
        count: Draws.

    Returns:
        Indices of rows ``(rows,)`` for each draw, or ``None`` for fewer than two sequences; the first time that rows
        are all of one, a warning is logged.
    """
    code, rows = torch.unique(sequence, return_inverse=True)[1], len(sequence)
    longest = int(torch.bincount(code).max()) if rows else 0
    if longest == rows:
        if rows:
            _warn()
        return None
    rand = _uniforms(sequence, generator)
    if (count + 1) * longest <= rows:
        return _around(code, longest, count, rand)
    if 2 * longest <= rows:
        return [_around(code, longest, 1, rand)[0] for _ in range(count)]
    apart = (code[:, None] != code[None, :]).float()
    return [(apart * (1 + rand(rows, rows))).argmax(dim=1) for _ in range(count)]


@cache
def _warn() -> None:
    """Once in a process: a run of such batches would say nothing else."""
    log.warning("all rows of a batch are of one sequence: nothing to draw apart, critics rest (not said again)")


def _around(code: Tensor, longest: int, count: int, rand: Callable[..., Tensor]) -> list[Tensor]:
    rows = len(code)
    turn = rand(rows).argsort()
    place = rand(rows).argsort()[code]  # of a sequence on the circle; no two have the same
    order = turn[place[turn].argsort(stable=True)]
    slack = rows - (count + 1) * longest
    steps = (rand(count) * (slack + 1)).long().clamp(max=slack).sort().values
    steps = steps + longest * torch.arange(1, count + 1, device=code.device)
    drawn = []
    for step in steps[rand(count).argsort()]:
        index = torch.empty_like(order)
        index[order] = order.roll(-int(step))
        drawn.append(index)
    return drawn


def _uniforms(like: Tensor, generator: torch.Generator) -> Callable[..., Tensor]:
    def rand(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=generator.device).to(like.device)

    return rand
