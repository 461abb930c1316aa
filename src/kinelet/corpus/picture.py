"""A corpus as a picture: a timeline for each person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinelet.files import atomic_write

if TYPE_CHECKING:
    from kinelet.corpus.corpus import Corpus

MAX_PEOPLE = 60  # more rows than this cannot be told apart
MAX_COLOURS = 20
_PLAIN, _OTHER = "#b8c4d0", "#707070"


@dataclass(frozen=True)
class Bar:
    """A stretch of one person's timeline, in hours."""

    subject: str
    start_h: float
    length_h: float
    group: str


def picture(corpus: Corpus, path: str | Path, *, track: str = "activity") -> Path:
    """Draw what was recorded of each person, end to end, coloured by label.

    Each row is a person and each bar a stretch without gaps; recordings follow each other with a thin space between,
    in the order of their start where it is known, so that hours of different days fit on one page. Where the track has
    no labels, colours tell data sets (or sites) apart. At most 60 people are drawn, evenly chosen; the title says so.

    Args:
        corpus: What to draw.
        path: PNG file.
        track: Track of the labels.

    Returns:
        The path.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    people = _chosen(corpus.subjects)
    bars = list(_bars(corpus, people, track))
    colours = _colours(bars)
    figure = Figure(figsize=(11, 1.6 + 0.22 * len(people)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    row = {name: i for i, name in enumerate(people)}
    for group, colour in colours.items():
        for name in people:
            spans = [(b.start_h, b.length_h) for b in bars if b.subject == name and b.group == group]
            axes.broken_barh(spans, (row[name] - 0.4, 0.8), facecolors=colour)
    _dress(axes, corpus, people, colours)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
    return Path(path)


def _chosen(subjects: tuple[str, ...]) -> tuple[str, ...]:
    if len(subjects) <= MAX_PEOPLE:
        return subjects
    return tuple(subjects[round(i * (len(subjects) - 1) / (MAX_PEOPLE - 1))] for i in range(MAX_PEOPLE))


def _bars(corpus: Corpus, people: tuple[str, ...], track: str) -> Iterator[Bar]:
    marks: dict[str, list[tuple[float, float, str]]] = {}
    columns = (corpus.annotations[c].to_pylist() for c in ("recording", "track", "start_s", "stop_s", "label"))
    for recording, its_track, start, stop, label in zip(*columns, strict=True):
        if its_track == track and label is not None:
            marks.setdefault(recording, []).append((start, stop, label))
    by_dataset = len({r.dataset for r in corpus.recordings}) > 1
    mains = [r for r in corpus.recordings if r.stream is None]
    space = 0.01 * max((r.duration_s for r in mains), default=0.0) / 3600
    for name in people:
        at = 0.0
        for info in sorted((r for r in mains if r.subject == name), key=lambda r: (r.start_unix_s or 0.0, r.id)):
            plain = (info.dataset or "own") if by_dataset else (info.site or "recorded")
            yield from _of_recording(info, at, marks.get(info.id, []), "unlabelled" if marks else plain)
            at += info.duration_s / 3600 + space


def _of_recording(info: Any, at: float, marks: list[tuple[float, float, str]], plain: str) -> Iterator[Bar]:
    for s in info.segments:
        seconds = (s.stop - s.start) / info.spec.rate_hz
        left = at + s.start / info.spec.rate_hz / 3600  # gaps take no room
        yield Bar(info.subject, left, seconds / 3600, plain)
        for start, stop, label in marks:
            begin, end = max(start, s.time_s), min(stop, s.time_s + seconds)
            if end > begin:
                yield Bar(info.subject, left + (begin - s.time_s) / 3600, (end - begin) / 3600, label)


def _colours(bars: list[Bar]) -> dict[str, Any]:
    """Colours in drawing order: what is unlabelled lies below, classes with the most hours get colours of their own."""
    from matplotlib import colormaps

    hours: dict[str, float] = {}
    for b in bars:
        hours[b.group] = hours.get(b.group, 0.0) + b.length_h
    plain = [g for g in ("unlabelled",) if g in hours]
    ranked = sorted((g for g in hours if g not in plain), key=lambda g: (-hours[g], g))
    palette = colormaps["tab20"]
    named = {g: palette(i) if i < MAX_COLOURS else _OTHER for i, g in enumerate(ranked)}
    return {**dict.fromkeys(plain, _PLAIN), **named}


def _dress(axes: Any, corpus: Corpus, people: tuple[str, ...], colours: dict[str, Any]) -> None:
    from matplotlib.patches import Patch

    axes.set_yticks(range(len(people)), people, fontsize=7)
    axes.set_ylim(len(people) - 0.4, -0.6)
    axes.set_xlabel("hours recorded, recordings end to end, gaps left out")
    shown = "" if len(people) == len(corpus.subjects) else f" ({len(people)} drawn)"
    hours = sum(r.duration_s for r in corpus.recordings if r.stream is None) / 3600
    axes.set_title(f"{corpus.path.name}: {len(corpus.subjects)} people{shown}, {hours:.2f} h", fontsize=10)
    handles = [Patch(color=c, label=g) for g, c in list(colours.items())[: MAX_COLOURS + 1]]
    axes.legend(handles=handles, fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
