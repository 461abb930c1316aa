"""Corpora with two or more kinds of signal on one clock, for the benchmarks of InfoMAE.

``stress_predict``: wrist accelerometer (32 Hz) and blood-volume pulse (64 Hz). The publisher's files are written out
again under ``WORK/raw``, so that the corpus is the one which the command line makes of a download::

    kinelet corpus add stress_predict --raw WORK/raw/stress_predict --streams --out WORK/corpora/stress_predict

``utd_mhad``: inertial sensor (50 Hz) and the 20 joints of a Kinect (30 Hz), made the same way; a clip is one window of
each. ``classyglass``: accelerometer and gyroscope on glasses. ``geotec``: phone in the pocket and watch on the wrist,
by the time of day. ``umafall``: chest, waist, wrist and ankle, stamped by one phone.

After each set its pair report is printed, cut as in ``infomae_sets.py``: how many pairs there are, of how many people,
how their clocks are known, and what has no partner. Corpora go to ``WORK/corpora/NAME``. A second call finds what the
first one made; ``--only`` makes some of them.

    python benchmarks/infomae_corpora.py --data ../shared/data --work runs/infomae
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from scipy.io import savemat

from infomae_sets import SETS as CUT
from kinelet.corpus import Corpus
from kinelet.corpus.build import build
from kinelet.corpus.find import dataset_sources
from kinelet.corpus.moments import moments
from kinelet.corpus.process import BuildConfig
from kinelet.corpus.sources import FileSource
from kinelet.corpus.views import View
from kinelet.files import atomic_write

ROOT = Path(__file__).resolve().parents[1]


def scales(table: Any) -> dict[str, float]:
    """Factor from stored integers to units, by column."""
    found: dict[str, float] = json.loads((table.schema.metadata or {}).get(b"scales", b"{}"))
    return found


def by_subject(path: Path, columns: list[str]) -> dict[str, np.ndarray[Any, Any]]:
    """Stored integers of each person, shape (time, column)."""
    table = pq.read_table(path)
    who = table["subject"].combine_chunks().cast("string").to_numpy(zero_copy_only=False)
    values = np.stack([table[c].to_numpy() for c in columns], axis=1)
    edges = [0, *(np.flatnonzero(who[1:] != who[:-1]) + 1).tolist(), len(who)]
    if len(set(who[edges[:-1]])) != len(edges) - 1:
        raise ValueError(f"{path}: a person's rows are not together")
    return {str(who[a]): values[a:b] for a, b in pairwise(edges)}


def write_text(path: Path, head: list[str], values: np.ndarray[Any, Any], form: str) -> None:
    """A device's text file: two lines of head, then one line a sample."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        np.savetxt(temporary, values, fmt=form, delimiter=",", header="\n".join(head), comments="")


def raw_stress_predict(data: Path, raw: Path) -> None:
    """Raw_data/S01/ACC.csv, BVP.csv, tags_S01.csv, …, and the table with everybody's labels."""
    held = data / "stress_predict"
    clock = json.loads((held / "clock.json").read_text())
    acc, bvp = by_subject(held / "acc.parquet", ["x", "y", "z"]), by_subject(held / "bvp.parquet", ["bvp"])
    step = scales(pq.read_schema(held / "bvp.parquet").empty_table())["bvp"]
    for who, samples in acc.items():
        folder, at = raw / "Raw_data" / who, clock[who]
        start, rate = f"{at['acc_start_unix_s']:.6f}", f"{at['acc_rate_hz']:.6f}"
        write_text(folder / "ACC.csv", [", ".join([start] * 3), ", ".join([rate] * 3)], samples, "%d")
        head = [f"{at['bvp_start_unix_s']:.6f}", f"{at['bvp_rate_hz']:.6f}"]
        write_text(folder / "BVP.csv", head, bvp[who] * step, "%.2f")
        (folder / f"tags_{who}.csv").write_text("".join(f"{t:.2f}\n" for t in at["tags_unix_s"]))
    labels = raw / "Processed_data" / "Improved_All_Combined_hr_rsp_binary.csv"
    labels.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(labels) as temporary:  # last: its presence says that the rest is complete
        pacsv.write_csv(pq.read_table(held / "labels.parquet"), str(temporary))


def stress_predict(data: Path, work: Path) -> Corpus:
    """The published files, then what ``kinelet corpus add stress_predict --streams`` does."""
    raw = work / "raw" / "stress_predict"
    if not (raw / "Processed_data").is_dir() or not any((raw / "Processed_data").iterdir()):
        raw_stress_predict(data, raw)
    return built(dataset_sources("stress_predict", raw), work, "stress_predict")


def raw_utd_mhad(data: Path, raw: Path) -> None:
    """Inertial/a1_s1_t1_inertial.mat, … in g and deg/s, Skeleton/a1_s1_t1_skeleton.mat, … in metres."""
    table = pq.read_table(data / "utd_mhad" / "imu.parquet")
    motion = np.stack([table[c].to_numpy() for c in ("ax", "ay", "az", "gx", "gy", "gz")], axis=1)
    key = np.stack([table[c].to_numpy() for c in ("activity", "subject", "trial")], axis=1)
    edges = [0, *(np.flatnonzero((key[1:] != key[:-1]).any(axis=1)) + 1).tolist(), len(key)]
    (raw / "Inertial").mkdir(parents=True, exist_ok=True)
    (raw / "Skeleton").mkdir(exist_ok=True)
    for a, b in pairwise(edges):
        name = "a{}_s{}_t{}_inertial.mat".format(*key[a])
        savemat(raw / "Inertial" / name, {"d_iner": motion[a:b].astype(np.float64)})
    with np.load(data / "utd_mhad" / "skeleton_mm_i16.npz", allow_pickle=False) as held:
        for name in held.files:  # (frame, joint, axis) in millimetres
            joints = held[name].transpose(1, 2, 0) / 1000.0
            savemat(raw / "Skeleton" / f"{name}_skeleton.mat", {"d_skel": joints})
    (raw / "complete").touch()


def utd_mhad(data: Path, work: Path) -> Corpus:
    """The published files, then what ``kinelet corpus add utd_mhad --streams`` does."""
    raw = work / "raw" / "utd_mhad"
    if not (raw / "complete").exists():
        raw_utd_mhad(data, raw)
    return built(dataset_sources("utd_mhad", raw), work, "utd_mhad")


def from_cards(name: str, parts: tuple[str, ...], rate_hz: float) -> Callable[[Path, Path], Corpus]:
    """Maker of a corpus from one compact table and a card for each of its sensors."""

    def make(data: Path, work: Path) -> Corpus:
        table, cards = data / name / f"{name}.parquet", ROOT / "tests" / "cards"
        sources = [FileSource(table, part, card=cards / f"{part}.yaml", dataset=name) for part in parts]
        return built(sources, work, name, rate_hz=rate_hz)

    return make


def built(sources: Any, work: Path, name: str, **options: Any) -> Corpus:
    """Build or find a corpus with its side streams."""
    summary = build(sources, work / "corpora" / name, BuildConfig(streams=True, **options))
    print(f"{name}: {summary.line()}", flush=True)
    return Corpus.open(work / "corpora" / name)


SETS: dict[str, Callable[[Path, Path], Corpus]] = {
    "stress_predict": stress_predict,
    "utd_mhad": utd_mhad,
    "classyglass": from_cards("classyglass", ("classyglass",), 50.0),
    "geotec": from_cards("geotec", ("geotec_phone", "geotec_watch"), 50.0),
    "umafall": from_cards("umafall", tuple(f"umafall_{p}" for p in ("chest", "waist", "wrist", "ankle")), 20.0),
}


def tell_pairs(name: str, corpus: Corpus) -> None:
    """Print how many pairs a corpus holds."""
    (entry,) = [s for s in CUT if s.name == name]
    views = {label: View.parse(text) for label, text in entry.views.items()}
    for what, value in moments(corpus, views, entry.window_s, placement=entry.placement).report().rows():
        print(f"  {what}: {value}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, default=Path("runs/infomae"))
    parser.add_argument("--only", default="", help="names of corpora, comma-separated; all by default")
    args = parser.parse_args()
    for name in [n for n in args.only.split(",") if n] or SETS:
        started = time.monotonic()
        tell_pairs(name, SETS[name](args.data, args.work))
        print(f"  {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
