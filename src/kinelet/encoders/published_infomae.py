"""InfoMAE's aligned model at its published sizes, for the count of its parameters.

Not for training: kinelet leaves out what has no role in the loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from kinelet.encoders.published_shapes import PublishedName
from kinelet.encoders.registry import create_encoder
from kinelet.encoders.shared_private import SharedPrivate
from kinelet.errors import BadOptionError
from kinelet.signal.spec import SignalSpec

PART, EXTRA = 256, 512


@dataclass(frozen=True)
class Modality:
    """One kind of signal of an application.

    Attributes:
        shape: Published images and sizes.
        spec: Its signal.
    """

    shape: PublishedName
    spec: SignalSpec


def _triple(stem: str, unit: str) -> Modality:
    channels = tuple(f"{stem}_{axis}" for axis in "xyz")
    return Modality("realworld_har", SignalSpec(rate_hz=50.0, channels=channels, units=(unit,) * 3, window_s=5.0))


def _single(shape: PublishedName, name: str, rate_hz: float) -> Modality:
    return Modality(shape, SignalSpec(rate_hz=rate_hz, channels=(name,), units=("1",), window_s=2.0))


#: Modalities and classes of the two applications.
APPLICATIONS: dict[str, tuple[dict[str, Modality], int]] = {
    "mod": (
        {"audio": _single("mod_audio", "audio", 8000.0), "seismic": _single("mod_seismic", "seismic", 100.0)},
        7,
    ),
    "har": ({"acc": _triple("acc", "g"), "gyr": _triple("gyr", "rad/s"), "mag": _triple("mag", "uT")}, 18),
}


class PublishedInfoMAE(nn.Module):
    """Swin-like encoders, heads of two layers for U and V, an MLP of unknown role each, and a linear probe.

    Attributes:
        encoders: Encoder with heads, by name of modality.
        extra: The MLPs that are counted and feed nothing.
        probe: From all U and V to classes.

    Source: InfoMAE, arXiv 2504.09707; the composition is the one that meets both published totals.
    """

    def __init__(self, modalities: Mapping[str, Modality], classes: int) -> None:
        super().__init__()
        self.encoders, self.extra = nn.ModuleDict(), nn.ModuleDict()
        for name, modality in modalities.items():
            base = create_encoder("swin", spec=modality.spec, published_shape=modality.shape)
            self.encoders[name] = SharedPrivate.around(base, width=PART, depth=2, norm="layer")
            self.extra[name] = nn.Sequential(nn.Linear(base.dim, EXTRA), nn.GELU(), nn.Linear(EXTRA, EXTRA))
        self.probe = nn.Linear(2 * PART * len(modalities), classes)

    def forward(self, windows: Mapping[str, Tensor]) -> Tensor:
        """Map windows of every modality ``(batch, channel, time)`` to logits ``(batch, class)``."""
        return self.probe(torch.cat([encoder(windows[name]) for name, encoder in self.encoders.items()], dim=1))  # type: ignore[no-any-return]


def published_model(application: Literal["mod", "har"]) -> PublishedInfoMAE:
    """The model whose parameters InfoMAE states: 12,565,831 (``mod``) and 4,669,818 (``har``).

    Raises:
        BadOptionError: if there is no such application.
    """
    if application not in APPLICATIONS:
        raise BadOptionError(
            f"no application is named {application!r}", remedy=f"Choose one of: {', '.join(APPLICATIONS)}"
        )
    return PublishedInfoMAE(*APPLICATIONS[application])
