"""Label and value columns of a table as annotations."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kinelet.readers.card import LabelCard
from kinelet.readers.clocks import Rows, Timing
from kinelet.readers.frame import Codes
from kinelet.signal.recording import Annotation


def label_runs(label: LabelCard, column: Codes | npt.NDArray[Any], rows: Rows, timing: Timing) -> list[Annotation]:
    """One annotation for every run of equal labels or values.

    A run ends at a gap, and otherwise where the next sample begins.

    Args:
        label: The column's card.
        column: Codes and names for labels, numbers for values.
        rows: Row of the table of every sample.
        timing: Times and segments of the samples.
    """
    codes = (column[0] if isinstance(column, tuple) else column)[rows]
    change = np.zeros(len(codes), dtype=bool)
    change[[s.start for s in timing.segments]] = True
    same = codes[1:] == codes[:-1]
    if codes.dtype.kind == "f":
        same |= np.isnan(codes[1:]) & np.isnan(codes[:-1])
    change[1:] |= ~same
    starts = np.flatnonzero(change)
    begins, ends = timing.times[starts], _ends(starts, timing)
    made = (
        _annotation(label, column, codes[i], float(b), float(e)) for i, b, e in zip(starts, begins, ends, strict=True)
    )
    return [a for a in made if a is not None]


def _ends(starts: Rows, timing: Timing) -> npt.NDArray[np.float64]:
    stops = np.r_[starts[1:], len(timing.times)]
    period = 1.0 / timing.rate_hz
    ends = np.append(timing.times, timing.times[-1] + period)[stops]
    at_gap = np.isin(stops, [s.stop for s in timing.segments])
    ends[at_gap] = timing.times[stops[at_gap] - 1] + period
    return np.asarray(ends)


def _annotation(
    label: LabelCard, column: Codes | npt.NDArray[Any], code: Any, start_s: float, stop_s: float
) -> Annotation | None:
    if not isinstance(column, tuple):
        return None if np.isnan(code) else Annotation(start_s, stop_s, value=float(code), track=label.track)
    text = column[1][code] if code >= 0 else ""
    if not text or text in label.unlabelled:
        return None
    return Annotation(start_s, stop_s, label=label.map.get(text, text), track=label.track)
