"""A timeline of labels from a list of sentences, with stretches left open where no sentence fits well enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from kinelet.deploy.embedding import Embeddings, embed
from kinelet.deploy.search import window_length
from kinelet.deploy.stretches import runs, smooth
from kinelet.deploy.words import Vectors, with_words
from kinelet.encoders.base import Encoder
from kinelet.errors import BadOptionError
from kinelet.signal.recording import Recording
from kinelet.towers.base import Tower
from kinelet.vectors import unit

Confidence = Literal["margin", "score"]
Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

NOBODY = -1
"""Code of a window that is left open, or is none."""


@dataclass(frozen=True)
class Span:
    """A stretch of a timeline.

    Attributes:
        start_s: Start in seconds since the recording's first sample.
        stop_s: End, same clock.
        label: Its class, or ``None`` where the timeline is left open.
        confidence: Mean confidence of its windows.
        score: Mean cosine of its windows with the class that fits each best.
    """

    start_s: float
    stop_s: float
    label: str | None
    confidence: float
    score: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.stop_s - self.start_s


@dataclass(frozen=True)
class Timeline:
    """Labels of a recording over time; nothing is said of its gaps.

    Attributes:
        recording: Id or name.
        subject: Who wore the sensor.
        spans: In time order, none over another.
        start_unix_s: Time of the recording's first sample, where it is known.
    """

    recording: str
    subject: str
    spans: tuple[Span, ...]
    start_unix_s: float | None = None

    def seconds(self) -> dict[str | None, float]:
        """Seconds of each label; of ``None`` those left open."""
        total: dict[str | None, float] = {}
        for span in self.spans:
            total[span.label] = total.get(span.label, 0.0) + span.seconds
        return total


@dataclass(frozen=True, eq=False)
class Judged:
    """What the windows of a recording look like, before anything is left open.

    Attributes:
        time_s: Start of each window ``(n,)``.
        code: Class that fits best ``(n,)``; -1 where there is no window.
        confidence: ``(n,)``; NaN where there is no window.
        score: Cosine with that class ``(n,)``; NaN likewise.
    """

    time_s: Floats
    code: Codes
    confidence: Floats
    score: Floats


@dataclass(frozen=True, eq=False)
class Labeller:
    """Sentences made ready to label recordings.

    Attributes:
        encoder: Its output is in the space of ``vectors``.
        classes: Labels.
        vectors: One a class ``(class, dim)``, length 1.
        step_s: Seconds from one window to the next.
        window_s: Length of a window.
        smooth_s: Scores are averaged over so long around each window, within stretches without gaps.
        confidence: ``margin``: how much better the best class fits than the next. ``score``: how well it fits.
    """

    encoder: Encoder
    classes: tuple[str, ...]
    vectors: Vectors
    step_s: float
    window_s: float
    smooth_s: float = 0.0
    confidence: Confidence = "margin"

    def judge(self, made: Embeddings) -> Judged:
        """The class of every window, from the embeddings of a recording."""
        scores = np.full((len(made), len(self.classes)), np.nan)
        scores[made.valid] = unit(made.vectors[made.valid]) @ self.vectors.T
        return decide(made.time_s, smooth(scores, round(self.smooth_s / self.step_s)), self.confidence)

    def spans(self, judged: Judged, threshold: float = -np.inf) -> tuple[Span, ...]:
        """Stretches of equal labels; windows of less confidence than the threshold are left open."""
        return spans_of(judged, self.classes, threshold, self.window_s, self.step_s)


def labeller(
    encoder: Encoder,
    sentences: Mapping[str, Sequence[str]] | Sequence[str],
    *,
    step_s: float | None = None,
    window_s: float | None = None,
    smooth_s: float | None = None,
    confidence: Confidence = "margin",
    tower: Tower | None = None,
    modality: str | None = None,
) -> Labeller:
    """Make sentences ready to label recordings.

    Args:
        encoder: Aligned with text; see :func:`kinelet.deploy.words.with_words`.
        sentences: Sentences of each label, or a list of sentences that are their own labels.
        step_s: Seconds from one window to the next, at most a window; default half a window.
        window_s: Length of a window; default the encoder's own.
        smooth_s: Scores are averaged over so long; default two windows.
        confidence: See :class:`Labeller`; with one class it is its score in any case.
        tower: Text tower, where it is one of your own.
        modality: Name of the encoder's modality that holds sentences, where it is not clear.

    Raises:
        BadOptionError: if the encoder knows no text, no sentence is given, or times make no sense.
    """
    told = sentences if isinstance(sentences, Mapping) else {s: (s,) for s in sentences}
    if not told:
        raise BadOptionError("no sentence given", where="label", remedy='Give words, such as "climbing stairs"')
    words = with_words(encoder, tower, modality=modality)
    length_s = window_length(encoder, window_s)
    step, over = step_s or length_s / 2, 2 * length_s if smooth_s is None else smooth_s
    if not 0 < step <= length_s or over < 0:
        raise BadOptionError(
            f"step {step:g} s, smoothing {over:g} s, windows of {length_s:g} s",
            where="label",
            remedy="Steps are at most as long as a window, else there is nothing between; smoothing is 0 or more",
        )
    vectors = words.class_vectors(told)
    kind: Confidence = confidence if len(told) > 1 else "score"
    return Labeller(words.encoder, tuple(told), vectors, step, length_s, over, kind)


def label_timeline(
    encoder: Encoder,
    rec: Recording,
    sentences: Mapping[str, Sequence[str]] | Sequence[str],
    *,
    threshold: float = -np.inf,
    step_s: float | None = None,
    window_s: float | None = None,
    smooth_s: float | None = None,
    confidence: Confidence = "margin",
    tower: Tower | None = None,
    modality: str | None = None,
) -> Timeline:
    """Label a recording with the sentences that fit best.

    Args:
        encoder: Aligned with text.
        rec: Any recording that has the encoder's channels.
        sentences: See :func:`labeller`, as are the options that follow.
        threshold: Least confidence to say anything; see :func:`kinelet.deploy.calibrated.calibrate_labels`.
        step_s: Seconds from one window to the next.
        window_s: Length of a window.
        smooth_s: Scores are averaged over so long.
        confidence: What the threshold is compared with.
        tower: Text tower, where it is one of your own.
        modality: Name of the encoder's modality that holds sentences, where it is not clear.
    """
    chosen = {"step_s": step_s, "window_s": window_s, "smooth_s": smooth_s}
    made = labeller(encoder, sentences, confidence=confidence, tower=tower, modality=modality, **chosen)
    vectors = embed(made.encoder, rec, step_s=made.step_s, window_s=made.window_s)
    return Timeline(rec.name, rec.subject, made.spans(made.judge(vectors), threshold), rec.start_unix_s)


def decide(time_s: Floats, scores: Floats, confidence: Confidence = "margin") -> Judged:
    """Best class and confidence of each window from scores ``(n, class)``; the first of classes that fit equally."""
    valid = np.asarray(np.isfinite(scores).all(axis=1))
    known = np.where(valid[:, None], scores, 0.0)
    code = np.where(valid, known.argmax(axis=1), NOBODY)
    best = np.where(valid, known.max(axis=1), np.nan)
    if confidence == "score" or scores.shape[1] < 2:
        return Judged(time_s, code, best, best)
    second = np.sort(known, axis=1)[:, -2]
    return Judged(time_s, code, np.where(valid, best - second, np.nan), best)


def spans_of(
    judged: Judged, classes: Sequence[str], threshold: float, window_s: float, step_s: float
) -> tuple[Span, ...]:
    """Stretches of equal labels, in time order.

    A window speaks for the time around its centre that is nearer to it than to its neighbours; the first and the last
    of a run without gaps for all up to the run's ends.
    """
    out: list[Span] = []
    for first, stop in runs(judged.code != NOBODY):
        code = np.where(judged.confidence[first:stop] >= threshold, judged.code[first:stop], NOBODY)
        middle = judged.time_s[first:stop] + window_s / 2
        edges = np.r_[judged.time_s[first], middle[1:] - step_s / 2, judged.time_s[stop - 1] + window_s]
        changes = np.flatnonzero(np.diff(code)) + 1
        for a, b in zip([0, *changes.tolist()], [*changes.tolist(), len(code)], strict=True):
            part = slice(first + a, first + b)
            label = None if code[a] == NOBODY else classes[int(code[a])]
            means = (float(judged.confidence[part].mean()), float(judged.score[part].mean()))
            out.append(Span(float(edges[a]), float(edges[b]), label, *means))
    return tuple(out)


def joined(timelines: Sequence[Timeline]) -> dict[str | None, float]:
    """Seconds of each label over timelines; of ``None`` those left open."""
    total: dict[str | None, float] = {}
    for timeline in timelines:
        for label, seconds in timeline.seconds().items():
            total[label] = total.get(label, 0.0) + seconds
    return total
