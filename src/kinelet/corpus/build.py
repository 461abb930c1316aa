"""Build a corpus: idempotent, parallel, resumable; one bad file never stops it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

from kinelet.corpus.commit import commit
from kinelet.corpus.executor import run_here, run_in_pool, run_on
from kinelet.corpus.find import dataset_sources, find_sources
from kinelet.corpus.lock import build_lock
from kinelet.corpus.process import BuildConfig
from kinelet.corpus.records import RECORDINGS, SOURCES, Failure, SourceRecord, write_record
from kinelet.corpus.sources import Source, as_source
from kinelet.corpus.summary import BuildSummary
from kinelet.corpus.work import Outcome, reason_of, take_in
from kinelet.errors import BadOptionError
from kinelet.progress import Progress, silent
from kinelet.signal.recording import Recording

__all__ = ["BuildConfig", "BuildSummary", "build", "dataset_sources", "find_sources"]

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
        sources: Files, parts of data sets, recordings; see :func:`find_sources` and :func:`dataset_sources`. Taken one
            after the other, so that a generator of recordings may be larger than memory.
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
    listed: set[str] = set()
    outcomes: list[Outcome] = []
    with build_lock(out):
        jobs = _jobs(sources, listed)
        work = partial(take_in, out=out.resolve(), config=config)
        if executor is not None:
            results = run_on(executor, jobs, work, in_flight=64)
        else:
            results = run_here(jobs, work) if workers == 1 else run_in_pool(workers, jobs, work)
        for source, result in results:
            outcomes.append(result if isinstance(result, Outcome) else _died(out, config, source, result))
            (progress or silent)(len(outcomes), source.key)
        return commit(out, listed, outcomes, prune=prune, seconds=time.monotonic() - started)


def _jobs(items: Iterable[Item], listed: set[str]) -> Iterator[Source]:
    for item in items:
        source = as_source(item)
        if source.key in listed:
            raise BadOptionError(f"two sources are called {source.key!r}", remedy="Give each its own key or name")
        listed.add(source.key)
        yield source


def _died(out: Path, config: BuildConfig, source: Source, error: BaseException) -> Outcome:
    failure = Failure(source.key, None, f"the worker process died while reading it ({reason_of(error)})")
    write_record(out, SourceRecord(source.key, "unreadable", config.hash, (), (failure,)))
    return Outcome(source.key, "failed", 0, (failure,))
