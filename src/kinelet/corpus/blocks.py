"""Groups of windows of one person each, every window of which is an anchor for the others."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from kinelet.corpus.samplers import Draw
from kinelet.corpus.windows import Windows
from kinelet.corpus.within import anchor_cycle
from kinelet.errors import BadOptionError

Ints = npt.NDArray[np.int64]


class BlockSampler:
    """Batches of groups; a group is some windows of one person (and hour) of which no two share samples.

    One window of each group is its lead, and leads take turns as in :class:`~kinelet.corpus.cycle.PeopleCycle`, so
    that every window is reached; the others of a group are drawn at random from the lead's pool.

    Args:
        windows: What to draw from, laid on a grid.
        groups: Groups a batch.
        size: Windows a group.
        within: A group's windows are of one ``hour`` of one person, or of any time of the ``subject``.
        distinct_subjects: Spread groups over people; otherwise all windows are equally likely to lead.
        balance: As many groups from every part of a union (or data set).
        drop_short: Leave out windows of pools too small for a group, instead of failing.
        seed: Which draws.

    Attributes:
        leads: Numbers of the windows that can lead.
        dropped: Windows that are in no group, for lack of company (never above 0 unless ``drop_short``).

    Raises:
        BadOptionError: if pools are too small and ``drop_short`` is not set, naming how many, or on bad numbers.
    """

    def __init__(
        self,
        windows: Windows,
        groups: int,
        size: int,
        *,
        within: Literal["hour", "subject"] = "hour",
        distinct_subjects: bool = True,
        balance: bool = False,
        drop_short: bool = False,
        seed: int = 0,
    ) -> None:
        if groups < 1 or size < 2 or within not in ("hour", "subject") or windows.placement != "grid":
            raise BadOptionError(
                f"groups {groups}, size {size}, within {within!r}, windows laid as {windows.placement}",
                where="BlockSampler",
                remedy="Use 1 group or more of 2 windows or more, hour or subject, and windows on a grid",
            )
        self.windows, self.size, self.seed = windows, size, seed
        self._pools = _Pools(windows, within)
        enough = self._pools.room >= size
        self.leads: Ints = np.flatnonzero(enough)
        self.dropped = int(len(enough) - len(self.leads))
        if self.dropped and not (drop_short and len(self.leads)):
            self._fail(within)
        self._cycle = anchor_cycle(
            windows, self.leads, groups, seed, distinct_subjects=distinct_subjects, balance=balance
        )

    def _fail(self, within: str) -> None:
        room, pool = self._pools.room, "an hour" if within == "hour" else "a subject"
        raise BadOptionError(
            f"{self.dropped} of {len(self.windows)} windows are of {pool} with fewer than {self.size} windows that do "
            f"not overlap (there are {room.min()} to {room.max()})",
            where="BlockSampler",
            remedy="Use fewer candidates, within=subject, or drop_short=true to leave those windows out",
        )

    def draw(self, step: int) -> Draw:
        """Global batch of a step: group after group, each group's lead first."""
        rng = np.random.default_rng((self.seed, step))
        groups = [self._pools.group(int(lead), self.size, rng) for lead in self._cycle.draw(step)]
        return Draw(self.windows, np.concatenate(groups), run=self.size)


class _Pools:
    """Windows that may be in a group together: those of the same person, or person and hour."""

    def __init__(self, windows: Windows, within: str) -> None:
        hour = windows.hour if within == "hour" else np.zeros(len(windows), dtype=np.int64)
        self.order: Ints = np.lexsort((windows.start, windows.recording, hour, windows.subject)).astype(np.int64)
        new = (np.diff(windows.subject[self.order]) != 0) | (np.diff(hour[self.order]) != 0)
        edges = np.r_[0, np.flatnonzero(new) + 1, len(self.order)]
        self.span = np.empty((len(self.order), 2), dtype=np.int64)
        self.span[self.order] = np.repeat(np.stack([edges[:-1], edges[1:]], axis=1), np.diff(edges), axis=0)
        # One axis on which recordings lie far apart: two windows overlap if they are nearer than a window's length.
        apart = int(windows.start.max()) + 2 * windows.n_samples
        self.at: Ints = windows.recording.astype(np.int64) * apart + windows.start
        self.length = windows.n_samples
        self.room = self._room(edges)

    def _room(self, edges: Ints) -> Ints:
        """Windows of a group that any window of the pool can lead, shape ``(windows,)``."""
        out = np.empty(len(self.order), dtype=np.int64)
        for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            members = self.order[first:last]
            most = len(_apart(self.at[members], self.length))
            # A given lead may take the place of two windows of the fullest group.
            out[members] = most if most == len(members) else most - 1
        return out

    def group(self, lead: int, size: int, rng: np.random.Generator) -> Ints:
        """Draw a group around its lead, shape ``(size,)``."""
        first, last = self.span[lead]
        members = self.order[first:last]
        free = members[np.abs(self.at[members] - self.at[lead]) >= self.length]
        taken = np.empty(size - 1, dtype=np.int64)
        where = np.empty(size - 1, dtype=np.int64)
        n = 0
        for member in rng.permutation(free).tolist():
            if (np.abs(where[:n] - self.at[member]) >= self.length).all():
                taken[n], where[n] = member, self.at[member]
                n += 1
                if n == size - 1:
                    return np.concatenate([[lead], taken])
        # Chance packed them too loosely: take from the tightest packing.
        tight = free[_apart(self.at[free], self.length)]
        return np.concatenate([[lead], rng.choice(tight, size - 1, replace=False)])


def _apart(at: Ints, length: int) -> Ints:
    """Places of as many values of the rising ``at`` as possible that are ``length`` or more apart."""
    kept, i = [], 0
    while i < len(at):
        kept.append(i)
        i = int(np.searchsorted(at, at[i] + length))
    return np.array(kept, dtype=np.int64)
