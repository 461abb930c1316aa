"""Who is whose positive in a batch of paired rows, and who is left out: arithmetic on keys, without networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from kinelet.functional.precision import full, full_precision

Role = Literal["positive", "ignore", "negative"]


@dataclass(frozen=True)
class Rows:
    """The paired rows of all processes, in the order of ranks; this process's are ``here``.

    Attributes:
        here: Rows of this process.
        recording: Number of each row's recording over all corpora, ``(total,)`` int64.
        start_s: Start of each window on its recording's clock, ``(total,)`` float64.
        vectors: Of each modality, ``(total, dim)`` of length 1, zero where there is none; never differentiated.
        item: The item that a vector stands for, ``(total,)`` int64, -1 where there is none.
        items: All items of a window, ``(total, K)`` int64, filled up with -1.
    """

    here: slice
    recording: Tensor
    start_s: Tensor
    vectors: dict[str, Tensor]
    item: dict[str, Tensor]
    items: dict[str, Tensor]

    def has(self, name: str) -> Tensor:
        """Which rows hold a modality, boolean ``(total,)``."""
        return self.item[name] >= 0


@dataclass(frozen=True)
class Relation:
    """Entries ``(total, total)`` of row i as query and row j as key that are no negatives; ``None`` for none.

    Attributes:
        positive: Key j is a positive of query i, beside i itself.
        ignore: The pair counts neither way; disjoint from ``positive``.
    """

    positive: Tensor | None = None
    ignore: Tensor | None = None


def gather_rows(
    batch: Mapping[str, Any], names: Sequence[str], gather: Callable[[Tensor], Tensor], offset: int = 0
) -> Rows:
    """Collect the keys of a batch from all processes.

    Args:
        batch: Batch with the keys of every modality in ``names`` and, in a run of several corpora, recordings
            numbered over all of them as ``moment.recording``. ``items.NAME`` is as wide in every process.
        names: Modalities that are used.
        gather: Joins ``(batch, dim)`` of all processes.
        offset: Row of the joint batch that is this process's first.
    """
    recording = batch.get("moment.recording", batch["recording"])
    columns = [recording[:, None], batch["time_s"][:, None]]
    for name in names:
        columns += [batch[f"item.{name}"][:, None], batch[f"items.{name}"]]
    # One exchange for all codes, as numbers that hold them exactly.
    joint = gather(torch.cat([c.double() for c in columns], dim=1))
    codes = iter(torch.split(joint, [c.shape[1] for c in columns], dim=1))
    where, when = next(codes)[:, 0].long(), next(codes)[:, 0]
    item, items = {}, {}
    for name in names:
        item[name], items[name] = next(codes)[:, 0].long(), next(codes).long()
    vectors = {name: gather(batch[f"vectors.{name}"].detach()) for name in names}
    return Rows(slice(offset, offset + len(recording)), where, when, vectors, item, items)


def overlapping(recording: Tensor, start_s: Tensor, length_s: float) -> Tensor:
    """Which windows share a moment of one recording, boolean ``(total, total)``; each overlaps itself.

    Args:
        recording: ``(total,)``.
        start_s: ``(total,)``.
        length_s: Length of all windows.
    """
    near = (start_s[:, None] - start_s[None, :]).abs() < length_s
    return near & (recording[:, None] == recording[None, :])


def same_item(item: Tensor, items: Tensor) -> Tensor:
    """Which keys j stand for an item that window i has too, boolean ``(total, total)``.

    Args:
        item: Item of each key ``(total,)``, -1 for none.
        items: Items of each window ``(total, K)``, filled up with -1.
    """
    shared = torch.zeros(len(items), len(item), dtype=torch.bool, device=item.device)
    for column in items.unbind(1):  # not all at once: (total, K, total) would be large
        shared |= column[:, None] == item[None, :]
    return shared & (item >= 0)[None, :]


def alike(vectors: Tensor) -> Tensor:
    """Which vectors ``(total, dim)`` of length 1 are the same but for rounding, boolean ``(total, total)``."""
    with full_precision(vectors):  # in bfloat16 the similarity of a vector to itself is off by more than that
        return full(vectors) @ full(vectors).T > 1 - 1e-5


def relate(*parts: tuple[Tensor, Role]) -> Relation:
    """Join masks ``(total, total)`` with what their entries are to be; a positive is never ignored."""
    joined: dict[str, Tensor] = {}
    for mask, role in parts:
        joined[role] = joined[role] | mask if role in joined else mask
    positive, ignore = joined.get("positive"), joined.get("ignore")
    if positive is not None and ignore is not None:
        ignore = ignore & ~positive
    return Relation(positive, ignore)
