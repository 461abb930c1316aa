"""Corpora of six public sets with what was said, seen and worn beside the motion, for the benchmarks of PRIMUS.

Accelerometer and gyroscope, 50 Hz. Every label gets its sentences (``kinelet.towers.phrases``), embedded with
all-MiniLM; UTD-MHAD also its skeletons. They go to ``WORK/corpora6/NAME`` and open with ``kl.Corpus.open``.

    python benchmarks/primus_corpora.py --data ../shared/data --work runs/primus

A second call finds what the first one made. ``--only utd_mhad,geotec_watch`` makes some of them.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from kinelet.corpus import Corpus
from kinelet.corpus.build import build
from kinelet.corpus.find import dataset_sources
from kinelet.corpus.narrations import narrations, sentences_for_labels, write_narrations
from kinelet.corpus.process import BuildConfig
from kinelet.corpus.sources import FileSource
from kinelet.towers import open_tower
from kinelet.towers.phrases import sentences
from kinelet.towers.store import attach_items, attach_text, list_stores

ROOT = Path(__file__).resolve().parents[1]
CHANNELS = ("acc_x", "acc_y", "acc_z", "gyr_x", "gyr_y", "gyr_z")
Attach = Callable[[Corpus, Path, Path], None]


@dataclass(frozen=True)
class PairedSet:
    """One corpus to make.

    Attributes:
        name: Its folder; that of its card too.
        dataset: The set that its people and sentences belong to, which may have several corpora (one a body site).
        table: Its compact table; ``None`` for the set that comes as a package.
        attach: What else is paired with it.
    """

    name: str
    dataset: str
    table: str | None
    attach: tuple[Attach, ...] = ()


def clip_ids(corpus: Corpus, names: list[str]) -> list[str]:
    """Recordings of clips named a1_s1_t1."""
    known = {}
    for r in corpus.recordings:
        activity, subject, trial = re.findall(r"\d+", r.row["name"])[-3:]
        known[f"a{activity}_s{subject}_t{trial}"] = r.id
    return [known[name] for name in names]


def attach_clips(corpus: Corpus, modality: str, clips: Any, names: list[str]) -> None:
    """Each clip is one item: its recording from beginning to end, since the true rates are not known."""
    ids = clip_ids(corpus, names)
    lengths = [corpus.recordings[corpus.codes[i]].duration_s for i in ids]
    attach_items(corpus.path, modality, clips, ids, 0.0, lengths, tower=open_tower(modality))


def attach_skeleton(corpus: Corpus, data: Path, work: Path) -> None:
    """Skeletons of UTD-MHAD, as the vectors of a fixed transform."""
    with np.load(data / "utd_mhad" / "skeleton_mm_i16.npz", allow_pickle=False) as held:
        attach_clips(corpus, "skeleton", [held[name] for name in held.files], list(held.files))


SETS = (
    PairedSet("utd_mhad", "utd_mhad", "utd_mhad/imu.parquet", (attach_skeleton,)),
    PairedSet("uci_har", "uci_har", "uci_har/uci_har.parquet"),
    PairedSet("seglearn_watch", "seglearn_watch", None),
    *(PairedSet(f"geotec_{d}", "geotec", "geotec/geotec.parquet") for d in ("watch", "phone")),
    *(PairedSet(f"umafall_{p}", "umafall", "umafall/umafall.parquet") for p in ("wrist", "waist", "chest", "ankle")),
    PairedSet("classyglass", "classyglass", "classyglass/classyglass.parquet"),
)


def build_corpus(entry: PairedSet, data: Path, work: Path) -> Corpus:
    """Build (or find) the corpus of a set, motion only. Recordings without a gyroscope are left out, and counted."""
    out = work / "corpora6" / entry.name
    if entry.table is None:
        sources: list[Any] = list(dataset_sources(entry.name, Path(str(resources.files("seglearn").joinpath("data")))))
    else:
        card = ROOT / "tests" / "cards" / f"{entry.name}.yaml"
        sources = [FileSource(data / entry.table, entry.name, card=card, dataset=entry.dataset)]
    summary = build(sources, out, BuildConfig(rate_hz=50.0, channels=CHANNELS))
    print(f"{entry.name}: {summary.line()}", flush=True)
    return Corpus.open(out)


def attach_sentences(corpus: Corpus, dataset: str) -> None:
    """Every label's interval gets all its sentences; each distinct sentence is embedded once."""
    rows = sentences_for_labels(corpus, "activity", sentences(dataset))
    if write_narrations(corpus, rows, replace=True) or "text" not in list_stores(corpus.path):
        attach_text(corpus.path, narrations(corpus).sentences, open_tower("minilm"))


def make(entry: PairedSet, data: Path, work: Path) -> Corpus:
    """The corpus of a set with all that is paired with it."""
    started = time.monotonic()
    corpus = build_corpus(entry, data, work)
    attach_sentences(corpus, entry.dataset)
    for attach in entry.attach:
        if attach.__name__.removeprefix("attach_") not in list_stores(corpus.path):
            attach(corpus, data, work)
    print(f"  paired with {', '.join(list_stores(corpus.path))} ({time.monotonic() - started:.0f} s)", flush=True)
    return corpus


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, default=Path("runs/primus"))
    parser.add_argument("--only", default="", help="names of corpora, comma-separated; all by default")
    args = parser.parse_args()
    wanted = [name for name in args.only.split(",") if name] or [entry.name for entry in SETS]
    for entry in SETS:
        if entry.name in wanted:
            make(entry, args.data, args.work)


if __name__ == "__main__":
    main()
