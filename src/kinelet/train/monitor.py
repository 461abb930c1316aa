"""Indicators of collapse: what a falling loss does not show."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def collapse_indicators(z: Tensor) -> dict[str, float]:
    """Spread and effective rank of a batch of embeddings ``(batch, dim)``.

    ``embedding_std`` is the mean over dimensions of the standard deviation of the L2-normalised embeddings, times
    sqrt(dim): about 1 for directions spread evenly, 0 when all embeddings are one point. ``effective_rank`` is the
    exponential of the entropy of the normalised singular values of the centred embeddings (Roy & Vetterli, EUSIPCO
    2007).
    """
    z = z.float()
    unit = torch.nn.functional.normalize(z, dim=1)
    spread = float(unit.std(dim=0, correction=0).mean() * z.shape[1] ** 0.5)
    singular = torch.linalg.svdvals(z - z.mean(dim=0))
    total = singular.sum()
    if not bool(total > 0):
        return {"embedding_std": spread, "effective_rank": 1.0}
    p = singular / total
    return {"embedding_std": spread, "effective_rank": float(torch.exp(-torch.xlogy(p, p).sum()))}
