"""How many pairs are enough? InfoMAE and what it is compared with, on real recordings of several sensors.

    python benchmarks/infomae_corpora.py --data ../shared/data --work runs/infomae
    python benchmarks/infomae_pairs.py --work runs/infomae

For each fold of people, one encoder a modality is pretrained (``mae``) on all windows of the other people. Each arm
aligns these encoders on a share of the other people's pairs, the same pairs for every arm, and a probe learns from the
other people's labels and is judged on the fold's. Vectors of each modality are standardised and reduced without labels
to one width (128) for everybody. ``none`` is the encoders side by side, without alignment.

``--ablations`` judges InfoMAE without each of its terms, with the sign as printed, and in the three-variable form.
``--seeds 0,1,2,3,4`` repeats everything with other pairs, heads and orders: intervals are then over people and seeds.

Everything is kept under ``--work`` by a hash of what decides it: a second call goes on where the first stopped. (The
hash knows configurations and data, not code: after a change to a method remove its folder under ``results/``.)
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as many processes as --jobs, one thread each
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch

from infomae_bench import Arm, Bench, Job, Stage1
from infomae_sets import FOLDS, SETS
from infomae_tables import tables
from jobs import run_jobs
from kinelet.files import write_text

SHARES = (0.05, 1.0, 0.25, 0.01, 0.5, 0.15)
REFERENCE = "infomae"
#: Across sensors these compare windows as they are, as InfoMAE does; with augmented ones CMC stays at chance.
FRESH = ("method_options.encoder_rate=1",)
PLAIN = ("method_options.augmentations=none",)
ARMS = (
    Arm("none", "none", "no alignment"),
    Arm("untrained", "none", "untrained encoders, no alignment", unimodal=False),
    Arm("infomae", "infomae", "InfoMAE"),
    Arm("infonce", "infonce", "InfoNCE, encoders frozen", PLAIN),
    Arm("cca", "cca", "linear CCA"),
    Arm("procrustes", "procrustes", "Procrustes"),
    Arm("cmc", "cmc", "CMC", PLAIN),
    Arm("gmc", "gmc", "GMC", PLAIN),
    Arm("focal", "focal", "FOCAL"),
    Arm("joint", "infomae", "InfoMAE from scratch on the pairs", FRESH, unimodal=False),
    Arm("joint_mae", "joint_mae", "multimodal MAE from scratch on the pairs", unimodal=False),
)


def _without(name: str, title: str, *told: str) -> Arm:
    return Arm(name, "infomae", title, tuple(f"method_options.{t}" for t in told))


ABLATIONS = (
    _without("no_shared", "without the shared terms", "shared=0", "alpha=0"),
    _without("no_information", "without the information terms", "shared=0"),
    _without("no_distance", "without the distance", "alpha=0"),
    _without("no_private", "without the private terms", "gamma=0", "epsilon=0"),
    _without("no_reconstruction", "without reconstruction", "delta=0"),
    _without("no_contrast", "without instance contrast", "lam=0"),
    _without("no_temporal", "without temporal locality", "eta=0"),
    _without("printed", "sign as printed", "shared_sign=printed"),
    _without("three_variable", "three-variable form, logistic", "form=three_variable", "cross=logistic"),
    _without("frozen", "encoders frozen", "freeze_encoder=true"),
    _without("apart", "shared parts left to the shared terms", "shared_apart=true", "distance=standardised"),
    Arm("backbone", "infomae", "InfoMAE, the codes below U and V", features=("backbone",)),
)
BY_NAME = {arm.name: arm for arm in (*ARMS, *ABLATIONS)}


def main(argv: Sequence[str] | None = None) -> int:
    args = options(argv)
    torch.set_num_threads(1)
    bench = Bench(args.work.resolve(), tuple(args.stage1), tuple(args.told))
    names = args.sets.split(",")
    folds = [int(f) for f in args.folds.split(",")]
    seeds = [int(s) for s in args.seeds.split(",")]
    shares = [float(s) for s in args.shares.split(",")]
    arms = [BY_NAME[name] for name in args.only.split(",")]
    if "none" not in args.only.split(","):
        arms = [BY_NAME["none"], *arms]
    entries = [entry for entry in SETS if entry.name in names]
    first = [Stage1(e.name, f, m) for e in entries for f in folds for m in e.views]
    failed = [] if args.tables_only else run_jobs(bench, first, args.jobs)
    jobs = [Job(a, e.name, s, f, seed) for s in shares for seed in seeds for e in entries for a in arms for f in folds]
    failed += [] if args.tables_only else run_jobs(bench, jobs, args.jobs)
    text = tables(bench, jobs, reference=REFERENCE)
    print(text)
    if args.table:
        write_text(args.table, text)
    for what in failed:
        print(f"failed: {what}")
    return bool(failed)


def options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/infomae"), help="where infomae_corpora.py put corpora")
    parser.add_argument("--sets", default="stress_predict,classyglass,utd_mhad", help="comma-separated")
    parser.add_argument("--only", default=",".join(a.name for a in ARMS), help="arms, and ablations if named")
    parser.add_argument("--shares", default=",".join(map(str, SHARES)), help="shares of the pairs")
    parser.add_argument("--folds", default=",".join(map(str, range(FOLDS))))
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--jobs", type=int, default=2, help="processes, one thread each")
    parser.add_argument("--stage1", nargs="*", default=[], help="key=value over the recipe of mae")
    parser.add_argument("--table", type=Path, help="write the Markdown tables here")
    parser.add_argument("--tables-only", action="store_true", help="print what is there")
    parser.add_argument("--told", nargs="*", default=[], help="key=value over every alignment")
    return parser.parse_args(argv)


if __name__ == "__main__":
    raise SystemExit(main())
