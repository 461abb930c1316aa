"""A temperature that is learned, within bounds."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from kinelet.errors import BadOptionError


class Temperature(nn.Module):
    """Positive number whose logarithm is learned, kept between two bounds.

    While training, a logarithm that a step has carried past a bound is put back onto it, so that it leaves the bound as
    soon as the gradient points inside.

    Args:
        start: First value.
        low: Lower bound.
        high: Upper bound.
        learn: Whether it changes.

    Raises:
        BadOptionError: unless ``0 < low <= start <= high``.

    >>> round(float(Temperature(0.1)().detach()), 6)
    0.1
    """

    def __init__(self, start: float = 0.1, low: float = 0.01, high: float = 1.0, learn: bool = True) -> None:
        super().__init__()
        if not 0 < low <= start <= high:
            raise BadOptionError(f"temperature {start} between {low} and {high}", remedy="They are positive and rise")
        self.low, self.high = low, high
        self.log = nn.Parameter(torch.tensor(math.log(start)), requires_grad=learn)

    def forward(self) -> Tensor:
        """Give the temperature, a scalar with gradient."""
        if self.training:
            with torch.no_grad():
                self.log.clamp_(math.log(self.low), math.log(self.high))
        value = self.log.exp()
        # The exponential of a rounded bound may lie past it; the gradient must not end there.
        return value + (value.clamp(self.low, self.high) - value).detach()
