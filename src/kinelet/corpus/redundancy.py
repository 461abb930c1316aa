"""How much of a narrated corpus repeats itself: windows that are one moment, sentences that are one sentence."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kinelet.corpus.inside import ends
from kinelet.corpus.links import assign
from kinelet.corpus.narrations import Narrations
from kinelet.corpus.windows import Windows

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BATCHES = (16, 62, 256)


@dataclass(frozen=True)
class Redundancy:
    """What the sentences of a corpus amount to.

    The first block is about windows as they were cut, the second about the published rule for comparison (one window
    of whole seconds for every sentence), the third about sentences.

    Attributes:
        windows: Windows.
        narrated: Windows with at least one sentence.
        narrations: Sentences, repeats counted.
        unplaced: Sentences that belong to no window.
        each: Sentences of a window that has any, on average.
        most: Most sentences in one window.
        rule_windows: Windows of the published rule: one a sentence whose middle is within the recording.
        distinct: Of those, different ones.
        copies: Share of those that are exact copies of another and carry another sentence.
        covered_s: Seconds of signal under at least one of those, at most what each recording holds.
        non_overlapping: Windows that this much signal fills.
        redundancy: Seconds of those windows, as far as their recordings go, for each second of signal under them.
        sentences: Different sentences.
        repeated: Share of sentences that occur more than once.
        gap_s: Median time from one sentence to the next; NaN where no recording has two.
        close: Share of these gaps that are shorter than a window.
        batch_repeats: Probability that so many sentences drawn at random hold one twice.
        later_annotators: Share of sentences lost if only the first annotator of each recording were read.
        empty: Sentences of which cleaning left nothing.
        window_s: Length of a window in seconds.
        short: Recordings of which no stretch is as long as a window.
    """

    windows: int
    narrated: int
    narrations: int
    unplaced: int
    each: float
    most: int
    rule_windows: int
    distinct: int
    copies: float
    covered_s: float
    non_overlapping: int
    redundancy: float
    sentences: int
    repeated: float
    gap_s: float
    close: float
    batch_repeats: dict[int, float]
    later_annotators: float
    empty: int = 0
    window_s: float = 0.0
    short: int = 0

    def as_dict(self) -> dict[str, Any]:
        """All figures, for JSON."""
        return asdict(self)

    def rows(self) -> list[tuple[str, str]]:
        """All figures in words."""
        rows = [
            ("sentences", f"{self.narrations} ({self.sentences} different; {self.repeated:.0%} occur more than once)"),
            ("windows with a sentence", f"{self.narrated} of {self.windows}"),
            ("sentences a window", f"{self.each:.1f} on average, {self.most} at most"),
            ("sentences in no window", f"{self.unplaced}"),
            ("one window a sentence", f"{_count(self.rule_windows)}, {self.copies:.0%} of them exact copies"),
            ("signal under them", f"{self.covered_s:.0f} s, or {_count(self.non_overlapping)} side by side"),
            ("redundancy", f"{self.redundancy:.1f} x"),
            ("from a sentence to the next", self._gaps()),
        ]
        for size, p in self.batch_repeats.items():
            rows.append((f"a batch of {size} repeats a sentence", f"{p:.0%}"))
        rows.append(("not from the first annotator", f"{self.later_annotators:.0%}"))
        if self.empty:
            rows.append(("nothing left after cleaning", f"{self.empty}"))
        if self.short:
            who = "1 recording is" if self.short == 1 else f"{self.short} recordings are"
            rows.append(("too short", f"{who} shorter than a window of {self.window_s:g} s; see --window"))
        return rows

    def _gaps(self) -> str:
        if math.isnan(self.gap_s):
            return "no recording has two"
        return f"median {self.gap_s:.1f} s, {self.close:.0%} shorter than a window"


def _count(windows: int) -> str:
    return "1 window" if windows == 1 else f"{windows} windows"


def redundancy(windows: Windows, narrations: Narrations) -> Redundancy:
    """Count windows, moments and sentences that repeat each other.

    Args:
        windows: Windows of a corpus.
        narrations: What was said about it.
    """
    window, linked = assign(windows, narrations)
    inside = np.flatnonzero(_within(windows, narrations))
    length = windows.n_samples / windows.spec.rate_hz
    recording, start = narrations.recording[inside].astype(np.int64), _whole_seconds(windows, narrations, inside)
    places = np.unique(np.stack([recording.astype(np.float64), start], axis=1), axis=0)
    held = _held(windows)
    covered = _covered(places, length, held)
    cut = float(np.minimum(length, held[recording]).sum())
    uses = np.bincount(narrations.item, minlength=len(narrations.sentences))
    gaps = _gaps(narrations)
    n, narrated = len(narrations), len(np.unique(window))
    return Redundancy(
        windows=len(windows),
        narrated=narrated,
        narrations=n,
        unplaced=n - len(np.unique(linked)),
        each=len(window) / narrated if narrated else 0.0,
        most=int(np.bincount(window).max(initial=0)),
        rule_windows=len(inside),
        distinct=len(places),
        copies=1 - len(places) / len(inside) if len(inside) else 0.0,
        covered_s=covered,
        non_overlapping=int(covered / length + 1e-9),
        redundancy=cut / covered if covered else 0.0,
        sentences=len(uses),
        repeated=float(uses[uses > 1].sum() / n) if n else 0.0,
        gap_s=float(np.median(gaps)) if len(gaps) else float("nan"),
        close=float((gaps < length).mean()) if len(gaps) else 0.0,
        batch_repeats={size: repeat_probability(uses, size) for size in BATCHES if size <= n},
        later_annotators=_later(narrations),
        empty=narrations.empty,
        window_s=length,
        short=_short(windows),
    )


def _held(windows: Windows) -> Floats:
    """Seconds of signal in each recording."""
    return np.array([r.n_samples / r.spec.rate_hz for r in windows.corpus.recordings], dtype=np.float64)


def _short(windows: Windows) -> int:
    longest = [max(s.stop - s.start for s in r.segments) for r in windows.corpus.recordings]
    return sum(n < windows.n_samples for n in longest)


def _within(windows: Windows, narrations: Narrations) -> npt.NDArray[np.bool_]:
    centre, end = narrations.centre_s, ends(windows.corpus)[narrations.recording]
    return np.asarray((centre >= 0) & (centre <= end))


def _whole_seconds(windows: Windows, narrations: Narrations, inside: Ints) -> Floats:
    """Start of the published rule's window: ``floor(t - w/2)``, the first ``w`` early on, the last whole ones late."""
    length = windows.n_samples / windows.spec.rate_hz
    t, end = narrations.centre_s[inside], np.floor(ends(windows.corpus)[narrations.recording[inside]])
    last = np.maximum(end - length, 0.0)
    start = np.where(t >= end - length, last, np.floor(t - length / 2))
    return np.asarray(np.where(t <= length, 0.0, start))


def _covered(places: Floats, length: float, held: Floats) -> float:
    """Seconds under windows at different places ``(recording, start)``, sorted; at most what each recording holds."""
    if not len(places):
        return 0.0
    same = np.diff(places[:, 0]) == 0
    new = np.r_[length, np.where(same, np.minimum(np.diff(places[:, 1]), length), length)]
    return float(np.minimum(np.bincount(places[:, 0].astype(np.int64), new, len(held)), held).sum())


def _gaps(narrations: Narrations) -> Floats:
    order = np.lexsort((narrations.centre_s, narrations.recording))
    same = np.diff(narrations.recording[order]) == 0
    return np.asarray(np.diff(narrations.centre_s[order])[same])


def _later(narrations: Narrations) -> float:
    """Share of sentences that are not from the annotator of their recording's first one."""
    if not len(narrations):
        return 0.0
    first = np.flatnonzero(np.r_[True, np.diff(narrations.recording) != 0])
    group = np.cumsum(np.r_[True, np.diff(narrations.recording) != 0]) - 1
    return float((narrations.annotator != narrations.annotator[first][group]).mean())


def repeat_probability(uses: npt.ArrayLike, size: int) -> float:
    """Probability that ``size`` of ``sum(uses)`` sentences, drawn without putting back, hold one sentence twice.

    Draws without a repeat are counted by the coefficient of ``x^size`` in the product of ``1 + uses_i x``; divided by
    all draws, step by step, so that no number leaves the range of a float.

    Args:
        uses: How often each sentence occurs.
        size: Sentences drawn.
    """
    counts, times = np.unique(np.asarray(uses, dtype=np.float64), return_counts=True)
    k = np.arange(size)
    total = (counts * times).sum()
    scale = size / total
    ways = np.r_[1.0, np.zeros(size)]
    for count, n in zip(counts, times, strict=True):
        # (1 + count x)^n, all terms positive: nothing cancels.
        factor = np.r_[1.0, np.cumprod(np.maximum(n - k, 0) / (k + 1) * (count * scale))]
        ways = np.convolve(ways, factor)[: size + 1]
    log_all = np.log((total - k) / (k + 1) * scale).sum()
    return float(1 - np.exp(np.log(ways[size]) - log_all)) if ways[size] > 0 else 1.0
