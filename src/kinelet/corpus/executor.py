"""Run jobs on any ``concurrent.futures`` executor, a bounded number at a time, and survive workers that die."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from typing import TypeVar

from kinelet.errors import KineletError

Job = TypeVar("Job")
Result = TypeVar("Result")


def process_pool(workers: int) -> ProcessPoolExecutor:
    """A pool of fresh interpreters: safe beside threads and devices that a fork would copy half-way."""
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def run_here(jobs: Iterable[Job], work: Callable[[Job], Result]) -> Iterator[tuple[Job, Result | BaseException]]:
    """Run jobs one after the other in this process."""
    for job in jobs:
        yield job, work(job)


def run_on(
    executor: Executor, jobs: Iterable[Job], work: Callable[[Job], Result], in_flight: int
) -> Iterator[tuple[Job, Result | BaseException]]:
    """Run jobs on an executor that somebody else owns.

    Yields:
        Each job with its result, or with the exception that its worker died of, in the order of completion.

    Raises:
        KineletError: if the executor itself broke.
    """
    pending: dict[Future[Result], Job] = {}
    for future, job in _stream(executor, jobs, work, in_flight, pending):
        error = future.exception()
        if isinstance(error, BrokenExecutor):
            raise KineletError(
                f"the executor broke ({error})", remedy="What is finished is kept: start the executor and build again"
            )
        yield job, error if error is not None else future.result()


def run_in_pool(
    workers: int, jobs: Iterable[Job], work: Callable[[Job], Result]
) -> Iterator[tuple[Job, Result | BaseException]]:
    """Run jobs on worker processes of our own; a job that kills its process costs no other job.

    When a process dies, nobody knows which of the jobs in flight killed it: they are run again one at a time, and only
    the one that kills its process again is given up.
    """
    stream = iter(jobs)
    while True:
        pending: dict[Future[Result], Job] = {}
        suspects: list[Job] = []
        with process_pool(workers) as pool:
            for future, job in _stream(pool, stream, work, 2 * workers, pending):
                error = future.exception()
                if isinstance(error, BrokenExecutor):
                    suspects = [job, *pending.values()]
                    break
                yield job, error if error is not None else future.result()
        if not suspects:
            return
        yield from _one_at_a_time(suspects, work)


def _one_at_a_time(jobs: list[Job], work: Callable[[Job], Result]) -> Iterator[tuple[Job, Result | BaseException]]:
    left = list(jobs)
    while left:
        with process_pool(1) as pool:
            error: BaseException | None = None
            while left and not isinstance(error, BrokenExecutor):
                job = left.pop(0)
                future = _submit(pool, work, job)
                error = future.exception()
                yield job, error if error is not None else future.result()


def _stream(
    executor: Executor,
    jobs: Iterable[Job],
    work: Callable[[Job], Result],
    in_flight: int,
    pending: dict[Future[Result], Job],
) -> Iterator[tuple[Future[Result], Job]]:
    stream = iter(jobs)
    exhausted = False
    while True:
        while not exhausted and len(pending) < in_flight:
            try:
                job = next(stream)
            except StopIteration:
                exhausted = True
            else:
                pending[_submit(executor, work, job)] = job
        if not pending:
            return
        for future in wait(pending, return_when=FIRST_COMPLETED).done:
            yield future, pending.pop(future)


def _submit(executor: Executor, work: Callable[[Job], Result], job: Job) -> Future[Result]:
    try:
        return executor.submit(work, job)
    except BrokenExecutor as error:  # the pool broke since we last looked; the job must not get lost
        failed: Future[Result] = Future()
        failed.set_exception(error)
        return failed
