"""CSV files, parsed by Arrow with the type of every column given: nothing depends on what the first rows hold."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from kinelet.errors import BadFileError
from kinelet.readers.card import CsvCard
from kinelet.readers.frame import Columns, require_columns

EMPTY = ["", "NA", "N/A", "#N/A", "NaN", "nan"]
REMEDY = "Check delimiter, decimal mark, header and units; rows need the same number of cells"


def read_csv(path: Path, options: CsvCard, types: Mapping[str, Any]) -> Columns:
    """Read some columns of a CSV file.

    Args:
        path: The file.
        options: How it is written.
        types: Arrow type of every column that is wanted.

    Raises:
        BadFileError: The file is empty, has no rows, or a row or cell cannot be parsed.
        BadOptionError: A wanted column is not there.
    """
    with _clear_errors(path):
        columns = _read(path, options, types)
    if columns.table.num_rows == 0:
        raise BadFileError("the table has no rows", where=str(path))
    return columns


def header_names(path: Path, options: CsvCard) -> list[str]:
    """Column names of a CSV file, without surrounding blanks."""
    with _clear_errors(path), _open(path, options) as source, pacsv.open_csv(source, *_options(options)) as reader:
        return [name.strip() for name in reader.schema.names]


@contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    if path.stat().st_size == 0:
        raise BadFileError("the file is empty", where=str(path))
    try:
        yield
    except (pa.ArrowException, UnicodeError, LookupError) as error:
        what = f"the CSV cannot be parsed ({' '.join(str(error).split())[:200]})"
        raise BadFileError(what, where=str(path), remedy=REMEDY) from error


def _read(path: Path, options: CsvCard, types: Mapping[str, Any]) -> Columns:
    with _open(path, options) as source, pacsv.open_csv(source, *_options(options)) as reader:
        names = list(reader.schema.names)
    stripped = [name.strip() for name in names]
    require_columns(types, stripped, str(path))
    repeated = [n for n, count in Counter(stripped).items() if count > 1 and n in types]
    if repeated:
        raise BadFileError(f"column {repeated[0]!r} is there twice", where=str(path), remedy="Rename one of them")
    wanted = {names[stripped.index(name)]: kind for name, kind in types.items()}
    read, parse = _options(options)
    convert = pacsv.ConvertOptions(
        decimal_point=options.decimal,
        null_values=EMPTY,
        strings_can_be_null=True,
        column_types=wanted,
        include_columns=list(wanted),
    )
    with _open(path, options) as source:
        table = pacsv.read_csv(source, read_options=read, parse_options=parse, convert_options=convert)
    return Columns(path, table.rename_columns(list(types)), {})


def _options(options: CsvCard) -> tuple[Any, Any]:
    read = pacsv.ReadOptions(
        skip_rows=options.skip_rows, column_names=options.names, encoding=options.encoding, use_threads=False
    )
    return read, pacsv.ParseOptions(delimiter=options.delimiter)


def _open(path: Path, options: CsvCard) -> Any:
    # Opened here and not by Arrow, which would unpack a compressed file of any size by its name.
    if options.comment is None:
        return path.open("rb")
    mark = options.comment.encode(options.encoding)
    with path.open("rb") as handle:
        return io.BytesIO(b"".join(line for line in handle if not line.startswith(mark)))
