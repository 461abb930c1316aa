"""PRIMUS learns: on synthetic pairs the loss falls and windows held out find their sentence far above chance."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from kinelet.methods.base import Batch, Modality
from kinelet.methods.primus import Primus
from paired_tools import primus, unit, vectors_of

TEXT, VIDEO = Modality("text", 24, "words"), Modality("video", 16, "pictures")
KINDS = 24


def movements(kind: Tensor, time: int, g: torch.Generator) -> Tensor:
    """Windows ``(batch, 6, time)`` of kinds of movement: a rhythm and a direction each, worn a little differently."""
    fixed = torch.Generator().manual_seed(1)
    hertz = 0.6 + 2.4 * torch.rand(KINDS, 1, 1, generator=fixed)[kind] * (
        1 + 0.05 * torch.randn(len(kind), 1, 1, generator=g)
    )
    size, posture = torch.randn(2, KINDS, 6, 1, generator=fixed)[:, kind]
    phase = 2 * math.pi * torch.rand(len(kind), 6, 1, generator=g)
    wave = torch.sin(2 * math.pi * hertz * torch.arange(time) / 50 + phase)
    noise = torch.randn(len(kind), 6, time, generator=g)
    return size * wave + posture + 0.3 * torch.randn(len(kind), 6, 1, generator=g) + 0.5 * noise


def batch_of(rows: int, step: int, time: int) -> Batch:
    """Windows of random kinds; one in four says nothing, one in four is not filmed."""
    g = torch.Generator().manual_seed(step)
    kind = torch.randint(0, KINDS, (rows,), generator=g)
    seen = unit(vectors_of(VIDEO, kind) + 0.1 * torch.randn(rows, VIDEO.dim, generator=g))
    batch: Any = {
        "x": movements(kind, time, g),
        "subject": kind % 3,
        "part": kind * 0,
        "recording": kind * 0 + step,
        "moment.recording": torch.arange(rows) + rows * step,
        "time_s": torch.zeros(rows, dtype=torch.float64),
        "generators": [torch.Generator().manual_seed(step)],
    }
    for modality, vectors, unique in ((TEXT, vectors_of(TEXT, kind), False), (VIDEO, seen, True)):
        item = torch.arange(rows) + rows * step if unique else kind
        item = torch.where(torch.rand(rows, generator=g) < 0.25, -1, item)
        batch[f"vectors.{modality.name}"] = torch.where((item >= 0)[:, None], vectors, 0)
        batch[f"item.{modality.name}"], batch[f"items.{modality.name}"] = item, item[:, None]
    return batch  # type: ignore[no-any-return]


def train(method: Primus, rows: int, steps: int, time: int, lr: float) -> list[float]:
    optimizer = torch.optim.Adam(method.parameters(), lr=lr)
    losses = []
    for step in range(steps):
        optimizer.zero_grad()
        loss = method(batch_of(rows, step, time))["loss"]
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def recall(method: Primus, time: int) -> float:
    """Share of windows that were never seen whose own sentence is the nearest of all; 1 / 24 by chance."""
    g = torch.Generator().manual_seed(10**6)
    kind = torch.randint(0, KINDS, (240,), generator=g)
    z = unit(torch.as_tensor(method.encoder.embed(movements(kind, time, g))))
    nearest = (z @ vectors_of(TEXT, torch.arange(KINDS)).T).argmax(dim=1)
    return float((nearest == kind).float().mean())


def test_in_seconds_the_loss_falls_and_sentences_are_found_above_chance() -> None:
    method = primus((TEXT, VIDEO), hidden=32)
    before = recall(method, 123)
    losses = train(method, 48, 60, 123, 3e-3)
    assert sum(losses[-5:]) < 0.85 * sum(losses[1:6]) and before < 0.15 < 0.4 < recall(method, 123)


@pytest.mark.slow
def test_in_a_minute_the_published_network_finds_most_sentences() -> None:
    method = primus((TEXT, VIDEO), hidden=512)
    losses = train(method, 62, 150, 250, 1e-3)
    assert sum(losses[-5:]) < 0.7 * sum(losses[1:6]) and recall(method, 250) > 0.7
