"""All readers by name, and the choice among them by what a file holds."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinelet.errors import BadFileError, BadOptionError
from kinelet.readers import sniff

if TYPE_CHECKING:
    from kinelet.signal.recording import Recording

HEAD_BYTES = 4096


@dataclass(frozen=True)
class Reader:
    """One format.

    Attributes:
        name: Name for ``format=``.
        title: What the format is, in words.
        extensions: Endings of its files, lower case with the dot.
        sniff: Whether a path with these first bytes (none for a folder) is of this format beyond doubt.
        target: ``module:function`` below ``kinelet.readers``; imported on use, since readers pull in heavy packages.
    """

    name: str
    title: str
    extensions: tuple[str, ...]
    sniff: Callable[[Path, bytes], bool]
    target: str

    def load(self) -> Callable[..., Recording]:
        """Import and return the reader's function."""
        module, function = self.target.split(":")
        found: Callable[..., Recording] = getattr(importlib.import_module(f"kinelet.readers.{module}"), function)
        return found

    def options(self) -> tuple[str, ...]:
        """Names of the options that the reader's function takes."""
        return tuple(inspect.signature(self.load()).parameters)[1:]


READERS: dict[str, Reader] = {
    r.name: r
    for r in (
        Reader("cwa", "Axivity AX3/AX6 .cwa", (".cwa",), sniff.is_cwa, "axivity:read_cwa"),
        Reader("geneactiv", "GENEActiv .bin", (".bin",), sniff.is_geneactiv, "geneactiv:read_geneactiv"),
        Reader("gt3x", "ActiGraph .gt3x", (".gt3x",), sniff.is_gt3x, "gt3x:read_gt3x"),
        Reader("actigraph_csv", "ActiGraph raw CSV", (), sniff.is_actigraph_csv, "actigraph_csv:read_actigraph_csv"),
        Reader("empatica_e4", "Empatica E4 folder", (), sniff.is_e4, "empatica:read_e4"),
        Reader("apple", "Apple Watch or iPhone CSV export", (), sniff.is_apple, "apple:read_apple"),
        Reader(
            "table",
            "CSV, Parquet or NPZ table with a card",
            (".csv", ".parquet", ".npz"),
            sniff.is_table,
            "table:read_table",
        ),
    )
}


def read(path: str | Path, *, format: str | None = None, card: Any = None, **options: Any) -> Recording:
    """Read one recording; the format is found from the file's content, then from its extension.

    Args:
        path: File, or folder for formats that are folders.
        format: Name of a reader in :data:`READERS`; found where it is not given.
        card: What the columns of a table mean; a path of a YAML file, a mapping or a ``TableCard``.
        **options: Options of the reader, for example ``subject``.

    Returns:
        Recording with data of shape ``(time, channel)``, accelerations in g and angular rates in rad/s.

    Raises:
        BadFileError: The file cannot be used.
        BadOptionError: The format or an option is unknown, or a table came without a card.
    """
    reader, warnings, options = _prepare(Path(path), format, card, options)
    rec = reader.load()(path, **options)
    return rec.replace(warnings=(*warnings, *rec.warnings)) if warnings else rec


def read_many(path: str | Path, *, format: str | None = None, card: Any = None, **options: Any) -> Iterator[Recording]:
    """Yield every recording of a file: all those of a table, the one of any other format.

    Args and errors are those of :func:`read`.
    """
    reader, warnings, options = _prepare(Path(path), format, card, options)
    if reader.name != "table" or "recording" in options:
        rec = reader.load()(path, **options)
        yield rec.replace(warnings=(*warnings, *rec.warnings))
        return
    from kinelet.readers.table import read_table_all

    for rec in read_table_all(path, **options):
        yield rec.replace(warnings=(*warnings, *rec.warnings)) if warnings else rec
        warnings = ()


def list_readers() -> tuple[str, ...]:
    """Names of all readers, for ``format=``."""
    return tuple(READERS)


def find_reader(path: Path, *, format: str | None = None) -> tuple[Reader, tuple[str, ...]]:
    """Choose the reader of a file; returns it with warnings about a misleading extension.

    Raises:
        BadFileError: The file is missing, empty or of no known format.
        BadOptionError: ``format`` is not the name of a reader.
    """
    if not path.exists():
        raise BadFileError("no such file or folder", where=str(path), remedy="Check the path")
    if format is not None:
        return _named(format), ()
    head = b"" if path.is_dir() else _head(path)
    by_content = next((r for r in READERS.values() if r.sniff(path, head)), None)
    by_extension = [r for r in READERS.values() if path.suffix.lower() in r.extensions]
    if by_content is not None:
        return by_content, _misnamed(path, by_content, by_extension)
    if by_extension and not path.is_dir():
        return by_extension[0], ()
    sniff.refuse_known_strangers(path, head)
    raise BadFileError("not a recording of a known format", where=str(path), remedy=f"Known: {_known()}; or a card")


def _prepare(
    path: Path, format: str | None, card: Any, options: dict[str, Any]
) -> tuple[Reader, tuple[str, ...], dict[str, Any]]:
    reader, warnings = find_reader(path, format="table" if card is not None and format is None else format)
    if reader.name == "table":
        if card is None:
            remedy = "Give a YAML file that says what the columns are: --card FILE, or card= in Python"
            raise BadOptionError("a table needs a card", where=str(path), remedy=remedy)
        options = {**options, "card": card}
    elif card is not None:
        raise BadOptionError(f"a card does not go with format {reader.name!r}", where=str(path))
    if unknown := sorted(set(options) - set(reader.options())):
        remedy = f"It takes: {', '.join(reader.options())}"
        raise BadOptionError(f"{reader.name} has no option {', '.join(unknown)}", where=str(path), remedy=remedy)
    return reader, warnings, options


def _named(name: str) -> Reader:
    if name not in READERS:
        raise BadOptionError(f"no format {name!r}", where="format", remedy=f"Known: {', '.join(READERS)}")
    return READERS[name]


def _head(path: Path) -> bytes:
    with path.open("rb") as handle:
        head = handle.read(HEAD_BYTES)
    if not head:
        raise BadFileError("the file is empty", where=str(path), remedy="Copy it from the device again")
    return head


def _misnamed(path: Path, chosen: Reader, by_extension: list[Reader]) -> tuple[str, ...]:
    plain_text = not chosen.extensions and path.suffix.lower() in ("", ".csv", ".txt")
    if path.is_dir() or plain_text or chosen in by_extension:
        return ()
    return (f"the extension is {path.suffix or 'missing'!r}, but the content is {chosen.title}: read as that",)


def _known() -> str:
    return ", ".join(r.title for r in READERS.values())
