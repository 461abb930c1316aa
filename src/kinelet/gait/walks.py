"""Walks as an encoder sees them: windows laid inside walking bouts, and one vector a bout made from theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from kinelet.errors import BadOptionError
from kinelet.evaluate.task import Codes, FloatArray, Task
from kinelet.gait.bouts import Bout
from kinelet.signal.spec import SignalSpec

Statistic = Literal["mean", "sd"]


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


def _sums(values: npt.NDArray[np.float64], code: Codes, n: int) -> npt.NDArray[np.float64]:
    total = np.zeros((n, values.shape[1]))
    np.add.at(total, code, values)
    return total
