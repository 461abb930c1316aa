"""RelCon against other methods and baselines on six public sets, and what each part of it brings.

    python benchmarks/relcon_results.py --data ../shared/data --work runs/relcon

Accelerometer only, 50 Hz, windows of 2.56 s for pretraining, the same encoder, the same people and the same number of
encoded windows (``--budget``) for every self-supervised method. Families:

* ``in_corpus``: for each of five folds by person one encoder is pretrained, without labels, on the training people of
  all sets together, and judged by a linear probe on each set's test people.
* ``few_shot``: the same encoders, judged by a few labelled windows of a few people, many draws.
* ``across``: pretrained on every second set, judged by five-fold probes on the others, and the other way round.
* ``gait``: the encoders of fold 1 on walks of other people, by :mod:`gait`.
* ``ablations``: variants of the RelCon recipe, as ``in_corpus``, on the folds that options may be chosen on.

Nobody is judged by an encoder or a classifier that has seen them. Everything is kept under ``--work`` by a hash of what
decides it: a second call goes on where the first stopped, and one with other options does only what they alter. (The
hash knows configurations and data, not code: after a change to a method remove its folder under ``encoders/``.)
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as many processes as --jobs, one thread each
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch

from har_sets import FOLDS, ROOT, SETS, build_corpus
from jobs import run_jobs
from kinelet.files import write_text
from relcon_ablations import ablations, parsed
from relcon_bench import FAMILIES, Bench, DistanceJob, jobs_of
from relcon_contenders import NAMES, Contender, available, contender, encoded_per_step
from relcon_gait import gait_jobs, gait_report
from relcon_tables import gather, goals, markdown, people

BUDGET = 345_600  # 600 steps of SimCLR with 288 windows, two views each
CHOOSING = (0, 1)  # recipes may be chosen on people of these folds


def main(argv: Sequence[str] | None = None) -> int:
    args = options(argv)
    torch.set_num_threads(1)
    entries = tuple(e for e in SETS if not args.sets or e.name in args.sets.split(","))
    for entry in entries:
        build_corpus(entry, args.data, args.work)
    bench = Bench(entries, args.work.resolve(), numbers(args.folds))
    families = tuple(args.families.split(","))
    contenders = chosen(args, bench)
    failed = run_all(bench, contenders, tuple(f for f in families if f in FAMILIES), args.jobs)
    text = report(bench, contenders, families)
    if "gait" in families:
        walking = gait_jobs(contenders, numbers(args.gait_folds), args.data.resolve())
        failed += run_jobs(bench, walking, args.jobs)
        text += gait_report(bench, walking, contenders[0].title)
    if "ablations" in families:
        text += run_ablations(args, bench, contenders, failed)
    print(text)
    if args.table:
        write_text(args.table, text)
    for what in failed:
        print(f"failed: {what}")
    return bool(failed)


def options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, default=Path("runs/relcon"))
    parser.add_argument("--only", default=",".join(NAMES), help="contenders, comma-separated")
    parser.add_argument("--families", default="in_corpus,few_shot,across,gait,ablations", help="comma-separated")
    parser.add_argument("--sets", default="", help="sets, comma-separated; they are also what is pretrained on")
    parser.add_argument("--folds", default=",".join(map(str, range(FOLDS))))
    parser.add_argument("--gait-folds", default="0", help="whose encoders; several are averaged")
    parser.add_argument("--ablation-folds", default=",".join(map(str, CHOOSING)))
    parser.add_argument("--ablations", default="", help="names of some ablations; default all")
    parser.add_argument(
        "--variant", action="append", default=[], help='one more ablation: "NAME: BASE key=value key=value"; repeat'
    )
    parser.add_argument("--budget", type=int, default=BUDGET, help="windows that each pretraining encodes")
    parser.add_argument("--jobs", type=int, default=1, help="processes, one thread each")
    parser.add_argument("--table", type=Path, help="write the Markdown tables here")
    parser.add_argument("overrides", nargs="*", help="key=value over every recipe, or NAME:key=value over one")
    return parser.parse_intermixed_args(argv)


def numbers(text: str) -> tuple[int, ...]:
    """Integers, comma-separated."""
    return tuple(int(part) for part in text.split(","))


def chosen(args: argparse.Namespace, bench: Bench) -> list[Contender]:
    """Contenders that can compete; the others are named with the reason."""
    found = []
    for name in args.only.split(","):
        reason = available(name)
        if reason:
            bench.say(f"{name} left out: {reason}")
            continue
        made = contender(name, args.overrides, args.budget)
        found.append(made)
        if made.kind == "pretrained":
            each = encoded_per_step(made.config)
            bench.say(f"{made.title}: {made.config.train.steps} steps of {each} encoded windows")
    return found


def run_all(bench: Bench, contenders: Sequence[Contender], families: tuple[str, ...], processes: int) -> list[str]:
    """Do all jobs; what fails is returned by name and does not keep the others from being done."""
    jobs = [job for c in contenders for job in jobs_of(bench, c, families)]
    # Several contenders share a distance: all are trained before any encoder is.
    distances = {(repr(j.contender.distance), j.place): j for j in jobs if j.contender.distance is not None}
    first = [DistanceJob(job.contender, job.place) for job in distances.values()]
    return run_jobs(bench, first, processes) + run_jobs(bench, jobs, processes)


def report(bench: Bench, contenders: Sequence[Contender], families: Sequence[str]) -> str:
    """All tables of the main families."""
    titles = [e.title for e in bench.entries]
    reference = contenders[0].title
    text = ""
    for family in (f for f in families if f in FAMILIES):
        fair = [f for f in bench.folds if f not in CHOOSING]
        for folds in [list(bench.folds), *([fair] if 0 < len(fair) < len(bench.folds) else [])]:
            table = gather(bench, contenders, family, folds)
            if not table:
                continue
            text += f"\n## {family}, folds {', '.join(str(f + 1) for f in folds)}\n\n{people(table, titles)}\n\n"
            text += markdown(table, titles, reference) + "\n" + goals(table, titles, reference)
    return text


def run_ablations(args: argparse.Namespace, bench: Bench, contenders: Sequence[Contender], failed: list[str]) -> str:
    """Pretrain and judge variants on the choosing folds; returns their table."""
    few = Bench(bench.entries, bench.work, numbers(args.ablation_folds), bench.started)
    base = contenders[0]
    names = [n for n in args.ablations.split(",") if n]
    made = ablations(base, args.overrides, args.budget, names) + [
        parsed(text, args.overrides, args.budget) for text in args.variant
    ]
    failed += run_all(few, [base, *made], ("in_corpus",), args.jobs)
    table = gather(few, [base, *made], "in_corpus", few.folds)
    if not table:
        return ""
    titles = [e.title for e in bench.entries]
    return f"\n## Ablations, folds {', '.join(str(f + 1) for f in few.folds)}\n\n" + markdown(table, titles, base.title)


if __name__ == "__main__":
    raise SystemExit(main())
