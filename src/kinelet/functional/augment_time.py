"""Augmentations of the time axis, the same for all channels of a row. Shapes as in ``augment_amplitude``."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kinelet.errors import BadOptionError
from kinelet.functional.curves import spline_basis
from kinelet.functional.draws import check_fractions, interpolate_at, normal, take, triads, uniform


def reverse(x: Tensor, generator: torch.Generator, *, physical: bool = False) -> Tensor:
    """Play the window backwards.

    Args:
        x: Windows ``(batch, channel, time)``.
        generator: Not used; here so that all augmentations are called alike.
        physical: Also change the sign of the second sensor (channels 3 to 5, the gyroscope), as running time
            backwards does: accelerations keep their sign, angular rates do not.

    Raises:
        BadOptionError: if ``physical`` is asked for and there is no second sensor of three axes.
    """
    y = x.flip(2)
    if physical:
        if triads(x).shape[1] < 2:
            raise BadOptionError("physical reversal needs a gyroscope in channels 3 to 5", where="reverse")
        y[:, 3:6].neg_()
    return y


def permute(
    x: Tensor,
    generator: torch.Generator,
    *,
    segments: int = 5,
    distinct: bool = True,
    allow_identity: bool = True,
) -> Tensor:
    """Cut each row at its own random times and put the pieces in random order.

    Args:
        x: Windows ``(batch, channel, time)``.
        generator: Source of randomness.
        segments: Number of pieces; without ``distinct`` some may be empty, so that there are up to this many.
        distinct: Draw cuts without repetition, so that no piece is empty; otherwise with repetition from all times.
        allow_identity: Count the order that changes nothing among the possible ones; otherwise, where it is drawn,
            the last piece comes first.

    Raises:
        BadOptionError: if a window has fewer samples than pieces.

    Source: Um et al. 2017, arXiv 1706.00527, section 3.
    """
    batch, _, time = x.shape
    if segments > time:
        raise BadOptionError(f"{segments} segments of windows of {time} samples", where="permute")
    if distinct:
        cuts = uniform(x, generator, batch, time - 1).topk(segments - 1, dim=1).indices + 1
    else:
        cuts = (uniform(x, generator, batch, segments - 1) * time).long()
    start = torch.nn.functional.pad(cuts.sort(dim=1).values, (1, 0))
    length = torch.diff(start, dim=1, append=start.new_full((batch, 1), time))
    order = uniform(x, generator, batch, segments).argsort(dim=1)
    if not allow_identity:
        unchanged = (order.diff(dim=1) == 1).all(dim=1, keepdim=True)
        order = torch.where(unchanged, order.roll(1, dims=1), order)
    start, end = start.gather(1, order), length.gather(1, order).cumsum(1)
    # Output time t lies in the first piece whose end is after t; its shift takes t back to the input.
    shift = start - (end - length.gather(1, order))
    t = torch.arange(time, device=x.device).expand(batch, -1).contiguous()
    piece = torch.searchsorted(end, t, right=True)
    return take(x, t + shift.gather(1, piece))


def time_warp(
    x: Tensor,
    generator: torch.Generator,
    *,
    sigma: float = 0.2,
    knots: int = 6,
    min_speed: float = 0.05,
    per_channel: bool = False,
) -> Tensor:
    """Let time run at a smoothly changing speed; order of events is kept, and so is the whole length.

    Speeds are normal around 1 at equally spaced knots, joined by a cubic spline and kept above ``min_speed``; their
    running sum, scaled to the window, says when each sample happens, and samples at whole times are interpolated.

    Args:
        x: Windows ``(batch, channel, time)``.
        generator: Source of randomness.
        sigma: Spread of the speeds at the knots.
        knots: Knots of the spline, ends included.
        min_speed: Smallest speed; positive, so that time never runs backwards.
        per_channel: Warp every channel by itself, as published code does; channels then lose sync.

    Source: Um et al. 2017, arXiv 1706.00527, section 3, with one warp for all axes by default.
    """
    if per_channel:
        alone = x.flatten(0, 1)[:, None]
        return time_warp(alone, generator, sigma=sigma, knots=knots, min_speed=min_speed).view_as(x)
    return interpolate_at(x, warp_positions(x, generator, sigma=sigma, knots=knots, min_speed=min_speed))


def warp_positions(x: Tensor, generator: torch.Generator, *, sigma: float, knots: int, min_speed: float) -> Tensor:
    """Input position ``(batch, time)`` that :func:`time_warp` reads at each output time; never falls."""
    batch, _, time = x.shape
    speed = (1 + sigma * normal(x, generator, batch, knots)) @ spline_basis(knots, time, x)
    clock = speed.clamp(min=min_speed).cumsum(1)
    clock = clock * ((time - 1) / clock[:, -1:])
    t = torch.arange(time, device=x.device, dtype=clock.dtype).expand(batch, -1).contiguous()
    # Sample i happens at clock[i]; the position of time t between samples inverts that piecewise linear map.
    after = torch.searchsorted(clock, t).clamp(1, max(time - 1, 1)) if time > 1 else torch.zeros_like(t).long()
    before = (after - 1).clamp(min=0)
    low, high = clock.gather(1, before), clock.gather(1, after)
    return (before + ((t - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)).clamp(max=time - 1)


def crop(x: Tensor, generator: torch.Generator, *, samples: int, max_speed: float = 1.0) -> Tensor:
    """Take ``samples`` from a random place of each row, at a random speed; the only augmentation that shortens.

    Args:
        x: Windows ``(batch, channel, time)``.
        generator: Source of randomness.
        samples: Length of the result.
        max_speed: Speeds are log-uniform between ``1 / max_speed`` and this; a fast row reads a longer part of its
            window, at most all of it. 1 copies samples as they are.

    Returns:
        ``(batch, channel, samples)``.

    Raises:
        BadOptionError: if the window is shorter than ``samples``, or ``max_speed`` is below 1.
    """
    batch, _, time = x.shape
    if not 1 <= samples <= time or max_speed < 1:
        raise BadOptionError(f"{samples} samples at speeds up to {max_speed} from windows of {time}", where="crop")
    draw = uniform(x, generator, batch, 2)
    if max_speed == 1:
        start = (draw[:, 1:] * (time - samples + 1)).long()
        return take(x, start + torch.arange(samples, device=x.device))
    speed = ((2 * draw[:, :1] - 1) * math.log(max_speed)).exp()
    span = (speed * (samples - 1)).clamp(max=time - 1)
    start = draw[:, 1:] * (time - 1 - span)
    return interpolate_at(x, start + span * torch.linspace(0, 1, samples, device=x.device))


def crop_resize(
    x: Tensor, generator: torch.Generator, *, min_fraction: float = 0.6, max_fraction: float = 1.0
) -> Tensor:
    """Cut a random part out of each row and stretch it linearly to the full length.

    Args:
        x: Windows ``(batch, channel, time)``.
        generator: Source of randomness.
        min_fraction: Shortest part, of the window's length.
        max_fraction: Longest part.

    Source: Chen et al. 2020 (SimCLR), arXiv 2002.05709, section 3, in one dimension.
    """
    check_fractions(min_fraction, max_fraction)
    batch, _, time = x.shape
    draw = uniform(x, generator, batch, 2)
    span = (min_fraction + (max_fraction - min_fraction) * draw[:, :1]) * (time - 1)
    start = draw[:, 1:] * (time - 1 - span)
    return interpolate_at(x, start + span * torch.linspace(0, 1, time, device=x.device))
