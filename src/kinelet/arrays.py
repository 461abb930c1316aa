"""Array files from elsewhere, looked at before anything is allocated for them."""

from __future__ import annotations

import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kinelet.errors import BadFileError

# Arrays written by numpy.savez are as large as the file; only compressed ones are larger.
MAX_RATIO = 64
ALWAYS_FINE = 1 << 26  # bytes
PLAIN = "biufUS"
# What the libraries raise on a broken file: encrypted or unknown members are RuntimeError and NotImplementedError, a
# header that no parser can take is any of the last five.
BROKEN = (
    *(OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, RuntimeError),
    *(LookupError, TypeError, MemoryError, SyntaxError, tokenize.TokenError),
)


def load_npz(path: Path, names: Sequence[str], *, remedy: str) -> dict[str, npt.NDArray[Any]]:
    """Some arrays of an NPZ file, without pickles, after comparing what each claims with what the file holds.

    Args:
        path: The file; other arrays in it are not read.
        names: Arrays that have to be there: numbers, truth values or text.
        remedy: How to write a right one.

    Raises:
        BadFileError: if one is missing, is not plain, claims more than its bytes hold, or together they unpack to more
            than 64 MiB and 64 times the file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            held = set(archive.namelist())
            missing = [name for name in names if f"{name}.npy" not in held]
            if missing:
                raise BadFileError(f"no array {', '.join(missing)}", where=str(path), remedy=remedy)
            members = [archive.getinfo(f"{name}.npy") for name in names]
            _check_size(members, path)
            return {name: _read(archive, m, path, remedy) for name, m in zip(names, members, strict=True)}
    except BROKEN as error:
        raise BadFileError(f"not readable ({_told(error)})", where=str(path), remedy=remedy) from None


def _check_size(members: Sequence[zipfile.ZipInfo], path: Path) -> None:
    size = path.stat().st_size
    packed, unpacked = (sum(getattr(m, key) for m in members) for key in ("compress_size", "file_size"))
    if packed > size or unpacked > max(ALWAYS_FINE, MAX_RATIO * size):
        raise BadFileError(
            f"claims {unpacked:,} bytes of arrays in a file of {size:,}",
            where=str(path),
            remedy="If that is right, write it uncompressed, with numpy.savez",
        )


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, remedy: str) -> npt.NDArray[Any]:
    """An array, once its shape and type fit the bytes that are there for them."""
    name = member.filename.removesuffix(".npy")
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)  # type: ignore[no-untyped-call]
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)  # type: ignore[no-untyped-call]
        rest = member.file_size - stream.tell()
    if dtype.kind not in PLAIN:
        raise BadFileError(f"{name} holds {dtype}, not numbers or text", where=str(path), remedy=remedy)
    # Elements of no width, or none of them in rows of any length, would take nothing and stand for everything.
    if dtype.itemsize < 1 or min(shape, default=1) < 1 or math.prod(shape) * dtype.itemsize != rest:
        raise BadFileError(f"{name} claims shape {shape} of {dtype} in {rest} bytes", where=str(path), remedy=remedy)
    with archive.open(member) as stream:
        found: npt.NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)  # type: ignore[no-untyped-call]
    return found


def _told(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
