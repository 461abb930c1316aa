"""Fetching a dataset from its publisher: over https, with a checksum and a size bound, never half a file."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from kinelet.datasets.base import DatasetCard, Download
from kinelet.errors import BadFileError, BadOptionError
from kinelet.files import atomic_write, sha256

MAX_BYTES = 8 << 30
_BLOCK = 1 << 20
_TIMEOUT_S = 60.0


def instructions(card: DatasetCard, folder: Path) -> str:
    """What to download by hand from where, and where to put it."""
    what = " and ".join(d.url for d in card.download) or f"the recordings from {card.url}"
    unpack = "" if not any(d.filename.endswith(".zip") for d in card.download) else ", unpack it and the archives in it"
    return f"Download {what}{unpack}, and put the files under {folder} so that it holds {card.layout}"


def fetch(
    card: DatasetCard,
    folder: str | Path,
    *,
    checksums: Mapping[str, str] | None = None,
    max_bytes: int = MAX_BYTES,
    opener: Callable[..., Any] = urlopen,
) -> list[Path]:
    """Download a dataset's files into ``folder`` and unpack archives there.

    A file that is there with the right checksum is not fetched again.

    Args:
        card: The dataset.
        folder: Where the files go.
        checksums: SHA-256 by file name, for files whose card names none.
        max_bytes: Largest file accepted.
        opener: Replaces :func:`urllib.request.urlopen` in tests.

    Returns:
        The files.

    Raises:
        BadOptionError: Nothing to fetch, no checksum known, no network: the message says what to put where.
        BadFileError: A file is too large or its checksum is wrong; nothing of it is kept.
    """
    folder = Path(folder)
    if not card.download:
        raise BadOptionError("it cannot be fetched from here", where=card.name, remedy=instructions(card, folder))
    known = {d.filename: (checksums or {}).get(d.filename) or d.sha256 for d in card.download}
    for name, checksum in known.items():
        if checksum is None:
            raise BadOptionError(
                f"no checksum is known for {name}, so it is not fetched",
                where=card.name,
                remedy=instructions(card, folder),
            )
    paths = [_fetch_one(d, folder, str(known[d.filename]), max_bytes, opener, card) for d in card.download]
    for path in paths:
        if path.suffix == ".zip":
            unpack(path, folder, max_bytes=max_bytes)
    return paths


def _fetch_one(
    file: Download, folder: Path, checksum: str, max_bytes: int, opener: Callable[..., Any], card: DatasetCard
) -> Path:
    path = folder / file.filename
    if path.is_file() and sha256(path) == checksum:
        return path
    _require_https(file.url, card.name)
    try:
        with opener(Request(file.url, headers={"User-Agent": "kinelet"}), timeout=_TIMEOUT_S) as response:
            _require_https(response.geturl(), card.name)
            with atomic_write(path) as temporary:
                _store(response, temporary, checksum, max_bytes, file.url)
    except (URLError, TimeoutError, ConnectionError) as error:
        raise BadOptionError(
            f"{file.url} cannot be reached ({error})", where=card.name, remedy=instructions(card, folder)
        ) from None
    return path


def _require_https(url: str, where: str) -> None:
    if not url.startswith("https://"):
        raise BadOptionError(f"{url} is not https", where=where, remedy="Download it by hand from a place you trust")


def _store(response: IO[bytes], path: Path, checksum: str, max_bytes: int, url: str) -> None:
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as handle:
        while block := response.read(_BLOCK):
            size += len(block)
            if size > max_bytes:
                raise BadFileError(f"more than {max_bytes} bytes", where=url, remedy="Download it by hand")
            digest.update(block)
            handle.write(block)
    if digest.hexdigest() != checksum:
        raise BadFileError(
            f"the SHA-256 is {digest.hexdigest()}, not {checksum}",
            where=url,
            remedy="The publisher changed the file, or it was damaged on the way; nothing was kept",
        )


def unpack(path: Path, folder: Path, *, max_bytes: int = MAX_BYTES, nested: bool = True) -> None:
    """Unpack a zip archive into ``folder``, and the archives directly in it.

    Raises:
        BadFileError: It is not an archive, claims more than ``max_bytes``, or names a place outside ``folder``.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check(members, path, folder, max_bytes)
            archive.extractall(folder)
    except zipfile.BadZipFile as error:
        raise BadFileError(f"not a zip archive ({error})", where=str(path), remedy="Download it again") from None
    for member in members:
        # Only archives at the top: deeper ones are part of a publisher's layout.
        if nested and member.filename.endswith(".zip") and "/" not in member.filename:
            unpack(folder / member.filename, folder, max_bytes=max_bytes, nested=False)


def _check(members: list[zipfile.ZipInfo], path: Path, folder: Path, max_bytes: int) -> None:
    total = sum(m.file_size for m in members)
    if total > 4 * max_bytes:
        raise BadFileError(f"claims {total} bytes unpacked", where=str(path))
    root = folder.resolve()
    for member in members:
        if not (root / member.filename).resolve().is_relative_to(root):
            raise BadFileError(f"{member.filename!r} would land outside {folder}", where=str(path))
