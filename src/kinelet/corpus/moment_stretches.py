"""What one modality has: stretches without gaps on their clocks, and how windows are read from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinelet.corpus.corpus import Corpus
from kinelet.corpus.gather import Gatherer
from kinelet.corpus.moment_clocks import Clocks
from kinelet.corpus.quantise import FloatArray
from kinelet.corpus.specs import common_spec
from kinelet.corpus.views import View
from kinelet.errors import BadOptionError
from kinelet.signal.spec import SignalSpec

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FUZZ = 1e-6  # of a sample: how far off the grid a time may be by rounding alone


@dataclass(frozen=True)
class Modality:
    """One modality of a corpus; arrays are ``(stretches,)``, ordered by clock and time.

    Attributes:
        name: What it is called.
        view: Which channels of which recordings it is.
        corpus: The recordings that have it.
        spec: Signal of a window.
        n_samples: Samples of a window.
        recording: Position of the stretch's recording in ``corpus.recordings``.
        code: Position of that recording in the whole corpus.
        clock: Number of its clock.
        first: First sample.
        length: Samples.
        time_s: Time of the first sample on the clock.
        read: Reads windows.
    """

    name: str
    view: View
    corpus: Corpus
    spec: SignalSpec
    n_samples: int
    recording: npt.NDArray[np.int32]
    code: npt.NDArray[np.int32]
    clock: Ints
    first: Ints
    length: Ints
    time_s: Floats
    read: Gatherer

    def on(self, clock: int) -> slice:
        """Its stretches on one clock."""
        return slice(*np.searchsorted(self.clock, [clock, clock + 1]).tolist())

    def slack(self, tolerance_s: float) -> float:
        """Seconds by which a window may be off its moment: the tolerance, at least the rounding to a sample."""
        return max(tolerance_s, 0.5 / self.spec.rate_hz) + FUZZ / self.spec.rate_hz

    def starts(self, stretch: Ints, time_s: Floats) -> Ints:
        """First samples of the windows of these stretches that begin nearest to these times, ``(n,)`` each."""
        nearest = np.floor((time_s - self.time_s[stretch]) * self.spec.rate_hz + 0.5 + FUZZ).astype(np.int64)
        return self.first[stretch] + np.clip(nearest, 0, self.length[stretch] - self.n_samples)

    def shifts(self, stretch: Ints, time_s: Floats) -> Floats:
        """Seconds from these times to the first samples of the windows nearest to them, ``(n,)``."""
        into = (self.starts(stretch, time_s) - self.first[stretch]) / self.spec.rate_hz
        return np.asarray(self.time_s[stretch] + into - time_s)

    def gather(self, stretch: Ints, time_s: Floats, *, whole: bool) -> FloatArray:
        """Windows ``(n, channel, time)`` of these stretches at these times, or each ``whole`` stretch as a window."""
        recording = self.recording[stretch]
        if whole:
            return self.read.stretched(recording, self.first[stretch], self.length[stretch])
        return self.read(recording, self.starts(stretch, time_s))


def modality_of(corpus: Corpus, name: str, view: View, window_s: float, clocks: Clocks) -> Modality:
    """Look up a view's stretches.

    Raises:
        SpecMismatchError: if its recordings differ in rate, channels or units.
        BadOptionError: if no recording has it, or its windows have less than one sample.
    """
    part, channels = view.part(corpus)
    spec = common_spec(part.recordings, channels=channels, where=f"{corpus.path}, modality {name}")
    n_samples = round((view.window_s or window_s) * spec.rate_hz)
    if n_samples < 1:
        raise BadOptionError(
            f"a window of {view.window_s or window_s:g} s has no sample of {name} at {spec.rate_hz:g} Hz",
            where="moments",
            remedy="Use longer ones",
        )
    rows = [
        (i, corpus.codes[r.id], s.start, s.stop - s.start, s.time_s)
        for i, r in enumerate(part.recordings)
        for s in r.segments
    ]
    recording, code, first, length = (np.array(c, dtype=np.int64) for c in list(zip(*rows, strict=True))[:4])
    time_s = np.array([row[4] for row in rows]) + clocks.start_s[code]
    order = np.lexsort((time_s, clocks.code[code]))
    return Modality(
        name,
        view,
        part,
        spec.replace(window_s=n_samples / spec.rate_hz),
        n_samples,
        recording[order].astype(np.int32),
        code[order].astype(np.int32),
        clocks.code[code][order],
        first[order],
        length[order],
        time_s[order],
        Gatherer(part, n_samples, channels),
    )
