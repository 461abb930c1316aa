"""A convolutional and recurrent encoder of time-frequency images, after DeepSense."""

from __future__ import annotations

from typing import Any

from pydantic import model_validator
from torch import Tensor

from kinelet.encoders.conv_gru_trunk import ConvGRUOptions, ConvGRUTrunk
from kinelet.encoders.front import FrontConfig
from kinelet.encoders.image import ImageEncoder
from kinelet.encoders.published_shapes import PUBLISHED, PublishedName, TwoSidedFront
from kinelet.errors import BadOptionError
from kinelet.signal.spec import SignalSpec


class ConvGRUConfig(FrontConfig, ConvGRUOptions):
    """Configuration of :class:`ConvGRU`.

    Attributes:
        published_shape: Two-sided images and sizes as FOCAL used them, for comparisons; says what is not given.
    """

    published_shape: PublishedName | None = None

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, given: Any) -> Any:
        shape = PUBLISHED.get(str(given.get("published_shape"))) if isinstance(given, dict) else None
        return given if shape is None else {**shape.front, **shape.conv_gru, **given}


class ConvGRU(ImageEncoder):
    """Convolutions over the spectrum of each interval, a GRU over intervals in both directions, mean over intervals.

    Hidden patches hold a learned value of their plane, so that hiding saves no time.

    Source: DeepSense, Yao et al. 2017, arXiv 1611.01942, as FOCAL, arXiv 2310.20071, uses it.
    """

    def __init__(self, spec: SignalSpec, config: ConvGRUConfig) -> None:
        super().__init__(spec, 2 * config.hidden, config, config.model_dump(mode="json"))
        if config.published_shape is not None:
            PUBLISHED[config.published_shape].check(spec)
            self.front = TwoSidedFront(spec, config)
        self.trunk = ConvGRUTrunk(self.front.planes, self.front.bins, config)
        self.feature_dim = self.dim

    def encode(self, image: Tensor, keep: Tensor | None = None) -> Tensor:
        """Map images to codes ``(batch, dim)``.

        Args:
            image: ``(batch, plane, interval, bin)``.
            keep: Patches that may be seen, ``(batch, patch)`` bool; cells of the others hold a learned value.

        Raises:
            BadOptionError: if ``keep`` is of another shape.
        """
        return self.trunk(image, self._cells(image, keep)).mean(dim=1)  # type: ignore[no-any-return]

    def features(self, x: Tensor) -> Tensor:
        """Map windows ``(batch, channel, time)`` to ``(batch, feature_dim, interval)``."""
        return self.trunk(self.image(x)).transpose(1, 2)  # type: ignore[no-any-return]

    def _cells(self, image: Tensor, keep: Tensor | None) -> Tensor | None:
        """Cells ``(batch, interval, bin)`` of the patches that may be seen."""
        if keep is None:
            return None
        grid = self.grid(image)
        if keep.shape != (len(image), grid.n):
            raise BadOptionError(f"keep has shape {tuple(keep.shape)}; (batch, {grid.n}) is expected", where="keep")
        high, wide = grid.patch
        cells = keep.view(-1, grid.rows, grid.cols).repeat_interleave(high, 1).repeat_interleave(wide, 2)
        return cells[:, : grid.intervals, : grid.bins]
