"""Modalities of a corpus: sentences and timed vectors, each in a store under ``embeddings/`` beside the recordings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinelet.corpus.corpus import Corpus
from kinelet.errors import BadFileError, BadOptionError
from kinelet.progress import Progress, silent
from kinelet.towers.base import Items, Tower
from kinelet.towers.names import check_name
from kinelet.towers.reading import META, Dtype, EmbeddingStore, Pool, StoreMeta, Times, open_store
from kinelet.towers.writing import content_of, tower_meta, write_store

STORES = "embeddings"

__all__ = [
    "EmbeddingStore",
    "StoreMeta",
    "Times",
    "attach_items",
    "attach_text",
    "attach_vectors",
    "list_stores",
    "open_store",
    "store_folder",
    "tower_meta",
    "write_store",
]


def store_folder(corpus_path: str | Path, modality: str) -> Path:
    """Folder of a modality's vectors.

    Raises:
        BadOptionError: if the name is not made of letters, digits, ``_`` and ``-``, or means something else in
            pretraining.
    """
    check_name(modality)
    return Path(corpus_path) / STORES / modality


def list_stores(corpus_path: str | Path) -> tuple[str, ...]:
    """Modalities that a corpus has vectors of, sorted."""
    return tuple(sorted(p.parent.name for p in (Path(corpus_path) / STORES).glob(f"[!.]*/{META}")))


def attach_text(
    corpus_path: str | Path,
    sentences: Iterable[str],
    tower: Tower,
    modality: str = "text",
    *,
    dtype: Dtype = "float32",
    progress: Progress = silent,
    replace: bool = True,
) -> EmbeddingStore:
    """Embed each distinct sentence once.

    Sentences that an earlier call with the same tower embedded are not embedded again.

    Args:
        corpus_path: Folder of the corpus.
        sentences: Cleaned sentences, as the corpus's narrations have them; repeats count once.
        tower: Text tower.
        modality: Name of the modality.
        dtype: How vectors are stored.
        progress: Told how many are done.
        replace: Overwrite a store that is there.

    Raises:
        BadOptionError: if there is a store and ``replace`` is false, or no sentence.
    """
    keys = list(dict.fromkeys(sentences))
    folder = store_folder(corpus_path, modality)
    if folder.exists() and not replace:
        raise BadOptionError("there is a store already", where=str(folder), remedy="Replace it with --replace")
    meta = tower_meta(tower, modality, dtype=dtype, corpus=Corpus.open(corpus_path).hash)
    return write_store(folder, keys, meta, tower=tower, progress=progress, replace=True)


def attach_vectors(
    corpus_path: str | Path,
    modality: str,
    vectors: NDArray[Any],
    recording_ids: Sequence[str],
    start_s: Any,
    duration_s: Any,
    *,
    space: str,
    tower: str,
    pool: Pool = "draw",
    preprocessing: str = "",
    probe: str = "",
    dtype: Dtype = "float32",
    replace: bool = False,
) -> EmbeddingStore:
    """Keep vectors that were made elsewhere; those that are there already, with the same facts, are left as they are.

    Args:
        corpus_path: Folder of the corpus.
        modality: Name of the modality, such as ``video``.
        vectors: ``(items, dim)``; they are scaled to length 1.
        recording_ids: Recording of each item.
        start_s: Its start on that recording's clock in seconds; one number for all, or one each.
        duration_s: Its length in seconds; likewise.
        space: Vectors of modalities that share it can be compared.
        tower: What made them.
        pool: What a window with several items gives: one of them, drawn anew each time, or their mean.
        preprocessing: What happened to an item first, in words.
        probe: Digest of the tower's probe items, if it has any.
        dtype: How vectors are stored.
        replace: Overwrite a store that is there.

    Raises:
        BadOptionError: if a recording is not in the corpus, an item is there twice, or there is another store already.
        BadFileError: if a vector is zero or not finite, naming the item.
    """
    vectors, n = np.asarray(vectors), len(recording_ids)
    if vectors.ndim != 2:
        raise BadOptionError(f"vectors of shape {vectors.shape}", where=modality, remedy="Give (items, dim)")
    meta = StoreMeta(
        modality=modality,
        dim=vectors.shape[1],
        space=space,
        tower=tower,
        probe=probe,
        pool=pool,
        preprocessing=preprocessing,
        dtype=dtype,
        corpus=_hash_of(corpus_path, recording_ids),
    )
    times = Times(list(recording_ids), _each(start_s, n), _each(duration_s, n))
    folder = store_folder(corpus_path, modality)
    if folder.exists() and not replace and (there := _same(folder, meta, times, vectors)) is not None:
        return there
    return write_store(folder, times.keys(), meta, vectors=vectors, times=times, replace=replace)


def attach_items(
    corpus_path: str | Path,
    modality: str,
    items: Items,
    recording_ids: Sequence[str],
    start_s: Any,
    duration_s: Any,
    *,
    tower: Tower,
    pool: Pool = "draw",
    dtype: Dtype = "float32",
    batch_size: int = 64,
    progress: Progress = silent,
    replace: bool = False,
) -> EmbeddingStore:
    """Keep what a tower makes of timed items; arguments and errors as of :func:`attach_vectors`.

    If it is interrupted, the next call goes on with the items that are missing.
    """
    corpus = _hash_of(corpus_path, recording_ids)
    times = Times(list(recording_ids), _each(start_s, len(items)), _each(duration_s, len(items)))
    folder = store_folder(corpus_path, modality)
    meta = tower_meta(tower, modality, pool=pool, dtype=dtype, corpus=corpus)
    return write_store(
        folder,
        times.keys(),
        meta,
        tower=tower,
        items=items,
        times=times,
        batch_size=batch_size,
        progress=progress,
        replace=replace,
    )


def _same(folder: Path, meta: StoreMeta, times: Times, vectors: NDArray[Any]) -> EmbeddingStore | None:
    """The store in a folder if these vectors would make the same one."""
    try:
        there = open_store(folder)
    except BadFileError:
        return None
    facts = ("dim", "space", "tower", "probe", "pool", "preprocessing", "dtype")
    same = (
        all(getattr(there.meta, fact) == getattr(meta, fact) for fact in facts)
        and there.recording == tuple(times.recording)
        and np.array_equal(there.start_s, times.start_s)
        and np.array_equal(there.duration_s, times.duration_s)
        and there.content == content_of(vectors)
    )
    return there if same else None


def _hash_of(corpus_path: str | Path, recording_ids: Sequence[str]) -> str:
    """Hash of a corpus that has all these recordings."""
    corpus = Corpus.open(corpus_path)
    unknown = sorted(set(recording_ids) - set(corpus.codes))
    if unknown:
        raise BadOptionError(
            f"no recording {unknown[0]!r}" + (f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""),
            where=str(corpus_path),
            remedy=f"Ids look like {corpus.recordings[0].id!r}",
        )
    return corpus.hash


def _each(value: Any, n: int) -> NDArray[np.float64]:
    return np.broadcast_to(np.asarray(value, dtype=np.float64), (n,)).copy()
