"""Tables of ``primus_results.py``: kept results pooled over folds, side by side, with paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from har_sets import pooled, short, signed
from kinelet.evaluate.compare import mean_difference
from kinelet.evaluate.result import Result
from primus_arms import Arm
from primus_bench import Bench, results, searches
from primus_judge import SHOTS

METRIC = "macro_f1"
MODALITIES = ("text", "skeleton", "depth", "body_site")
Table = dict[str, Result]  # set -> result


def few_shot_tables(bench: Bench, arms: Sequence[Arm], family: str) -> str:
    """The curve of means over sets, the first arm minus each other one, and each set's curve."""
    titles = [s.entry.title for s in bench.sets(family)]
    found = {a.title: {n: _by_set(bench, a, family, n) for n in SHOTS} for a in arms}
    found = {title: by_n for title, by_n in found.items() if any(by_n.values())}
    if not found:
        return ""
    columns = [str(n) for n in SHOTS]
    common = {n: _shared([by_n[n] for by_n in found.values() if by_n[n]], titles) for n in SHOTS}
    parts = [
        f"Mean over {', '.join(titles)} (where so many windows of a class exist), by windows a class.\n",
        grid("macro-F1", columns, {t: [_mean(by_n[n], common[n]) for n in SHOTS] for t, by_n in found.items()}),
    ]
    reference, first = next(iter(found.items()))
    gaps = {t: [_gap(first[n], by_n[n], common[n]) for n in SHOTS] for t, by_n in found.items() if t != reference}
    parts.append(grid(f"{reference} minus", columns, gaps))
    for title in titles:
        parts.append(f"{title}: {_people(found, title)}\n")
        parts.append(grid("macro-F1", columns, {t: [_one(by_n[n], title) for n in SHOTS] for t, by_n in found.items()}))
    return "\n".join(parts)


def spoken_tables(bench: Bench, arms: Sequence[Arm], family: str) -> str:
    """Classification from the class sentences alone."""
    titles = [s.entry.title for s in bench.sets(family)]
    found = {a.title: _by_set(bench, a, family, "zero-shot") for a in arms}
    found = {title: by_set for title, by_set in found.items() if by_set}
    if not found:
        return ""
    rows = {title: [_one(by_set, s) for s in titles] for title, by_set in found.items()}
    text = "\nFrom the class sentences alone, without a label:\n\n" + grid("macro-F1", titles, rows)
    return text + (search_table(bench, arms) if family == "in_domain" else "")


def search_table(bench: Bench, arms: Sequence[Arm]) -> str:
    """Search both ways among windows of people not pretrained on, with several right answers, over whole galleries."""
    rows = {}
    for opened in bench.sets("in_domain"):
        for direction in (f"{a} -> {b}" for m in MODALITIES for a, b in ((m, "motion"), ("motion", m))):
            cells = [searches(bench, a, opened, direction) for a in arms]
            if any(cells):
                one = next(c for c in cells if c is not None)
                name = f"{opened.entry.title}, {direction} ({one.gallery} in the gallery)"
                told = ["–" if c is None else short(c.estimates["mrr"]) for c in cells]
                recall = [
                    "–" if c is None else f"{c.values['r@1']:.2f} / {c.values['r@5']:.2f} / {c.values['r@10']:.2f}"
                    for c in cells
                ]
                rows[name] = [f"{t}; {r}" for t, r in zip(told, recall, strict=True)] + [f"{one.random['mrr']:.3f}"]
    if not rows:
        return ""
    head = "\nSearch, mean over folds: MRR with interval over people; R@1 / R@5 / R@10.\n\n"
    return head + grid("query -> gallery", [*(a.title for a in arms), "MRR of a random order"], rows)


def _by_set(bench: Bench, arm: Arm, family: str, what: object) -> Table:
    found: Table = {}
    for opened in bench.sets(family):
        kept = results(bench, arm, family, opened, what)
        if kept is not None:
            found[opened.entry.title] = pooled(kept, bench.folds)
    return found


def _shared(tables: Sequence[Table], titles: Sequence[str]) -> list[str]:
    """Sets that every arm with this number of shots has."""
    return [t for t in titles if tables and all(t in table for table in tables)]


def _mean(by_set: Table, titles: Sequence[str]) -> str:
    if not titles or any(t not in by_set for t in titles):
        return "–"
    return f"{np.mean([by_set[t].estimates[METRIC].value for t in titles]):.3f}"


def _gap(first: Table, other: Table, titles: Sequence[str]) -> str:
    if not titles or any(t not in other for t in titles):
        return "–"
    return signed(mean_difference([first[t] for t in titles], [other[t] for t in titles], METRIC))


def _one(by_set: Table, title: str) -> str:
    return short(by_set[title].estimates[METRIC]) if title in by_set else "–"


def _people(found: Mapping[str, Mapping[object, Table]], title: str) -> str:
    for by_n in found.values():
        for by_set in by_n.values():
            if title in by_set:
                result = by_set[title]
                return f"{len(result.subjects)} people, {len(result.truth)} windows, {len(result.classes)} classes."
    return "–"


def grid(corner: str, columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {corner} | " + " | ".join(columns) + " |", "| --- " * (len(columns) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items()]
    return "\n".join(lines) + "\n"
