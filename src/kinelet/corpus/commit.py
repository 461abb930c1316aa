"""The last step of a build: from finished records to the tables that a corpus is opened by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kinelet.corpus.manifest import ANNOTATION_SCHEMA, read_tables, write_tables
from kinelet.corpus.orphans import orphans
from kinelet.corpus.records import (
    RECORDINGS,
    SOURCES,
    Failure,
    SourceRecord,
    all_records,
    record_path,
    sweep,
    sweep_temporary,
)
from kinelet.corpus.store import FORMAT
from kinelet.corpus.summary import BuildSummary
from kinelet.corpus.work import Outcome
from kinelet.errors import BadFileError
from kinelet.files import write_text

CORPUS, FAILED = "corpus.json", "failed.jsonl"


def commit(out: Path, listed: set[str], outcomes: Sequence[Outcome], *, prune: bool, seconds: float) -> BuildSummary:
    """Write the tables if anything changed, and ``corpus.json`` last; then remove what nothing refers to.

    Raises:
        BadFileError: if two recordings have the same id.
    """
    records = all_records(out)
    gone = [r for r in records if prune and r.key not in listed]
    for record in gone:
        record_path(out, record.key).unlink()
    records = [r for r in records if r not in gone]
    rows = sorted((row for r in records for row in r.rows), key=lambda row: str(row["id"]))
    _check_unique(records)
    failures = tuple(f for r in records for f in r.failures)
    wrote = _write(out, records, rows, failures)
    sweep(out, records)
    return BuildSummary(
        built=sum(o.status == "built" or (o.status == "failed" and o.recordings > 0) for o in outcomes),
        unchanged=sum(o.status == "unchanged" for o in outcomes),
        failures=failures,
        removed=len(gone),
        kept=sum(r.key not in listed for r in records),
        recordings=len(rows),
        subjects=len({row["subject"] for row in rows}),
        hours=sum(row["n_samples"] / row["rate_hz"] for row in rows if row["stream"] is None) / 3600,
        stored_bytes=sum((out / RECORDINGS / row["file"]).stat().st_size for row in rows),
        seconds=seconds,
        wrote=wrote,
        orphans=orphans(out, [row["id"] for row in rows]),
    )


def _check_unique(records: Sequence[SourceRecord]) -> None:
    seen: dict[str, str] = {}
    for record in records:
        for row in record.rows:
            if row["id"] in seen:
                raise BadFileError(
                    f"recording id {row['id']!r} comes from {seen[row['id']]!r} and from {record.key!r}",
                    where="corpus build",
                    remedy="Rename one of the files, or remove one",
                )
            seen[row["id"]] = record.key


def _write(
    out: Path, records: Sequence[SourceRecord], rows: Sequence[dict[str, Any]], failures: Sequence[Failure]
) -> bool:
    content = [(row["id"], row["source_hash"], row["config_hash"], row["file"]) for row in rows]
    build_id = hashlib.sha256(json.dumps([content, [asdict(f) for f in failures]]).encode()).hexdigest()
    if _is_current(out, build_id):
        return False
    write_tables(out, rows, _annotations(out, records), build_id)
    write_text(out / FAILED, "".join(json.dumps(asdict(f)) + "\n" for f in failures))
    head = {"format": FORMAT, "build": build_id, "recordings": len(rows)}
    write_text(out / CORPUS, json.dumps(head, indent=1) + "\n")
    sweep_temporary(out)
    return True


def _is_current(out: Path, build_id: str) -> bool:
    try:
        head = json.loads((out / CORPUS).read_text(encoding="utf-8"))
        read_tables(out, build_id)
    except (OSError, ValueError, BadFileError):
        return False
    return bool(head.get("build") == build_id and head.get("format") == FORMAT)


def _annotations(out: Path, records: Sequence[SourceRecord]) -> Any:
    parts = [pq.read_table(out / SOURCES / r.annotations) for r in records if r.annotations]
    if not parts:
        return ANNOTATION_SCHEMA.empty_table()
    return pa.concat_tables(parts).sort_by([("recording", "ascending"), ("start_s", "ascending")])
