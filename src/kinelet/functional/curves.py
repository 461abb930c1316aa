"""Smooth random curves over a window: cubic splines through equally spaced knots."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor


@lru_cache(maxsize=64)
def _basis(knots: int, samples: int) -> Tensor:
    where = np.linspace(0.0, max(samples - 1, 1), knots)
    curves = CubicSpline(where, np.eye(knots), axis=0, bc_type="not-a-knot")(np.arange(samples))
    return torch.as_tensor(curves.T.copy(), dtype=torch.float32)


def spline_basis(knots: int, samples: int, like: Tensor) -> Tensor:
    """Matrix ``(knots, samples)``: values at the knots times it are the spline at every sample.

    A spline is linear in its values, so a batch of curves is one matrix product. Ends are not-a-knot.

    >>> spline_basis(4, 4, torch.empty(0)).round().abs()
    tensor([[1., 0., 0., 0.],
            [0., 1., 0., 0.],
            [0., 0., 1., 0.],
            [0., 0., 0., 1.]])
    """
    return _basis(knots, samples).to(like.device)
