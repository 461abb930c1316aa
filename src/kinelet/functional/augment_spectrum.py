"""Augmentations of spectra, after the transform or of whole windows."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kinelet.errors import BadOptionError
from kinelet.functional.draws import uniform
from kinelet.functional.precision import full


def phase_shift(
    x: Tensor, generator: torch.Generator, *, max_angle_deg: float = 180.0, nyquist: bool = False
) -> Tensor:
    """Turn the phase of all frequencies of a channel by one angle, drawn for each channel of each row.

    Where movement is large and where it is still stay as they are, and so do the magnitudes of all frequencies. The
    shares of frequency 0 (gravity lies there) and of half the rate are real in any real signal, and are left alone.

    Args:
        x: Windows ``(batch, channel, time)``, whose spectrum is turned as a whole; or images with the real and the
            imaginary part of each channel, one plane after the other, ``(batch, 2 * channel, interval, bin)``, as
            encoders with ``mode=reim`` see them.
        generator: Source of randomness.
        max_angle_deg: Angles are uniform between minus and plus this many degrees.
        nyquist: Whether the last bin of an image is that of half the rate.

    Raises:
        BadOptionError: if planes do not come in pairs.

    Source: the list of FOCAL, arXiv 2310.20071, which turns images.
    """
    if x.ndim == 3:
        spectrum = torch.fft.rfft(full(x))
        even = x.shape[2] % 2 == 0
        turned = spectrum * _pointers(x, x.shape[1], spectrum.shape[2], generator, max_angle_deg, even)
        back: Tensor = torch.fft.irfft(turned, n=x.shape[2])
        return back.to(x.dtype)
    if x.shape[1] % 2:
        raise BadOptionError(
            f"{x.shape[1]} planes are not real and imaginary parts",
            where="phase_shift",
            remedy="Use it on images of encoders with mode=reim, or on windows",
        )
    pointers = _pointers(x, x.shape[1] // 2, x.shape[3], generator, max_angle_deg, nyquist)[:, :, None]
    parts = torch.complex(full(x[:, 0::2]), full(x[:, 1::2])) * pointers
    return torch.stack([parts.real, parts.imag], dim=2).flatten(1, 2).to(x.dtype)


def _pointers(
    x: Tensor, channels: int, bins: int, generator: torch.Generator, max_angle_deg: float, nyquist: bool
) -> Tensor:
    """Unit complex numbers ``(batch, channel, bin)`` to multiply spectra by; 1 for bins that are real."""
    angle = (2 * uniform(x, generator, len(x), channels) - 1) * math.radians(max_angle_deg)
    turns = torch.ones(bins, device=x.device)
    turns[0] = 0.0
    if nyquist:
        turns[-1] = 0.0
    phase = angle[..., None] * turns
    return torch.complex(phase.cos(), phase.sin())
