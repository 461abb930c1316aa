"""Read windows from memory-mapped integers into one float32 batch.

A window is one contiguous run of integers. Runs are copied side by side and turned into float32 ``(channel, time)``
together, a block at a time, so that the block is still in the processor's cache when it is converted.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from kinelet.corpus.quantise import FloatArray, IntArray

if TYPE_CHECKING:
    from kinelet.corpus.corpus import Corpus
    from kinelet.corpus.manifest import RecordingInfo

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]

_BLOCK = 256  # windows; 256 of 256 x 3 samples are 384 KB of int16


class _Source(NamedTuple):
    samples: IntArray  # (time, channel), a view of the chosen channels where they lie side by side
    columns: list[int] | None  # channels to pick from each run where they do not


class Gatherer:
    """Reads windows of one length and one choice of channels."""

    def __init__(self, corpus: Corpus, n_samples: int, channels: Sequence[str]) -> None:
        self.corpus, self.n_samples, self.channels = corpus, n_samples, tuple(channels)
        self._sources: dict[int, _Source] = {}

    def __call__(self, recording: Codes, start: Ints) -> FloatArray:
        """Windows ``(batch, channel, time)`` that begin at sample ``start`` of ``recording``, both ``(batch,)``."""
        out = np.empty((len(start), len(self.channels), self.n_samples), dtype=np.float32)
        for a in range(0, len(out), _BLOCK):
            self._block(recording[a : a + _BLOCK], start[a : a + _BLOCK], out[a : a + _BLOCK])
        return out

    def _block(self, recording: Codes, start: Ints, out: FloatArray) -> None:
        sources = [self._sources.get(code) or self._open(code) for code in recording.tolist()]
        n = self.n_samples
        runs = [
            source.samples[s : s + n] if source.columns is None else source.samples[s : s + n, source.columns]
            for source, s in zip(sources, start.tolist(), strict=True)
        ]
        raw = np.concatenate(runs).reshape(len(runs), n, len(self.channels))
        np.copyto(out, raw.transpose(0, 2, 1))
        np.multiply(out, self._scale[recording], out=out)

    @cached_property
    def _scale(self) -> FloatArray:
        """Scale of the chosen channels of every recording, ``(recording, channel, 1)``."""
        rows = [[info.scale[i] for i in self._columns(info)] for info in self.corpus.recordings]
        return np.asarray(rows, dtype=np.float32)[:, :, None]

    def _columns(self, info: RecordingInfo) -> list[int]:
        return [info.spec.channels.index(c) for c in self.channels]

    def stretched(self, recording: Codes, start: Ints, length: Ints) -> FloatArray:
        """Stretches of ``length`` samples interpolated linearly to ``(batch, channel, n_samples)``; both ends kept."""
        out = np.empty((len(start), len(self.channels), self.n_samples), dtype=np.float32)
        for i, (r, s, n) in enumerate(zip(recording.tolist(), start.tolist(), length.tolist(), strict=True)):
            source = self._sources.get(r) or self._open(r)
            part = source.samples[s : s + n, source.columns or slice(None)].T.astype(np.float32) * self._scale[r]
            place = np.linspace(0, n - 1, self.n_samples)
            left = np.minimum(place.astype(np.int64), n - 2)
            share = (place - left).astype(np.float32)
            out[i] = part[:, left] * (1 - share) + part[:, left + 1] * share
        return out

    def _open(self, recording: int) -> _Source:
        info, samples = self.corpus.recordings[recording], self.corpus.samples(recording)
        columns = self._columns(info)
        together = columns == list(range(columns[0], columns[0] + len(columns)))
        if together:
            samples = samples[:, columns[0] : columns[0] + len(columns)]
        found = self._sources[recording] = _Source(samples, None if together else columns)
        return found
