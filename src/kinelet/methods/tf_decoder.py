"""From a code back to the patches of an image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from kinelet.config import FrozenModel, validate
from kinelet.encoders.bundle import WEIGHTS, Described, compare, read_bundle, read_weights, write_bundle
from kinelet.encoders.grid import Grid
from kinelet.encoders.image import ImageEncoder
from kinelet.encoders.patch_transformer import AttentionLayer
from kinelet.encoders.tf_vit import TFViT
from kinelet.encoders.visible import Visible, visible
from kinelet.signal.spec import SignalSpec


class PatchDecoderConfig(FrozenModel):
    """Configuration of :class:`PatchDecoder`.

    Attributes:
        dim: Width of the code.
        values: Values of a patch, padding included.
        width: Width of the tokens.
        depth: Transformer blocks.
        heads: Attention heads; they divide ``width``.
    """

    dim: int = Field(ge=1, le=65536)
    values: int = Field(ge=1, le=1 << 20)
    width: int = Field(default=64, ge=8, le=4096, multiple_of=4)
    depth: int = Field(default=2, ge=0, le=24)
    heads: int = Field(default=4, ge=1, le=64)

    @model_validator(mode="after")
    def _heads_divide(self) -> PatchDecoderConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not divisible by heads {self.heads}")
        return self


class PatchDecoder(nn.Module):
    """Rebuilds the patches of a time-frequency image from one code.

    The code, brought to the width of tokens, is added to a code for each place of the grid; transformer blocks and a
    linear layer make patches of them. Places are told by row and column, so that grids of any size can be rebuilt.

    Attributes:
        spec: The signal whose images are rebuilt.
        config: Keyword arguments that build the same network again.
        card: Facts that travel with the weights.

    Source: He et al. 2022 (MAE), arXiv 2111.06377, section 3 (light decoder of transformer blocks); one vector between
    encoder and decoder as in InfoMAE, arXiv 2504.09707, equation 3.
    """

    def __init__(self, spec: SignalSpec, config: PatchDecoderConfig) -> None:
        super().__init__()
        self.spec, self.config = spec, config.model_dump(mode="json")
        self.card: dict[str, Any] = {}
        self.width = config.width
        self.into = nn.Linear(config.dim, config.width)
        self.blocks = nn.ModuleList(AttentionLayer(config.width, config.heads, 4) for _ in range(config.depth))
        self.norm, self.out = nn.LayerNorm(config.width), nn.Linear(config.width, config.values)

    def forward(self, code: Tensor, grid: Grid, only: Tensor | None = None) -> Tensor:
        """Rebuild the patches ``(batch, patch, value)`` of a grid from codes ``(batch, dim)``.

        Args:
            code: Codes.
            grid: Grid of the images.
            only: Patches that are rebuilt, ``(batch, patch)`` bool; nothing is computed for the others, which come
                out as 0. ``None``: all.
        """
        places = grid.places(self.width, code)
        if only is None:
            return self.rebuild(self.into(code)[:, None] + places)
        asked = visible(only, len(code), grid.n)
        patches = self.rebuild(self.into(code)[:, None] + places[asked.index], asked)
        nothing = patches.new_zeros(len(code), grid.n, grid.values)
        return nothing.scatter(1, _spread(asked, patches), patches)

    def rebuild(self, tokens: Tensor, asked: Visible | None = None) -> Tensor:
        """Patches ``(batch, patch, value)`` from tokens ``(batch, patch, width)`` that know their place."""
        for block in self.blocks:
            tokens = block(tokens, asked.bias if asked else None)
        patches: Tensor = self.out(self.norm(tokens))
        return patches if asked is None or asked.here is None else patches.masked_fill(~asked.here[..., None], 0)


class TokenDecoder(PatchDecoder):
    """A decoder that sees the encoder's visible tokens beside the code, which stands at the hidden places.

    It asks less of the code than :class:`PatchDecoder` does, and is of no use where there is nothing but a code.

    Source: He et al. 2022 (MAE), arXiv 2111.06377, section 3; the code takes the place of the mask token.
    """

    def __init__(self, spec: SignalSpec, config: PatchDecoderConfig, token_width: int) -> None:
        super().__init__(spec, config)
        self.from_token = nn.Linear(token_width, config.width)

    def fill(self, code: Tensor, grid: Grid, tokens: Tensor, seen: Visible) -> Tensor:
        """Rebuild all patches ``(batch, patch, value)``.

        Args:
            code: Codes ``(batch, dim)``.
            grid: Grid of the images.
            tokens: Tokens of what was visible, ``(batch, count, token width)``.
            seen: Which patches these are.
        """
        places = grid.places(self.width, code)
        hidden = self.into(code)[:, None] + places
        known = self.from_token(tokens).to(hidden.dtype) + places[seen.index]
        if seen.here is not None:
            known = torch.where(seen.here[..., None], known, hidden.gather(1, _spread(seen, known)))
        return self.rebuild(hidden.scatter(1, _spread(seen, known), known))


def _spread(seen: Visible, like: Tensor) -> Tensor:
    return seen.index[:, :, None].expand_as(like)


class PatchDecoderFile(Described):
    """What ``config.json`` holds, beside what :class:`~kinelet.encoders.bundle.Described` has.

    Attributes:
        format: Says what the file is.
        config: Configuration of the decoder.
    """

    format: Literal["kinelet-decoder"] = "kinelet-decoder"
    config: PatchDecoderConfig


def decoder_for(encoder: ImageEncoder, *, dim: int | None = None, **options: Any) -> PatchDecoder:
    """A fresh decoder for the images of an encoder.

    Args:
        encoder: Whose images are rebuilt.
        dim: Width of the code, that of the encoder unless given.
        options: ``width``, ``depth`` and ``heads`` of :class:`PatchDecoderConfig`.

    Raises:
        BadOptionError: if an option makes no sense.
    """
    return PatchDecoder(encoder.spec, _config(encoder, encoder.dim if dim is None else dim, options))


def token_decoder_for(encoder: TFViT, **options: Any) -> TokenDecoder:
    """A fresh decoder that sees visible tokens; see :func:`decoder_for`."""
    return TokenDecoder(encoder.spec, _config(encoder, encoder.dim, options), encoder.width)


def _config(encoder: ImageEncoder, dim: int, options: Mapping[str, Any]) -> PatchDecoderConfig:
    given = {"dim": dim, "values": grid_of(encoder).values, **options}
    return validate(PatchDecoderConfig, given, where="decoder")


def grid_of(encoder: ImageEncoder) -> Grid:
    """Grid of an encoder's windows; of the shortest that it takes where their length is open."""
    samples = max(encoder.spec.window_samples or 0, encoder.min_samples)
    x = torch.zeros(1, len(encoder.spec.channels), samples, device=encoder.front.scale.device)
    with torch.no_grad():
        return encoder.grid(encoder.image(x))


def save_decoder(decoder: PatchDecoder, folder: str | Path) -> Path:
    """Write a decoder into a folder of its own and return the folder.

    Raises:
        BadOptionError: if its card is not plain data.
    """
    described = {"config": decoder.config, "spec": decoder.spec, "card": decoder.card}
    told = ", ".join(f"{key} {value}" for key, value in decoder.config.items())
    text = f"# Decoder\n\nFrom codes to patches of time-frequency images: {told}.\n"
    return write_bundle(Path(folder), decoder, PatchDecoderFile, described, text)


def load_decoder(folder: str | Path) -> PatchDecoder:
    """Load what :func:`save_decoder` wrote, on the CPU.

    Raises:
        BadFileError: if a file is absent, damaged, or does not fit the network it describes.
    """
    folder = Path(folder)
    described = read_bundle(folder, PatchDecoderFile)
    with torch.device("meta"):
        outline = PatchDecoder(described.spec, described.config)
    compare(folder / WEIGHTS, outline, described.weights_sha256)
    decoder = PatchDecoder(described.spec, described.config)
    decoder.load_state_dict(read_weights(folder / WEIGHTS))
    decoder.card = described.card
    return decoder
