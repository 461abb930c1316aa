"""Alignment of frozen encoders in closed form: nothing at all, canonical correlation, and a rotation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from kinelet.encoders.shared_private import SharedPrivate
from kinelet.errors import BadOptionError
from kinelet.functional.linear_alignment import Affine, agreement, canonical, centred, principal, procrustes, residual
from kinelet.methods.base import MethodConfig
from kinelet.methods.multimodal import MultimodalMethod
from kinelet.methods.tf_decoder import PatchDecoder

#: Ridges that ``ridge: auto`` tries.
RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_FOLDS = 5


class LinearConfig(MethodConfig):
    """Configuration of methods that have nothing to choose."""


class CCAConfig(MethodConfig):
    """Configuration of :class:`CCA`.

    Attributes:
        components: Canonical directions that become U; ``None``: half of the narrowest code, at most the width of the
            heads. Columns of U beyond them are 0.
        ridge: Share of the mean variance that is added to each covariance's diagonal; ``auto``: what makes held-out
            fifths of the pairs, whole stretches of neighbours, correlate most.
    """

    components: int | None = Field(default=None, ge=1)
    ridge: float | Literal["auto"] = Field(default="auto")


class Fitted(MultimodalMethod):
    """Base of methods whose heads are linear maps that :meth:`fit` finds; the encoders stay as they are."""

    kind: ClassVar[Literal["trained", "fitted"]] = "fitted"

    def __init__(
        self,
        encoders: Mapping[str, SharedPrivate],
        config: Any,
        decoders: Mapping[str, PatchDecoder] | None = None,
    ) -> None:
        # U of all modalities lies in one space.
        width = max(e.width for e in encoders.values())
        super().__init__({name: _linear(e, width) for name, e in encoders.items()}, config, decoders)
        self.requires_grad_(False)
        self._facts: dict[str, Any] = {}

    def facts(self) -> dict[str, Any]:
        """What the fit found."""
        return self._facts

    def fit(self, codes: Mapping[str, Tensor], present: Tensor) -> None:
        """Set the heads from base codes ``{name: (pair, base.dim)}`` and ``present (pair, modality)``.

        Raises:
            BadOptionError: if shapes do not fit, or a modality has fewer than two rows.
        """
        codes = {name: codes[name].detach().cpu().double() for name in self.names}
        present = present.cpu()
        shared = self.shared(codes, present)
        _, x = centred(codes, present)
        for name, map in shared.items():
            encoder = self.of(name)
            _assign(encoder.head_u, map)
            _assign(encoder.head_v, Affine(map.mean, residual(x[name], map.weight, encoder.width)))
        there = dict(zip(self.names, present.unbind(1), strict=True))
        told = {n: torch.where(there[n][:, None], shared[n](codes[n]), 0.0) for n in self.names}
        found = agreement(told, present)
        self._facts |= {"pairs_fitted": len(present), "correlations": [round(float(r), 6) for r in found]}

    def shared(self, codes: Mapping[str, Tensor], present: Tensor) -> dict[str, Affine]:
        """Maps from codes to U."""
        raise TypeError(f"{type(self).__name__} does not define shared")


class NoAlignment(Fitted):
    """Encoders side by side, as they were pretrained.

    U holds the leading principal components of each code, so that it can stand beside others at one width, V those
    that follow. No modality knows of another.

    Source: baseline "no alignment" of InfoMAE, arXiv 2504.09707, table 1.
    """

    features: ClassVar[tuple[str, ...]] = ("backbone",)

    def shared(self, codes: Mapping[str, Tensor], present: Tensor) -> dict[str, Affine]:
        """Principal components of each modality alone."""
        means, x = centred(codes, present)
        return {n: Affine(means[n], principal(x[n], self.of(n).width)) for n in self.names}


class CCA(Fitted):
    """Linear canonical correlation with a ridge; V are the principal components of what U does not tell.

    With more than two modalities the directions are those whose mean explains the most of all (MAXVAR).

    Source: Hotelling 1936, Biometrika 28; Kettenring 1971, Biometrika 58.
    """

    config: CCAConfig

    def shared(self, codes: Mapping[str, Tensor], present: Tensor) -> dict[str, Affine]:
        """Canonical directions, which zeros fill up to the width of the heads.

        Raises:
            BadOptionError: if there are to be more than codes or heads have columns.
        """
        narrowest = min(z.shape[1] for z in codes.values())
        width = self.of(self.names[0]).width
        components = self.config.components or max(1, min(width, narrowest // 2))
        if components > width:
            raise BadOptionError(
                f"{components} canonical components in heads of width {width}",
                where="method_options.components",
                remedy=f"Use {width} or fewer, or wider heads",
            )
        ridge = self.config.ridge
        chosen = best_ridge(codes, present, components) if ridge == "auto" else ridge
        maps, _ = canonical(codes, present, components, chosen)
        self._facts |= {"components": components, "ridge": chosen}
        return maps


class Procrustes(Fitted):
    """Orthogonal rotation of centred, scaled codes onto each other; U are the directions they vary most in.

    With more than two modalities each is rotated onto the sum of the others in turn. V are principal components of
    what the narrower U leaves; 0 where it leaves nothing.

    Source: Schönemann 1966, Psychometrika 31; Gower 1975, Psychometrika 40.
    """

    features: ClassVar[tuple[str, ...]] = ("u",)

    def shared(self, codes: Mapping[str, Tensor], present: Tensor) -> dict[str, Affine]:
        """Rotations, of which as many columns are kept as the heads are wide."""
        return procrustes(codes, present, self.of(self.names[0]).width)


def best_ridge(codes: Mapping[str, Tensor], present: Tensor, components: int) -> float:
    """The ridge under which canonical directions of the other pairs correlate most on pairs left out.

    Folds are stretches of consecutive rows, because neighbours are no independent draw.
    """
    fold = torch.arange(len(present)) * _FOLDS // max(len(present), 1)
    usable = [f for f in range(_FOLDS) if _enough(present[fold != f]) and _enough(present[fold == f])]
    if not usable:
        return RIDGES[-2]

    def score(ridge: float) -> float:
        return sum(_held_out(codes, present, fold == f, components, ridge) for f in usable)

    return max(RIDGES, key=score)


def _held_out(codes: Mapping[str, Tensor], present: Tensor, out: Tensor, components: int, ridge: float) -> float:
    maps, _ = canonical({n: z[~out] for n, z in codes.items()}, present[~out], components, ridge)
    return float(agreement({n: maps[n](z[out]) for n, z in codes.items()}, present[out]).mean())


def _enough(present: Tensor) -> bool:
    return bool((present.sum(dim=0) >= 2).all())


def _linear(encoder: SharedPrivate, width: int) -> SharedPrivate:
    """The same base under heads of one linear map each."""
    if isinstance(encoder.head_u, nn.Linear) and encoder.norm == "none" and encoder.width == width:
        return encoder
    made = SharedPrivate.around(encoder.base, width=width, depth=1, norm="none", output=encoder.output)
    made.card = dict(encoder.card)
    return made


@torch.no_grad()
def _assign(head: nn.Module, map: Affine) -> None:
    assert isinstance(head, nn.Linear)
    weight = torch.nn.functional.pad(map.weight, (0, head.out_features - map.weight.shape[1]))
    head.weight.copy_(weight.T)
    head.bias.copy_(-map.mean @ weight)
