"""Augmentations of amplitude. Each takes ``x`` ``(batch, channel, time)`` and gives the same shape, dtype, device.

Every row has its own parameters, drawn from the generator; the input is not changed.

Source: Um et al. 2017, arXiv 1706.00527, section 3, unless stated otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from kinelet.errors import BadOptionError
from kinelet.functional.curves import spline_basis
from kinelet.functional.draws import normal, triads


def jitter(
    x: Tensor, generator: torch.Generator, *, sigma: float | Sequence[float] = 0.05, relative: bool = False
) -> Tensor:
    """Add white noise of standard deviation ``sigma``.

    Args:
        x: Windows ``(batch, channel, time)``.
        generator: Source of randomness.
        sigma: In units of the signal: one for all channels, or one a sensor (three channels each).
        relative: Multiply it by the standard deviation of each row and channel over time.
    """
    noise = normal(x, generator, *x.shape).to(x.dtype)
    scale = _per_channel(x, sigma)
    if relative:
        scale = scale * x.std(dim=2, keepdim=True, correction=0)
    return torch.addcmul(x, noise, scale)


def scale(
    x: Tensor,
    generator: torch.Generator,
    *,
    sigma: float = 0.25,
    mode: Literal["per_channel", "per_sensor", "per_window", "per_step"] = "per_channel",
) -> Tensor:
    """Multiply by ``1 + sigma * e``, ``e`` standard normal.

    Args:
        x: Windows ``(batch, channel, time)``.
        generator: Source of randomness.
        sigma: Spread of the factors.
        mode: One factor a channel, a sensor (three channels), a window, or a time step (for all channels).
    """
    batch, channels, time = x.shape
    if mode == "per_sensor":
        factor = normal(x, generator, batch, triads(x).shape[1], 1).repeat_interleave(3, dim=1)
    else:
        shape = {"per_channel": (channels, 1), "per_window": (1, 1), "per_step": (1, time)}[mode]
        factor = normal(x, generator, batch, *shape)
    return x * (1 + sigma * factor).to(x.dtype)


def negate(x: Tensor, generator: torch.Generator) -> Tensor:
    """Change the sign of every sample. No motion does this to a sensor; kept for comparison with published work."""
    return -x


def magnitude_warp(x: Tensor, generator: torch.Generator, *, sigma: float = 0.2, knots: int = 6) -> Tensor:
    """Multiply each channel by its own smooth curve around 1.

    Args:
        x: Windows ``(batch, channel, time)``.
        generator: Source of randomness.
        sigma: Spread of the curve at its knots.
        knots: Equally spaced knots of the cubic spline, ends included.
    """
    draws = 1 + sigma * normal(x, generator, *x.shape[:2], knots)
    return x * (draws @ spline_basis(knots, x.shape[2], x)).to(x.dtype)


def _per_channel(x: Tensor, sigma: float | Sequence[float]) -> Tensor:
    """``sigma`` as ``(1, channel, 1)`` or a scalar."""
    values = torch.as_tensor(sigma, dtype=x.dtype, device=x.device)
    if values.ndim == 0 or len(values) == 1:
        return values.reshape(())
    if len(values) != triads(x).shape[1]:
        raise BadOptionError(
            f"{len(values)} values of sigma for {x.shape[1] // 3} sensors", where="jitter", remedy="Give one a sensor"
        )
    return values.repeat_interleave(3)[None, :, None]
