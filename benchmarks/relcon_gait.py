"""Gait numbers from the encoders of ``relcon_results.py``: walks of people whom none of them was pretrained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

import gait
from kinelet.encoders.base import Encoder
from kinelet.evaluate.result import Result
from kinelet.files import write_text
from kinelet.gait.agreement import FEWEST, agreement, difference
from kinelet.gait.judge import GaitConfig, gait_results
from kinelet.gait.walks import Walks
from kinelet.report.gait import markdown as whole_table
from kinelet.report.gait import target_of
from kinelet.signal.spec import SignalSpec
from relcon_bench import Bench, pretrained
from relcon_contenders import Contender, digest
from relcon_judge import untrained

BASELINES = tuple(b for b in GaitConfig().baselines if b != "random")  # the random encoder is one of the contenders
DONE = "done"


@dataclass(frozen=True)
class GaitJob:
    """Work for one process: one contender on all sets of walks.

    Attributes:
        contender: Pretrained or random encoder.
        places: Whose encoders; several are draws, over which metrics are averaged.
        data: Folder of the compact sets.
        baselines: Judge what needs no encoder instead.
    """

    contender: Contender
    places: tuple[str, ...]
    data: Path
    baselines: bool = False

    @property
    def title(self) -> str:
        """What to call it where it fails."""
        return f"{self.contender.title} gait"

    def folder(self, bench: Bench) -> Path:
        """Where its results are kept."""
        config = GaitConfig(baselines=BASELINES if self.baselines else ())
        facts = [config.model_dump(mode="json"), list(gait.SETS)]
        name = "baselines" if self.baselines else self.contender.key
        if not self.baselines:
            facts += [self.contender.facts(), [[p, bench.windows_facts(p)] for p in self.places]]
        return bench.work / "results" / "gait" / f"{name}-{digest(*facts)}"

    def run(self, bench: Bench) -> None:
        """Do what is not done."""
        folder = self.folder(bench)
        if (folder / DONE).exists():
            return
        spec = untrained(self.contender.config, bench.sets[0].corpus.spec).spec
        spec = spec.model_copy(update={"window_s": self.contender.config.data.window_s})
        encoders, config = self.encoders(bench, spec), GaitConfig(baselines=BASELINES if self.baselines else ())
        results = []
        for name in gait.SETS:
            results += gait_results(encoders, walks(name, self.data, spec), config)
            bench.say(f"{'baselines' if self.baselines else self.contender.title} · gait · {name}")
        for i, result in enumerate(results):
            result.save(folder / f"{i:03d}.json")
        write_text(folder / DONE, f"{len(results)}\n")

    def encoders(self, bench: Bench, spec: SignalSpec) -> dict[str, list[Encoder]]:
        """Encoders by the contender's title."""
        if self.baselines:
            return {}
        if self.contender.kind == "random":
            return {self.contender.title: [untrained(self.contender.config, spec)]}
        return {self.contender.title: [pretrained(bench, self.contender, place) for place in self.places]}

    def results(self, bench: Bench) -> list[Result]:
        """What was kept, if it is finished."""
        folder = self.folder(bench)
        return [Result.load(p) for p in sorted(folder.glob("*.json"))] if (folder / DONE).exists() else []


@lru_cache(maxsize=8)
def walks(name: str, data: Path, spec: SignalSpec) -> Walks:
    """Walks of a set, read once a process."""
    return gait.walks_of(name, data, spec)


def gait_jobs(contenders: Sequence[Contender], folds: Sequence[int], data: Path) -> list[GaitJob]:
    """A job for each contender that is an encoder, and one for what needs none."""
    places = tuple(f"fold-{f}" for f in folds)
    encoders = [c for c in contenders if c.kind in ("pretrained", "random")]
    return [GaitJob(c, places, data) for c in encoders] + [GaitJob(c, (), data, True) for c in encoders[:1]]


def gait_report(bench: Bench, jobs: Sequence[GaitJob], reference: str) -> str:
    """Mean absolute errors side by side, and those of the reference minus the others'."""
    results = [r for job in jobs for r in job.results(bench)]
    if not results:
        return ""
    write_text(bench.work / "gait.md", whole_table(results))
    text = "\n## Gait\n\nMean absolute error; everything else is in gait.md beside the results.\n"
    for name in dict.fromkeys(r.task.rsplit(": ", 1)[0] for r in results):
        group = [r for r in results if r.task.rsplit(": ", 1)[0] == name]
        text += f"\n{name}, {max(len(r.subjects) for r in group)} people:\n\n" + _errors(group) + "\n"
        if max(len(r.subjects) for r in group) >= FEWEST:
            text += _differences(group, reference) + "\n"
    return text


def _rows(group: Sequence[Result]) -> dict[tuple[str, str], dict[str, Result]]:
    rows: dict[tuple[str, str], dict[str, Result]] = {}
    for r in group:
        rows.setdefault((r.encoder, r.protocol), {})[target_of(r)] = r
    return rows


def _errors(group: Sequence[Result]) -> str:
    rows = {key: {t: f"{_mae(r):.3g}" for t, r in by.items()} for key, by in _rows(group).items()}
    return _grid("mean absolute error", [target_of(r) for r in group], rows)


def _mae(result: Result) -> float:
    return agreement(result)["mae"].value


def _differences(group: Sequence[Result], reference: str) -> str:
    """Each head of the reference against the same head of the others, or the only one that they have."""
    rows, out = _rows(group), {}
    for (name, head), by_target in rows.items():
        ours = rows.get((reference, head)) or rows.get((reference, "ridge"), {})
        if name != reference and ours:
            shared = [t for t in by_target if t in ours]
            out[name, head] = {t: _signed(ours[t], by_target[t]) for t in shared}
    return _grid(f"{reference} minus", [target_of(r) for r in group], out) if out else ""


def _signed(ours: Result, other: Result) -> str:
    e = difference(ours, other, "mae")
    text = f"{e.value:+.2g} [{e.lo:+.2g}, {e.hi:+.2g}]"
    return f"**{text}**" if np.isfinite(e.hi) and e.hi < 0 else text


def _grid(corner: str, targets: Sequence[str], rows: dict[tuple[str, str], dict[str, str]]) -> str:
    columns = list(dict.fromkeys(targets))
    lines = [f"| {corner} | head | " + " | ".join(columns) + " |", "| --- " * (len(columns) + 2) + "|"]
    lines += [f"| {n} | {h} | " + " | ".join(by.get(t, "–") for t in columns) + " |" for (n, h), by in rows.items()]
    return "\n".join(lines) + "\n"
