"""Which items are right answers for which windows: more than the one that was recorded with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from kinelet.corpus.links import assign
from kinelet.corpus.narrations import narrations
from kinelet.corpus.windows import Windows

Ints = npt.NDArray[np.int64]


def relevance(windows: Windows, links: Any, *, same_sentence: npt.ArrayLike) -> Any:
    """Right answers ``(window, item)``.

    An item is a right answer for the window it belongs to, and for windows of the same recording that share half of
    their time or more with that window.

    Args:
        windows: The windows, all of one length.
        links: Sparse ``(window, item)``: which items belong to which windows.
        same_sentence: Which items, ``(item,)`` or one answer for all, are right answers for every window that shares a
            cleaned sentence with one of theirs too: of two clips of somebody who jogs, nothing says which one a window
            of jogging is from. Not for items that are sentences themselves: what is said of a window is right for
            it, and not what else was said of another window of which the same was said.

    Returns:
        Sparse boolean ``(window, item)``.
    """
    links = sparse.csr_array(links, dtype=np.int32)
    right = overlaps(windows) @ links
    shared = np.broadcast_to(np.asarray(same_sentence, dtype=np.int32), (links.shape[1],))
    if shared.any():
        said = sentences_of(windows)
        right = right + said @ (said.T @ links.multiply(shared[None]))
    return sparse.csr_array(right > 0)


def overlaps(windows: Windows) -> Any:
    """Windows of one recording that share half of their time or more, each with itself too, ``(window, window)``."""
    n = len(windows)
    pairs = [(np.arange(n), np.arange(n))]
    if windows.placement != "stretch":  # stretched windows are whole intervals, which do not overlap
        half = windows.n_samples / windows.spec.rate_hz / 2 + 1e-6
        order = np.lexsort((windows.time_s, windows.recording))
        recording, start = windows.recording[order], windows.time_s[order]
        for step in range(1, n):
            near = (recording[step:] == recording[:-step]) & (start[step:] - start[:-step] <= half)
            if not near.any():
                break
            a, b = order[:-step][near], order[step:][near]
            pairs += [(a, b), (b, a)]
    rows, columns = (np.concatenate(side) for side in zip(*pairs, strict=True))
    return _ones(rows, columns, (n, n))


def sentences_of(windows: Windows) -> Any:
    """Which of the corpus's distinct sentences are about which windows, ``(window, sentence)``."""
    said = narrations(windows.corpus)
    window, narration = assign(windows, said)
    return _ones(window, said.item[narration], (len(windows), len(said.sentences)))


def _ones(rows: Ints, columns: Ints, shape: tuple[int, int]) -> Any:
    out = sparse.csr_array((np.ones(len(rows), np.int32), (rows, columns)), shape=shape)
    out.data[:] = 1  # a pair that is there twice counts once
    return out
