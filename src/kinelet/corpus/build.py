"""Build a corpus: idempotent, parallel, resumable; one bad file never stops it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

from kinelet.corpus.commit import commit
from kinelet.corpus.executor import run_here, run_in_pool, run_on
from kinelet.corpus.lock import build_lock
from kinelet.corpus.process import BuildConfig
from kinelet.corpus.records import RECORDINGS, SOURCES, Failure, SourceRecord, read_record, write_record
from kinelet.corpus.sources import DatasetSource, MemorySource, Source, as_source
from kinelet.corpus.summary import BuildSummary
from kinelet.corpus.work import Outcome, reason_of, take_in
from kinelet.errors import BadOptionError
from kinelet.progress import Progress, silent
from kinelet.signal.recording import Recording

Item = Source | Recording | str | Path


def build(
    sources: Iterable[Item],
    out: str | Path,
    config: BuildConfig | None = None,
    *,
    workers: int = 1,
    executor: Executor | None = None,
    progress: Progress | None = None,
    prune: bool = False,
) -> BuildSummary:
    """Take sources into the corpus in ``out``.

    Sources that are there already, with the same content and configuration, are not read again. What earlier builds
    took in stays, whether listed now or not, unless ``prune`` is set. A build that was killed goes on where it stopped
    when it is started again.

    Args:
        sources: Files, data sets, recordings; see :mod:`kinelet.corpus.sources`. Taken one after the other, so that a
            generator of recordings may be larger than memory.
        out: Folder of the corpus.
        config: What to do to each recording.
        workers: Worker processes; 1 works in this process.
        executor: Any ``concurrent.futures`` executor that sees the same files (a cluster's, say); replaces ``workers``.
        progress: Told after each source.
        prune: Remove sources that are not listed.

    Raises:
        BadOptionError: if two sources have the same key, or ``workers`` is not positive.
        BadFileError: if two recordings have the same id, or another build is at work in ``out``.
    """
    if workers < 1:
        raise BadOptionError(f"workers is {workers}", remedy="Use 1 or more")
    out, config, started = Path(out), config or BuildConfig(), time.monotonic()
    for folder in (out / RECORDINGS, out / SOURCES):
        folder.mkdir(parents=True, exist_ok=True)
    with build_lock(out):
        run = _Run(out, config, progress or silent)
        run.work_off(sources, workers, executor)
        return commit(out, run.listed, run.outcomes, prune=prune, seconds=time.monotonic() - started)


class _Run:
    def __init__(self, out: Path, config: BuildConfig, progress: Progress) -> None:
        self.out, self.config, self.progress = out, config, progress
        self.outcomes: list[Outcome] = []
        self.listed: set[str] = set()
        self._finished_sets: list[SourceRecord] = []

    def work_off(self, sources: Iterable[Item], workers: int, executor: Executor | None) -> None:
        jobs = self._jobs(sources)
        work = partial(take_in, out=self.out.resolve(), config=self.config)
        if executor is not None:
            results = run_on(executor, jobs, work, in_flight=64)
        else:
            results = run_here(jobs, work) if workers == 1 else run_in_pool(workers, jobs, work)
        for source, result in results:
            self._note(result if isinstance(result, Outcome) else self._died(source, result))
        failed = {o.key for o in self.outcomes if o.failures}
        for record in self._finished_sets:
            # Written last: it says that every recording of the set is in, so that the set need not be read again.
            if not failed & {record.key, *record.members}:
                write_record(self.out, record)

    def _note(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.progress(len(self.outcomes), outcome.key)

    def _died(self, source: Source, error: BaseException) -> Outcome:
        failure = Failure(source.key, None, f"the worker process died while reading it ({reason_of(error)})")
        write_record(self.out, SourceRecord(source.key, "unreadable", self.config.hash, (), (failure,)))
        return Outcome(source.key, "failed", 0, (failure,))

    def _jobs(self, items: Iterable[Item]) -> Iterator[Source]:
        for item in items:
            source = as_source(item)
            self._list(source.key)
            if isinstance(source, DatasetSource):
                yield from self._members(source)
            else:
                yield source

    def _list(self, key: str) -> None:
        if key in self.listed:
            raise BadOptionError(f"two sources are called {key!r}", remedy="Give each source its own key or name")
        self.listed.add(key)

    def _members(self, source: DatasetSource) -> Iterator[Source]:
        members: list[str] = []
        try:
            source_hash = source.content_hash()
            known = read_record(self.out, source.key)
            if known is not None and known.matches(source_hash, self.config.hash) and self._all_there(known):
                self._reuse(known)
                return
            for rec in source.recordings():
                member = MemorySource(rec, source.dataset, source.path)
                self._list(member.key)
                members.append(member.key)
                yield member
        except BadOptionError:
            raise
        except Exception as error:
            self._set_failed(source, error, len(members))
        else:
            self._finished_sets.append(SourceRecord(source.key, source_hash, self.config.hash, members=members))

    def _set_failed(self, source: DatasetSource, error: Exception, members: int) -> None:
        kept = f" (the {members} recordings before it were kept)" if members else ""
        failure = Failure(source.key, None, reason_of(error) + kept)
        write_record(self.out, SourceRecord(source.key, "unreadable", self.config.hash, (), (failure,)))
        self._note(Outcome(source.key, "failed", 0, (failure,)))

    def _all_there(self, known: SourceRecord) -> bool:
        records = [read_record(self.out, key) for key in known.members]
        return all(
            r is not None
            and not r.failures
            and r.config_hash == self.config.hash
            and all((self.out / RECORDINGS / row["file"]).is_file() for row in r.rows)
            for r in records
        )

    def _reuse(self, known: SourceRecord) -> None:
        for key in known.members:
            self._list(key)
            self._note(Outcome(key, "unchanged", 1))
