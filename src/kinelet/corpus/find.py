"""Find sources: the readable files of a folder, the parts of a public data set."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from kinelet.corpus.sources import DatasetSource, FileSource
from kinelet.errors import BadFileError, BadOptionError
from kinelet.files import sha256

TABLES = (".csv", ".parquet", ".npz")
#: Files beside a data set's motion that no loader reads and that would take hours to hash.
VIDEOS = (".mp4", ".vrs")


def find_sources(
    source: str | Path,
    *,
    format: str | None = None,
    card: Any = None,
    options: Mapping[str, Any] | None = None,
) -> list[FileSource]:
    """List the recordings in a file or folder, in the order of their paths.

    In a folder, at any depth, those files count that a reader claims by content or extension; with a card, all
    tables. Hidden files and files that no reader claims are passed over. A folder that is itself one recording (as the
    Empatica E4 writes it) is one source.

    Args:
        source: File or folder.
        format: Name of a reader; with a folder, its files are those with the reader's extensions.
        card: Card for tables, a path or an object.
        options: Options of the reader.

    Raises:
        BadFileError: if there is no such file or folder, or no recording in it.
    """
    root = Path(source).resolve()
    if not root.exists():
        raise BadFileError("no such file or folder", where=str(source), remedy="Check the path")
    card = Path(card).resolve() if isinstance(card, str | Path) else card
    given = tuple(sorted((options or {}).items()))
    found = [root] if root.is_file() or _is_recording(root) else list(_walk(root, format, tables=card is not None))
    if not found:
        raise BadFileError(
            "no recording in this folder", where=str(source), remedy="Tables need a card; see kinelet list readers"
        )
    top = root.parent if found == [root] else root
    return [FileSource(p, p.relative_to(top).as_posix(), format, card, given) for p in found]


def with_subjects(sources: Iterable[FileSource], pattern: str) -> list[FileSource]:
    """Take each file's subject from its path, so that several files of one person count as one person.

    Args:
        sources: Files that hold one recording each.
        pattern: Regular expression, searched in the path relative to the folder. The subject is its group
            ``subject``, else its first group, else all that it matches.

    Raises:
        BadOptionError: if the pattern is not one, or does not match a file.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise BadOptionError(f"{pattern!r} is not a regular expression ({error})", where="subject pattern") from None
    return [replace(s, options=(*s.options, ("subject", _subject(s.key, expression)))) for s in sources]


def _subject(key: str, expression: re.Pattern[str]) -> str:
    found = expression.search(key)
    name = found and (found.groupdict().get("subject") or (found.group(1) if found.groups() else found.group()))
    if not name:
        raise BadOptionError(
            f"does not match {key!r}",
            where=f"subject pattern {expression.pattern!r}",
            remedy="It must match every file",
        )
    return name


def _walk(folder: Path, format: str | None, *, tables: bool) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if not tables and _is_recording(path):
                yield path
            else:
                yield from _walk(path, format, tables=tables)
        elif path.suffix.lower() in TABLES if tables else _is_claimed(path, format):
            yield path


def _is_recording(folder: Path) -> bool:
    from kinelet.readers.registry import READERS

    return folder.is_dir() and any(reader.sniff(folder, b"") for reader in READERS.values())


def _is_claimed(path: Path, format: str | None) -> bool:
    from kinelet.readers.registry import READERS, find_reader

    if format is not None and format in READERS and READERS[format].extensions:
        return path.suffix.lower() in READERS[format].extensions
    try:
        find_reader(path)
    except (BadFileError, OSError):
        # A damaged file with a device's extension must show up among the failures.
        return any(path.suffix.lower() in reader.extensions for reader in READERS.values())
    return True


def dataset_sources(name: str, raw: str | Path) -> list[DatasetSource]:
    """List the parts of a public data set.

    Raises:
        BadOptionError: if there is no such data set.
        BadFileError: if the folder does not hold its published layout.
    """
    from kinelet.datasets.registry import get_dataset

    dataset, root = get_dataset(name), Path(raw).resolve()
    dataset.keys(root)  # raises, naming the expected layout, where nothing is found
    parts = {key: tuple(dict.fromkeys(_paths(part))) or (root,) for key, part in dataset.find(root).items()}
    shared = _shared_hash(root, {path for files in parts.values() for path in files})
    return [DatasetSource(name, root, key, files, shared) for key, files in parts.items()]


def _paths(part: Any) -> Iterator[Path]:
    """Existing paths anywhere inside a part: loaders describe parts in their own types."""
    if isinstance(part, Path):
        if part.exists():
            yield part
    elif isinstance(part, Mapping):
        for value in part.values():
            yield from _paths(value)
    elif isinstance(part, list | tuple | set | frozenset):
        for value in part:
            yield from _paths(value)
    elif is_dataclass(part):
        for f in fields(part):
            yield from _paths(getattr(part, f.name))


def _shared_hash(root: Path, claimed: set[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix.lower() not in VIDEOS and not (claimed & {path, *path.parents}):
            digest.update(f"{path.relative_to(root).as_posix()} {sha256(path)}".encode())
    return digest.hexdigest()
