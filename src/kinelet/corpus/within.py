"""Anchors with candidates of the same person: what relative contrastive methods are fed with."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from kinelet.corpus.cycle import Cycle, PartsCycle, PeopleCycle, PlainCycle
from kinelet.corpus.samplers import Draw
from kinelet.corpus.windows import Windows
from kinelet.errors import BadOptionError

Ints = npt.NDArray[np.int64]
Within = Literal["hour", "subject", "mixed"]


class WithinSampler:
    """Anchors, and K candidates of each anchor's own person, hour or both.

    Anchors take turns as in :class:`~kinelet.corpus.cycle.PeopleCycle`: of different people where there are enough
    people, else spread evenly over them, and every window is reached. Candidates are drawn without replacement, never
    the anchor itself and, with ``disjoint``, never a window that shares samples with it. Candidates of a row are in no
    particular order; in ``mixed`` the first half (rounded up) are of the anchor's hour, the others of any of the
    person's other hours.

    Args:
        windows: What to draw from.
        batch_size: Anchors a batch.
        k: Candidates an anchor.
        within: Where candidates come from: the anchor's ``hour`` (of the same person), any time of the same
            ``subject``, or half and half (``mixed``).
        distinct_subjects: Spread anchors over people; otherwise all windows are equally likely to be an anchor.
        balance: As many anchors from every part of a union (or data set).
        disjoint: No candidate shares samples with its anchor.
        drop_short: Leave out anchors that have fewer than ``k`` candidates, instead of failing.
        seed: Which draws.

    Attributes:
        anchors: Numbers of the windows that can be anchors.
        dropped: Windows that cannot, for lack of candidates (never above 0 unless ``drop_short``).

    Raises:
        BadOptionError: if windows have too few candidates and ``drop_short`` is not set, naming how many.
    """

    def __init__(
        self,
        windows: Windows,
        batch_size: int,
        k: int,
        *,
        within: Within = "hour",
        distinct_subjects: bool = True,
        balance: bool = False,
        disjoint: bool = True,
        drop_short: bool = False,
        seed: int = 0,
    ) -> None:
        if batch_size < 1 or k < 1 or within not in ("hour", "subject", "mixed"):
            raise BadOptionError(
                f"batch_size {batch_size}, k {k}, within {within!r}",
                where="WithinSampler",
                remedy="Use 1 or more of each, and hour, subject or mixed",
            )
        self.windows, self.batch_size, self.k, self.within, self.seed = windows, batch_size, k, within, seed
        self.disjoint = disjoint
        self._groups = _Groups(windows, disjoint)
        enough = self._enough()
        self.anchors: Ints = np.flatnonzero(enough)
        self.dropped = int(len(enough) - len(self.anchors))
        if self.dropped and not (drop_short and len(self.anchors)):
            self._fail()
        self._cycle = anchor_cycle(
            windows, self.anchors, batch_size, seed, distinct_subjects=distinct_subjects, balance=balance
        )

    def _near_far(self) -> tuple[int, int]:
        """Candidates from the anchor's hour, and from elsewhere."""
        if self.within == "mixed":
            return (self.k + 1) // 2, self.k // 2
        return (self.k, 0) if self.within == "hour" else (0, self.k)

    def _enough(self) -> npt.NDArray[np.bool_]:
        near, far = self._near_far()
        in_hour, in_subject = self._groups.free("hour"), self._groups.free("subject")
        elsewhere = in_subject - in_hour if self.within == "mixed" else in_subject
        return np.asarray((in_hour >= near) & (elsewhere >= far))

    def _fail(self) -> None:
        near, far = self._near_far()
        wanted = [f"{near} candidates in the person's hour"] * bool(near)
        wanted += [f"{far} of the same person" + " in other hours" * (self.within == "mixed")] * bool(far)
        hour, person = (f"{free.min()} to {free.max()}" for free in map(self._groups.free, ("hour", "subject")))
        raise BadOptionError(
            f"{self.dropped} of {len(self.windows)} windows lack {' and '.join(wanted)} (there are {hour} in an hour, "
            f"{person} of a person)",
            where="WithinSampler",
            remedy="Use fewer candidates, a shorter hop, within=subject, or drop_short=true to leave those windows out",
        )

    def indices(self, step: int) -> Ints:
        """Anchors of a step, shape ``(batch,)``."""
        return self.draw(step).index

    def candidates(self, step: int) -> Ints:
        """Candidates of a step's anchors, shape ``(batch, k)``."""
        found = self.draw(step).candidates
        assert found is not None
        return found

    def draw(self, step: int) -> Draw:
        """Global batch of a step."""
        rng = np.random.default_rng((self.seed, step))
        index = self._cycle.draw(step)
        near, far = self._near_far()
        rows = [self._draw_candidates(int(i), near, far, rng) for i in index]
        return Draw(self.windows, index, np.stack(rows))

    def _draw_candidates(self, anchor: int, near: int, far: int, rng: np.random.Generator) -> Ints:
        groups = self._groups
        blocked = groups.blocked(anchor)
        parts = []
        if near:
            parts.append(_without(groups.span("hour", anchor), blocked, near, rng))
        if far:
            hour = [groups.span("hour", anchor)] if self.within == "mixed" else []
            parts.append(_without(groups.span("subject", anchor), [*blocked, *hour], far, rng))
        return groups.order[np.concatenate(parts)]


def anchor_cycle(
    windows: Windows, anchors: Ints, batch: int, seed: int, *, distinct_subjects: bool, balance: bool
) -> Cycle | PartsCycle:
    """Order in which windows are anchors: over people or windows alike, with or without balance of parts."""
    subject, key = windows.subject[anchors], (seed,)
    if balance:
        return PartsCycle(anchors, subject, windows.part_of(anchors), batch, key, people=distinct_subjects)
    return PeopleCycle(anchors, subject, batch, key) if distinct_subjects else PlainCycle(anchors, batch, key)


Range = tuple[int, int]


def _without(span: Range, holes: list[Range], k: int, rng: np.random.Generator) -> Ints:
    """Draw ``k`` different places of ``span`` outside ``holes``."""
    edges = [span[0]]
    for start, stop in _joined(holes, span):
        edges += [start, stop]
    edges.append(span[1])
    starts, stops = np.array(edges).reshape(-1, 2).T
    before = np.concatenate([[0], np.cumsum(stops - starts)])
    drawn = rng.choice(int(before[-1]), k, replace=False)
    piece = np.searchsorted(before, drawn, side="right") - 1
    return np.asarray(starts[piece] + drawn - before[piece], dtype=np.int64)


def _joined(holes: list[Range], span: Range) -> list[Range]:
    out: list[Range] = []
    for start, stop in sorted((max(a, span[0]), min(b, span[1])) for a, b in holes):
        if stop <= start:
            continue
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(stop, out[-1][1]))
        else:
            out.append((start, stop))
    return out


class _Groups:
    """Windows in the order of person, hour, recording and start, so that every group is a range of places."""

    def __init__(self, windows: Windows, disjoint: bool) -> None:
        subject, hour, recording = windows.subject, windows.hour, windows.recording
        self.order: Ints = np.lexsort((windows.start, recording, hour, subject)).astype(np.int64)
        self.place = _inverse(self.order)
        new_subject = _changes(subject[self.order])
        new_hour = new_subject | _changes(hour[self.order])
        self._spans = {"subject": _ranges(new_subject), "hour": _ranges(new_hour)}
        # Windows that share samples are neighbours in the order of recording and start, whatever hour they are in.
        self._timeline: Ints = np.lexsort((windows.start, recording)).astype(np.int64)
        self._at = _inverse(self._timeline)
        n = len(self.order)
        self._blocked = _overlapping(windows, self._timeline) if disjoint else (np.arange(n), np.arange(1, n + 1))
        self._hours = _ranges(_changes(recording[self._timeline]) | _changes(hour[self._timeline]))

    def span(self, unit: str, anchor: int) -> Range:
        """Places of the windows of an anchor's group."""
        first, last = self._spans[unit]
        return int(first[self.place[anchor]]), int(last[self.place[anchor]])

    def blocked(self, anchor: int) -> list[Range]:
        """Places of the windows that the anchor excludes, itself among them."""
        first, last = self._blocked
        at = self._at[anchor]
        places = np.sort(self.place[self._timeline[first[at] : last[at]]])
        return [(p, p + 1) for p in places.tolist()]

    def free(self, unit: str) -> Ints:
        """Candidates that each window has in its group, shape ``(windows,)``."""
        first, last = self._spans[unit]
        start, stop = self._blocked
        if unit == "hour":
            start, stop = np.maximum(start, self._hours[0]), np.minimum(stop, self._hours[1])
        return np.asarray((last - first)[self.place] - (stop - start)[self._at])


def _inverse(order: Ints) -> Ints:
    out = np.empty_like(order)
    out[order] = np.arange(len(order))
    return out


def _changes(values: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    return np.concatenate([np.ones(1, dtype=np.bool_), np.diff(values) != 0])


def _ranges(new: npt.NDArray[np.bool_]) -> tuple[Ints, Ints]:
    edges = np.r_[np.flatnonzero(new), len(new)]
    lengths = np.diff(edges)
    return np.repeat(edges[:-1], lengths), np.repeat(edges[1:], lengths)


def _overlapping(windows: Windows, timeline: Ints) -> tuple[Ints, Ints]:
    """First and last position (exclusive) in the timeline of the windows that share samples with each."""
    span = windows.span[timeline]
    length = windows.spans.length[span] if windows.placement == "stretch" else np.full(len(span), windows.n_samples)
    # One axis on which recordings lie far apart: windows overlap on it exactly if they overlap in their recording.
    apart = int(windows.start.max() + length.max()) + 1
    begin = windows.recording[timeline].astype(np.int64) * apart + windows.start[timeline]
    end = begin + length
    # With stretches of different lengths a long one may reach over the next: its reach counts for all that follow.
    return np.searchsorted(np.maximum.accumulate(end), begin, side="right"), np.searchsorted(begin, end, side="left")
