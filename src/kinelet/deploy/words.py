"""An encoder that understands words: its head for the space of the text tower, and the tower itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kinelet.corpus.clean import clean_sentence
from kinelet.deploy.loading import select_output
from kinelet.encoders.base import Encoder
from kinelet.errors import BadFileError, BadOptionError
from kinelet.towers.base import Tower, check_probe, embed_items
from kinelet.towers.registry import open_tower

CARD_KEY = "alignment"
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


def unit(vectors: npt.NDArray[Any]) -> Vectors:
    """Vectors scaled to length 1 along the last axis; NaN stays NaN."""
    wide = np.asarray(vectors, dtype=np.float64)
    return np.asarray(wide / np.maximum(np.linalg.norm(wide, axis=-1, keepdims=True), 1e-12), dtype=np.float32)


def with_words(encoder: Encoder, tower: Tower | None = None, *, modality: str = TEXT) -> Words:
    """Bring an encoder and the text tower that it was aligned with together.

    Args:
        encoder: Its card says which head and tower under ``alignment``.
        tower: The tower, where it is one of your own; by default it is opened by the name that the card gives.
        modality: Which of the card's modalities holds the sentences.

    Raises:
        BadOptionError: if the encoder was trained without text, or the tower is not the one that it was aligned with.
        BadFileError: if the card's entry is damaged.
    """
    entry = encoder.card.get(CARD_KEY, {}).get(modality)
    if entry is None:
        raise BadOptionError(
            "it was trained without text, so it cannot be asked in words",
            where=f"encoder {encoder.name or type(encoder).__name__}",
            remedy="Pretrain with kinelet pretrain primus on a corpus with sentences, see kinelet corpus annotate",
        )
    head, space, name = (_told(entry, key) for key in ("head", "space", "tower"))
    opened = open_tower(name) if tower is None else tower
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


def _told(entry: Any, key: str) -> str:
    value = entry.get(key) if isinstance(entry, Mapping) else None
    if not isinstance(value, str) or not value:
        raise BadFileError(
            f"its card says nothing usable about the {key} of its text", where="model card", remedy="Pretrain again"
        )
    return value
