"""Training and judging one critic alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from kinelet.functional.information import critic_accuracy, density_ratio_bce
from kinelet.methods.critics import Critic, joint_and_apart, resting


def critic_loss(
    critic: Critic,
    arguments: Sequence[Tensor],
    sequence: Tensor,
    generator: torch.Generator,
    *,
    valid: Tensor | None = None,
) -> Tensor | None:
    """Loss that trains a critic alone; ``None`` where there are fewer than two sequences."""
    logits = joint_and_apart(critic, arguments, sequence, generator, valid=valid)
    return None if logits is None else density_ratio_bce(*logits)


def held_out_accuracy(
    critic: Critic,
    arguments: Sequence[Tensor],
    sequence: Tensor,
    generator: torch.Generator,
    *,
    valid: Tensor | None = None,
) -> float | None:
    """How well a critic tells pairs that it was not trained on from rows drawn apart; 0.5 is chance."""
    with torch.no_grad(), resting(critic):
        logits = joint_and_apart(critic, arguments, sequence, generator, valid=valid)
        return None if logits is None else float(critic_accuracy(*logits))
