"""Augmentations that hide a stretch of time or a band of frequencies. Shapes as in ``augment_amplitude``."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from kinelet.functional.draws import check_fractions, uniform


def time_mask(
    x: Tensor,
    generator: torch.Generator,
    *,
    min_fraction: float = 0.05,
    max_fraction: float = 0.2,
    fill: Literal["mean", "zero"] = "mean",
) -> Tensor:
    """Flatten one stretch of each row, all channels together.

    Args:
        x: Windows ``(batch, channel, time)``.
        generator: Source of randomness.
        min_fraction: Shortest stretch, of the window's length, rounded to whole samples.
        max_fraction: Longest stretch.
        fill: Value in the stretch: each channel's mean over the window (gravity stays plausible), or zero.

    Source: Park et al. 2019 (SpecAugment), arXiv 1904.08779, section 2, in the time domain.
    """
    hidden = _stretch(x, generator, x.shape[2], min_fraction, max_fraction)
    value = x.mean(dim=2, keepdim=True) if fill == "mean" else x.new_zeros(())
    return torch.where(hidden[:, None], value, x)


def frequency_mask(
    x: Tensor, generator: torch.Generator, *, min_fraction: float = 0.05, max_fraction: float = 0.2
) -> Tensor:
    """Take one band of frequencies out of each row, all channels together; the mean (gravity) stays.

    Args:
        x: Windows ``(batch, channel, time)``.
        generator: Source of randomness.
        min_fraction: Narrowest band, of the frequencies above zero, rounded to whole Fourier bins.
        max_fraction: Widest band.

    Source: Park et al. 2019 (SpecAugment), arXiv 1904.08779, section 2, on the Fourier transform of the window.
    """
    time = x.shape[2]
    # Half precision has no Fourier transform on most devices.
    spectrum = torch.fft.rfft(x if x.dtype == torch.float64 else x.float())
    band = _stretch(x, generator, spectrum.shape[2] - 1, min_fraction, max_fraction)
    kept = torch.nn.functional.pad(~band, (1, 0), value=True)
    masked: Tensor = torch.fft.irfft(spectrum * kept[:, None], n=time)
    return masked.to(x.dtype)


def _stretch(x: Tensor, generator: torch.Generator, size: int, low: float, high: float) -> Tensor:
    """Boolean ``(batch, size)``, true on one run of consecutive places a row, anywhere with equal probability."""
    check_fractions(low, high)
    draw = uniform(x, generator, len(x), 2)
    shortest, longest = round(low * size), round(high * size)
    length = shortest + (draw[:, :1] * (longest - shortest + 1)).long()
    start = (draw[:, 1:] * (size - length + 1)).long()
    place = torch.arange(size, device=x.device)
    return (place >= start) & (place < start + length)
