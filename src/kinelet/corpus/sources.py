"""What a corpus is built from: files, public data sets, recordings in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from kinelet.errors import BadFileError
from kinelet.files import sha256
from kinelet.signal.recording import Recording


@runtime_checkable
class Source(Protocol):
    """Something picklable that yields recordings.

    Attributes:
        key: Names the source within a corpus; a later build with the same key replaces its recordings.
        dataset: Public data set, or ``None``; goes before subject and id, since people of two sets are never the same.
        path: Where it was read from, as it goes into the manifest; ``None`` for recordings in memory.
    """

    @property
    def key(self) -> str:
        """Name of the source within a corpus."""

    @property
    def dataset(self) -> str | None:
        """Public data set, or ``None``."""

    @property
    def path(self) -> str | None:
        """Where it was read from, or ``None``."""

    def content_hash(self) -> str:
        """Hash of all that the recordings depend on, the build configuration aside."""

    def recordings(self) -> Iterator[Recording]:
        """Read the recordings, one after the other."""

    def identity(self, rec: Recording) -> str:
        """Id of a recording of this source within the corpus."""


@dataclass(frozen=True)
class FileSource:
    """One file, or a folder that is one recording, read through the registry of readers.

    Attributes:
        file: Where it is.
        key: Its path relative to the folder that was walked.
        format: Name of the reader; ``None`` lets the registry look at the content.
        card: A table card (path or object) for tables.
        options: Names and values of the reader's options.
        dataset: Data set it belongs to, if any.
    """

    file: Path
    key: str
    format: str | None = None
    card: Any = None
    options: tuple[tuple[str, Any], ...] = ()
    dataset: str | None = None

    @property
    def path(self) -> str:
        """Path relative to the walked folder."""
        return self.key

    def content_hash(self) -> str:
        """SHA-256 of the bytes, the card and the options."""
        options = f"{self.format!r} {self.options!r} {self.dataset!r} {_card_text(self.card)}"
        return hashlib.sha256(f"{sha256(self.file)} {options}".encode()).hexdigest()

    def recordings(self) -> Iterator[Recording]:
        """Read with :func:`kinelet.readers.registry.read_many`."""
        from kinelet.readers.registry import read_many

        yield from read_many(self.file, format=self.format, card=self.card, **dict(self.options))

    def identity(self, rec: Recording) -> str:
        """The relative path without suffix, and the recording's name where it is another."""
        stem = Path(self.key).with_suffix("").as_posix()
        return stem if rec.name in {Path(stem).name, Path(self.key).name, stem} else f"{stem}/{rec.name}"


def _card_text(card: Any) -> str:
    if isinstance(card, str | Path):
        return Path(card).read_text(encoding="utf-8")
    return card.model_dump_json() if hasattr(card, "model_dump_json") else repr(card)


@dataclass(frozen=True)
class DatasetSource:
    """A part of a public data set in its published layout.

    Attributes:
        name: The data set.
        raw: Folder with the publisher's files.
        part: One of the data set's parts.
        files: Files and folders that the part is read from.
        shared_hash: Hash of the files that belong to no part and may matter to each (label names, people's ages).
    """

    name: str
    raw: Path
    part: str
    files: tuple[Path, ...]
    shared_hash: str

    @property
    def key(self) -> str:
        """Data set and part."""
        return f"{self.name}/{self.part}"

    @property
    def dataset(self) -> str:
        """The data set's name."""
        return self.name

    @property
    def path(self) -> str:
        """Files of the part, relative to the raw folder where they lie in it."""
        return " ".join(
            f.relative_to(self.raw).as_posix() if f.is_relative_to(self.raw) else f.name for f in self.files
        )

    def content_hash(self) -> str:
        """SHA-256 of the part's files and of those that all parts share."""
        own = " ".join(sha256(f) for f in self.files)
        return hashlib.sha256(f"{self.key} {own} {self.shared_hash}".encode()).hexdigest()

    def recordings(self) -> Iterator[Recording]:
        """Read with the data set's loader."""
        from kinelet.datasets.registry import get_dataset

        yield from get_dataset(self.name).load(self.raw, self.part)

    def identity(self, rec: Recording) -> str:
        """The recording's name, which begins with the data set's."""
        return rec.name if rec.name.startswith(self.name) else f"{self.name}/{rec.name}"


@dataclass(frozen=True)
class MemorySource:
    """A recording that is already in memory."""

    recording: Recording
    dataset: str | None = None
    path: str | None = None

    @property
    def key(self) -> str:
        """The recording's id."""
        return self.identity(self.recording)

    def content_hash(self) -> str:
        """SHA-256 of samples, clock and everything that is known about them."""
        return recording_hash(self.recording)

    def recordings(self) -> Iterator[Recording]:
        """The recording itself."""
        yield self.recording

    def identity(self, rec: Recording) -> str:
        """Its name, after the data set's."""
        return f"{self.dataset}/{rec.name}" if self.dataset else rec.name


def recording_hash(rec: Recording) -> str:
    """SHA-256 of all that a recording holds."""
    digest = hashlib.sha256(np.ascontiguousarray(rec.data).tobytes())
    if rec.time_s is not None:
        digest.update(np.ascontiguousarray(rec.time_s).tobytes())
    facts = (rec.spec, rec.subject, rec.name, rec.segments, rec.start_unix_s, rec.annotations, rec.gap_reasons)
    rest = (rec.resolution, sorted(rec.meta.items(), key=str), rec.warnings, rec.data.shape)
    digest.update(repr((facts, rest)).encode())
    for name in sorted(rec.streams):
        digest.update(f"{name} {recording_hash(rec.streams[name])}".encode())
    return digest.hexdigest()


def as_source(item: Source | Recording | str | Path) -> Source:
    """Take a source, a recording or a path.

    Raises:
        BadFileError: if a path does not exist.
    """
    if isinstance(item, Recording):
        return MemorySource(item)
    if isinstance(item, str | Path):
        path = Path(item)
        if not path.exists():
            raise BadFileError("no such file or folder", where=str(path), remedy="Check the path")
        return FileSource(path.resolve(), path.name)
    return item
