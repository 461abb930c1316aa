"""What is known to be finished: one small record a source, written after all its recordings are on disk.

A build killed at any moment leaves finished records, recordings that no record names, and temporary files. The next
build takes the first and sweeps the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from kinelet.corpus.manifest import annotation_table
from kinelet.corpus.store import safe_name
from kinelet.files import atomic_write, write_text

RECORDINGS, SOURCES = "recordings", "sources"


@dataclass(frozen=True)
class Failure:
    """A source, or a recording of it, that could not be taken in, and why."""

    source: str
    recording: str | None
    reason: str


@dataclass(frozen=True)
class SourceRecord:
    """What came of one source.

    Attributes:
        key: The source.
        source_hash: Hash of its content.
        config_hash: Hash of the build configuration.
        rows: Manifest rows of its recordings.
        failures: What could not be taken in.
        annotations: Name of its annotation file, or ``None``.
    """

    key: str
    source_hash: str
    config_hash: str
    rows: Sequence[dict[str, Any]] = ()
    failures: Sequence[Failure] = ()
    annotations: str | None = None

    def matches(self, source_hash: str, config_hash: str) -> bool:
        """Whether the same content was taken in whole under the same configuration."""
        return (self.source_hash, self.config_hash) == (source_hash, config_hash) and not self.failures


def record_path(out: Path, key: str) -> Path:
    """File of a source's record."""
    return out / SOURCES / f"{safe_name(key)}.json"


def write_record(out: Path, record: SourceRecord, annotations: Sequence[dict[str, Any]] = ()) -> SourceRecord:
    """Write a record, its annotations first, so that the record is never there without them."""
    if annotations:
        name = f"{safe_name(record.key, record.source_hash + record.config_hash)}.annotations.parquet"
        with atomic_write(out / SOURCES / name) as temporary:
            pq.write_table(annotation_table(annotations), temporary)
        record = SourceRecord(**{**vars(record), "annotations": name})
    write_text(record_path(out, record.key), json.dumps(asdict(record), default=str))
    return record


def read_record(out: Path, key: str) -> SourceRecord | None:
    """Read a source's record; ``None`` if there is none that can be used."""
    return _load(record_path(out, key))


def _load(path: Path) -> SourceRecord | None:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return SourceRecord(**{**raw, "failures": tuple(Failure(**f) for f in raw["failures"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def all_records(out: Path) -> list[SourceRecord]:
    """All records of a corpus, in the order of their keys."""
    found = (_load(path) for path in (out / SOURCES).glob("*.json"))
    return sorted((r for r in found if r is not None), key=lambda r: r.key)


def sweep(out: Path, records: Iterable[SourceRecord]) -> None:
    """Remove temporary files and files that no record names."""
    records = list(records)
    named = {row["file"] for r in records for row in r.rows}
    notes = {r.annotations for r in records} | {record_path(out, r.key).name for r in records}
    for folder, keep in ((out / RECORDINGS, named), (out / SOURCES, notes)):
        for path in folder.iterdir():
            if path.name not in keep:
                path.unlink(missing_ok=True)
    sweep_temporary(out)


def sweep_temporary(out: Path) -> None:
    """Remove what a killed build left half written in the corpus's own folder."""
    for path in out.glob(".*.tmp"):
        path.unlink(missing_ok=True)
