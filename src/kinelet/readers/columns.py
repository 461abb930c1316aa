"""Columns of a CSV, Parquet or NPZ file as one Arrow table, with the checks that keep a bad file from doing harm."""

from __future__ import annotations

import difflib
import io
import json
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from kinelet.errors import BadFileError, BadOptionError
from kinelet.readers.card import CsvCard, Scalar, TableCard

Codes = tuple[npt.NDArray[np.int32], tuple[str, ...]]
ITEM = "_item"  # which entry of the first axis an NPZ row comes from
# Run-length coding packs constant columns very tightly, but never real motion: beyond this the header lies.
MAX_ROWS_PER_BYTE = 64


@dataclass(frozen=True)
class Columns:
    """Columns of one file.

    Attributes:
        path: The file.
        table: The rows that are used.
        scales: Factor per column from the Parquet schema metadata.
        rows: Row number in the file of every row of ``table``, or ``None`` where all are used.
    """

    path: Path
    table: Any
    scales: Mapping[str, float]
    rows: npt.NDArray[np.int64] | None = None

    def row(self, index: int) -> int:
        """Row number in the file, from 0, of a row of ``table``."""
        return int(index if self.rows is None else self.rows[index])

    def numbers(self, name: str) -> npt.NDArray[Any]:
        """A numeric column; float with NaN where cells are empty."""
        column = self.table.column(name)
        if pa.types.is_boolean(column.type):
            column = pc.cast(column, pa.int8())
        if pa.types.is_null(column.type):
            return np.full(len(column), np.nan)
        if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            raise self._not_a_number(name, column)
        return np.asarray(column.to_numpy())

    def codes(self, name: str) -> Codes:
        """A column as codes into its distinct values (as text), -1 where the cell is empty."""
        column = self.table.column(name)
        if pa.types.is_dictionary(column.type):
            column = column.unify_dictionaries()
        chunk = column.combine_chunks()
        chunk = chunk.chunk(0) if isinstance(chunk, pa.ChunkedArray) else chunk
        coded = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
        values = tuple("" if v is None else str(v) for v in coded.dictionary.to_pylist())
        return coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32), values

    def where(self, conditions: Mapping[str, Scalar | tuple[Scalar, ...]]) -> Columns:
        """Keep the rows whose columns have one of the wanted values (compared as text)."""
        keep = np.ones(self.table.num_rows, dtype=bool)
        for name, wanted in conditions.items():
            codes, values = self.codes(name)
            texts = {str(w) for w in (wanted if isinstance(wanted, tuple) else (wanted,))}
            found = [i for i, v in enumerate(values) if v in texts]
            if not found:
                remedy = f"Values there: {_some(values)}"
                raise BadOptionError(
                    f"no row has {name} = {' or '.join(sorted(texts))}", where=str(self.path), remedy=remedy
                )
            keep &= np.isin(codes, found)
        if keep.all():
            return self
        if not keep.any():
            raise BadOptionError("no row meets all conditions of `where`", where=str(self.path))
        rows = np.flatnonzero(keep)
        return Columns(self.path, self.table.filter(pa.array(keep)), self.scales, rows)

    def _not_a_number(self, name: str, column: Any) -> BadFileError:
        for index, value in enumerate(column.to_pylist()):
            if value is not None and not _is_number(str(value)):
                what = f"column {name!r} is not numeric: row {self.row(index)} holds {str(value)[:40]!r}"
                return BadFileError(
                    what, where=str(self.path), remedy="Check delimiter, decimal mark and header in the card"
                )
        return BadFileError(f"column {name!r} holds {column.type}, not numbers", where=str(self.path))


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
    except (pa.ArrowException, zipfile.BadZipFile, OSError, UnicodeError, ValueError) as error:
        raise BadFileError(f"cannot be read ({' '.join(str(error).split())[:300]})", where=str(path)) from error
    if columns.table.num_rows == 0:
        raise BadFileError("the table has no rows", where=str(path))
    return columns.where(card.where)


def table_format(path: Path) -> str:
    """Format of a table: from its first bytes, otherwise CSV."""
    with path.open("rb") as handle:
        head = handle.read(4)
    return {b"PAR1": "parquet", b"PK\x03\x04": "npz"}.get(head, "csv")


def require_columns(wanted: Iterable[str], present: Iterable[str], where: str) -> None:
    """Raise unless all wanted columns are there, naming the nearest ones that are."""
    have = list(present)
    for name in wanted:
        if name not in have:
            near = difflib.get_close_matches(name, have, n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise BadOptionError(f"no column {name!r}", where=where, remedy=f"{hint}Columns there: {_some(have)}")


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
    options = card.csv
    convert = pacsv.ConvertOptions(
        decimal_point=options.decimal, strings_can_be_null=True, include_columns=None, timestamp_parsers=[]
    )
    # The header is looked at alone first, so that a misspelt column gets its own message and the rest is not parsed.
    source = _without_comments(path, options)
    read = pacsv.ReadOptions(
        skip_rows=options.skip_rows, column_names=options.names, encoding=options.encoding, use_threads=False
    )
    parse = pacsv.ParseOptions(delimiter=options.delimiter)
    table = pacsv.read_csv(source, read_options=read, parse_options=parse, convert_options=convert)
    table = table.rename_columns([name.strip() for name in table.column_names])
    require_columns(card.columns(), table.column_names, str(path))
    return Columns(path, table.select(list(card.columns())), {})


def _without_comments(path: Path, options: CsvCard) -> Any:
    if options.comment is None:
        return path
    mark = options.comment.encode(options.encoding)
    with path.open("rb") as handle:
        return io.BytesIO(b"".join(line for line in handle if not line.startswith(mark)))


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


def _some(values: Iterable[str], limit: int = 20) -> str:
    listed = list(values)
    more = f", … ({len(listed)} in all)" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
