"""Tables of ``infomae_pairs.py``: kept results pooled over folds, with paired differences over people.

Seeds are draws: their mean is told, and from five on they are drawn anew in intervals beside people. Each table says
how many there were.

Nothing is compared that had another width or another number of pairs.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from har_sets import FEWEST, pooled, short, signed
from infomae_bench import WIDTH, Bench, Job
from infomae_sets import SETS, PairSet, Target
from kinelet.evaluate.result import Result, _from_dict
from kinelet.evaluate.statistics import Estimate
from kinelet.files import write_text
from kinelet.report.pairs import ENOUGH_SEEDS, about_seeds, check_comparable

LOWER_IS_BETTER = ("mae", "rmse")
Kept = dict[str, Any]
Found = dict[float, dict[str, Result]]
"""By share and arm."""


def tables(bench: Bench, jobs: Sequence[Job], *, reference: str) -> str:
    """All tables of what is kept."""
    kept = _kept(bench, jobs)
    titles = {job.arm.name: job.arm.title for job in jobs}
    points: list[dict[str, Any]] = []
    parts = []
    for entry in (s for s in SETS if any(job.set_name == s.name for job in jobs)):
        rows = [k for k in kept if k["set"] == entry.name]
        for target in entry.targets if rows else ():
            parts += _of_target(entry, target, rows, titles, reference, points)
    if points:
        write_text(bench.work / "pair_efficiency.json", json.dumps(points))
    return "\n".join(parts)


def _kept(bench: Bench, jobs: Sequence[Job]) -> list[Kept]:
    found = []
    for job in jobs:
        path: Path = bench.result_path(job)
        if path.is_file():
            found.append({**json.loads(path.read_text(encoding="utf-8")), "set": job.set_name})
    return found


def _of_target(
    entry: PairSet,
    target: Target,
    rows: Sequence[Kept],
    titles: Mapping[str, str],
    reference: str,
    points: list[dict[str, Any]],
) -> list[str]:
    """Tables of one target: all modalities together, and each alone."""
    together = "+".join(entry.views)
    folds = sorted({k["fold"] for k in rows})
    out = []
    for names in (together, *entry.views):
        for width in (str(WIDTH), "raw"):
            key = f"{target.track}|{names}|{width}"
            found = _pool(rows, key, folds)
            if not found:
                continue
            if width != "raw":
                check_comparable(_runs(found, rows, key, names))
                points += _points(found, rows, entry, target, names)
            out.append(_table(entry, target, names, width, found, rows, titles, reference))
    return out


def _pool(rows: Iterable[Kept], key: str, folds: Sequence[int]) -> Found:
    """Results of arms that have every fold, seeds as draws, by share."""
    parts: dict[tuple[float, str, int], dict[int, Result]] = defaultdict(dict)
    for k in rows:
        if key in k["results"]:
            parts[k["share"], k["arm"], k["seed"]][k["fold"]] = _from_dict(k["results"][key], key)
    found: Found = defaultdict(dict)
    seeds: dict[tuple[float, str], list[Result]] = defaultdict(list)
    for (share, arm, _seed), by_fold in sorted(parts.items()):
        if sorted(by_fold) == list(folds):
            seeds[share, arm].append(pooled([by_fold[f] for f in folds], folds))
    for (share, arm), results in seeds.items():
        draws = np.concatenate([r.predicted for r in results], axis=0)
        found[share][arm] = replace(results[0], predicted=draws, estimates={})
    return dict(sorted(found.items()))


def _runs(found: Found, rows: Iterable[Kept], key: str, names: str) -> list[dict[str, Any]]:
    """What every alignment that is in the tables was given, and how wide its vectors were judged."""
    out = []
    for k in rows:
        if k["arm"] in found.get(k["share"], ()) and key in k["results"]:
            facts = {"share": k["share"], "fold": k["fold"], "seed": k["seed"], "pairs": k["pairs"] + k["kept_out"]}
            width = _width(k["results"][key]["options"])
            out.append({**facts, "method": k["title"], "width": width, "target": key, "modalities": names})
    return out


def _width(options: Mapping[str, Any]) -> int:
    """Columns of each modality that a probe saw."""
    return min(options["width"], *(group["columns"] for group in options["groups"]))


def _points(found: Found, rows: Sequence[Kept], entry: PairSet, target: Target, names: str) -> list[dict[str, Any]]:
    """What ``kinelet report`` draws."""
    out = []
    for share, arms in found.items():
        for arm, result in arms.items():
            e = _estimate(result, target.metric)
            mine = [k for k in rows if k["share"] == share and k["arm"] == arm]
            out.append(
                {
                    "set": entry.title,
                    "target": target.track,
                    "method": mine[0]["title"],
                    "share": share,
                    "pairs": _pairs(mine),
                    "width": _width(result.options),
                    "metric": target.metric,
                    "modalities": names,
                    "estimate": e.value,
                    "lo": e.lo,
                    "hi": e.hi,
                    "people": e.n_subjects,
                    "seeds": sorted({k["seed"] for k in mine}),
                }
            )
    return out


def _pairs(rows: Sequence[Kept]) -> int:
    """Pairs of a share, of the first seed, all folds' mean."""
    first = min(k["seed"] for k in rows)
    return round(float(np.mean([k["pairs"] + k["kept_out"] for k in rows if k["seed"] == first])))


def _table(
    entry: PairSet,
    target: Target,
    names: str,
    width: str,
    found: Found,
    rows: Sequence[Kept],
    titles: Mapping[str, str],
    reference: str,
) -> str:
    """One table: a row an arm, a column a share; below it the reference minus each arm."""
    shares = list(found)
    columns = [f"{s:.0%} ({_pairs([k for k in rows if k['share'] == s]):,})" for s in shares]
    arms = [a for a in titles if any(a in by_arm for by_arm in found.values())]
    result = next(iter(next(iter(found.values())).values()))
    seeds = about_seeds([len(r.predicted) for by_arm in found.values() for r in by_arm.values()])
    better = "lower is better" if target.metric in LOWER_IS_BETTER else "higher is better"
    head = f"### {entry.title}, {target.track}: {names} (width {width})\n"
    note = f"{target.metric} ({better}), {len(result.subjects)} people, {len(result.truth):,} moments; {seeds}.\n"
    body = _grid(
        "share (pairs)",
        columns,
        {titles[a]: _cells(found, a, lambda r: short(_estimate(r, target.metric))) for a in arms},
    )
    parts = [head, note, body]
    if reference in arms:
        gaps = {
            titles[a]: [_gap(found[s], reference, a, target.metric) for s in shares] for a in arms if a != reference
        }
        parts.append(_grid(f"{titles[reference]} minus", columns, gaps))
    return "\n".join(parts)


def _cells(found: Found, arm: str, cell: Callable[[Result], str]) -> list[str]:
    return [cell(by_arm[arm]) if arm in by_arm else "" for by_arm in found.values()]


def _gap(by_arm: Mapping[str, Result], reference: str, arm: str, metric: str) -> str:
    if reference not in by_arm or arm not in by_arm:
        return ""
    a, b = by_arm[reference], by_arm[arm]
    alike = len(a.predicted) == len(b.predicted)
    gap = a.difference(b, metric, over_draws=len(a.predicted) >= ENOUGH_SEEDS and alike)
    text = signed(gap)
    if metric not in LOWER_IS_BETTER:
        return text
    plain = text.replace("**", "")
    return f"**{plain}**" if gap.hi < 0 and gap.n_subjects >= FEWEST else plain


def _estimate(result: Result, metric: str) -> Estimate:
    return result.over_draws(metric) if len(result.predicted) >= ENOUGH_SEEDS else result.estimates[metric]


def _grid(corner: str, columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    lines = [f"| {corner} | " + " | ".join(columns) + " |", "| --- " * (len(columns) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items()]
    return "\n".join(lines) + "\n"
