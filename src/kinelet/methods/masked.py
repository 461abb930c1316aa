"""Masked reconstruction: hide spans of time, fill them in from what is left."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from kinelet.encoders.base import DenseEncoder, Encoder, TokenEncoder
from kinelet.encoders.image import ImageEncoder
from kinelet.encoders.shared_private import SharedPrivate
from kinelet.errors import BadOptionError
from kinelet.functional.draws import uniform
from kinelet.functional.losses import masked_mse
from kinelet.methods.base import Batch, Method, MethodConfig, Output, sharded


class MaskedConfig(MethodConfig):
    """Configuration of :class:`Masked`.

    Attributes:
        fraction: Share of each window that is hidden, rounded to whole spans (at least one is hidden, one kept).
        span_s: Length of a span in seconds, rounded up to whole patches of an encoder with tokens.
        hide: Hide the same ``time`` in all channels, or other times in every ``channel``.
        target: Rebuild each channel of a ``window`` freed of its mean and spread, or the ``raw`` signal.
        spread_floor: Smallest spread divided by, in units of the signal, so that still windows stay still.
        decoder_width: Channels of the decoder after an encoder without tokens.
    """

    fraction: float = Field(default=0.5, gt=0, lt=1)
    span_s: float = Field(default=0.4, gt=0, le=3600)
    hide: Literal["time", "channel"] = "time"
    target: Literal["window", "raw"] = "window"
    spread_floor: float = Field(default=0.05, gt=0)
    decoder_width: int = Field(default=64, ge=1, le=4096)


class Masked(Method):
    """Rebuild hidden spans of a window from the rest; the loss counts hidden samples only.

    Encoders with tokens see a learned token in place of hidden ones, and a linear layer reads the samples back.
    Other encoders see each channel's mean over what is left, and a small convolutional decoder rebuilds. The decoder
    is light on purpose: what it cannot do the encoder must.

    Source: He et al. 2022 (MAE), arXiv 2111.06377, section 3 (loss on hidden parts, normalised targets), with hidden
    parts kept in the encoder as in Xie et al. 2022 (SimMIM), arXiv 2111.09886; on motion signals, Haresamudram et al.
    2020, "Masked reconstruction based self-supervision for human activity recognition".
    """

    config: MaskedConfig
    encoder: DenseEncoder

    def __init__(self, encoder: Encoder, config: MaskedConfig) -> None:
        if isinstance(encoder, ImageEncoder | SharedPrivate):
            raise BadOptionError(
                f"encoder {encoder.name!r} has layers after its maps over time, which would learn nothing",
                where="method masked",
                remedy="Use method mae, which hides patches of its image, or an encoder such as resnet1d_small",
            )
        if not isinstance(encoder, DenseEncoder):
            raise BadOptionError(
                f"encoder {encoder.name or type(encoder).__name__!r} has no features over time to rebuild from",
                where="method masked",
                remedy="Choose an encoder such as resnet1d_small or patch_transformer",
            )
        super().__init__(encoder, config)
        channels = len(encoder.spec.channels)
        self.by_token = isinstance(encoder, TokenEncoder)
        self.unit = encoder.patch if isinstance(encoder, TokenEncoder) else 1
        self.span = max(1, -(-round(config.span_s * encoder.spec.rate_hz) // self.unit))
        hides_tokens = self.by_token and config.hide == "time"
        self.mask_token = nn.Parameter(0.02 * torch.randn(encoder.feature_dim)) if hides_tokens else None
        self.decoder: nn.Module = (
            nn.Linear(encoder.feature_dim, channels * self.unit)
            if self.by_token
            else ConvDecoder(encoder.feature_dim, config.decoder_width, channels)
        )

    def forward(self, batch: Batch) -> Output:
        """Loss of a batch; part ``explained``: share of the target's energy in hidden spans that is rebuilt."""
        x = batch["x"]
        hidden = sharded(self.draw, x, batch["generators"])
        maps = self._encode(x, hidden)
        target = self._target(x)
        loss = masked_mse(self._decode(maps, x), target, hidden)
        energy = masked_mse(torch.zeros_like(target), target, hidden)
        explained = 1 - loss.detach() / energy.clamp(min=1e-12)
        return {"loss": loss, "parts": {"explained": explained}, "embeddings": maps.detach().mean(dim=2)}

    def draw(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Draw what is hidden: boolean ``(batch, 1, time)``, or ``(batch, channel, time)`` with ``hide="channel"``.

        Every row hides the same number of samples, so that the mean over processes is the mean over all rows.

        Raises:
            BadOptionError: if a window holds fewer than two spans.
        """
        batch, channels, time = x.shape
        rows = batch * (channels if self.config.hide == "channel" else 1)
        units = time // self.unit
        cells = units // self.span
        if cells < 2:
            raise BadOptionError(
                f"windows of {time} samples hold {cells} spans of {self.span * self.unit}",
                where="method masked",
                remedy="Lower method_options.span_s, or take longer windows",
            )
        count = min(max(round(self.config.fraction * cells), 1), cells - 1)
        chosen = uniform(x, generator, rows, cells).argsort(dim=1) < count
        # Spans lie on a grid that starts anywhere and runs around the end of the window.
        phase = (uniform(x, generator, rows, 1) * units).long()
        cell = ((torch.arange(units, device=x.device) + phase) % units).div(self.span, rounding_mode="floor")
        hidden = (cell < cells) & chosen.gather(1, cell.clamp(max=cells - 1))
        hidden = hidden.repeat_interleave(self.unit, dim=1)
        return functional.pad(hidden, (0, time - hidden.shape[1])).reshape(batch, -1, time)

    def _encode(self, x: Tensor, hidden: Tensor) -> Tensor:
        """Maps ``(batch, feature_dim, step)`` of what is not hidden."""
        if isinstance(self.encoder, TokenEncoder) and self.mask_token is not None:
            tokens = self.encoder.tokenise(x)
            gone = hidden[:, 0, :: self.unit, None]
            return self.encoder.mix(torch.where(gone, self.mask_token.to(tokens.dtype), tokens)).transpose(1, 2)
        left = (~hidden).expand_as(x)
        mean = (x * left).sum(dim=2, keepdim=True) / left.sum(dim=2, keepdim=True).clamp(min=1)
        return self.encoder.features(torch.where(left, x, mean))

    def _decode(self, maps: Tensor, x: Tensor) -> Tensor:
        """Rebuild ``(batch, channel, time)`` from maps."""
        _, channels, time = x.shape
        if not self.by_token:
            return self.decoder(maps, time)  # type: ignore[no-any-return]
        patches = self.decoder(maps.transpose(1, 2)).reshape(len(maps), maps.shape[2], channels, self.unit)
        return patches.transpose(1, 2).flatten(2)[:, :, :time]  # type: ignore[no-any-return]

    def _target(self, x: Tensor) -> Tensor:
        if self.config.target == "raw":
            return x
        spread = x.std(dim=2, keepdim=True, correction=0).clamp(min=self.config.spread_floor)
        return (x - x.mean(dim=2, keepdim=True)) / spread


class ConvDecoder(nn.Module):
    """A convolution on the encoder's steps, linear interpolation to samples, and another convolution."""

    def __init__(self, dim: int, width: int, channels: int) -> None:
        super().__init__()
        self.narrow, self.out = nn.Conv1d(dim, width, 1), nn.Conv1d(width, channels, 7, padding=3)

    def forward(self, maps: Tensor, time: int) -> Tensor:
        """Turn maps ``(batch, dim, step)`` into a signal ``(batch, channels, time)``."""
        wide = functional.interpolate(functional.gelu(self.narrow(maps)), size=time, mode="linear")
        return self.out(wide)  # type: ignore[no-any-return]
