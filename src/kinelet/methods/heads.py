"""Networks on top of an encoder that a method trains and throws away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import nn

HeadNorm = Literal["batch", "layer", "none"]


def projector(dim: int, widths: Sequence[int], norm: HeadNorm = "batch") -> nn.Sequential:
    """Linear layers of ``widths`` on ``dim`` inputs, with norm and ReLU between them.

    ``batch`` norm is the published choice; ``layer`` does not depend on the other rows of the batch.
    """
    layers: list[nn.Module] = []
    for i, width in enumerate(widths):
        last = i == len(widths) - 1
        # A norm that follows takes the bias away again.
        layers.append(nn.Linear(dim, width, bias=last or norm == "none"))
        if not last:
            layers += [*_norm(norm, width), nn.ReLU()]
        dim = width
    return nn.Sequential(*layers)


def _norm(norm: HeadNorm, width: int) -> list[nn.Module]:
    if norm == "none":
        return []
    return [nn.BatchNorm1d(width) if norm == "batch" else nn.LayerNorm(width)]
