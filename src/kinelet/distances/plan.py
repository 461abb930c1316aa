"""How much of a distance evaluation is held in memory at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from kinelet.distances.config import DistanceOptions
from kinelet.errors import BadOptionError

if TYPE_CHECKING:
    from kinelet.distances.network import MotifNetwork

CACHE_BYTES = 28 << 20
"""Working set on a CPU: with a much larger one, scores travel to memory and back, which takes half as long again."""


@dataclass(frozen=True)
class Plan:
    """How distances are evaluated.

    Attributes:
        options: Which differences count.
        attention: How scores become weights.
        chunk: Pairs evaluated, and candidates encoded, at once.
        windows: Candidates whose features are held at once.
        bf16: Convolutions and scores in bfloat16; statistics, weights and errors stay as they are.
    """

    options: DistanceOptions
    attention: str
    chunk: int
    windows: int
    bf16: bool = False

    def matmuls(self, x: Tensor) -> torch.autocast:
        """Context for convolutions and products on the device of ``x``."""
        return torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=self.bf16)


def make_plan(
    net: MotifNetwork,
    windows: Tensor,
    options: DistanceOptions,
    attention: str,
    chunk: int | None,
    budget_mb: float,
    precision: str,
) -> Plan:
    """Choose sizes so that what is held stays within ``budget_mb`` MiB.

    Raises:
        BadOptionError: if the budget or chunk is not positive, or the precision or attention is unknown.
    """
    if precision not in ("fp32", "bf16"):
        raise BadOptionError(f"precision is {precision!r}", where="motif_distance", remedy="Choose fp32 or bf16")
    if attention not in ("softmax", "sparsemax"):
        raise BadOptionError(f"attention is {attention!r}", where="motif_distance", remedy="softmax or sparsemax")
    if not budget_mb > 0 or (chunk is not None and chunk < 1):
        raise BadOptionError(f"budget_mb={budget_mb}, chunk={chunk}: must be positive", where="motif_distance")
    time, half = windows.shape[-1], int(budget_mb * (1 << 20)) // 2
    row = net.config.width * time * windows.element_size()
    # Scores of a pair on the way to weights, and its query on the way through the stack.
    tables = 3 if attention == "softmax" else 5
    pair = tables * time * -(-time // net.config.stride) * windows.element_size() + 6 * row
    room = half if windows.is_cuda else min(half, CACHE_BYTES)
    # Twice the keys, since they are joined from parts.
    return Plan(options, attention, chunk or max(1, room // pair), max(1, half // (2 * row)), precision == "bf16")
