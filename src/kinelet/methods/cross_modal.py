"""Contrast across modalities: what was recorded at one moment attracts, other moments repel."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import ClassVar

import torch
from torch import Tensor

from kinelet.functional.paired import paired_nce
from kinelet.functional.precision import full_precision, unit
from kinelet.methods.base import Output
from kinelet.methods.moment_codes import ContrastConfig, Negatives, Together, Trained
from kinelet.methods.multimodal import Moments


class CMCConfig(ContrastConfig):
    """Configuration of :class:`CrossModal` whose encoders move."""


class InfoNCEConfig(ContrastConfig):
    """Configuration of :class:`CrossModal` on frozen encoders: only the heads learn."""

    freeze_encoder: bool = True


class CrossModal(Trained):
    """Symmetric InfoNCE between the shared parts of every two modalities, over the moments that have both.

    The loss is the mean over pairs of modalities of the mean over both directions. There is no private part: V is 0.

    Source: Tian et al. 2019 (CMC), arXiv 1906.05849, all pairs of views; negatives from the batch as in van den Oord
    et al. 2018, arXiv 1807.03748.
    """

    features: ClassVar[tuple[str, ...]] = ("u",)
    private: ClassVar[bool] = False

    def forward(self, batch: Moments) -> Output:  # type: ignore[override]
        """Loss of a batch; parts: ``accuracy`` (the partner is nearest) and ``rows`` that have two modalities."""
        u = self.part(self.encode(batch, self.augmented(batch)), "u")
        z = self.together(batch, u)
        loss = across(z, self.config.temperature, self.config.negatives)
        parts = {"accuracy": accuracy(z), "rows": z.paired.sum().float()}
        return {"loss": loss, "parts": parts, "embeddings": self.seen(batch, u)}

    @torch.no_grad()
    def diagnose(self, batch: Moments, generator: torch.Generator) -> dict[str, float]:
        """Loss and accuracy on pairs that are not trained on, of the windows as they are."""
        u = self.part(self.encode(batch, self.windows(batch)), "u")
        z = self.together(batch, u, alone=True)
        loss = across(z, self.config.temperature, self.config.negatives)
        return {"loss": float(loss), "accuracy": float(accuracy(z))}


def across(z: Together, temperature: float, negatives: Negatives) -> Tensor:
    """Mean over pairs of modalities of :func:`between`."""
    return between(z, temperature, negatives).mean()


def between(z: Together, temperature: float, negatives: Negatives) -> Tensor:
    """Find the other modality's code of the same moment, a mean over both directions.

    Returns:
        One loss for every two modalities, in the order of their names, each a mean over the rows that have both; one
        without any is an exact 0.
    """
    found = []
    for a, b in combinations(sorted(z.own), 2):
        both = z.valid[a] & z.valid[b]
        loss = paired_nce(
            z.own[a],
            z.own[b],
            temperature,
            valid=both[z.here],
            ignore=z.neighbours if negatives == "other" else None,
            all_q=z.all[a],
            all_k=z.all[b],
            all_valid=both,
            offset=z.here.start,
        )
        found.append(loss / 2)
    return torch.stack(found)


@torch.no_grad()
def accuracy(z: Together, names: Iterable[str] | None = None) -> Tensor:
    """Share of this process's pairs whose partner is the most similar of all rows, a mean over pairs of modalities."""
    found = []
    for a, b in combinations(sorted(z.own if names is None else names), 2):
        both = z.valid[a] & z.valid[b]
        with full_precision(z.own[a]):
            similar = (unit(z.own[a]) @ unit(z.all[b]).T).masked_fill(~both, -torch.inf)
        mine = torch.arange(z.here.start, z.here.stop, device=both.device)
        right = (similar.argmax(dim=1) == mine) & both[z.here]
        found.append(right.sum() / both[z.here].sum().clamp(min=1))
    return torch.stack(found).mean()
