"""FOCAL: shared parts agree across modalities, private parts across views, and the two are orthogonal."""

from __future__ import annotations

from itertools import combinations
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from kinelet.functional.sequences import instance_contrast, orthogonality, temporal_hinge
from kinelet.methods.base import Output
from kinelet.methods.cross_modal import accuracy, between
from kinelet.methods.moment_codes import ContrastConfig, Together, Trained
from kinelet.methods.multimodal import Moments

Weight = Annotated[float, Field(ge=0, le=1e6)]


class FocalConfig(ContrastConfig):
    """Configuration of :class:`Focal`; what weighs nothing is not computed.

    Attributes:
        shared: Weight of the contrast of shared parts across modalities.
        private: Weight of the contrast of private parts across views.
        orthogonal: Weight of the squared cosine of shared and private part, and of private parts of two modalities.
        temporal: Weight of the locality in time.
        margin: By which windows of other sequences are to be farther.
    """

    temperature: float = Field(default=0.07, gt=0, le=10)
    shared: Weight = 1.0
    private: Weight = 1.0
    orthogonal: Weight = 3.0
    temporal: Weight = 5.0
    margin: float = Field(default=1.0, ge=0)


class Focal(Trained):
    """Factorised contrast of two random views of each moment.

    Each term is a sum over modalities, or pairs of them, and over both views, as the published weights take it. The
    cosine is squared: what is published charges parallel parts and lets opposed ones go. The two heads stand for the
    halves into which the published method splits one projection.

    Source: Liu et al. 2023, arXiv 2310.20071, section 3.
    """

    features: ClassVar[tuple[str, ...]] = ("u", "v")
    config: FocalConfig

    def forward(self, batch: Moments) -> Output:  # type: ignore[override]
        """Loss of a batch.

        Parts: ``shared``, ``private``, ``orthogonal`` and ``temporal`` before weighting, ``accuracy`` of finding the
        other modality's shared part, and ``rows`` that have two modalities.
        """
        views = [self.encode(batch, self.augmented(batch)) for _ in range(2)]
        u = [self.together(batch, self.part(codes, "u")) for codes in views]
        v = [self.together(batch, self.part(codes, "v")) for codes in views]
        terms = self._terms(u, v)
        weights = {name: getattr(self.config, name) for name in terms}
        loss = torch.stack([weights[name] * value for name, value in terms.items()]).sum()
        parts = {name: value.detach() for name, value in terms.items()}
        parts |= {"accuracy": accuracy(u[0]), "rows": u[0].paired.sum().float()}
        return {"loss": loss, "parts": parts, "embeddings": self.seen(batch, dict(u[0].own))}

    @torch.no_grad()
    def diagnose(self, batch: Moments, generator: torch.Generator) -> dict[str, float]:
        """Accuracy, and the terms that need no second view, on pairs that are not trained on."""
        codes = self.encode(batch, self.windows(batch))
        u, v = (self.together(batch, self.part(codes, part), alone=True) for part in ("u", "v"))
        told = {"shared": self._shared(u), "orthogonal": parted(u, v), "accuracy": accuracy(u)}
        return {name: float(value) for name, value in told.items()}

    def _terms(self, u: list[Together], v: list[Together]) -> dict[str, Tensor]:
        """Those that weigh something, each over both views."""
        told, found = self.config, {}
        if told.shared:
            found["shared"] = self._shared(u[0]) + self._shared(u[1])
        if told.private:
            found["private"] = self._private(v[0], v[1])
        if told.orthogonal:
            found["orthogonal"] = parted(u[0], v[0]) + parted(u[1], v[1])
        if told.temporal:
            found["temporal"] = self._temporal(u[0], v[0]) + self._temporal(u[1], v[1])
        return found

    def _shared(self, u: Together) -> Tensor:
        return between(u, self.config.temperature, self.config.negatives).sum()

    def _private(self, one: Together, other: Together) -> Tensor:
        found = [
            instance_contrast(
                one.all[name],
                other.all[name],
                one.sequence,
                self.config.temperature,
                valid=one.valid[name],
                negatives=self.config.negatives,
            )
            for name in sorted(one.all)
        ]
        return torch.stack(found).sum()

    def _temporal(self, u: Together, v: Together) -> Tensor:
        """Hinge on both parts together."""
        found = [
            temporal_hinge(
                torch.cat([u.all[name], v.all[name]], dim=1), u.sequence, self.config.margin, valid=u.valid[name]
            )
            for name in sorted(u.all)
        ]
        return torch.stack(found).sum()


def parted(u: Together, v: Together) -> Tensor:
    """Squared cosines: shared with private part of each modality, and private parts of every two; a sum of means."""
    names = sorted(u.all)
    own = [orthogonality(u.all[n], v.all[n], valid=u.valid[n]) for n in names]
    two = [orthogonality(v.all[a], v.all[b], valid=v.valid[a] & v.valid[b]) for a, b in combinations(names, 2)]
    return torch.stack([*own, *two]).sum()
