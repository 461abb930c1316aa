"""SimCLR against a random encoder and hand-crafted features on six public sets; makes the table in docs/results.md.

For each of five folds one encoder is pretrained, without labels, on the training people of all six sets together, and
probed on each set's test people of that fold. Nobody is judged by an encoder or a classifier that has seen them.

    python benchmarks/six_sets.py --data ../shared/data --work runs/six

Accelerometer only, 50 Hz. Corpora and encoders are kept under ``--work``; a second call goes on where the first
stopped. ``--folds 0`` pretrains and judges the first fold only (to choose options on, never to quote).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from har_sets import FOLDS, ROOT, SETS, Opened, build_corpus, of_folds, pretraining_windows, short, signed
from kinelet.config import apply_overrides, load_yaml, validate
from kinelet.corpus.splits import Split
from kinelet.encoders.base import Encoder
from kinelet.encoders.registry import create_encoder
from kinelet.evaluate.features import hand_crafted
from kinelet.evaluate.probe import LinearProbe
from kinelet.evaluate.result import Result
from kinelet.evaluate.run import evaluate_crossfit, evaluate_features
from kinelet.evaluate.task import Task
from kinelet.files import write_text
from kinelet.progress import progress_bar
from kinelet.train.pretrain import PretrainConfig, pretrain_windows


def pretrain_fold(fold: int, sets: Sequence[Opened], work: Path, config: PretrainConfig) -> Encoder:
    """Pretrain on the training people of all sets, those of one fold left out."""
    windows = pretraining_windows(sets, fold, config.data.window_s, config.data.hop_s)
    out = work / "encoders" / f"fold-{fold}"
    people = len(np.unique(windows.subject))
    with progress_bar(f"fold {fold}: {len(windows)} windows of {people} people", config.train.steps) as progress:
        return pretrain_windows([windows], out, config, resume=True, progress=progress)


def by_fold(encoders: dict[int, Encoder], splits: Sequence[Split]) -> Callable[[Split], Encoder]:
    """Encoder of a split."""
    return lambda split: encoders[list(splits).index(split)]


def untrained(encoder: Encoder) -> Encoder:
    """The same network with the very weights that its pretraining began with."""
    torch.manual_seed(encoder.card["seed"])
    return create_encoder(encoder.name, spec=encoder.spec, **encoder.config).eval()


def judge(
    task: Task, splits: Sequence[Split], encoders: dict[int, Encoder], work: Path, baselines: Sequence[str]
) -> dict[str, Result]:
    """Every contender on one set, with the same probe, windows and folds; results are kept."""
    done = [s for i, s in enumerate(splits) if i in encoders]
    fresh = {i: untrained(e) for i, e in encoders.items()}
    probe = LinearProbe()

    def features(train: Task, x: Any) -> tuple[Task, Any]:
        return train.with_x(hand_crafted(train.x, task.spec).values), hand_crafted(x, task.spec).values

    runs: dict[str, Callable[[], Result]] = {
        "SimCLR": lambda: evaluate_crossfit(probe, by_fold(encoders, splits), task, done, name="SimCLR"),
        "random encoder": lambda: evaluate_crossfit(probe, by_fold(fresh, splits), task, done, name="random encoder"),
        "hand-crafted + logistic": lambda: evaluate_features(
            probe, features, task, done, name="hand-crafted + logistic"
        ),
    }
    for name in baselines:
        runs[name] = lambda name=name: extra_baseline(name, task, done)
    out = {}
    for name, run in runs.items():
        path = work / "results" / f"{task.name} {name} {len(done)}.json".replace(" ", "_").replace("+", "and")
        started = time.monotonic()
        out[name] = run()
        out[name].save(path)
        print(f"  {out[name]}  ({time.monotonic() - started:.0f} s)", flush=True)
    return out


def extra_baseline(name: str, task: Task, splits: Sequence[Split]) -> Result:
    """A baseline of kinelet's registry."""
    from kinelet.evaluate.baselines import run_baseline

    return run_baseline(name, task, splits)


def markdown(results: dict[str, dict[str, Result]]) -> str:
    """The table: estimates, and SimCLR's paired differences."""
    names = list(next(iter(results.values())))
    lines = [
        "| set | people | windows | " + " | ".join(names) + " | SimCLR − random | SimCLR − hand-crafted |",
        "| --- " * (len(names) + 5) + "|",
    ]
    for title, by_name in results.items():
        ours = by_name["SimCLR"]
        cells = [short(by_name[n].estimates["macro_f1"]) for n in names]
        gaps = [signed(ours.difference(by_name[n], "macro_f1")) for n in ("random encoder", "hand-crafted + logistic")]
        lines.append(f"| {title} | {len(ours.subjects)} | {len(ours.truth)} | " + " | ".join(cells + gaps) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, default=Path("runs/six"))
    parser.add_argument("--recipe", type=Path, default=ROOT / "recipes" / "simclr_six_sets.yaml")
    parser.add_argument("--folds", default=",".join(map(str, range(FOLDS))), help="folds to pretrain and judge")
    parser.add_argument("--baselines", default="", help="further baselines, comma-separated")
    parser.add_argument("--table", type=Path, help="write the Markdown table here")
    parser.add_argument("overrides", nargs="*", help="key=value over the recipe")
    args = parser.parse_args()
    config = validate(PretrainConfig, apply_overrides(load_yaml(args.recipe), args.overrides))
    sets = [Opened.of(entry, build_corpus(entry, args.data, args.work)) for entry in SETS]
    encoders, started = {}, time.monotonic()
    for fold in map(int, args.folds.split(",")):
        encoders[fold] = pretrain_fold(fold, sets, args.work, config)
    print(f"pretraining: {time.monotonic() - started:.0f} s for {len(encoders)} folds", flush=True)
    baselines = [b for b in args.baselines.split(",") if b]
    results = {s.entry.title: judge(s.task, s.splits, encoders, args.work, baselines) for s in sets}
    table = markdown(results)
    # The recipe was chosen by looking at people of the first two folds: the others are its fair test.
    untouched = {t: {n: of_folds(r, [2, 3, 4]) for n, r in by.items()} for t, by in results.items()}
    if set(range(FOLDS)) == set(encoders):
        table += "\nFolds 3 to 5 only:\n\n" + markdown(untouched)
    print(table)
    if args.table:
        write_text(args.table, table)
    values = {t: {n: r.estimates["macro_f1"].value for n, r in by.items()} for t, by in results.items()}
    means = {n: float(np.mean([v[n] for v in values.values()])) for n in next(iter(values.values()))}
    print("mean over sets:", json.dumps({k: round(v, 4) for k, v in means.items()}))


if __name__ == "__main__":
    main()
