"""Cut a corpus into moments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from kinelet.corpus.corpus import Corpus
from kinelet.corpus.cut import track_intervals
from kinelet.corpus.labels import Intervals
from kinelet.corpus.moment_clocks import ClockRule, Clocks, clocks_of
from kinelet.corpus.moment_grid import Runs, lay_clips, lay_grid
from kinelet.corpus.moment_stretches import Modality, modality_of
from kinelet.corpus.views import View, modality, require_name, views_of
from kinelet.errors import BadOptionError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
MomentPlacement = Literal["grid", "stretch"]


@dataclass(frozen=True)
class Rules:
    """What moments are; see :func:`kinelet.corpus.moments.moments`."""

    window_s: float
    hop_s: float
    tolerance_s: float
    placement: MomentPlacement
    clock: ClockRule
    track: str
    purity: float
    classes: tuple[str, ...] | None

    def __post_init__(self) -> None:
        if self.placement not in ("grid", "stretch"):
            raise BadOptionError(f"placement is {self.placement!r}", where="moments", remedy="Use grid or stretch")
        for name in ("window_s", "hop_s"):
            if not getattr(self, name) > 0:
                raise BadOptionError(f"{name} is {getattr(self, name)!r}", where="moments", remedy="It is above 0")
        if not self.tolerance_s >= 0:
            raise BadOptionError(f"tolerance_s is {self.tolerance_s!r}", where="moments", remedy="It is 0 or more")
        if not 0 < self.purity <= 1:
            remedy = "It is a share, above 0 and at most 1"
            raise BadOptionError(f"purity is {self.purity!r}", where="moments", remedy=remedy)


@dataclass(frozen=True)
class Layout:
    """How moments were cut; shared by all selections of them.

    Attributes:
        rules: What was asked for.
        modalities: Modalities, in the order of their names.
        clocks: Clocks of the recordings.
        runs: Where moments lie.
        classes: Names that labels count along.
        marks: Annotations by clock.
        broken: Clips of each modality that were left out because they have gaps, ``(modality,)``.
    """

    rules: Rules
    modalities: tuple[Modality, ...]
    clocks: Clocks
    runs: Runs
    classes: tuple[str, ...]
    marks: Mapping[int, Intervals]
    broken: Ints


def lay(corpus: Corpus, views: Mapping[str, View | str] | None, rules: Rules) -> Layout:
    """Lay moments; see :func:`kinelet.corpus.moments.moments`."""
    chosen = {name: _view(corpus, v) for name, v in (views_of(corpus) if views is None else views).items()}
    if not chosen:
        raise BadOptionError("no modality was named", where="moments", remedy="Name at least one")
    for name in chosen:
        require_name(name)
    clips = rules.placement == "stretch"
    clocks = clocks_of(corpus, rules.clock, clips=clips)
    found = tuple(modality_of(corpus, name, view, rules.window_s, clocks) for name, view in chosen.items())
    broken = np.zeros(len(found), dtype=np.int64)
    if clips:
        runs, broken = lay_clips(found)
    else:
        runs = lay_grid(found, rules.window_s, rules.hop_s, rules.tolerance_s)
    if not runs.before[-1]:
        raise BadOptionError(
            f"no moment of {rules.window_s:g} s fits into any recording",
            where=str(corpus.path),
            remedy="Use shorter windows, or placement stretch",
        )
    names, marks = _marks(corpus, clocks, rules)
    return Layout(rules, found, clocks, runs, names, marks, broken)


def _view(corpus: Corpus, view: View | str) -> View:
    return view if isinstance(view, View) else modality(corpus, view)


def _marks(corpus: Corpus, clocks: Clocks, rules: Rules) -> tuple[tuple[str, ...], dict[int, Intervals]]:
    """Annotations of all recordings of a clock, on that clock; what two of them say alike counts once."""
    found = track_intervals(corpus, rules.track, rules.classes, ())
    rows: dict[int, list[Floats]] = {}
    for recording, i in found.by_recording.items():
        shift = clocks.start_s[recording]
        own = np.stack([i.start_s + shift, i.stop_s + shift, i.code, i.value], axis=1)
        rows.setdefault(int(clocks.code[recording]), []).append(own)
    marks = {}
    for clock, tables in rows.items():
        # To the microsecond: the starts of two recordings are known no better.
        one: Floats = np.unique(np.round(np.concatenate(tables), 6), axis=0)
        marks[clock] = Intervals(one[:, 0], one[:, 1], one[:, 2].astype(np.int32), one[:, 3])
    return found.classes, marks
