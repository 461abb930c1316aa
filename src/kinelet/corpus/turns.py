"""Windows whose people take turns, without candidates beside them."""

from __future__ import annotations

import numpy as np

from kinelet.corpus.samplers import Draw, check_batch
from kinelet.corpus.windows import Windows
from kinelet.corpus.within import anchor_cycle


class TurnSampler:
    """Batches of windows of different people, or spread evenly over them where there are too few.

    A person with fewer windows than turns in a batch gives some of them again.

    Args:
        windows: What to draw from.
        batch_size: Windows a batch.
        seed: Which order.
        balance: As many windows from every part of a union (or data set).

    Raises:
        BadOptionError: if there are fewer windows than a batch takes, or in a part than its share.
    """

    def __init__(self, windows: Windows, batch_size: int, seed: int = 0, *, balance: bool = False) -> None:
        everything = np.arange(len(windows), dtype=np.int64)
        self.windows = windows
        check_batch(batch_size, len(windows), "windows")
        self._cycle = anchor_cycle(windows, everything, batch_size, seed, distinct_subjects=True, balance=balance)
        if balance:
            sizes = np.unique(windows.part_of(everything), return_counts=True)[1]
            check_batch(batch_size // len(sizes), int(sizes.min()), "windows of the smallest part")

    def draw(self, step: int) -> Draw:
        """Global batch of a step."""
        return Draw(self.windows, self._cycle.draw(step))
