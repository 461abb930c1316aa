"""Augmentations of sensor axes: true rotations and permutations. Shapes as in ``augment_amplitude``.

Channels come in sensors of three axes (accelerometer, gyroscope, …), and what happens to one sensor of a row happens
to all of them, since they sit on one body.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from kinelet.errors import BadOptionError
from kinelet.functional.draws import normal, triads, uniform


def rotate(
    x: Tensor,
    generator: torch.Generator,
    *,
    max_angle_deg: float | None = None,
    axis: Literal["sphere", "cube"] = "sphere",
) -> Tensor:
    """Rotate each row by its own rotation, the same for all its sensors.

    Args:
        x: Windows ``(batch, 3 * sensor, time)``.
        generator: Source of randomness.
        max_angle_deg: ``None`` draws uniformly from all rotations; otherwise the axis is uniform on the sphere and
            the angle uniform between minus and plus this many degrees.
        axis: Where the axis of a limited rotation comes from: uniform on the ``sphere``, or a point of the ``cube``
            [-1, 1]³ made a unit vector, as in much published work; that one prefers the cube's diagonals.

    Raises:
        BadOptionError: if the channels are not whole triples, or ``axis="cube"`` comes without ``max_angle_deg``.

    Source: unit quaternions of four normals, Shoemake 1992, "Uniform random rotations"; Rodrigues' formula.
    """
    sensors = triads(x)
    q = random_quaternions(x, generator, max_angle_deg, axis)
    return (rotation_matrices(q)[:, None].to(x.dtype) @ sensors).flatten(1, 2)


def shuffle_axes(x: Tensor, generator: torch.Generator, *, allow_identity: bool = False) -> Tensor:
    """Put the axes of every sensor in another order, the same for all sensors of a row.

    Three of the five orders that change anything mirror space, which no way of wearing a sensor does.

    Args:
        x: Windows ``(batch, 3 * sensor, time)``.
        generator: Source of randomness.
        allow_identity: Count the order that changes nothing among the possible ones.

    Raises:
        BadOptionError: if the channels are not whole triples.
    """
    sensors = triads(x)
    orders = torch.tensor(_ORDERS if allow_identity else _ORDERS[1:], device=x.device)
    drawn = orders[(uniform(x, generator, len(x)) * len(orders)).long()]
    return sensors.gather(2, drawn[:, None, :, None].expand_as(sensors)).flatten(1, 2)


def random_quaternions(
    x: Tensor, generator: torch.Generator, max_angle_deg: float | None, axis: Literal["sphere", "cube"] = "sphere"
) -> Tensor:
    """Unit quaternions ``(batch, 4)``, real part first; see :func:`rotate`."""
    if max_angle_deg is None:
        if axis == "cube":
            raise BadOptionError("axis 'cube' without max_angle_deg", where="rotate", remedy="Give max_angle_deg=180")
        return torch.nn.functional.normalize(normal(x, generator, len(x), 4), dim=1)
    point = normal(x, generator, len(x), 3) if axis == "sphere" else 2 * uniform(x, generator, len(x), 3) - 1
    half = (2 * uniform(x, generator, len(x), 1) - 1) * math.radians(max_angle_deg) / 2
    return torch.cat([half.cos(), half.sin() * torch.nn.functional.normalize(point, dim=1)], dim=1)


def rotation_matrices(q: Tensor) -> Tensor:
    """Rotation matrices ``(batch, 3, 3)`` of unit quaternions ``(batch, 4)``.

    >>> rotation_matrices(torch.tensor([[1.0, 0.0, 0.0, 0.0]]))[0].diagonal()
    tensor([1., 1., 1.])
    """
    w, x, y, z = q.unbind(1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


_ORDERS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
