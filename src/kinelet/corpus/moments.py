"""Moments: stretches of time of one person in which one or more modalities were recorded, on one clock."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kinelet.corpus.corpus import Corpus
from kinelet.corpus.moment_clocks import ClockRule
from kinelet.corpus.moment_layout import MomentPlacement, Rules, lay
from kinelet.corpus.moment_table import MomentTable
from kinelet.corpus.quantise import FloatArray
from kinelet.corpus.views import View
from kinelet.corpus.windows import Windows
from kinelet.errors import BadOptionError

if TYPE_CHECKING:
    from kinelet.corpus.moment_report import PairReport

Ints = npt.NDArray[np.int64]


class Moments(MomentTable):
    """Moments of a corpus, or some of them; samples are read when they are gathered."""

    def gather(self, index: npt.ArrayLike) -> dict[str, FloatArray]:
        """Read moments: windows ``(n, channel, time)`` of each modality at its own rate, zeros where it is absent."""
        run, time_s = self.locate(index)
        stretch, out = self.layout.runs.stretch[run], {}
        for column, m in enumerate(self.layout.modalities):
            there = stretch[:, column] >= 0
            x = np.zeros((len(run), len(m.spec.channels), m.n_samples), dtype=np.float32)
            if there.any():
                x[there] = m.gather(
                    stretch[there, column], time_s[there], whole=self.layout.rules.placement == "stretch"
                )
            out[m.name] = x
        return out

    def batch(self, index: Ints) -> dict[str, npt.NDArray[Any]]:
        """What the rows of a batch hold; see :class:`kinelet.methods.multimodal.MomentBatch`.

        Each row is a sequence of its own unless the sampler says otherwise.
        """
        subject, clock = self.people_of(index)
        return {
            **{f"x.{name}": x for name, x in self.gather(index).items()},
            "present": self.stretch_of(index) >= 0,
            "sequence": self.base(index),
            "moment": np.zeros(len(index), dtype=np.int64),
            "index": np.asarray(index, dtype=np.int64),
            "clock": clock.astype(np.int64),
            "subject": subject.astype(np.int64),
            "part": self.part_of(index).astype(np.int64),
            "time_s": self.time_of(index),
        }

    def select(self, which: npt.ArrayLike) -> Moments:
        """Some of the moments, by a mask ``(n,)`` or by numbers; codes keep their meaning."""
        chosen = np.asarray(which)
        if chosen.dtype == np.bool_:
            if chosen.shape != (len(self),):
                raise BadOptionError(f"a mask of {chosen.shape} for {len(self)} moments")
            chosen = np.flatnonzero(chosen)
        return Moments(self.corpus, self.layout, self.base(chosen.astype(np.int64)))

    def of(self, subjects: Collection[str]) -> Moments:
        """The moments of some people.

        Raises:
            BadOptionError: if a name is not in the corpus.
        """
        unknown = sorted(set(subjects) - set(self.subjects))
        if unknown:
            raise BadOptionError(f"no such people: {unknown[:5]}", remedy=f"The corpus has {self.subjects[:5]} …")
        wanted = [i for i, name in enumerate(self.subjects) if name in set(subjects)]
        return self.select(np.isin(self.subject, wanted))

    def pairs(self) -> Moments:
        """The moments that have two modalities or more."""
        return self.select(self.present.sum(axis=1) > 1)

    def complete(self) -> Moments:
        """The moments that have all modalities."""
        return self.select(self.present.all(axis=1))

    def labelled(self) -> Moments:
        """The moments that have a class, or, on a track of values, a value."""
        return self.select(self.label >= 0 if self.classes else np.isfinite(self.value))

    def modality(self, name: str) -> Windows:
        """All windows of one modality of the people here, paired or not.

        Raises:
            BadOptionError: if there is no such modality.
        """
        found = next((m for m in self.layout.modalities if m.name == name), None)
        if found is None:
            raise BadOptionError(f"no modality {name!r}", where="moments", remedy=f"There are: {', '.join(self.names)}")
        rules = self.layout.rules
        windows = found.corpus.windows(
            found.view.window_s or rules.window_s,
            rules.hop_s,
            track=rules.track,
            purity=rules.purity,
            placement=rules.placement,
            classes=self.classes or None,
            channels=found.spec.channels,
        )
        here = {self.subjects[i] for i in np.unique(self.subject)}
        return windows.of([s for s in windows.subjects if s in here])

    def share(self, fraction: float, seed: int = 0, length: int = 1) -> Moments:
        """A random share; see :func:`kinelet.corpus.moment_tiles.share`."""
        from kinelet.corpus.moment_tiles import share

        return share(self, fraction, seed, length)

    def keep_out(self, fraction: float, seed: int = 0, length: int = 1) -> tuple[Moments, Moments]:
        """The rest and a random share; see :func:`kinelet.corpus.moment_tiles.keep_out`."""
        from kinelet.corpus.moment_tiles import keep_out

        return keep_out(self, fraction, seed, length)

    def report(self) -> PairReport:
        """How many pairs there are, of whom, and how their clocks are known."""
        from kinelet.corpus.moment_report import pair_report

        return pair_report(self)


def moments(
    corpus: Corpus,
    views: Mapping[str, View | str] | None,
    window_s: float,
    hop_s: float | None = None,
    *,
    tolerance_s: float = 0.05,
    placement: MomentPlacement = "grid",
    clock: ClockRule = "auto",
    track: str = "activity",
    purity: float = 0.5,
    classes: Sequence[str] | None = None,
) -> Moments:
    """Cut a corpus into moments.

    They are laid on a grid over the first view's stretches without gaps; what other views have beside it is laid
    after, so that there are moments with some modalities only. A modality is there where one of its stretches covers
    the moment; its window begins at the sample nearest to the moment's start.

    Args:
        corpus: Recordings and side streams.
        views: Modalities by name, as views or as texts; ``None`` for all that the corpus has.
        window_s: Length of a moment in seconds; a view may have windows of its own length, from the same start.
        hop_s: From one moment to the next; a moment's length if not given.
        tolerance_s: Seconds by which a stretch may miss a moment's start or end; its window is moved by that much. Half
            a sample is always allowed, since no two clocks tick together.
        placement: ``grid``, or ``stretch``: each clip (recordings on one clock) is one moment, each modality
            interpolated over all of it, wherever the clip starts and ends for the others.
        clock: ``recording``: absolute time joins a recording and its side streams only; ``auto``: also recordings of
            one person that overlap in time. See :func:`kinelet.corpus.moment_clocks.clocks_of`.
        track: Annotations to take labels or values from, of any recording on the clock.
        purity: Share of a moment that its majority label must cover, in (0, 1].
        classes: Class names in the order of their codes; by default all labels of the track, sorted.

    Raises:
        SpecMismatchError: if the recordings of a view differ in rate, channels or units.
        BadOptionError: if an option makes no sense, a view has no recording, or no moment fits.
    """
    hop_s = window_s if hop_s is None else hop_s
    names = None if classes is None else tuple(classes)
    rules = Rules(window_s, hop_s, tolerance_s, placement, clock, track, purity, names)
    return Moments(corpus, lay(corpus, views, rules))
