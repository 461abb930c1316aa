"""GMC: the code of each modality agrees with a joint code of the whole moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from kinelet.encoders.shared_private import SharedPrivate
from kinelet.functional.sequences import instance_contrast
from kinelet.methods.base import Output
from kinelet.methods.cross_modal import accuracy
from kinelet.methods.moment_codes import ContrastConfig, Together, Trained
from kinelet.methods.multimodal import Moments
from kinelet.methods.tf_decoder import PatchDecoder

#: Name under which the joint code stands beside those of modalities.
JOINT = "+"


class GMCConfig(ContrastConfig):
    """Configuration of :class:`GMC`."""

    temperature: float = Field(default=0.5, gt=0, le=10)


class GMC(Trained):
    """Contrast each modality's shared part with a joint code that is made from all modalities of the moment.

    The joint code is a small network on the codes of all encoders, 0 for those that are absent; it is thrown away.
    Moments with a single modality take no part: their joint code would tell nothing else. There is no private part.

    Source: Poklukar et al. 2022, arXiv 2202.03390, equations 2 and 3; the mean over modalities in the place of a sum.
    """

    features: ClassVar[tuple[str, ...]] = ("u",)
    private: ClassVar[bool] = False
    config: GMCConfig

    def __init__(
        self,
        encoders: Mapping[str, SharedPrivate],
        config: GMCConfig,
        decoders: Mapping[str, PatchDecoder] | None = None,
    ) -> None:
        super().__init__(encoders, config, decoders)
        whole, width = sum(e.base.dim for e in encoders.values()), self.of(self.names[0]).width
        self.joint = nn.Sequential(nn.Linear(whole, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, batch: Moments) -> Output:  # type: ignore[override]
        """Loss of a batch; parts: ``accuracy`` of finding each other's code, and ``rows`` that have two modalities."""
        u, z = self._codes(batch, augment=True)
        parts = {"accuracy": accuracy(z, self.names), "rows": z.paired.sum().float()}
        return {"loss": self._loss(z), "parts": parts, "embeddings": self.seen(batch, u)}

    @torch.no_grad()
    def diagnose(self, batch: Moments, generator: torch.Generator) -> dict[str, float]:
        """Loss and accuracy on pairs that are not trained on, of the windows as they are."""
        _, z = self._codes(batch, augment=False)
        return {"loss": float(self._loss(z)), "accuracy": float(accuracy(z, self.names))}

    def _codes(self, batch: Moments, *, augment: bool) -> tuple[dict[str, Tensor], Together]:
        codes = self.encode(batch, self.augmented(batch) if augment else self.windows(batch))
        u = self.part(codes, "u")
        joint = self.joint(torch.cat([codes[name] for name in sorted(codes)], dim=1))
        return u, self.together(batch, {**u, JOINT: joint}, alone=not augment)

    def _loss(self, z: Together) -> Tensor:
        """Mean over modalities, on the rows of all processes."""
        told = self.config
        found = [
            instance_contrast(
                z.all[name],
                z.all[JOINT],
                z.sequence,
                told.temperature,
                valid=z.valid[name] & z.paired,
                negatives=told.negatives,
            )
            for name in sorted(self.names)
        ]
        return torch.stack(found).mean()
