"""The terms of PRIMUS's loss: who is matched with what, for rows that may lack either."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from kinelet.functional.paired import paired_nce
from kinelet.functional.precision import full_precision, unit
from kinelet.methods.primus_pairs import Relation, Rows, alike, overlapping, relate, same_item
from kinelet.methods.primus_plan import Plan, PrimusConfig
from kinelet.methods.queue import NeighbourQueue

#: Name of the unimodal head's output in the queue.
MOTION = "motion"


class Encoded(NamedTuple):
    """What the network makes of a batch.

    Attributes:
        backbone: Of the windows as they are, ``(batch, dim)``.
        own: Outputs of the heads on them, by head, ``(batch, width)``.
        joint: The same of all processes, ``(total, width)``.
        view: Unimodal head's output of the augmented copies, if they are needed.
        joint_view: The same of all processes.
    """

    backbone: Tensor
    own: dict[str, Tensor]
    joint: dict[str, Tensor]
    view: Tensor | None = None
    joint_view: Tensor | None = None


@dataclass(frozen=True)
class Term:
    """One term: queries on one head, keys, and which of all pairs count how.

    Attributes:
        head: Head of the queries.
        keys: Keys of this process's rows ``(batch, width)``.
        joint: Keys of all rows ``(total, width)``.
        valid: Rows that have both, boolean ``(total,)``.
        relation: Pairs that are no negatives.
    """

    head: str
    keys: Tensor
    joint: Tensor
    valid: Tensor
    relation: Relation

    def loss(self, encoded: Encoded, temperature: Tensor, here: slice) -> Tensor:
        """Symmetric cross-entropy of queries and keys; the mean over processes is that of all rows."""
        return paired_nce(
            encoded.own[self.head],
            self.keys,
            temperature,
            valid=self.valid[here],
            positive=self.relation.positive,
            ignore=self.relation.ignore,
            all_q=encoded.joint[self.head],
            all_k=self.joint,
            all_valid=self.valid,
            offset=here.start,
        )

    @torch.no_grad()
    def accuracy(self, encoded: Encoded, here: slice) -> Tensor:
        """Share of this process's valid rows whose most similar valid key is a positive."""
        q = encoded.own[self.head]
        with full_precision(q):
            similarity = unit(q) @ unit(self.joint).T
        best = similarity.masked_fill(~self.valid, -torch.inf).argmax(dim=1)
        own = torch.arange(here.start, here.stop, device=q.device)
        right = best == own
        if self.relation.positive is not None:
            right = right | self.relation.positive[own, best]
        counted = self.valid[here]
        return (right & counted).sum() / counted.sum().clamp(min=1)


def direct_terms(config: PrimusConfig, plan: Plan, rows: Rows, encoded: Encoded, length_s: float) -> dict[str, Term]:
    """Terms that match a window with its own copy and its own items, by name."""
    overlap = overlapping(rows.recording, rows.start_s, length_s), config.overlap
    terms = {}
    if encoded.view is not None and encoded.joint_view is not None:
        everyone = torch.ones_like(rows.recording, dtype=torch.bool)
        terms["ss"] = Term("ss", encoded.view, encoded.joint_view, everyone, relate(overlap))
    for name, keys in rows.vectors.items():
        if name in plan.weights:
            same = same_item(rows.item[name], rows.items[name]), config.same_item
            relation = relate(same, overlap)
            terms[name] = Term(plan.head_of[name], keys[rows.here], keys, rows.has(name), relation)
    return terms


def neighbour_terms(
    config: PrimusConfig, plan: Plan, rows: Rows, queue: NeighbourQueue, slot: Tensor, length_s: float
) -> dict[str, Term]:
    """Terms that match a window with what a similar earlier window has, by name.

    Args:
        config: Configuration.
        plan: What follows from it.
        rows: Rows of all processes.
        queue: Earlier windows.
        slot: Neighbour of each row ``(total,)``, -1 for none.
        length_s: Length of all windows.
    """
    found, place = slot >= 0, slot.clamp(min=0)
    # The moments that were found may overlap too, in different slots.
    moments = overlapping(queue.recording[place], queue.start_s[place], length_s)
    overlap = overlapping(rows.recording, rows.start_s, length_s) | moments, config.overlap
    twins = slot[:, None] == slot[None, :], config.same_slot
    # A row that lacks what is searched by was searched by motion: good for motion alone.
    asked = [rows.has(name) for name in plan.search or ()]
    trusted = found & torch.stack(asked).any(dim=0) if asked else found
    terms = {}
    if "nn_ss" in plan.weights:
        keys = queue.rows(MOTION, slot)
        terms["nn_ss"] = Term("ss", keys[rows.here], keys, found, relate(twins, overlap))
    for name in rows.vectors:
        if f"nn_{name}" in plan.weights:
            keys = queue.rows(name, slot)
            valid = (found if config.borrow_targets else trusted & rows.has(name)) & queue.has(name, slot)
            relation = relate(twins, overlap, (alike(keys), config.same_item))
            terms[f"nn_{name}"] = Term(plan.head_of[name], keys[rows.here], keys, valid, relation)
    return terms
