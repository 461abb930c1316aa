"""Reading publishers' text tables and MATLAB files: fast, and with one clear error."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv

from kinelet.errors import BadFileError

Kinds = Mapping[str, str]
"""Column -> ``float32``, ``float64``, ``int64``, ``string``, or ``word``: a number for each distinct string."""
_TYPES = {"float32": pa.float32(), "float64": pa.float64(), "int64": pa.int64()}
_MAX_MAT_BYTES = 512 << 20


@dataclass(frozen=True)
class Table:
    """Columns by name, how many malformed rows were left out, and what the numbers of ``word`` columns stand for."""

    columns: dict[str, npt.NDArray[Any]]
    skipped: int = 0
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def stack(self, *names: str) -> npt.NDArray[Any]:
        """Columns side by side, shape ``(row, len(names))``."""
        return np.stack([self.columns[n] for n in names], axis=1)

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.columns[name]


def read_csv(
    source: Path | bytes,
    kinds: Kinds,
    *,
    where: str = "",
    names: Sequence[str] = (),
    delimiter: str = ",",
    skip_rows: int = 0,
    skip_malformed: bool = False,
) -> Table:
    """Read some columns of a delimited text table.

    Args:
        source: File, or its bytes.
        kinds: Columns to read and their types; an empty or ``NaN`` number is NaN.
        where: Name for messages; default the file's path.
        names: Column names where the table has no header.
        delimiter: What separates the fields.
        skip_rows: Lines before the header or the first row.
        skip_malformed: Leave out rows with a wrong number of fields and count them, instead of refusing the file.

    Raises:
        BadFileError: The file is empty, malformed or lacks a column.
    """
    where = where or str(source if isinstance(source, Path) else "table")
    bad = [0]

    def on_bad(_: Any) -> str:
        bad[0] += 1
        return "skip"

    try:
        table = pacsv.read_csv(
            io.BytesIO(source) if isinstance(source, bytes) else str(source),
            read_options=pacsv.ReadOptions(column_names=list(names) or None, skip_rows=skip_rows, use_threads=False),
            parse_options=pacsv.ParseOptions(
                delimiter=delimiter, invalid_row_handler=on_bad if skip_malformed else None
            ),
            convert_options=pacsv.ConvertOptions(
                include_columns=list(kinds), column_types={n: _type(k) for n, k in kinds.items()}
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError, KeyError, OSError) as error:
        raise BadFileError(str(error).splitlines()[0], where=where, remedy="Download the file again") from None
    coded = {n: _coded(table[n]) for n, kind in kinds.items() if kind in ("string", "word")}
    columns = {n: _numpy(table[n], kind, f"{where}, column {n}") for n, kind in kinds.items() if n not in coded}
    for name, (codes, words) in coded.items():
        columns[name] = codes if kinds[name] == "word" else np.array(words, dtype=object)[codes]
    return Table(columns, bad[0], {n: words for n, (_, words) in coded.items()})


def read_spaced(path: Path, wanted: Mapping[str, int], width: int) -> Table:
    """Read numeric columns of a table whose fields are separated by blanks.

    Args:
        path: File.
        wanted: Name -> number of the column, from 0.
        width: How many columns the table has.

    Raises:
        BadFileError: The file is empty, malformed or of another width.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadFileError(str(error), where=str(path)) from None
    # Publishers mix one blank and several; the parser below knows one.
    if b"  " in data or b"\t" in data or b" \n" in data or b" \r" in data or b"\n " in data or data[:1] == b" ":
        data = re.sub(rb"(?m)^ +| +(?=\r?$)", b"", re.sub(rb"[ \t]+", b" ", data))
    names = [str(i) for i in range(width)]
    table = read_csv(data, {str(i): "float64" for i in wanted.values()}, where=str(path), names=names, delimiter=" ")
    return Table({name: table[str(i)] for name, i in wanted.items()})


def read_mat(path: Path) -> dict[str, Any]:
    """Read a MATLAB 5 file, structs as objects with attributes, single values unwrapped.

    Raises:
        BadFileError: The file is too large, truncated or not a MATLAB 5 file.
    """
    from scipy.io import loadmat

    if path.stat().st_size > _MAX_MAT_BYTES:
        raise BadFileError(f"{path.stat().st_size} bytes is more than a recording can be", where=str(path))
    try:
        loaded: dict[str, Any] = loadmat(path, squeeze_me=True, struct_as_record=False)
    except Exception as error:  # loadmat raises whatever its parser trips over
        raise BadFileError(
            f"not a readable MATLAB 5 file ({error})", where=str(path), remedy="Download the file again"
        ) from None
    return loaded


def _type(kind: str) -> Any:
    return _TYPES.get(kind, pa.dictionary(pa.int32(), pa.string()))


def _coded(column: Any) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
    """Number of each string, and the strings; a missing one is the empty string."""
    one = column.unify_dictionaries().combine_chunks()
    if isinstance(one, pa.ChunkedArray):  # combining keeps zero chunks as they are
        one = one.chunk(0) if one.num_chunks else pa.array([], pa.string()).dictionary_encode()
    words = (*one.dictionary.to_pylist(), "")
    return one.indices.fill_null(len(words) - 1).to_numpy(zero_copy_only=False).astype(np.int32), words


def _numpy(column: Any, kind: str, where: str) -> npt.NDArray[Any]:
    if kind == "int64" and column.null_count:
        raise BadFileError(f"{column.null_count} values are missing", where=where, remedy="Download the file again")
    return np.asarray(column.to_numpy())
