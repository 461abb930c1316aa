"""The table of sentences that are attached to a corpus: ``narrations.parquet`` beside its manifest."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kinelet.corpus.clean import WEARER
from kinelet.corpus.corpus import Corpus
from kinelet.corpus.lock import build_lock
from kinelet.corpus.manifest import MANIFEST, NARRATIONS
from kinelet.errors import BadFileError, BadOptionError
from kinelet.files import atomic_write

_KEY = b"kinelet_wearer"
_SCHEMA = pa.schema(
    [
        ("recording", pa.string()),
        ("start_s", pa.float64()),
        ("stop_s", pa.float64()),
        ("text", pa.string()),
        ("annotator", pa.string()),
        ("source_hash", pa.string()),
    ]
)


@dataclass(frozen=True)
class Narration:
    """One sentence about a moment (``stop_s == start_s``) or an interval of a recording.

    Attributes:
        recording: Id of the recording.
        start_s: Start, seconds on the recording's own clock (0 is its first sample).
        stop_s: End, same clock.
        text: As it was written.
        annotator: Who wrote it, or where it came from.
    """

    recording: str
    start_s: float
    stop_s: float
    text: str
    annotator: str = ""


def wearer_in(path: Path) -> str:
    """Word for who wears the sensor that a corpus's folder was annotated with, else ``the person``."""
    if not (path / NARRATIONS).exists():
        return WEARER
    return str((read_table(path).schema.metadata or {}).get(_KEY, WEARER.encode()).decode())


def tell_what_no_longer_fits(table: Any, path: Path, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Warn of sentences about recordings that are gone, or whose source has changed.

    Args:
        table: Attached sentences.
        path: Folder of the corpus.
        rows: Manifest row of each recording that somebody asks about.
    """
    pairs = table.group_by(["recording", "source_hash"]).aggregate([([], "count_all")]).to_pylist()
    changed = [p for p in pairs if p["recording"] in rows and rows[p["recording"]]["source_hash"] != p["source_hash"]]
    unknown = [p for p in pairs if p["recording"] not in rows]  # gone, or not in this part of the corpus
    there = set(pq.read_table(path / MANIFEST, columns=["id"])["id"].to_pylist()) if unknown else set()
    gone = [p for p in unknown if p["recording"] not in there]
    for found, what in ((gone, "no longer in the corpus"), (changed, "whose source file has changed since")):
        if found:
            names = ", ".join(sorted({p["recording"] for p in found})[:3])
            n = sum(p["count_all"] for p in found)
            warnings.warn(
                f"{path / NARRATIONS}: {n} sentences are about {len(found)} recordings {what} ({names}, …). Build the "
                "corpus from the same files again, or attach the sentences again (kinelet corpus annotate --replace)",
                UserWarning,
                stacklevel=5,
            )


def read_table(path: Path) -> Any:
    """Rows of the ``narrations.parquet`` in a corpus's folder.

    Raises:
        BadFileError: if it cannot be read or lacks a column.
    """
    try:
        return pq.read_table(path / NARRATIONS).select(_SCHEMA.names)
    except (OSError, KeyError, pa.ArrowException) as error:
        remedy = "Attach the sentences again: kinelet corpus annotate CORPUS --narrations FILE --replace"
        raise BadFileError(f"not readable ({error})", where=str(path / NARRATIONS), remedy=remedy) from error


def write_narrations(
    corpus: Corpus, rows: Iterable[Narration], *, wearer: str | None = None, replace: bool = False
) -> bool:
    """Attach sentences to the corpus in ``corpus.path``; the file is there whole or not at all.

    Args:
        corpus: A corpus as it was opened; no part of one, and no union.
        rows: The sentences.
        wearer: Word for who wears the sensor, of sentences on the recordings' own tracks too; by default that which the
            corpus was annotated with before, else ``the person``.
        replace: Whether to replace other sentences that were attached before.

    Returns:
        Whether anything was written: the same sentences again are nothing new.

    Raises:
        BadOptionError: if other sentences are attached already, or a recording is not in the corpus.
        BadFileError: if a build is at work in the corpus.
    """
    rows = list(rows)
    unknown = sorted({r.recording for r in rows} - set(corpus.codes))
    if unknown or any("part_path" in r.row for r in corpus.recordings):
        what = f"no recording {unknown[0]!r}" if unknown else "a union of corpora has no place for sentences"
        raise BadOptionError(what, where=str(corpus.path), remedy="Attach sentences to the corpus that was built")
    hashes = {r.id: r.row["source_hash"] for r in corpus.recordings}
    values = [{**vars(r), "source_hash": hashes[r.recording]} for r in rows]
    table = pa.Table.from_pylist(values, schema=_SCHEMA)
    with build_lock(corpus.path):
        return _write(corpus.path, table, _kept(corpus.path, replace) if wearer is None else wearer, replace)


def keep_wearer(corpus: Corpus, wearer: str, *, replace: bool = False) -> bool:
    """Keep the word for who wears the sensor with the corpus in ``corpus.path``; sentences attached to it stay.

    Args:
        corpus: A corpus as it was opened.
        wearer: The word, of sentences on the recordings' own tracks too.
        replace: Whether to replace another word that it was annotated with before.

    Returns:
        Whether anything was written.

    Raises:
        BadOptionError: if it was annotated with another word.
        BadFileError: if a build is at work in the corpus, or its sentences are damaged.
    """
    with build_lock(corpus.path):
        if wearer == wearer_in(corpus.path):
            return False
        there = (corpus.path / NARRATIONS).exists()
        return _write(corpus.path, read_table(corpus.path) if there else _SCHEMA.empty_table(), wearer, replace)


def _kept(folder: Path, replace: bool) -> str:
    """The word that is there; a damaged file that is to be replaced has none."""
    try:
        return wearer_in(folder)
    except BadFileError:
        if not replace:
            raise
        return WEARER


def _write(folder: Path, table: Any, wearer: str, replace: bool) -> bool:
    path, table = folder / NARRATIONS, table.replace_schema_metadata({_KEY: wearer.encode()})
    if path.exists():
        if _same(folder, table):
            return False
        if not replace and not _extends(folder, wearer):
            n = len(read_table(folder))
            there = f"{n} there are" if n > 1 else "one there is"
            what = "other sentences are attached already, and a corpus holds one set of sentences"
            remedy = f"--replace deletes the {there}; to have both --narrations and --sentences, give them together"
            if wearer != wearer_in(folder):
                what = f"was annotated with another word for the wearer, {wearer_in(folder)!r}"
                remedy = "Leave --wearer out to keep it, or replace it with --replace"
            raise BadOptionError(what, where=str(path), remedy=remedy)
    with atomic_write(path) as temporary:
        pq.write_table(table, temporary)
    return True


def _extends(folder: Path, wearer: str) -> bool:
    """Whether nothing but the same word for the wearer is there yet."""
    return not len(read_table(folder)) and wearer == wearer_in(folder)


def _same(path: Path, table: Any) -> bool:
    try:
        return bool(read_table(path).equals(table, check_metadata=True))
    except BadFileError:
        return False
