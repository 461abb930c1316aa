"""Multi-task self-supervision: tell whether a window was reversed, cut and shuffled, or warped in time."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from kinelet.encoders.base import Encoder
from kinelet.functional.augment import Permute, Reverse, TimeWarp, apply_to_some
from kinelet.functional.draws import uniform
from kinelet.methods.base import Batch, Method, MethodConfig, Output, sharded

TASKS = ("arrow_of_time", "permutation", "time_warp")


class MTLConfig(MethodConfig):
    """Configuration of :class:`MTL`.

    Attributes:
        share: Probability that a transform is applied to a window, for each transform by itself.
        segments: Pieces that the permutation cuts a window into; they always change places.
        sigma: Spread of the time warp's speeds at its knots.
        knots: Knots of the time warp.
        weights: A window counts by its ``spread`` over time, as if sampled in proportion to it, because nobody can
            tell whether a window without movement is reversed; or all windows have ``equal`` weight.
    """

    share: float = Field(default=0.5, gt=0, lt=1)
    segments: int = Field(default=4, ge=2, le=1000)
    sigma: float = Field(default=0.2, gt=0, le=10)
    knots: int = Field(default=4, ge=4, le=100)
    weights: Literal["spread", "equal"] = "spread"


class MTL(Method):
    """Three yes-or-no questions about each window, one linear layer each on one encoder; their losses are added.

    A window may be reversed, permuted and warped at once, each decided by a coin of its own.

    Source: Yuan et al. 2024, "Self-supervised learning for human activity recognition using 700,000 person-days of
    wearable data", arXiv 2206.02909: arrow of time, permutation and time warp, binary cross-entropies with equal
    weight, windows sampled in proportion to their standard deviation (here: weighted by it, which has the same
    expectation). The permutation is never the identity here, so that its answer is always true.
    """

    config: MTLConfig

    def __init__(self, encoder: Encoder, config: MTLConfig) -> None:
        super().__init__(encoder, config)
        self.heads = nn.Linear(encoder.dim, len(TASKS))
        self.transforms = (
            Reverse(),
            Permute(segments=config.segments, allow_identity=False),
            TimeWarp(sigma=config.sigma, knots=config.knots),
        )

    def forward(self, batch: Batch) -> Output:
        """Loss of a batch; parts: the share of right answers to each question."""
        x, generators = batch["x"], batch["generators"]
        answers = sharded(self.draw, x, generators)
        pieces = iter(answers.chunk(len(generators)))
        h = self.encoder(sharded(lambda part, g: self.distort(part, next(pieces), g), x, generators))
        logits = self.heads(h).float()
        losses = functional.binary_cross_entropy_with_logits(logits, answers.float(), reduction="none").sum(dim=1)
        right = ((logits.detach() > 0) == answers).float().mean(dim=0)
        parts = dict(zip(TASKS, right, strict=True))
        return {"loss": (self._weights(x) * losses).mean(), "parts": parts, "embeddings": h.detach()}

    def draw(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Which transforms ``(batch, task)`` each window ``(batch, channel, time)`` gets, boolean."""
        return uniform(x, generator, len(x), len(TASKS)) < self.config.share

    def distort(self, x: Tensor, answers: Tensor, generator: torch.Generator) -> Tensor:
        """Apply the transforms to the windows where ``answers`` ``(batch, task)`` is true."""
        for transform, rows in zip(self.transforms, answers.to(generator.device).unbind(1), strict=True):
            x = apply_to_some(transform, x, generator, rows)
        return x

    def _weights(self, x: Tensor) -> Tensor:
        """Weight ``(batch,)`` of each window, 1 on average over all processes."""
        if self.config.weights == "equal":
            return x.new_ones(len(x))
        spread = x.float().std(dim=2, correction=0).mean(dim=1)
        return spread / self.gather(spread).mean().clamp(min=1e-12)
