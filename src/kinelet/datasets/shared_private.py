"""Draws from a world whose shared and private information is known: as tensors, or as recordings for a corpus.

To try pretraining and alignment without any data: build one corpus of many windows of each modality and one of few
that were recorded together, by ``build(shared_private(40, 100), "pairs", BuildConfig(streams=True))``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kinelet.datasets.shared_private_world import Floats, PerName, World, by_name, signs, sources
from kinelet.errors import BadOptionError
from kinelet.signal.recording import Annotation, Recording, Segment
from kinelet.signal.spec import SignalSpec

__all__ = ["Draw", "World", "mutual_information", "shared_private", "shared_private_windows"]

_START_UNIX_S = 1_600_000_000.0
_APART_S = 1e7


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
        yield _recording(world, person, _drawn(world, 1, windows, missing, [seed, person]), shift_s)


@dataclass(frozen=True)
class _Drawn:
    """As :class:`Draw`, in runs: ``(runs, length, …)``."""

    x: dict[str, Floats]
    present: dict[str, npt.NDArray[np.bool_]]
    s: Floats
    w: dict[str, Floats]


def _drawn(world: World, runs: int, length: int, missing: PerName, seed: int | list[int]) -> _Drawn:
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
    return _Drawn(x, present, s, w)


def _recording(world: World, person: int, drawn: _Drawn, shift_s: PerName) -> Recording:
    main = world.names[0]
    drawn.present[main][0, 0] = True
    start = _START_UNIX_S + person * _APART_S
    known = {name: world.information(main, name) for name in world.names[1:]}
    tracks = {"shared": drawn.s, **{f"private_{name}": w for name, w in drawn.w.items()}}
    streams = {}
    for name in world.names[1:]:
        late = by_name(shift_s, name)
        if drawn.present[name].any():
            streams[name] = _signal(world, name, drawn, person, start + late)
    return _signal(world, main, drawn, person, start).replace(
        annotations=tuple(_annotations(tracks, world.window_s)),
        streams=streams,
        meta={"dataset": "shared_private", "seed": world.seed, "information_nats": known},
    )


def _signal(world: World, name: str, drawn: _Drawn, person: int, start_unix_s: float) -> Recording:
    """The windows of a modality that are there, one after the other."""
    present = drawn.present[name][0]
    there = np.flatnonzero(present)
    size = world.samples(name)
    runs = np.split(there, np.flatnonzero(np.diff(there) > 1) + 1)
    before = np.concatenate([[0], np.cumsum([len(r) for r in runs])]) * size
    segments = tuple(
        Segment(int(a), int(b), float(r[0] - there[0]) * world.window_s)
        for r, a, b in zip(runs, before[:-1], before[1:], strict=True)
    )
    data = drawn.x[name][0, there].transpose(0, 2, 1).reshape(-1, world.channels)
    subject = f"shared_private_{person:04d}"
    return Recording(
        data=np.ascontiguousarray(data, dtype=np.float32),
        spec=_spec(world, name),
        subject=subject,
        name=subject if name == world.names[0] else f"{subject}_{name}",
        segments=segments,
        start_unix_s=start_unix_s + float(there[0]) * world.window_s,
        gap_reasons=("missing",) * (len(segments) - 1),
    )


def _spec(world: World, name: str) -> SignalSpec:
    axes = ["x", "y", "z"] if world.channels == 3 else [str(i) for i in range(world.channels)]
    channels = (name,) if world.channels == 1 else tuple(f"{name}_{axis}" for axis in axes)
    units = ("1",) * world.channels
    return SignalSpec(rate_hz=world.rates[name], channels=channels, units=units, gravity=False)


def _annotations(tracks: Mapping[str, Floats], window_s: float) -> Iterator[Annotation]:
    for track, values in tracks.items():
        for t, code in enumerate(signs(values[0])):
            yield Annotation(t * window_s, (t + 1) * window_s, label=f"class_{code}", track=track)
