"""Reading members of a zip archive from an untrusted source in bounded memory."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO

from kinelet.errors import BadFileError

MAX_RATIO = 200
"""Largest believable compression of sensor data; a zip bomb has a thousand."""
MAX_BYTES = 8 << 30
SLACK = 1 << 20
CHUNK = 1 << 20
# What zipfile raises on damaged archives besides BadZipFile, by experience with mutated files.
DAMAGE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    KeyError,
    IndexError,
    ValueError,
    OverflowError,
    RuntimeError,
    NotImplementedError,
    OSError,
)


def read_members(path: Path, names: tuple[str, ...], what: str) -> tuple[dict[str, bytes], dict[str, str]]:
    """Bytes of the named members that the archive has.

    Args:
        path: The archive.
        names: Members wanted, in lower case; the archive's own case and folders do not matter.
        what: Kind of file, for messages.

    Returns:
        Name to bytes, and name to what is wrong where a member could be read only in part.

    Raises:
        BadFileError: if it is no zip archive, or a member claims to be larger than it can be.
    """
    data: dict[str, bytes] = {}
    damage: dict[str, str] = {}
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            found = {info.filename.rsplit("/", 1)[-1].lower(): info for info in archive.infolist()}
            for name in names:
                if name in found:
                    _check(found[name], path)
                    data[name], wrong = _read(file, found[name])
                    if wrong:
                        damage[name] = wrong
    except DAMAGE as error:
        raise BadFileError(
            f"not {what}: a zip archive is expected ({type(error).__name__}: {error})",
            where=str(path),
            remedy="The file is truncated or of another format; copy it again or name its format",
        ) from error
    return data, damage


def _check(info: zipfile.ZipInfo, path: Path) -> None:
    limit = min(MAX_BYTES, MAX_RATIO * path.stat().st_size + SLACK)
    if info.file_size > limit:
        raise BadFileError(
            f"its {info.filename} claims {info.file_size:,} bytes, more than a file of this size can hold",
            where=str(path),
            remedy="The archive is corrupt or made to exhaust the memory",
        )
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
        raise BadFileError(f"its {info.filename} is encrypted or compressed in an unknown way", where=str(path))


def _read(archive: IO[bytes], info: zipfile.ZipInfo) -> tuple[bytes, str]:
    """All bytes up to the declared size or the first damage, and what that was.

    The member is unpacked here and not by ``zipfile``, which gives no bytes of a part whose check sum is wrong.
    """
    archive.seek(info.header_offset)
    head = archive.read(30)
    if len(head) < 30 or head[:4] != b"PK\x03\x04":
        return b"", f"{info.filename} is not where the archive's directory says"
    name, extra = struct.unpack("<HH", head[26:30])
    archive.seek(name + extra, 1)
    unpacker = zlib.decompressobj(-15) if info.compress_type == zipfile.ZIP_DEFLATED else None
    parts: list[bytes] = []
    packed, room, crc = info.compress_size, info.file_size, 0
    try:
        while packed > 0 and room > 0 and (chunk := archive.read(min(CHUNK, packed))):
            packed -= len(chunk)
            part = unpacker.decompress(chunk, room) if unpacker else chunk[:room]
            room -= len(part)
            crc = zlib.crc32(part, crc)
            parts.append(part)
    except zlib.error as error:
        return b"".join(parts), f"{info.filename} is damaged ({error})"
    if room:
        return b"".join(parts), f"{info.filename} is {room} bytes short"
    return b"".join(parts), "" if crc == info.CRC else f"{info.filename} is damaged (wrong check sum)"
