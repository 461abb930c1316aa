"""Which sentences belong to which windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from kinelet.corpus.microseconds import US, microseconds

if TYPE_CHECKING:
    from kinelet.corpus.narrations import Narrations
    from kinelet.corpus.windows import Windows

Ints = npt.NDArray[np.int64]

_FUZZ = 2  # microseconds by which rounding may move an edge


def assign(windows: Windows, narrations: Narrations) -> tuple[Ints, Ints]:
    """Link windows to the sentences that are about them.

    Placement ``event``: a sentence belongs to the window that it opened or joined. Other placements: to every window
    of which it covers at least ``windows.purity``; a sentence that covers so much of none (a moment, a short interval)
    to the window whose centre is nearest to its own, the earlier of two, if its centre lies inside that window.

    Args:
        windows: Windows of a corpus, or some of them; what a sentence belongs to does not depend on which.
        narrations: ``narrations(windows.corpus)``, or some of them.

    Returns:
        Number of the window among ``windows`` and number of the narration, both ``(links,)``, by window.
    """
    if windows.events is not None:
        window, narration = windows.events.links(narrations)
    else:
        window, narration = _by_time(_Table.of(windows), narrations, windows.purity)
    if windows.index is not None:
        window, narration = _among(windows.index, window, narration)
    order = np.lexsort((narration, window))
    return window[order], narration[order]


class _Table(NamedTuple):
    """All windows that were cut, by recording and start; times in microseconds; arrays ``(windows,)``."""

    number: Ints
    recording: Ints
    start: Ints
    length: Ints

    @classmethod
    def of(cls, windows: Windows) -> _Table:
        spans, rate = windows.spans, windows.spec.rate_hz
        span = np.repeat(np.arange(len(spans.count)), spans.count)
        offset = np.arange(len(span)) - spans.before[span]
        start = microseconds(spans.time_s[span] + offset * windows.hop / rate)
        n = spans.length[span] if windows.placement == "stretch" else np.full(len(span), windows.n_samples)
        recording = spans.recording[span].astype(np.int64)
        order = np.lexsort((start, recording))
        return cls(order, recording[order], start[order], microseconds(n / rate)[order])


def _by_time(table: _Table, narrations: Narrations, purity: float) -> tuple[Ints, Ints]:
    recording = narrations.recording.astype(np.int64)
    # Times far from any window would not fit among the sorted ones; a second beside them is as far.
    limits = table.start.min(initial=0) / US - 1, (table.start + table.length).max(initial=0) / US + 1
    start, stop = (microseconds(np.clip(t, *limits)) for t in (narrations.start_s, narrations.stop_s))
    covering = _covered(table, recording, start, stop, purity)
    alone = np.ones(len(recording), dtype=bool)
    alone[covering[1]] = False
    single = np.flatnonzero(alone)
    centre = microseconds(narrations.centre_s[single].clip(*limits))
    nearest = _nearest(table, recording[single], centre)
    inside = nearest >= 0
    window = np.concatenate([covering[0], nearest[inside]])
    return table.number[window], np.concatenate([covering[1], single[inside]])


def _covered(table: _Table, recording: Ints, start: Ints, stop: Ints, purity: float) -> tuple[Ints, Ints]:
    """Windows of which an interval covers at least ``purity``, and the interval."""
    longest, shortest = int(table.length.max(initial=0)), int(table.length.min(initial=0))
    enough = np.flatnonzero(stop - start + _FUZZ >= purity * shortest)
    recording, start, stop = recording[enough], start[enough], stop[enough]
    # Windows in these bounds may be covered enough; for windows of one length, exactly they are.
    low = _search(table, recording, start - int((1 - purity) * longest) - _FUZZ)
    high = _search(table, recording, stop - int(purity * shortest) + _FUZZ)
    window, interval = _ranges(low, np.maximum(high, low))
    begin, end = table.start[window], table.start[window] + table.length[window]
    covered = np.minimum(end, stop[interval]) - np.maximum(begin, start[interval])
    keep = covered + _FUZZ >= purity * table.length[window]
    return window[keep], enough[interval[keep]]


def _search(table: _Table, recording: Ints, time: Ints) -> Ints:
    """First window of each recording that starts at ``time`` or later; may be the next recording's first."""
    low, high = (
        np.searchsorted(table.recording, recording, "left"),
        np.searchsorted(table.recording, recording, "right"),
    )
    lowest, highest = table.start.min(initial=0) - 1, table.start.max(initial=0) + 1
    stride = int(highest - lowest + 1)
    keys = table.recording * stride + (table.start - lowest)
    found = np.searchsorted(keys, recording * stride + (np.clip(time, lowest, highest) - lowest))
    return np.asarray(np.clip(found, low, high))


def _ranges(low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """All numbers of all ranges ``[low, high)``, and the range of each."""
    size = high - low
    of = np.repeat(np.arange(len(size)), size)
    first = np.cumsum(size) - size
    return np.arange(len(of)) - first[of] + low[of], of


def _nearest(table: _Table, recording: Ints, centre: Ints) -> Ints:
    """Window with the nearest centre, if ``centre`` lies inside it; else -1."""
    if not len(table.number):
        return np.full(len(recording), -1, dtype=np.int64)
    middle = table.start + table.length // 2
    order = np.lexsort((middle, table.recording))
    by_centre = _Table(order, table.recording[order], middle[order], table.length[order])
    after = _search(by_centre, recording, centre)
    last = len(order) - 1
    options = np.stack([np.clip(after - 1, 0, last), np.clip(after, 0, last)])
    distance = np.abs(by_centre.start[options] - centre)
    distance[by_centre.recording[options] != recording] = np.iinfo(np.int64).max
    chosen = options[distance.argmin(axis=0), np.arange(len(recording))]
    inside = distance.min(axis=0) * 2 <= by_centre.length[chosen] + _FUZZ
    return np.where(inside, order[chosen], -1)


def _among(index: Ints, window: Ints, narration: Ints) -> tuple[Ints, Ints]:
    """Links of all windows to links of chosen ones, which may be in any order and chosen more than once."""
    order = np.argsort(index, kind="stable")
    low, high = (np.searchsorted(index[order], window, side) for side in ("left", "right"))
    place, link = _ranges(low, high)
    return order[place], narration[link]
