"""Tables and Bland-Altman pictures of gait results."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt

from kinelet.evaluate.result import Result
from kinelet.evaluate.statistics import Estimate
from kinelet.gait.agreement import agreement
from kinelet.gait.events import UNITS
from kinelet.report.plots import INK, PALETTE, SOFT, STYLE, WARM, svg

BRIEF = ("mae", "r", "r_within", "icc")
COLUMNS = {
    "mae": "MAE",
    "rmse": "RMSE",
    "r": "r",
    "r_within": "r within people",
    "r_between": "r between people",
    "icc": "ICC(A,1)",
    "bias": "bias",
}


def by_target(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Results of one task each, in the order of the tasks."""
    tasks = dict.fromkeys(r.task for r in results)
    return {task: [r for r in results if r.task == task] for task in tasks}


def target_of(result: Result) -> str:
    """Name of the target that a gait result is about."""
    return result.task.rsplit(": ", 1)[-1]


def rows(results: Sequence[Result], metrics: Sequence[str] = tuple(COLUMNS)) -> list[tuple[str, ...]]:
    """A row a result: contender, head, metrics with their intervals over people, and limits of agreement."""
    return [(r.encoder, r.protocol, *_cells(r, metrics)) for r in results]


def columns(metrics: Sequence[str] = tuple(COLUMNS)) -> tuple[str, ...]:
    """Heads of the columns of :func:`rows`."""
    return ("representation", "head", *(COLUMNS[m] for m in metrics), "limits of agreement")


def markdown(results: Sequence[Result]) -> str:
    """A Markdown table for each target, with the remarks of its results under it."""
    parts = []
    for group in by_target(results).values():
        head = columns()
        lines = [f"### {title(group[0])}", "", "| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
        lines += ["| " + " | ".join(row) + " |" for row in rows(group)]
        remarks = dict.fromkeys(note for r in group for note in r.notes)
        parts.append("\n".join([*lines, "", *(f"- {note}" for note in remarks)]).rstrip() + "\n")
    return "\n".join(parts)


def title(result: Result) -> str:
    """Task with its unit, and how many walks and people."""
    unit = UNITS.get(target_of(result), "")
    return f"{result.task} ({unit}; {len(result.truth)} walks of {len(result.subjects)} people)"


def bland_altman(result: Result) -> str:
    """Difference against mean of prediction and reference for each walk, coloured by person, as SVG.

    Lines: bias and 95 % limits of agreement, with their intervals over people as bands. The mean over draws is shown.
    """
    found, predicted = agreement(result), result.predicted.mean(axis=0)
    unit = UNITS.get(target_of(result), "")
    with mpl.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(7.6, 4.2))
        for i, name in enumerate(result.subjects):
            own = result.subject == i
            x, y = (predicted[own] + result.truth[own]) / 2, predicted[own] - result.truth[own]
            ax.scatter(x, y, s=16, alpha=0.8, lw=0, color=PALETTE[i % len(PALETTE)], label=name)
        for metric, style in (("bias", "-"), ("loa_low", "--"), ("loa_high", "--")):
            _line(ax, found[metric], style)
        ax.axhline(0, color=SOFT, lw=0.8)
        ax.set_xlabel(f"mean of prediction and reference ({unit})")
        ax.set_ylabel(f"prediction minus reference ({unit})")
        ax.set_title(f"{result.task}: {result.encoder}, {result.protocol}", size=10, color=INK)
        if len(result.subjects) <= len(PALETTE):
            ax.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return svg(fig)


def _line(ax: plt.Axes, e: Estimate, style: str) -> None:
    if np.isfinite(e.value):
        ax.axhline(e.value, color=WARM, lw=1.2, ls=style)
    if np.isfinite([e.lo, e.hi]).all():
        ax.axhspan(e.lo, e.hi, color=WARM, alpha=0.1, lw=0)


def _cells(result: Result, metrics: Sequence[str]) -> list[str]:
    found, digits = agreement(result), _digits(result)
    cells = [_cell(found[m], digits if m in ("mae", "rmse", "bias") else 2) for m in metrics]
    low, high = found["loa_low"].value, found["loa_high"].value
    return [*cells, f"{_number(low, digits)} to {_number(high, digits)}"]


def _digits(result: Result) -> int:
    """Decimal places that tell a thousandth of the targets' own size."""
    size = float(np.abs(result.truth).mean())
    return int(np.clip(3 - np.round(np.log10(max(size, 1e-9))), 0, 4))


def _cell(e: Estimate, digits: int) -> str:
    if not np.isfinite(e.value):
        return "–"
    text = _number(e.value, digits)
    return text if not np.isfinite([e.lo, e.hi]).all() else f"{text} [{_number(e.lo, digits)}, {_number(e.hi, digits)}]"


def _number(value: float, digits: int) -> str:
    return "–" if not np.isfinite(value) else f"{value:.{digits}f}"
