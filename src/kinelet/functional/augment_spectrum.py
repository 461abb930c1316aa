"""Augmentations of spectra, after the transform."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kinelet.errors import BadOptionError
from kinelet.functional.draws import uniform


def phase_shift(
    image: Tensor, generator: torch.Generator, *, max_angle_deg: float = 180.0, p: float = 1.0, nyquist: bool = False
) -> Tensor:
    """Turn the phase of all frequencies of a channel by one angle, drawn for each channel of each row.

    The shares of frequency 0 (gravity lies there) and of half the rate are real in any real signal, and stay.

    Args:
        image: Real and imaginary part of each channel, one plane after the other,
            ``(batch, 2 * channel, interval, bin)``, as encoders with ``mode=reim`` see it.
        generator: Source of randomness.
        max_angle_deg: Angles are uniform between minus and plus this many degrees.
        p: Probability that a row is changed.
        nyquist: Whether the last bin is that of half the rate.

    Raises:
        BadOptionError: if planes do not come in pairs.

    Source: the list of FOCAL, arXiv 2310.20071.
    """
    batch, planes, _, bins = image.shape
    if planes % 2:
        raise BadOptionError(
            f"{planes} planes are not real and imaginary parts",
            where="phase_shift",
            remedy="Use it on images of encoders with mode=reim; magnitudes do not know of phases",
        )
    angle = (2 * uniform(image, generator, batch, planes // 2) - 1) * math.radians(max_angle_deg)
    angle = angle * (uniform(image, generator, batch, 1) < p)
    turned = torch.ones(bins, dtype=image.dtype, device=image.device)
    turned[[0, -1] if nyquist else [0]] = 0.0
    phase = angle.to(image.dtype)[:, :, None, None] * turned
    real, imaginary = image.unflatten(1, (-1, 2)).unbind(2)  # type: ignore[no-untyped-call]
    cos, sin = phase.cos(), phase.sin()
    return torch.stack([real * cos - imaginary * sin, real * sin + imaginary * cos], dim=2).flatten(1, 2)
