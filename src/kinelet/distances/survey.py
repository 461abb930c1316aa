"""A distance looked at on the windows of a corpus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kinelet.corpus.corpus import Corpus
from kinelet.corpus.info import require_track
from kinelet.corpus.windows import Windows
from kinelet.distances.base import Distance, find_distance, open_distance
from kinelet.distances.diagnose import diagnose, in_turn, passes
from kinelet.distances.findings import DistanceReport
from kinelet.distances.io import load_distance
from kinelet.errors import SpecMismatchError
from kinelet.progress import Progress, progress_bar
from kinelet.signal.spec import ACC

WINDOW_S = 2.56
"""Length for distances that have none of their own; that of Xu et al. 2024, arXiv 2411.18822."""
MOST_DRAWN_FROM = 200_000
TRACK = "activity"


@dataclass(frozen=True, eq=False)
class Survey:
    """A report and the windows it was made on.

    Attributes:
        name: Distance and corpus.
        report: What was found out.
        x: Windows ``(n, channel, time)``; rows as in the report.
        subject: Name of the person of each window.
        label: Label of each window, empty for none.
        time: Where each window starts in its recording, in words.
    """

    name: str
    report: DistanceReport
    x: npt.NDArray[np.float32]
    subject: tuple[str, ...]
    label: tuple[str, ...]
    time: tuple[str, ...]

    def titles(self, *, people: bool = True) -> list[str]:
        """A title for each window: person, label, time; persons by number unless ``people``."""
        number = {name: f"person {i + 1}" for i, name in enumerate(sorted(set(self.subject)))}
        who = (name if people else number[name] for name in self.subject)
        return [", ".join(p for p in parts if p) for parts in zip(who, self.label, self.time, strict=True)]


def survey(
    distance: str | Path,
    corpus: Corpus,
    *,
    window_s: float | None = None,
    track: str | None = None,
    anchors: int = 24,
    candidates: int = 200,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    shown: bool = True,
) -> Survey:
    """Look at a distance on a corpus; windows do not overlap, and people count alike.

    Args:
        distance: ``euclid``, ``dtw``, or a folder that holds a distance or a run.
        corpus: Where windows come from.
        window_s: Length in seconds; ``None``: what the distance expects, else 2.56.
        track: Annotations that labels come from; ``None``: ``activity``, if there are any.
        anchors: Windows to rank for.
        candidates: Windows to rank.
        seed: Seed of the draw.
        options: Of the distance, over those that it was trained with; see
            :func:`~kinelet.distances.base.open_distance`.
        shown: Whether progress is shown.

    Raises:
        SpecMismatchError: if rate, unit, channels or length of windows are not what the distance expects.
        BadFileError: if there is no such distance.
        BadOptionError: if nothing is annotated on a track that was asked for.
    """
    if track is not None:
        require_track(corpus, track)
    windows, opened = _open(distance, corpus, window_s, track or TRACK, options or {})
    chosen = _choose(windows, anchors + candidates, seed)
    part = windows.select(chosen)
    x = part.gather(np.arange(len(part)))
    labels = part.label if part.classes else np.full(len(part), -1, dtype=np.int32)
    total = anchors * candidates * passes(opened, windows.spec)
    with progress_bar(f"distance {Path(distance).name}", total, unit="pairs", shown=shown) as progress:
        report = _diagnosed(x, part, opened, labels, anchors, candidates, seed, progress)
    return Survey(
        name=f"{Path(distance).name} on {corpus.path.name}",
        report=report,
        x=x,
        subject=tuple(part.subjects[i] for i in part.subject),
        label=tuple(part.classes[i] if i >= 0 else "" for i in labels),
        time=tuple(_clock(t) for t in part.time_s),
    )


def _diagnosed(
    x: npt.NDArray[np.float32],
    part: Windows,
    distance: Distance,
    labels: npt.NDArray[np.int32],
    anchors: int,
    candidates: int,
    seed: int,
    progress: Progress,
) -> DistanceReport:
    return diagnose(
        x,
        part.subject,
        distance,
        spec=part.spec,
        label=labels if (labels >= 0).any() else None,
        anchors=anchors,
        candidates=candidates,
        seed=seed,
        progress=progress,
    )


def _open(
    distance: str | Path, corpus: Corpus, window_s: float | None, track: str, options: Mapping[str, Any]
) -> tuple[Windows, Distance]:
    folder = find_distance(distance)
    if folder is None:
        channels = ACC if set(ACC) <= set(corpus.spec.channels) else None
        windows = corpus.windows(window_s or WINDOW_S, track=track, channels=channels)
        return windows, open_distance(distance, windows.spec, **options)
    wanted = load_distance(folder).spec
    length = wanted.window_s or window_s or WINDOW_S
    if window_s is not None and round(window_s * wanted.rate_hz) != round(length * wanted.rate_hz):
        raise SpecMismatchError(
            f"windows of {window_s:g} s, but the distance was trained on {length:g} s",
            where=str(distance),
            remedy="Leave --window-s out",
        )
    # Rates first: the windows of another rate would be cut for nothing. Channels and units are compared on opening.
    wanted.require(corpus.spec.replace(channels=wanted.channels, units=wanted.units), where=str(corpus.path))
    windows = corpus.windows(length, track=track, channels=wanted.channels)
    return windows, open_distance(folder, windows.spec, **options)


def _choose(windows: Windows, wanted: int, seed: int) -> npt.NDArray[np.int64]:
    """Numbers of windows, people in turn; of a large corpus only a part, drawn at random, is looked at."""
    if len(windows) <= MOST_DRAWN_FROM:
        rows = np.arange(len(windows))
    else:
        rows = np.unique(np.random.default_rng(seed).integers(len(windows), size=MOST_DRAWN_FROM))
    return np.sort(rows[in_turn(windows.people_of(rows)[0], seed)[:wanted]])


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
