"""A Swin-like encoder of time-frequency images: windows of attention that shift, patches that merge."""

from __future__ import annotations

from typing import Any

from pydantic import model_validator
from torch import Tensor

from kinelet.encoders.front import FrontConfig
from kinelet.encoders.grid import Grid
from kinelet.encoders.image import ImageEncoder
from kinelet.encoders.published_shapes import PUBLISHED, PublishedName, TwoSidedFront
from kinelet.encoders.swin_options import SwinOptions
from kinelet.encoders.swin_trunk import SwinTrunk
from kinelet.encoders.swin_windows import Field
from kinelet.errors import BadOptionError, SpecMismatchError
from kinelet.signal.spec import SignalSpec

DEFAULT_WINDOW_S = 5.0


class SwinConfig(FrontConfig, SwinOptions):
    """Configuration of :class:`Swin`.

    Attributes:
        published_shape: Two-sided images and sizes as published, for counts and comparisons; says what is not given.
    """

    published_shape: PublishedName | None = None

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, given: Any) -> Any:
        shape = PUBLISHED.get(str(given.get("published_shape"))) if isinstance(given, dict) else None
        return given if shape is None else {**shape.front, **shape.swin, **given}


class Swin(ImageEncoder):
    """Patches as tokens with learned positions, stages of shifted windows that see no padding, one linear map.

    Hidden patches are replaced by a learned token, so that hiding saves no time. Positions and the size of windows
    are made for the window length of the spec, or 5 s where it has none; other lengths get interpolated positions.

    Source: Liu et al. 2021, arXiv 2103.14030, as InfoMAE, arXiv 2504.09707, uses it. Other than there, windows shift
    along each axis that has more than one of them, and attention leaves padding out.
    """

    def __init__(self, spec: SignalSpec, config: SwinConfig) -> None:
        super().__init__(spec, config.code, config, config.model_dump(mode="json"))
        if config.published_shape is not None:
            PUBLISHED[config.published_shape].check(spec)
            self.front = TwoSidedFront(spec, config)
        samples = spec.window_samples or round(DEFAULT_WINDOW_S * spec.rate_hz)
        intervals = 1 + -(-max(0, samples - self.front.length) // self.front.hop)
        rows = -(-intervals // self.patch[0])
        cols = -(-self.front.bins // self.patch[1])
        layout = config.layout(rows, cols)
        self.multiple = layout.multiple
        values = self.front.planes * self.patch[0] * self.patch[1]
        self.trunk = SwinTrunk(values, layout.field(rows, cols), layout, config)
        self.feature_dim = self.trunk.width

    def encode(self, image: Tensor, keep: Tensor | None = None) -> Tensor:
        """Map images to codes ``(batch, dim)``.

        Args:
            image: ``(batch, plane, interval, bin)``.
            keep: Patches that may be seen, ``(batch, patch)`` bool; the others become a learned token.

        Raises:
            BadOptionError: if ``keep`` is of another shape.
            SpecMismatchError: if the code is read from all tokens and the image has another number of them.
        """
        grid = self.grid(image)
        field = _field(grid)
        if keep is not None and keep.shape != (len(image), grid.n):
            raise BadOptionError(f"keep has shape {tuple(keep.shape)}; (batch, {grid.n}) is expected", where="keep")
        made = self.trunk.reference
        if self.trunk.options.readout == "flatten" and field != made:
            raise SpecMismatchError(
                f"{field.real[0]} by {field.real[1]} patches are none of {made.real[0]} by {made.real[1]}",
                where=f"encoder {self.name or 'swin'}",
                remedy="Cut windows as long as the encoder's spec says, or build it with readout=mean",
            )
        return self.trunk(grid.patches(image), field, keep)  # type: ignore[no-any-return]

    def features(self, x: Tensor) -> Tensor:
        """Map windows ``(batch, channel, time)`` to ``(batch, feature_dim, row)``, means over a row of the last stage.

        Rows of padding are left out.
        """
        image = self.image(x)
        grid = self.grid(image)
        tokens, field = self.trunk.tokens(grid.patches(image), _field(grid))
        rows = tokens.reshape(-1, field.rows, field.cols, self.feature_dim)
        return rows[:, : field.real[0], : field.real[1]].mean(dim=2).transpose(1, 2)


def _field(grid: Grid) -> Field:
    real = (-(-grid.intervals // grid.patch[0]), -(-grid.bins // grid.patch[1]))
    return Field(grid.rows, grid.cols, real)
