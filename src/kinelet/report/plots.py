"""Pictures of results as SVG text: estimates with intervals, people, confusions, windows, maps, curves."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import numpy.typing as npt

mpl.use("Agg")
from matplotlib import pyplot as plt

INK, SOFT, ACCENT, WARM = "#1b2430", "#8a94a0", "#0b7285", "#d9480f"
PALETTE = ("#0b7285", "#d9480f", "#5f3dc4", "#2b8a3e", "#c2255c", "#e67700", "#1864ab", "#495057", "#862e9c", "#5c940d")
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "kinelet",  # the same picture gives the same bytes
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


class Bar(NamedTuple):
    """One contender in a forest plot."""

    name: str
    value: float
    lo: float
    hi: float
    highlight: bool = False


def forest(bars: Sequence[Bar], label: str, *, zero: bool = False) -> str:
    """Estimates with their intervals, one row each; a line at 0 for differences."""
    with mpl.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(7.6, 0.46 * len(bars) + 0.9))
        for row, bar in enumerate(reversed(bars)):
            color = ACCENT if bar.highlight else SOFT
            ax.plot([bar.lo, bar.hi], [row, row], color=color, lw=3, solid_capstyle="round")
            ax.plot(bar.value, row, "o", color=color, ms=9)
            ax.annotate(
                f"{bar.value:+.3f}" if zero else f"{bar.value:.3f}", (bar.value, row + 0.22), ha="center", size=8
            )
        ax.set_yticks(range(len(bars)), [b.name for b in reversed(bars)])
        ax.set_ylim(-0.6, len(bars) - 0.3)
        if zero:
            ax.axvline(0, color=WARM, lw=1, ls="--")
        ax.set_xlabel(label)
        return svg(fig)


def dumbbell(
    people: Sequence[str], before: npt.ArrayLike, after: npt.ArrayLike, names: tuple[str, str], label: str
) -> str:
    """Two contenders for each person, sorted by the second."""
    a, b = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    order = np.argsort(b)
    with mpl.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(7.6, 0.26 * len(people) + 1.2))
        for row, i in enumerate(order):
            ax.plot([a[i], b[i]], [row, row], color=SOFT, lw=1.5, zorder=1)
        ax.scatter(a[order], range(len(order)), color=SOFT, s=42, label=names[0], zorder=2)
        ax.scatter(b[order], range(len(order)), color=ACCENT, s=42, label=names[1], zorder=3)
        ax.set_yticks(range(len(order)), [people[i] for i in order])
        ax.set_xlabel(label)
        ax.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.14), ncols=2)
        return svg(fig)


def confusion(counts: npt.ArrayLike, classes: Sequence[str]) -> str:
    """Confusion matrix, rows normalised: of the windows of a class, the share called each class."""
    matrix = np.asarray(counts, dtype=float)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    size = 1.6 + 0.42 * len(classes)
    with mpl.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(min(size + 1.2, 9), min(size, 8)))
        ax.imshow(share, cmap="GnBu", vmin=0, vmax=1)
        if len(classes) <= 12:
            for i, j in np.ndindex(*share.shape):
                if share[i, j] >= 0.005:
                    ax.text(
                        j,
                        i,
                        f"{share[i, j]:.0%}",
                        ha="center",
                        va="center",
                        size=8,
                        color="white" if share[i, j] > 0.6 else INK,
                    )
        ax.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
        ax.set_yticks(range(len(classes)), classes)
        ax.set_xlabel("called")
        ax.set_ylabel("is")
        return svg(fig)


def windows(examples: Mapping[str, npt.NDArray[np.float32]], rate_hz: float, channels: Sequence[str]) -> str:
    """One example window ``(channel, time)`` a class, the first three channels."""
    columns = min(4, len(examples))
    rows = -(-len(examples) // columns)
    with mpl.rc_context(STYLE):
        fig, axes = plt.subplots(
            rows, columns, figsize=(7.6, 1.5 * rows + 0.3), sharex=True, sharey=True, squeeze=False
        )
        for ax in axes.flat[len(examples) :]:
            ax.axis("off")
        for ax, (name, x) in zip(axes.flat, examples.items(), strict=False):
            for c in range(min(3, len(x))):
                ax.plot(np.arange(x.shape[1]) / rate_hz, x[c], color=PALETTE[c], lw=0.9, label=channels[c])
            ax.set_title(name, size=9)
        axes[0, 0].legend(frameon=False, fontsize=6, ncols=3, loc="lower left", handlelength=1)
        fig.supxlabel("seconds", size=9)
        return svg(fig)


def embedding_map(points: npt.ArrayLike, groups: Sequence[str], names: Sequence[str]) -> str:
    """A plane ``(n, 2)`` coloured by group."""
    xy, labels = np.asarray(points, dtype=float), np.asarray(groups)
    with mpl.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(7.6, 5.0))
        for i, name in enumerate(names):
            mask = labels == name
            ax.scatter(xy[mask, 0], xy[mask, 1], s=10, alpha=0.7, color=PALETTE[i % len(PALETTE)], label=name, lw=0)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return svg(fig)


def curves(steps: npt.ArrayLike, series: Mapping[str, npt.ArrayLike]) -> str:
    """One small panel a named series over training steps."""
    with mpl.rc_context(STYLE):
        fig, axes = plt.subplots(1, len(series), figsize=(7.6, 2.3), squeeze=False)
        for i, (ax, (name, values)) in enumerate(zip(axes[0], series.items(), strict=True)):
            ax.plot(np.asarray(steps), np.asarray(values, dtype=float), color=PALETTE[i % len(PALETTE)], lw=1.6)
            ax.set_title(name, size=9)
            ax.set_xlabel("step", size=8)
        fig.tight_layout()
        return svg(fig)


def intervals(labels: Sequence[str], series: Mapping[str, Sequence[tuple[float, float, float]]], x: str, y: str) -> str:
    """Lines of ``(value, lo, hi)`` over evenly spaced labels, side by side enough that intervals do not hide others."""
    with mpl.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(7.6, 3.6))
        for i, (name, points) in enumerate(series.items()):
            value, lo, hi = np.asarray(points, dtype=float).T
            place = np.arange(len(value)) + 0.06 * (i - (len(series) - 1) / 2)
            around = np.nan_to_num(np.stack([value - lo, hi - value]))
            colour = PALETTE[i % len(PALETTE)]
            ax.errorbar(place, value, around, color=colour, lw=1.6, elinewidth=0.8, marker="o", ms=3, label=name)
        ax.set_xticks(range(len(labels)), labels)
        ax.set_xlabel(x)
        ax.set_ylabel(y)
        ax.legend(frameon=False, fontsize=8)
        return svg(fig)


def panels(series: Mapping[str, Sequence[tuple[float, float]]], columns: int = 4) -> str:
    """One small panel a named series of ``(step, value)``, several a row."""
    wide = min(columns, len(series))
    rows = -(-len(series) // wide)
    with mpl.rc_context(STYLE):
        fig, axes = plt.subplots(rows, wide, figsize=(7.6, 1.7 * rows), squeeze=False)
        for ax in axes.flat[len(series) :]:
            ax.axis("off")
        for ax, (name, points) in zip(axes.flat, series.items(), strict=False):
            steps, values = np.asarray(points, dtype=float).T
            ax.plot(steps, values, color=ACCENT, lw=1.4, marker="o" if len(steps) < 3 else None, ms=3)
            ax.set_title(name, size=7)
            ax.tick_params(labelsize=6)
        fig.tight_layout()
        return svg(fig)


def shares(panels: Mapping[str, Mapping[str, Sequence[tuple[float, float, float, float]]]], x: str, y: str) -> str:
    """Lines of ``(share, value, lo, hi)`` on a logarithmic axis of shares, a named line each, a panel below the other.

    Args:
        panels: By title, then by name of the line; a name has one colour in all panels.
        x: What the shares are of.
        y: What the values are.
    """
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    with mpl.rc_context(STYLE):
        fig, axes = plt.subplots(len(panels), 1, figsize=(7.6, 3.4 * len(panels)), sharex=True, squeeze=False)
        for ax, (title, lines) in zip(axes[:, 0], panels.items(), strict=True):
            for name, points in lines.items():
                _line(ax, points, names.index(name) - (len(names) - 1) / 2, PALETTE[names.index(name) % 10], name)
            every = sorted({p[0] for points in lines.values() for p in points})
            ax.set_xscale("log")
            ax.set_xticks(every, [f"{s:.3g}" for s in np.multiply(every, 100)])
            ax.minorticks_off()
            ax.set_title(title, size=9)
            ax.set_ylabel(y)
        axes[-1, 0].set_xlabel(x)
        axes[0, 0].legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return svg(fig)


def _line(ax: Any, points: Sequence[tuple[float, float, float, float]], place: float, color: str, name: str) -> None:
    share, value, lo, hi = np.asarray(sorted(points), dtype=float).T
    around = np.nan_to_num(np.maximum(0, np.stack([value - lo, hi - value])))
    # Aside by a little, so that intervals do not hide each other.
    ax.errorbar(share * 1.02**place, value, around, color=color, lw=1.4, elinewidth=0.7, marker="o", ms=3, label=name)


def svg(fig: Any) -> str:
    """A figure as SVG text that can stand inside a page; the figure is closed."""
    buffer = io.StringIO()
    with mpl.rc_context(STYLE):  # drawn text and names are decided here, not where the figure was made
        fig.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(fig)
    text = buffer.getvalue()
    return _plain(text[text.index("<svg") :])


def _plain(text: str) -> str:
    """Leave out what a picture inside a page does not need: metadata, namespaces, names of groups.

    Two pictures on one page would otherwise repeat the same names, and the namespaces are web addresses.
    """
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)
    return re.sub(r'<g id="[^"]*"', "<g", text)
