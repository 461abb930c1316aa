"""Which recordings share a clock, and when each of them starts on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from kinelet.corpus.corpus import Corpus
from kinelet.corpus.streams import NAMED, named_start, parent_id, shift_of
from kinelet.errors import BadOptionError

ClockRule = Literal["auto", "recording"]
ALONE, CLIP, OVERLAP = "within one recording", "by the clip they are of", "by absolute times that overlap"


@dataclass(frozen=True)
class Clocks:
    """Clocks of the recordings of a corpus; arrays are ``(recordings,)``.

    Attributes:
        code: Number of the clock; recordings with the same number share one.
        start_s: Time of the recording's own zero on that clock, in seconds.
        how: How that is known.
    """

    code: npt.NDArray[np.int64]
    start_s: npt.NDArray[np.float64]
    how: tuple[str, ...]


def clocks_of(corpus: Corpus, rule: ClockRule = "auto", *, clips: bool = False) -> Clocks:
    """Find the recordings that share a clock.

    A side stream shares that of its recording where both know their absolute start, both name a clock
    (``meta["clock"]`` with ``meta["clock_start_s"]``), or it knows its start within (``meta["starts_after_s"]``).
    Recordings of one person share a clock where both name the same one, and under the rule ``auto`` also where their
    absolute starts are known and they overlap in time.

    Args:
        corpus: Recordings.
        rule: ``recording``: absolute time joins nothing but a recording and its side streams.
        clips: A side stream whose start nobody knows begins with its recording: both are one short clip.

    Raises:
        BadOptionError: if there is no such rule.
    """
    if rule not in ("auto", "recording"):
        raise BadOptionError(f"clock is {rule!r}", where="moments", remedy="Use auto or recording")
    tree = _Tree(len(corpus.recordings))
    for a, b, delta, how in _links(corpus, rule, clips):
        tree.join(a, b, delta, how)
    return tree.clocks(np.array([r.stream is not None for r in corpus.recordings]))


def _links(corpus: Corpus, rule: ClockRule, clips: bool) -> Iterator[tuple[int, int, float, str]]:
    """Pairs of recordings and the seconds from the first one's zero to the second one's, the surest first."""
    for b, info in enumerate(corpus.recordings):
        a = corpus.codes.get(parent_id(info) or "")
        known = None if a is None else shift_of(info, corpus.recordings[a]) or ((0.0, CLIP) if clips else None)
        if a is not None and known is not None:
            yield a, b, *known
    yield from _named_links(corpus)
    if rule == "auto" and not clips:
        yield from _absolute_links(corpus)


def _named_links(corpus: Corpus) -> Iterator[tuple[int, int, float, str]]:
    first: dict[tuple[str, str], tuple[int, float]] = {}
    for b, info in enumerate(corpus.recordings):
        named = named_start(info)
        if named is not None:
            a, start = first.setdefault((info.subject, named[0]), (b, named[1]))
            yield a, b, named[1] - start, NAMED


def _absolute_links(corpus: Corpus) -> Iterator[tuple[int, int, float, str]]:
    of: dict[str, list[tuple[float, float, int]]] = defaultdict(list)
    for i, r in enumerate(corpus.recordings):
        if r.start_unix_s is not None:
            last = r.segments[-1]
            of[r.subject].append((r.start_unix_s, last.time_s + (last.stop - last.start) / r.spec.rate_hz, i))
    for rows in of.values():
        first, zero, end = -1, 0.0, -np.inf
        for start, seconds, i in sorted(rows):
            if start >= end:
                first, zero = i, start
            else:
                yield first, i, start - zero, OVERLAP
            end = max(end, start + seconds)


class _Tree:
    """Union-find whose edges know the seconds between two zeros."""

    def __init__(self, n: int) -> None:
        self.above, self.shift, self.how = list(range(n)), [0.0] * n, [ALONE] * n

    def root(self, i: int) -> tuple[int, float]:
        total = 0.0
        while self.above[i] != i:
            total += self.shift[i]
            i = self.above[i]
        return i, total

    def join(self, a: int, b: int, delta: float, how: str) -> None:
        (top, of_a), (below, of_b) = self.root(a), self.root(b)
        if top != below:
            self.above[below], self.shift[below] = top, of_a + delta - of_b
            self.how[b] = how if self.how[b] == ALONE else f"{self.how[b]}, {how}"

    def clocks(self, stream: npt.NDArray[np.bool_]) -> Clocks:
        """Zero is that of the first recording proper of each clock."""
        found = [self.root(i) for i in range(len(self.above))]
        root, start = np.array([r for r, _ in found], dtype=np.int64), np.array([s for _, s in found])
        leader: dict[int, int] = {}
        for i in np.lexsort((np.arange(len(root)), stream)).tolist():
            leader.setdefault(int(root[i]), i)
        lead = np.array([leader[int(r)] for r in root], dtype=np.int64)
        code = np.unique(lead, return_inverse=True)[1].astype(np.int64)
        return Clocks(code, start - start[lead], tuple(self.how))
