"""One masked autoencoder for all modalities at once, from pairs alone: what alignment is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from kinelet.encoders.image import ImageEncoder
from kinelet.encoders.shared_private import SharedPrivate
from kinelet.functional.augment import Compose
from kinelet.methods.base import Output, sharded
from kinelet.methods.mae import MAEConfig, require_finite, require_image
from kinelet.methods.moment_codes import named_generators
from kinelet.methods.multimodal import Moments, MultimodalMethod, present_of, windows_of
from kinelet.methods.tf_decoder import PatchDecoder, decoder_for
from kinelet.methods.tf_masking import HiddenImage, hidden_patches


class JointMAEConfig(MAEConfig):
    """Configuration of :class:`JointMAE`: that of :class:`~kinelet.methods.mae.MAE`, for every modality."""


@dataclass(frozen=True)
class _Seen:
    """One modality of a batch.

    Attributes:
        rows: Rows that have it; one that does not, where none has, so that every weight has a gradient.
        count: 1 for each of these rows, 0 for the one that stands in.
        image: Their images, patches hidden.
    """

    rows: Tensor
    count: Tensor
    image: HiddenImage


class JointMAE(MultimodalMethod):
    """Hide patches of all modalities of a moment, and rebuild those of each from the codes of all.

    Encoders and decoders begin with fresh weights. The code of a modality that a moment lacks is 0. The loss is the
    mean over modalities of the mean over the windows that are there. Shared and private part are left alone: the code
    of each modality is what its encoder says.

    Source: He et al. 2022 (MAE), arXiv 2111.06377, with several encoders as in Bachmann et al. 2022 (MultiMAE),
    arXiv 2204.01678; the joint training that InfoMAE, arXiv 2504.09707, is compared with.
    """

    features: ClassVar[tuple[str, ...]] = ("backbone",)
    needs_unimodal: ClassVar[bool] = False
    config: JointMAEConfig

    def __init__(
        self,
        encoders: Mapping[str, SharedPrivate],
        config: JointMAEConfig,
        decoders: Mapping[str, PatchDecoder] | None = None,
    ) -> None:
        super().__init__(encoders, config)
        # In an order that does not depend on how they were named: so the fresh weights do not either.
        self.order = tuple(sorted(self.names))
        bases = {name: self.base(name) for name in self.order}
        dim = sum(base.dim for base in bases.values())
        shape = {"width": config.decoder_width, "depth": config.decoder_depth, "heads": config.decoder_heads}
        self.decoders = nn.ModuleDict({name: decoder_for(base, dim=dim, **shape) for name, base in bases.items()})
        self.augment = Compose(config.augmentations)
        for name in self.names:
            self.of(name).head_u.requires_grad_(False)
            self.of(name).head_v.requires_grad_(False)

    def base(self, name: str) -> ImageEncoder:
        """Encoder of a modality below its heads."""
        return require_image(self.of(name).base, "joint_mae")

    def forward(self, batch: Moments) -> Output:  # type: ignore[override]
        """Loss of a batch; parts: ``explained.NAME``, the share of each modality's hidden energy that is rebuilt."""
        drawn = named_generators(batch["generators"], self.order)
        seen = {name: self._hide(batch, name, drawn[name]) for name in self.order}
        code = torch.cat([self._code(name, seen[name], batch) for name in self.order], dim=1)
        everywhere = self.gather(present_of(batch).float())
        processes = len(everywhere) / len(code)
        losses, parts = [], {}
        for name, found in seen.items():
            i = self.names.index(name)
            rebuilt = self.decoders[name](code[found.rows], found.image.grid, found.image.hidden)
            errors = found.image.errors(rebuilt, self.config) * found.count
            losses.append(processes * errors.sum() / everywhere[:, i].sum().clamp(min=1))
            parts[f"explained.{name}"] = found.image.explained(rebuilt, errors, self.config) * found.count[0]
        return {"loss": torch.stack(losses).mean(), "parts": parts, "embeddings": code.detach()}

    @torch.no_grad()
    def diagnose(self, batch: Any, generator: torch.Generator) -> dict[str, float]:
        """Loss, and what is rebuilt, on pairs that are not trained on."""
        gather, self.gather = self.gather, lambda z: z
        try:
            out = self({**batch, "generators": [generator]})
        finally:
            self.gather = gather
        return {"loss": float(out["loss"]), **{name: float(part) for name, part in out["parts"].items()}}

    def _hide(self, batch: Moments, name: str, generators: list[torch.Generator]) -> _Seen:
        there = present_of(batch)[:, self.names.index(name)]
        encoder, rows = self.base(name), there.nonzero()[:, 0]
        windows = torch.where(there[:, None, None], windows_of(batch, name), 0)
        require_finite(windows, f"joint_mae, modality {name}")
        count = torch.ones(max(len(rows), 1), device=rows.device) * bool(len(rows))
        rows = rows if len(rows) else torch.zeros(1, dtype=torch.long, device=rows.device)
        with torch.no_grad():
            image = encoder.image(sharded(self.augment, windows, generators)[rows])
        grid = encoder.grid(image)
        # Drawn for all rows: what one row lacks does not change what another hides.
        hidden = hidden_patches(encoder, grid, self.config, len(there), generators)
        return _Seen(rows, count, HiddenImage(image, grid, hidden[rows]))

    def _code(self, name: str, seen: _Seen, batch: Moments) -> Tensor:
        """Codes ``(batch, dim)`` of what is visible, 0 where the modality is absent."""
        code = self.base(name).encode(seen.image.image, ~seen.image.hidden) * seen.count[:, None]
        return code.new_zeros(len(present_of(batch)), code.shape[1]).index_copy(0, seen.rows, code)
