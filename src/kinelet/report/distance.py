"""The page of a distance: what its rankings go by, and which windows it calls near and far."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib import pyplot as plt

from kinelet.distances.findings import DistanceReport
from kinelet.distances.survey import Survey
from kinelet.files import atomic_write
from kinelet.report import html
from kinelet.report.html import Section
from kinelet.report.plots import ACCENT, INK, PALETTE, SOFT, STYLE, WARM, svg

COLUMNS = ("what", "value", "reading")
ROWS = 4
"""Anchors in a picture: more cannot be read on a page."""
_DPI = 130


def nearest_windows_figure(
    x: npt.NDArray[np.float32],
    order: npt.ArrayLike,
    *,
    anchor: npt.ArrayLike,
    rate_hz: float,
    titles: Sequence[str],
    channels: Sequence[str],
    near: int = 3,
    far: int = 2,
) -> Any:
    """Anchors, a row each, with their nearest and farthest windows; the same scales everywhere.

    Args:
        x: Windows ``(n, channel, time)``; the first three channels are drawn.
        order: Rows of ``x`` from near to far ``(anchor, candidate)``.
        anchor: Rows of the anchors ``(anchor,)``.
        rate_hz: Samples per second.
        titles: A title for each window of ``x``, parts parted by ``", "``.
        channels: Names of the channels.
        near: Nearest windows drawn.
        far: Farthest windows drawn.

    Returns:
        A Matplotlib figure.
    """
    rows, ranked = np.asarray(anchor), np.asarray(order)
    shown = np.concatenate([rows[:, None], ranked[:, :near], ranked[:, ranked.shape[1] - far :]], axis=1)
    heads = ["anchor", *(f"{i + 1}. nearest" for i in range(near)), *(f"{far - i}. farthest" for i in range(far))]
    with mpl.rc_context(STYLE):
        height = 1.6 * len(rows) + 0.7
        fig, axes = plt.subplots(
            *shown.shape, figsize=(1.9 * shown.shape[1], height), sharex=True, sharey=True, squeeze=False
        )
        for (row, column), ax in np.ndenumerate(axes):
            _draw_window(ax, x[shown[row, column]], rate_hz, channels)
            told = titles[shown[row, column]].replace(", ", "\n", 1)
            colour = ACCENT if column == 0 else INK if column <= near else WARM
            ax.set_title(f"{heads[column]}\n{told}" if row == 0 else told, size=7, color=colour)
        handles, names = axes[0, 0].get_legend_handles_labels()
        fig.legend(handles, names, frameon=False, fontsize=7, ncols=3, loc="lower right", handlelength=1)
        axes[-1, 0].set_xlabel("seconds", size=7)
        # By hand: a layout that is solved for takes seconds with so many panels.
        fig.subplots_adjust(0.035, 0.45 / height, 0.995, 1 - 0.55 / height, 0.08, 0.45)
    return fig


def explained_figure(report: DistanceReport) -> Any:
    """Bars: how much of the ranking each property explains by itself, and what no other one explains."""
    ranking = report.ranking
    names = list(ranking.alone)[::-1]
    with mpl.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(7.6, 2.2))
        ax.barh(range(1, len(names) + 1), [ranking.alone[n] for n in names], color=SOFT, label="by itself")
        ax.barh(
            range(1, len(names) + 1),
            [max(0.0, ranking.only[n]) for n in names],
            height=0.4,
            color=ACCENT,
            label="by nothing else",
        )
        ax.barh(0, ranking.together, color=WARM, label="all three")
        ax.set_yticks(range(len(names) + 1), ["together", *names])
        ax.set_xlim(0, 1)
        ax.set_xlabel("share of the ranking explained")
        ax.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
        fig.subplots_adjust(0.15, 0.24, 0.8, 0.97)
    return fig


def pick_anchors(report: DistanceReport, labels: Sequence[str], count: int = ROWS) -> npt.NDArray[np.int64]:
    """Positions of anchors worth a picture: of different labels first, otherwise in the order of their draw."""
    names = [labels[i] for i in report.anchor]
    seen: dict[str, int] = {}
    turn = []
    for name in names:
        turn.append(seen.get(name, 0))
        seen[name] = turn[-1] + 1
    return np.sort(np.argsort(turn, kind="stable")[:count]).astype(np.int64)


def sections(found: Survey, *, people: bool = True, pictures: tuple[Path, Path] | None = None) -> list[Section]:
    """The report as sections of a page.

    Args:
        found: What was looked at.
        people: Whether people are named, rather than numbered.
        pictures: Where to write the two pictures (PNG) as well.
    """
    report, drawn = found.report, (explained_figure(found.report), _nearest(found, people))
    for fig, path in zip(drawn, pictures or (), strict=False):
        _write_png(fig, path)
    bars, windows = (svg(fig) for fig in drawn)
    table = html.paragraph(_about(report)) + html.table(COLUMNS, report.rows())
    caption = "R² of a linear regression of each anchor's ranks on the ranks of the gaps, mean over anchors."
    return [
        Section("What the distance goes by", table + html.figure(bars, caption)),
        Section("What it calls near and far", html.figure(windows, _caption(report))),
    ]


def write_distance_report(found: Survey, out: str | Path) -> list[Path]:
    """Write ``report.html``, ``nearest.png`` and ``explained.png`` into a folder and return their paths."""
    folder = Path(out)
    title, lead = f"Distance {found.name}", "What its rankings of windows go by, and which windows it calls near."
    described = html.table(("option", "value"), found.report.distance.items())
    pictures = folder / "explained.png", folder / "nearest.png"
    parts = sections(found, pictures=pictures)
    html.write_page(folder / "report.html", title, lead, [*parts, Section("The distance", described)], "kinelet")
    return [folder / "report.html", *pictures]


def _nearest(found: Survey, people: bool) -> Any:
    report = found.report
    rows = pick_anchors(report, found.label)
    return nearest_windows_figure(
        found.x,
        report.order[rows],
        anchor=report.anchor[rows],
        rate_hz=report.spec.rate_hz,
        titles=found.titles(people=people),
        channels=report.spec.channels,
    )


def _about(report: DistanceReport) -> str:
    return (
        f"{report.anchors} anchors, each ranking the same {report.candidates} windows; {report.people} people. "
        f"Windows of {report.spec.window_samples} samples at {report.spec.rate_hz:g} Hz, drawn with seed {report.seed}."
    )


def _caption(report: DistanceReport) -> str:
    units = report.spec.units[0]
    return (
        f"Each row: an anchor, then the nearest and the farthest of {report.candidates} windows, in {units}, all on "
        "one scale. If near windows share the level of their axes rather than the shape of the movement, the distance "
        "goes by orientation."
    )


def _draw_window(ax: Any, window: npt.NDArray[np.float32], rate_hz: float, channels: Sequence[str]) -> None:
    seconds = np.arange(window.shape[1]) / rate_hz
    for c in range(min(3, len(window))):
        ax.plot(seconds, window[c], color=PALETTE[c], lw=0.8, label=channels[c])
    ax.tick_params(labelsize=6)


def _write_png(fig: Any, path: Path) -> None:
    with atomic_write(path) as temporary:
        fig.savefig(temporary, format="png", dpi=_DPI, facecolor="white")
