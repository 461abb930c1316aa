"""What the benchmarks on the six public sets share: corpora, labelled tasks, folds of people, tables of results.

Accelerometer only, 50 Hz, five folds by person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from kinelet.corpus import Corpus, union
from kinelet.corpus.build import build
from kinelet.corpus.find import dataset_sources
from kinelet.corpus.process import BuildConfig
from kinelet.corpus.sources import FileSource
from kinelet.corpus.splits import Split, kfold
from kinelet.corpus.windows import Windows
from kinelet.evaluate.result import Result
from kinelet.evaluate.statistics import Estimate
from kinelet.evaluate.task import Task
from kinelet.report.evaluation import FEWEST

ROOT = Path(__file__).resolve().parents[1]
ACC = ("acc_x", "acc_y", "acc_z")
FOLDS = 5


@dataclass(frozen=True)
class HarSet:
    """One set: where its compact table lies, and how its labelled windows are laid."""

    name: str
    title: str
    table: str | None
    window_s: float
    hop_s: float | None = None
    placement: str = "grid"
    track: str = "activity"
    drop: tuple[str, ...] = field(default=())


SETS = (
    HarSet("uci_har", "UCI HAR", "uci_har/uci_har.parquet", 2.56),
    HarSet("seglearn_watch", "seglearn", None, 5.0, 2.5),
    HarSet("utd_mhad", "UTD-MHAD", "utd_mhad/imu.parquet", 3.6, None, "stretch"),
    HarSet("umafall_wrist", "UMAFall wrist", "umafall/umafall.parquet", 5.0, 2.5),
    HarSet("geotec_watch", "GEOTEC watch", "geotec/geotec.parquet", 1.0, 0.5, "annotation"),
    HarSet("classyglass", "ClassyGlass", "classyglass/classyglass.parquet", 5.0, 5.0),
)


def build_corpus(entry: HarSet, data: Path, work: Path) -> Corpus:
    """Build (or find) the accelerometer corpus of a set at 50 Hz."""
    out = work / "corpora" / entry.name
    if entry.table is None:
        sources: list[Any] = list(dataset_sources(entry.name, Path(str(resources.files("seglearn").joinpath("data")))))
    else:
        card = ROOT / "tests" / "cards" / f"{entry.name}.yaml"
        sources = [FileSource(data / entry.table, entry.name, card=card, dataset=entry.name)]
    summary = build(sources, out, BuildConfig(rate_hz=50.0, channels=ACC))
    print(f"{entry.title}: {summary.line()}", flush=True)
    return Corpus.open(out)


@dataclass(frozen=True, eq=False)
class Opened:
    """A set with its corpus and folds of people.

    Attributes:
        entry: The set.
        corpus: Its recordings.
        splits: One for each fold.
    """

    entry: HarSet
    corpus: Corpus
    splits: tuple[Split, ...]

    @classmethod
    def of(cls, entry: HarSet, corpus: Corpus) -> Opened:
        """Deal the people of a corpus into folds; every benchmark gets the same ones."""
        return cls(entry, corpus, kfold(corpus.subjects, FOLDS, seed=0))

    @cached_property
    def task(self) -> Task:
        """Labelled windows, as the protocol of the set's baseline figures has them."""
        e = self.entry
        windows = self.corpus.windows(e.window_s, e.hop_s, track=e.track, placement=e.placement, drop_labels=e.drop)
        return Task.from_windows(windows.labelled(), name=e.title)


def open_sets(entries: Sequence[HarSet], work: Path) -> list[Opened]:
    """Open corpora that :func:`build_corpus` made."""
    return [Opened.of(e, Corpus.open(work / "corpora" / e.name)) for e in entries]


def pretraining_windows(sets: Sequence[Opened], fold: int | None, window_s: float, hop_s: float | None) -> Windows:
    """Unlabelled windows of several sets together.

    Args:
        sets: Where they come from.
        fold: The people tested in this fold are left out; ``None``: nobody is.
        window_s: Window length.
        hop_s: Hop.
    """
    people = [
        f"{s.corpus.path.name}:{p}" for s in sets for p in (s.corpus.subjects if fold is None else s.splits[fold].train)
    ]
    return union([s.corpus for s in sets]).windows(window_s, hop_s).of(people)


def of_folds(result: Result, folds: Sequence[int]) -> Result:
    """The part of a result that was judged in some folds."""
    keep = np.isin(result.fold, list(folds))
    codes, subject = np.unique(result.subject[keep], return_inverse=True)
    return replace(
        result,
        subjects=tuple(result.subjects[i] for i in codes),
        subject=subject.astype(np.int64),
        row=result.row[keep],
        fold=result.fold[keep],
        truth=result.truth[keep],
        predicted=result.predicted[:, keep],
        estimates={},
    )


def pooled(parts: Sequence[Result], folds: Sequence[int]) -> Result:
    """One result from results of single folds, in the order of the task's windows."""
    names = sorted({name for part in parts for name in part.subjects})
    code = {name: i for i, name in enumerate(names)}
    row = np.concatenate([part.row for part in parts])
    order = np.argsort(row, kind="stable")
    subject = np.concatenate([np.array([code[n] for n in part.subjects])[part.subject] for part in parts])
    return replace(
        parts[0],
        subjects=tuple(names),
        subject=subject[order],
        row=row[order],
        fold=np.repeat(list(folds), [len(part.row) for part in parts])[order],
        truth=np.concatenate([part.truth for part in parts])[order],
        predicted=np.concatenate([part.predicted for part in parts], axis=1)[:, order],
        estimates={},
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def short(e: Estimate) -> str:
    """Value and interval."""
    return f"{e.value:.3f} [{e.lo:.3f}, {e.hi:.3f}]"


def signed(e: Estimate) -> str:
    """Difference and interval, bold where the whole interval of enough people lies above zero."""
    text = f"{e.value:+.3f} [{e.lo:+.3f}, {e.hi:+.3f}]"
    return f"**{text}**" if e.lo > 0 and e.n_subjects >= FEWEST else text
