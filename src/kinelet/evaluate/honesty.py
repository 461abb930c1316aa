"""An encoder may not be judged on a person it was pretrained on.

A model's card lists the people in ``card["pretrain_subjects"]``, each as ``origin/subject``, once for each name
that the corpus goes by (its hash, its data set), so that a corpus built again is still recognised.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from kinelet.encoders.base import Encoder
from kinelet.errors import KineletError
from kinelet.evaluate.folds import SplitLike
from kinelet.evaluate.task import Task

if TYPE_CHECKING:
    from kinelet.corpus.corpus import Corpus

CARD_KEY = "pretrain_subjects"


class SeenSubjectError(KineletError):
    """An encoder would be judged on people it was pretrained on."""


def qualified(subjects: Iterable[str], origins: Sequence[str]) -> list[str]:
    """Names of people as a card holds them.

    >>> qualified(["P1"], ["a1b2", "watch"])
    ['a1b2/P1', 'watch/P1']
    >>> qualified(["P1"], [])
    ['P1']
    """
    return [f"{origin}/{s}" for s in subjects for origin in origins] if origins else list(subjects)


def seen(encoder: Encoder, task: Task, subjects: Iterable[str]) -> list[str]:
    """Those of ``subjects`` that the encoder's card lists.

    People of a corpus are compared by all names that the corpus knows them by. For plain arrays, where either side
    lacks the origin, equal names are taken for the same person: better a needless refusal than an optimistic number.
    """
    card = {str(entry) for entry in encoder.card.get(CARD_KEY, ())}
    if task.identities:
        known_as = dict(zip(task.subjects, task.identities, strict=True))
        return [s for s in subjects if card & known_as[s]]
    loose = {entry for entry in card if "/" not in entry}
    if not task.origins:
        loose |= {entry.split("/", 1)[1] for entry in card if "/" in entry}
    return [s for s in subjects if s in loose or card & set(qualified([s], task.origins))]


def refuse_seen(encoder: Encoder, task: Task, splits: Sequence[SplitLike]) -> None:
    """Raise if a test person of any split is on the encoder's card.

    Raises:
        SeenSubjectError: naming the people and the remedy.
    """
    found = sorted({s for split in splits for s in seen(encoder, task, split.test)})
    if found:
        raise SeenSubjectError(
            f"the encoder was pretrained on {len(found)} of the people to be judged: {', '.join(found[:5])}"
            + (" …" if len(found) > 5 else ""),
            where=f"task {task.name!r}",
            remedy="Pretrain once a fold (kinelet evaluate --refit, or evaluate_crossfit), or keep them out of "
            "pretraining (--hold-out)",
        )


def new_people(encoder: Encoder, corpus: Corpus, people: Sequence[str], *, chosen: bool = False) -> tuple[str, ...]:
    """Those of ``people`` whom the encoder's card does not list, by any name that the corpus knows them by.

    Args:
        encoder: The encoder to be judged.
        corpus: Where the people are from.
        people: Their names.
        chosen: They were asked for by name, so that nobody may be left out in silence.

    Raises:
        SeenSubjectError: if nobody is new, or somebody who was chosen is not.
    """
    card = {str(entry) for entry in encoder.card.get(CARD_KEY, ())}
    known = [s for s in people if card & corpus.identities([s])]
    if len(known) == len(people) or (chosen and known):
        raise SeenSubjectError(
            f"the encoder was pretrained on {len(known)} of the {len(people)} people to be judged: "
            + ", ".join(known[:5])
            + (" …" if len(known) > 5 else ""),
            where=str(corpus.path),
            remedy="Keep people out of pretraining (--hold-out), or judge on another corpus",
        )
    return tuple(s for s in people if s not in set(known))


def card_note(encoder: Encoder) -> str | None:
    """A remark for the report where the card does not say who the encoder was pretrained on."""
    if CARD_KEY in encoder.card or not encoder.card.get("method"):
        return None
    return f"the card does not list {CARD_KEY!r}: nobody could check that the test people are new to the encoder"
