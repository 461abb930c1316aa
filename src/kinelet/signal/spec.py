"""What a signal is: rate, channels, units, site, window length and whether gravity is in it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kinelet.errors import SpecMismatchError

ACC = ("acc_x", "acc_y", "acc_z")
GYR = ("gyr_x", "gyr_y", "gyr_z")
ACC_UNIT = "g"
GYR_UNIT = "rad/s"


class SignalSpec(BaseModel):
    """The contract between a recording, a corpus and an encoder.

    Attributes:
        rate_hz: Samples per second.
        channels: Channel names in order; motion uses ``acc_x acc_y acc_z gyr_x gyr_y gyr_z``.
        units: One unit per channel; inside kinelet accelerations are in g, angular rates in rad/s.
        site: Body site, for example ``wrist``; ``None`` where it is unknown or does not matter.
        window_s: Window length in seconds that an encoder expects; ``None`` for a recording.
        gravity: Whether gravity is part of the acceleration.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate_hz: float = Field(gt=0, le=1e6)
    channels: tuple[str, ...] = Field(min_length=1)
    units: tuple[str, ...]
    site: str | None = None
    window_s: float | None = Field(default=None, gt=0)
    gravity: bool = True

    @model_validator(mode="after")
    def _consistent(self) -> SignalSpec:
        if len(self.units) != len(self.channels):
            raise ValueError(f"{len(self.channels)} channels {self.channels} but {len(self.units)} units {self.units}")
        if len(set(self.channels)) != len(self.channels):
            raise ValueError(f"channel names repeat: {self.channels}")
        return self

    @property
    def window_samples(self) -> int | None:
        """Samples in a window, or ``None`` where no window length is set."""
        return None if self.window_s is None else round(self.window_s * self.rate_hz)

    def replace(self, **changes: object) -> SignalSpec:
        """Return a validated copy with some fields changed."""
        return SignalSpec.model_validate({**self.model_dump(), **changes})

    def require(self, given: SignalSpec, *, where: str = "signal") -> None:
        """Raise unless ``given`` can be fed to something that expects this spec.

        Site and window length are not compared: an encoder may be used on another site, and says so in its card.

        Raises:
            SpecMismatchError: naming both sides and the remedy.
        """
        for name in ("rate_hz", "channels", "units", "gravity"):
            want, got = getattr(self, name), getattr(given, name)
            if want != got:
                raise SpecMismatchError(
                    f"{name} is {got!r} but {want!r} is expected",
                    where=where,
                    remedy="Adapt it explicitly with kinelet.signal.adapt(recording, spec)",
                )


def imu_spec(
    rate_hz: float, *, gyro: bool = False, site: str | None = None, window_s: float | None = None, gravity: bool = True
) -> SignalSpec:
    """Spec of an accelerometer in g, with a gyroscope in rad/s if ``gyro``.

    >>> imu_spec(50.0).channels
    ('acc_x', 'acc_y', 'acc_z')
    """
    channels = ACC + GYR if gyro else ACC
    units = (ACC_UNIT,) * 3 + ((GYR_UNIT,) * 3 if gyro else ())
    return SignalSpec(rate_hz=rate_hz, channels=channels, units=units, site=site, window_s=window_s, gravity=gravity)
