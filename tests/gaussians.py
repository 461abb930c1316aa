"""Closed forms of information between parts of a Gaussian vector, for tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

Part = Sequence[int]


def log_det(covariance: Tensor, part: Part) -> Tensor:
    rows = list(part)
    return torch.linalg.slogdet(covariance[rows][:, rows]).logabsdet


def total_correlation(covariance: Tensor, *parts: Part) -> Tensor:
    """``E[log p(a, b, …) / (p(a) p(b) …)]`` in nats; with two parts, their mutual information."""
    together = [i for part in parts for i in part]
    apart = torch.stack([log_det(covariance, part) for part in parts]).sum()
    return 0.5 * (apart - log_det(covariance, together))


def conditional_information(covariance: Tensor, one: Part, two: Part, given: Part) -> Tensor:
    h = [log_det(covariance, [*one, *given]), log_det(covariance, [*two, *given])]
    return 0.5 * (h[0] + h[1] - log_det(covariance, given) - log_det(covariance, [*one, *two, *given]))


def log_density(covariance: Tensor, x: Tensor, part: Part) -> Tensor:
    """Log density of zero-mean Gaussian coordinates ``part`` at ``x`` ``(batch, dim)``, without the constant."""
    rows = list(part)
    inverse = torch.linalg.inv(covariance[rows][:, rows])
    z = x[:, rows]
    return -0.5 * (torch.einsum("ni,ij,nj->n", z, inverse, z) + log_det(covariance, rows))


def log_ratio(covariance: Tensor, x: Tensor, *parts: Part) -> Tensor:
    """``log p(a, b, …) / (p(a) p(b) …)`` at each row of ``x``."""
    together = log_density(covariance, x, [i for part in parts for i in part])
    return together - torch.stack([log_density(covariance, x, part) for part in parts]).sum(dim=0)


def of_the_spec() -> Tensor:
    """Covariance of X1, X2, U, four coordinates each, for which the values are known."""
    a = torch.from_numpy(np.random.default_rng(0).standard_normal((12, 12)))
    return a @ a.T + 0.1 * torch.eye(12, dtype=torch.float64)


def encoded(covariance: Tensor, weight: Tensor, noise: float) -> Tensor:
    """Covariance of (X1, X2, U) where ``U = weight X1 + noise`` and X1 comes first in ``covariance``."""
    rows, columns = weight.shape
    lift = torch.zeros(rows, len(covariance), dtype=torch.float64)
    lift = torch.cat([weight, lift[:, columns:]], dim=1)
    own = lift @ covariance @ lift.T + noise * torch.eye(rows, dtype=torch.float64)
    top = torch.cat([covariance, covariance @ lift.T], dim=1)
    return torch.cat([top, torch.cat([lift @ covariance, own], dim=1)])
