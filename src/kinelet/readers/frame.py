"""Columns of a file as an Arrow table, decoded one by one on demand."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kinelet.errors import BadFileError, BadOptionError
from kinelet.readers.card import Scalar

Codes = tuple[npt.NDArray[np.int32], tuple[str, ...]]
"""Code per row, -1 where the cell is empty, and the text of every code."""


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


def require_columns(wanted: Iterable[str], present: Iterable[str], where: str) -> None:
    """Raise unless all wanted columns are there, naming the nearest ones that are."""
    have = list(present)
    for name in wanted:
        if name not in have:
            near = difflib.get_close_matches(name, have, n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise BadOptionError(f"no column {name!r}", where=where, remedy=f"{hint}Columns there: {_some(have)}")


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
