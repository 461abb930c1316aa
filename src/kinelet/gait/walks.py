"""Walks as an encoder sees them: windows laid inside walking bouts, and one vector a bout made from theirs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from kinelet.errors import BadOptionError
from kinelet.evaluate.task import Codes, FloatArray, Task
from kinelet.gait.bouts import Bout, walking_bouts
from kinelet.signal.adapt import adapt
from kinelet.signal.recording import Recording
from kinelet.signal.spec import SignalSpec

Statistic = Literal["mean", "sd"]
SHORTEST_S = 2.5
"""Two strides of a common walk: less does not show a rhythm."""


@dataclass(frozen=True, eq=False)
class Walks:
    """Walking bouts with their windows.

    Attributes:
        name: What to call the set in reports.
        x: Windows ``(n, channel, time)`` in ``spec``, wholly inside their bout and without a gap.
        bout: Codes ``(n,)`` into ``bouts``.
        bouts: Every bout that is long enough for a window and for two strides.
        signals: Acceleration of each bout ``(time, channel)`` in ``spec``, its longest stretch without a gap.
        spec: Signal of the windows, with their length.
        changes: What adapting the recordings to the spec changed, in words.
        left_out: Bouts that are too short.
        origins: Names that the data go by, for the check that nobody is judged on whom they learnt from.
        identities: Person to every name that they go by, where a corpus knows them.
        site: Body site of the sensor, where all recordings agree.
    """

    name: str
    x: FloatArray
    bout: Codes
    bouts: tuple[Bout, ...]
    signals: tuple[FloatArray, ...]
    spec: SignalSpec
    changes: tuple[str, ...] = ()
    left_out: int = 0
    origins: tuple[str, ...] = ()
    identities: Mapping[str, frozenset[str]] = field(default_factory=dict)
    site: str | None = None

    @property
    def subjects(self) -> tuple[str, ...]:
        """People, sorted."""
        return tuple(sorted({b.subject for b in self.bouts}))

    @property
    def targets(self) -> tuple[str, ...]:
        """Targets that at least one bout has, in the order of the first bout that has them."""
        known = (name for b in self.bouts for name, value in b.targets.items() if np.isfinite(value))
        return tuple(dict.fromkeys(known))

    def truth(self, target: str) -> npt.NDArray[np.float64]:
        """Value of a target for each bout, NaN where it has none."""
        return np.array([b.targets.get(target, np.nan) for b in self.bouts])

    def aggregate(self, vectors: FloatArray, statistics: Sequence[Statistic] = ("mean",)) -> FloatArray:
        """One vector a bout from the vectors of its windows.

        Args:
            vectors: ``(n, dim)``, one a window.
            statistics: ``mean`` over the bout's windows, and ``sd`` beside it (population; 0 for a single window).

        Returns:
            ``(bout, dim * len(statistics))``.
        """
        values = np.asarray(vectors, dtype=np.float64)
        n = np.bincount(self.bout, minlength=len(self.bouts))[:, None]
        mean = _sums(values, self.bout, len(self.bouts)) / n
        parts = {"mean": mean}
        if "sd" in statistics:
            parts["sd"] = np.sqrt(_sums((values - mean[self.bout]) ** 2, self.bout, len(self.bouts)) / n)
        return np.concatenate([parts[s] for s in statistics], axis=1).astype(np.float32)

    def task(self, target: str, vectors: npt.ArrayLike) -> Task:
        """Regression task of one target: a row a bout that has it, in the order of the bouts.

        Args:
            target: Its name.
            vectors: ``(bout, dim)``.

        Raises:
            BadOptionError: if no bout has the target.
        """
        truth, codes = self.truth(target), {s: i for i, s in enumerate(self.subjects)}
        keep = np.flatnonzero(np.isfinite(truth))
        if len(keep) == 0:
            raise BadOptionError(
                f"no bout has the target {target!r}",
                where=f"gait of {self.name}",
                remedy=f"Targets here: {', '.join(self.targets)}",
            )
        return Task(
            x=np.asarray(vectors, dtype=np.float32)[keep],
            y=truth[keep],
            subject=np.array([codes[self.bouts[i].subject] for i in keep]),
            subjects=self.subjects,
            spec=self.spec,
            recording=keep,
            origins=self.origins,
            identities=tuple(self.identities[s] for s in self.subjects) if self.identities else (),
            name=f"{self.name}: {target}",
        )


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


def _sums(values: npt.NDArray[np.float64], code: Codes, n: int) -> npt.NDArray[np.float64]:
    total = np.zeros((n, values.shape[1]))
    np.add.at(total, code, values)
    return total
