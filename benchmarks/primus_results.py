"""PRIMUS against SimCLR, alignment alone, SLIP and baselines on real recordings, and what each part of it brings.

    python benchmarks/primus_corpora.py --data ../shared/data --work runs/primus
    python benchmarks/primus_results.py --work runs/primus

Accelerometer and gyroscope, 50 Hz, windows of 5 s, the paper's encoder, the same batches for every method. Families:

* ``in_domain``: for each fold of people one encoder is pretrained on the other people of four sets together (sentences
  of all four, skeleton and depth of UTD-MHAD, the other body site of GEOTEC and UMAFall), and judged on the fold's.
* ``out_of_domain``: pretrained on ClassyGlass and UTD-MHAD, judged on people of UMAFall, GEOTEC and seglearn.
* ``ablations``: PRIMUS without each of its terms, and with fewer modalities, as ``in_domain``.

The sentences of these sets are made from their labels: methods that see them have seen the labels of the people they
were pretrained on, which SimCLR has not. Judged are few-shot curves (N windows a class of the other people, several
draws) and classification from the class sentences alone. Nobody is judged who was pretrained on or learnt from.

Everything is kept under ``--work`` by a hash of what decides it: a second call goes on where the first stopped. (The
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

from har_sets import FOLDS
from jobs import run_jobs
from kinelet.files import write_text
from primus_arms import ABLATIONS, METHODS, NAMES, Arm, arm
from primus_bench import FAMILIES, Bench, jobs_of
from primus_tables import few_shot_tables, spoken_tables

CHOOSING = (0, 1)  # recipes may be chosen on people of these folds


def main(argv: Sequence[str] | None = None) -> int:
    args = options(argv)
    torch.set_num_threads(1)
    bench = Bench(args.work.resolve(), numbers(args.folds))
    arms = [arm(name, args.overrides) for name in args.only.split(",")]
    families = args.families.split(",")
    jobs = [job for family in families if family in FAMILIES for a in arms for job in jobs_of(bench, a, family)]
    parts = [arm(name, args.overrides) for name in args.ablations.split(",") if name] if "ablations" in families else []
    jobs += [job for a in parts for job in jobs_of(bench, a, "in_domain")]
    failed = run_jobs(bench, jobs, args.jobs)
    text = report(bench, arms, families, parts)
    print(text)
    if args.table:
        write_text(args.table, text)
    for what in failed:
        print(f"failed: {what}")
    return bool(failed)


def options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/primus"), help="where primus_corpora.py put corpora")
    parser.add_argument("--only", default=",".join(NAMES), help="arms, comma-separated; the first is the reference")
    parser.add_argument("--families", default="in_domain,out_of_domain,ablations", help="comma-separated")
    parser.add_argument("--folds", default=",".join(map(str, range(FOLDS))))
    parser.add_argument("--ablations", default=",".join(ABLATIONS), help="names of some ablations; default all")
    parser.add_argument("--jobs", type=int, default=2, help="processes, one thread each")
    parser.add_argument("--table", type=Path, help="write the Markdown tables here")
    parser.add_argument("overrides", nargs="*", help="key=value over every recipe, or NAME:key=value over one")
    return parser.parse_intermixed_args(argv)


def numbers(text: str) -> tuple[int, ...]:
    """Integers, comma-separated."""
    return tuple(int(part) for part in text.split(","))


def report(bench: Bench, arms: Sequence[Arm], families: Sequence[str], parts: Sequence[Arm]) -> str:
    """All tables."""
    fair = tuple(f for f in bench.folds if f not in CHOOSING)
    text = ""
    for folds in [bench.folds, *([fair] if 0 < len(fair) < len(bench.folds) else [])]:
        some = Bench(bench.work, folds, bench.started)
        head = f"folds {', '.join(str(f + 1) for f in folds)}"
        for family in (f for f in families if f in FAMILIES):
            text += f"\n## {family}, {head}\n\n" + few_shot_tables(some, arms, family)
            text += spoken_tables(some, [a for a in arms if a.name in METHODS], family)
        if parts:
            text += f"\n## ablations, {head}\n\n" + few_shot_tables(some, [arms[0], *parts], "in_domain")
    return text


if __name__ == "__main__":
    raise SystemExit(main())
