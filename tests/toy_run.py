"""A small real run for tests of the loop: contrastive, with dropout, batch norm and augmentation noise.

Run as a program it trains into the folder given, so that tests can kill it or start it twice under a rendezvous:
``python toy_run.py FOLDER STEPS [key=value …]``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinelet.config import apply_overrides
from kinelet.encoders.base import Encoder
from kinelet.methods.base import Batch, Method, MethodConfig, Output, sharded
from kinelet.signal.spec import imu_spec
from kinelet.train import distributed
from kinelet.train.config import TrainConfig
from kinelet.train.loop import fit

DATA = np.random.default_rng(5).normal(size=(64, 3, 20)).astype(np.float32)


class ToyEncoder(Encoder):
    """Convolution, norm, dropout, mean; layer norm by default because batch norm differs between 1 and 2 processes."""

    def __init__(self, norm: str = "layer", dropout: float = 0.1) -> None:
        super().__init__(imu_spec(20.0, window_s=1.0), 8, {"norm": norm, "dropout": dropout})
        self.conv = nn.Conv1d(3, 8, 5)
        self.norm = nn.BatchNorm1d(8) if norm == "batch" else nn.GroupNorm(1, 8)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.dropout(torch.relu(self.norm(self.conv(x)))).mean(dim=2))


class ToyMethod(Method):
    """One-sided InfoNCE over the gathered batch, with a buffer that changes at every step (as a queue would)."""

    queue: Tensor

    def __init__(self, encoder: Encoder) -> None:
        super().__init__(encoder, MethodConfig())
        self.register_buffer("queue", torch.zeros(4, 8))

    def forward(self, batch: Batch) -> Output:
        noisy = sharded(lambda x, g: x + 0.3 * torch.randn(x.shape, generator=g), batch["x"], batch["generators"])
        a, b = (F.normalize(self.encoder(v).float(), dim=1) for v in (batch["x"], noisy))
        logits = torch.cat([a @ self.gather(b).T, 0.1 * a @ self.queue.T], dim=1) / 0.2
        loss = F.cross_entropy(logits, torch.arange(len(a)) + self.rank_offset)
        self.queue = torch.cat([self.queue[1:], b.detach()[:1]])
        return {"loss": loss, "parts": {"first": logits[0, 0].detach()}, "embeddings": a.detach()}


def batches(batch_size: int, *, rank: int = 0, world: int = 1, pause: float = 0.0) -> Any:
    """Source of batches: a pure function of the step; ``rank`` gets its consecutive rows."""

    def source(first: int, steps: int) -> Iterator[dict[str, Any]]:
        for step in range(first, first + steps):
            time.sleep(pause)
            rows = np.random.default_rng(step).permutation(len(DATA))[:batch_size].reshape(world, -1)[rank]
            yield {"x": DATA[rows], "subject": rows, "recording": rows, "time_s": rows.astype(float)}

    return source


def run(folder: Path, config: TrainConfig, *, pause: float = 0.0, **options: Any) -> ToyEncoder:
    """Train into ``folder`` and return the encoder."""
    torch.set_num_threads(1)
    world = distributed.join("cpu")
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    encoder = ToyEncoder(**options)
    source = batches(config.batch_size, rank=world.rank, world=world.size, pause=pause)
    fit(ToyMethod(encoder), source, config, folder, world=world)
    distributed.leave(world)
    return encoder


def main() -> None:
    """``toy_run.py FOLDER STEPS [key=value …]``; ``pause`` and ``dropout`` are the toy's own, the rest the loop's."""
    options = apply_overrides({"batch_size": 16, "warmup": 2, "log_every": 1, "device": "cpu"}, sys.argv[3:])
    own = {key: options.pop(key) for key in ("pause", "dropout", "norm") if key in options}
    run(Path(sys.argv[1]), TrainConfig(steps=int(sys.argv[2]), **options), **own)


if __name__ == "__main__":
    main()
