"""Sets of ``infomae_pairs.py``: which modalities, how moments are cut, and what is to be told from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from kinelet.corpus import Corpus
from kinelet.corpus.moments import Moments, moments
from kinelet.corpus.splits import Split, kfold
from kinelet.corpus.views import View
from kinelet.corpus.windows import Windows
from kinelet.evaluate.task import Kind

FOLDS = 3


@dataclass(frozen=True)
class Target:
    """What is told from the vectors.

    Attributes:
        track: Annotations.
        kind: Classes or values.
        metric: What is reported.
    """

    track: str
    kind: Kind
    metric: str


@dataclass(frozen=True)
class PairSet:
    """One corpus with several modalities.

    Attributes:
        name: Its folder.
        title: For tables.
        views: Modalities.
        window_s: Length of a moment.
        length: Moments of a sequence; clips of a few seconds have no long ones.
        judge_hop_s: Hop of the moments that are judged; ``None`` for a window's length.
        placement: How moments are laid.
        targets: What is told; alignment sees none of it.
        patch: Frames and bins of a patch, by modality.
    """

    name: str
    title: str
    views: dict[str, str]
    window_s: float
    targets: tuple[Target, ...]
    patch: dict[str, tuple[int, int]]
    length: int = 4
    judge_hop_s: float | None = None
    placement: Literal["grid", "stretch"] = "grid"


IMU = "acc_x,acc_y,acc_z,gyr_x,gyr_y,gyr_z"
SITES = ("wrist", "chest", "waist", "ankle")
ACTIVITY = (Target("activity", "classes", "macro_f1"),)
SETS = (
    PairSet(
        "stress_predict",
        "Stress-Predict",
        {"acc": "acc_x,acc_y,acc_z", "bvp": "bvp"},
        8.0,
        (Target("stress", "classes", "macro_f1"), Target("heart_rate", "values", "mae")),
        {"acc": (2, 2), "bvp": (2, 4)},
        judge_hop_s=48.0,
    ),
    PairSet(
        "classyglass",
        "ClassyGlass",
        {"acc": "acc_x,acc_y,acc_z", "gyr": "gyr_x,gyr_y,gyr_z"},
        5.0,
        ACTIVITY,
        {"acc": (2, 3), "gyr": (2, 3)},
    ),
    PairSet(
        "utd_mhad",
        "UTD-MHAD",
        {"imu": IMU, "skeleton": ",".join(f"joint{j:02d}_{axis}" for j in range(20) for axis in "xyz")},
        5.0,
        ACTIVITY,
        {"imu": (2, 3), "skeleton": (2, 2)},
        length=1,
        placement="stretch",
    ),
    PairSet(
        "umafall",
        "UMAFall",
        {site: f"{IMU}@{site}" for site in SITES},
        5.0,
        ACTIVITY,
        dict.fromkeys(SITES, (2, 5)),
        length=2,
    ),
    PairSet(
        "geotec",
        "GEOTEC",
        {"phone": f"{IMU}@pocket", "watch": f"{IMU}@wrist"},
        2.0,
        ACTIVITY,
        {"phone": (1, 5), "watch": (1, 5)},
        length=2,
    ),
)


@dataclass(frozen=True)
class Opened:
    """A set with its corpus."""

    entry: PairSet
    corpus: Corpus

    @cached_property
    def splits(self) -> tuple[Split, ...]:
        """Folds of people, the same for everybody."""
        return kfold(self.people, FOLDS, 0)

    @cached_property
    def people(self) -> tuple[str, ...]:
        """Who has a moment with a target that all modalities were recorded in."""
        judged = self.judged(self.entry.targets[0])
        return tuple(judged.subjects[i] for i in np.unique(judged.subject))

    @cached_property
    def pairs(self) -> Moments:
        """All pairs."""
        return self._cut(None, "activity").pairs()

    def windows(self, name: str) -> Windows:
        """All windows of one modality, paired or not."""
        return self._cut(None, "activity").modality(name)

    def judged(self, target: Target) -> Moments:
        """Moments with a target that all modalities were recorded in."""
        return self._cut(self.entry.judge_hop_s, target.track).complete().labelled()

    def _cut(self, hop_s: float | None, track: str) -> Moments:
        entry = self.entry
        views = {name: View.parse(text) for name, text in entry.views.items()}
        return moments(self.corpus, views, entry.window_s, hop_s, placement=entry.placement, track=track)


@lru_cache(maxsize=8)
def opened(work: Path, name: str) -> Opened:
    """Open a set's corpus, which ``infomae_corpora.py`` made."""
    (entry,) = [s for s in SETS if s.name == name]
    return Opened(entry, Corpus.open(work / "corpora" / name))
