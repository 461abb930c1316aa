"""Building a store of vectors: in parts that outlive an interruption, then renamed into place at once."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kinelet.errors import BadFileError, BadOptionError
from kinelet.files import atomic_write, sha256, write_text
from kinelet.progress import Progress, silent
from kinelet.towers.base import FloatArray, Items, Tower, embed_items, normalised, probe_digest
from kinelet.towers.reading import (
    INDEX,
    INDEX_SCHEMA,
    META,
    VECTORS,
    EmbeddingStore,
    StoreMeta,
    Times,
    open_store,
)

#: Facts that must agree for vectors of an earlier build to be used again.
SAME = ("dim", "space", "tower", "probe", "preprocessing", "dtype")
#: Items between two parts of an unfinished build.
PART = 1024

Content = dict[str, tuple[str, NDArray[Any]]]


def tower_meta(tower: Tower, modality: str, **fields: Any) -> StoreMeta:
    """Description of a store of a tower's vectors."""
    return StoreMeta(
        modality=modality,
        dim=tower.dim,
        space=tower.space_id,
        tower=tower.name,
        probe=probe_digest(tower),
        preprocessing=tower.preprocessing,
        **fields,
    )


def write_store(
    folder: str | Path,
    keys: Sequence[str],
    meta: StoreMeta,
    *,
    vectors: NDArray[Any] | None = None,
    tower: Tower | None = None,
    items: Items | None = None,
    times: Times | None = None,
    batch_size: int = 64,
    progress: Progress = silent,
    replace: bool = False,
) -> EmbeddingStore:
    """Write vectors, or what ``tower`` makes of ``items``, and open the store.

    A tower's build that was interrupted goes on with the items that are missing. A finished store with the same facts
    gives its rows to the new one, so that adding sentences embeds only the new ones.

    Args:
        folder: Where the store goes.
        keys: Unique key of each item.
        meta: Facts; counts and hashes are filled in.
        vectors: Vectors ``(items, dim)`` of any length but zero.
        tower: What makes the vectors, if they are not given.
        items: What it makes them from; the keys if not given.
        times: Where timed items lie.
        batch_size: Items that the tower gets at once.
        progress: Told how many items are done.
        replace: Overwrite a store that is there.

    Raises:
        BadOptionError: if there is a store already and ``replace`` is false, or keys repeat.
        BadFileError: if a vector is zero or not finite, naming the item; nothing is written then.
    """
    folder = Path(folder)
    if folder.exists() and not replace:
        raise BadOptionError("there is a store already", where=str(folder), remedy="Replace it with --replace")
    _check_keys(keys, times, str(folder))
    meta = meta.model_copy(update={"timed": times is not None, "items": len(keys)})
    if vectors is not None:
        content: Sequence[str] = content_of(vectors)
        found = normalised(vectors, keys, str(folder))
    elif tower is not None:
        items = keys if items is None else items
        content = [_digest(item) for item in items]
        found = _Build(folder, meta).embed(tower, keys, items, content, batch_size, progress)
    else:
        raise BadOptionError("neither vectors nor a tower", where=str(folder), remedy="Give one of them")
    _put(folder, meta, keys, found, content, times)
    shutil.rmtree(_partial(folder), ignore_errors=True)
    return open_store(folder)


def content_of(vectors: NDArray[Any]) -> tuple[str, ...]:
    """What is kept of each of some vectors ``(items, dim)`` to know it again: a hash."""
    return tuple(_digest(row) for row in np.asarray(vectors))


def _check_keys(keys: Sequence[str], times: Times | None, where: str) -> None:
    if not keys:
        raise BadOptionError("no items", where=where, remedy="Give at least one")
    if len(set(keys)) != len(keys):
        twice = next(key for key, count in Counter(keys).items() if count > 1)
        raise BadOptionError(f"item {twice!r} is there twice", where=where, remedy="Give each item once")
    if times is None:
        return
    if not len(keys) == len(times.recording) == len(times.start_s) == len(times.duration_s):
        raise BadOptionError("items and their times differ in number", where=where, remedy="One time for each item")
    if not (np.isfinite(times.start_s).all() and np.isfinite(times.duration_s).all() and (times.duration_s >= 0).all()):
        raise BadOptionError("a start or duration is not finite, or negative", where=where, remedy="Mend the times")


def _digest(item: object) -> str:
    """Hash of an item's content. What has none that can be told (an open file, say) is never recognised again."""
    digest = hashlib.sha256()
    _feed(digest, item)
    return digest.hexdigest()[:16]


def _feed(digest: Any, item: object) -> None:
    if isinstance(item, list | tuple):
        digest.update(f"{len(item)} items".encode())
        for part in item:
            _feed(digest, part)
    elif isinstance(item, str | bytes | int | float | bool | PurePath):
        held = item if isinstance(item, bytes) else str(item).encode()
        digest.update(f"{len(held)} bytes".encode() + held)
    elif hasattr(item, "__array__") and not (array := np.asarray(item)).dtype.hasobject:
        digest.update(f"{array.dtype.str}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    else:
        digest.update(secrets.token_bytes(16))


def _partial(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.partial")


class _Build:
    """Vectors of a build, those of earlier ones used again where key, content and tower are the same."""

    def __init__(self, folder: Path, meta: StoreMeta) -> None:
        self.meta, self.partial = meta, _partial(folder)
        self.known: Content = {}
        self._of_store(folder)
        self._of_parts()

    def _of_store(self, folder: Path) -> None:
        try:
            store = open_store(folder)
        except BadFileError:
            return
        if _facts(store.meta) == _facts(self.meta):
            rows = zip(store.keys, store.content, store.vectors, strict=True)
            self.known |= {key: (content, row) for key, content, row in rows}

    def _of_parts(self) -> None:
        facts = self.partial / META
        if not facts.is_file() or json.loads(facts.read_text(encoding="utf-8")) != _facts(self.meta):
            shutil.rmtree(self.partial, ignore_errors=True)
            return
        for path in sorted(self.partial.glob("*.parquet")):
            table = pq.read_table(path)
            flat = table["vector"].combine_chunks().flatten().to_numpy().reshape(-1, self.meta.dim)
            rows = zip(table["key"].to_pylist(), table["content"].to_pylist(), flat, strict=True)
            self.known |= {key: (content, row) for key, content, row in rows}

    def embed(
        self,
        tower: Tower,
        keys: Sequence[str],
        items: Items,
        content: Sequence[str],
        batch_size: int,
        progress: Progress,
    ) -> FloatArray:
        """Vectors of all items ``(items, dim)``."""
        there = [self.known.get(key, ("", None))[0] == c for key, c in zip(keys, content, strict=True)]
        missing = [i for i, yes in enumerate(there) if not yes]
        out = np.empty((len(keys), self.meta.dim), dtype=np.float32)
        for i in (i for i, yes in enumerate(there) if yes):
            out[i] = self.known[keys[i]][1]
        done = len(keys) - len(missing)
        for start in range(0, len(missing), PART):
            part = missing[start : start + PART]
            names = [keys[i] for i in part]
            out[part] = embed_items(tower, [items[i] for i in part], names=names, batch_size=batch_size)
            self._keep(names, [content[i] for i in part], out[part])
            progress(done + start + len(part))
        return normalised(out, keys)

    def _keep(self, keys: Sequence[str], content: Sequence[str], vectors: FloatArray) -> None:
        self.partial.mkdir(parents=True, exist_ok=True)
        if not (self.partial / META).is_file():
            write_text(self.partial / META, json.dumps(_facts(self.meta)))
        rows = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), self.meta.dim)
        table = pa.table({"key": list(keys), "content": list(content), "vector": rows})
        with atomic_write(self.partial / f"{secrets.token_hex(8)}.parquet") as temporary:
            pq.write_table(table, temporary)


def _facts(meta: StoreMeta) -> dict[str, Any]:
    return {name: getattr(meta, name) for name in SAME}


def _put(
    folder: Path,
    meta: StoreMeta,
    keys: Sequence[str],
    vectors: FloatArray,
    content: Sequence[str],
    times: Times | None,
) -> None:
    """Write the three files into a new folder, then put it where it belongs."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.new")
    old = fresh.with_suffix(".old")
    fresh.mkdir()
    try:
        np.save(fresh / VECTORS, vectors.astype(meta.dtype))
        n = len(keys)
        columns = {
            "key": list(keys),
            "row": list(range(n)),
            "recording": list(times.recording) if times else [None] * n,
            "start_s": times.start_s.tolist() if times else [None] * n,
            "duration_s": times.duration_s.tolist() if times else [None] * n,
            "content": list(content),
        }
        pq.write_table(pa.table(columns, schema=INDEX_SCHEMA), fresh / INDEX)
        hashes = {"vectors_sha256": sha256(fresh / VECTORS), "index_sha256": sha256(fresh / INDEX)}
        write_text(fresh / META, meta.model_copy(update=hashes).model_dump_json(indent=2) + "\n")
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
