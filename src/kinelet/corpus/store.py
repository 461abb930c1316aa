"""One recording, one Arrow IPC file: integers in a single ``(time, channel)`` buffer that is memory-mapped.

The samples of all channels lie beside each other, so that a window is one contiguous read. The file is not
compressed. Schema metadata (key ``kinelet``, JSON) holds the scale per channel and the whole manifest row, which makes
a file readable alone.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kinelet.corpus.quantise import IntArray, quantise
from kinelet.errors import BadFileError
from kinelet.files import atomic_write
from kinelet.signal.recording import Recording

FORMAT = 1
_KEY = b"kinelet"
_COLUMN = "samples"


def safe_name(identity: str, salt: str = "") -> str:
    """A file name for an id: its readable part, and a hash that keeps different ids and contents apart."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "_", identity).strip("._")[:60] or "recording"
    digest = hashlib.sha256("\0".join((identity, salt)).encode()).hexdigest()
    return f"{readable}-{digest[:12]}"


def write_recording(
    rec: Recording,
    folder: str | Path,
    *,
    identity: str | None = None,
    grid_channels: Collection[str] = (),
    **facts: Any,
) -> dict[str, Any]:
    """Store a recording and return its manifest row.

    Args:
        rec: Recording on a uniform clock.
        folder: Where the file goes.
        identity: Unique id; the recording's name if not given.
        grid_channels: Channels whose ``resolution`` is not the device's word but was found in its samples.
        **facts: Further columns of the manifest row (dataset, source, hashes, quality, …).

    Raises:
        BadFileError: if the clock is irregular or samples are not finite.
    """
    if rec.time_s is not None:
        raise BadFileError(
            "the clock is irregular",
            where=f"recording {rec.name!r}",
            remedy="Resample it first (kinelet.signal.resample, or rate_hz in the build)",
        )
    identity = identity or rec.name
    quantised = quantise(rec.data, rec.resolution, rec.spec.channels)
    row = _row(rec, identity) | {
        "scale": list(quantised.scale),
        "step": list(quantised.step),
        "scale_kind": [
            "grid" if kind == "device" and channel in grid_channels else kind
            for kind, channel in zip(quantised.kind, rec.spec.channels, strict=True)
        ],
        "sample_type": quantised.sample_type,
        **facts,
    }
    salt = f"{facts.get('source_hash', '')}{facts.get('config_hash', '')}"
    row["file"] = f"{safe_name(identity, salt)}.arrow"
    _write(Path(folder) / row["file"], quantised.samples, row)
    return row


def _row(rec: Recording, identity: str) -> dict[str, Any]:
    spec = rec.spec
    return {
        "id": identity,
        "subject": rec.subject,
        "name": rec.name,
        "dataset": None,
        "stream": None,
        "site": spec.site,
        "rate_hz": spec.rate_hz,
        "channels": list(spec.channels),
        "units": list(spec.units),
        "gravity": spec.gravity,
        "n_samples": len(rec.data),
        "segments": [{"start": s.start, "stop": s.stop, "time_s": s.time_s} for s in rec.segments],
        "gaps": [{"start_s": g.start_s, "stop_s": g.stop_s, "reason": g.reason} for g in rec.gaps],
        "start_unix_s": rec.start_unix_s,
        "warnings": list(rec.warnings),
        "meta": json.dumps(dict(rec.meta), default=str, sort_keys=True),
    }


def _write(path: Path, samples: IntArray, row: dict[str, Any]) -> None:
    flat = pa.array(np.ascontiguousarray(samples).reshape(-1))
    column = pa.FixedSizeListArray.from_arrays(flat, samples.shape[1])
    head = {"format": FORMAT, "scale": row["scale"], "row": row}
    schema = pa.schema([pa.field(_COLUMN, column.type)], metadata={_KEY: json.dumps(head, default=str)})
    batch = pa.record_batch([column], schema=schema)
    with atomic_write(path) as temporary, pa.ipc.new_file(str(temporary), schema) as writer:
        writer.write_batch(batch)


def read_head(path: str | Path) -> dict[str, Any]:
    """The JSON in a file's schema metadata: format, scale, manifest row.

    Raises:
        BadFileError: if the file is not a recording of a corpus, or of a newer format.
    """
    return _open(Path(path))[1]


def open_samples(path: str | Path) -> IntArray:
    """Memory-map the samples, shape ``(time, channel)``, int16 or int32, read-only, nothing copied.

    Raises:
        BadFileError: if the file is missing, damaged, or of a newer format.
    """
    return _open(Path(path))[0]


def _open(path: Path) -> tuple[IntArray, dict[str, Any]]:
    try:
        with pa.memory_map(str(path)) as source:
            reader = pa.ipc.open_file(source)
            head = json.loads((reader.schema.metadata or {}).get(_KEY, b"{}"))
            batch = reader.get_batch(0)
            # The buffers keep the mapping alive after the file is closed, so that thousands of recordings do not
            # use up the process's file descriptors.
            column = batch.column(0)
            samples: IntArray = column.flatten().to_numpy(zero_copy_only=True)
            samples = samples.reshape(-1, column.type.list_size)
    except (OSError, pa.ArrowException, ValueError, IndexError, AttributeError) as error:
        raise BadFileError(
            f"not a readable recording of a corpus ({error})", where=str(path), remedy="Build the corpus again"
        ) from error
    if head.get("format") != FORMAT:
        raise BadFileError(
            f"store format {head.get('format')!r}, this version reads {FORMAT}",
            where=str(path),
            remedy="Build the corpus again, or use the kinelet version that wrote it",
        )
    return samples, head
