"""Batches of sequences of consecutive moments, far apart from each other; a pure function of seed and step."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kinelet.corpus.moment_tiles import in_time, tiles
from kinelet.corpus.moments import Moments
from kinelet.corpus.samplers import Draw
from kinelet.errors import BadOptionError

Ints = npt.NDArray[np.int64]


class MomentSampler:
    """Sequences of consecutive moments, side by side: every moment at most once an epoch, sequences shuffled.

    Consecutive moments are one hop apart on one clock, with no gap in any modality. Where fewer than ``length`` are
    left of a run they are in no sequence; :attr:`dropped` says how many. Where there are fewer sequences than asked
    for, a batch takes all there are.

    Sequences of a batch count as different from each other, which those that follow each other hardly are. Therefore
    all sequences, in the order of their clocks and times, are cut into as many stretches as a batch holds sequences,
    at a place that each epoch draws, and a batch takes one of each stretch. Half of the batches take theirs from the
    first half of every stretch, the others from the second: two sequences of a batch are more than half a stretch
    apart. Where an epoch is one batch, neighbours cannot be avoided; :attr:`neighbours` says how many there are.

    Args:
        moments: What to draw from.
        sequences: Sequences a batch.
        length: Moments a sequence.
        seed: Which shuffles.

    Attributes:
        sequences: Sequences that a batch holds.
        dropped: Moments that are in no sequence.
        neighbours: Sequences of the first batch with another one nearer than ``length`` moments.

    Raises:
        BadOptionError: if there is no such sequence, or a batch is to hold none.

    Source: InfoMAE, arXiv 2504.09707 (sequences of a batch are of different places and times); stratified sampling.
    """

    def __init__(self, moments: Moments, sequences: int, length: int, seed: int = 0) -> None:
        self.moments, self.length, self.seed = moments, length, seed
        self.first = in_time(moments, tiles(moments, length))
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
        self._dealt: tuple[int, Ints] | None = None
        self.neighbours = near(moments, self.indices(0)[::length], length)

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return len(self.first) // self.sequences

    def indices(self, step: int) -> Ints:
        """Numbers of the moments of a step, sequence after sequence, shape ``(sequences * length,)``."""
        epoch, place = divmod(step, self.steps_per_epoch)
        first: Ints = self.first[self._epoch(epoch)[place]]
        return np.asarray((first[:, None] + np.arange(self.length)).ravel())

    def draw(self, step: int) -> Draw:
        """Global batch of a step; ``sequence`` and ``moment`` count sequences and their moments within it."""
        extra = {
            "sequence": np.repeat(np.arange(self.sequences), self.length),
            "moment": np.tile(np.arange(self.length), self.sequences),
        }
        return Draw(self.moments, self.indices(step), run=self.length, extra=extra)

    def _epoch(self, epoch: int) -> Ints:
        """Places in time of the sequences of all batches of an epoch; the last epoch asked for is remembered."""
        known = self._dealt
        if known is None or known[0] != epoch:
            known = epoch, deal(len(self.first), self.sequences, (self.seed, epoch))
            self._dealt = known
        return known[1]


def deal(n: int, sequences: int, key: tuple[int, ...]) -> Ints:
    """Deal ``n`` places that stand in a circle to ``n // sequences`` batches, so that no two of a batch are near.

    With ``s`` batches, places of a batch are ``s // 2 + 1`` or more apart, around the circle too. What is left over is
    another stretch under another key.

    Args:
        n: Places.
        sequences: Places a batch, at most ``n``.
        key: Which deal, for example ``(seed, epoch)``.

    Returns:
        ``(batch, sequences)``, each place at most once.
    """
    rng, batches = np.random.default_rng(key), n // sequences
    half = -(-batches // 2)
    stretches = (rng.integers(n) + np.arange(sequences * batches)).reshape(sequences, batches) % n
    halves = [rng.permuted(part, axis=1) for part in (stretches[:, :half], stretches[:, half:])]
    by_batch = np.concatenate(halves, axis=1).T[rng.permutation(batches)]
    return np.asarray(rng.permuted(by_batch, axis=1), dtype=np.int64)


def near(moments: Moments, first: Ints, length: int) -> int:
    """How many sequences of ``length`` moments have another one with fewer than ``length`` moments between them.

    Args:
        moments: Where they are.
        first: The first moment of each, ``(sequences,)``.
        length: Moments a sequence.
    """
    order = in_time(moments, first)
    apart = np.diff(moments.time_s[order]) < (2 * length - 0.5) * moments.layout.rules.hop_s
    close = np.concatenate([[False], apart & (np.diff(moments.clock[order]) == 0), [False]])
    return int((close[1:] | close[:-1]).sum())
