"""Encoders that look at a picture of the signal, intervals of time by frequencies, in patches that can be hidden."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from kinelet.encoders.base import DenseEncoder, Encoder
from kinelet.encoders.front import Front, FrontConfig
from kinelet.encoders.grid import Grid
from kinelet.signal.spec import SignalSpec


class ImageEncoder(DenseEncoder):
    """Base of encoders on time-frequency images.

    A window ``(batch, channel, time)`` becomes an image ``(batch, plane, interval, bin)``, the image a grid of
    patches, and the patches a code ``(batch, dim)``.

    Attributes:
        front: From window to image.
        patch: Intervals and bins in a patch.
        multiple: Rows and columns of the grid come in multiples of these.
    """

    needs_fit = True
    multiple: tuple[int, int] = (1, 1)

    def __init__(self, spec: SignalSpec, dim: int, front: FrontConfig, config: dict[str, Any]) -> None:
        super().__init__(spec, dim, config)
        self.front = Front(spec, front)
        self.patch, self.min_samples = self.front.patch, self.front.length

    def image(self, x: Tensor) -> Tensor:
        """Map windows ``(batch, channel, time)`` to images ``(batch, plane, interval, bin)``, in full precision."""
        self.check_input(tuple(x.shape))
        return self.front(x)  # type: ignore[no-any-return]

    def grid(self, image: Tensor) -> Grid:
        """How images of this size are cut into patches."""
        return Grid.of(image, self.patch, self.multiple)

    def encode(self, image: Tensor, keep: Tensor | None = None) -> Tensor:
        """Map images to codes ``(batch, dim)``.

        Args:
            image: ``(batch, plane, interval, bin)``.
            keep: Patches that may be seen, ``(batch, patch)`` bool; what the others hold has no influence at all.
        """
        raise TypeError(f"{type(self).__name__} does not define encode")

    def forward(self, x: Tensor) -> Tensor:
        """Encode windows ``(batch, channel, time)`` into ``(batch, dim)``."""
        return self.encode(self.image(x))

    @torch.no_grad()
    def fit_input(self, windows: Iterable[Tensor]) -> None:
        """Fit the scale of images to batches of windows ``(batch, channel, time)``.

        Raises:
            BadOptionError: if there is no window, or one holds a value that is not finite.
        """
        self.front.fit(windows)


def share_input(source: Encoder, target: Encoder) -> None:
    """Give ``target``, a network of the same make, what ``source`` or an encoder within it fitted to its input."""
    for ours, theirs in zip(source.modules(), target.modules(), strict=True):
        if isinstance(ours, Front) and isinstance(theirs, Front):
            theirs.load_state_dict(ours.state_dict())
