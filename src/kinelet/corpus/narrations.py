"""Sentences about moments of a corpus: those its recordings came with, and those attached to it afterwards.

Attached sentences lie in ``narrations.parquet`` beside the manifest, which no build touches. Rows name recordings by
their ids, so that they survive a corpus that is built again; what no longer fits is told by a warning.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kinelet.corpus.clean import LIMIT, clean_sentence
from kinelet.corpus.corpus import Corpus
from kinelet.corpus.label_sentences import sentences_for_labels
from kinelet.corpus.links import assign
from kinelet.corpus.manifest import NARRATIONS
from kinelet.corpus.narration_table import (
    Narration,
    read_table,
    tell_what_no_longer_fits,
    wearer_in,
    write_narrations,
)
from kinelet.signal.recording import NARRATION

__all__ = [
    "NARRATIONS",
    "Narration",
    "Narrations",
    "assign",
    "clean_sentence",
    "narrations",
    "sentences_for_labels",
    "write_narrations",
]

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Narrations:
    """All sentences about a corpus as columns, by recording and start; arrays are ``(n,)``.

    Attributes:
        recording: Code of the recording in ``corpus.recordings``.
        start_s: Start, seconds on the recording's own clock.
        stop_s: End, same clock; equals ``start_s`` for a moment.
        item: Position of the sentence in ``sentences``.
        sentences: The distinct cleaned sentences, sorted.
        annotator: Position of the annotator in ``annotators``.
        annotators: Who wrote them, sorted; ``""`` where that is not known.
        empty: Sentences left out because nothing remained of them after cleaning.
    """

    recording: Codes
    start_s: Floats
    stop_s: Floats
    item: Ints
    sentences: tuple[str, ...]
    annotator: Codes
    annotators: tuple[str, ...]
    empty: int = 0

    def __len__(self) -> int:
        return len(self.recording)

    @cached_property
    def text(self) -> list[str]:
        """Cleaned sentence of each narration."""
        return [self.sentences[i] for i in self.item.tolist()]

    @property
    def source(self) -> list[str]:
        """Annotator of each narration."""
        return [self.annotators[i] for i in self.annotator.tolist()]

    @property
    def centre_s(self) -> Floats:
        """Middle of each narration, seconds on the recording's own clock."""
        return (self.start_s + self.stop_s) / 2


def narrations(corpus: Corpus, *, wearer: str | None = None, limit: int = LIMIT) -> Narrations:
    """Every sentence about the recordings of a corpus, cleaned; works on parts and unions of corpora too.

    Sentences come from annotations on the track ``narration`` (``narration/NAME`` for those of annotator NAME), and
    from what was attached with ``kinelet corpus annotate``.

    Args:
        corpus: What they are about.
        wearer: Word for who wears the sensor; by default what the corpus was annotated with, else ``the person``.
        limit: Longest sentence, in characters.

    Warns:
        UserWarning: if sentences are about recordings that are gone, or whose source has changed since.

    Raises:
        BadFileError: if ``narrations.parquet`` is damaged.
    """
    columns: list[_Columns] = []
    for path, mine in _by_path(corpus).items():
        word = wearer_in(path) if wearer is None else wearer
        columns.append(_tracks(corpus, [code for _, code in mine], word, limit))
        if (path / NARRATIONS).exists():
            columns.append(_attached(corpus, path, mine, word, limit))
    joined = [np.concatenate([c[i] for c in columns]) for i in range(5)] if columns else [np.empty(0)] * 5
    recording, start, stop, text, who = joined
    keep = text != ""
    order = np.flatnonzero(keep)[np.lexsort((stop[keep], start[keep], recording[keep]))]
    sentences, item = _coded(text[order])
    annotators, annotator = _coded(who[order])
    return Narrations(
        recording[order].astype(np.int32),
        start[order].astype(np.float64),
        stop[order].astype(np.float64),
        item,
        sentences,
        annotator.astype(np.int32),
        annotators,
        int((~keep).sum()),
    )


_Columns = tuple[Any, Any, Any, Any, Any]  # recording code, start, stop, text, annotator


def _tracks(corpus: Corpus, mine: Sequence[int], wearer: str, limit: int) -> _Columns:
    """Sentences on the own tracks of some recordings, by their codes."""
    table = corpus.annotations
    told = pc.or_(pc.equal(table["track"], NARRATION), pc.starts_with(table["track"], f"{NARRATION}/"))
    table = table.filter(pc.and_(told, pc.is_valid(table["label"])))
    codes = _codes(table["recording"], corpus.codes)
    here = np.isin(codes, mine)
    table, codes = table.filter(pa.array(here)), codes[here]
    who = pc.replace_substring_regex(table["track"], f"^{NARRATION}/?", "")
    return codes, *_times(table), _cleaned(table["label"], wearer, limit), _texts(who)


def _times(table: Any) -> tuple[Floats, Floats]:
    return table["start_s"].to_numpy(), table["stop_s"].to_numpy()


def _texts(column: Any) -> Any:
    return np.array(column.to_pylist(), dtype=object)


def _codes(column: Any, code: Mapping[str, int]) -> Ints:
    """Code of each id, -1 for ids that have none."""
    return np.asarray(_through(column, lambda identity: code.get(identity, -1)), dtype=np.int64)


def _cleaned(column: Any, wearer: str, limit: int) -> Any:
    return _through(column, lambda text: clean_sentence(text, wearer, limit))


def _through(column: Any, function: Any) -> Any:
    """``function`` of each text of a column, called once for each distinct one."""
    encoded = pc.dictionary_encode(column.combine_chunks())
    values = np.array([function(v) for v in encoded.dictionary.to_pylist()], dtype=object)
    return values[encoded.indices.to_numpy()] if len(encoded) else np.empty(0, dtype=object)


def _coded(values: Any) -> tuple[tuple[str, ...], Ints]:
    """Distinct texts, sorted, and the position of each text among them."""
    encoded = pa.array(values, pa.string()).dictionary_encode()
    distinct = encoded.dictionary.to_pylist()
    order = sorted(range(len(distinct)), key=distinct.__getitem__)
    place = np.empty(len(distinct), dtype=np.int64)
    place[order] = np.arange(len(distinct))
    return tuple(distinct[i] for i in order), place[encoded.indices.to_numpy()]


def _by_path(corpus: Corpus) -> dict[Path, list[tuple[str, int]]]:
    """Recordings by the folder they lie in: id within that folder, and code within the corpus."""
    found: dict[Path, list[tuple[str, int]]] = defaultdict(list)
    for code, r in enumerate(corpus.recordings):
        found[Path(r.row.get("part_path", corpus.path))].append((r.row.get("part_id", r.id), code))
    return found


def _attached(corpus: Corpus, path: Path, mine: list[tuple[str, int]], wearer: str, limit: int) -> _Columns:
    table = read_table(path)
    tell_what_no_longer_fits(table, path, {identity: corpus.recordings[code].row for identity, code in mine})
    text, who, (start, stop) = _cleaned(table["text"], wearer, limit), _texts(table["annotator"]), _times(table)
    numbers = {identity: i for i, identity in enumerate(dict.fromkeys(i for i, _ in mine))}
    of = _codes(table["recording"], numbers)
    order = np.argsort(of, kind="stable")
    rank = np.array([numbers[identity] for identity, _ in mine], dtype=np.int64)
    first, last = np.searchsorted(of[order], rank, "left"), np.searchsorted(of[order], rank, "right")
    # A recording may be in a union twice, through two parts; each then has the sentences.
    rows = order[np.concatenate([np.arange(a, b) for a, b in zip(first, last, strict=True)])]
    codes = np.repeat([code for _, code in mine], last - first)
    return codes, start[rows], stop[rows], text[rows], who[rows]
