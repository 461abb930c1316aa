"""Doing the jobs of a benchmark in turn, or several at a time in processes with one thread each."""

from __future__ import annotations

import multiprocessing
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, Protocol

import torch

TELL_EVERY_S = 30.0


class Job(Protocol):
    """Something to do, once; what is done already is found and not done again."""

    @property
    def title(self) -> str:
        """What to call it where it fails."""

    def run(self, bench: Any) -> None:
        """Do what is not done."""


def run_jobs(bench: Any, jobs: Sequence[Job], processes: int) -> list[str]:
    """Do jobs; returns what went wrong, and lets no failure keep the others from being done."""
    if processes == 1:
        return [fault for job in jobs if (fault := _do(bench, job))]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        running = [pool.submit(_do, bench, job) for job in jobs]
        return [fault for future in as_completed(running) if (fault := future.result())]


def _do(bench: Any, job: Job) -> str:
    try:
        job.run(bench)
    except Exception as error:
        traceback.print_exc()
        return f"{job.title}: {error}"
    return ""


def clock(started: float) -> str:
    """Minutes and seconds since a moment, in brackets."""
    minutes, seconds = divmod(int(time.time() - started), 60)
    return f"[{minutes:3d}:{seconds:02d}]"


def teller(say: Callable[[str], None], label: str, total: int) -> Callable[..., None]:
    """Progress in lines that other processes' lines may come between."""
    told = time.monotonic()

    def progress(done: int, note: str = "") -> None:
        nonlocal told
        if time.monotonic() - told > TELL_EVERY_S:
            told = time.monotonic()
            say(f"{label}: {done}/{total} {note}")

    return progress
