"""Images, patches and sizes of the networks that InfoMAE was published with, for counts and comparisons.

The images are two-sided: all bins of a complex spectrum of each interval, half of which say the same as the other
half, real and imaginary parts as planes, nothing scaled. Nothing else in kinelet uses them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from kinelet.encoders.front import Front, FrontConfig
from kinelet.errors import SpecMismatchError
from kinelet.functional.precision import full, full_precision
from kinelet.signal.spec import SignalSpec

PublishedName = Literal["mod_audio", "mod_seismic", "realworld_har", "pamap2"]


@dataclass(frozen=True)
class PublishedShape:
    """What a published network takes and what it is made of.

    Attributes:
        rate_hz: Samples per second.
        window_s: Length of windows.
        interval_s: Length of an interval; two-sided, it has as many bins as samples.
        overlap: ``half`` or ``none``.
        patch: Intervals and bins in a patch.
        swin: Options of the Swin-like network.
        conv_gru: Options of the convolutional and recurrent one.
    """

    rate_hz: float
    window_s: float
    interval_s: float
    overlap: Literal["half", "none"]
    patch: tuple[int, int]
    swin: dict[str, Any]
    conv_gru: dict[str, Any]

    @property
    def front(self) -> dict[str, Any]:
        """Options of the image."""
        return {"interval_s": self.interval_s, "overlap": self.overlap, "mode": "reim", "patch": self.patch}

    def check(self, spec: SignalSpec) -> None:
        """Raise unless windows of ``spec`` give the published image.

        Raises:
            SpecMismatchError: naming both sides.
        """
        if (spec.rate_hz, spec.window_s) != (self.rate_hz, self.window_s):
            raise SpecMismatchError(
                f"windows of {spec.window_s} s at {spec.rate_hz} Hz instead of {self.window_s} s at {self.rate_hz} Hz",
                where="published_shape",
                remedy="Cut and resample to what was published, or leave published_shape out",
            )


_DROPS = {"dropout": 0.2, "attention_dropout": 0.2, "drop_path": 0.1}
_FLAT = {"readout": "flatten", "hidden_token": False, **_DROPS}
_MOD = {"width": 64, "depths": (2, 2, 4), "window": (3, 3), "code": 256, **_FLAT}
_HAR = {"width": 32, "depths": (2, 2, 2), "window": (3, 3), "code": 128, **_FLAT}


def _recurrent(hidden: int, merged: int = 128, convolutions: int = 4, stride: int = 1) -> dict[str, Any]:
    sizes = {"hidden": hidden, "merged": merged, "convolutions": convolutions, "stride": stride}
    return {**sizes, "width": merged, "dropout": 0.2, "norm": "batch"}


PUBLISHED: dict[str, PublishedShape] = {
    "mod_audio": PublishedShape(8000.0, 2.0, 0.2, "none", (1, 40), _MOD, _recurrent(256, stride=80)),
    "mod_seismic": PublishedShape(100.0, 2.0, 0.2, "none", (1, 1), _MOD, _recurrent(256)),
    "realworld_har": PublishedShape(50.0, 5.0, 1.0, "half", (1, 2), _HAR, _recurrent(256)),
    "pamap2": PublishedShape(100.0, 2.0, 0.4, "half", (1, 2), {**_HAR, "window": (3, 5)}, _recurrent(64, 64, 2)),
}


class TwoSidedFront(Front):
    """All bins of the complex spectrum of each interval, rectangular, unscaled, real and imaginary parts as planes.

    Source: what FOCAL's public code feeds its networks, arXiv 2310.20071; kept for counts and comparisons only.
    """

    def __init__(self, spec: SignalSpec, config: FrontConfig) -> None:
        super().__init__(spec, config)
        self.bins, self.basis = self.length, None

    def forward(self, x: Tensor) -> Tensor:
        """Map windows ``(batch, channel, time)`` to images ``(batch, 2 * channel, interval, length)``."""
        with full_precision(x):
            spectrum = torch.fft.fft(self._frames(full(x)))
        return torch.stack([spectrum.real, spectrum.imag], dim=2).flatten(1, 2)

    def fit(self, windows: Iterable[Tensor]) -> None:
        """Nothing is scaled, so nothing is fitted."""
