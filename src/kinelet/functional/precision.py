"""What every loss shares: similarities and sums are computed in float32 (float64 stays), even under autocast."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional

from kinelet.errors import BadOptionError


def full(z: Tensor) -> Tensor:
    """Give ``z`` in float32, or as it is if it is float64."""
    return z if z.dtype == torch.float64 else z.float()


def unit(z: Tensor) -> Tensor:
    """Give ``z`` ``(…, dim)`` in full precision with vectors of length 1; a zero vector stays zero."""
    return functional.normalize(full(z), dim=-1)


def positive(temperature: float | Tensor) -> float | Tensor:
    """Give the temperature back.

    Raises:
        BadOptionError: if it is not positive. A learned one is a tensor: comparing it would wait for the device, and
            its owner clamps it.
    """
    if not isinstance(temperature, Tensor) and not temperature > 0:
        raise BadOptionError(f"temperature is {temperature}, it must be positive")
    return temperature


def full_precision(z: Tensor) -> torch.autocast:
    """Context in which autocast is off on the device of ``z``."""
    return torch.autocast(z.device.type, enabled=False)


@contextmanager
def exact_convolutions(z: Tensor) -> Iterator[None]:
    """Context in which convolutions on a GPU do not round float32 to ten bits, which is their default."""
    before = torch.backends.cudnn.allow_tf32
    if z.is_cuda:
        torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        if z.is_cuda:
            torch.backends.cudnn.allow_tf32 = before
