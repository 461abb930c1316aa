"""The threshold of a timeline from a labelled corpus: people that neither encoder nor timeline has to do with."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kinelet.corpus.corpus import Corpus
from kinelet.corpus.cut import track_intervals
from kinelet.corpus.labels import Intervals, majority
from kinelet.deploy.abstain import Aim, Calibration, calibrate, listed
from kinelet.deploy.corpus_vectors import CorpusVectors
from kinelet.deploy.timeline import Judged, Labeller
from kinelet.encoders.base import Encoder
from kinelet.errors import BadOptionError
from kinelet.evaluate.honesty import CARD_KEY, SeenSubjectError
from kinelet.progress import Progress, silent

Codes = npt.NDArray[np.int64]
OTHER = -2
"""Code of a window whose label is none of the classes."""
UNKNOWN = -1


@dataclass(frozen=True)
class Choice:
    """Who a threshold is calibrated on.

    Attributes:
        people: Those.
        known: Left out because the encoder was pretrained on them.
        labelled: Left out because they are the ones to be labelled.
        checked: Whether the encoder's card says who it was pretrained on.
    """

    people: tuple[str, ...]
    known: tuple[str, ...]
    labelled: tuple[str, ...]
    checked: bool

    def notes(self) -> list[str]:
        """Who was left out, in words."""
        out = []
        if self.known:
            out.append(f"{len(self.known)} people left out of the calibration: the encoder was pretrained on them")
        if self.labelled:
            out.append(f"{len(self.labelled)} people left out of the calibration: they are to be labelled")
        if not self.checked:
            out.append("the model's card does not list its people: nobody could check that these are new to it")
        return out


def choose_people(encoder: Encoder, corpus: Corpus, labelled: Collection[str] = ()) -> Choice:
    """People of a corpus that a threshold may be set from.

    Args:
        encoder: Its card lists the people it was pretrained on.
        corpus: With labels.
        labelled: Names that the people to be labelled go by; see :meth:`kinelet.corpus.corpus.Corpus.identities`. A
            name without a data set, as a recording gives it, is anybody's of that name.

    Raises:
        SeenSubjectError: if fewer than two people are left.
    """
    card, others = {str(entry) for entry in encoder.card.get(CARD_KEY, ())}, set(labelled)
    names = {s: corpus.identities([s]) for s in corpus.subjects}
    known = tuple(s for s in names if names[s] & card)
    asked = tuple(s for s in names if _bare(s, names[s]) & others and s not in known)
    people = tuple(s for s in names if s not in known and s not in asked)
    if len(people) < 2:
        raise SeenSubjectError(
            f"{len(people)} of its {len(names)} people can set a threshold: the encoder was pretrained on "
            f"{len(known)}, and {len(asked)} are to be labelled",
            where=str(corpus.path),
            remedy="Calibrate on at least two other people: pretrain with --hold-out, or label fewer with --subject",
        )
    return Choice(people, known, asked, CARD_KEY in encoder.card)


def _bare(subject: str, names: set[str]) -> set[str]:
    """All names of a person, those without corpus or data set among them: a recording from a file has no other."""
    parts = [name.split("/") for name in (subject, *names)]
    return {"/".join(p[i:]) for p in parts for i in range(len(p))}


def calibrate_labels(
    made: Labeller,
    corpus: Corpus,
    people: Collection[str],
    *,
    track: str = "activity",
    aim: Aim = "precision",
    target: float = 0.9,
    purity: float = 0.5,
    site: str | None = None,
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> Calibration:
    """Set the threshold of a timeline from people with labels; see :func:`kinelet.deploy.abstain.calibrate`.

    Windows are judged as those of a timeline are, smoothing included. A window counts if one label covers at least
    ``purity`` of it; if that label is none of the classes, any answer is wrong.

    Args:
        made: What labels; its classes are names of labels in the track.
        corpus: With labels.
        people: From :func:`choose_people`.
        track: Annotations that hold the truth.
        aim: ``precision`` or ``coverage``.
        target: What is to be reached.
        purity: Share of a window that its label must cover.
        site: Recordings of this body site only.
        cache: Folder that keeps vectors.
        progress: Told how many windows are embedded.

    Raises:
        BadOptionError: if no class is a label of the track, too few people have labels, or the target is out of reach.
    """
    part = corpus.select(subjects=people, site=site)
    marks = track_intervals(part, track, None, ())
    if not set(marks.classes) & set(made.classes):
        raise BadOptionError(
            f"no label of the track {track!r} is among the classes ({listed(made.classes, 4)})",
            where=str(corpus.path),
            remedy="Give sentences as YAML of label: [sentence, …] with labels of the corpus, which are: "
            + (listed(marks.classes) or "none"),
        )
    codes = np.array([made.classes.index(c) if c in made.classes else OTHER for c in marks.classes], dtype=np.int64)
    vectors = CorpusVectors(part, made.encoder, made.step_s, made.window_s, None if cache is None else Path(cache))
    columns: list[tuple[npt.NDArray[np.float64], Codes, Codes, Codes]] = []
    for info, found in vectors.walk(progress):
        judged = made.judge(found)
        truth = truth_of(judged, marks.by_recording.get(part.codes[info.id]), codes, made.window_s, purity)
        keep = np.flatnonzero((truth != UNKNOWN) & (judged.code >= 0))
        person = np.full(len(keep), part.subjects.index(info.subject), dtype=np.int64)
        columns.append((judged.confidence[keep], judged.code[keep], truth[keep], person))
    confidence, predicted, truth, person = (np.concatenate(c) for c in zip(*columns, strict=True))
    present, person = np.unique(person, return_inverse=True)
    names = tuple(part.subjects[i] for i in present)
    calibration = calibrate(confidence, predicted, truth, person, names, aim=aim, target=target)
    return replace(calibration, absent=tuple(c for c in made.classes if c not in marks.classes))


def truth_of(
    judged: Judged, intervals: Intervals | None, codes: Codes, window_s: float, purity: float
) -> npt.NDArray[np.int64]:
    """True class of each window ``(n,)``; -2 for a label that is none of the classes, -1 where none is known."""
    if intervals is None:
        return np.full(len(judged.time_s), UNKNOWN, dtype=np.int64)
    label = majority(intervals, judged.time_s, judged.time_s + window_s, purity)
    return np.where(label >= 0, codes[np.maximum(label, 0)], UNKNOWN)
