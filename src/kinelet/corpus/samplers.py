"""Which windows make a batch. Samplers are pure functions of seed and step: nothing to save, nothing to replay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from kinelet.corpus.permutation import permuted
from kinelet.corpus.windows import Windows
from kinelet.errors import BadOptionError

if TYPE_CHECKING:
    from kinelet.corpus.moments import Moments

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Draw:
    """Windows, or moments, of one global batch.

    Attributes:
        windows: What the numbers refer to.
        index: Numbers of windows, shape ``(rows,)``.
        candidates: Numbers of further windows of each row, shape ``(rows, K)``, or ``None``.
        run: Consecutive rows that belong together; ranks never get part of a run.
        distance: Distances of each row's candidates, shape ``(rows, N)`` float32, or ``None``.
        extra: Further arrays, a row each, that go into the batch under these names.
    """

    windows: Windows | Moments
    index: Ints
    candidates: Ints | None = None
    run: int = 1
    distance: npt.NDArray[np.float32] | None = None
    extra: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)


class Sampler(Protocol):
    """Anything that says which windows step ``step`` is made of."""

    def draw(self, step: int) -> Draw:
        """Global batch of a step; the same for the same step, whatever was drawn before."""


class RandomSampler:
    """Every window once an epoch, in an order shuffled anew each epoch; a last incomplete batch is left out.

    Args:
        windows: What to draw from.
        batch_size: Windows a batch.
        seed: Which shuffles.

    Raises:
        BadOptionError: if there are fewer windows than a batch takes.
    """

    def __init__(self, windows: Windows, batch_size: int, seed: int = 0) -> None:
        check_batch(batch_size, len(windows), "windows")
        self.windows, self.batch_size, self.seed = windows, batch_size, seed

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return len(self.windows) // self.batch_size

    def indices(self, step: int) -> Ints:
        """Numbers of the windows of a step, shape ``(batch,)``."""
        epoch, place = divmod(step, self.steps_per_epoch)
        position = np.arange(place * self.batch_size, (place + 1) * self.batch_size)
        return permuted(position, len(self.windows), (self.seed, epoch))

    def draw(self, step: int) -> Draw:
        """Global batch of a step."""
        return Draw(self.windows, self.indices(step))


class BalancedSampler:
    """As many windows from every part of a union (or data set) in each batch, however large the parts are.

    Each part goes through its own epochs. Rows alternate between parts, so that equal shares of a batch, one a
    process, hold every part too.

    Args:
        windows: What to draw from.
        batch_size: Windows a batch; a multiple of the number of parts.
        seed: Which shuffles.

    Raises:
        BadOptionError: if the batch cannot be shared evenly, or a part has fewer windows than its share.
    """

    def __init__(self, windows: Windows, batch_size: int, seed: int = 0) -> None:
        part = windows.part_of(np.arange(len(windows)))
        self.groups = [np.flatnonzero(part == code).astype(np.int64) for code in np.unique(part)]
        self.share, uneven = divmod(batch_size, len(self.groups))
        if uneven:
            raise BadOptionError(
                f"a batch of {batch_size} cannot be shared by {len(self.groups)} parts",
                where="BalancedSampler",
                remedy=f"Use a multiple of {len(self.groups)}",
            )
        check_batch(self.share, min(len(g) for g in self.groups), "windows of the smallest part")
        self.windows, self.batch_size, self.seed = windows, batch_size, seed

    def indices(self, step: int) -> Ints:
        """Numbers of the windows of a step, shape ``(batch,)``, parts alternating."""
        return np.stack([self._of(g, step) for g in range(len(self.groups))], axis=1).ravel()

    def _of(self, part: int, step: int) -> Ints:
        members = self.groups[part]
        epoch, place = divmod(step, len(members) // self.share)
        position = np.arange(place * self.share, (place + 1) * self.share)
        return members[permuted(position, len(members), (self.seed, part, epoch))]

    def draw(self, step: int) -> Draw:
        """Global batch of a step."""
        return Draw(self.windows, self.indices(step))


class SequenceSampler:
    """Runs of neighbouring windows, each run's windows one hop apart in one stretch without gaps.

    Every possible run once an epoch, shuffled. The batch holds run after run: rows ``0..length-1`` are the first.

    Args:
        windows: What to draw from.
        batch_size: Runs a batch.
        length: Windows a run.
        seed: Which shuffles.

    Raises:
        BadOptionError: if there are fewer runs than a batch takes.
    """

    def __init__(self, windows: Windows, batch_size: int, length: int, seed: int = 0) -> None:
        if length < 1:
            raise BadOptionError(f"length is {length}", where="SequenceSampler", remedy="Use 1 or more")
        self.windows, self.batch_size, self.length, self.seed = windows, batch_size, length, seed
        self.first = _run_starts(windows, length)
        check_batch(batch_size, len(self.first), f"runs of {length} neighbouring windows")

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return len(self.first) // self.batch_size

    def indices(self, step: int) -> Ints:
        """Numbers of the windows of a step, shape ``(batch * length,)``."""
        epoch, place = divmod(step, self.steps_per_epoch)
        position = np.arange(place * self.batch_size, (place + 1) * self.batch_size)
        runs = self.first[permuted(position, len(self.first), (self.seed, epoch))]
        return (runs[:, None] + np.arange(self.length)).ravel()

    def draw(self, step: int) -> Draw:
        """Global batch of a step."""
        return Draw(self.windows, self.indices(step), run=self.length)


def _run_starts(windows: Windows, length: int) -> Ints:
    last = len(windows) - length + 1
    if last < 1:
        return np.empty(0, dtype=np.int64)
    numbers = windows.base(np.arange(len(windows)))
    # Numbers among all windows count along a span, so L windows are neighbours if the numbers say so at both ends.
    steps = np.r_[0, np.cumsum((np.diff(numbers) == 1) & (np.diff(windows.span) == 0))]
    return np.flatnonzero(steps[length - 1 :] - steps[:last] == length - 1).astype(np.int64)


class MixSampler:
    """Each step is a batch of one of several samplers; their windows may differ in everything.

    In every hundred steps each sampler has its share, rounded; which steps those are is shuffled. A sampler goes
    through its own steps in order.

    Args:
        parts: Samplers and their weights.
        seed: Which order.
    """

    BLOCK = 100

    def __init__(self, parts: Sequence[tuple[Sampler, float]], seed: int = 0) -> None:
        weights = np.array([w for _, w in parts], dtype=np.float64)
        if not len(parts) or not np.all(weights > 0):
            raise BadOptionError(f"weights are {weights.tolist()}", where="MixSampler", remedy="All must be above 0")
        self.samplers, self.seed = tuple(s for s, _ in parts), seed
        self.share = _shares(weights / weights.sum(), self.BLOCK)

    def choice(self, step: int) -> tuple[int, int]:
        """Which sampler a step is drawn from, and which of that sampler's steps it is."""
        block, place = divmod(step, self.BLOCK)
        order = np.random.default_rng((self.seed, block)).permutation(np.repeat(np.arange(len(self.share)), self.share))
        chosen = int(order[place])
        return chosen, block * int(self.share[chosen]) + int(np.sum(order[:place] == chosen))

    def indices(self, step: int) -> Ints:
        """Numbers of the windows of a step, within the windows of the sampler that :meth:`choice` names."""
        return self.draw(step).index

    def draw(self, step: int) -> Draw:
        """Global batch of a step."""
        chosen, inner = self.choice(step)
        return self.samplers[chosen].draw(inner)


def _shares(weights: npt.NDArray[np.float64], total: int) -> Ints:
    exact = weights * total
    whole = np.floor(exact).astype(np.int64)
    whole[np.argsort(-(exact - whole), kind="stable")[: total - whole.sum()]] += 1
    if not whole.all():
        raise BadOptionError("a weight is below half a percent", where="MixSampler", remedy="Leave that sampler out")
    return whole


def check_batch(batch_size: int, available: int, what: str) -> None:
    """Raise unless a batch can be filled without taking anything twice.

    Raises:
        BadOptionError: if it is empty, or there are fewer than it takes.
    """
    if batch_size < 1:
        raise BadOptionError(f"batch size is {batch_size}", remedy="Use 1 or more")
    if available < batch_size:
        raise BadOptionError(
            f"a batch of {batch_size} from {available} {what}", remedy="Use a smaller batch, a shorter hop or more data"
        )
