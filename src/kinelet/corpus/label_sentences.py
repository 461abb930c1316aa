"""Sentences for the labels of a corpus: what is said of each interval that has one."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence

import pyarrow.compute as pc

from kinelet.corpus.corpus import Corpus
from kinelet.corpus.narration_table import Narration
from kinelet.errors import BadOptionError

_SHOWN = 10


def sentences_for_labels(
    corpus: Corpus,
    track: str,
    mapping: Mapping[str, Sequence[str]],
    *,
    skip: Collection[str] = (),
    annotator: str = "labels",
    tell_unused: bool = False,
) -> list[Narration]:
    """Every sentence of a label, for each interval that has the label.

    Args:
        corpus: Whose annotations to take.
        track: Track of the labels.
        mapping: Label to its sentences.
        skip: Labels that get none.
        annotator: What to call their origin.
        tell_unused: Warn of what ``mapping`` has sentences for and the track has not.

    Warns:
        UserWarning: if ``skip`` holds what is no label of the track.

    Raises:
        BadOptionError: if the track has no labels, or one that neither ``mapping`` nor ``skip`` names.
    """
    table = corpus.annotations
    table = table.filter(pc.and_(pc.equal(table["track"], track), pc.is_valid(table["label"])))
    labels = set(table["label"].to_pylist())
    if not labels:
        remedy = f"Tracks of the corpus: {_listed(corpus.annotations['track'].to_pylist()) or 'none'}"
        raise BadOptionError(f"no labels on track {track!r}", where=str(corpus.path), remedy=remedy)
    unused, unknown = set(mapping) - labels, set(skip) - labels
    missing = labels - set(mapping) - set(skip)
    if missing:
        strange = _strange(unused | unknown if tell_unused else unknown, missing, track)
        what = f"labels without sentences: {_listed(missing)}" + (f"; {strange}" if strange else "")
        raise BadOptionError(what, where=str(corpus.path), remedy="Give each one, or leave it out with --skip LABEL")
    strange = _strange(unused | unknown if tell_unused else unknown, labels, track)
    if strange:
        warnings.warn(f"{corpus.path}: {strange}", UserWarning, stacklevel=2)
    return [
        Narration(r["recording"], r["start_s"], r["stop_s"], sentence, annotator)
        for r in table.to_pylist()
        if r["label"] not in skip
        for sentence in mapping[r["label"]]
    ]


def _listed(names: Iterable[str]) -> str:
    """Names in quotes, since they may hold commas; many of them are counted."""
    names = sorted(set(names))
    more = f", … ({len(names)} in all)" if len(names) > _SHOWN else ""
    return ", ".join(repr(name) for name in names[:_SHOWN]) + more


def _strange(names: Collection[str], labels: Collection[str], track: str) -> str:
    """What is no label of the track, with those that may have been meant; empty if there is nothing."""
    if not names:
        return ""
    folded = {label.casefold(): label for label in sorted(labels)}
    meant = {}
    for name in sorted(names):
        close = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.75)
        if close:
            meant[name] = folded[close[0]]
    hints = "".join(f"; for {name!r}, did you mean {label!r}?" for name, label in list(meant.items())[:_SHOWN])
    if len(names) == 1:
        hints = "".join(f"; did you mean {label!r}?" for label in meant.values())
    return f"no {'label' if len(names) == 1 else 'labels'} of track {track!r}: {_listed(names)}{hints}"
