"""Columns of a CSV, Parquet or NPZ file as one Arrow table, with the checks that keep a bad file from doing harm."""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from kinelet.errors import BadFileError, BadOptionError
from kinelet.readers.card import TableCard
from kinelet.readers.csvfile import read_csv
from kinelet.readers.frame import Columns, require_columns

ITEM = "_item"  # which entry of the first axis an NPZ row comes from
# Run-length coding packs constant columns very tightly, but never real motion: beyond this the header lies.
MAX_ROWS_PER_BYTE = 64
# What the libraries raise on a broken file: encrypted or unknown zip members are RuntimeError and NotImplementedError.
BROKEN = (pa.ArrowException, zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError, KeyError)


def load_columns(path: Path, card: TableCard) -> Columns:
    """Read the columns that a card names.

    Raises:
        BadFileError: The file is missing, empty, broken, or claims more than it can hold.
        BadOptionError: The card names a column that the file has not.
    """
    if not path.is_file():
        raise BadFileError("no such file", where=str(path), remedy="Give the path of a CSV, Parquet or NPZ table")
    if path.stat().st_size == 0:
        raise BadFileError("the file is empty", where=str(path))
    loaders = {"csv": _csv, "parquet": _parquet, "npz": _npz}
    try:
        columns = loaders[card.format or table_format(path)](path, card)
    except BROKEN as error:
        raise BadFileError(f"cannot be read ({' '.join(str(error).split())[:300]})", where=str(path)) from error
    if columns.table.num_rows == 0:
        raise BadFileError("the table has no rows", where=str(path))
    return columns.where(card.where)


def table_format(path: Path) -> str:
    """Format of a table: from its first bytes, otherwise CSV."""
    with path.open("rb") as handle:
        head = handle.read(4)
    return {b"PAR1": "parquet", b"PK\x03\x04": "npz"}.get(head, "csv")


def _parquet(path: Path, card: TableCard) -> Columns:
    file = pq.ParquetFile(path)
    if file.metadata.num_rows > MAX_ROWS_PER_BYTE * path.stat().st_size:
        raise BadFileError(f"claims {file.metadata.num_rows} rows in {path.stat().st_size} bytes", where=str(path))
    schema = file.schema_arrow
    require_columns(card.columns(), schema.names, str(path))
    scales = json.loads((schema.metadata or {}).get(b"scales", b"{}"))
    if not isinstance(scales, dict) or not all(isinstance(v, int | float) for v in scales.values()):
        raise BadFileError("schema metadata 'scales' is not a JSON mapping of numbers", where=str(path))
    return Columns(path, file.read(columns=list(card.columns())), scales)


def _csv(path: Path, card: TableCard) -> Columns:
    types = {column: pa.string() for column in card.columns()}
    values = (label.column for label in card.labels if label.kind == "value")
    types |= {column: pa.float64() for column in (*card.channels, *values)}
    if card.time is not None and card.csv.decimal == "," and card.time.unit != "iso8601":
        types[card.time.column] = pa.float64()
    return read_csv(path, card.csv, types)


def _npz(path: Path, card: TableCard) -> Columns:
    wanted = {name: re.fullmatch(r"(.+?)(?:\[(\d+)\])?", name) for name in card.columns() if name != ITEM}
    with zipfile.ZipFile(path) as archive:
        _check_sizes(archive, path)
    with np.load(path, allow_pickle=False) as arrays:
        present = [f"{k}[0..{arrays[k].shape[-1] - 1}]" if arrays[k].ndim == 3 else k for k in arrays.files]
        cut: dict[str, npt.NDArray[Any]] = {}
        for name, match in wanted.items():
            key, index = (match.group(1), match.group(2)) if match else (name, None)
            if key not in arrays.files:
                require_columns([name], present, str(path))
            cut[name] = _entry(arrays[key], index, name, path)
    return Columns(path, _flat_table(cut, card, path), {})


def _check_sizes(archive: zipfile.ZipFile, path: Path) -> None:
    """Compare every array's claimed size with the bytes that its archive member holds, before anything is allocated."""
    for info in archive.infolist():
        if info.file_size > 1100 * max(info.compress_size, 1):  # deflate cannot do better than 1032
            raise BadFileError(
                f"{info.filename} claims {info.file_size} bytes from {info.compress_size}", where=str(path)
            )
        with archive.open(info) as member:
            version = np.lib.format.read_magic(member)  # type: ignore[no-untyped-call]
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(member)  # type: ignore[no-untyped-call]
        if dtype.hasobject:
            raise BadFileError(f"{info.filename} holds pickled objects", where=str(path), remedy="Save plain arrays")
        if int(np.prod([int(n) for n in shape], dtype=object)) * dtype.itemsize > info.file_size:
            raise BadFileError(f"{info.filename} claims shape {shape} in {info.file_size} bytes", where=str(path))


def _entry(array: npt.NDArray[Any], index: str | None, name: str, path: Path) -> npt.NDArray[Any]:
    if index is None:
        return array
    if array.ndim < 2 or int(index) >= array.shape[-1]:
        raise BadOptionError(
            f"{name!r}: the array has shape {array.shape}", where=str(path), remedy="Index its last axis"
        )
    return np.asarray(array[..., int(index)])


def _flat_table(cut: Mapping[str, npt.NDArray[Any]], card: TableCard, path: Path) -> Any:
    """Lay arrays of shape (item, time) or (time,) out as columns; arrays of shape (item,) are repeated over time."""
    first = next(iter(card.channels))
    shape = cut[first].shape
    if len(shape) not in (1, 2):
        remedy = "Channels have shape (time,) or (item, time); pick an entry of the last axis with NAME[0]"
        raise BadOptionError(f"{first!r} has shape {shape}", where=str(path), remedy=remedy)
    flat: dict[str, npt.NDArray[Any]] = {}
    for name, array in cut.items():
        if array.shape == shape:
            flat[name] = array.reshape(-1)
        elif len(shape) == 2 and array.shape == shape[:1]:
            flat[name] = np.repeat(array, shape[1])
        else:
            raise BadOptionError(f"{name!r} has shape {array.shape}, {first!r} has {shape}", where=str(path))
    if len(shape) == 2:
        flat[ITEM] = np.repeat(np.arange(shape[0]), shape[1])
    return pa.table(flat)
