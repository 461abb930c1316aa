"""Quartiles of many images in bounded memory."""

from __future__ import annotations

import torch
from torch import Tensor

from kinelet.errors import BadOptionError

_MOST = 1 << 24  # values kept at a time


class Quartiles:
    """Quartiles of each plane of images that arrive in batches.

    Where there are more values than fit, every other image is left out, and so on: what is kept stays spread evenly
    over all that was seen, and is the same in every run.
    """

    def __init__(self) -> None:
        self._kept: list[Tensor] = []
        self._every, self._seen, self._values = 1, 0, 0

    def add(self, images: Tensor) -> None:
        """Take images ``(batch, plane, interval, bin)`` into account."""
        for image in images.flatten(2).cpu():
            if self._seen % self._every == 0:
                self._kept.append(image)
                self._values += image.numel()
            self._seen += 1
        while self._values > _MOST and len(self._kept) > 1:
            self._kept, self._every = self._kept[::2], 2 * self._every
            self._values = sum(image.numel() for image in self._kept)

    def quartiles(self) -> tuple[Tensor, Tensor, Tensor]:
        """Lower quartile, median and upper quartile of each plane ``(plane,)``, each a value that occurred.

        Raises:
            BadOptionError: if nothing was added.
        """
        values = self._all().sort(dim=1).values
        last = values.shape[1] - 1
        low, middle, high = (values[:, round(share * last)] for share in (0.25, 0.5, 0.75))
        return low, middle, high

    def scale(self) -> Tensor:
        """Median of each plane ``(plane,)``; the mean where that is zero, and 1 where all is."""
        values = self._all()
        middle, mean = values.median(dim=1).values, values.mean(dim=1)
        typical = torch.where(middle > _ZERO, middle, mean)
        return torch.where(typical > _ZERO, typical, torch.ones_like(typical))

    def _all(self) -> Tensor:
        if not self._kept:
            raise BadOptionError("no windows to fit the input to", where="fit of the input")
        return torch.cat(self._kept, dim=1)


_ZERO = 1e-11
