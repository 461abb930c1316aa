"""RelCon: similarities are to have the order of a frozen distance between windows."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from kinelet.encoders.base import Encoder
from kinelet.functional.ranking import order_of, ranking_loss
from kinelet.methods.base import Batch, Output
from kinelet.methods.candidates import CandidateConfig, CandidateMethod, PairDistance


class RelConConfig(CandidateConfig):
    """Configuration of :class:`RelCon`, beside what :class:`~kinelet.methods.candidates.CandidateConfig` has.

    Attributes:
        weights: Places of the order count alike (``equal``), nearer ones more (``log``: 1 / log2(1 + place);
            ``geometric``: decay ** (place - 1)), or only the nearest (``top``).
        top_k: How many with ``top``.
        decay: Of ``geometric``.
        ties: Candidates no more than this much farther than another, in the distance's own unit, are not its
            negatives.
        own_person: Windows of the anchor's own person are ``ranked`` by distance like all others, as published, or
            ``last``: behind everybody else's, so that they are negatives only. They are near for reasons that have
            nothing to do with movement: habit, and how the sensor sits.
        own_view: A second augmented view of the anchor is one more candidate, nearest of all.
    """

    weights: Literal["equal", "log", "geometric", "top"] = "equal"
    top_k: int | None = Field(default=None, ge=1)
    decay: float | None = Field(default=None, gt=0, lt=1)
    ties: float = Field(default=0.0, ge=0)
    own_person: Literal["ranked", "last"] = "ranked"
    own_view: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> RelConConfig:
        if (self.weights == "top") != (self.top_k is not None):
            raise ValueError("top_k goes with weights='top', and only with it")
        if (self.weights == "geometric") != (self.decay is not None):
            raise ValueError("decay goes with weights='geometric', and only with it")
        if self.own_view and not self.augmentations:
            raise ValueError("own_view needs augmentations: without them the view is the anchor itself")
        return self


class RelCon(CandidateMethod):
    """Rank windows of the own person and of others as a frozen distance does.

    Sorted by distance from the anchor, each candidate is a positive against all that are farther; the loss is the
    negative log-likelihood of that order under the similarities of the embeddings.

    Source: Xu et al. 2024, arXiv 2411.18822 (ICLR 2025).
    """

    config: RelConConfig

    def __init__(self, encoder: Encoder, config: RelConConfig, distance: PairDistance) -> None:
        super().__init__(encoder, config, distance)
        self.own_view = config.own_view

    def forward(self, batch: Batch) -> Output:
        """Loss of a batch; parts: see :func:`indicators`."""
        cosine, distance, mask, inside, embeddings = self.compare(batch)
        if self.config.own_person == "last":
            distance = others_first(distance, inside)
        weights = place_weights(self.config.weights, cosine, self.config.top_k, self.config.decay)
        loss = ranking_loss(cosine / self.config.temperature, distance, weights, mask, self.config.ties).mean()
        return {"loss": loss, "parts": indicators(cosine, distance, mask, weights), "embeddings": embeddings}


def others_first(distance: Tensor, inside: int) -> Tensor:
    """Distances ``(batch, N)`` with the first ``inside`` columns behind all others, in their own order."""
    known = distance[distance.isfinite()]
    span = known.max() - known.min() + 1 if len(known) else 1.0
    return torch.cat([distance[:, :inside] + span, distance[:, inside:]], dim=1)


def place_weights(kind: str, like: Tensor, top_k: int | None = None, decay: float | None = None) -> Tensor | None:
    """Weights ``(N,)`` of the places of an order, nearest first, for similarities ``like`` ``(batch, N)``."""
    place = torch.arange(1, like.shape[1] + 1, device=like.device, dtype=like.dtype)
    if kind == "log":
        return 1 / torch.log2(1 + place)
    if decay is not None:
        return decay ** (place - 1)
    return (place <= top_k).to(like.dtype) if top_k is not None else None


@torch.no_grad()
def indicators(cosine: Tensor, distance: Tensor, mask: Tensor, weights: Tensor | None) -> dict[str, Tensor]:
    """What the loss does not show, as means over anchors.

    Args:
        cosine: ``(batch, N)``.
        distance: ``(batch, N)``.
        mask: ``(batch, N)``, false for candidates that do not count.
        weights: Of places, ``(N,)``, or ``None``.

    Returns:
        ``spread``: standard deviation of an anchor's cosines (shrinking it alone lowers the loss); ``chance``: the
        loss at equal similarities; ``agreement``: rank correlation of similarity and nearness; ``nearest``: share of
        anchors whose nearest candidate is the most similar; ``candidates``: how many count.
    """
    count = mask.sum(dim=1)
    wanted, present = order_of(distance, mask)
    got, _ = order_of(-cosine, mask)
    left = count[:, None] - torch.arange(mask.shape[1], device=mask.device)
    chance = torch.where(present, left, 1).log() * (1.0 if weights is None else weights)
    gap = (wanted.argsort(dim=1) - got.argsort(dim=1)) * mask
    several = count > 1
    n = torch.where(several, count, 2).double()
    agreement = 1 - 6 * gap.square().sum(dim=1) / (n * (n.square() - 1))
    mean = (cosine * mask).sum(dim=1, keepdim=True) / count.clamp(min=1)[:, None]
    variance = ((cosine - mean).square() * mask).sum(dim=1) / count.clamp(min=1)
    return {
        "spread": variance.sqrt().mean(),
        "chance": chance.sum(dim=1).mean(),
        "agreement": ((agreement * several).sum() / several.sum().clamp(min=1)).float(),
        "nearest": ((wanted[:, 0] == got[:, 0]) & (count > 0)).float().mean(),
        "candidates": count.float().mean(),
    }
