"""Whose turn it is: people one after the other, and each person's windows once an epoch of their own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kinelet.corpus.permutation import permuted
from kinelet.errors import BadOptionError

Ints = npt.NDArray[np.int64]


class PeopleCycle:
    """Batches of windows in which people take turns, as a pure function of seed and step.

    Any ``batch`` turns in a row are of different people where there are enough people, else spread evenly over them.
    A person's windows come up in an order shuffled anew each time all have been seen, so that after as many rounds as
    the busiest person has windows every window has been reached. Who follows whom is shuffled anew now and then.

    Args:
        numbers: Numbers of the windows, shape ``(n,)``.
        subject: Code of each one's person, shape ``(n,)``.
        batch: Windows a step.
        key: Which shuffles.
    """

    def __init__(self, numbers: Ints, subject: npt.NDArray[np.integer], batch: int, key: tuple[int, ...]) -> None:
        order = np.argsort(subject, kind="stable")
        self.of_person = np.split(numbers[order], np.flatnonzero(np.diff(subject[order])) + 1)
        self.batch, self.key = batch, key

    def draw(self, step: int) -> Ints:
        """Numbers of a step's windows, shape ``(batch,)``."""
        people = len(self.of_person)
        # After `people` steps everybody has had `batch` turns: an era, after which the order may change.
        era, inside = divmod(step, people)
        slot = inside * self.batch + np.arange(self.batch)
        who = np.random.default_rng((*self.key, era)).permutation(people)[slot % people]
        turn = era * self.batch + slot // people
        return np.array([self._window(p, t) for p, t in zip(who.tolist(), turn.tolist(), strict=True)], dtype=np.int64)

    def _window(self, person: int, turn: int) -> int:
        mine = self.of_person[person]
        epoch, place = divmod(turn, len(mine))
        return int(mine[permuted(np.array([place]), len(mine), (*self.key, person, epoch))[0]])


class PlainCycle:
    """Every window once an epoch, in an order shuffled anew; like :class:`PeopleCycle`, blind to people."""

    def __init__(self, numbers: Ints, batch: int, key: tuple[int, ...]) -> None:
        self.numbers, self.batch, self.key = numbers, batch, key

    def draw(self, step: int) -> Ints:
        """Numbers of a step's windows, shape ``(batch,)``."""
        n = len(self.numbers)
        if n < self.batch:  # all of them, and some again
            again = np.random.default_rng((*self.key, step)).choice(self.numbers, self.batch - n)
            return np.concatenate([self.numbers, again])
        epoch, place = divmod(step, n // self.batch)
        position = place * self.batch + np.arange(self.batch)
        return np.asarray(self.numbers[permuted(position, n, (*self.key, epoch))])


Cycle = PeopleCycle | PlainCycle


class PartsCycle:
    """As many windows of each part in every batch, parts alternating.

    Raises:
        BadOptionError: if the batch cannot be shared evenly among the parts.
    """

    def __init__(
        self,
        numbers: Ints,
        subject: npt.NDArray[np.integer],
        part: npt.NDArray[np.integer],
        batch: int,
        key: tuple[int, ...],
        *,
        people: bool = True,
    ) -> None:
        codes = np.unique(part)
        share, uneven = divmod(batch, len(codes))
        if uneven:
            raise BadOptionError(
                f"{batch} anchors or groups a batch cannot be shared by {len(codes)} parts",
                where="balance=part",
                remedy=f"Use a multiple of {len(codes)}",
            )
        self.cycles: list[Cycle] = []
        for code in codes.tolist():
            mine, named = part == code, (*key, code)
            self.cycles.append(
                PeopleCycle(numbers[mine], subject[mine], share, named)
                if people
                else PlainCycle(numbers[mine], share, named)
            )

    def draw(self, step: int) -> Ints:
        """Numbers of a step's windows, shape ``(batch,)``."""
        return np.stack([c.draw(step) for c in self.cycles], axis=1).ravel()
