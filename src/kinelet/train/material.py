"""How much of the corpora a run is trained on, so that nobody takes a few windows for a large corpus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kinelet.corpus.windows import Windows
from kinelet.train.recipe import DataConfig


@dataclass(frozen=True)
class Material:
    """How much of the corpora a run is trained on.

    Attributes:
        windows: Windows.
        recordings: Recordings that have any.
        too_short: Recordings of people who are not held out in which no window fits between two gaps.
    """

    windows: int
    recordings: int
    too_short: int


def material_of(views: Sequence[Windows], data: DataConfig) -> Material:
    """Count what is in the windows of a run, and what is too short to be."""
    short = 0
    for view in views if data.placement != "stretch" else ():
        mine = (r for r in view.corpus.recordings if r.subject not in data.hold_out)
        short += sum(all(s.stop - s.start < view.n_samples for s in r.segments) for r in mine)
    recordings = sum(len(np.unique(v.recording)) for v in views)
    return Material(sum(len(v) for v in views), recordings, short)
