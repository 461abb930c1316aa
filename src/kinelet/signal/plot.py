"""An overview picture of a recording."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kinelet.files import atomic_write
from kinelet.signal.recording import NARRATION, Recording

_MAX_POINTS = 4000
"""Samples above which a trace is drawn as its minimum and maximum in so many columns, halved."""
_TRACE_COLOURS = ("#d1495b", "#2e86ab", "#3a7d44", "#8e6c8a", "#e0a030", "#555555")
_GAP_COLOUR = "#dddddd"
_MAX_LEGEND = 12

_BREAK = np.array([np.nan])

Traces = dict[str, list[int]]
Floats = npt.NDArray[np.float64]


def plot_recording(rec: Recording, path: str | Path) -> None:
    """Draw a recording as a PNG: one panel a sensor, gaps shaded, labelled intervals as a coloured band.

    Long recordings are drawn as an envelope of minimum and maximum, so that no peak is lost.

    Args:
        rec: Recording.
        path: PNG file to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sensors = _sensors(rec)
    tracks = sorted({a.track for a in rec.annotations})
    heights = [3.0] * len(sensors) + [0.5] * len(tracks)
    figure = Figure(figsize=(12, 1.2 + 0.8 * sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    unit, divisor = _time_unit(rec)
    for ax, (sensor, columns) in zip(axes, sensors.items(), strict=False):
        _draw_sensor(ax, rec, sensor, columns, divisor)
    for ax, track in zip(axes[len(sensors) :], tracks, strict=True):
        _draw_track(ax, rec, track, divisor)
    axes[-1].set_xlabel(f"time ({unit})")
    figure.suptitle(_title(rec), fontsize=11)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _sensors(rec: Recording) -> Traces:
    """Columns by sensor, the part of a channel's name before the last underscore."""
    sensors: Traces = {}
    for i, name in enumerate(rec.spec.channels):
        sensors.setdefault(name.rsplit("_", 1)[0], []).append(i)
    return sensors


def _title(rec: Recording) -> str:
    site = f", {rec.spec.site}" if rec.spec.site else ""
    return f"{rec.name}: subject {rec.subject}{site}, {rec.spec.rate_hz:g} Hz"


def _time_unit(rec: Recording) -> tuple[str, float]:
    seconds = rec.segment_stop_s(rec.segments[-1])
    if seconds < 300:
        return "s", 1.0
    return ("min", 60.0) if seconds < 3 * 3600 else ("h", 3600.0)


def _draw_sensor(ax: Any, rec: Recording, sensor: str, columns: list[int], divisor: float) -> None:
    times = rec.times() / divisor
    for order, column in enumerate(columns):
        style = {"color": _TRACE_COLOURS[order % len(_TRACE_COLOURS)], "label": rec.spec.channels[column]}
        t, low, high = _trace(rec, times, column)
        if len(rec.data) > _MAX_POINTS:
            ax.fill_between(t, low, high, alpha=0.6, linewidth=0.8, **style)
        else:
            ax.plot(t, low, linewidth=0.8, marker=".", markersize=1.5, **style)
    gaps = [(gap.start_s / divisor, (gap.stop_s - gap.start_s) / divisor) for gap in rec.gaps]
    ax.broken_barh(gaps, (0, 1), transform=ax.get_xaxis_transform(), color=_GAP_COLOUR, linewidth=0, zorder=0)
    units = sorted({rec.spec.units[c] for c in columns})
    ax.set_ylabel(f"{sensor} ({'/'.join(units)})")
    ax.legend(loc="upper right", ncols=len(columns), fontsize=8, framealpha=0.7)
    ax.margins(x=0.01)
    ax.grid(alpha=0.25)


def _trace(rec: Recording, times: Floats, column: int) -> tuple[Floats, Floats, Floats]:
    """Times and envelope of a channel, with a NaN after each segment so that no line crosses a gap."""
    points = _MAX_POINTS / 2 if len(rec.data) > _MAX_POINTS else math.inf
    parts = []
    for s in rec.segments:
        most = min(s.stop - s.start, max(2.0, points * (s.stop - s.start) / len(rec.data)))
        parts += [envelope(times[s.start : s.stop], rec.data[s.start : s.stop, column], round(most)), (_BREAK,) * 3]
    t, low, high = (np.concatenate(x) for x in zip(*parts, strict=True))
    return t, low, high


def envelope(
    t: Floats, x: npt.NDArray[np.float32], columns: int
) -> tuple[Floats, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Minimum and maximum of a trace in about so many columns, each with the time of its first sample."""
    starts = np.unique(np.linspace(0, len(x), max(1, columns), endpoint=False).astype(np.int64))
    return t[starts], np.minimum.reduceat(x, starts), np.maximum.reduceat(x, starts)


def _draw_track(ax: Any, rec: Recording, track: str, divisor: float) -> None:
    """A band of labelled intervals, or a line of values."""
    from matplotlib import colormaps

    chosen = [a for a in rec.annotations if a.track == track]
    if track.split("/")[0] == NARRATION:  # sentences, nearly all different and often of no length
        ax.vlines([a.start_s / divisor for a in chosen], 0, 1, color="#444444", linewidth=0.8)
        chosen = []
    valued = [a for a in chosen if a.value is not None]
    if valued:
        starts, stops, values = zip(*((a.start_s / divisor, a.stop_s / divisor, a.value) for a in valued), strict=True)
        ax.hlines(values, starts, stops, color="#444444", linewidth=1.2)
    labels = sorted({a.label for a in chosen if a.label is not None})
    colours = colormaps["tab20"]
    for i, label in enumerate(labels):
        spans = [(a.start_s / divisor, (a.stop_s - a.start_s) / divisor) for a in chosen if a.label == label]
        ax.broken_barh(spans, (0, 1), color=colours(i % 20), linewidth=0, label=label)
    if not valued:
        ax.set_yticks([])
    ax.set_ylabel(track, rotation=0, ha="right", va="center", fontsize=8)
    if labels:
        more = f" (+{len(labels) - _MAX_LEGEND})" if len(labels) > _MAX_LEGEND else ""
        handles, names = ax.get_legend_handles_labels()
        names = names[:_MAX_LEGEND]
        names[-1] += more
        ax.legend(handles[:_MAX_LEGEND], names, loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=7)
