"""The best weights of a run, by a score on windows that it is not trained on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kinelet.methods.base import Method


@dataclass(frozen=True)
class Judge:
    """Scores a method, the lower the better.

    Attributes:
        score: From the method, in evaluation mode, to its score; the same in every process.
        every: Steps between two scores; the last step is scored too.
    """

    score: Callable[[Method], float]
    every: int


@dataclass(frozen=True)
class Watch:
    """Looks at a method now and then, for the log alone.

    Attributes:
        look: From the method, in evaluation mode, to named numbers; the same in every process.
        every: Steps between two looks; after the last step there is one too.
    """

    look: Callable[[Method], dict[str, float]]
    every: int


class BestWeights:
    """Copy of a module's weights at their lowest score.

    Attributes:
        score: The lowest so far.
        values: The weights then.
    """

    def __init__(self, module: nn.Module) -> None:
        self.score = math.inf
        self.values: dict[str, Tensor] = {k: v.detach().clone() for k, v in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, score: float) -> None:
        """Keep the module's present weights if their score is lower than any before."""
        if score < self.score:
            self.score = score
            self.values = {k: v.detach().clone() for k, v in module.state_dict().items()}
