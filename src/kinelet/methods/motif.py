"""RelCon's first stage: a network learns to rebuild a window from an augmented copy of itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor

from kinelet.distances.align import Prepared, error, prepare
from kinelet.distances.config import MotifConfig
from kinelet.distances.network import MotifNetwork
from kinelet.errors import KineletError
from kinelet.functional.augment import AnyAugmentation, Compose, augmentations
from kinelet.methods.base import Batch, Method, MethodConfig, Output, Validation, sharded

MIN_SCALE = 1e-3


class VanishedScaleError(KineletError):
    """A learned scale of the motif network is so near zero that dividing by it explodes."""


class MotifMethodConfig(MethodConfig):
    """Configuration of :class:`Motif`.

    Attributes:
        network: Shape, attention and options of the network that is trained and kept.
        augmentations: Preset name, or list of augmentations, of the candidate.
        choose: Different ones that each window gets, in random order; ``None`` for all of them in the order given.
        loss: ``relative``: error over the anchor's variation around its mean, so that the strength of a movement does
            not count. ``log``: the logarithm of one plus that, for corpora with still windows: to them a candidate
            turned around is thousands of times worse than their own mean, and ``relative`` would learn from nothing
            else. ``published``: the error as it is, in squared units, so that strong movements and gravity decide.
        energy_floor: Added to the variation of each sample, in squared units, before dividing by it.
        validation_people: Share of the people set aside to choose the best weights.
        validation_every: Steps between two such scores.
        validation_windows: Windows that are scored.
    """

    network: MotifConfig = MotifConfig()
    augmentations: tuple[AnyAugmentation, ...] = Field(default="relcon", validate_default=True)
    choose: int | None = Field(default=2, ge=1, le=100)
    loss: Literal["relative", "log", "published"] = "relative"
    energy_floor: float = Field(default=1e-4, gt=0)
    validation_people: float = Field(default=0.2, gt=0, lt=1)
    validation_every: int = Field(default=50, ge=1)
    validation_windows: int = Field(default=256, ge=1)

    @field_validator("augmentations", mode="before")
    @classmethod
    def _preset(cls, value: Any) -> Any:
        return augmentations(value) if isinstance(value, str) else value


_FORMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "published": lambda each, energy: each,
    "relative": lambda each, energy: each / energy,
    "log": lambda each, energy: (each / energy).log1p(),
}


class Motif(Method):
    """Rebuild each window, the anchor, from its augmented copy, the candidate; what is kept is the distance network.

    The error is the one that the distance will use, in the same attention mode and with the same options.

    Source: Xu et al. 2024 (RelCon), arXiv 2411.18822, section 3.1; after Xu et al. 2023 (REBAR), arXiv 2311.00519.

    Raises:
        BadOptionError: if more augmentations are to be chosen than there are.
    """

    encoder: MotifNetwork  # type: ignore[assignment]
    config: MotifMethodConfig

    def __init__(self, network: MotifNetwork, config: MotifMethodConfig) -> None:
        super().__init__(network, config)  # type: ignore[arg-type]
        self.augment = Compose(config.augmentations, choose=config.choose)

    @classmethod
    def validation(cls, config: MotifMethodConfig) -> Validation:
        """The best weights are those that rebuild windows of other people best."""
        return Validation(config.validation_people, config.validation_every, config.validation_windows)

    def forward(self, batch: Batch) -> Output:
        """Loss of a batch; for the parts see :meth:`rebuild_error`.

        Raises:
            VanishedScaleError: if a learned scale is nearly zero.
        """
        self._check_scale()
        candidate = sharded(self.augment, batch["x"], batch["generators"])
        loss, parts = self.rebuild_error(batch["x"], candidate)
        return {"loss": loss.mean(), "parts": parts}

    @torch.no_grad()
    def validate(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Mean loss of a batch without dropout: a generator in the same state makes the same candidates.

        Raises:
            VanishedScaleError: if a learned scale is nearly zero.
        """
        self._check_scale()
        was_training = self.encoder.training
        self.encoder.eval()
        try:
            return self.rebuild_error(batch["x"], self.augment(batch["x"], generator))[0].mean()
        finally:
            self.encoder.train(was_training)

    def rebuild_error(self, x: Tensor, candidate: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of every row, and parts for the log.

        Args:
            x: Anchors ``(batch, channel, time)``.
            candidate: What each is rebuilt from, the same shape.

        Returns:
            ``(batch,)``, and the parts: ``error`` (squared, per window), ``relative`` (median over windows of the
            error over the anchor's variation; 1 is as bad as its mean), ``offset_share`` (of the error, what is
            mean offset) and ``scale`` (least absolute learned scale).
        """
        options = self.encoder.config.options
        anchor = prepare(x, options)
        y = self.encoder.rebuild(anchor.x, prepare(candidate, options).x).to(x.dtype)
        each = error(y, anchor.x, options)
        energy = self._energy(anchor)
        parts = self._parts(y.detach(), anchor.x, each.detach(), energy)
        return _FORMS[self.config.loss](each, energy), parts

    def _energy(self, anchor: Prepared) -> Tensor:
        """Variation of each anchor around its mean ``(batch,)``, with the floor of this configuration."""
        around = anchor.x - anchor.x.mean(dim=2, keepdim=True)
        return around.square().sum(dim=(1, 2)) + self.config.energy_floor * anchor.x[0].numel()

    def _parts(self, y: Tensor, anchor: Tensor, each: Tensor, energy: Tensor) -> dict[str, Tensor]:
        offset = anchor.shape[2] * (y - anchor).mean(dim=2).square().sum()
        return {
            "error": each.mean(),
            "relative": (each / energy).median(),
            "offset_share": offset / (y - anchor).square().sum().clamp(min=1e-12),
            "scale": self.encoder.norm.scale.detach().abs().min(),
        }

    def _check_scale(self) -> None:
        least = float(self.encoder.norm.scale.detach().abs().min())
        if least < MIN_SCALE:
            raise VanishedScaleError(
                f"a learned scale has fallen to {least:.1e}, and rebuilt windows are divided by it",
                where="method motif",
                remedy="Lower train.lr, or start from another train.seed",
            )
