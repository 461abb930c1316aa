"""An encoder whose output is split into what other modalities know too and what only this one knows."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional

from kinelet.config import FrozenModel, validate
from kinelet.encoders.base import DenseEncoder, Encoder
from kinelet.encoders.headed import BACKBONE
from kinelet.encoders.registry import build, encoder_info
from kinelet.errors import BadOptionError
from kinelet.signal.spec import SignalSpec

Part = Literal["uv", "u", "v", "backbone"]
PARTS: tuple[str, ...] = (BACKBONE, "u", "v", "uv")


class SharedPrivateConfig(FrozenModel):
    """Configuration of :class:`SharedPrivate`.

    Attributes:
        base: Registry name of the encoder below.
        base_config: Its configuration.
        width: Width of the shared and of the private part.
        depth: Layers of each head: two as published, or one linear map.
        norm: ``layer``: both parts are normalised, without weights of their own; ``none``: they are not.
        output: Part that is the embedding: ``u`` (shared), ``v`` (private), ``uv``, or ``backbone``.
    """

    base: str = "tf_vit"
    base_config: dict[str, Any] = Field(default_factory=dict)
    width: int = Field(default=128, ge=1, le=65536)
    depth: Literal[1, 2] = 2
    norm: Literal["layer", "none"] = "layer"
    output: Part = "uv"

    @field_validator("base")
    @classmethod
    def _plain(cls, base: str) -> str:
        if base in ("headed", "shared_private"):
            raise ValueError("the encoder below the heads cannot have heads itself")
        return base


class SharedPrivate(DenseEncoder):
    """A base encoder with two heads, as InfoMAE trains them: U shared with other modalities, V private.

    Attributes:
        base: The encoder below.
        head_u, head_v: From its code to the two parts.
        output: Which part is the embedding.

    Source: InfoMAE, arXiv 2504.09707, section 3 (two-layer heads).
    """

    def __init__(self, spec: SignalSpec, config: SharedPrivateConfig, base: Encoder | None = None) -> None:
        base = build(encoder_info(config.base), spec, config.base_config) if base is None else base
        told = {**config.model_dump(mode="json"), "base_config": base.config}
        super().__init__(spec, _width(config.output, base.dim, config.width), told)
        self.output: str = config.output
        self.base, self.width, self.norm = base, config.width, config.norm
        self.min_samples, self.needs_fit = base.min_samples, base.needs_fit
        self.feature_dim = base.feature_dim if isinstance(base, DenseEncoder) else 0
        self.head_u = _head(base.dim, config.width, config.depth)
        self.head_v = _head(base.dim, config.width, config.depth)

    @classmethod
    def around(cls, base: Encoder, **options: Any) -> SharedPrivate:
        """Put heads on an encoder that is there already; the encoder itself is used, not a copy.

        Args:
            base: Any encoder of the registry without heads.
            options: Keys of :class:`SharedPrivateConfig`.

        Raises:
            BadOptionError: if ``base`` is not in the registry, or an option makes no sense.
        """
        encoder_info(base.name)
        given = {"base": base.name, "base_config": base.config, **options}
        made = cls(base.spec, validate(SharedPrivateConfig, given, where="encoder shared_private"), base)
        made.name, made.card = "shared_private", dict(base.card)
        return made

    def split(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Shared and private part ``(batch, width)`` of codes ``(batch, base.dim)``."""
        return self._normed(self.head_u(code)), self._normed(self.head_v(code))

    def forward(self, x: Tensor) -> Tensor:
        """Encode windows ``(batch, channel, time)`` into ``(batch, dim)`` by the chosen part."""
        return self.part(self.base(x), self.output)

    def part(self, code: Tensor, output: str) -> Tensor:
        """One part of codes ``(batch, base.dim)``."""
        if output == BACKBONE:
            return code
        if output == "uv":
            return torch.cat(self.split(code), dim=1)
        head: nn.Module = self.head_u if output == "u" else self.head_v
        return self._normed(head(code))

    def outputs(self, x: Tensor) -> dict[str, Tensor]:
        """All parts of one pass: ``backbone``, ``u``, ``v`` and ``uv``; of no window they are empty."""
        code = self.base(x) if len(x) else x.new_zeros(0, self.base.dim)
        u, v = self.split(code)
        return {BACKBONE: code, "u": u, "v": v, "uv": torch.cat([u, v], dim=1)}

    def features(self, x: Tensor) -> Tensor:
        """Map windows to ``(batch, feature_dim, step)``: maps of the base encoder.

        Raises:
            BadOptionError: if it has none.
        """
        if not isinstance(self.base, DenseEncoder):
            raise BadOptionError(f"{self.base.name} has no maps over time", where="encoder shared_private")
        return self.base.features(x)

    def fit_input(self, windows: Iterable[Tensor]) -> None:
        """Fit the base encoder's input; see :meth:`~kinelet.encoders.base.Encoder.fit_input`."""
        self.base.fit_input(windows)

    def _normed(self, y: Tensor) -> Tensor:
        return functional.layer_norm(y, (self.width,)) if self.norm == "layer" else y

    @property
    def choices(self) -> tuple[str, ...]:
        """Parts that :meth:`select` takes."""
        return PARTS

    def select(self, output: str) -> SharedPrivate:
        """The same network, weights shared, with another part as its embedding.

        Raises:
            BadOptionError: if there is no such part.
        """
        if output not in PARTS:
            raise BadOptionError(
                f"no output is named {output!r}",
                where="encoder shared_private",
                remedy=f"Choose one of: {', '.join(PARTS)}",
            )
        other = copy.copy(self)
        other.output, other.dim = output, _width(output, self.base.dim, self.width)
        other.config, other.card = {**self.config, "output": output}, dict(self.card)
        return other


def _width(output: str, code: int, width: int) -> int:
    return {BACKBONE: code, "uv": 2 * width}.get(output, width)


def _head(dim: int, width: int, depth: int) -> nn.Module:
    if depth == 1:
        return nn.Linear(dim, width)
    return nn.Sequential(nn.Linear(dim, width), nn.GELU(), nn.Linear(width, width))
