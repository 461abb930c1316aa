"""What methods that are trained on pairs share: views, codes of what is there, and the rows of all processes."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from kinelet.encoders.base import Encoder
from kinelet.encoders.shared_private import SharedPrivate
from kinelet.errors import BadOptionError
from kinelet.functional.augment import AnyAugmentation, Compose, augmentations
from kinelet.methods.base import MethodConfig, Rate, sharded
from kinelet.methods.infomae_plan import VERY_FEW_PAIRS, encoder_rates
from kinelet.methods.multimodal import Moments, MultimodalMethod, present_of
from kinelet.methods.tf_decoder import PatchDecoder

Negatives = Literal["other", "all"]


class ContrastConfig(MethodConfig):
    """What methods that contrast moments have in common.

    Attributes:
        temperature: Divides the similarities.
        augmentations: Preset name, or list of augmentations, of every window, drawn anew for each row.
        negatives: Moments of ``other`` sequences, so that neighbours in time never repel each other, or ``all``.
        encoder_rate: Learning rate of the encoders below the heads, as a multiple of the loop's; ``None``: 0.1, and
            0.01 under 1,000 pairs, as of ``infomae``, and 1 for those that begin with fresh weights.
        fresh: Modalities whose encoders are trained at the loop's rate; filled in where ``encoder_rate`` is not told.
        freeze_encoder: Leave the encoders as they are; only the heads learn.
    """

    temperature: float = Field(default=0.1, gt=0, le=10)
    augmentations: tuple[AnyAugmentation, ...] = Field(default="focal", validate_default=True)
    negatives: Negatives = "other"
    encoder_rate: float | None = Field(default=None, ge=0, le=1e4)
    fresh: tuple[str, ...] = ()
    freeze_encoder: bool = False

    @field_validator("augmentations", mode="before")
    @classmethod
    def _preset(cls, value: Any) -> Any:
        return augmentations(value) if isinstance(value, str) else value


@dataclass(frozen=True)
class Together:
    """Codes of a batch, of this process and of all.

    Attributes:
        own: Codes of this process's rows by modality, ``(batch, width)``.
        all: The same of all processes, ``(total, width)``.
        valid: Rows of all processes that have the modality, bool ``(total,)``.
        sequence: Sequence of each, ``(total,)``.
        here: This process's rows.
    """

    own: Mapping[str, Tensor]
    all: Mapping[str, Tensor]
    valid: Mapping[str, Tensor]
    sequence: Tensor
    here: slice

    @property
    def neighbours(self) -> Tensor:
        """Which moments are of one sequence, bool ``(total, total)``."""
        return self.sequence[:, None] == self.sequence[None, :]

    @property
    def paired(self) -> Tensor:
        """Rows of all processes that have two modalities or more, bool ``(total,)``."""
        return torch.stack(list(self.valid.values())).sum(dim=0) > 1


class Trained(MultimodalMethod):
    """Base of methods whose encoders or heads are trained by a contrast.

    Attributes:
        private: Whether there is a private part; otherwise V is 0 and stays so.
    """

    private: ClassVar[bool] = True
    config: ContrastConfig

    def __init__(
        self,
        encoders: Mapping[str, SharedPrivate],
        config: ContrastConfig,
        decoders: Mapping[str, PatchDecoder] | None = None,
    ) -> None:
        super().__init__(encoders, config, decoders)
        widths = {name: self.of(name).width for name in self.names}
        if len(set(widths.values())) > 1:
            raise BadOptionError(f"heads differ in width: {widths}", where="modalities", remedy="Use one width for all")
        # Decoders of stage 1 have no part in these methods.
        self.decoders = nn.ModuleDict()
        self.augment = Compose(config.augmentations)
        for name in self.names:
            if config.freeze_encoder:
                self.of(name).base.requires_grad_(False)
            if not self.private:
                _silence(self.of(name).head_v)

    @classmethod
    def settle(cls, config: ContrastConfig, pairs: int, *, fresh: frozenset[str] = frozenset()) -> ContrastConfig:
        """Decide what is left to the number of pairs and to what encoders come from."""
        if config.encoder_rate is not None:
            return config
        rate = 0.01 if pairs < VERY_FEW_PAIRS else 0.1
        return config.model_copy(update={"encoder_rate": rate, "fresh": tuple(sorted(fresh))})

    def rates(self) -> Mapping[str, Rate]:
        """Encoders that know something already learn more slowly than heads."""
        return encoder_rates(self.names, self.config.encoder_rate, self.config.fresh)

    def train(self, mode: bool = True) -> Trained:
        """As of any module, but a frozen encoder stays in evaluation mode, its statistics and dropout at rest."""
        super().train(mode)
        if self.config.freeze_encoder:
            for name in self.names:
                self.of(name).base.eval()
        return self

    def there(self, batch: Moments) -> dict[str, Tensor]:
        """Rows ``(batch,)`` that have each modality; one that the batch does not name has none."""
        columns = dict(zip(self.names, present_of(batch).unbind(1), strict=True))
        return {n: there if f"x.{n}" in batch else torch.zeros_like(there) for n, there in columns.items()}

    def windows(self, batch: Moments) -> dict[str, Tensor]:
        """Windows of each modality ``(batch, channel, time)``, 0 where absent whatever is stored there.

        Raises:
            BadOptionError: if a window that is there holds values that are not finite.
        """
        there = self.there(batch)
        return {n: _clean(batch[f"x.{n}"], there[n], n) for n in self.names if f"x.{n}" in batch}

    def augmented(self, batch: Moments) -> dict[str, Tensor]:
        """One random view of each window; each modality draws by itself, in whatever order they are named."""
        windows = self.windows(batch)
        drawn = named_generators(batch["generators"], windows)
        return {name: sharded(self.augment, x, drawn[name]) for name, x in windows.items()}

    def encode(self, batch: Moments, windows: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Base codes ``(batch, base.dim)`` of each modality, 0 where absent."""
        there = self.there(batch)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.freeze_encoder):
            return {n: codes_of(self.of(n).base, windows.get(n), there[n]) for n in self.names}

    def part(self, codes: Mapping[str, Tensor], output: str) -> dict[str, Tensor]:
        """One part of the codes of each modality."""
        return {name: self.of(name).part(z, output) for name, z in codes.items()}

    def together(self, batch: Moments, z: Mapping[str, Tensor], *, alone: bool = False) -> Together:
        """Codes ``(batch, width)`` of each modality with those of all processes, unless ``alone``."""
        rows = torch.stack([*self.there(batch).values(), batch["sequence"]], dim=1).double()
        if not alone:
            rows = self.gather(rows)
        whole = {name: code if alone else self.gather(code) for name, code in sorted(z.items())}
        valid = {name: column > 0 for name, column in zip(self.names, rows.unbind(1), strict=False)}
        start = 0 if alone else self.rank_offset
        return Together(z, whole, valid, rows[:, -1], slice(start, start + len(batch["sequence"])))

    def seen(self, batch: Moments, z: Mapping[str, Tensor]) -> Tensor:
        """Codes of one width of all windows that are there, one after the other, detached."""
        there = self.there(batch)
        return torch.cat([z[name][there[name]] for name in self.names]).detach()


def named_generators(generators: Sequence[torch.Generator], names: Any) -> dict[str, list[torch.Generator]]:
    """Generators of each name's own, one a shard, that follow from the shard's generator and the name alone."""
    seeds = [int(torch.randint(2**62, (1,), generator=g, device=g.device)) for g in generators]

    def of(name: str) -> list[torch.Generator]:
        told = zlib.crc32(name.encode())
        return [torch.Generator(g.device).manual_seed(s ^ told) for g, s in zip(generators, seeds, strict=True)]

    return {name: of(name) for name in names}


def codes_of(encoder: Encoder, x: Tensor | None, there: Tensor) -> Tensor:
    """Codes ``(batch, dim)`` of the rows that are there, 0 elsewhere; the encoder sees no others.

    Without any, zeros on which every weight has a gradient of 0, so that several processes need not agree.
    """
    rows = there.nonzero()[:, 0]
    if x is None or not len(rows):
        idle = [p.sum() * 0 for p in encoder.parameters() if p.requires_grad]
        return torch.zeros(len(there), encoder.dim, device=there.device) + (torch.stack(idle).sum() if idle else 0)
    if len(rows) == len(there):
        return encoder(x)  # type: ignore[no-any-return]
    code: Tensor = encoder(x[rows])
    return code.new_zeros(len(there), encoder.dim).index_copy(0, rows, code)


def _clean(x: Tensor, there: Tensor, name: str) -> Tensor:
    # where, not a product: what is not there may be anything.
    x = torch.where(there[:, None, None], x, 0)
    if not bool(torch.isfinite(x).all()):
        raise BadOptionError(
            f"windows of {name} that count as present hold values that are not finite",
            where="batch",
            remedy="Build the corpus anew: gaps are cut out there",
        )
    return x


def _silence(head: nn.Module) -> None:
    """Make a head put out zeros for good."""
    head.requires_grad_(False)
    for parameter in (head[-1] if isinstance(head, nn.Sequential) else head).parameters():
        parameter.zero_()
