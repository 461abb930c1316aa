"""Read windows from memory-mapped integers into one float32 batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kinelet.corpus.quantise import FloatArray, IntArray

if TYPE_CHECKING:
    from kinelet.corpus.corpus import Corpus

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]


class Gatherer:
    """Reads windows of one length and one choice of channels."""

    def __init__(self, corpus: Corpus, n_samples: int, channels: Sequence[str]) -> None:
        self.corpus, self.n_samples, self.channels = corpus, n_samples, tuple(channels)
        self._sources: dict[int, tuple[IntArray, FloatArray]] = {}

    def source(self, recording: int) -> tuple[IntArray, FloatArray]:
        """Integers ``(time, channel)`` of the chosen channels, and their scale ``(channel,)``."""
        found = self._sources.get(recording)
        if found is None:
            info = self.corpus.recordings[recording]
            columns = [info.spec.channels.index(c) for c in self.channels]
            samples = self.corpus.samples(recording)
            if columns != list(range(samples.shape[1])):
                lead = columns == list(range(columns[0], columns[0] + len(columns)))
                samples = samples[:, columns[0] : columns[0] + len(columns)] if lead else samples[:, columns]
            found = samples, np.asarray([info.scale[c] for c in columns], dtype=np.float32)
            self._sources[recording] = found
        return found

    def __call__(self, recording: Codes, start: Ints) -> FloatArray:
        """Windows ``(batch, channel, time)`` that begin at sample ``start`` of ``recording``, both ``(batch,)``."""
        out = np.empty((len(start), len(self.channels), self.n_samples), dtype=np.float32)
        for i, (r, s) in enumerate(zip(recording.tolist(), start.tolist(), strict=True)):
            samples, scale = self.source(r)
            np.multiply(samples[s : s + self.n_samples].T, scale[:, None], out=out[i])
        return out

    def stretched(self, recording: Codes, start: Ints, length: Ints) -> FloatArray:
        """Stretches of ``length`` samples interpolated linearly to ``(batch, channel, n_samples)``; both ends kept."""
        out = np.empty((len(start), len(self.channels), self.n_samples), dtype=np.float32)
        for i, (r, s, n) in enumerate(zip(recording.tolist(), start.tolist(), length.tolist(), strict=True)):
            samples, scale = self.source(r)
            place = np.linspace(0, n - 1, self.n_samples)
            left = np.minimum(place.astype(np.int64), n - 2)
            share = (place - left).astype(np.float32)[:, None]
            part = samples[s : s + n] * scale
            out[i] = (part[left] * (1 - share) + part[left + 1] * share).T
        return out
