"""Augmentations as configuration: one frozen model each, and a pipeline that applies them row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field, TypeAdapter, ValidationError, model_validator
from torch import Tensor

from kinelet.config import FrozenModel
from kinelet.errors import BadOptionError
from kinelet.functional import augment_amplitude, augment_axes, augment_mask, augment_spectrum, augment_time

Positive = Annotated[float, Field(ge=0, le=1e6)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class Augmentation(FrozenModel):
    """One step of a pipeline: a function of ``(x, generator)`` with its parameters.

    Attributes:
        p: Probability that a row is transformed.
    """

    function: ClassVar[Callable[..., Tensor]]
    p: Fraction = 1.0

    def apply(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Transform all rows of ``x`` ``(batch, channel, time)``, whatever ``p``."""
        names = type(self).model_fields.keys() - {"kind", "p"}
        return type(self).function(x, generator, **{name: getattr(self, name) for name in names})


class _Span(Augmentation):
    @model_validator(mode="after")
    def _ordered(self) -> _Span:
        low, high = getattr(self, "min_fraction"), getattr(self, "max_fraction")  # noqa: B009
        if low > high:
            raise ValueError(f"min_fraction {low} is above max_fraction {high}")
        return self


class Jitter(Augmentation):
    """Configuration of :func:`~kinelet.functional.jitter`."""

    function = augment_amplitude.jitter
    kind: Literal["jitter"] = "jitter"
    sigma: Positive | tuple[Positive, ...] = 0.05
    relative: bool = False


class Scale(Augmentation):
    """Configuration of :func:`~kinelet.functional.scale`."""

    function = augment_amplitude.scale
    kind: Literal["scale"] = "scale"
    sigma: Positive = 0.25
    mode: Literal["per_channel", "per_sensor", "per_window", "per_step"] = "per_channel"


class Rotate(Augmentation):
    """Configuration of :func:`~kinelet.functional.rotate`."""

    function = augment_axes.rotate
    kind: Literal["rotate"] = "rotate"
    max_angle_deg: Annotated[float, Field(gt=0, le=180)] | None = None
    axis: Literal["sphere", "cube"] = "sphere"

    @model_validator(mode="after")
    def _limited(self) -> Rotate:
        if self.axis == "cube" and self.max_angle_deg is None:
            raise ValueError("axis 'cube' needs max_angle_deg")
        return self


class Negate(Augmentation):
    """Configuration of :func:`~kinelet.functional.negate`."""

    function = augment_amplitude.negate
    kind: Literal["negate"] = "negate"


class Reverse(Augmentation):
    """Configuration of :func:`~kinelet.functional.reverse`."""

    function = augment_time.reverse
    kind: Literal["reverse"] = "reverse"
    physical: bool = False


class Permute(Augmentation):
    """Configuration of :func:`~kinelet.functional.permute`."""

    function = augment_time.permute
    kind: Literal["permute"] = "permute"
    segments: int = Field(default=5, ge=1, le=1000)
    distinct: bool = True
    allow_identity: bool = True


class TimeWarp(Augmentation):
    """Configuration of :func:`~kinelet.functional.time_warp`."""

    function = augment_time.time_warp
    kind: Literal["time_warp"] = "time_warp"
    sigma: Positive = 0.2
    knots: int = Field(default=6, ge=4, le=100)
    min_speed: float = Field(default=0.05, gt=0, le=1)
    per_channel: bool = False


class MagnitudeWarp(Augmentation):
    """Configuration of :func:`~kinelet.functional.magnitude_warp`."""

    function = augment_amplitude.magnitude_warp
    kind: Literal["magnitude_warp"] = "magnitude_warp"
    sigma: Positive = 0.2
    knots: int = Field(default=6, ge=4, le=100)


class ShuffleAxes(Augmentation):
    """Configuration of :func:`~kinelet.functional.shuffle_axes`."""

    function = augment_axes.shuffle_axes
    kind: Literal["shuffle_axes"] = "shuffle_axes"
    allow_identity: bool = False


class CropResize(_Span):
    """Configuration of :func:`~kinelet.functional.crop_resize`."""

    function = augment_time.crop_resize
    kind: Literal["crop_resize"] = "crop_resize"
    min_fraction: float = Field(default=0.6, gt=0, le=1)
    max_fraction: float = Field(default=1.0, gt=0, le=1)


class TimeMask(_Span):
    """Configuration of :func:`~kinelet.functional.time_mask`."""

    function = augment_mask.time_mask
    kind: Literal["time_mask"] = "time_mask"
    min_fraction: Fraction = 0.05
    max_fraction: Fraction = 0.2
    fill: Literal["mean", "zero"] = "mean"


class FrequencyMask(_Span):
    """Configuration of :func:`~kinelet.functional.frequency_mask`."""

    function = augment_mask.frequency_mask
    kind: Literal["frequency_mask"] = "frequency_mask"
    min_fraction: Fraction = 0.05
    max_fraction: Fraction = 0.2


class PhaseShift(Augmentation):
    """Configuration of :func:`~kinelet.functional.phase_shift`."""

    function = augment_spectrum.phase_shift
    kind: Literal["phase_shift"] = "phase_shift"
    max_angle_deg: float = Field(default=180.0, gt=0, le=180)


AnyAugmentation = Annotated[
    Jitter
    | Scale
    | Rotate
    | Negate
    | Reverse
    | Permute
    | TimeWarp
    | MagnitudeWarp
    | ShuffleAxes
    | CropResize
    | TimeMask
    | FrequencyMask
    | PhaseShift,
    Field(discriminator="kind"),
]

# A window of somebody a little stronger or slower who wears the sensor a little differently. Rotations matter most:
# without them views are told apart by the direction of gravity alone.
_WORN_DIFFERENTLY: tuple[AnyAugmentation, ...] = (
    TimeWarp(p=0.5, sigma=0.3),
    Rotate(max_angle_deg=75.0),
    Scale(p=0.5, sigma=0.15, mode="per_window"),
    Jitter(p=0.5, sigma=0.03),
    TimeMask(p=0.3, min_fraction=0.0),
)

# The eight transforms of RelCon's first stage, for Compose(choose=2); noise is in units of the signal.
_RELCON: dict[str, AnyAugmentation] = {
    step.kind: step
    for step in (
        Jitter(sigma=0.1),
        Scale(sigma=0.25),
        Rotate(),
        Negate(),
        Reverse(),
        ShuffleAxes(),
        Permute(segments=6, distinct=False),
        TimeWarp(sigma=0.2, knots=6),
    )
}
# As published: rotations that are not uniform, and axes warped apart.
_RELCON_REFERENCE = _RELCON | {
    "rotate": Rotate(max_angle_deg=180, axis="cube"),
    "time_warp": TimeWarp(sigma=0.2, knots=6, per_channel=True),
}

PRESETS: dict[str, tuple[AnyAugmentation, ...]] = {
    "none": (),
    "standard": (CropResize(p=0.9), *_WORN_DIFFERENTLY),
    # For a method that crops its views itself.
    "uncropped": _WORN_DIFFERENTLY,
    # For signals whose channels are not axes of motion sensors.
    "any_signal": (
        CropResize(p=0.9),
        TimeWarp(p=0.5, sigma=0.3),
        Scale(p=0.5, sigma=0.15),
        Jitter(p=0.5, sigma=0.1, relative=True),
        TimeMask(p=0.3, min_fraction=0.0),
    ),
    # Scaling, then permutation, always; in PRIMUS's published code a factor belongs to a time step, not to a channel.
    "primus": (Scale(sigma=0.25), Permute(segments=5)),
    "primus_reference": (Scale(sigma=0.25, mode="per_step"), Permute(segments=5)),
    # The list of FOCAL, which InfoMAE takes over; for signals of any kind.
    "focal": (
        Permute(p=0.5),
        Negate(p=0.5),
        TimeWarp(p=0.5, sigma=0.2, knots=6),
        Reverse(p=0.5),
        MagnitudeWarp(p=0.5, sigma=0.05, knots=4),
        Scale(p=0.5, sigma=0.2),
    ),
    "relcon": tuple(_RELCON.values()),
    "relcon_reference": tuple(_RELCON_REFERENCE.values()),
}


class Compose:
    """Apply augmentations one after the other, each to the rows that chance picks.

    Args:
        steps: Augmentations in order.
        choose: If given, every row gets this many *different* steps, picked uniformly and in random order, and
            their ``p`` counts within that.

    Raises:
        BadOptionError: if ``choose`` is more than there are steps.

    >>> g = torch.Generator().manual_seed(0)
    >>> Compose([Negate()])(torch.ones(1, 3, 2), g).sum()
    tensor(-6.)
    """

    def __init__(self, steps: Iterable[AnyAugmentation], *, choose: int | None = None) -> None:
        self.steps, self.choose = tuple(steps), choose
        if choose is not None and not 0 < choose <= len(self.steps):
            raise BadOptionError(f"choose {choose} of {len(self.steps)} augmentations", where="Compose")

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Transform ``x`` ``(batch, channel, time)``; the input is not changed."""
        if self.choose is None:
            for step in self.steps:
                x = apply_to_some(step, x, generator, self._chance(step, x, generator))
            return x
        order = torch.rand((len(x), len(self.steps)), generator=generator, device=generator.device).argsort(dim=1)
        for slot in order[:, : self.choose].unbind(1):
            for i, step in enumerate(self.steps):
                x = apply_to_some(step, x, generator, (slot == i) & self._chance(step, x, generator))
        return x

    @staticmethod
    def _chance(step: Augmentation, x: Tensor, generator: torch.Generator) -> Tensor:
        return torch.rand(len(x), generator=generator, device=generator.device) < step.p


def apply_to_some(step: Augmentation, x: Tensor, generator: torch.Generator, rows: Tensor) -> Tensor:
    """Apply ``step`` to the rows of ``x`` where ``rows`` ``(batch,)``, on the generator's device, is true."""
    if rows.device.type != "cpu":
        # Counting rows would make the host wait for the device; transforming all of them is cheaper there.
        return torch.where(rows[:, None, None], step.apply(x, generator), x)
    picked = rows.nonzero()[:, 0].to(x.device)
    if len(picked) in (0, len(x)):
        return step.apply(x, generator) if len(picked) else x
    return x.index_copy(0, picked, step.apply(x[picked], generator))


def augmentations(value: str | Iterable[Any]) -> tuple[AnyAugmentation, ...]:
    """Augmentations from the name of a preset, or from a list of them or of their plain form.

    >>> augmentations([{"kind": "jitter", "sigma": 0.1}])[0].sigma
    0.1

    Raises:
        BadOptionError: on an unknown preset, an unknown kind or a bad parameter.
    """
    if isinstance(value, str):
        if value not in PRESETS:
            raise BadOptionError(f"no preset {value!r}", where="augmentations", remedy=f"Presets: {', '.join(PRESETS)}")
        return PRESETS[value]
    try:
        return _LIST.validate_python(list(value))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
        raise BadOptionError(faults, where="augmentations") from None


_LIST: TypeAdapter[tuple[AnyAugmentation, ...]] = TypeAdapter(tuple[AnyAugmentation, ...])
