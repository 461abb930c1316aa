"""What is said or seen about a recording, and whether it lies within it."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kinelet.corpus.corpus import Corpus

Floats = npt.NDArray[np.float64]
_SHOWN = 5


@dataclass(frozen=True)
class Fitted:
    """Spans cut to their recordings; arrays are ``(spans,)``.

    Attributes:
        start_s: Start, seconds on the recording's own clock, not before its first sample.
        stop_s: End, same clock, not after its last sample.
        outside: Spans of which nothing lies within the recording; their times are as they were.
        cut: Spans that ran past an end of it by more than a sample.
    """

    start_s: Floats
    stop_s: Floats
    outside: npt.NDArray[np.bool_]
    cut: npt.NDArray[np.bool_]


def ends(corpus: Corpus) -> Floats:
    """Time at which the last sample of each recording ends, seconds on its own clock."""
    last = [max(s.time_s + (s.stop - s.start) / r.spec.rate_hz for s in r.segments) for r in corpus.recordings]
    return np.array(last, dtype=np.float64)


def fit(ids: Sequence[str], start_s: Any, stop_s: Any, corpus: Corpus) -> Fitted:
    """Cut spans to the recordings that they are about.

    Args:
        ids: Recording of each.
        start_s: Start of each, seconds on that recording's own clock, shape ``(spans,)``.
        stop_s: End of each, same clock and shape.
        corpus: What they are about.
    """
    code = np.array([corpus.codes[i] for i in ids], dtype=np.int64)
    start, stop = np.asarray(start_s, dtype=np.float64), np.asarray(stop_s, dtype=np.float64)
    end = ends(corpus)[code]
    sample = np.array([1 / r.spec.rate_hz for r in corpus.recordings])[code]
    outside = (stop < 0) | (start > end)
    # Times are written with few digits: what is over by less than a sample is no mistake.
    before, after = ~outside & (start < -sample), ~outside & (stop > end + sample)
    return Fitted(np.where(before, 0.0, start), np.where(after, end, stop), outside, before | after)


def misplaced(ids: Sequence[str], fitted: Fitted, corpus: Corpus, what: str) -> list[str]:
    """Complaints about recordings of which all that is said lies before or after all samples.

    A few that do are late by nature; all of them are on another clock.

    Args:
        ids: Recording of each span.
        fitted: The spans.
        corpus: What they are about.
        what: What to call them.
    """
    flags: dict[str, list[bool]] = defaultdict(list)
    for identity, outside in zip(ids, fitted.outside.tolist(), strict=True):
        flags[identity].append(outside)
    end = ends(corpus)
    return [
        f"all {len(outside)} {what} of {identity!r} lie outside its 0 to {end[corpus.codes[identity]]:.3f} s (times "
        "are seconds on the recording's own clock)"
        for identity, outside in flags.items()
        if all(outside)
    ]


def tell_misfits(fitted: Fitted, where: str, what: str, number_name: str, number: Sequence[int]) -> None:
    """Warn of spans that are left out, and of those that are cut.

    Args:
        fitted: The spans.
        where: What they come from.
        what: What to call one of them.
        number_name: What to call the number of one.
        number: Line or number of each.
    """
    many = ("lie outside their recordings and are left out", "run past the ends of their recordings and are cut there")
    one = ("lies outside its recording and is left out", "runs past an end of its recording and is cut there")
    for kind, flags in enumerate((fitted.outside, fitted.cut)):
        at = [number[i] for i in np.flatnonzero(flags)]
        if at:
            told = f"{len(at)} {what}s {many[kind]}" if len(at) > 1 else f"1 {what} {one[kind]}"
            listed = ", ".join(str(n) for n in at[:_SHOWN]) + (", …" if len(at) > _SHOWN else "")
            label = f"{number_name}s" if len(at) > 1 else number_name
            warnings.warn(f"{where}: {told} ({label} {listed})", UserWarning, stacklevel=3)
