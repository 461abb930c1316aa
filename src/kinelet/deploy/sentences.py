"""Sentences as they are given on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kinelet.errors import BadOptionError
from kinelet.towers.phrases import Sentences, list_sentences, read_sentences, sentences


def gather_sentences(given: Sequence[str]) -> Sentences:
    """Sentences of each label from YAML files, names of data sets, and sentences that are their own labels.

    Raises:
        BadOptionError: if nothing is given, a file is not of that form, or a label comes twice.
    """
    found: Sentences = {}
    for entry in given:
        for label, told in _sentences_of(entry).items():
            if label in found:
                raise BadOptionError(f"{label!r} comes twice", where="--sentences", remedy="Leave one out")
            found[label] = told
    if not found:
        raise BadOptionError(
            "no sentences given",
            where="--sentences",
            remedy=f'Give "a sentence", a YAML file of label: [sentence, …], or one of {", ".join(list_sentences())}',
        )
    return found


def _sentences_of(entry: str) -> Sentences:
    if Path(entry).suffix in (".yaml", ".yml"):
        return read_sentences(entry)
    if entry in list_sentences():
        return sentences(entry)
    if not entry.strip():
        raise BadOptionError("a sentence is empty", where="--sentences", remedy='Give words: "climbing stairs"')
    return {entry: (entry,)}
