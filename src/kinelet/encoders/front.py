"""From windows to images: the spectrum of each interval, or its samples, on a scale fitted beforehand."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from kinelet.encoders.front_config import FrontConfig, patch_of, samples_of
from kinelet.encoders.front_scale import Quartiles
from kinelet.errors import BadOptionError
from kinelet.functional.precision import full, full_precision
from kinelet.signal.spec import SignalSpec

__all__ = ["Front", "FrontConfig"]

_BY_MATRIX = 512  # samples of an interval up to which a product with the transform's matrix is faster than an FFT
_TINY = 1e-24  # keeps the gradient of a magnitude finite where it is zero


class Front(nn.Module):
    """Image ``(batch, plane, interval, bin)`` of windows ``(batch, channel, time)``, always in full precision.

    Values are on the scale that :meth:`fit` found, as they are before. A window whose end fills no interval is
    continued by repeating its last sample, so that every sample counts.

    Attributes:
        length: Samples in an interval.
        hop: Samples from one interval to the next.
        overlaps: Whether intervals share samples.
        planes: Planes of an image.
        bins: Its bins.
        patch: Intervals and bins in a patch.

    Source: one-sided short-time Fourier transform as input of FOCAL, arXiv 2310.20071, and InfoMAE, arXiv 2504.09707;
    window, scale and what is left out are choices of kinelet.
    """

    scale: Tensor
    middle: Tensor
    spread: Tensor
    basis: Tensor | None

    def __init__(self, spec: SignalSpec, config: FrontConfig) -> None:
        super().__init__()
        channels, self.config = len(spec.channels), config
        self.spectral = config.front == "stft"
        self.length = samples_of(spec, config)
        self.overlaps = self.spectral and config.overlap == "half"
        self.hop = self.length // 2 if self.overlaps else self.length
        self.bins = self.length // 2 + int(config.nyquist) if self.spectral else self.length
        self.planes = channels * (2 if self.spectral and config.mode == "reim" else 1)
        self.patch = patch_of(config, self.bins)
        self.register_buffer("scale", torch.ones(channels))
        self.register_buffer("middle", torch.zeros(self.planes))
        self.register_buffer("spread", torch.ones(self.planes))
        matrix = self.spectral and self.length <= _BY_MATRIX
        self.register_buffer("basis", _basis(self.length, self.bins, self.overlaps) if matrix else None, False)

    def forward(self, x: Tensor) -> Tensor:
        """Map windows ``(batch, channel, time)`` to images ``(batch, plane, interval, bin)``."""
        with full_precision(x):
            x = full(x)
            values = self._values(self.spectrum(x)) if self.spectral else self._frames(x)
            return (values - self.middle[:, None, None]) / self.spread[:, None, None]

    def spectrum(self, x: Tensor) -> Tensor:
        """Real and imaginary parts ``(batch, channel, interval, 2, bin)``, in the unit of the signal.

        A sine of amplitude 1 at the centre of a bin, away from both ends, has magnitude 0.5 there.
        """
        # Products that a GPU rounds to ten bits would drown small movements in gravity.
        rounded = x.is_cuda and torch.get_float32_matmul_precision() != "highest"
        if self.basis is not None and not rounded:
            frames = self._frames(x)  # one product of two matrices, not one for each channel of each window
            return (frames.reshape(-1, self.length) @ self.basis).reshape(*frames.shape[:3], 2, self.bins)
        window = _window(self.length, self.overlaps).to(x)
        whole = torch.stft(
            self._continued(x).flatten(0, 1),
            self.length,
            self.hop,
            window=window,
            center=False,
            onesided=True,
            return_complex=True,
        )
        parts = torch.view_as_real(whole[:, : self.bins] / window.sum())
        return parts.permute(0, 2, 3, 1).reshape(*x.shape[:2], -1, 2, self.bins)

    def fit(self, windows: Iterable[Tensor]) -> None:
        """Fit the scale to batches of windows ``(batch, channel, time)``: quartiles of each channel.

        Raises:
            BadOptionError: if there is no window, or one holds a value that is not finite.
        """
        magnitudes, values = Quartiles(), Quartiles()
        for x in windows:
            self._require_finite(x)
            shown = self.spectrum(x.to(self.scale)) if self.spectral else self._frames(x.to(self.scale))
            if self.spectral:
                magnitudes.add(_magnitude(shown))
                # Both parts of a channel share one scale: turning a phase stays a turn.
                shown = shown.flatten(2, 3) if self.config.mode == "reim" else self._sized(shown)
            values.add(shown)
        if self.spectral:
            self.scale.copy_(magnitudes.scale())
        low, middle, high = (self._placed(part) for part in values.quartiles())
        self.middle.copy_(middle)
        self.spread.copy_(torch.where(high > low, high - low, torch.ones_like(high)))

    def _values(self, parts: Tensor) -> Tensor:
        if self.config.mode == "reim":
            return _planes(parts) / self.scale.repeat_interleave(2)[:, None, None]
        return self._log(self._sized(parts) / self.scale[:, None, None])

    def _sized(self, parts: Tensor) -> Tensor:
        """Magnitudes ``(batch, channel, interval, bin)``; with its sign the one that has some, if wanted."""
        size = _magnitude(parts)
        if not self.config.signed:
            return size
        return torch.cat([parts[:, :, :, 0, :1], size[..., 1:]], dim=3)

    def _log(self, size: Tensor) -> Tensor:
        return size.sign() * torch.log1p(size.abs()) if self.config.signed else torch.log1p(size)

    def _placed(self, quartile: Tensor) -> Tensor:
        """A quartile before scaling as the same quartile after it: the map is monotone."""
        quartile = quartile.to(self.scale)
        if not self.spectral:
            return quartile
        quartile = quartile / self.scale
        return quartile.repeat_interleave(2) if self.config.mode == "reim" else self._log(quartile)

    def _frames(self, x: Tensor) -> Tensor:
        return self._continued(x).unfold(2, self.length, self.hop)

    def _continued(self, x: Tensor) -> Tensor:
        missing = -(x.shape[2] - self.length) % self.hop
        return functional.pad(x, (0, missing), mode="replicate") if missing else x

    def _require_finite(self, x: Tensor) -> None:
        if not bool(torch.isfinite(x).all()):
            raise BadOptionError("windows hold values that are not finite", where="fit of the input")


def _magnitude(parts: Tensor) -> Tensor:
    return (parts.square().sum(dim=3) + _TINY).sqrt()


def _planes(parts: Tensor) -> Tensor:
    return parts.movedim(3, 2).flatten(1, 2)


def _window(length: int, hann: bool) -> Tensor:
    return torch.hann_window(length, dtype=torch.float64) if hann else torch.ones(length, dtype=torch.float64)


def _basis(length: int, bins: int, hann: bool) -> Tensor:
    """Matrix ``(sample, 2 * bin)`` from an interval to real and imaginary parts over the sum of the window."""
    window = _window(length, hann)
    turn = torch.arange(length)[:, None] * torch.arange(bins) % length
    angle = turn.double() * (2 * torch.pi / length)
    both = torch.cat([angle.cos(), -angle.sin()], dim=1)
    return (both * (window / window.sum())[:, None]).float()
