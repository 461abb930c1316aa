"""Moments made by hand, small encoders for them, and nothing else: what tests of methods on pairs begin with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from kinelet.encoders.registry import create_encoder
from kinelet.encoders.shared_private import SharedPrivate
from kinelet.methods.multimodal import present_of
from kinelet.signal.spec import SignalSpec

SECONDS = 2.0
#: Rate and channels of each modality, in units that no reader knows.
MODALITIES: Mapping[str, tuple[float, tuple[str, ...]]] = {
    "acc": (32.0, ("acc_x", "acc_y", "acc_z")),
    "bvp": (64.0, ("bvp",)),
    "gyr": (32.0, ("gyr_x", "gyr_y", "gyr_z")),
}
NAMES = ("acc", "bvp")


def spec_of(name: str, window_s: float | None = SECONDS) -> SignalSpec:
    """What windows of a modality are."""
    rate, channels = MODALITIES[name]
    return SignalSpec(rate_hz=rate, channels=channels, units=("1",) * len(channels), window_s=window_s)


def samples_of(name: str) -> int:
    return round(SECONDS * MODALITIES[name][0])


def signal(name: str, shared: Tensor, private: Tensor) -> Tensor:
    """Two tones a row: one whose frequency all modalities know, ``shared`` ``(row,)`` in Hz, and one of their own."""
    rate, channels = MODALITIES[name]
    t = torch.arange(samples_of(name)) / rate
    phase = torch.arange(len(channels))[:, None] / len(channels)

    def tone(frequency: Tensor) -> Tensor:
        return torch.sin(2 * math.pi * (frequency[:, None, None] * t + phase))

    return (tone(shared) + tone(private)).float()


def make_batch(
    rows: int = 16,
    names: Sequence[str] = NAMES,
    *,
    length: int = 4,
    missing: float = 0.0,
    shards: int = 1,
    seed: int = 0,
) -> dict[str, Any]:
    """A batch of moments in sequences of ``length``; the last one is shorter where ``rows`` is no multiple.

    Args:
        rows: Moments.
        names: Modalities, out of :data:`MODALITIES`.
        length: Moments of a sequence.
        missing: Share of the windows that are not there; each moment keeps one. Their values are 0.
        shards: Generators.
        seed: Of all that is random.
    """
    g = torch.Generator().manual_seed(7919 * seed + 1)
    sequence = torch.arange(rows) // length
    # Neighbours in time are alike.
    drift = torch.rand(rows // length + 1, generator=g)[sequence]
    shared = 2 + 4 * drift + 0.3 * torch.rand(rows, generator=g)
    private = {name: 8 + 4 * torch.rand(rows, generator=named(seed, name)) for name in names}
    present = torch.rand(rows, len(names), generator=g) >= missing
    present[torch.arange(rows), torch.randint(len(names), (rows,), generator=g)] = True
    windows = {f"x.{n}": signal(n, shared, private[n]) * present[:, i, None, None] for i, n in enumerate(names)}
    return {
        **windows,
        "present": present,
        "sequence": sequence,
        "moment": torch.arange(rows) % length,
        "clock": sequence % 5,
        "subject": sequence % 3,
        "time_s": SECONDS * torch.arange(rows, dtype=torch.float64),
        "generators": [torch.Generator().manual_seed(1000 * seed + s) for s in range(shards)],
    }


def named(seed: int, name: str) -> torch.Generator:
    """A generator of each name's own, whatever the others are."""
    return torch.Generator().manual_seed(1000 * seed + sum(ord(c) * 31**i for i, c in enumerate(name)) % 2**31)


def rows_of(batch: Mapping[str, Any], rows: Any) -> dict[str, Any]:
    """Some rows of a batch, with the generators of all."""
    return {k: v[rows] if isinstance(v, Tensor) else v for k, v in batch.items()}


def reorder(batch: Mapping[str, Any], names: Sequence[str], order: Sequence[str]) -> dict[str, Any]:
    """The same batch with the columns of ``present`` in another order of names."""
    column = [list(names).index(name) for name in order]
    return {**batch, "present": present_of(batch)[:, column]}


def generators(seed: int = 0, shards: int = 1) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(1000 * seed + s) for s in range(shards)]


def make_encoder(name: str, base: str = "tf_vit", *, width: int = 16, seed: int = 0, **options: Any) -> SharedPrivate:
    """An encoder of a modality with its two heads, whose weights depend on seed and name alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(named(seed, name).initial_seed() % 2**31)
        encoder = create_encoder(base, spec=spec_of(name), **options)
        return SharedPrivate.around(encoder, width=width)


def make_encoders(
    names: Sequence[str] = NAMES, base: str = "tf_vit", *, width: int = 16, seed: int = 0, **options: Any
) -> dict[str, SharedPrivate]:
    """Encoders of all modalities."""
    return {name: make_encoder(name, base, width=width, seed=seed, **options) for name in names}
