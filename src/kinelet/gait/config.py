"""How gait is judged."""

from __future__ import annotations

from pydantic import Field

from kinelet.config import FrozenModel
from kinelet.gait.walks import Statistic

BASELINES = ("constant", "person", "detector", "detector_ridge", "hand", "random")


class GaitConfig(FrozenModel):
    """How gait is judged.

    Attributes:
        targets: Names of targets; empty for all that the walks have.
        heads: Protocols on the aggregated vectors.
        statistics: Of the windows' vectors over a walk.
        folds: Folds of people; with fewer than six people one is left out at a time.
        seed: Of the folds and the random encoder.
        baselines: ``constant`` (mean of the training people), ``person`` (age, height, weight), ``detector`` (what the
            step detector says), ``detector_ridge`` (ridge on all it measures), ``hand`` (hand-crafted features),
            ``random`` (the first encoder's architecture untrained).
    """

    targets: tuple[str, ...] = ()
    heads: tuple[str, ...] = Field(default=("ridge", "mlp_probe"), min_length=1)
    statistics: tuple[Statistic, ...] = Field(default=("mean",), min_length=1)
    folds: int = Field(default=5, ge=2)
    seed: int = 0
    baselines: tuple[str, ...] = BASELINES
