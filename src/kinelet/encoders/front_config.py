"""What an image of a signal shows, and the sizes that follow from it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kinelet.config import FrozenModel
from kinelet.errors import BadOptionError
from kinelet.signal.spec import SignalSpec

Side = Annotated[int, Field(ge=1, le=65536)]
_STFT_S, _RAW_S, _LEAST, _MOST = 0.5, 0.2, 8, 1 << 16


class FrontConfig(FrozenModel):
    """What an image shows; part of the configuration of every encoder on images.

    Attributes:
        front: ``stft``: the spectrum of each interval; ``raw``: its samples, side by side.
        interval_s: Length of an interval in seconds, for ``stft`` rounded to an even number of samples. ``None``: 0.5
            (``stft``) or 0.2 (``raw``), and 8 samples where these are more.
        overlap: ``half``: an interval begins in the middle of the one before, under a Hann window; ``none``: after
            it, and all samples count alike. Raw intervals never overlap.
        mode: ``logmag``: logarithm of one plus the magnitude over the channel's scale; ``reim``: real and imaginary
            part over that scale, two planes a channel.
        signed: In ``logmag``, frequency 0 keeps its sign, and with it which end of an axis gravity pulls at.
        nyquist: Keep the bin at half the rate.
        patch: Intervals and bins in a patch. ``None``: one interval and about a quarter of the bins, from 2 to 5 of
            them or a twentieth of all; raw: a whole interval.
    """

    front: Literal["stft", "raw"] = "stft"
    interval_s: float | None = Field(default=None, gt=0, le=3600)
    overlap: Literal["half", "none"] = "half"
    mode: Literal["logmag", "reim"] = "logmag"
    signed: bool = True
    nyquist: bool = False
    patch: tuple[Side, Side] | None = None


def samples_of(spec: SignalSpec, config: FrontConfig) -> int:
    """Samples in an interval.

    Raises:
        BadOptionError: if they are too few, or more than anybody could mean.
    """
    raw = config.front == "raw"
    if config.interval_s is None:
        wanted = max((_RAW_S if raw else _STFT_S) * spec.rate_hz, _LEAST)
    else:
        wanted = config.interval_s * spec.rate_hz
    length = round(wanted) if raw else 2 * round(wanted / 2)
    least = 1 if raw else 4
    if not least <= length <= _MOST:
        raise BadOptionError(
            f"an interval of {length / spec.rate_hz:g} s has {length} samples at {spec.rate_hz:g} Hz",
            where="interval_s",
            remedy=f"Choose one of {least} to {_MOST} samples",
        )
    return length


def patch_of(config: FrontConfig, bins: int) -> tuple[int, int]:
    """Intervals and bins in a patch of images with so many bins."""
    if config.patch is not None:
        return config.patch
    if config.front == "raw":
        return 1, bins
    wanted = max(bins / 20, min(5.0, max(2.0, bins / 4)))
    near = range(max(1, int(wanted / 1.5)), int(wanted * 1.5) + 1)
    return 1, min(near, key=lambda side: (-bins % side, abs(side - wanted)))
