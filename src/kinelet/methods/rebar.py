"""REBAR: the nearest candidate attracts, all the rest repel."""

from __future__ import annotations

import torch
from pydantic import model_validator
from torch import Tensor

from kinelet.functional.ranking import ranking_loss
from kinelet.methods.base import Batch, Output
from kinelet.methods.candidates import CandidateConfig, CandidateMethod
from kinelet.methods.relcon import indicators, place_weights


class RebarConfig(CandidateConfig):
    """Configuration of :class:`Rebar`: that of :class:`~kinelet.methods.candidates.CandidateConfig`."""

    @model_validator(mode="after")
    def _positive_within(self) -> RebarConfig:
        if self.which == "between":
            raise ValueError("rebar takes its positive from within: which must be both or within")
        return self


class Rebar(CandidateMethod):
    """Find the nearest window of the own person among all candidates.

    The same batches, distance and options as RelCon, and a binary choice in place of an order.

    Source: Xu et al. 2024 (REBAR), arXiv 2311.00519 (ICLR 2024).
    """

    config: RebarConfig

    def forward(self, batch: Batch) -> Output:
        """Loss of a batch; parts: see :func:`~kinelet.methods.relcon.indicators`."""
        cosine, distance, mask, inside, embeddings = self.compare(batch)
        distance = nearest_first(distance, inside)
        only_first = place_weights("top", cosine, 1)
        loss = ranking_loss(cosine / self.config.temperature, distance, only_first, mask).mean()
        return {"loss": loss, "parts": indicators(cosine, distance, mask, only_first), "embeddings": embeddings}


def nearest_first(distance: Tensor, inside: int) -> Tensor:
    """Distances ``(batch, N)`` with the least of the first ``inside`` columns put at minus infinity."""
    nearest = distance[:, :inside].argmin(dim=1, keepdim=True)
    return distance.scatter(1, nearest, -torch.inf)
