"""Encoders that look at a picture of the signal, intervals of time by frequencies, in patches that can be hidden."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from torch import Tensor, nn

from kinelet.encoders.base import Encoder

if TYPE_CHECKING:
    from kinelet.encoders.grid import Grid


class ImageEncoder(Encoder):
    """Base of encoders on time-frequency images.

    A window ``(batch, channel, time)`` becomes an image ``(batch, plane, interval, bin)``, the image a grid of
    patches, and the patches a code ``(batch, dim)``.

    Attributes:
        front: From window to image.
    """

    needs_fit = True
    front: nn.Module

    def image(self, x: Tensor) -> Tensor:
        """Map windows ``(batch, channel, time)`` to images ``(batch, plane, interval, bin)``."""
        return self.front(x)  # type: ignore[no-any-return]

    def grid(self, image: Tensor) -> Grid:
        """How images of this size are cut into patches."""
        raise TypeError(f"{type(self).__name__} does not define grid")

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

    def fit_input(self, windows: Iterable[Tensor]) -> None:
        """Fit the normalisation of images on batches of windows ``(batch, channel, time)``."""
        raise TypeError(f"{type(self).__name__} does not define fit_input")
