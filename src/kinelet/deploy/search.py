"""Find in recordings what a sentence says: the best stretches of time, with scores that mean something."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kinelet.corpus.corpus import Corpus
from kinelet.corpus.cut import Marks, track_intervals
from kinelet.corpus.labels import majority
from kinelet.corpus.manifest import RecordingInfo
from kinelet.deploy.corpus_vectors import CorpusVectors
from kinelet.deploy.embedding import Embeddings
from kinelet.deploy.stretches import Series, Spread, Stretch, best_stretches
from kinelet.deploy.words import with_words
from kinelet.encoders.base import Encoder
from kinelet.errors import BadOptionError
from kinelet.progress import Progress, silent
from kinelet.towers.base import Tower
from kinelet.vectors import unit

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Hit:
    """A stretch of a recording that fits.

    Attributes:
        recording: Id in the corpus.
        subject: Who wore the sensor.
        start_s: Start in seconds since the recording's first sample.
        stop_s: End, same clock.
        score: Cosine of its best window.
        z: How far that is above the median of all windows searched, in robust standard deviations.
        percentile: Per cent of all windows searched that score lower.
        mean: Mean cosine of its windows.
        peak_s: Start of the best window.
        start_unix_s: Start in seconds since 1970 UTC, where the recording's clock is known.
        annotated: Label that covers most of it, where the corpus has labels: to judge the hit by, not used for it.
    """

    recording: str
    subject: str
    start_s: float
    stop_s: float
    score: float
    z: float
    percentile: float
    mean: float
    peak_s: float
    start_unix_s: float | None = None
    annotated: str | None = None


@dataclass(frozen=True, eq=False)
class SearchResult:
    """Hits, best first, and the scores that they were found among.

    Attributes:
        query: The sentence; empty for a vector.
        hits: Best first.
        scores: Scores of all windows, by recording id.
        spread: How they lie.
        windows: How many were searched.
        hours: Of samples in the recordings searched.
        skipped: Recordings of the corpus without the encoder's channels.
    """

    query: str
    hits: tuple[Hit, ...]
    scores: dict[str, Series]
    spread: Spread
    windows: int
    hours: float
    skipped: int

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)


def search(
    encoder: Encoder,
    corpus: Corpus,
    query: str | npt.ArrayLike,
    *,
    top: int = 10,
    step_s: float | None = None,
    window_s: float | None = None,
    subjects: str | Collection[str] | None = None,
    site: str | None = None,
    merge_s: float | None = None,
    extent: float = 0.5,
    track: str = "activity",
    tower: Tower | None = None,
    modality: str | None = None,
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> SearchResult:
    """The best stretches of a corpus for a sentence.

    Every recording is embedded window by window; a window's score is the cosine of its vector and the sentence's.
    Stretches grow around the best windows; see :func:`kinelet.deploy.stretches.best_stretches`. A cosine by itself
    says little, so each hit also tells where it lies among all windows searched.

    Args:
        encoder: Aligned with text; see :func:`kinelet.deploy.words.with_words`.
        corpus: What to search.
        query: A sentence, or a vector ``(dim,)`` in the space of the encoder's output (then any encoder will do).
        top: At most so many hits.
        step_s: Seconds from one window to the next; default half a window.
        window_s: Length of a window; default the encoder's own.
        subjects: Search these people only.
        site: Search recordings of this body site only.
        merge_s: Dips and pauses up to this long do not part a stretch; default a window.
        extent: Share of the peak's height above the median that a stretch keeps.
        track: Annotations that are told beside the hits.
        tower: Text tower, where it is one of your own.
        modality: Name of the encoder's modality that holds sentences, where it is not clear.
        cache: Folder that keeps vectors for the next search.
        progress: Told how many windows are embedded.

    Raises:
        BadOptionError: if the encoder knows no text, an option makes no sense, or no recording fits.
    """
    if isinstance(query, str):
        words = with_words(encoder, tower, modality=modality)
        encoder, wanted = words.encoder, words.vectors([query])[0]
    else:
        wanted = _vector(query, encoder.dim)
    if top < 1 or not 0 < extent <= 1 or (merge_s is not None and merge_s < 0):
        raise BadOptionError(
            f"top {top}, extent {extent:g}, merge_s {merge_s}",
            where="search",
            remedy="Use top >= 1, extent in (0, 1] and merge_s >= 0",
        )
    part = corpus.select(subjects=subjects, site=site)
    length_s = window_length(encoder, window_s)
    vectors = CorpusVectors(part, encoder, step_s or length_s / 2, length_s, None if cache is None else Path(cache))
    found = [(info, _series(made, wanted, vectors.step_s)) for info, made in vectors.walk(progress)]
    spread = Spread.of(np.concatenate([s.score for _, s in found]))
    if not len(spread.ordered):
        raise BadOptionError(
            f"no window of {length_s:g} s fits into any recording", where=str(corpus.path), remedy="Use shorter windows"
        )
    stretches = best_stretches(
        [s for _, s in found], top, base=spread.median, extent=extent, merge_s=length_s if merge_s is None else merge_s
    )
    marks = track_intervals(part, track, None, ())
    return SearchResult(
        query=query if isinstance(query, str) else "",
        hits=tuple(annotated(_hit(*found[s.series], s, spread), part, marks) for s in stretches),
        scores={info.id: series for info, series in found},
        spread=spread,
        windows=len(spread.ordered),
        hours=sum(info.duration_s for info, _ in found) / 3600,
        skipped=len(part.recordings) - len(found),
    )


def window_length(encoder: Encoder, window_s: float | None) -> float:
    """The window length asked for, or the encoder's own.

    Raises:
        BadOptionError: if neither is there.
    """
    length = window_s or encoder.spec.window_s
    if length is None:
        raise BadOptionError("the encoder does not say how long its windows are", remedy="Give --window-s, such as 5")
    return length


def annotated(hit: Hit, corpus: Corpus, marks: Marks) -> Hit:
    """The hit with the label that covers most of it, if any covers some of it."""
    intervals = marks.by_recording.get(corpus.codes[hit.recording])
    if intervals is None:
        return hit
    [code] = majority(intervals, np.array([hit.start_s]), np.array([hit.stop_s]), 1e-6)
    return replace(hit, annotated=marks.classes[code]) if code >= 0 else hit


def _vector(query: npt.ArrayLike, dim: int) -> npt.NDArray[np.float32]:
    wanted = np.asarray(query, dtype=np.float64)
    if wanted.shape != (dim,) or not np.isfinite(wanted).all() or not wanted.any():
        raise BadOptionError(
            f"a query of shape {wanted.shape}", where="search", remedy=f"Give {dim} finite numbers, not all zero"
        )
    return unit(wanted)


def _series(made: Embeddings, wanted: npt.NDArray[np.float32], step_s: float) -> Series:
    score = np.full(len(made), np.nan)
    score[made.valid] = unit(made.vectors[made.valid]) @ wanted
    return Series(made.time_s, score, made.window_s, step_s)


def _hit(info: RecordingInfo, series: Series, stretch: Stretch, spread: Spread) -> Hit:
    score = float(series.score[stretch.peak])
    start_s = float(series.time_s[stretch.first])
    return Hit(
        recording=info.id,
        subject=info.subject,
        start_s=start_s,
        stop_s=float(series.time_s[stretch.last]) + series.window_s,
        score=score,
        z=spread.z(score),
        percentile=spread.percentile(score),
        mean=float(np.mean(series.score[stretch.first : stretch.last + 1])),
        peak_s=float(series.time_s[stretch.peak]),
        start_unix_s=None if info.start_unix_s is None else info.start_unix_s + start_s,
    )
