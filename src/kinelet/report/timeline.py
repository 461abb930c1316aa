"""A timeline of labels: as a file, a table and a picture."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kinelet.deploy.abstain import Calibration
from kinelet.deploy.timeline import Timeline, joined
from kinelet.errors import BadOptionError
from kinelet.files import atomic_write, write_text
from kinelet.report.search import draw_motion
from kinelet.signal.recording import Recording

COLUMNS = ("recording", "subject", "start_s", "stop_s", "label", "confidence", "score")
OPEN, OPEN_COLOUR = "left open", "#e9ecef"
MOST_ROWS = 12
ENDINGS = (".csv", ".json")


def write_timelines(timelines: Sequence[Timeline], path: str | Path) -> None:
    """Write spans as ``.csv`` (one row each; no label where left open) or ``.json``, atomically.

    Raises:
        BadOptionError: on another ending.
    """
    path = Path(path)
    check_ending(path)
    if path.suffix == ".json":
        write_text(path, json.dumps([asdict(t) for t in timelines], indent=1) + "\n")
        return
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(COLUMNS)
        for t in timelines:
            for s in t.spans:
                times = (f"{s.start_s:.3f}", f"{s.stop_s:.3f}")
                figures = (f"{s.confidence:.4f}", f"{s.score:.4f}")
                writer.writerow((t.recording, t.subject, *times, s.label or "", *figures))


def check_ending(path: Path) -> None:
    """Raise unless timelines can be written to a file of that name.

    Raises:
        BadOptionError: on another ending.
    """
    if path.suffix not in ENDINGS:
        raise BadOptionError(f"cannot write {path.name!r}", where="--out", remedy="Use .csv or .json")


def label_rows(timelines: Sequence[Timeline], classes: Sequence[str]) -> list[tuple[str, str, str]]:
    """Label, minutes and share of the time of each class that was given, longest first, and of what is left open."""
    seconds = joined(timelines)
    total = sum(seconds.values())
    given = sorted((c for c in classes if seconds.get(c)), key=lambda c: -seconds[c])
    named: list[tuple[str, str | None]] = [*((c, c) for c in given), (OPEN, None)]
    return [
        (shown, f"{seconds.get(key, 0.0) / 60:.2f}", f"{seconds.get(key, 0.0) / total:.1%}" if total else "")
        for shown, key in named
    ]


def facts(timelines: Sequence[Timeline], threshold: float, calibration: Calibration | None) -> dict[str, Any]:
    """Timelines for JSON, with the threshold and what it is worth."""
    return {
        "threshold": threshold,
        "calibration": None if calibration is None else asdict(calibration),
        "seconds": {OPEN if k is None else k: v for k, v in joined(timelines).items()},
        "timelines": [asdict(t) for t in timelines],
    }


def plot_timelines(
    timelines: Sequence[Timeline],
    recordings: Sequence[Recording],
    classes: Sequence[str],
    path: str | Path,
    *,
    track: str = "activity",
) -> None:
    """Draw each recording's motion with its labels as a band below, and what was annotated as a band above.

    Args:
        timelines: One a row; :data:`MOST_ROWS` of them can be read.
        recordings: Their recordings.
        classes: Labels, each with a colour of its own.
        path: PNG to write.
        track: Annotations for the band above; there is none where there are none.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    pairs = list(zip(timelines, recordings, strict=True))
    figure = Figure(figsize=(12, 1.0 + 1.7 * len(pairs)), layout="constrained")
    FigureCanvasAgg(figure)
    colours = _colours(classes)
    axes = figure.subplots(len(pairs), 1, squeeze=False)[:, 0]
    for ax, (timeline, rec) in zip(axes, pairs, strict=True):
        _draw(ax, timeline, rec, colours, track)
    axes[-1].set_xlabel("seconds since the start of the recording")
    handles = [Patch(color=colour, label=OPEN if name is None else name) for name, colour in colours.items()]
    figure.legend(handles=handles, loc="outside right upper", fontsize=8)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _colours(classes: Sequence[str]) -> dict[str | None, Any]:
    from matplotlib import colormaps

    return {**{name: colormaps["tab20"](i % 20) for i, name in enumerate(classes)}, None: OPEN_COLOUR}


def _draw(ax: Any, timeline: Timeline, rec: Recording, colours: dict[str | None, Any], track: str) -> None:
    draw_motion(ax, rec, 0.0, rec.segment_stop_s(rec.segments[-1]))
    given = [a for a in rec.annotations if a.track == track and a.label in colours]
    _band(ax, -0.14, "labels", [(s.start_s, s.seconds, colours[s.label]) for s in timeline.spans])
    _band(ax, 1.02, "annotated", [(a.start_s, a.stop_s - a.start_s, colours[a.label]) for a in given])
    ax.tick_params(axis="x", pad=16)
    ax.set_ylabel("motion", fontsize=8)
    ax.set_title(f"{timeline.subject}, {timeline.recording}", fontsize=9, loc="left", pad=18 if given else 6)


def _band(ax: Any, y: float, name: str, pieces: Sequence[tuple[float, float, Any]]) -> None:
    """A coloured band outside the axes, at a share of their height."""
    frame = ax.get_xaxis_transform()
    for start_s, seconds, colour in pieces:
        ax.broken_barh([(start_s, seconds)], (y, 0.12), transform=frame, color=colour, linewidth=0, clip_on=False)
    if pieces:
        ax.text(1.005, y + 0.06, name, transform=ax.transAxes, fontsize=7, va="center")
