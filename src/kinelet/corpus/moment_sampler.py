"""Batches of sequences of consecutive moments; a pure function of seed and step."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kinelet.corpus.moment_tiles import tiles
from kinelet.corpus.moments import Moments
from kinelet.corpus.permutation import permuted
from kinelet.corpus.samplers import Draw
from kinelet.errors import BadOptionError

Ints = npt.NDArray[np.int64]


class MomentSampler:
    """Sequences of consecutive moments, side by side: every moment at most once an epoch, sequences shuffled.

    Consecutive moments are one hop apart on one clock, with no gap in any modality. Where fewer than ``length`` are
    left of a run they are in no sequence; :attr:`dropped` says how many. Where there are fewer sequences than asked
    for, a batch takes all there are.

    Args:
        moments: What to draw from.
        sequences: Sequences a batch.
        length: Moments a sequence.
        seed: Which shuffles.

    Attributes:
        sequences: Sequences that a batch holds.
        dropped: Moments that are in no sequence.

    Raises:
        BadOptionError: if there is no such sequence, or a batch is to hold none.
    """

    def __init__(self, moments: Moments, sequences: int, length: int, seed: int = 0) -> None:
        self.moments, self.length, self.seed = moments, length, seed
        self.first = tiles(moments, length)
        if sequences < 1:
            raise BadOptionError(f"a batch of {sequences} sequences", where="MomentSampler", remedy="Use 1 or more")
        if not len(self.first):
            raise BadOptionError(
                f"no sequence of {length} consecutive moments among {len(moments)}",
                where=str(moments.corpus.path),
                remedy="Use shorter sequences, shorter windows, or more pairs; see kinelet corpus pairs",
            )
        self.sequences = min(sequences, len(self.first))
        self.dropped = len(moments) - length * len(self.first)

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return len(self.first) // self.sequences

    def indices(self, step: int) -> Ints:
        """Numbers of the moments of a step, sequence after sequence, shape ``(sequences * length,)``."""
        epoch, place = divmod(step, self.steps_per_epoch)
        position = np.arange(place * self.sequences, (place + 1) * self.sequences)
        first = self.first[permuted(position, len(self.first), (self.seed, epoch))]
        return (first[:, None] + np.arange(self.length)).ravel()

    def draw(self, step: int) -> Draw:
        """Global batch of a step; ``sequence`` and ``moment`` count sequences and their moments within it."""
        extra = {
            "sequence": np.repeat(np.arange(self.sequences), self.length),
            "moment": np.tile(np.arange(self.length), self.sequences),
        }
        return Draw(self.moments, self.indices(step), run=self.length, extra=extra)
