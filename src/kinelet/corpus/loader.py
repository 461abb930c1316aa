"""Batches in step order, read ahead by threads; the same batches however many there are."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from kinelet.corpus.samplers import Draw, Sampler
from kinelet.corpus.windows import Windows
from kinelet.errors import BadOptionError

Arrays = dict[str, npt.NDArray[Any]]


def iterate_batches(
    sampler: Sampler,
    *,
    first_step: int = 0,
    steps: int,
    rank: int = 0,
    world: int = 1,
    workers: int = 0,
    prefetch: int = 2,
) -> Iterator[tuple[int, Arrays]]:
    """Yield ``(step, batch)`` for ``steps`` steps from ``first_step`` on.

    A batch holds ``x`` ``(batch, channel, time)`` float32; ``index``, ``subject``, ``recording`` and ``part`` (code of
    the data set, or part of a union) int64 ``(batch,)``; ``time_s`` float64 ``(batch,)``; and ``candidates`` ``(batch,
    K, channel, time)`` with ``candidate_index`` ``(batch, K)`` if the sampler draws candidates, ``distance``
    ``(batch, N)`` if it knows them, and whatever else it adds to each row.

    Args:
        sampler: Says which windows a step is made of.
        first_step: First step; to resume, the number of steps done.
        steps: How many steps.
        rank: Which of ``world`` equal consecutive parts of each batch's rows to read.
        world: Number of processes that share a batch.
        workers: Threads that read ahead; 0 reads when asked. Reading releases the interpreter for the most part.
        prefetch: Batches that each worker may be ahead.

    Raises:
        BadOptionError: if a batch cannot be shared evenly among ``world`` processes.
    """
    numbers = iter(range(first_step, first_step + steps))
    if workers < 1:
        for step in numbers:
            yield step, load_batch(sampler.draw(step), rank, world)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="kinelet-loader") as pool:
        ahead: deque[tuple[int, Future[Arrays]]] = deque()
        try:
            for step in islice(numbers, workers * prefetch):
                ahead.append((step, pool.submit(_load, sampler, step, rank, world)))
            while ahead:
                step, future = ahead.popleft()
                batch = future.result()
                for following in islice(numbers, 1):
                    ahead.append((following, pool.submit(_load, sampler, following, rank, world)))
                yield step, batch
        finally:
            for _, future in ahead:
                future.cancel()


def _load(sampler: Sampler, step: int, rank: int, world: int) -> Arrays:
    return load_batch(sampler.draw(step), rank, world)


def load_batch(draw: Draw, rank: int = 0, world: int = 1) -> Arrays:
    """Read one process's part of a global batch."""
    part = _part(draw, rank, world)
    index, windows = draw.index[part], draw.windows
    batch: Arrays = windows.batch(index)
    if draw.candidates is not None and isinstance(windows, Windows):
        candidates = draw.candidates[part]
        batch["candidate_index"] = candidates
        batch["candidates"] = windows.gather(candidates.ravel()).reshape(*candidates.shape, *batch["x"].shape[1:])
    if draw.distance is not None:
        batch["distance"] = np.array(draw.distance[part])
    return batch | {name: values[part] for name, values in draw.extra.items()}


def _part(draw: Draw, rank: int, world: int) -> slice:
    runs, uneven = divmod(len(draw.index), draw.run * world)
    if uneven or not 0 <= rank < world:
        raise BadOptionError(
            f"a batch of {len(draw.index) // draw.run} cannot be shared by {world} processes (rank {rank})",
            where="loader",
            remedy="Use a batch size that is a multiple of the number of processes",
        )
    return slice(rank * runs * draw.run, (rank + 1) * runs * draw.run)
