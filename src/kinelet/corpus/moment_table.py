"""What is known of moments: when, who, which modalities, which label. Nothing is kept a moment but its number."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kinelet.corpus.corpus import Corpus
from kinelet.corpus.labels import Intervals, majority, mean_value
from kinelet.corpus.moment_layout import Layout
from kinelet.errors import BadOptionError
from kinelet.signal.spec import SignalSpec

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class MomentTable:
    """What is known of moments without reading a sample.

    What is kept per moment is nothing but its number, and that only in a selection: time, person and the windows of
    each modality follow from it by counting.

    Attributes:
        corpus: What they are cut from.
        layout: How.
        index: Numbers among all moments that were laid; ``None`` for all of them.
    """

    def __init__(self, corpus: Corpus, layout: Layout, index: Ints | None = None) -> None:
        self.corpus, self.layout, self.index = corpus, layout, index

    def __len__(self) -> int:
        return int(self.layout.runs.before[-1]) if self.index is None else len(self.index)

    def __repr__(self) -> str:
        pairs = int((self.present.sum(axis=1) > 1).sum())
        return f"{type(self).__name__}({len(self)} of {' + '.join(self.names)}, {pairs} pairs)"

    @property
    def names(self) -> tuple[str, ...]:
        """Modalities, in the order of the columns of :attr:`present`."""
        return tuple(m.name for m in self.layout.modalities)

    @property
    def specs(self) -> dict[str, SignalSpec]:
        """Signal of a window of each modality, with its length."""
        return {m.name: m.spec for m in self.layout.modalities}

    @property
    def subjects(self) -> tuple[str, ...]:
        """Names that :attr:`subject` counts along."""
        return self.corpus.subjects

    @property
    def classes(self) -> tuple[str, ...]:
        """Names that :attr:`label` counts along."""
        return self.layout.classes

    def base(self, index: npt.ArrayLike) -> Ints:
        """Numbers among all moments that were laid, for numbers among these.

        Raises:
            BadOptionError: if a number is out of range.
        """
        numbers = np.asarray(index, dtype=np.int64)
        if numbers.size and (numbers.min() < 0 or numbers.max() >= len(self)):
            raise BadOptionError(f"moment {numbers.min()}..{numbers.max()} is not among 0..{len(self) - 1}")
        return numbers if self.index is None else self.index[numbers]

    def locate(self, index: npt.ArrayLike) -> tuple[Ints, Floats]:
        """Run of each of some moments, and when it begins on its clock."""
        base, runs = self.base(index), self.layout.runs
        run = np.searchsorted(runs.before, base, side="right") - 1
        return run, runs.time_s[run] + (base - runs.before[run]) * self.layout.rules.hop_s

    def time_of(self, index: npt.ArrayLike) -> Floats:
        """Start of some moments in seconds on their clocks."""
        return self.locate(index)[1]

    def stretch_of(self, index: npt.ArrayLike) -> Ints:
        """Stretch that each modality of some moments is read from, -1 where absent, ``(n, modality)``."""
        return self.layout.runs.stretch[self.locate(index)[0]]

    def people_of(self, index: npt.ArrayLike) -> tuple[Codes, Codes]:
        """Codes of the person and of the clock of some moments."""
        clock = self.layout.runs.clock[self.locate(index)[0]]
        return self._subject_of_clock[clock], clock.astype(np.int32)

    def part_of(self, index: npt.ArrayLike) -> Codes:
        """Code of the part of a union, else of the data set, that some moments are from."""
        return self._part_of_clock[self.layout.runs.clock[self.locate(index)[0]]]

    @cached_property
    def _lead(self) -> Ints:
        """A recording of each clock."""
        return np.unique(self.layout.clocks.code, return_index=True)[1]

    @cached_property
    def _subject_of_clock(self) -> Codes:
        code = {name: i for i, name in enumerate(self.subjects)}
        return np.array([code[self.corpus.recordings[i].subject] for i in self._lead], dtype=np.int32)

    @cached_property
    def _part_of_clock(self) -> Codes:
        rows = [self.corpus.recordings[i] for i in self._lead]
        names = [str(r.row.get("part") or r.dataset or "") for r in rows]
        return np.unique(names, return_inverse=True)[1].astype(np.int32)

    @cached_property
    def _all(self) -> tuple[Ints, Floats]:
        return self.locate(np.arange(len(self)))

    @property
    def time_s(self) -> Floats:
        """Start of each moment in seconds on its clock, ``(n,)``."""
        return self._all[1]

    @property
    def clock(self) -> Codes:
        """Number of each moment's clock: recordings with one number were recorded together, ``(n,)``."""
        return self.layout.runs.clock[self._all[0]].astype(np.int32)

    @property
    def subject(self) -> Codes:
        """Code of each moment's person, ``(n,)``."""
        return self._subject_of_clock[self.clock]

    @property
    def present(self) -> Bools:
        """Which modalities each moment has, ``(n, modality)``."""
        return np.asarray(self.layout.runs.stretch >= 0)[self._all[0]]

    @cached_property
    def label(self) -> Codes:
        """Class of each moment, -1 where it has none, ``(n,)``."""
        out = np.full(len(self), -1, dtype=np.int32)
        for rows, intervals, t0, t1 in self._by_clock():
            out[rows] = majority(intervals, t0, t1, self.layout.rules.purity)
        return out

    @cached_property
    def value(self) -> Floats:
        """Mean target value of each moment, NaN where too little of it has one, ``(n,)``."""
        out = np.full(len(self), np.nan)
        for rows, intervals, t0, t1 in self._by_clock():
            out[rows] = mean_value(intervals, t0, t1, self.layout.rules.purity)
        return out

    def _by_clock(self) -> Iterator[tuple[Ints, Intervals, Floats, Floats]]:
        order = np.argsort(self.clock, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(self.clock[order])) + 1):
            intervals = self.layout.marks.get(int(self.clock[rows[0]])) if len(rows) else None
            if intervals is not None:
                t0 = self.time_s[rows]
                yield rows, intervals, t0, t0 + self.layout.runs.length_s[self._all[0][rows]]
