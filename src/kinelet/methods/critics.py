"""Critics: networks that tell what belongs together from what was drawn apart, and so estimate log ratios.

A critic is trained beside what it judges: the gradient of :func:`joint_and_apart` reaches the critic alone, that of
:func:`log_ratio` everything but the critic.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import parametrizations

from kinelet.errors import BadOptionError
from kinelet.functional.information import density_ratio_logits
from kinelet.methods.drawn_apart import other_sequences

__all__ = [
    "Argument",
    "Critic",
    "joint_and_apart",
    "log_ratio",
    "other_sequences",
    "resting",
]

Argument = int | tuple[int, ...]
_SLOPE = 0.2
_REGIONS = (2, 4)  # A mean over a whole spectrum would not know which frequency is which.


class Critic(nn.Module):
    """Log ratio of the joint density of its arguments and the product of their densities, as a bounded logit.

    Args:
        arguments: What it compares, two or more: a number for vectors of that width, ``(channels, …)`` for images
            ``(batch, channel, row, column)`` or windows ``(batch, channel, time)`` of any size, which convolutions
            bring down to ``width`` first.
        width: What an image is brought down to.
        hidden: Width of the layers in between.
        depth: Linear layers, the last of which gives the logit.
        dropout: Between the layers.
        spectral_norm: Bound how steep each layer is.
        bound: Of the logit.

    Raises:
        BadOptionError: if there are fewer than two arguments or fewer than two layers.

    Source: InfoMAE, arXiv 2504.09707, equation 6: five layers, images through convolutions; the rest is ours.
    """

    def __init__(
        self,
        arguments: Sequence[Argument],
        *,
        width: int = 128,
        hidden: int = 128,
        depth: int = 5,
        dropout: float = 0.0,
        spectral_norm: bool = False,
        bound: float = 10.0,
    ) -> None:
        super().__init__()
        if len(arguments) < 2 or depth < 2:
            raise BadOptionError(f"a critic of {len(arguments)} arguments and {depth} layers", remedy="Two or more")
        self.bound = bound
        self.columns = nn.ModuleList(nn.Identity() if isinstance(a, int) else _column(a[0], width) for a in arguments)
        sizes = [sum(a if isinstance(a, int) else width for a in arguments), *[hidden] * (depth - 1)]
        layers: list[nn.Module] = []
        for size, following in itertools.pairwise(sizes):
            layers += [nn.Linear(size, following), nn.LeakyReLU(_SLOPE), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden, 1))
        if spectral_norm:
            for module in list(self.modules()):
                if isinstance(module, nn.Linear | nn.Conv2d):
                    parametrizations.spectral_norm(module)

    def forward(self, *arguments: Tensor) -> Tensor:
        """Map one tensor for each argument to logits ``(batch,)`` in float32 (float64 stays)."""
        vectors = [column(x) for column, x in zip(self.columns, arguments, strict=True)]
        return density_ratio_logits(self.layers(torch.cat(vectors, dim=1)).squeeze(1), self.bound)


def joint_and_apart(
    critic: Critic,
    arguments: Sequence[Tensor],
    sequence: Tensor,
    generator: torch.Generator,
    *,
    valid: Tensor | None = None,
) -> tuple[Tensor, Tensor] | None:
    """Logits of the valid rows as they are and with all arguments but the first drawn apart, both ``(valid rows,)``.

    Args:
        critic: In its present mode.
        arguments: One tensor each, ``(batch, …)``, row for row what belongs together; nothing flows back into them.
        sequence: Number of the sequence of each row, ``(batch,)``.
        generator: Draws what is put together apart.
        valid: Rows that have all arguments.

    Returns:
        Both, or ``None`` where there are fewer than two sequences.
    """
    first, *rest = (x.detach() if valid is None else x.detach()[valid] for x in arguments)
    apart = other_sequences(sequence if valid is None else sequence[valid], generator, len(rest))
    if apart is None:
        return None
    # One pass over both: half the overhead of two.
    moved = [x[index] for x, index in zip(rest, apart, strict=True)]
    both = [torch.cat(pair) for pair in ((first, first), *zip(rest, moved, strict=True))]
    joint, product = critic(*both).chunk(2)
    return joint, product


def log_ratio(critic: Critic, *arguments: Tensor) -> Tensor:
    """Log ratios ``(batch,)`` whose gradient reaches the arguments and leaves the critic alone.

    Without dropout, and without moving the critic's buffers.
    """
    still = {name: value.detach() for name, value in (*critic.named_parameters(), *critic.named_buffers())}
    with resting(critic):
        ratios: Tensor = functional_call(critic, still, arguments)
    return ratios


@contextmanager
def resting(critic: nn.Module) -> Iterator[None]:
    """Context in which a module is in evaluation mode."""
    before = critic.training
    critic.eval()
    try:
        yield
    finally:
        critic.train(before)


def _column(channels: int, width: int) -> nn.Module:
    """Convolutions from an image or window of any size to a vector."""
    return nn.Sequential(
        _AsImage(),
        nn.Conv2d(channels, width // 4, 3, padding=1),
        nn.LeakyReLU(_SLOPE),
        nn.Conv2d(width // 4, width // 2, 3, stride=2, padding=1),
        nn.LeakyReLU(_SLOPE),
        nn.Conv2d(width // 2, width // 2, 3, stride=2, padding=1),
        nn.LeakyReLU(_SLOPE),
        nn.AdaptiveAvgPool2d(_REGIONS),
        nn.Flatten(),
        nn.Linear(width // 2 * _REGIONS[0] * _REGIONS[1], width),
    )


class _AsImage(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.unsqueeze(2) if x.ndim == 3 else x
