"""What the windows of one modality become on their way through its encoder: codes, views and rebuilt patches."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from kinelet.encoders.image import ImageEncoder
from kinelet.encoders.shared_private import SharedPrivate
from kinelet.errors import BadOptionError
from kinelet.functional.augment import Compose
from kinelet.functional.masked_patches import patch_errors
from kinelet.functional.precision import full
from kinelet.methods.base import sharded
from kinelet.methods.infomae_plan import MaskingConfig
from kinelet.methods.tf_decoder import PatchDecoder
from kinelet.methods.tf_masking import hidden_patches


class Codes(NamedTuple):
    """What a modality gives, row by row of the batch; rows that lack it are zero.

    Attributes:
        present: Rows that have it ``(batch,)`` bool.
        u: Shared part ``(batch, width)``.
        v: Private part ``(batch, width)``.
        seen: What critics look at in the place of the window, without gradient: its code ``(batch, dim)``, or its
            image ``(batch, plane, interval, bin)``.
        features: Code of the encoder as it is, without gradient ``(batch, dim)``.
        views: Both parts ``(batch, 2 * width)`` of two augmented views.
        errors: Error of the rebuilt patches ``(batch,)``.
        still: Both parts without noise ``(batch, width)`` each.
    """

    present: Tensor
    u: Tensor
    v: Tensor
    seen: Tensor
    features: Tensor
    views: tuple[Tensor, Tensor] | None
    errors: Tensor | None
    still: tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Passes:
    """Which passes through an encoder are needed.

    Attributes:
        window: The window as it is, which both parts are then of; else they are of the first view.
        views: Augmented views.
        masked: A pass that does not see all patches.
        images: Critics look at images.
        noise: Standard deviation of what is added to both parts.
        frozen: No gradient flows through the encoder.
        apart: No gradient of views and rebuilt patches flows through shared parts.
    """

    window: bool
    views: int
    masked: bool
    images: bool
    noise: float
    frozen: bool
    apart: bool = False


class Chance:
    """Randomness of one modality: derived from the batch's and from its name, so that the others do not matter."""

    def __init__(self, seeds: Sequence[int], name: str, device: torch.device) -> None:
        own = zlib.crc32(name.encode()) << 31
        self.generators = [torch.Generator(device).manual_seed(seed ^ own) for seed in seeds]

    def normal(self, like: Tensor, rows: int) -> Tensor:
        """Standard normal ``(rows, …)`` with the other sizes of ``like``."""

        def draw(part: Tensor, generator: torch.Generator) -> Tensor:
            return torch.randn(part.shape, generator=generator, device=generator.device).to(like)

        drawn: Tensor = sharded(draw, torch.empty(rows, *like.shape[1:], device="meta"), self.generators)
        return drawn


def seeds_of(generators: Sequence[torch.Generator]) -> list[int]:
    """One number of each shard's generator, from which the generators of all modalities are made."""
    return [int(torch.randint(2**62, (), generator=g, device=g.device)) for g in generators]


@dataclass(frozen=True)
class Coder:
    """A modality's encoder with all that stage 2 asks of it.

    Attributes:
        name: Name of the modality.
        model: Its encoder with heads.
        decoder: From codes to patches; ``None``: nothing is rebuilt.
        adapter: From both parts to codes that the decoder knows.
        masking: Which patches are hidden.
        augment: From windows to views.
        need: Which passes are needed.
    """

    name: str
    model: SharedPrivate
    decoder: PatchDecoder | None
    adapter: nn.Module | None
    masking: MaskingConfig
    augment: Compose
    need: Passes

    def __call__(self, x: Tensor, present: Tensor, chance: Chance) -> Codes:
        """Encode the windows ``(batch, channel, time)`` of the rows that have them ``(batch,)``.

        Raises:
            BadOptionError: if such a window holds a value that is no number.
        """
        # where, not a product: what is not there may be anything.
        clean = torch.where(present[:, None, None], x, 0.0)
        _require_finite(clean, self.name)
        at = _Places(present)
        views = [sharded(self.augment, clean, chance.generators) for _ in range(self.need.views)]
        inputs = [self._image(w[at.rows]) for w in ([clean] if self.need.window else []) + views]
        codes = self._encode(torch.cat(inputs)).chunk(len(inputs))
        clean_parts = [self._parts(code) for code in codes]
        parts = [self._noisy(pair, chance, at) for pair in clean_parts]
        features = at.put(full(codes[0].detach()))
        h = [at.put(self._both(pair)) for pair in parts[-2:]] if self.need.views == 2 else []
        return Codes(
            present=present,
            u=at.put(parts[0][0]),
            v=at.put(parts[0][1]),
            seen=at.put(inputs[0].detach()) if self.need.images else features,
            features=features,
            views=(h[0], h[1]) if h else None,
            errors=at.put(self._errors(self._image(clean[at.rows]), chance, at)) if self.need.masked else None,
            still=(at.put(clean_parts[0][0]), at.put(clean_parts[0][1])),
        )

    def _image(self, x: Tensor) -> Tensor:
        """Image of windows, which nothing is learnt in; the windows themselves where the encoder makes none."""
        if not isinstance(self.model.base, ImageEncoder):
            return x
        with torch.no_grad():
            return self.model.base.image(x)

    def _encode(self, image: Tensor, keep: Tensor | None = None) -> Tensor:
        base = self.model.base
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.need.frozen):
            code: Tensor = base.encode(image, keep) if isinstance(base, ImageEncoder) else base(image)
        return code

    def _parts(self, code: Tensor) -> tuple[Tensor, Tensor]:
        u, v = self.model.split(code)
        return full(u), full(v)

    def _both(self, parts: tuple[Tensor, Tensor]) -> Tensor:
        return torch.cat([parts[0].detach() if self.need.apart else parts[0], parts[1]], dim=1)

    def _noisy(self, parts: tuple[Tensor, Tensor], chance: Chance, at: _Places) -> tuple[Tensor, Tensor]:
        """Both parts of codes, with noise on them."""
        if not self.need.noise:
            return parts
        u, v = (y + self.need.noise * chance.normal(y, len(at.present))[at.rows] for y in parts)
        return u, v

    def _errors(self, image: Tensor, chance: Chance, at: _Places) -> Tensor:
        """Error of the hidden patches, rebuilt from both parts of what is left, ``(row,)``."""
        base = self.model.base
        assert isinstance(base, ImageEncoder) and self.decoder is not None and self.adapter is not None
        grid = base.grid(image)
        hidden = hidden_patches(base, grid, self.masking, len(at.present), chance.generators)[at.rows]
        parts = self._noisy(self._parts(self._encode(image, ~hidden)), chance, at)
        rebuilt = self.decoder(self.adapter(self._both(parts)), grid, hidden)
        standardise = self.masking.target == "patch"
        return patch_errors(rebuilt, grid.patches(image), hidden, grid.cell_mask(), standardise=standardise)


class _Places:
    """Rows that are encoded: those that are there, or one of zeros, which then counts nowhere, if none is.

    So the gradient always reaches every weight, if only as 0: processes wait for each other's gradients.
    """

    def __init__(self, present: Tensor) -> None:
        rows = present.nonzero()[:, 0]
        self.present, self.everyone = present, len(rows) == len(present)
        self.rows = rows if len(rows) else rows.new_zeros(1)

    def put(self, y: Tensor) -> Tensor:
        """Rows where they belong in the batch, zeros elsewhere."""
        if self.everyone:
            return y
        placed = y.new_zeros(len(self.present), *y.shape[1:]).index_copy(0, self.rows, y)
        return torch.where(self.present.view(-1, *[1] * (y.ndim - 1)), placed, 0.0)


def _require_finite(x: Tensor, name: str) -> None:
    if not bool(torch.isfinite(x).all()):
        raise BadOptionError(
            f"windows of {name} that count as present hold values that are not finite",
            where="method infomae",
            remedy="Build the corpus anew: gaps are cut out there",
        )
