"""What is done to windows before a motif network sees them, and to its errors afterwards."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kinelet.distances.config import MIN_AMPLITUDE_G, MIN_GRAVITY_G, DistanceOptions

RELATIVE_FLOOR = 1e-4


@dataclass(frozen=True)
class Prepared:
    """Windows as the network sees them, and what was taken off them.

    Attributes:
        x: Windows ``(batch, channel, time)``.
        mean: Means of the windows as they came ``(batch, channel)``.
        removed: What was subtracted, after the rotation ``(batch, channel)``; zeros where nothing was.
        sd: What they were divided by ``(batch,)``; ones where nothing was.
        rotation: Rotation that was applied ``(batch, 3, 3)``, or ``None``.
    """

    x: Tensor
    mean: Tensor
    removed: Tensor
    sd: Tensor
    rotation: Tensor | None


def prepare(x: Tensor, options: DistanceOptions) -> Prepared:
    """Rotate, centre and scale windows ``(batch, channel, time)`` by their own statistics, as the options say."""
    mean = x.mean(dim=-1)
    rotation = gravity_rotation(mean) if options.align == "gravity" else None
    if rotation is not None:
        x = rotation @ x
    removed, sd = torch.zeros_like(mean), torch.ones_like(mean[:, 0])
    if options.offset == "remove":
        removed = x.mean(dim=-1)
        x = x - removed[:, :, None]
    if options.amplitude == "own":
        sd = x.square().mean(dim=(1, 2)).sqrt().clamp(min=MIN_AMPLITUDE_G)
        x = x / sd[:, None, None]
    return Prepared(x, mean, removed, sd, rotation)


def restore(y: Tensor, anchor: Prepared) -> Tensor:
    """Bring rebuilt windows ``(batch, channel, time)`` back to the frame and units of their anchors."""
    y = y * anchor.sd[:, None, None] + anchor.removed[:, :, None]
    return y if anchor.rotation is None else anchor.rotation.mT @ y


def gravity_rotation(mean: Tensor) -> Tensor:
    """Smallest rotations that take mean vectors to +z.

    Args:
        mean: ``(batch, 3)`` in g.

    Returns:
        ``(batch, 3, 3)``; the identity where the mean is under 0.3 g, where down is not known.
    """
    length = mean.norm(dim=1, keepdim=True)
    u = mean / length.clamp(min=MIN_GRAVITY_G)
    flat = u[:, :2]
    r = flat.norm(dim=1, keepdim=True)
    # Straight down there is no smallest rotation; half a turn about y is one of them.
    n = torch.where(r > 0, flat / r.clamp(min=1e-30), torch.eye(2, dtype=u.dtype, device=u.device)[0])
    eye = torch.eye(3, dtype=u.dtype, device=u.device)
    # This form of Rodrigues' formula keeps its digits for windows that hang upside down.
    upper = eye[:2, :2] - (1 - u[:, 2, None, None]) * n[:, :, None] * n[:, None, :]
    turn = torch.cat([torch.cat([upper, -flat[:, :, None]], dim=2), u[:, None, :]], dim=1)
    return torch.where((length < MIN_GRAVITY_G)[:, :, None], eye, turn)


def procrustes_error(y: Tensor, a: Tensor) -> Tensor:
    """Squared error that remains after the best rotation of ``y``, summed over axes and time.

    Args:
        y: ``(batch, 3, time)``.
        a: ``(batch, 3, time)``.

    Returns:
        ``(batch,)``, at least 0. Reflections are no rotations: a mirrored copy stays apart.

    Source: Kabsch 1976; Umeyama 1991, equation 33.
    """
    wide_y, wide_a = y.double(), a.double()
    between = wide_a @ wide_y.mT
    s = torch.linalg.svdvals(between)
    best = s[:, 0] + s[:, 1] + s[:, 2] * torch.linalg.det(between).sign()
    energy = wide_y.square().sum(dim=(1, 2)) + wide_a.square().sum(dim=(1, 2))
    remains: Tensor = energy - 2 * best
    return remains.clamp(min=0).to(a.dtype)


def error(y: Tensor, a: Tensor, options: DistanceOptions) -> Tensor:
    """Squared error of rebuilt windows, offset part weighted, rotation forgiven, as the options say.

    Args:
        y: Rebuilt windows ``(pair, channel, time)``.
        a: Anchors as prepared ``(pair, channel, time)``.
        options: Which differences count.

    Returns:
        ``(pair,)``.
    """
    total = procrustes_error if options.align == "procrustes" else _squared
    if options.offset != "split":
        return total(y, a)
    middle_y, middle_a = y.mean(dim=-1, keepdim=True), a.mean(dim=-1, keepdim=True)
    gap = (middle_y - middle_a).square().sum(dim=(1, 2))
    return total(y - middle_y, a - middle_a) + options.mean_weight * a.shape[-1] * gap


def outside_terms(anchor: Prepared, candidate: Prepared, rows: Tensor, options: DistanceOptions) -> Tensor:
    """What posture and amplitude add to the distance of each pair.

    Args:
        anchor: Anchors.
        candidate: Candidates.
        rows: Rows of both, int64 ``(pair, 2)``.
        options: Which differences count.

    Returns:
        ``(pair,)``.
    """
    i, j = rows.unbind(1)
    added = torch.zeros_like(anchor.sd[i])
    if options.offset == "remove" and options.mean_weight:
        gap = _posture(anchor.mean[i], candidate.mean[j], anchor.x.shape[-1], options)
        added = options.mean_weight * gap
    if options.amplitude_weight:
        ratio = anchor.sd[i].log() - candidate.sd[j].log()
        added = added + options.amplitude_weight * ratio.square()
    return added


def anchor_energy(a: Tensor) -> Tensor:
    """What ``relative`` divides by: ``(batch,)`` from anchors as prepared ``(batch, channel, time)``."""
    around = a - a.mean(dim=-1, keepdim=True)
    return around.square().sum(dim=(1, 2)) + RELATIVE_FLOOR * a.shape[1] * a.shape[2]


def _posture(a: Tensor, c: Tensor, time: int, options: DistanceOptions) -> Tensor:
    if options.posture == "gap":
        return time * (a - c).square().sum(dim=1)
    cross = torch.linalg.cross(a, c).norm(dim=1)
    return torch.atan2(cross, (a * c).sum(dim=1)).square()


def _squared(y: Tensor, a: Tensor) -> Tensor:
    return (y - a).square().sum(dim=(1, 2))
