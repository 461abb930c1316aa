"""Tables of ``relcon_results.py``: kept results pooled over folds, side by side, with paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from har_sets import Opened, pooled, short, signed
from kinelet.evaluate.compare import mean_difference
from kinelet.evaluate.result import Result
from relcon_bench import Bench
from relcon_contenders import Contender
from relcon_judge import families_of

METRIC = "macro_f1"
Table = dict[str, dict[str, Result]]  # contender, set -> result


def gather(bench: Bench, contenders: Sequence[Contender], family: str, folds: Sequence[int]) -> Table:
    """Results of some folds; a contender that lacks one of them on a set has no entry there."""
    found: Table = {}
    for contender in contenders:
        own = family if contender.kind == "pretrained" or family != "across" else "in_corpus"
        if own not in families_of(contender, (own,)):
            continue
        by_set = {s.entry.title: _pooled(bench, contender, own, s, folds) for s in bench.sets}
        found[contender.title] = {title: result for title, result in by_set.items() if result is not None}
    return {title: by_set for title, by_set in found.items() if by_set}


def _pooled(bench: Bench, contender: Contender, family: str, opened: Opened, folds: Sequence[int]) -> Result | None:
    paths = [bench.result_path(contender, family, opened, fold) for fold in folds]
    if not all(path.exists() for path in paths):
        return None
    return pooled([Result.load(path) for path in paths], folds)


def markdown(table: Table, sets: Sequence[str], reference: str) -> str:
    """Estimates, then the reference minus each of the others, on every set and on their mean."""
    parts = [_grid("macro-F1", sets, {name: _estimates(by_set, sets) for name, by_set in table.items()})]
    if reference in table:
        others = {n: _gaps(table[reference], by_set, sets) for n, by_set in table.items() if n != reference}
        parts.append(_grid(f"{reference} minus", sets, others))
    return "\n".join(parts)


def people(table: Table, sets: Sequence[str]) -> str:
    """How many people and windows each set's figures rest on."""
    any_of = {s: next((by[s] for by in table.values() if s in by), None) for s in sets}
    told = [f"{s} {len(r.subjects)} people, {len(r.truth)} windows" for s, r in any_of.items() if r is not None]
    return "; ".join(told) + "."


def _estimates(by_set: Mapping[str, Result], sets: Sequence[str]) -> list[str]:
    cells = [short(by_set[s].estimates[METRIC]) if s in by_set else "–" for s in sets]
    whole = all(s in by_set for s in sets)
    mean = f"{np.mean([by_set[s].estimates[METRIC].value for s in sets]):.4f}" if whole else "–"
    return [*cells, mean]


def _gaps(reference: Mapping[str, Result], other: Mapping[str, Result], sets: Sequence[str]) -> list[str]:
    both = [s for s in sets if s in reference and s in other]
    gaps = {s: signed(reference[s].difference(other[s], METRIC)) for s in both}
    whole = (
        signed(mean_difference([reference[s] for s in sets], [other[s] for s in sets], METRIC))
        if both == [*sets]
        else "–"
    )
    return [*(gaps.get(s, "–") for s in sets), whole]


def _grid(corner: str, columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    lines = [f"| {corner} | " + " | ".join([*columns, "mean over sets"]) + " |", "| --- " * (len(columns) + 2) + "|"]
    lines += [f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items()]
    return "\n".join(lines) + "\n"


def goals(table: Table, sets: Sequence[str], reference: str) -> str:
    """On how many sets the reference is ahead of each of the others, as an estimate and with the whole interval."""
    lines = []
    for name, by_set in table.items():
        both = [s for s in sets if s in by_set and s in table[reference]]
        gaps = [table[reference][s].difference(by_set[s], METRIC) for s in both if name != reference]
        if gaps:
            ahead, clear = sum(g.value > 0 for g in gaps), sum(g.above_zero for g in gaps)
            lines.append(
                f"* {reference} ahead of {name} on {ahead} of {len(gaps)} sets, on {clear} with the whole interval"
            )
    return "\n".join(lines) + "\n"
