"""Random draws and indexing that the augmentations share."""

from __future__ import annotations

import torch
from torch import Tensor

from kinelet.errors import BadOptionError


def uniform(x: Tensor, generator: torch.Generator, *shape: int) -> Tensor:
    """Uniform draws in [0, 1) of ``shape``, float32 on the device of ``x``."""
    return torch.rand(shape, generator=generator, device=generator.device).to(x.device)


def normal(x: Tensor, generator: torch.Generator, *shape: int) -> Tensor:
    """Standard normal draws of ``shape``, float32 on the device of ``x``."""
    return torch.randn(shape, generator=generator, device=generator.device).to(x.device)


def triads(x: Tensor) -> Tensor:
    """View ``(batch, channel, time)`` as ``(batch, sensor, axis, time)`` with three axes a sensor.

    Raises:
        BadOptionError: if the channels are not whole triples.
    """
    if x.shape[1] % 3:
        raise BadOptionError(
            f"{x.shape[1]} channels are not sensors of three axes each",
            where="augmentation",
            remedy="Use augmentations=any_signal, or a list without rotate, shuffle_axes and per-sensor options",
        )
    return x.reshape(len(x), x.shape[1] // 3, 3, x.shape[2])


def check_fractions(low: float, high: float) -> None:
    """Raise unless ``0 <= low <= high <= 1``.

    Raises:
        BadOptionError: naming both.
    """
    if not 0 <= low <= high <= 1:
        raise BadOptionError(
            f"fractions from {low} to {high}", where="augmentation", remedy="They rise, and lie between 0 and 1"
        )


def take(x: Tensor, index: Tensor) -> Tensor:
    """Samples of ``x`` ``(batch, channel, time)`` at ``index`` ``(batch, step)``, the same for all channels."""
    return x.gather(2, index[:, None].expand(-1, x.shape[1], -1))


def interpolate_at(x: Tensor, position: Tensor) -> Tensor:
    """Linear interpolation of ``x`` ``(batch, channel, time)`` at ``position`` ``(batch, step)`` in samples.

    Positions outside the window give its first or last sample.
    """
    last = x.shape[2] - 1
    position = position.clamp(0, last)
    before = position.floor().long().clamp(max=max(last - 1, 0))
    weight = (position - before).to(x.dtype)[:, None]
    return torch.lerp(take(x, before), take(x, (before + 1).clamp(max=last)), weight)
