"""What a motif distance is made of and which of its known shortcuts are closed; imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from kinelet.config import FrozenModel, validate
from kinelet.errors import BadOptionError

MIN_GRAVITY_G = 0.3
MIN_AMPLITUDE_G = 0.02


class DistanceOptions(FrozenModel):
    """Which differences between two windows count. The defaults are RelCon as published.

    Attributes:
        offset: ``plain``: the squared error as it is. ``split``: the error's mean over time weighted by
            ``offset_weight``. ``remove``: each window's own mean is subtracted first.
        offset_weight: Weight λ of the mean offset; ``None``: 1 for ``split`` (the plain distance), 0 for ``remove``.
        posture: With ``remove``, what λ weighs: ``gap`` ``T * |mean_a - mean_c|²``, or ``angle`` the squared angle in
            radians between the two means.
        amplitude: ``own``: each window is divided by its own standard deviation over axes and time (at least
            0.02 g) first; needs ``offset="remove"``. ``candidate``: both by the candidate's alone.
        amplitude_weight: With ``own``, weight of ``(log sd_a - log sd_c)²``.
        relative: Divide by the anchor's variation around its mean, so that 1 is as bad as a constant.
        scale: Both windows of a pair are normalised by the candidate's mean and its standard deviation per ``axis``
            or over all axes (``isotropic``), or not at all (``none``, for comparison).
        align: ``gravity``: rotate each window's mean to +z first (left alone under 0.3 g). ``procrustes``: the error
            after the best rotation of the rebuilt window; with ``split`` only its motion part is rotated.
        symmetric: Mean of both directions.
    """

    offset: Literal["plain", "split", "remove"] = "plain"
    offset_weight: float | None = Field(default=None, ge=0)
    posture: Literal["gap", "angle"] = "gap"
    amplitude: Literal["candidate", "own"] = "candidate"
    amplitude_weight: float = Field(default=0.0, ge=0)
    relative: bool = False
    scale: Literal["axis", "isotropic", "none"] = "axis"
    align: Literal["none", "gravity", "procrustes"] = "none"
    symmetric: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> DistanceOptions:
        if self.amplitude == "own" and self.offset != "remove":
            raise ValueError('amplitude="own" needs offset="remove"')
        if self.amplitude_weight and self.amplitude != "own":
            raise ValueError('amplitude_weight needs amplitude="own"')
        if self.offset_weight is not None and self.offset == "plain":
            raise ValueError('offset_weight needs offset="split" or "remove"')
        return self

    @property
    def mean_weight(self) -> float:
        """The weight λ that is in force."""
        default = 0.0 if self.offset == "remove" else 1.0
        return default if self.offset_weight is None else self.offset_weight


class MotifConfig(FrozenModel):
    """Shape of the motif network and how its distance is taken.

    Attributes:
        width: Channels of queries, keys and values.
        kernel: Samples a convolution sees, odd.
        blocks: Residual blocks; their dilations are 1, 2, 4, …
        bottleneck: Channels inside a block; ``None``: an eighth of the width.
        stride: Keys and values are thinned by this in the last block.
        attention: How scores become weights, in training and in use alike.
        dropout: Share of weights dropped, in training only.
        options: Which differences between windows count.

    Source: Xu et al. 2024 (RelCon), arXiv 2411.18822, section 3.1; width 256 and 5 blocks: Xu et al. 2023 (REBAR),
    arXiv 2311.00519.
    """

    width: int = Field(default=64, ge=1, le=1024)
    kernel: int = Field(default=15, ge=1, le=255)
    blocks: int = Field(default=2, ge=0, le=10)
    bottleneck: int | None = Field(default=None, ge=1, le=1024)
    stride: int = Field(default=1, ge=1, le=1000)
    attention: Literal["softmax", "sparsemax"] = "softmax"
    dropout: float = Field(default=0.1, ge=0, lt=1)
    options: DistanceOptions = DistanceOptions()

    @model_validator(mode="after")
    def _centred(self) -> MotifConfig:
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel is {self.kernel}, it must be odd")
        return self

    @property
    def inner(self) -> int:
        """Channels inside a block."""
        return max(1, self.width // 8) if self.bottleneck is None else self.bottleneck


def override(
    options: DistanceOptions,
    changes: Mapping[str, Any],
    offset_free: bool | None = None,
    rotation_aligned: bool | None = None,
) -> DistanceOptions:
    """``options`` with some fields changed and with the two short names applied.

    Args:
        options: What is in force without the rest.
        changes: Fields of :class:`DistanceOptions`.
        offset_free: ``True`` is ``offset="remove"``, ``False`` is ``offset="plain"``.
        rotation_aligned: ``True`` is ``align="gravity", scale="isotropic"``, ``False`` the defaults of both.

    Raises:
        BadOptionError: naming each field that does not fit, or given twice.
    """
    short: dict[str, Any] = {}
    if offset_free is not None:
        short["offset"] = "remove" if offset_free else "plain"
    if rotation_aligned is not None:
        short["align"], short["scale"] = ("gravity", "isotropic") if rotation_aligned else ("none", "axis")
    if twice := sorted(short.keys() & changes.keys()):
        raise BadOptionError(f"{', '.join(twice)} given twice, once by its short name", where="distance options")
    return validate(DistanceOptions, options.model_dump() | short | dict(changes), where="distance options")


def check_channels(options: DistanceOptions, units: tuple[str, ...]) -> None:
    """Raise unless ``options`` make sense for channels with these units.

    Raises:
        BadOptionError: if axes of several units would be mixed, or a rotation is asked of other than three axes.
    """
    mixes = options.scale == "isotropic" or options.amplitude == "own"
    if mixes and len(set(units)) > 1:
        raise BadOptionError(f"one scale for channels in {' and '.join(sorted(set(units)))}", where="distance options")
    if options.align != "none" and (len(units) != 3 or len(set(units)) > 1):
        raise BadOptionError(
            f"align={options.align!r} needs three axes of one sensor, not {len(units)} channels",
            where="distance options",
        )
