"""Windows where somebody said something: one window may carry many sentences, and none overlaps another too much.

Sentences come every second or two, windows last several; one window a sentence would repeat the same motion over and
over. So in the order of time each sentence joins the open window if it is close enough to that window's centre, and
else opens a window centred on itself. What counts is the sentence's centre, moved to where a window can have its own:
within half a window of the end of the samples a sentence may join a window that has just ended, since one more window
would overlap that one too much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kinelet.corpus.corpus import Corpus
from kinelet.corpus.microseconds import US, microseconds
from kinelet.corpus.narrations import Narrations

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Placed(NamedTuple):
    """Where sentences lie, in the order of time; arrays are ``(sentences that have a place,)``.

    Attributes:
        narration: Number of the narration.
        key: Segment and centre (clipped so that a window fits) in one sortable number.
        start: Segment and first sample of a window around the centre in one sortable number.
        outside: Sentences whose centre is in no segment: in a gap, or before or after all samples.
        short: Sentences in a segment that is shorter than a window.
    """

    narration: Ints
    key: Ints
    start: Ints
    outside: int
    short: int


@dataclass(frozen=True)
class Axis:
    """All segments of a corpus on one line, for windows of one length; arrays are ``(segments,)``.

    Attributes:
        n_samples: Samples in a window.
        rate_hz: Their rate.
        recording: Code of the recording.
        first: First sample.
        length: Samples.
        time_s: Time of the first sample.
    """

    n_samples: int
    rate_hz: float
    recording: Ints
    first: Ints
    length: Ints
    time_s: Floats

    @classmethod
    def of(cls, corpus: Corpus, n_samples: int) -> Axis:
        """The axis of a corpus whose recordings have one rate."""
        rows = [(i, s.start, s.stop - s.start, s.time_s) for i, r in enumerate(corpus.recordings) for s in r.segments]
        recording, first, length, time_s = (np.asarray(c) for c in zip(*rows, strict=True))
        return cls(n_samples, corpus.recordings[0].spec.rate_hz, recording, first, length, time_s.astype(np.float64))

    @property
    def stride(self) -> int:
        """More than any place within a segment, and than any distance that sentences join over."""
        return 2 * int(microseconds((self.length.max() + self.n_samples) / self.rate_hz)) + 2

    def segment_of(self, recording: npt.NDArray[np.integer], time_s: Floats) -> Ints:
        """Segment that each time lies in, -1 for gaps and for times before or after all samples."""
        shift = self.time_s.min()
        stride = float(np.ceil(max(self.time_s.max(), np.abs(time_s).max(initial=0)) - shift) + 2)
        near = np.clip(time_s - shift, -1, None)
        # Half a sample before the first one belongs to it, as half a sample after the last one does.
        keys = self.recording * stride + (self.time_s - shift) - 0.5 / self.rate_hz
        found = np.searchsorted(keys, recording * stride + near, side="right") - 1
        found = np.maximum(found, 0)
        since = time_s - self.time_s[found]
        inside = (self.recording[found] == recording) & (since <= (self.length[found] + 0.5) / self.rate_hz)
        return np.where(inside & (since >= -0.5 / self.rate_hz), found, -1)

    def place(self, narrations: Narrations) -> Placed:
        """Give each sentence its centre, clipped to where a window of the segment can have its own."""
        segment = self.segment_of(narrations.recording, narrations.centre_s)
        fits = (segment >= 0) & (self.length[segment] >= self.n_samples)
        number = np.flatnonzero(fits)
        segment_of = segment[number]
        room = microseconds((self.length[segment_of] - self.n_samples) / self.rate_hz)
        half = self.n_samples / 2 / self.rate_hz
        lead = np.clip(microseconds(narrations.centre_s[number] - self.time_s[segment_of] - half), 0, room)
        sample = np.rint(lead / US * self.rate_hz).astype(np.int64)
        sample = np.minimum(sample, self.length[segment_of] - self.n_samples)
        key = segment_of * self.stride + lead
        order = np.argsort(key, kind="stable")
        outside = int((segment < 0).sum())
        return Placed(
            number[order],
            key[order],
            (segment_of * self.stride + sample)[order],
            outside,
            len(segment) - outside - len(number),
        )


@dataclass(frozen=True)
class Events:
    """Windows that sentences opened, in the order of time; arrays are ``(windows,)``.

    Attributes:
        axis: What keys count along.
        key: Segment and centre of the sentence that opened the window.
        start: Segment and first sample of the window.
        near: Microseconds and samples after a window's own within which a sentence joins it.
        outside: Sentences in no segment.
        short: Sentences in a segment that is shorter than a window.
    """

    axis: Axis
    key: Ints
    start: Ints
    near: tuple[int, int]
    outside: int
    short: int

    @property
    def segment(self) -> Ints:
        """Segment of each window."""
        return self.key // self.axis.stride

    @property
    def sample(self) -> Ints:
        """First sample of each window within its recording."""
        return self.axis.first[self.segment] + self.start % self.axis.stride

    def links(self, narrations: Narrations) -> tuple[Ints, Ints]:
        """Window and number of each sentence that opened or joined a window."""
        placed = self.axis.place(narrations)
        window = np.searchsorted(self.key, placed.key, side="right") - 1
        before = np.maximum(window, 0)
        us, samples = placed.key - self.key[before], placed.start - self.start[before]
        joined = (window >= 0) & ((us < self.near[0]) | (samples < self.near[1]))
        return window[joined], placed.narration[joined]


def open_windows(corpus: Corpus, narrations: Narrations, n_samples: int, merge_overlap: float) -> Events:
    """Lay windows; see :meth:`Corpus.windows`, placement ``event``."""
    axis = Axis.of(corpus, n_samples)
    placed = axis.place(narrations)
    apart = (1 - merge_overlap) * n_samples
    near = int(microseconds(apart / axis.rate_hz)), math.ceil(apart - 1e-9)
    # A sentence opens a window if it is too far in time and the windows, on whole samples, are far enough apart.
    following = np.maximum(
        np.searchsorted(placed.key, placed.key + near[0]), np.searchsorted(placed.start, placed.start + near[1])
    ).tolist()
    openers, at = [], 0
    while at < len(following):
        openers.append(at)
        at = following[at]
    return Events(axis, placed.key[openers], placed.start[openers], near, placed.outside, placed.short)
