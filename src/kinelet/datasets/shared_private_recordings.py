"""What was drawn from a world with known information, laid out as recordings on one clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinelet.datasets.shared_private_world import Floats, PerName, World, by_name, signs
from kinelet.signal.recording import Annotation, Recording, Segment
from kinelet.signal.spec import SignalSpec

_START_UNIX_S = 1_600_000_000.0
_APART_S = 1e7


@dataclass(frozen=True)
class Drawn:
    """What was drawn, in runs: ``(runs, length, …)``; see :class:`kinelet.datasets.shared_private.Draw`."""

    x: dict[str, Floats]
    present: dict[str, npt.NDArray[np.bool_]]
    s: Floats
    w: dict[str, Floats]


def recording(world: World, person: int, drawn: Drawn, shift_s: PerName) -> Recording:
    """The recording of a person, with the other modalities as its streams and the classes as its annotations."""
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


def _signal(world: World, name: str, drawn: Drawn, person: int, start_unix_s: float) -> Recording:
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
