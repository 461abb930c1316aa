"""From windows to batches: the sampler that a method asks for, and distances that are computed beforehand."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kinelet.corpus.blocks import BlockSampler
from kinelet.corpus.loader import load_batch
from kinelet.corpus.permutation import permuted
from kinelet.corpus.samplers import BalancedSampler, Draw, MixSampler, RandomSampler, Sampler
from kinelet.corpus.turns import TurnSampler
from kinelet.corpus.windows import Windows
from kinelet.corpus.within import WithinSampler
from kinelet.errors import BadOptionError
from kinelet.files import atomic_write
from kinelet.methods.base import Batch, Feed
from kinelet.progress import Progress, silent
from kinelet.train import distributed
from kinelet.train.distributed import World
from kinelet.train.recipe import PretrainConfig


def make_sampler(views: Sequence[Windows], feed: Feed | None, config: PretrainConfig) -> Sampler:
    """The sampler of a run: one for each view, each step drawn from one of them.

    Raises:
        BadOptionError: if batch size and method do not fit, or a view has too few windows.
    """
    samplers = [_of_view(view, feed, config, config.train.seed + i) for i, view in enumerate(views)]
    if len(samplers) == 1:
        return samplers[0]
    return MixSampler([(s, len(v) ** 0.5) for s, v in zip(samplers, views, strict=True)], config.train.seed)


def _of_view(view: Windows, feed: Feed | None, config: PretrainConfig, seed: int) -> Sampler:
    batch, balance = config.train.batch_size, config.data.balance == "part"
    if feed is not None and not feed.candidates and feed.distinct:
        return TurnSampler(view, batch, seed, balance=balance)
    if feed is None or not feed.candidates:
        return (BalancedSampler if balance else RandomSampler)(view, batch, seed)
    if not feed.every:
        return WithinSampler(
            view,
            batch,
            feed.candidates,
            within=feed.within,
            distinct_subjects=feed.distinct,
            balance=balance,
            drop_short=feed.drop_short,
            seed=seed,
        )
    if feed.within == "mixed":
        raise BadOptionError(
            "within=mixed has no groups in which every window is an anchor", remedy="Use anchors=batch, or within=hour"
        )
    return BlockSampler(
        view,
        batch // (feed.candidates + 1),
        feed.candidates + 1,
        within=feed.within,
        distinct_subjects=feed.distinct,
        balance=balance,
        drop_short=feed.drop_short,
        seed=seed,
    )


def require_whole_groups(feed: Feed | None, config: PretrainConfig, processes: int) -> None:
    """Raise unless batches can be cut into groups, and groups shared by micro-batches and processes."""
    if feed is None or not feed.every:
        return
    unit = (feed.candidates + 1) * config.train.accumulate * processes
    if config.train.batch_size % unit:
        raise BadOptionError(
            f"train.batch_size {config.train.batch_size} cannot be cut into groups of {feed.candidates + 1} windows"
            + (f" for {unit // (feed.candidates + 1)} micro-batches" if unit > feed.candidates + 1 else ""),
            remedy=f"Use a multiple of {unit}, for example {max(1, config.train.batch_size // unit) * unit}",
        )


class Cached:
    """A sampler's first batches gone through again and again, in an order shuffled anew each time, with distances.

    Distances lie in one file a batch, written as soon as they are known, so that an interrupted run goes on.

    Args:
        sampler: Draws the batches.
        count: How many.
        distances: From a batch's rows to the distances of their candidates ``(rows, N)``.
        folder: Where the files lie.
        world: This process's place; it knows the distances of its own rows only.
        parts: Micro-batches of a step: distances are within a micro-batch.
        seed: Which order.
    """

    def __init__(
        self,
        sampler: Sampler,
        count: int,
        distances: Callable[[Batch], Tensor],
        folder: Path,
        world: World,
        *,
        parts: int = 1,
        seed: int = 0,
    ) -> None:
        self.sampler, self.count, self.distances, self.folder = sampler, count, distances, folder
        self.world, self.parts, self.seed = world, parts, seed

    def fill(self, progress: Progress = silent) -> None:
        """Compute what is not there yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for number in range(self.count):
            path = self._path(number)
            # Processes compute a batch together: one that has its file already must not leave the others waiting.
            if distributed.any_rank(not path.exists(), self.world):
                with atomic_write(path) as temporary, temporary.open("wb") as file:
                    np.save(file, self._compute(number), allow_pickle=False)
            progress(number + 1, "distances of the batches")

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}-{self.world.rank}of{self.world.size}.npy"

    def _compute(self, number: int) -> Any:
        rows = load_batch(self.sampler.draw(number), self.world.rank, self.world.size)
        pieces = {key: np.array_split(value, self.parts) for key, value in rows.items()}
        found = []
        for i in range(self.parts):
            moved: Any = {key: torch.as_tensor(piece[i]).to(self.world.device) for key, piece in pieces.items()}
            found.append(self.distances(moved).cpu().numpy())
        return np.concatenate(found).astype(np.float32)

    def draw(self, step: int) -> Draw:
        """Global batch of a step."""
        epoch, place = divmod(step, self.count)
        number = int(permuted(np.array([place]), self.count, (self.seed, epoch))[0])
        draw = self.sampler.draw(number)
        mine = np.load(io.BytesIO(self._path(number).read_bytes()), allow_pickle=False)
        # Only this process's rows are known, and only they are read.
        known = np.full((len(draw.index), mine.shape[1]), np.nan, dtype=np.float32)
        known[self.world.rank * len(mine) : (self.world.rank + 1) * len(mine)] = mine
        return replace(draw, distance=known)

    def remove(self) -> None:
        """Delete the files."""
        shutil.rmtree(self.folder, ignore_errors=True)
