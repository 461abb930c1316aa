"""An encoder that understands words: its head for the space of the text tower, and the tower itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kinelet.corpus.clean import clean_sentence
from kinelet.deploy.loading import ALIGNMENT as ALIGNMENT
from kinelet.deploy.loading import select_output
from kinelet.encoders.base import Encoder
from kinelet.errors import BadFileError, BadOptionError
from kinelet.towers.base import Tower, check_probe, embed_items
from kinelet.towers.registry import TOWERS, open_tower
from kinelet.vectors import unit

TEXT = "text"

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Words:
    """Motion and sentences in one space.

    Attributes:
        encoder: Its output is in the space of ``tower``.
        tower: From sentences to vectors.
    """

    encoder: Encoder
    tower: Tower

    def vectors(self, sentences: Sequence[str]) -> Vectors:
        """Vectors of sentences ``(sentence, dim)``, length 1; they are cleaned as those of a corpus are.

        Raises:
            BadOptionError: if there is no sentence, or one is empty.
        """
        cleaned = [clean_sentence(s) for s in sentences]
        if not cleaned or not all(cleaned):
            raise BadOptionError(
                "a sentence is empty" if cleaned else "no sentence given", remedy='Give words: "climbing stairs"'
            )
        return embed_items(self.tower, cleaned)

    def class_vectors(self, sentences: Mapping[str, Sequence[str]]) -> Vectors:
        """One vector a class ``(class, dim)``, length 1: the mean direction of its sentences."""
        means = np.stack([self.vectors(list(told)).mean(axis=0) for told in sentences.values()])
        return unit(means)


def with_words(encoder: Encoder, tower: Tower | None = None, *, modality: str | None = None) -> Words:
    """Bring an encoder and the text tower that it was aligned with together.

    Args:
        encoder: Its card says which head and tower under ``alignment``.
        tower: The tower, where it is one of your own; by default it is opened by the name that the card gives.
        modality: Which of the card's modalities holds the sentences. By default the one in the space of ``tower``,
            else ``text``, else the only one with a tower that takes sentences.

    Raises:
        BadOptionError: if the encoder was trained without text, it is not clear which modality holds it, or the tower
            is not the one that it was aligned with.
        BadFileError: if the card's entry is damaged.
    """
    aligned = encoder.card.get(ALIGNMENT) or {}
    where = f"encoder {encoder.name or type(encoder).__name__}"
    entry = aligned[_modality(aligned, tower, modality, where)]
    head, space, name = (_told(entry, key) for key in ("head", "space", "tower"))
    opened = _open(name, space) if tower is None else tower
    selected = select_output(encoder, head).eval()
    if opened.space_id != space or opened.dim != selected.dim:
        raise BadOptionError(
            f"makes {opened.dim} numbers in the space {opened.space_id!r}, the encoder was aligned with "
            f"{selected.dim} in {space!r}",
            where=f"tower {opened.name!r}",
            remedy=f"Use the tower {name!r}",
        )
    check_probe(opened, str(entry.get("probe") or ""))
    return Words(selected, opened)


def _modality(aligned: Mapping[str, Any], tower: Tower | None, wanted: str | None, where: str) -> str:
    """The modality whose head sentences are compared with."""
    if wanted is not None and wanted not in aligned:
        there = f"one of: {', '.join(aligned)}" if aligned else "another encoder: this one was aligned with nothing"
        raise BadOptionError(f"it was not aligned with {wanted!r}", where=where, remedy=f"Choose {there}")
    if wanted is not None:
        return wanted
    if tower is not None:
        # Modalities of one space share a head; what tells them apart is which tower made their vectors.
        near = [m for m, e in aligned.items() if _of(e, "space") == tower.space_id]
        if near:
            return min(near, key=lambda m: (m != TEXT, _of(aligned[m], "tower") != tower.name))
    if TEXT in aligned:
        return TEXT
    verbal = [m for m, e in aligned.items() if tower is None and _takes_text(str(_of(e, "tower")))]
    if len(verbal) == 1:
        return verbal[0]
    if verbal:
        remedy = f"Say which with --modality (modality=): {', '.join(verbal)}"
        raise BadOptionError("it was aligned with several kinds of sentences", where=where, remedy=remedy)
    there = f", but with {', '.join(aligned)}" if aligned else ""
    raise BadOptionError(
        f"it was trained without text{there}, so it cannot be asked in words",
        where=where,
        remedy="Pretrain with kinelet pretrain primus on a corpus with sentences, see kinelet corpus annotate"
        + ("; or pass a text tower (tower=) of a space that it was aligned with" if aligned else ""),
    )


def _takes_text(name: str) -> bool:
    """Whether the tower of that name is known and takes sentences."""
    if name not in TOWERS:
        return False
    probes = open_tower(name).probes
    return len(probes) > 0 and all(isinstance(p, str) for p in probes)


def _open(name: str, space: str) -> Tower:
    if name == "precomputed":
        raise BadOptionError(
            f"it was aligned with vectors of the space {space!r} that were made elsewhere",
            remedy="Pass a text tower of that space from Python (tower=): no sentence can be embedded without",
        )
    if name not in TOWERS:
        raise BadOptionError(
            f"it was aligned with a tower of the space {space!r}, and no tower is named {name!r} here",
            remedy="Pass a text tower of that space from Python (tower=), or register it with "
            "kinelet.towers.register_tower",
        )
    return open_tower(name)


def _of(entry: Any, key: str) -> Any:
    return entry.get(key) if isinstance(entry, Mapping) else None


def _told(entry: Any, key: str) -> str:
    value = _of(entry, key)
    if not isinstance(value, str) or not value:
        raise BadFileError(
            f"its card says nothing usable about the {key} of its text", where="model card", remedy="Pretrain again"
        )
    return value
