"""A transformer over patches of a time-frequency image that leaves hidden patches out."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from torch import Tensor, nn

from kinelet.encoders.front import FrontConfig
from kinelet.encoders.image import ImageEncoder
from kinelet.encoders.patch_transformer import AttentionLayer
from kinelet.encoders.visible import Visible, visible
from kinelet.signal.spec import SignalSpec

PRESETS = {
    "tiny": {"width": 64, "depth": 4, "heads": 4, "code": 128},
    "small": {"width": 128, "depth": 4, "heads": 4, "code": 256},
}


class TFViTConfig(FrontConfig):
    """Configuration of :class:`TFViT`.

    Attributes:
        preset: ``tiny`` or ``small``; says what is not given.
        width: Width of the tokens.
        depth: Layers.
        heads: Attention heads; they divide ``width``.
        code: Width of the embedding.
    """

    preset: Literal["tiny", "small"] = "tiny"
    width: int = Field(default=64, ge=8, le=4096, multiple_of=4)
    depth: int = Field(default=4, ge=1, le=48)
    heads: int = Field(default=4, ge=1, le=64)
    code: int = Field(default=128, ge=1, le=65536)

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, given: object) -> object:
        preset = PRESETS.get(given.get("preset", "tiny")) if isinstance(given, dict) else None
        return {**preset, **given} if preset and isinstance(given, dict) else given

    @model_validator(mode="after")
    def _heads_divide(self) -> TFViTConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not divisible by heads {self.heads}")
        return self


class TFViT(ImageEncoder):
    """Patches of an image as tokens, their places, pre-norm transformer layers, mean over tokens, norm, linear map.

    Hidden patches are dropped before anything is computed from them: hiding three quarters leaves a quarter of the
    work.

    Source: Dosovitskiy et al. 2021, arXiv 2010.11929; dropped tokens of He et al. 2022 (MAE), arXiv 2111.06377,
    section 3; size and places are choices of kinelet.
    """

    def __init__(self, spec: SignalSpec, config: TFViTConfig) -> None:
        super().__init__(spec, config.code, config, config.model_dump(mode="json"))
        self.width = self.feature_dim = config.width
        values = self.front.planes * self.patch[0] * self.patch[1]
        self.embed_patch = nn.Linear(values, config.width)
        self.layers = nn.ModuleList(AttentionLayer(config.width, config.heads, 4) for _ in range(config.depth))
        self.norm, self.out = nn.LayerNorm(config.width), nn.Linear(config.width, config.code)

    def encode(self, image: Tensor, keep: Tensor | None = None) -> Tensor:
        """Map images to codes ``(batch, dim)``.

        Args:
            image: ``(batch, plane, interval, bin)``.
            keep: Patches that may be seen, ``(batch, patch)`` bool; the others are left out.

        Raises:
            BadOptionError: if ``keep`` is of another shape, or leaves nothing of an image.
        """
        if keep is None:
            grid = self.grid(image)
            tokens = self.embed_patch(grid.patches(image)) + grid.places(self.width, image)
            return self._code(self._mixed(tokens).mean(dim=1))
        return self.code_of(*self.look(image, keep))

    def look(self, image: Tensor, keep: Tensor) -> tuple[Tensor, Visible]:
        """Tokens ``(batch, count, width)`` of the patches that may be seen, after all layers, and which these are."""
        grid = self.grid(image)
        seen = visible(keep, len(image), grid.n)
        tokens = self.embed_patch(seen.take(grid.patches(image))) + grid.places(self.width, image)[seen.index]
        for layer in self.layers:
            tokens = layer(tokens, seen.bias)
        return tokens, seen

    def code_of(self, tokens: Tensor, seen: Visible) -> Tensor:
        """Codes ``(batch, dim)`` of what :meth:`look` gives."""
        return self._code(seen.mean(tokens))

    def features(self, x: Tensor) -> Tensor:
        """Map windows ``(batch, channel, time)`` to ``(batch, feature_dim, row)``, means over the patches of a row."""
        image = self.image(x)
        grid = self.grid(image)
        tokens = self._mixed(self.embed_patch(grid.patches(image)) + grid.places(self.width, image))
        return self.norm(tokens).unflatten(1, (grid.rows, grid.cols)).mean(dim=2).transpose(1, 2)  # type: ignore[no-any-return]

    def _mixed(self, tokens: Tensor) -> Tensor:
        for layer in self.layers:
            tokens = layer(tokens)
        return tokens

    def _code(self, pooled: Tensor) -> Tensor:
        return self.out(self.norm(pooled))  # type: ignore[no-any-return]
