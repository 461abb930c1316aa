"""Which items of a modality belong to which windows, and where their vectors lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinelet.corpus.windows import Windows
from kinelet.towers.store import EmbeddingStore

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Links:
    """Items of each window of a view, as compressed rows.

    Attributes:
        first: Position of each window's first item, shape ``(windows + 1,)``.
        item: Item numbers, shape ``(links,)``.
    """

    first: Ints
    item: Ints

    @classmethod
    def of(cls, windows: int, window: Ints, item: Ints) -> Links:
        """Sort pairs of a window and an item by window; a pair that is there twice counts once."""
        order = np.lexsort((item, window))
        window, item = window[order], item[order]
        new = np.r_[True, (np.diff(window) != 0) | (np.diff(item) != 0)][: len(window)]
        first = np.searchsorted(window[new], np.arange(windows + 1))
        return cls(first.astype(np.int64), item[new])

    @property
    def most(self) -> int:
        """Items of the window that has most."""
        return int(np.diff(self.first).max(initial=0))

    def padded(self, index: Ints, width: int) -> Ints:
        """Items of some windows, filled up with -1, shape ``(len(index), width)``."""
        place = self.first[index][:, None] + np.arange(width)
        inside = place < self.first[index + 1][:, None]
        out = np.full((len(index), width), -1, dtype=np.int64)
        out[inside] = self.item[place[inside]]
        return out


class Table:
    """Vectors of numbered items, read from the stores that hold them."""

    def __init__(self) -> None:
        self._stores: list[EmbeddingStore] = []
        self._owner = np.zeros(0, dtype=np.int64)
        self._row = np.zeros(0, dtype=np.int64)
        self._known: dict[str, int] = {}

    @property
    def items(self) -> int:
        """How many items are known."""
        return len(self._row)

    def add(self, store: EmbeddingStore) -> Ints:
        """Number the items of a store, shape ``(items,)``. Untimed items with the same key are the same item."""
        number = np.arange(self.items, self.items + len(store.keys), dtype=np.int64)
        if not store.meta.timed:
            fresh: list[int] = []
            for row, key in enumerate(store.keys):
                if key not in self._known:
                    self._known[key] = self.items + len(fresh)
                    fresh.append(row)
                number[row] = self._known[key]
            rows = np.array(fresh, dtype=np.int64)
        else:
            rows = np.arange(len(store.keys), dtype=np.int64)
        self._owner = np.concatenate([self._owner, np.full(len(rows), len(self._stores), dtype=np.int64)])
        self._row = np.concatenate([self._row, rows])
        self._stores.append(store)
        return number

    def timed(self, item: Ints) -> npt.NDArray[np.bool_]:
        """Which items have a place in a recording, rather than being a sentence, shape ``(len(item),)``."""
        return np.array([store.meta.timed for store in self._stores])[self._owner[item]]

    def gather(self, item: Ints) -> npt.NDArray[np.float32]:
        """Vectors of items, of length 1; zeros where the number is -1, shape ``(len(item), dim)``."""
        out = np.zeros((len(item), self._stores[0].meta.dim), dtype=np.float32)
        known = np.flatnonzero(item >= 0)
        owner = self._owner[item[known]]
        for number in np.unique(owner):
            mine = known[owner == number]
            out[mine] = self._stores[number].gather(self._row[item[mine]])
        return out


def overlapping(windows: Windows, recordings: Mapping[str, Sequence[int]], store: EmbeddingStore) -> tuple[Ints, Ints]:
    """Windows and rows of a store of timed items that belong together.

    An item belongs to a window if they share half of the shorter of the two; a moment, if it lies in the window.

    Args:
        windows: The windows.
        recordings: Codes of recordings, by the name that the store has for them.
        store: Timed items.

    Returns:
        Numbers of windows and rows, each ``(links,)``.
    """
    where = np.argsort(windows.recording, kind="stable")
    code = windows.recording[where]
    found_window, found_row = [], []
    for name, rows in _by_name(store).items():
        for recording in recordings.get(name, ()):
            mine = where[np.searchsorted(code, recording) : np.searchsorted(code, recording, side="right")]
            start = windows.time_s[mine]
            a, b = _pairs(start, start + durations(windows, mine), store.start_s[rows], store.duration_s[rows])
            found_window.append(mine[a])
            found_row.append(rows[b])
    empty = np.zeros(0, dtype=np.int64)
    return np.concatenate([empty, *found_window]), np.concatenate([empty, *found_row])


def durations(windows: Windows, index: Ints) -> Floats:
    """Seconds of recording under some windows: more or less than their length where they are stretched."""
    rate = windows.spec.rate_hz
    if windows.placement != "stretch":
        return np.full(len(index), windows.n_samples / rate)
    return np.asarray(windows.spans.length[windows.span[index]] / rate)


def _by_name(store: EmbeddingStore) -> dict[str, Ints]:
    names, code = np.unique(np.asarray(store.recording, dtype=str), return_inverse=True)
    order = np.argsort(code, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(code, minlength=len(names)))[:-1])
    return {str(name): group for name, group in zip(names, groups, strict=True)}


def _pairs(t0: Floats, t1: Floats, start: Floats, duration: Floats) -> tuple[Ints, Ints]:
    """Windows ``[t0, t1)`` and items that share half of the shorter."""
    order = np.argsort(start, kind="stable")
    start, duration = start[order], duration[order]
    low = np.searchsorted(start, t0 - duration.max(initial=0.0))
    count = np.searchsorted(start, t1) - low
    window = np.repeat(np.arange(len(t0)), count)
    item = np.arange(len(window)) - np.repeat(np.cumsum(count) - count, count) + low[window]
    shared = np.minimum(t1[window], start[item] + duration[item]) - np.maximum(t0[window], start[item])
    shorter = np.minimum(duration[item], (t1 - t0)[window])
    # A millionth forgives rounding where edges meet exactly.
    keep = (shared >= 0.5 * shorter - 1e-6) & ((duration[item] > 0) | (start[item] >= t0[window]))
    return window[keep], order[item[keep]]
