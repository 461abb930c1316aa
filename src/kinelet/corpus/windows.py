"""Windows of a corpus, addressed by number; their samples are read only when they are gathered."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from kinelet.corpus.gather import Gatherer
from kinelet.corpus.labels import majority, mean_value
from kinelet.corpus.quantise import FloatArray
from kinelet.errors import BadOptionError
from kinelet.signal.spec import SignalSpec

if TYPE_CHECKING:
    from kinelet.corpus.corpus import Corpus
    from kinelet.corpus.cut import Marks, Spans
    from kinelet.corpus.events import Events

Placement = Literal["grid", "annotation", "stretch", "event"]
Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

_BLOCK = 1 << 20


class Windows:
    """Windows of all recordings of a corpus, or some of them.

    What is kept per window is nothing: place, time and person follow from the number by counting. Columns over all
    windows (:attr:`subject`, :attr:`label`, …) are computed when first asked for.

    Attributes:
        corpus: Where they are cut from.
        spec: Signal of a window; ``spec.window_s`` is its length.
        n_samples: Samples in a window.
        hop: Samples from one window's start to the next; windows of a stretched placement have none.
        placement: How they are laid.
        marks: Annotations that labels and values come from.
        events: Sentences that placement ``event`` laid them by; ``None`` for others.
    """

    def __init__(
        self,
        corpus: Corpus,
        spans: Spans,
        *,
        spec: SignalSpec,
        n_samples: int,
        hop: int,
        purity: float,
        placement: Placement,
        marks: Marks,
        events: Events | None = None,
        index: Ints | None = None,
    ) -> None:
        self.corpus, self.spans, self.spec, self.n_samples, self.hop = corpus, spans, spec, n_samples, hop
        self.purity, self.placement, self.marks, self.index = purity, placement, marks, index
        self.events = events
        self._gatherer = Gatherer(corpus, n_samples, spec.channels)

    def __len__(self) -> int:
        return int(self.spans.before[-1]) if self.index is None else len(self.index)

    @property
    def subjects(self) -> tuple[str, ...]:
        """Names that :attr:`subject` counts along."""
        return self.corpus.subjects

    @property
    def classes(self) -> tuple[str, ...]:
        """Names that :attr:`label` counts along."""
        return self.marks.classes

    def base(self, index: npt.ArrayLike) -> Ints:
        """Numbers among all windows that were cut, for numbers among these.

        Raises:
            BadOptionError: if a number is out of range.
        """
        numbers = np.asarray(index, dtype=np.int64)
        if numbers.size and (numbers.min() < 0 or numbers.max() >= len(self)):
            raise BadOptionError(f"window {numbers.min()}..{numbers.max()} is not among 0..{len(self) - 1}")
        return numbers if self.index is None else self.index[numbers]

    def locate(self, index: npt.ArrayLike) -> tuple[Ints, Ints]:
        """Span and first sample of windows."""
        base = self.base(index)
        span = np.searchsorted(self.spans.before, base, side="right") - 1
        return span, self.spans.first[span] + (base - self.spans.before[span]) * self.hop

    def gather(self, index: npt.ArrayLike) -> FloatArray:
        """Read windows, in any order, some of them more than once if asked for.

        Args:
            index: Numbers of windows, shape ``(batch,)``.

        Returns:
            Samples ``(batch, channel, time)`` in ``spec.units``.
        """
        span, start = self.locate(index)
        recording = self.spans.recording[span]
        if self.placement == "stretch":
            return self._gatherer.stretched(recording, start, self.spans.length[span])
        return self._gatherer(recording, start)

    def batch(self, index: Ints) -> dict[str, npt.NDArray[Any]]:
        """What the rows of a batch hold; see :func:`kinelet.corpus.loader.iterate_batches`."""
        subject, recording = self.people_of(index)
        return {
            "x": self.gather(index),
            "index": index,
            "subject": subject.astype(np.int64),
            "recording": recording.astype(np.int64),
            "part": self.part_of(index).astype(np.int64),
            "time_s": self.time_of(index),
        }

    def __getitem__(self, i: int) -> FloatArray:
        """One window ``(channel, time)``."""
        window: FloatArray = self.gather(np.array([i]))[0]
        return window

    @cached_property
    def _all(self) -> tuple[Ints, Ints]:
        return self.locate(np.arange(len(self)))

    @property
    def span(self) -> Ints:
        """Number of the stretch without gaps (or annotated interval) of each window, shape ``(n,)``."""
        return self._all[0]

    @property
    def start(self) -> Ints:
        """First sample of each window within its recording, shape ``(n,)``."""
        return self._all[1]

    @cached_property
    def recording(self) -> Codes:
        """Position of each window's recording in ``corpus.recordings``, shape ``(n,)``."""
        return self.spans.recording[self.span]

    @cached_property
    def subject(self) -> Codes:
        """Code of each window's person, shape ``(n,)``."""
        return self._subject_of_recording[self.recording]

    @cached_property
    def _subject_of_recording(self) -> Codes:
        code = {name: i for i, name in enumerate(self.subjects)}
        return np.array([code[r.subject] for r in self.corpus.recordings], dtype=np.int32)

    @cached_property
    def _part_of_recording(self) -> Codes:
        rows = self.corpus.recordings
        names = [str(r.row.get("part") or r.dataset or "") for r in rows]
        return np.unique(names, return_inverse=True)[1].astype(np.int32)

    def part_of(self, index: npt.ArrayLike) -> Codes:
        """Code of the part of a union, else of the data set, that some windows are from."""
        return self._part_of_recording[self.spans.recording[self.locate(index)[0]]]

    @cached_property
    def time_s(self) -> Floats:
        """Start of each window in seconds since its recording's first sample, shape ``(n,)``."""
        return self.time_of(np.arange(len(self)))

    def time_of(self, index: npt.ArrayLike) -> Floats:
        """Start of some windows in seconds since their recording's first sample."""
        span, start = self.locate(index)
        return np.asarray(self.spans.time_s[span] + (start - self.spans.first[span]) / self.spec.rate_hz)

    def people_of(self, index: npt.ArrayLike) -> tuple[Codes, Codes]:
        """Codes of person and recording of some windows."""
        recording = self.spans.recording[self.locate(index)[0]]
        return self._subject_of_recording[recording], recording

    @cached_property
    def hour(self) -> Ints:
        """Hours since 1970 UTC of each window's start; since the recording's start where that is all that is known."""
        starts = np.array([r.start_unix_s or 0.0 for r in self.corpus.recordings])
        return np.floor((starts[self.recording] + self.time_s) / 3600.0).astype(np.int64)

    @cached_property
    def label(self) -> Codes:
        """Class of each window, -1 where it is unlabelled or no class covers enough of it, shape ``(n,)``."""
        if self.placement in ("annotation", "stretch"):
            return self.spans.code[self.span]
        out = np.full(len(self), -1, dtype=np.int32)
        for rows, intervals, t0 in self._by_recording():
            out[rows] = majority(intervals, t0, t0 + self.n_samples / self.spec.rate_hz, self.purity)
        return out

    @cached_property
    def value(self) -> Floats:
        """Mean target value of each window, NaN where too little of it has one, shape ``(n,)``."""
        if self.placement in ("annotation", "stretch"):
            return self.spans.value[self.span]
        out = np.full(len(self), np.nan)
        for rows, intervals, t0 in self._by_recording():
            out[rows] = mean_value(intervals, t0, t0 + self.n_samples / self.spec.rate_hz, self.purity)
        return out

    def _by_recording(self) -> Any:
        order = np.argsort(self.recording, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(self.recording[order])) + 1):
            intervals = self.marks.by_recording.get(int(self.recording[rows[0]])) if len(rows) else None
            if intervals is not None:
                yield rows, intervals, self.time_s[rows]

    def select(self, which: npt.ArrayLike) -> Windows:
        """Some of the windows, by a mask ``(n,)`` or by numbers; codes keep their meaning."""
        chosen = np.asarray(which)
        if chosen.dtype == np.bool_:
            if chosen.shape != (len(self),):
                raise BadOptionError(f"a mask of {chosen.shape} for {len(self)} windows")
            chosen = np.flatnonzero(chosen)
        return Windows(
            self.corpus,
            self.spans,
            spec=self.spec,
            n_samples=self.n_samples,
            hop=self.hop,
            purity=self.purity,
            placement=self.placement,
            marks=self.marks,
            events=self.events,
            index=self.base(chosen),
        )

    def labelled(self) -> Windows:
        """The windows that have a class, or, on a track of values, a value."""
        return self.select(self.label >= 0 if self.classes else np.isfinite(self.value))

    def of(self, subjects: Collection[str]) -> Windows:
        """The windows of some people.

        Raises:
            BadOptionError: if a name is not in the corpus.
        """
        unknown = sorted(set(subjects) - set(self.subjects))
        if unknown:
            raise BadOptionError(f"no such people: {unknown[:5]}", remedy=f"The corpus has {self.subjects[:5]} …")
        code = [i for i, name in enumerate(self.subjects) if name in set(subjects)]
        return self.select(np.isin(self.subject, code))

    def __repr__(self) -> str:
        return f"Windows({len(self)} of {self.spec.window_s:g} s, {len(self.classes)} classes)"
