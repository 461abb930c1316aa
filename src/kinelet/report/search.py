"""What a search found: a table, a document, and a picture with one row a hit."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kinelet.corpus.corpus import Corpus
from kinelet.deploy.search import Hit, SearchResult
from kinelet.files import atomic_write
from kinelet.signal.plot import envelope
from kinelet.signal.recording import Recording
from kinelet.signal.resample import measured_rate

MOTION, SCORE, SHADE = "#495057", "#0b7285", "#d9480f"
CONTEXT_S = 30.0
COLUMNS = 1500

Floats = npt.NDArray[np.float64]


def clock(seconds: float) -> str:
    """Seconds as minutes and seconds, with hours from one on.

    >>> clock(3725.4), clock(59.96)
    ('1:02:05.4', '1:00.0')
    """
    tenths = round(seconds * 10)
    hours, minutes, rest = tenths // 36000, tenths // 600 % 60, f"{tenths % 600 / 10:04.1f}"
    return f"{hours}:{minutes:02d}:{rest}" if hours else f"{minutes}:{rest}"


def magnitude(rec: Recording) -> npt.NDArray[np.float32]:
    """Length of the acceleration vector, or of the first sensor's, where there is none, ``(time,)``."""
    names = rec.spec.channels
    sensor = "acc" if any(n.startswith("acc_") for n in names) else names[0].rsplit("_", 1)[0]
    columns = [i for i, n in enumerate(names) if n.rsplit("_", 1)[0] == sensor]
    length: npt.NDArray[np.float32] = np.linalg.norm(rec.data[:, columns], axis=1)
    return length


def draw_motion(ax: Any, rec: Recording, start_s: float, stop_s: float) -> None:
    """Draw the motion's magnitude between two times, with nothing over gaps."""
    times, length = rec.times(), magnitude(rec)
    rate = measured_rate(rec) if rec.time_s is not None else rec.spec.rate_hz
    most = max(2, COLUMNS // max(1, len(rec.segments)))
    for s in rec.segments:
        first, stop = (s.start + np.searchsorted(times[s.start : s.stop], [start_s, stop_s])).tolist()
        if stop > first:
            t, low, high = envelope(times[first:stop], length[first:stop], min(stop - first, most))
            ax.fill_between(t, low, high, color=MOTION, linewidth=0.7, alpha=0.8)
    ax.set_xlim(start_s, stop_s + 0.5 / rate)


def plot_hits(found: SearchResult, corpus: Corpus, path: str | Path) -> None:
    """Draw each hit as a row: the motion around it, the hit shaded, and the score of every window.

    Args:
        found: From :func:`kinelet.deploy.search.search`, with at least one hit.
        corpus: That was searched.
        path: PNG to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = max(1, len(found.hits))
    figure = Figure(figsize=(11, 0.6 + 1.45 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, 1, squeeze=False)[:, 0]
    for rank, (ax, hit) in enumerate(zip(axes, found.hits, strict=False), start=1):
        _draw_hit(ax, rank, hit, found, corpus.recording(hit.recording))
    axes[-1].set_xlabel("seconds since the start of the recording")
    figure.suptitle(f"“{found.query}”: {len(found.hits)} best stretches of {found.hours:.2f} h", fontsize=11)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _draw_hit(ax: Any, rank: int, hit: Hit, found: SearchResult, rec: Recording) -> None:
    around = max(CONTEXT_S, hit.stop_s - hit.start_s)
    start_s = max(0.0, hit.start_s - around)
    stop_s = min(rec.segment_stop_s(rec.segments[-1]), hit.stop_s + around)
    draw_motion(ax, rec, start_s, stop_s)
    ax.axvspan(hit.start_s, hit.stop_s, color=SHADE, alpha=0.25, linewidth=0)
    ax.set_ylabel("motion", fontsize=8)
    series = found.scores[hit.recording]
    beside = ax.twinx()
    beside.plot(series.time_s + series.window_s / 2, series.score, color=SCORE, linewidth=1.2)
    low, high = float(found.spread.ordered[0]), float(found.spread.ordered[-1])
    beside.set_ylim(low, high + 0.1 * (high - low))
    beside.set_ylabel("score", color=SCORE, fontsize=8)
    told = f"{rank}. {hit.subject}, {hit.recording}, {clock(hit.start_s)} to {clock(hit.stop_s)}"
    known = f", annotated {hit.annotated}" if hit.annotated else ""
    ax.set_title(f"{told}: score {hit.score:.3f}, z {hit.z:+.1f}{known}", fontsize=9, loc="left")


def hit_table(found: SearchResult) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Column names and a row for each hit, narrow enough for a terminal: :func:`hit_facts` has all of each.

    Time of day and annotations have a column where there are any.
    """
    most = 16 if all(hit.start_unix_s is None for hit in found.hits) else 11
    columns: dict[str, list[str]] = {
        "": [str(rank) for rank in range(1, len(found.hits) + 1)],
        "person": [_tail(hit.subject, most) for hit in found.hits],
        "recording": [_tail(hit.recording, most) for hit in found.hits],
        "from": [clock(hit.start_s) for hit in found.hits],
        "to": [clock(hit.stop_s) for hit in found.hits],
        "UTC": [day(hit.start_unix_s) for hit in found.hits],
        "score": [f"{hit.score:.3f}" for hit in found.hits],
        "z": [f"{hit.z:+.1f}" for hit in found.hits],
        "annotated": [hit.annotated or "" for hit in found.hits],
    }
    kept = {head: column for head, column in columns.items() if any(column) or head not in ("UTC", "annotated")}
    return tuple(kept), list(zip(*kept.values(), strict=True))


def _tail(name: str, most: int) -> str:
    """The end of a name, which tells recordings of one study apart."""
    return name if len(name) <= most else f"…{name[1 - most :]}"


def hit_facts(found: SearchResult) -> dict[str, Any]:
    """A search for JSON."""
    spread = {"median": found.spread.median, "scale": found.spread.scale}
    facts = {"query": found.query, "windows": found.windows, "hours": found.hours, "skipped": found.skipped}
    return {**facts, "scores": spread, "hits": [asdict(hit) for hit in found.hits]}


def day(unix_s: float | None) -> str:
    """Date and time of day (UTC), or nothing where they are not known."""
    return "" if unix_s is None else f"{datetime.fromtimestamp(unix_s, tz=UTC):%Y-%m-%d %H:%M:%S}"
