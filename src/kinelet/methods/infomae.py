"""InfoMAE: encoders pretrained apart are aligned on few pairs, what they share apart from what each has of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from kinelet.encoders.image import ImageEncoder
from kinelet.encoders.shared_private import SharedPrivate
from kinelet.errors import BadOptionError
from kinelet.functional.augment import Compose
from kinelet.methods.base import Output, Rate
from kinelet.methods.critics import Argument
from kinelet.methods.infomae_codes import Chance, Coder, Codes, Passes, seeds_of
from kinelet.methods.infomae_plan import InfoMAEConfig, coefficients, encoder_rates, settled
from kinelet.methods.infomae_ratios import Critics, ratios_of
from kinelet.methods.infomae_terms import Gather, Joined, accuracies, critics_loss, join, terms_of, watched
from kinelet.methods.multimodal import Moments, MultimodalMethod, present_of
from kinelet.methods.tf_decoder import PatchDecoder, decoder_for, save_decoder

__all__ = ["InfoMAE", "InfoMAEConfig"]

#: Terms of both parts of a window as it is.
_OF_PARTS = {"distance", "own", "cross", "joint", "private", "overlap", "temporal"}
#: Width of the two layers that published numbers of parameters hold.
_EXTRA = 512


class InfoMAE(MultimodalMethod):
    """Align encoders on pairs: shared parts tell of the other modality, private parts of what is left.

    Shared parts are drawn to each other and hold what tells of the other modalities and little else, private parts
    hold little of the shared ones, both together rebuild hidden patches, find their augmented copies, and change
    slowly over time. Each term has a weight of its own; see :func:`kinelet.methods.infomae_plan.coefficients`.

    Critics are trained beside the encoders, in the same backward pass: their loss does not reach the codes, and what
    they estimate does not reach them.

    Args:
        encoders: Encoders with two heads, by name.
        config: Configuration.
        decoders: Those of stage 1, by name; where there is none, a fresh one is made.

    Raises:
        BadOptionError: if an encoder makes no image and patches are to be rebuilt.

    Source: InfoMAE, arXiv 2504.09707, equations 3 to 11, with two signs corrected; see ``shared_sign``.
    """

    features: ClassVar[tuple[str, ...]] = ("u", "v")
    config: InfoMAEConfig

    def __init__(
        self,
        encoders: Mapping[str, SharedPrivate],
        config: InfoMAEConfig,
        decoders: Mapping[str, PatchDecoder] | None = None,
    ) -> None:
        config = settled(config, None)
        super().__init__(encoders, config, None)
        self.coefficients = coefficients(config, len(self.names))
        # Fresh weights do not depend on the order of names.
        self.order = tuple(sorted(self.names))
        self.adapters = nn.ModuleDict()
        if "rebuild" in self.coefficients:
            self._rebuilding(decoders or {})
        self.critics = self._critics()
        self.augment = Compose(config.augmentations)
        if config.published_size:
            self.extra = nn.ModuleDict({name: _unused(self.of(name).base.dim) for name in self.order})
        if config.freeze_encoder:
            for name in self.order:
                self.of(name).base.requires_grad_(False)
            self.train(self.training)

    @classmethod
    def settle(cls, config: InfoMAEConfig, pairs: int, *, fresh: frozenset[str] = frozenset()) -> InfoMAEConfig:
        """Decide what is left to the number of pairs and to what encoders come from."""
        return settled(config, pairs, fresh)

    def train(self, mode: bool = True) -> InfoMAE:
        """Switch to training mode, but for encoders that are frozen."""
        super().train(mode)
        if self.config.freeze_encoder:
            for name in self.order:
                self.of(name).base.eval()
        return self

    def rates(self) -> Mapping[str, Rate]:
        """Encoders that know something move slowly, so that they do not forget; critics as adversaries do."""
        told = self.config.critic
        found = {"critics.": Rate(told.rate, betas=(0.5, 0.9), weight_decay=told.weight_decay, apart=True)}
        return {**found, **encoder_rates(self.order, self.config.encoder_rate, self.config.fresh)}

    def facts(self) -> dict[str, Any]:
        """How much each term counted."""
        return {"coefficients": dict(self.coefficients), "critic_input": self.config.critic_input}

    def keep(self, folder: Path) -> None:
        """Write decoders into ``NAME/decoder`` beside the encoders."""
        for name, decoder in self.decoders.items():
            assert isinstance(decoder, PatchDecoder)
            save_decoder(decoder.cpu(), folder / name / "decoder")

    def forward(self, batch: Moments) -> Output:  # type: ignore[override]
        """Loss of a batch.

        Parts: every term before weighting, by its name; ``critic``, what critics are trained by, which is no part of
        the loss; ``accuracy_RATIO`` of each critic on the batch; ``rank_u_NAME``, ``spread_u_NAME`` and the same of
        ``v``, which fall where a part collapses.
        """
        views = 2 if "contrast" in self.coefficients else int(self.config.aligned_on == "view")
        joined = self._joined(batch, batch["generators"], views, "rebuild" in self.coefficients, self.training)
        terms = terms_of(joined, self.critics.ratios, self.config, self.coefficients)
        critic = critics_loss(joined, self.critics.ratios, self.config)
        loss = torch.stack([self.coefficients[name] * value for name, value in terms.items()]).sum()
        parts = {name: value.detach() for name, value in terms.items()} | {"critic": critic.detach()}
        parts |= accuracies(joined, self.critics.ratios) | watched(joined)
        codes = [torch.cat([joined.codes[n].u, joined.codes[n].v], dim=1) for n in self.order]
        # One backward pass for both: what trains the critics adds nothing to the value.
        return {"loss": loss + (critic - critic.detach()), "parts": parts, "embeddings": torch.cat(codes, 1).detach()}

    @torch.no_grad()
    def diagnose(self, batch: Moments, generator: torch.Generator) -> dict[str, float]:
        """Accuracies of critics, what they estimate, and signs of collapse, on pairs that are not trained on.

        A critic that is good on the batches and at chance here knows its pairs by heart.
        """
        # Every process has all of these rows.
        joined = self._joined(batch, [generator], 0, False, True, gather=lambda z: z)
        wanted = {name: c for name, c in self.coefficients.items() if name in ("distance", "own")}
        found = terms_of(joined, self.critics.ratios, self.config, wanted)
        found |= accuracies(joined, self.critics.ratios) | watched(joined)
        return {name: float(value) for name, value in found.items()}

    def _joined(
        self,
        batch: Moments,
        generators: list[torch.Generator],
        views: int,
        masked: bool,
        noisy: bool,
        gather: Gather | None = None,
    ) -> Joined:
        seeds, sequence = seeds_of(generators), batch["sequence"]
        need = Passes(
            window=not views or (self.config.aligned_on == "window" and bool(_OF_PARTS & self.coefficients.keys())),
            views=views,
            masked=masked,
            images=self.config.critic_input == "windows" and bool(self.critics.ratios),
            noise=self.config.noise if noisy else 0.0,
            frozen=self.config.freeze_encoder,
            apart=self.config.shared_apart,
        )
        codes = {name: self._codes(batch, name, seeds, need) for name in self.order}
        logits, projected = self.critics(codes, sequence, seeds)
        return join(codes, sequence, logits, projected, gather or self.gather)

    def _codes(self, batch: Moments, name: str, seeds: list[int], need: Passes) -> Codes:
        model, rebuilds = self.of(name), name in self.adapters
        decoder: Any = self.decoders[name] if rebuilds else None
        adapter = self.adapters[name] if rebuilds else None
        coder = Coder(name, model, decoder, adapter, self.config.masking, self.augment, need)
        x, present = self._windows(batch, name)
        return coder(x, present, Chance(seeds, name, x.device))

    def _windows(self, batch: Moments, name: str) -> tuple[Tensor, Tensor]:
        """Windows of a modality and which rows have them; a name that is not in the batch is absent in all rows."""
        present = present_of(batch)[:, self.names.index(name)]
        if f"x.{name}" in batch:
            return batch[f"x.{name}"], present
        spec, least = self.of(name).spec, self.of(name).min_samples
        samples = max(spec.window_samples or 0, least)
        empty = torch.zeros(len(present), len(spec.channels), samples, device=present.device)
        return empty, torch.zeros_like(present)

    def _rebuilding(self, decoders: Mapping[str, PatchDecoder]) -> None:
        for name in self.order:
            base = self.of(name).base
            if not isinstance(base, ImageEncoder):
                raise BadOptionError(
                    f"encoder {base.name!r} of {name} sees no image whose patches could be hidden",
                    where="method infomae",
                    remedy="Use an encoder such as tf_vit, or delta=0 to rebuild nothing",
                )
            decoder = decoders.get(name) or decoder_for(base, **self.config.decoder.model_dump())
            self.decoders[name] = decoder
            self.adapters[name] = nn.Linear(2 * self.of(name).width, decoder.config["dim"])

    def _critics(self) -> Critics:
        shapes: dict[tuple[str, str], Argument] = {}
        for name in self.order:
            model = self.of(name)
            shapes["x", name] = model.base.dim if self.config.critic_input == "features" else _seen(model)
            shapes["u", name] = shapes["v", name] = model.width
        ratios = ratios_of(self.names, self.config, self.coefficients)
        return Critics(ratios, shapes, self.config, {name: self.of(name).base.dim for name in self.order})


def _seen(model: SharedPrivate) -> Argument:
    """What critics of windows are told about their size: channels first."""
    base, spec = model.base, model.spec
    if not isinstance(base, ImageEncoder):
        return len(spec.channels), 1
    x = torch.zeros(1, len(spec.channels), max(spec.window_samples or 0, base.min_samples))
    with torch.no_grad():
        return tuple(base.image(x.to(next(base.parameters()).device)).shape[1:])


def _unused(dim: int) -> nn.Module:
    layers = nn.Sequential(nn.Linear(dim, _EXTRA), nn.GELU(), nn.Linear(_EXTRA, _EXTRA))
    return layers.requires_grad_(False)
