"""PRIMUS on batches made by hand, as a program that can be started under a rendezvous.

``python primus_run.py FOLDER STEPS [key=value …]``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from kinelet.config import apply_overrides
from kinelet.train import distributed
from kinelet.train.config import TrainConfig
from kinelet.train.loop import fit
from paired_tools import paired_batch, primus

ROWS = 16
#: Sentences and moments are shared, some rows lack something, and the queue is full after three steps.
MIXED: dict[str, Any] = {"items": 9, "missing": 0.3, "recordings": 4, "spacing_s": 30.0, "time": 123}


def batches(rank: int = 0, world: int = 1) -> Any:
    """Source of batches: a pure function of the step; ``rank`` gets its consecutive rows."""

    def source(first: int, steps: int) -> Iterator[dict[str, Any]]:
        share = ROWS // world
        for step in range(first, first + steps):
            batch = paired_batch(ROWS, step=step, **MIXED)
            rows = slice(rank * share, (rank + 1) * share)
            yield {k: v[rows].numpy() for k, v in batch.items() if isinstance(v, Tensor)}

    return source


def run(folder: Path, config: TrainConfig, spoil: bool = False) -> None:
    """Train into ``folder``, and keep the buffers that each process ends with there.

    Args:
        folder: Where to.
        config: The loop.
        spoil: Processes other than the first alter a buffer of the queue and one beside it before they start.
    """
    torch.set_num_threads(1)
    world = distributed.join("cpu")
    folder.mkdir(parents=True, exist_ok=True)
    method = primus(hidden=8, queue=40, exclude_s=5.0)
    method.register_buffer("beside", torch.zeros(3))

    def source(first: int, steps: int) -> Iterator[dict[str, Any]]:
        if spoil and world.rank:
            method.get_buffer("queue.start_s")[-1] = method.get_buffer("beside")[-1] = 7.0
        yield from batches(world.rank, world.size)(first, steps)

    fit(method, source, config, folder, world=world)
    save_file(dict(method.named_buffers()), folder / f"buffers-{world.rank}.safetensors")
    distributed.leave(world)


def config(steps: int, **options: Any) -> TrainConfig:
    """The loop's configuration."""
    return TrainConfig(
        steps=steps,
        **{"batch_size": ROWS, "warmup": 0, "schedule": "constant", "log_every": 1, "device": "cpu"} | options,
    )


if __name__ == "__main__":
    told = apply_overrides({}, sys.argv[3:])
    run(Path(sys.argv[1]), spoil=told.pop("spoil", False), config=config(int(sys.argv[2]), **told))
