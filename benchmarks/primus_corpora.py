"""Corpora of six public sets with what was said, seen and worn beside the motion, for the benchmarks of PRIMUS.

Accelerometer and gyroscope, 50 Hz. Every label gets its sentences (``kinelet.towers.phrases``), embedded with
all-MiniLM (modality ``text``). UTD-MHAD has also its skeletons (``skeleton``) and depth clips (``depth``); GEOTEC and
UMAFall, where people wore several sensors at once, another one of them (``body_site``). All vectors but the sentences'
are fixed transforms. Corpora go to ``WORK/corpora6/NAME`` and open with ``kl.Corpus.open``.

    python benchmarks/primus_corpora.py --data ../shared/data --work runs/primus

A second call finds what the first one made. ``--only utd_mhad,geotec_watch`` makes some of them.
"""

from __future__ import annotations

import argparse
import re
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from kinelet.corpus import Corpus
from kinelet.corpus.build import build
from kinelet.corpus.find import dataset_sources
from kinelet.corpus.manifest import RecordingInfo
from kinelet.corpus.narrations import narrations, sentences_for_labels, write_narrations
from kinelet.corpus.process import BuildConfig
from kinelet.corpus.sources import FileSource
from kinelet.towers import open_tower
from kinelet.towers.phrases import sentences
from kinelet.towers.store import attach_items, attach_text, list_stores, open_store, store_folder

ROOT = Path(__file__).resolve().parents[1]
CHANNELS = ("acc_x", "acc_y", "acc_z", "gyr_x", "gyr_y", "gyr_z")
#: Seconds of the other sensor that are one item; a longer window gets the mean of its items.
PIECE_S = 2.5


@dataclass(frozen=True)
class PairedSet:
    """One corpus to make.

    Attributes:
        name: Its folder; that of its card too.
        dataset: The set that its people and sentences belong to, which may have several corpora (one a body site).
        table: Its compact table; ``None`` for the set that comes as a package.
        clips: Modalities that come as clips, each as long as its recording.
        other: Corpus of a sensor that was worn at the same time, if any.
    """

    name: str
    dataset: str
    table: str | None
    clips: tuple[str, ...] = ()
    other: str | None = None


def clip_ids(corpus: Corpus, names: list[str]) -> list[str]:
    """Recordings of clips named a1_s1_t1."""
    known = {}
    for r in corpus.recordings:
        activity, subject, trial = re.findall(r"\d+", r.row["name"])[-3:]
        known[f"a{activity}_s{subject}_t{trial}"] = r.id
    return [known[name] for name in names]


def attach_clips(corpus: Corpus, modality: str, names: list[str], clips: Any) -> None:
    """Each clip is one item: its recording from beginning to end, since the true rates are not known."""
    ids = clip_ids(corpus, names)
    lengths = [corpus.recordings[corpus.codes[i]].duration_s for i in ids]
    attach_items(corpus.path, modality, clips, ids, 0.0, lengths, tower=open_tower(modality))


def read_clips(data: Path, modality: str) -> tuple[list[str], Any]:
    """Names and content of the clips of UTD-MHAD."""
    if modality == "skeleton":
        with np.load(data / "utd_mhad" / "skeleton_mm_i16.npz", allow_pickle=False) as held:
            return list(held.files), [held[name] for name in held.files]
    with np.load(data / "utd_mhad" / "depth16x60x80_u8.npz", allow_pickle=False) as held:
        return held["clip"].tolist(), held["video"]


def trial(info: RecordingInfo) -> str:
    """What recordings of one trial have in common, whichever sensor they are of."""
    return str(info.row["name"].split("-", 1)[1])


def first_times(table: Path) -> dict[tuple[str, str], float]:
    """First time of each trial and place in UMAFall's table, s: all its sensors were stamped by one phone."""
    columns = ["subject", "activity", "trial", "pos", "t_ms"]
    held = pq.read_table(table, columns=columns).group_by(columns[:-1]).aggregate([("t_ms", "min")]).to_pylist()
    return {(f"{r['subject']}-{r['activity']}-{r['trial']}", r["pos"].lower()): r["t_ms_min"] / 1000 for r in held}


def starts(corpus: Corpus, entry: PairedSet, data: Path) -> dict[str, float]:
    """When each trial's recording begins, s, on a clock that the sensors of a trial share."""
    if entry.dataset == "umafall":
        first = first_times(data / str(entry.table))
        return {trial(r): first[trial(r), entry.name.rsplit("_", 1)[1]] for r in corpus.recordings}
    return {trial(r): float(r.start_unix_s or 0.0) for r in corpus.recordings}


def attach_other(corpus: Corpus, entry: PairedSet, data: Path, work: Path) -> None:
    """Pieces of a sensor that was worn at the same time, placed on this corpus's clock."""
    partner = next(e for e in SETS if e.name == entry.other)
    theirs = build_corpus(partner, data, work)
    begin, other_begin = starts(corpus, entry, data), starts(theirs, partner, data)
    windows = theirs.windows(PIECE_S)
    mine = {trial(r): r.id for r in corpus.recordings}
    of = [trial(r) for r in theirs.recordings]
    at = [of[code] for code in windows.recording.tolist()]
    keep = np.array([i for i, name in enumerate(at) if name in mine], dtype=np.int64)
    shift = np.array([other_begin[at[i]] - begin[at[i]] for i in keep])
    start = windows.time_s[keep] + shift
    keep, start = keep[start >= 0], start[start >= 0]
    ids = [mine[at[i]] for i in keep]
    pieces = list(windows.gather(keep))
    attach_items(corpus.path, "body_site", pieces, ids, start, PIECE_S, tower=open_tower("motion"), pool="mean")


SETS = (
    PairedSet("utd_mhad", "utd_mhad", "utd_mhad/imu.parquet", clips=("skeleton", "depth")),
    PairedSet("uci_har", "uci_har", "uci_har/uci_har.parquet"),
    PairedSet("seglearn_watch", "seglearn_watch", None),
    PairedSet("geotec_watch", "geotec", "geotec/geotec.parquet", other="geotec_phone"),
    PairedSet("geotec_phone", "geotec", "geotec/geotec.parquet", other="geotec_watch"),
    PairedSet("umafall_wrist", "umafall", "umafall/umafall.parquet", other="umafall_chest"),
    PairedSet("umafall_waist", "umafall", "umafall/umafall.parquet", other="umafall_wrist"),
    PairedSet("umafall_chest", "umafall", "umafall/umafall.parquet", other="umafall_wrist"),
    PairedSet("umafall_ankle", "umafall", "umafall/umafall.parquet", other="umafall_chest"),
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
    write_narrations(corpus, sentences_for_labels(corpus, "activity", sentences(dataset)), replace=True)
    said = narrations(corpus).sentences
    if "text" in list_stores(corpus.path) and set(open_store(store_folder(corpus.path, "text")).keys) == set(said):
        return
    attach_text(corpus.path, said, open_tower("minilm"))


def make(entry: PairedSet, data: Path, work: Path) -> Corpus:
    """The corpus of a set with all that is paired with it."""
    started = time.monotonic()
    corpus = build_corpus(entry, data, work)
    attach_sentences(corpus, entry.dataset)
    there = list_stores(corpus.path)
    for modality in (m for m in entry.clips if m not in there):
        attach_clips(corpus, modality, *read_clips(data, modality))
    if entry.other and "body_site" not in there:
        attach_other(corpus, entry, data, work)
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
