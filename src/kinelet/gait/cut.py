"""From recordings to walks: adapted to a signal, cut into windows inside walking bouts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from kinelet.errors import BadOptionError
from kinelet.evaluate.task import FloatArray
from kinelet.gait.bouts import Bout, walking_bouts
from kinelet.gait.walks import Walks
from kinelet.signal.adapt import adapt
from kinelet.signal.recording import Recording
from kinelet.signal.spec import SignalSpec

SHORTEST_S = 2.5
"""Two strides of a common walk: less does not show a rhythm."""


def cut_walks(
    recordings: Iterable[Recording],
    spec: SignalSpec,
    *,
    name: str,
    hop_s: float | None = None,
    shortest_s: float = SHORTEST_S,
    system: str = "",
    origins: Sequence[str] = (),
    identities: Mapping[str, frozenset[str]] | None = None,
) -> Walks:
    """Adapt recordings to a spec and cut their walking bouts into windows.

    Args:
        recordings: With annotations that :func:`kinelet.gait.bouts.walking_bouts` understands. Rate, unit and channels
            are made the spec's, which :attr:`Walks.changes` tells.
        spec: An encoder's, with its window length.
        name: What to call the set.
        hop_s: From one window's start to the next within a bout; default half a window.
        shortest_s: Bouts whose longest stretch without a gap is shorter are left out.
        system: See :func:`kinelet.gait.bouts.walking_bouts`.
        origins: Names that the data go by; by default the ``dataset`` of the recordings.
        identities: Person to every name that they go by; see :meth:`kinelet.corpus.corpus.Corpus.identities`.

    Raises:
        BadOptionError: if the spec has no window length, or no bout holds a window.
        SpecMismatchError: if a recording lacks a channel.
    """
    samples = spec.window_samples
    if samples is None:
        raise BadOptionError("the encoder does not say how long its windows are", where=f"gait of {name}")
    hop = max(1, round((hop_s or spec.window_s or 0) * spec.rate_hz / (1 if hop_s else 2)))
    need = max(samples, int(np.ceil(shortest_s * spec.rate_hz)))
    windows: list[FloatArray] = []
    codes: list[int] = []
    bouts: list[tuple[Bout, FloatArray]] = []
    made: dict[str, None] = {}
    named: dict[str, None] = {}
    sites: dict[str | None, None] = {}
    left_out = 0
    for rec, bout, stretches in _each(recordings, spec, system, made):
        longest = max(stretches, key=len, default=np.empty((0, 0), np.float32))
        if len(longest) < need:
            left_out += 1
            continue
        cut = [s[i : i + samples].T for s in stretches for i in range(0, len(s) - samples + 1, hop)]
        windows += cut
        codes += [len(bouts)] * len(cut)
        bouts.append((bout, longest))
        named |= dict.fromkeys(filter(None, [rec.meta.get("dataset")]))
        sites |= {rec.spec.site: None}
    if not bouts:
        raise BadOptionError(
            f"no walking bout has {need / spec.rate_hz:g} s without a gap ({left_out} are shorter)",
            where=f"gait of {name}",
            remedy="Recordings need annotations of steps, swings or values on walking bouts; see docs/gait.md",
        )
    return Walks(
        name=name,
        x=np.ascontiguousarray(np.stack(windows), dtype=np.float32),
        bout=np.asarray(codes, dtype=np.int64),
        bouts=tuple(bout for bout, _ in bouts),
        signals=tuple(signal for _, signal in bouts),
        spec=spec,
        changes=tuple(made),
        left_out=left_out,
        origins=tuple(origins) or tuple(named),
        identities=identities or {},
        site=next(iter(sites)) if len(sites) == 1 else None,
    )


def _each(
    recordings: Iterable[Recording], spec: SignalSpec, system: str, made: dict[str, None]
) -> Iterator[tuple[Recording, Bout, list[FloatArray]]]:
    """Every bout with its adapted samples; what adapting changed goes to ``made``."""
    for rec in recordings:
        found = walking_bouts(rec, system=system)
        if found:
            adapted, changed = adapt(rec, spec)
            made |= dict.fromkeys(changed.made)
            yield from ((rec, bout, _stretches(adapted, bout)) for bout in found)


def _stretches(rec: Recording, bout: Bout) -> list[FloatArray]:
    """Samples of a bout, cut at gaps."""
    out, rate = [], rec.spec.rate_hz
    for s in rec.segments:
        first = max(0, int(np.ceil((bout.start_s - s.time_s) * rate - 1e-6)))
        last = min(s.stop - s.start, int(np.floor((bout.stop_s - s.time_s) * rate + 1e-6)))
        if last > first:
            out.append(rec.data[s.start + first : s.start + last])
    return out
