"""Vectors of frozen towers on disk: one folder a modality, one row an item, made once.

``embeddings.npy`` (float16 or float32, memory-mapped), ``index.parquet`` (key, row, recording, start, duration, hash of
the content) and ``meta.json`` (tower, space, width; written last). A sentence is an item by its text and stored once; a
timed item (a video, a clip, another sensor's window) by its recording and start.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from kinelet.config import FrozenModel
from kinelet.errors import BadFileError, BadOptionError
from kinelet.files import sha256
from kinelet.towers.base import FloatArray, normalised

FORMAT_VERSION = 1
VECTORS, INDEX, META = "embeddings.npy", "index.parquet", "meta.json"
MAX_META_BYTES = 1 << 20
MAX_HEAD_BYTES = 4096
REMEDY = "Attach the modality again with --replace"
Pool = Literal["draw", "mean"]
Dtype = Literal["float16", "float32"]

INDEX_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("row", pa.int64()),
        ("recording", pa.string()),
        ("start_s", pa.float64()),
        ("duration_s", pa.float64()),
        ("content", pa.string()),
    ]
)


class StoreMeta(FrozenModel):
    """What ``meta.json`` holds.

    Attributes:
        format: Says what the file is.
        version: Format version.
        modality: What the user calls it, such as ``text`` or ``video``.
        dim: Width of the vectors.
        space: Vectors of stores that share it can be compared.
        timed: Items have a place in a recording; otherwise narrations point to them by their text.
        pool: A window with several items gives one of them, drawn anew each time, or their mean.
        tower: What made the vectors.
        probe: Digest of what the tower makes of a few fixed items.
        preprocessing: What happened to an item first, in words.
        dtype: How the vectors are stored.
        normalised: They have length 1.
        corpus: Hash of the corpus that it was made beside.
        items: Number of rows.
        vectors_sha256, index_sha256: Hashes of the two files.
    """

    format: Literal["kinelet-embeddings"] = "kinelet-embeddings"
    version: int = Field(default=FORMAT_VERSION, ge=1)
    modality: str
    dim: int = Field(ge=1, le=1 << 16)
    space: str
    timed: bool = False
    pool: Pool = "draw"
    tower: str = ""
    probe: str = ""
    preprocessing: str = ""
    dtype: Dtype = "float16"
    normalised: bool = True
    corpus: str = ""
    items: int = Field(default=0, ge=0)
    vectors_sha256: str = ""
    index_sha256: str = ""

    @property
    def name(self) -> str:
        """The modality."""
        return self.modality


@dataclass(frozen=True)
class Times:
    """Where timed items lie.

    Attributes:
        recording: Recording id of each item.
        start_s: Start on the recording's clock in seconds.
        duration_s: Length in seconds; 0 for a moment.
    """

    recording: Sequence[str]
    start_s: NDArray[np.float64]
    duration_s: NDArray[np.float64]

    def keys(self) -> list[str]:
        """Item keys: recording and start in milliseconds.

        Raises:
            BadOptionError: if a start is not finite.
        """
        bad = np.flatnonzero(~np.isfinite(self.start_s))
        if len(bad):
            what = f"start_s of item {bad[0]} (of recording {self.recording[bad[0]]!r}) is {self.start_s[bad[0]]:g}"
            raise BadOptionError(what, remedy="Leave the item out, or mend it")
        return [f"{r}@{round(s * 1000)}" for r, s in zip(self.recording, self.start_s.tolist(), strict=True)]


@dataclass(frozen=True, eq=False)
class EmbeddingStore:
    """Vectors of a modality, memory-mapped.

    Attributes:
        path: Its folder.
        meta: What it holds.
        keys: Key of each item: the text of a sentence; recording and start in ms of a timed item.
        vectors: ``(items, dim)`` as stored.
        content: Hash of what each vector was made from.
        recording: Recording id of each timed item; empty for untimed ones.
        start_s: Start of each timed item in seconds on its recording's clock.
        duration_s: Its length in seconds.
    """

    path: Path
    meta: StoreMeta
    keys: tuple[str, ...]
    vectors: NDArray[Any]
    content: tuple[str, ...]
    recording: tuple[str, ...]
    start_s: NDArray[np.float64]
    duration_s: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {key: row for row, key in enumerate(self.keys)}

    def row_of(self, key: str) -> int:
        """Row of an item; -1 if it is not there."""
        return self._rows.get(key, -1)

    def gather(self, rows: NDArray[np.int64]) -> FloatArray:
        """Vectors of some rows ``(len(rows), dim)``, float32, of length 1 again after storing at half precision."""
        return normalised(self.vectors[rows], [self.keys[int(r)] for r in rows], str(self.path))

    @property
    def hash(self) -> str:
        """Hash of all items and vectors."""
        return hashlib.sha256(f"{self.meta.vectors_sha256} {self.meta.index_sha256}".encode()).hexdigest()


def open_store(folder: str | Path) -> EmbeddingStore:
    """Open a store; nothing is read but its index, and the bytes of the vectors once to check their hash.

    Raises:
        BadFileError: if it is absent, half written, damaged, of another shape than it says, or of a newer format.
    """
    folder = Path(folder)
    meta = _read_meta(folder / META)
    for name, digest in ((VECTORS, meta.vectors_sha256), (INDEX, meta.index_sha256)):
        if not (folder / name).is_file():
            raise BadFileError("no such file", where=str(folder / name), remedy=REMEDY)
        if sha256(folder / name) != digest:
            raise BadFileError("is not the file that meta.json describes", where=str(folder / name), remedy=REMEDY)
    vectors, index = _map(folder / VECTORS, meta), _read_index(folder / INDEX, meta)
    timed = meta.timed
    return EmbeddingStore(
        path=folder,
        meta=meta,
        keys=tuple(index["key"]),
        vectors=vectors,
        content=tuple(index["content"]),
        recording=tuple(index["recording"]) if timed else (),
        start_s=np.array(index["start_s"] if timed else [], dtype=np.float64),
        duration_s=np.array(index["duration_s"] if timed else [], dtype=np.float64),
    )


def _read_meta(path: Path) -> StoreMeta:
    if not path.is_file():
        raise BadFileError(
            "holds no vectors", where=str(path.parent), remedy="Attach some with: kinelet corpus annotate"
        )
    if path.stat().st_size > MAX_META_BYTES:
        raise BadFileError(f"larger than {MAX_META_BYTES} bytes", where=str(path), remedy=REMEDY)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        version = data.get("version") if isinstance(data, dict) else None
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise BadFileError(f"has format version {version}", where=str(path), remedy="Update kinelet")
        return StoreMeta.model_validate(data)
    except (ValueError, ValidationError, RecursionError) as error:
        raise BadFileError(
            f"does not describe a store: {' '.join(str(error).split())}", where=str(path), remedy=REMEDY
        ) from None


def _map(path: Path, meta: StoreMeta) -> NDArray[Any]:
    """Memory-map the vectors after comparing the file's size with what the description asks for."""
    wanted = meta.items * meta.dim * np.dtype(meta.dtype).itemsize
    size = path.stat().st_size
    if not wanted < size <= wanted + MAX_HEAD_BYTES:
        raise BadFileError(f"{size} bytes, its vectors take {wanted}", where=str(path), remedy=REMEDY)
    try:
        # An empty array cannot be mapped.
        mode: Literal["r"] | None = "r" if meta.items else None
        found = np.load(path, mmap_mode=mode, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise BadFileError(f"not an array file: {error}", where=str(path), remedy=REMEDY) from None
    if found.shape != (meta.items, meta.dim) or found.dtype != np.dtype(meta.dtype):
        raise BadFileError(f"holds {found.dtype} {found.shape}", where=str(path), remedy=REMEDY)
    return np.asarray(found) if not meta.items else found


def _read_index(path: Path, meta: StoreMeta) -> dict[str, list[Any]]:
    try:
        table = pq.read_table(path, schema=INDEX_SCHEMA)
    except (OSError, pa.ArrowException) as error:
        raise BadFileError(f"not readable ({error})", where=str(path), remedy=REMEDY) from None
    index: dict[str, list[Any]] = table.to_pydict()
    if index["row"] != list(range(meta.items)) or len(set(index["key"])) != meta.items:
        raise BadFileError("does not have one key for each vector", where=str(path), remedy=REMEDY)
    return index
