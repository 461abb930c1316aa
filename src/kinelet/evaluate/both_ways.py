"""Windows and the items they were paired with, searched in each other."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse

from kinelet.corpus.windows import Windows
from kinelet.errors import BadOptionError
from kinelet.evaluate.ranking import Retrieval, retrieval, right_answers
from kinelet.evaluate.relevance import relevance
from kinelet.evaluate.retrieval_result import RetrievalResult, gallery_replicates, query_replicates
from kinelet.evaluate.task import FloatArray
from kinelet.train.pairing import Pairing
from kinelet.vectors import unit


@dataclass(frozen=True)
class Sides:
    """Windows and items that are searched in each other.

    Attributes:
        windows: Those that have an item.
        motion: Their vectors, length 1.
        items: Vectors of the items.
        right: Right answers ``(window, item)``, compressed rows.
        left_out: Windows without an item.
    """

    windows: Windows
    motion: FloatArray
    items: FloatArray
    right: Any
    left_out: int

    @classmethod
    def of(cls, modality: str, motion: FloatArray, windows: Windows, pairing: Pairing, same_sentence: bool) -> Sides:
        """Pair windows, whose vectors are ``motion``, with their items of a modality.

        Raises:
            BadOptionError: if no window has any.
        """
        padded = pairing.items(modality, windows, np.arange(len(windows)))
        having = np.flatnonzero((padded >= 0).any(axis=1))
        if not len(having):
            raise BadOptionError(
                f"no window of the people to be judged has {modality!r}", where=str(windows.corpus.path)
            )
        there = padded[having] >= 0
        item, column = np.unique(padded[having][there], return_inverse=True)
        shape = (len(having), len(item))
        links = sparse.coo_array((np.ones(len(column)), (np.nonzero(there)[0], column)), shape=shape)
        mine = windows.select(having)
        right = relevance(mine, links, same_sentence=same_sentence & pairing.timed(modality, item))
        vectors = pairing.vectors(modality, item)
        return cls(mine, unit(motion[having]), vectors, right_answers(right, *shape), len(windows) - len(having))


def both_ways(modality: str, sides: Sides, ks: Sequence[int], name: str, notes: Sequence[str]) -> list[RetrievalResult]:
    """Search items by motion, then motion by items.

    Args:
        modality: What the items are.
        sides: What is searched in what.
        ks: Lengths of the lists looked at.
        name: What to call the encoder.
        notes: Remarks for both results.
    """
    people, person = np.unique(sides.windows.subject, return_inverse=True)
    names = tuple(sides.windows.subjects[i] for i in people)
    back = right_answers(sides.right.T, len(sides.items), len(sides.motion))
    answers = hashlib.sha256(back.indptr.tobytes() + back.indices.tobytes() + "\n".join(names).encode()).hexdigest()
    more = [f"{sides.left_out} windows without {modality} are in no query and no gallery"] if sides.left_out else []
    made = partial(
        _result, name=name, task=sides.windows.corpus.path.name, people=names, test=answers, notes=(*notes, *more)
    )
    found = retrieval(sides.motion, sides.items, sides.right, ks)
    asked = retrieval(sides.items, sides.motion, back, ks)
    drawn = gallery_replicates(asked, sides.items, sides.motion, back, person, len(people))
    return [
        made(f"motion -> {modality}", found, query_replicates(found, person, len(people))),
        made(f"{modality} -> motion", asked, drawn),
    ]


def _result(
    direction: str, found: Retrieval, replicates: Mapping[str, Any], *, name: str, **facts: Any
) -> RetrievalResult:
    return RetrievalResult(
        direction=direction,
        encoder=name,
        queries=len(found.rank),
        gallery=found.gallery,
        relevant=float(found.relevant.mean()),
        values=found.values,
        random=found.random,
        replicates=replicates,
        **facts,
    )
