"""How many pairs were enough: a downstream figure against the share of pairs, a line a method.

Methods are only compared where they had the same pairs and vectors of one width, and beside encoders without alignment.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from kinelet.config import FrozenModel, validate
from kinelet.errors import BadFileError, BadOptionError
from kinelet.evaluate.metrics import LOWER_IS_BETTER
from kinelet.report import html, plots
from kinelet.report.evaluation import NAMES
from kinelet.report.html import Section

FILE = "pair_efficiency.json"
UNALIGNED = ("none", "no alignment")
MOST_BYTES = 1 << 26
ENOUGH_SEEDS = 5
"""From as many on, seeds are drawn anew in intervals beside people; fewer would tell too small a spread."""
PANEL = ("set", "target", "metric", "modalities")


class Point(FrozenModel):
    """One method at one share of the pairs.

    Attributes:
        set: Corpus.
        target: What is told from the vectors.
        method: Which method; ``none`` or ``no alignment`` for encoders side by side.
        share: Share of the pairs.
        pairs: How many that is.
        width: Width that each modality's vectors were reduced to.
        metric: Name of the figure.
        modalities: Which are used, with + between them.
        estimate, lo, hi: The figure, mean over seeds, and its 95 % interval: over people and seeds where there are
            :data:`ENOUGH_SEEDS`, over people alone otherwise.
        people: How many it rests on.
        seeds: Repetitions with other pairs and weights.
    """

    set: str
    target: str
    method: str
    share: float = Field(gt=0, le=1)
    pairs: int = Field(ge=0)
    width: int = Field(ge=1)
    metric: str
    modalities: str
    estimate: float
    lo: float
    hi: float
    people: int = Field(ge=1)
    seeds: tuple[int, ...] = (0,)


def check_comparable(points: Iterable[Mapping[str, Any]]) -> None:
    """Raise unless the methods of each set, target and choice of modalities can be compared.

    All must have one width, the same number of pairs at a share (where ``fold`` or ``seed`` are told: in each), and
    encoders without alignment must be among them at each share.

    Args:
        points: With the keys of :class:`Point` that are compared; more are let be.

    Raises:
        BadOptionError: naming what differs.
    """
    panels: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for point in points:
        panels[tuple(point.get(key) for key in PANEL)].append(point)
    for panel, mine in panels.items():
        where = ", ".join(str(name) for name in panel if name is not None)
        _require_one(mine, "width", where)
        at: dict[float, list[Mapping[str, Any]]] = defaultdict(list)
        for point in mine:
            at[point["share"]].append(point)
        for share, here in at.items():
            _check_share(here, f"{where} at {share:.3g} of the pairs")


def _check_share(here: Sequence[Mapping[str, Any]], where: str) -> None:
    runs: dict[tuple[Any, Any], list[Mapping[str, Any]]] = defaultdict(list)
    for point in here:
        runs[point.get("fold"), point.get("seed")].append(point)
    for run in runs.values():
        _require_one(run, "pairs", where)
    if not any(point["method"] in UNALIGNED for point in here):
        raise BadOptionError(
            "encoders without alignment (none) are not among the methods",
            where=where,
            remedy="Judge them too: nothing else tells what alignment is worth",
        )


def _require_one(points: Sequence[Mapping[str, Any]], key: str, where: str) -> None:
    found: dict[Any, list[str]] = defaultdict(list)
    for point in points:
        found[point[key]].append(point["method"])
    if len(found) > 1:
        told = "; ".join(f"{value}: {', '.join(dict.fromkeys(who))}" for value, who in sorted(found.items()))
        raise BadOptionError(f"compared methods differ in {key} ({told})", where=where, remedy="Run them alike")


def read_points(path: str | Path) -> list[Point]:
    """Read what a benchmark wrote.

    Raises:
        BadFileError: if it is not such a file, or holds no point.
    """
    path = Path(path)
    if path.stat().st_size > MOST_BYTES:
        raise BadFileError(f"larger than {MOST_BYTES} bytes", where=str(path))
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(raw, list) or not raw:
            raise ValueError("not a list of points")
        return [validate(Point, point, where=f"{path}, point {i}") for i, point in enumerate(raw)]
    except (ValueError, TypeError, RecursionError, BadOptionError) as error:
        raise BadFileError(f"no results by share of pairs: {error}", where=str(path)) from None


def write_pairs(folder: str | Path, out: str | Path | None = None) -> Path:
    """Write ``report.html`` of a folder that holds ``pair_efficiency.json``: curves and tables.

    Raises:
        BadFileError: if the file is damaged.
        BadOptionError: if what it compares cannot be compared; see :func:`check_comparable`.
    """
    folder = Path(folder)
    points = read_points(folder / FILE)
    check_comparable([p.model_dump() for p in points])
    target = Path(out) if out is not None else folder / "report.html"
    text = (
        "What a probe tells from the vectors of encoders that were aligned on a share of the pairs, on people never "
        "seen. Every method had the same pairs, the same labels and vectors of one width."
    )
    html.write_page(target, "How many pairs are enough?", text, sections(points), "kinelet")
    return target


def sections(points: Sequence[Point]) -> list[Section]:
    """One for each set and target."""
    grouped: dict[tuple[str, str, str], list[Point]] = defaultdict(list)
    for point in points:
        grouped[point.set, point.target, point.metric].append(point)
    return [_section(*key, mine) for key, mine in grouped.items()]


def _section(set_name: str, target: str, metric: str, points: Sequence[Point]) -> Section:
    panels: dict[str, dict[str, list[tuple[float, float, float, float]]]] = {}
    for p in points:
        lines = panels.setdefault(p.modalities.replace("+", " + "), {})
        lines.setdefault(p.method, []).append((p.share, p.estimate, p.lo, p.hi))
    label = NAMES.get(metric, metric)
    better = "lower is better" if metric in LOWER_IS_BETTER else "higher is better"
    people = max(p.people for p in points)
    caption = (
        f"{label} ({better}) by share of the pairs, {people} people, width {points[0].width}, "
        f"{about_seeds([len(p.seeds) for p in points])}."
    )
    picture = plots.shares(panels, "share of the pairs, %", label)
    tables = "".join(html.paragraph(name) + _table(name, points) for name in panels)
    return Section(f"{set_name}: {target}", html.figure(picture, caption) + tables)


def about_seeds(counts: Sequence[int]) -> str:
    """How many seeds figures rest on, and what their intervals are over, in words.

    Args:
        counts: Number of seeds of each figure.
    """
    least, most = min(counts), max(counts)
    told = f"{least}" if least == most else f"{least} to {most}"
    several = f"{told} seed{'s' if most > 1 else ''}"
    if least >= ENOUGH_SEEDS:
        return f"95 % intervals over people and {several}"
    if most >= ENOUGH_SEEDS:
        return f"{several}: 95 % intervals of figures with fewer than {ENOUGH_SEEDS} are over people alone"
    return f"{several}, fewer than {ENOUGH_SEEDS}: 95 % intervals are over people alone"


def _table(modalities: str, points: Sequence[Point]) -> str:
    mine = [p for p in points if p.modalities.replace("+", " + ") == modalities]
    shares = sorted({p.share for p in mine})
    pairs = {p.share: p.pairs for p in mine}
    cell = {(p.method, p.share): f"{p.estimate:.3f} [{p.lo:.3f}, {p.hi:.3f}]" for p in mine}
    columns = ("method", *(f"{100 * s:.3g} % ({pairs[s]:,})" for s in shares))
    return html.table(
        columns, [(m, *(cell.get((m, s), "") for s in shares)) for m in dict.fromkeys(p.method for p in mine)]
    )
