"""Masked autoencoder on time-frequency images: most patches are hidden and rebuilt from the code of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor

from kinelet.encoders.base import Encoder
from kinelet.encoders.image import ImageEncoder
from kinelet.encoders.tf_vit import TFViT
from kinelet.errors import BadOptionError
from kinelet.functional.augment import AnyAugmentation, Compose, augmentations
from kinelet.functional.masking import MaskMode
from kinelet.methods.base import Batch, Method, MethodConfig, Output, sharded
from kinelet.methods.tf_decoder import PatchDecoder, TokenDecoder, decoder_for, save_decoder, token_decoder_for
from kinelet.methods.tf_masking import HiddenImage, hide

Rows = Annotated[int, Field(ge=1, le=1024)]


class MAEConfig(MethodConfig):
    """Configuration of :class:`MAE`.

    Attributes:
        ratio: Share of the patches that is hidden.
        mode: See :func:`kinelet.functional.masking.hide_patches`.
        block: Patches over time and over frequency that a block hides.
        target: ``patch``: each patch is freed of its mean and spread; ``image``: patches as the encoder sees them.
        weighting: Squared errors count alike (``flat``), or the less the higher their frequency (``falling``).
        augmentations: Preset name, or list of augmentations, of the windows.
        decoder: ``vector``: patches are rebuilt from one code a window, which is what alignment needs; ``tokens``: from
            the visible tokens too, with encoder ``tf_vit``; nothing is kept of it then.
        decoder_width: Width of the decoder's tokens.
        decoder_depth: Its transformer blocks.
        decoder_heads: Its attention heads.
    """

    ratio: float = Field(default=0.75, gt=0, lt=1)
    mode: MaskMode = "block"
    block: tuple[Rows, Rows] = (2, 3)
    target: Literal["patch", "image"] = "patch"
    weighting: Literal["flat", "falling"] = "flat"
    augmentations: tuple[AnyAugmentation, ...] = Field(default="focal", validate_default=True)
    decoder: Literal["vector", "tokens"] = "vector"
    decoder_width: int = Field(default=64, ge=8, le=4096, multiple_of=4)
    decoder_depth: int = Field(default=2, ge=0, le=24)
    decoder_heads: int = Field(default=4, ge=1, le=64)

    @field_validator("augmentations", mode="before")
    @classmethod
    def _preset(cls, value: Any) -> Any:
        return augmentations(value) if isinstance(value, str) else value


class MAE(Method):
    """Hide most patches of a window's image, and rebuild them from the code of those that are left.

    The encoder never sees what is hidden; the decoder sees one code a window, which therefore has to hold what the
    window is about. The error counts hidden patches alone.

    Attributes:
        decoder: From codes to patches; kept beside the encoder.

    Source: InfoMAE, arXiv 2504.09707, stage 1 and equation 3; He et al. 2022 (MAE), arXiv 2111.06377.
    """

    config: MAEConfig
    encoder: ImageEncoder
    decoder: PatchDecoder

    def __init__(self, encoder: Encoder, config: MAEConfig) -> None:
        super().__init__(require_image(encoder, "mae"), config)
        shape = {"width": config.decoder_width, "depth": config.decoder_depth, "heads": config.decoder_heads}
        if config.decoder == "vector":
            self.decoder = decoder_for(self.encoder, **shape)
        else:
            self.decoder = token_decoder_for(_require_tokens(self.encoder), **shape)
        self.augment = Compose(config.augmentations)

    def forward(self, batch: Batch) -> Output:
        """Loss of a batch; part ``explained``: share of the energy of hidden patches that is rebuilt."""
        x, generators = batch["x"], batch["generators"]
        require_finite(x, "mae")
        with torch.no_grad():
            image = self.encoder.image(sharded(self.augment, x, generators))
        seen = hide(self.encoder, image, self.config, generators)
        code, rebuilt = self._rebuild(seen)
        errors = seen.errors(rebuilt, self.config)
        parts = {"explained": seen.explained(rebuilt, errors, self.config)}
        return {"loss": errors.mean(), "parts": parts, "embeddings": code.detach()}

    def keep(self, folder: Path) -> None:
        """Write the decoder into ``decoder`` beside the encoder: alignment begins with it."""
        if self.config.decoder == "vector":
            save_decoder(self.decoder.cpu(), folder / "decoder")

    def _rebuild(self, seen: HiddenImage) -> tuple[Tensor, Tensor]:
        """Codes ``(batch, dim)`` of what is visible, and patches ``(batch, patch, value)``."""
        if isinstance(self.encoder, TFViT) and isinstance(self.decoder, TokenDecoder):
            tokens, visible = self.encoder.look(seen.image, ~seen.hidden)
            code = self.encoder.code_of(tokens, visible)
            return code, self.decoder.fill(code, seen.grid, tokens, visible)
        code = self.encoder.encode(seen.image, ~seen.hidden)
        return code, self.decoder(code, seen.grid, seen.hidden)


def require_image(encoder: Encoder, method: str) -> ImageEncoder:
    """Give the encoder back.

    Raises:
        BadOptionError: if it does not look at images whose patches can be hidden.
    """
    if not isinstance(encoder, ImageEncoder):
        raise BadOptionError(
            f"encoder {encoder.name or type(encoder).__name__!r} sees no time-frequency image to hide patches of",
            where=f"method {method}",
            remedy="Choose encoder.name=tf_vit, conv_gru or swin; the method masked takes other encoders",
        )
    return encoder


def _require_tokens(encoder: ImageEncoder) -> TFViT:
    if not isinstance(encoder, TFViT):
        raise BadOptionError(
            f"encoder {encoder.name!r} has no tokens of visible patches",
            where="method mae",
            remedy="Use method_options.decoder=vector, or encoder.name=tf_vit",
        )
    return encoder


def require_finite(x: Tensor, method: str) -> None:
    """Raise where a window holds a value that is no number.

    Raises:
        BadOptionError: saying in how many windows.
    """
    broken = ~torch.isfinite(x).flatten(1).all(dim=1)
    if bool(broken.any()):
        raise BadOptionError(
            f"{int(broken.sum())} of {len(x)} windows hold values that are not finite",
            where=f"method {method}",
            remedy="Build the corpus anew: gaps are cut out there",
        )
