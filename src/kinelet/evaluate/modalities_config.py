"""How aligned encoders are judged, and which rows that makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from kinelet.config import FrozenModel, Listed, Names

PARTS = {"u": ("u",), "v": ("v",), "uv": ("u", "v"), "backbone": ("backbone",)}
MOST_SUBSETS = 4

Learner = Literal["probe", "random", "fine_tune", "scratch"]


class ModalitiesConfig(FrozenModel):
    """How aligned encoders are judged.

    Attributes:
        track: Annotations to predict, labels or values.
        parts: Parts of each modality that are judged: ``u``, ``v``, ``uv``, ``backbone``.
        width: Width that each modality's vectors are reduced to; every part that is compared gets the same.
        labels: Shares of the training people's labels; the parts are compared at all of them.
        head: ``linear``, or ``knn``.
        random: Judge the same network with fresh weights beside, all modalities together, by its ``backbone`` (or by
            the last of ``parts`` where that is not judged).
        cross_modal: Look moments up across modalities, and carry probes across.
        fine_tune: Train encoders and a linear head on the labels too, all modalities together.
        scratch: The same from fresh weights: the supervised baseline.
        fine_tuning: Options of either; see :class:`kinelet.evaluate.fine_tune.FineTune`.
        window_s: Length of a moment; ``None`` for the encoders' own.
        hop_s: Hop; ``None`` for moments that do not overlap.
        placement, tolerance_s, clock: See :func:`kinelet.corpus.moments.moments`.
        purity: Share of a moment that its label must cover.
        classes: Labels that count; ``None`` for all of the track.
        split: ``kfold``, ``loso``, or ``unseen``: learn from the people who were pretrained on, be judged on the
            others. ``auto`` is ``unseen`` for encoders that know somebody of the corpus, else ``kfold``.
        folds: Folds of ``kfold``.
        seed: Of folds, labels, and fresh weights.
    """

    track: str = "activity"
    parts: Names = Field(default=tuple(PARTS), min_length=1)
    width: int = Field(default=128, ge=1)
    labels: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Listed] = Field(default=(1.0,), min_length=1)
    head: Literal["linear", "knn"] = "linear"
    random: bool = True
    cross_modal: bool = True
    fine_tune: bool = False
    scratch: bool = False
    fine_tuning: dict[str, Any] = Field(default_factory=dict)
    window_s: float | None = Field(default=None, gt=0)
    hop_s: float | None = Field(default=None, gt=0)
    placement: Literal["grid", "stretch"] = "grid"
    tolerance_s: float = Field(default=0.05, ge=0)
    clock: Literal["auto", "recording"] = "auto"
    purity: float = Field(default=0.5, gt=0, le=1)
    classes: Names | None = None
    split: Literal["auto", "kfold", "loso", "unseen"] = "auto"
    folds: int = Field(default=5, ge=2)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _known_parts(self) -> Self:
        unknown = sorted(set(self.parts) - set(PARTS))
        if unknown:
            raise ValueError(f"no part {', '.join(unknown)}; there are: {', '.join(PARTS)}")
        return self


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        learner: ``probe`` on the encoders, on ``random`` ones, or a training of the network itself.
        modalities: Which are used.
        part: Which part of each.
        labels: Share of the labels.
    """

    learner: Learner
    modalities: tuple[str, ...]
    part: str
    labels: float


def rows_of(names: Sequence[str], config: ModalitiesConfig) -> list[Row]:
    """What is judged, by share of the labels: subsets by each part, then the baselines and trainings of all."""
    together, out = tuple(names), []
    for share in config.labels:
        out += [Row("probe", chosen, part, share) for chosen in subsets(names) for part in config.parts]
        if config.random:
            part = "backbone" if "backbone" in config.parts else config.parts[-1]
            out.append(Row("random", together, part, share))
        if config.fine_tune:
            out.append(Row("fine_tune", together, "uv", share))
        if config.scratch:
            out.append(Row("scratch", together, "uv", share))
    return out


def subsets(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Subsets of modalities that are judged: each alone first, all together last."""
    sizes = range(1, len(names) + 1) if len(names) <= MOST_SUBSETS else (1, len(names))
    return [chosen for size in sizes for chosen in combinations(names, size)]
