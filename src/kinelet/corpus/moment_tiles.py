"""Sequences of consecutive moments, and random shares of whole sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kinelet.errors import BadOptionError

if TYPE_CHECKING:
    from kinelet.corpus.moments import Moments

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def tiles(moments: Moments, length: int) -> Ints:
    """First moments of sequences of ``length`` consecutive ones that lie side by side, ``(sequences,)``.

    Consecutive moments are one hop apart on one clock, and every modality of theirs comes from one stretch without
    gaps (it may be absent from some of them). What is left at the end of such a run is in no sequence.

    Raises:
        BadOptionError: if ``length`` is below 1.
    """
    if length < 1:
        raise BadOptionError(f"sequences of {length} moments", where="moments", remedy="Use 1 or more")
    first = np.flatnonzero(_starts(moments))
    count = np.diff(np.append(first, len(moments))) // length
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.asarray(np.repeat(first, count) + within * length)


def in_time(moments: Moments, first: Ints) -> Ints:
    """Numbers of moments ``(n,)`` in the order of their clocks, and of their time on each."""
    return np.asarray(first[np.lexsort((moments.time_s[first], moments.clock[first]))])


def share(moments: Moments, fraction: float, seed: int = 0, length: int = 1) -> Moments:
    """A random share of the sequences of ``length`` consecutive moments, at least one of them.

    A smaller share under the same seed is part of a larger one; a share of 1 is all there is.

    Raises:
        BadOptionError: if ``fraction`` is not above 0 and at most 1, or there is no such sequence.
    """
    if not 0 < fraction <= 1:
        raise BadOptionError(f"a share of {fraction!r}", where="moments", remedy="It is above 0 and at most 1")
    first = tiles(moments, length)
    if not len(first):
        raise BadOptionError(
            f"no sequence of {length} consecutive moments among {len(moments)}",
            where=str(moments.corpus.path),
            remedy="Use shorter sequences or windows; see kinelet corpus pairs",
        )
    if fraction == 1:
        return moments.select(np.arange(len(moments)))
    chosen = _dealt(first, seed)[: max(1, round(fraction * len(first)))]
    return moments.select(_members(chosen, length))


def keep_out(moments: Moments, fraction: float, seed: int = 0, length: int = 1) -> tuple[Moments, Moments]:
    """A random share of the sequences kept out, and the rest.

    Of the rest, moments that overlap in time with one that is kept out are left out too. One sequence alone is not kept
    out.

    Returns:
        The rest, and what is kept out: at least one sequence where there are two.

    Raises:
        BadOptionError: if ``fraction`` is not at least 0 and below 1.
    """
    if not 0 <= fraction < 1:
        raise BadOptionError(f"a share of {fraction!r}", where="moments", remedy="It is at least 0 and below 1")
    first = tiles(moments, length)
    n = min(max(1, round(fraction * len(first))), len(first) - 1) if fraction and len(first) else 0
    # Another seed than a share's: what is kept out of a share is not always its first sequences.
    chosen = _members(_dealt(first, seed, 1)[:n], length)
    return moments.select(~_overlapping(moments, chosen)), moments.select(chosen)


def _dealt(first: Ints, *seed: int) -> Ints:
    return first[np.random.default_rng(seed).permutation(len(first))]


def _members(first: Ints, length: int) -> Ints:
    return (np.sort(first)[:, None] + np.arange(length)).ravel()


def _overlapping(moments: Moments, chosen: Ints) -> Bools:
    """Whether a moment overlaps in time with one of those chosen, ``(n,)``; they do themselves."""
    out = np.zeros(len(moments), dtype=bool)
    out[chosen] = True
    clock, start = moments.clock, moments.time_s
    stop = start + moments.layout.runs.length_s[moments.locate(np.arange(len(moments)))[0]]
    for c in np.unique(clock[chosen]):
        mine, here = chosen[clock[chosen] == c], np.flatnonzero(clock == c)
        order = np.argsort(start[mine], kind="stable")
        begin, end = start[mine][order], stop[mine][order]  # all as long: they end in the order they begin
        before = np.searchsorted(begin, stop[here] - 1e-6) - 1  # the last one that begins before it ends
        out[here] |= (before >= 0) & (end[np.maximum(before, 0)] > start[here] + 1e-6)
    return out


def _starts(moments: Moments) -> Bools:
    """Which moments do not follow the one before them, ``(n,)``."""
    n = len(moments)
    numbers = np.arange(n)
    base, run = moments.base(numbers), moments.locate(numbers)[0]
    runs = moments.layout.runs
    new = np.ones(n, dtype=bool)
    new[1:] = (np.diff(base) != 1) | (np.diff(runs.chain[run]) != 0)
    begin = np.maximum.accumulate(np.where(new, numbers, 0)) if n else numbers
    for column in range(runs.stretch.shape[1]):
        there = np.flatnonzero(runs.stretch[run, column] >= 0)
        stretch = runs.stretch[run[there], column]
        again = (np.diff(stretch) != 0) & (there[:-1] >= begin[there[1:]])
        new[there[1:][again]] = True
    return new
