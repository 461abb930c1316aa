"""The two tables of a corpus: one row a recording, one row an annotation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kinelet.errors import BadFileError
from kinelet.files import atomic_write
from kinelet.signal.recording import Annotation, Recording, Segment
from kinelet.signal.spec import SignalSpec

MANIFEST, ANNOTATIONS = "manifest.parquet", "annotations.parquet"
NARRATIONS = "narrations.parquet"  # attached later, see kinelet.corpus.narrations; no build touches it
_BUILD = b"kinelet_build"

_TEXTS = pa.list_(pa.string())
MANIFEST_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("file", pa.string()),
        ("subject", pa.string()),
        ("name", pa.string()),
        ("dataset", pa.string()),
        ("stream", pa.string()),
        ("site", pa.string()),
        ("rate_hz", pa.float64()),
        ("channels", _TEXTS),
        ("units", _TEXTS),
        ("gravity", pa.bool_()),
        ("n_samples", pa.int64()),
        ("segments", pa.list_(pa.struct([("start", pa.int64()), ("stop", pa.int64()), ("time_s", pa.float64())]))),
        ("gaps", pa.list_(pa.struct([("start_s", pa.float64()), ("stop_s", pa.float64()), ("reason", pa.string())]))),
        ("start_unix_s", pa.float64()),
        ("scale", pa.list_(pa.float64())),
        ("step", pa.list_(pa.float64())),
        ("scale_kind", _TEXTS),
        ("sample_type", pa.string()),
        ("source", pa.string()),
        ("source_hash", pa.string()),
        ("config_hash", pa.string()),
        ("quality", pa.string()),
        ("warnings", _TEXTS),
        ("meta", pa.string()),
    ]
)
ANNOTATION_SCHEMA = pa.schema(
    [
        ("recording", pa.string()),
        ("start_s", pa.float64()),
        ("stop_s", pa.float64()),
        ("label", pa.string()),
        ("value", pa.float64()),
        ("track", pa.string()),
    ]
)


@dataclass(frozen=True)
class RecordingInfo:
    """One manifest row: what is known about a recording without opening its samples.

    Attributes:
        id: Unique within the corpus.
        subject: Who wore the sensor, with the data set's name before it where there is one.
        spec: What the samples are.
        n_samples: Samples per channel.
        segments: Runs without gaps.
        start_unix_s: Time of the first sample, or ``None``.
        dataset: Public data set it came from, or ``None``.
        file: Where the samples are.
        scale: What turns stored integers into the channel's unit.
        row: The whole row of the manifest.
    """

    id: str
    subject: str
    spec: SignalSpec
    n_samples: int
    segments: tuple[Segment, ...]
    start_unix_s: float | None
    dataset: str | None
    file: Path
    scale: tuple[float, ...]
    row: Mapping[str, Any]

    @property
    def site(self) -> str | None:
        """Body site."""
        return self.spec.site

    @property
    def stream(self) -> str | None:
        """Name of the side stream this is, or ``None`` for a recording proper."""
        return self.row["stream"] or None

    @property
    def duration_s(self) -> float:
        """Seconds covered by samples."""
        return self.n_samples / self.spec.rate_hz

    @property
    def meta(self) -> dict[str, Any]:
        """Facts that the reader recorded, and choices made while building."""
        return dict(json.loads(self.row["meta"] or "{}"))

    @cached_property
    def quality(self) -> dict[str, Any]:
        """Quality figures measured while building; empty if none were."""
        return dict(json.loads(self.row["quality"] or "{}"))


def info_from_row(row: Mapping[str, Any], folder: Path) -> RecordingInfo:
    """Turn a manifest row into a :class:`RecordingInfo`."""
    spec = SignalSpec(
        rate_hz=row["rate_hz"],
        channels=tuple(row["channels"]),
        units=tuple(row["units"]),
        site=row["site"],
        gravity=row["gravity"],
    )
    return RecordingInfo(
        id=row["id"],
        subject=row["subject"],
        spec=spec,
        n_samples=row["n_samples"],
        segments=tuple(Segment(s["start"], s["stop"], s["time_s"]) for s in row["segments"]),
        start_unix_s=row["start_unix_s"],
        dataset=row["dataset"],
        file=folder / row["file"],
        scale=tuple(row["scale"]),
        row=row,
    )


def annotation_rows(rec: Recording, identity: str) -> list[dict[str, Any]]:
    """Rows of the annotation table for a recording."""
    return [
        {
            "recording": identity,
            "start_s": float(a.start_s),
            "stop_s": float(a.stop_s),
            "label": a.label,
            "value": a.value,
            "track": a.track,
        }
        for a in rec.annotations
    ]


def annotation_table(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Rows to an Arrow table."""
    return pa.Table.from_pylist([dict(r) for r in rows], schema=ANNOTATION_SCHEMA)


def annotations_of(table: Any) -> tuple[Annotation, ...]:
    """Rows of an annotation table as objects."""
    return tuple(
        Annotation(r["start_s"], r["stop_s"], label=r["label"], value=r["value"], track=r["track"])
        for r in table.to_pylist()
    )


def write_tables(folder: Path, rows: Iterable[Mapping[str, Any]], annotations: Any, build_id: str) -> None:
    """Write manifest and annotations, both stamped with the build they belong to."""
    stamp = {_BUILD: build_id.encode()}
    table = pa.Table.from_pylist([{k: r.get(k) for k in MANIFEST_SCHEMA.names} for r in rows], schema=MANIFEST_SCHEMA)
    for name, part in ((ANNOTATIONS, annotations), (MANIFEST, table)):
        with atomic_write(folder / name) as temporary:
            pq.write_table(part.replace_schema_metadata(stamp), temporary)


def read_tables(folder: Path, build_id: str) -> tuple[list[dict[str, Any]], Any]:
    """Read manifest rows and the annotation table of one and the same build.

    Raises:
        BadFileError: if a table is missing or damaged, or the last build was interrupted between the two.
    """
    remedy = "Run the same build again; it goes on where it stopped"
    tables = []
    for name in (MANIFEST, ANNOTATIONS):
        try:
            table = pq.read_table(folder / name)
        except (OSError, pa.ArrowException) as error:
            raise BadFileError(f"not readable ({error})", where=str(folder / name), remedy=remedy) from error
        if (table.schema.metadata or {}).get(_BUILD, b"").decode() != build_id:
            raise BadFileError("belongs to an interrupted build", where=str(folder / name), remedy=remedy)
        tables.append(table)
    rows: list[dict[str, Any]] = tables[0].to_pylist()
    return rows, tables[1]
