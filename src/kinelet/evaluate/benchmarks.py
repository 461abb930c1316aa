"""Published benchmarks: which windows of which data set, how people are split, and the figures in print.

The protocols themselves are in :mod:`kinelet.evaluate.relcon`. Figures are macro-F1 in percent, and kappa times 100;
what is wrong with some of them is told in ``docs/relcon-benchmarks.md``.

Source: Xu et al. 2024, arXiv 2411.18822, and the papers that it takes figures from: Haresamudram et al. 2022, arXiv
2202.12938; Yuan et al. 2024, arXiv 2206.02909.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

Trust = Literal["context", "suspect", "honest bar"]


class Published(NamedTuple):
    """A figure in print.

    Attributes:
        who: What was judged.
        macro_f1: Percent, mean over folds.
        spread: Standard deviation over folds where it was given.
        kappa: Times 100, where it was given.
        trust: ``context``: comes from a sound procedure that cannot be repeated exactly. ``suspect``: from code that
            mixes test windows into training. ``honest bar``: from people left out, to be measured against.
    """

    who: str
    macro_f1: float
    spread: float | None = None
    kappa: float | None = None
    trust: Trust = "context"

    def __str__(self) -> str:
        spread = f" ± {self.spread:g}" if self.spread is not None else ""
        kappa = f", kappa {self.kappa:g}" if self.kappa is not None else ""
        return f"{self.who} {self.macro_f1:g}{spread}{kappa}"


@dataclass(frozen=True)
class Setting:
    """One data set of a benchmark.

    Attributes:
        site: Sensor whose recordings are used.
        window_s, hop_s: Length of windows and from one's start to the next, in seconds; no hop is no overlap.
        classes: Labels that count; windows of others are left out.
        split: How people are split.
        published: Figures in print.
        folds: Folds of ``kfold``.
    """

    site: str
    window_s: float
    hop_s: float | None
    classes: tuple[str, ...]
    split: Literal["kfold", "loso"]
    published: tuple[Published, ...]
    folds: int = 5


_PAMAP2_8 = (
    "lying",
    "sitting",
    "standing",
    "walking",
    "ascending_stairs",
    "descending_stairs",
    "vacuum_cleaning",
    "ironing",
)
_PAMAP2_12 = (*_PAMAP2_8, "running", "cycling", "nordic_walking", "rope_jumping")

_LINEAR = {
    "hhar": Setting(
        site="wrist",
        window_s=2.0,
        hop_s=None,
        classes=("bike", "sit", "stand", "walk", "stairsup", "stairsdown"),
        split="kfold",
        published=(
            Published("RelCon", 57.63, 3.24),
            Published("SimCLR", 55.93, 1.75),
            Published("CPC", 56.24),
            Published("augmentation prediction", 50.95),
            Published("autoencoder", 53.57),
            Published("SimSiam", 45.36),
            Published("BYOL", 40.66),
            Published("MAE", 43.48),
            Published("supervised convolutions", 55.43, 1.21),
            Published("supervised DeepConvLSTM", 54.39),
            Published("supervised LSTM", 37.42),
        ),
    ),
    "motionsense": Setting(
        site="pocket",
        window_s=2.0,
        hop_s=None,
        classes=("downstairs", "upstairs", "walking", "jogging", "standing", "sitting"),
        split="kfold",
        published=(
            Published("RelCon", 80.35, 0.71),
            Published("SimCLR", 83.93, 1.78),
            Published("CPC", 72.89),
            Published("augmentation prediction", 74.96),
            Published("autoencoder", 55.12),
            Published("SimSiam", 71.91),
            Published("BYOL", 66.44),
            Published("MAE", 61.14),
            Published("supervised convolutions", 89.25, 0.50),
            Published("supervised DeepConvLSTM", 84.56),
            Published("supervised LSTM", 86.74),
        ),
    ),
    "pamap2": Setting(
        site="ankle",
        window_s=2.0,
        hop_s=None,
        classes=_PAMAP2_12,
        split="kfold",
        published=(
            Published("RelCon", 53.98, 0.76),
            Published("SimCLR", 50.75, 2.97),
            Published("CPC", 45.84),
            Published("augmentation prediction", 46.90),
            Published("autoencoder", 50.79),
            Published("SimSiam", 47.85),
            Published("BYOL", 43.89),
            Published("MAE", 42.32),
            Published("supervised convolutions", 59.76, 1.53),
            Published("supervised DeepConvLSTM", 51.22),
            Published("supervised LSTM", 48.61),
        ),
    ),
}


def _wrist(opportunity: tuple[Published, ...], pamap2: tuple[Published, ...]) -> Mapping[str, Setting]:
    """Windows of 10 s at the wrist, half overlapping, one person left out at a time."""
    # The wrist's Bluetooth accelerometer is the one in columns 22 to 24. Locomotion has no label 3, so that putting
    # lying (5) there, as was published, is a matter of numbering.
    locomotion = ("stand", "walk", "sit", "lie")
    return {
        "opportunity": Setting("right_wrist_bluetooth", 10.0, 5.0, locomotion, "loso", opportunity),
        "pamap2": Setting("wrist", 10.0, 5.0, _PAMAP2_8, "loso", pamap2),
    }


BENCHMARKS: Mapping[str, Mapping[str, Setting]] = MappingProxyType(
    {
        "relcon-linear": _LINEAR,
        "relcon-mlp": _wrist(
            (
                Published("RelCon, MLP probe", 69.1, kappa=62.1, trust="suspect"),
                Published("Yuan et al., frozen convolutions and MLP", 57.0, 7.8, 43.5, "honest bar"),
            ),
            (
                Published("RelCon, MLP probe", 85.4, kappa=84.7, trust="suspect"),
                Published("Yuan et al., frozen convolutions and MLP", 72.5, 5.4, 71.7, "honest bar"),
            ),
        ),
        "relcon-finetune": _wrist(
            (
                Published("RelCon, fine-tuned", 98.4, kappa=97.9, trust="suspect"),
                Published("RelCon's network from scratch", 94.0, kappa=92.8, trust="suspect"),
                Published("Yuan et al., fine-tuned", 59.5, 8.5, 47.1, "honest bar"),
                Published("Yuan et al., from scratch", 38.3, 12.4, 23.8),
            ),
            (
                Published("RelCon, fine-tuned", 98.8, kappa=98.6, trust="suspect"),
                Published("RelCon's network from scratch", 97.5, kappa=97.0, trust="suspect"),
                Published("Yuan et al., fine-tuned", 78.9, 5.4, 76.9, "honest bar"),
                Published("Yuan et al., from scratch", 60.5, 8.6, 59.6),
            ),
        ),
    }
)
"""Protocol -> data set -> setting."""
