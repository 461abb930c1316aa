"""What one worker does with one source."""

from __future__ import annotations

import json
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kinelet.corpus.manifest import annotation_rows
from kinelet.corpus.process import BuildConfig, prepare
from kinelet.corpus.records import RECORDINGS, Failure, SourceRecord, read_record, write_record
from kinelet.corpus.sources import Source
from kinelet.corpus.store import write_recording
from kinelet.errors import KineletError
from kinelet.signal.recording import Recording

Status = Literal["built", "unchanged", "failed"]


@dataclass(frozen=True)
class Outcome:
    """What came of one source, small enough to send between processes."""

    key: str
    status: Status
    recordings: int
    failures: tuple[Failure, ...] = ()


def take_in(source: Source, out: Path, config: BuildConfig) -> Outcome:
    """Store the recordings of a source unless the very same ones are there; never raises for a bad source.

    Args:
        source: What to read.
        out: The corpus's folder.
        config: What to do to each recording.
    """
    try:
        source_hash = source.content_hash()
    except Exception as error:
        return _finish(_Job(source, out, config, "unreadable"), Failure(source.key, None, reason_of(error)))
    known = read_record(out, source.key)
    if known is not None and known.matches(source_hash, config.hash) and _complete(known, out):
        return Outcome(source.key, "unchanged", len(known.rows))
    job = _Job(source, out, config, source_hash)
    try:
        for rec in source.recordings():
            job.store(rec)
    except Exception as error:
        return _finish(job, Failure(source.key, None, job.stopped(error)))
    if not job.rows and not job.failures:
        return _finish(job, Failure(source.key, None, "holds no recording"))
    return _finish(job)


def _complete(record: SourceRecord, out: Path) -> bool:
    return all((out / RECORDINGS / row["file"]).is_file() for row in record.rows)


class _Job:
    def __init__(self, source: Source, out: Path, config: BuildConfig, source_hash: str) -> None:
        self.source, self.out, self.config, self.source_hash = source, out, config, source_hash
        self.rows: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self.failures: list[Failure] = []

    def store(self, rec: Recording) -> None:
        self._store_one(rec, self.source.identity(rec), None)
        if self.config.streams:
            for name, stream in sorted(rec.streams.items()):
                self._store_one(stream, f"{self.source.identity(rec)}.{name}", name)

    def _store_one(self, rec: Recording, identity: str, stream: str | None) -> None:
        try:
            prepared = prepare(rec, self.config if stream is None else _for_streams(self.config))
            ready = prepared.recording
            if self.source.dataset is not None and not _within(ready.subject, self.source.dataset):
                ready = ready.replace(subject=f"{self.source.dataset}/{ready.subject}")
            row = write_recording(
                ready,
                self.out / RECORDINGS,
                identity=identity,
                grid_channels=prepared.grid_channels,
                dataset=self.source.dataset,
                stream=stream,
                source=self.source.path,
                source_hash=self.source_hash,
                config_hash=self.config.hash,
                quality=json.dumps(prepared.quality, default=str),
            )
        except Exception as error:
            self.failures.append(Failure(self.source.key, identity, reason_of(error)))
            return
        self.rows.append(row)
        self.annotations += annotation_rows(ready, identity)

    def stopped(self, error: Exception) -> str:
        kept = f" (the {len(self.rows)} recordings before it were kept)" if self.rows else ""
        return reason_of(error) + kept


def _for_streams(config: BuildConfig) -> BuildConfig:
    # A side stream has its own rate and channels, and no accelerometer to calibrate.
    plain = {"rate_hz": None, "channels": None, "calibrate": False, "nonwear": "keep", "quality": False}
    return config.model_copy(update=plain)


def _finish(job: _Job, failure: Failure | None = None) -> Outcome:
    failures = (*job.failures, *([failure] if failure else []))
    record = SourceRecord(job.source.key, job.source_hash, job.config.hash, job.rows, failures)
    write_record(job.out, record, job.annotations)
    return Outcome(job.source.key, "failed" if failures else "built", len(job.rows), failures)


def reason_of(error: BaseException) -> str:
    """One line that says what went wrong; for errors that are not meant for users, also where."""
    text = " ".join(str(error).split())
    if isinstance(error, KineletError):
        return text
    frames = traceback.extract_tb(error.__traceback__)
    at = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {text}{at}"


def _within(subject: str, dataset: str) -> bool:
    """Whether a subject's name carries its data set's already."""
    return subject.startswith((f"{dataset}/", f"{dataset}_"))
