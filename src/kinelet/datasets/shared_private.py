"""Draws from a world whose shared and private information is known: as tensors, or as recordings for a corpus.

To try pretraining and alignment without any data: build one corpus of many windows of each modality and one of few
that were recorded together, by ``build(shared_private(40, 100), "pairs", BuildConfig(streams=True))``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kinelet.datasets.shared_private_recordings import Drawn, recording
from kinelet.datasets.shared_private_world import PerName, World, by_name, signs, sources
from kinelet.errors import BadOptionError
from kinelet.signal.recording import Recording

__all__ = ["Draw", "World", "mutual_information", "shared_private", "shared_private_windows"]


@dataclass(frozen=True)
class Draw:
    """Windows of a :class:`World`; ``n`` windows, those of a run one after the other.

    Attributes:
        x: Windows by modality, ``(n, channel, time)`` float32; zero where absent.
        present: Which are there, ``(n, modality)`` bool.
        sequence: Number of the run, ``(n,)`` int64.
        moment: Place within the run, ``(n,)`` int64.
        s: Shared sources, ``(n, k)``.
        w: Private sources by modality, ``(n, p)``.
        shared: Class by the signs of two shared sources, ``(n,)`` int64.
        private: Class by the signs of two private sources, by modality.
    """

    x: dict[str, Tensor]
    present: Tensor
    sequence: Tensor
    moment: Tensor
    s: Tensor
    w: dict[str, Tensor]
    shared: Tensor
    private: dict[str, Tensor]


def mutual_information(
    k: int = 2, a: tuple[float, float] = (1.0, 1.0), sigma: tuple[float, float] = (0.5, 0.5)
) -> float:
    """Exact information between windows of two modalities in nats; the defaults give 1.0217.

    Args:
        k: Shared sources.
        a: How strong they are in either modality.
        sigma: Noise of either.
    """
    names = ("one", "two")
    world = World(k=k, a=dict(zip(names, a, strict=True)), sigma=dict(zip(names, sigma, strict=True)))
    return world.information(*names)


def shared_private_windows(
    world: World, runs: int, length: int = 1, *, missing: PerName = 0.0, shift: int = 0, seed: int = 0
) -> Draw:
    """Draw windows as tensors.

    Args:
        world: What they are drawn from.
        runs: Independent runs of consecutive windows.
        length: Windows of a run.
        missing: Share of windows that are absent, for all modalities or by name.
        shift: Windows by which all modalities but the first come late, which leaves no pair what it should be.
        seed: Of the draw.
    """
    found = _drawn(world, runs, length + abs(shift), missing, seed)
    n = runs * length

    def rows(z: npt.NDArray[Any], late: int = 0) -> Tensor:
        first = max(shift, 0) - late
        part = np.ascontiguousarray(z[:, first : first + length])
        return torch.from_numpy(part.reshape(n, *part.shape[2:]))

    late = {name: shift if i else 0 for i, name in enumerate(world.names)}
    present = {name: rows(found.present[name], late[name]) for name in world.names}
    x = {name: rows(found.x[name].astype(np.float32), late[name]) for name in world.names}
    return Draw(
        x={name: torch.where(present[name][:, None, None], z, 0) for name, z in x.items()},
        present=torch.stack([present[name] for name in world.names], dim=1),
        sequence=torch.arange(runs).repeat_interleave(length),
        moment=torch.arange(length).repeat(runs),
        s=rows(found.s),
        w={name: rows(found.w[name], late[name]) for name in world.names},
        shared=rows(signs(found.s)),
        private={name: rows(signs(found.w[name]), late[name]) for name in world.names},
    )


def shared_private(
    people: int,
    windows: int,
    *,
    world: World | None = None,
    missing: PerName = 0.0,
    shift_s: PerName = 0.0,
    first: int = 0,
    seed: int = 0,
) -> Iterator[Recording]:
    """Draw recordings: one a person of the first modality, the others as its streams at their own rates.

    All run on one clock. Tracks ``shared`` and ``private_NAME`` say the class of each window by the signs of its
    sources. The same person and seed give the same recording, however many are drawn.

    Args:
        people: How many.
        windows: Consecutive windows of each.
        world: What they are drawn from; by default two modalities, ``one`` at 16 Hz and ``two`` at 32 Hz.
        missing: Share of windows that are absent (gaps); the first modality always has its first window.
        shift_s: How late the clock of the streams is, in seconds, for all or by name of modality.
        first: Number of the first person; other numbers are other people.
        seed: Of the draw.

    Yields:
        Recordings whose ``meta`` holds the exact information of each stream about the first modality, in nats.
    """
    world = World() if world is None else world
    for person in range(first, first + people):
        yield recording(world, person, _drawn(world, 1, windows, missing, [seed, person]), shift_s)


def _drawn(world: World, runs: int, length: int, missing: PerName, seed: int | list[int]) -> Drawn:
    if runs < 1 or length < 1:
        raise BadOptionError(f"{runs} runs of {length} windows", remedy="Draw at least one")
    rng = np.random.default_rng(seed)
    s = sources(rng, runs, length, world.k, world.ar)
    x, w, present = {}, {}, {}
    for name in world.names:
        w[name] = sources(rng, runs, length, world.p, world.ar)
        noise = rng.standard_normal((runs * length, world.channels * world.samples(name)))
        flat = world.mix(name, s.reshape(-1, world.k), w[name].reshape(-1, world.p), noise)
        x[name] = flat.reshape(runs, length, *flat.shape[1:])
        present[name] = rng.random((runs, length)) >= by_name(missing, name)
    return Drawn(x, present, s, w)
