"""SimCLR: two augmented views of a window attract, views of other windows repel."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor

from kinelet.encoders.base import Encoder
from kinelet.encoders.stacked_rnn import warn_cancelled
from kinelet.functional.augment import AnyAugmentation, Compose, augmentations
from kinelet.functional.augment_time import crop
from kinelet.functional.losses import nt_xent
from kinelet.methods.base import Batch, Method, MethodConfig, Output, sharded
from kinelet.methods.heads import HeadNorm, projector

Width = Annotated[int, Field(ge=1, le=65536)]


class SimCLRConfig(MethodConfig):
    """Configuration of :class:`SimCLR`.

    Attributes:
        temperature: Of the loss.
        projector: Widths of the projection head's layers.
        projector_norm: Norm between them.
        augmentations: Preset name, or list of augmentations, of the first view.
        second_view: The same for the second view; ``None`` for the same as the first.
        view_s: Each view is a part of the window of this many seconds, each at its own random place; ``None`` takes
            the whole window. With it, the preset ``uncropped`` avoids cropping twice.
        view_speed: Parts are read up to this much faster or slower.
        negatives: ``all`` windows of the batch, or those of the same ``part`` of a union: telling data sets apart is
            easy (sensor, site, habit) and teaches little.
    """

    temperature: float = Field(default=0.1, gt=0, le=10)
    projector: tuple[Width, ...] = Field(default=(128, 64), min_length=1, max_length=8)
    projector_norm: HeadNorm = "batch"
    augmentations: tuple[AnyAugmentation, ...] = Field(default="standard", validate_default=True)
    second_view: tuple[AnyAugmentation, ...] | None = None
    view_s: float | None = Field(default=None, gt=0)
    view_speed: float = Field(default=1.0, ge=1, le=10)
    negatives: Literal["all", "part"] = "all"

    @field_validator("augmentations", "second_view", mode="before")
    @classmethod
    def _preset(cls, value: Any) -> Any:
        return augmentations(value) if isinstance(value, str) else value


class SimCLR(Method):
    """Contrast two random views of each window by NT-Xent on a projection head.

    Source: Chen et al. 2020, arXiv 2002.05709, algorithm 1; for motion sensors, Tang et al. 2020, arXiv 2011.11542.
    """

    config: SimCLRConfig

    def __init__(self, encoder: Encoder, config: SimCLRConfig) -> None:
        super().__init__(encoder, config)
        self.projector = projector(encoder.dim, config.projector, config.projector_norm)
        second = config.augmentations if config.second_view is None else config.second_view
        warn_cancelled((*config.augmentations, *second), encoder)
        self.views = Compose(config.augmentations), Compose(second)

    def forward(self, batch: Batch) -> Output:
        """Loss of a batch; parts: ``accuracy`` (partner is nearest) and ``positive`` (cosine with it).

        Both views pass through the encoder in one call, so that batch statistics are theirs together.
        """
        x, generators = batch["x"], batch["generators"]
        # All of a shard's randomness comes from its own generator: first view, then second.
        v0 = sharded(partial(self._view, self.views[0]), x, generators)
        v1 = sharded(partial(self._view, self.views[1]), x, generators)
        h = self.encoder(torch.cat([v0, v1]))
        z0, z1 = self.projector(h).chunk(2)
        all0, all1 = self.gather(z0), self.gather(z1)
        group = all_group = None
        if self.config.negatives == "part":
            group, all_group = batch["part"], self.gather(batch["part"].float()).long()
        loss = nt_xent(
            z0,
            z1,
            self.config.temperature,
            all_z0=all0,
            all_z1=all1,
            offset=self.rank_offset,
            group=group,
            all_group=all_group,
        )
        parts = _indicators(z0.detach(), z1.detach())
        return {"loss": loss, "parts": parts, "embeddings": h.detach()[: len(x)]}

    def _view(self, augment: Compose, x: Tensor, generator: torch.Generator) -> Tensor:
        if self.config.view_s is not None:
            samples = round(self.config.view_s * self.encoder.spec.rate_hz)
            x = crop(x, generator, samples=samples, max_speed=self.config.view_speed)
        return augment(x, generator)


def _indicators(z0: Tensor, z1: Tensor) -> dict[str, Tensor]:
    a, b = (torch.nn.functional.normalize(z.float(), dim=1) for z in (z0, z1))
    similarity = a @ b.T
    nearest = similarity.argmax(dim=1) == torch.arange(len(a), device=a.device)
    return {"accuracy": nearest.float().mean(), "positive": similarity.diagonal().mean()}
