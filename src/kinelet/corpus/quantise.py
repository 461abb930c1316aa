"""From float samples to small integers without losing what the device measured.

A device writes multiples of its own step (1/256 g, 1/64 g, …). Stored integers are ``round(x / scale)`` with a scale
per channel, so the error is at most ``scale / 2`` plus the rounding of float32; the scale is chosen such that the
error that is *measured* on the very samples stays below a quarter of the device's step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinelet.errors import BadFileError

IntArray = npt.NDArray[np.int16] | npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float32]

ALLOWED = 0.25  # largest quantisation error, as a share of the device's step
_DIVISORS = (8.0, 4.0, 2.5, 1.0)  # step / scale, best first; 1 passes only where samples lie on the grid itself
_SAMPLE = 200_000  # samples looked at to find a grid
_FEWEST = 8  # distances between values; fewer look like multiples of the smallest by chance
_INT16 = 32767


@dataclass(frozen=True)
class Quantised:
    """Integers and what turns them back: ``float32(samples) * scale``.

    Attributes:
        samples: Shape ``(time, channel)``, int16, or int32 where int16 cannot hold the range.
        scale: Per channel, in the channel's unit.
        step: The device's own step per channel, in the channel's unit; ``None`` where none is known or found.
        kind: Per channel where the step came from: ``device``, ``grid`` (found in the data), ``float`` (no grid: kept
            to float32 precision) or ``constant``.
    """

    samples: IntArray
    scale: tuple[float, ...]
    step: tuple[float | None, ...]
    kind: tuple[str, ...]

    @property
    def sample_type(self) -> str:
        """``int16`` or ``int32``."""
        return self.samples.dtype.name


def estimate_step(x: FloatArray) -> float | None:
    """Find the grid that values lie on, up to an offset; ``None`` where there is none that float32 can show.

    Args:
        x: Values of one channel, shape ``(time,)``.
    """
    values = np.unique(x[:: max(1, len(x) // _SAMPLE)].astype(np.float64))
    fuzz = 2.0 * float(np.spacing(np.float32(np.abs(values).max())))
    distance = np.sort(np.diff(values))
    distance = distance[distance > fuzz]
    if len(distance) < _FEWEST:
        return None
    step = float(distance[0])
    # Euclid's algorithm on all distances at once: where some are no multiples, what is left over is the next candidate.
    while step > 64 * fuzz:
        smaller, exact = _left_over(distance, step, fuzz)
        if smaller is None:
            return exact
        step = smaller
    return None


def _left_over(distance: npt.NDArray[np.float64], step: float, fuzz: float) -> tuple[float | None, float]:
    """What distances that are no multiples of ``step`` leave over, at least; else ``None``, and the step made exact."""
    # Short distances first: the error of a rough step, times many steps, would count long ones wrongly.
    for limit in (8, 64, 512, np.inf):
        some = distance[distance <= (limit + 0.5) * step]
        counts = np.round(some / step)
        left_over = np.abs(some - counts * step)
        off_grid = left_over[left_over > 10 * fuzz + 0.02 * step]
        if len(off_grid):
            return float(off_grid.min()), step
        if len(some):
            step = float(some.sum() / counts.sum())
    return None, step


def quantise(data: FloatArray, step: Sequence[float | None] | None, channels: Sequence[str]) -> Quantised:
    """Choose a scale per channel and round.

    Args:
        data: Samples ``(time, channel)``, float32, finite.
        step: The device's step per channel in the unit of the data; ``None`` to look for a grid in the data.
        channels: Names, for messages.

    Raises:
        BadFileError: if a sample is not finite.
    """
    if not np.isfinite(data).all():
        bad = [c for c, ok in zip(channels, np.asarray(np.isfinite(data).all(axis=0)), strict=True) if not ok]
        raise BadFileError(f"NaN or infinity in {bad}", remedy="Mark such stretches as gaps before storing")
    known = list(step) if step is not None else [None] * data.shape[1]
    columns = [_scale(data[:, i], s) for i, s in enumerate(known)]
    dtype = np.int16 if all(c.fits for c in columns) else np.int32
    samples = np.empty(data.shape, dtype)
    for i, column in enumerate(columns):
        for part in _parts(len(data)):
            samples[part, i] = _rounded(data[part, i], column.scale)
    return Quantised(
        samples,
        tuple(c.scale for c in columns),
        tuple(c.step for c in columns),
        tuple(c.kind for c in columns),
    )


@dataclass(frozen=True)
class _Column:
    scale: float
    step: float | None
    kind: str
    fits: bool  # in int16


def _scale(x: FloatArray, device_step: float | None) -> _Column:
    top = float(np.abs(x).max())
    if x.min() == x.max():
        return _Column(_float32(top / 16384) if top else 1.0, device_step, "constant", True)
    step = device_step or estimate_step(x)
    if step is not None:
        kind = "device" if device_step else "grid"
        for limit in (_INT16, 2**30):
            for divisor in _DIVISORS:
                scale = _float32(step / divisor)
                if scale > 0 and top / scale <= limit and _error(x, scale) < ALLOWED * step:
                    return _Column(scale, step, kind, limit == _INT16)
    # A quarter of the float32 spacing at the largest value: nothing that the samples hold is lost.
    spacing = float(np.spacing(np.float32(top)))
    return _Column(max(_float32(spacing / 4), float(np.finfo(np.float32).tiny)), step, "float", False)


def _error(x: FloatArray, scale: float) -> float:
    worst = 0.0
    for part in _parts(len(x)):
        back = _rounded(x[part], scale).astype(np.float32) * np.float32(scale)
        worst = max(worst, float(np.abs(back.astype(np.float64) - x[part]).max()))
    return worst


def _parts(n: int) -> list[slice]:
    return [slice(i, i + (1 << 20)) for i in range(0, n, 1 << 20)]  # temporary arrays stay small


def _rounded(x: FloatArray, scale: float) -> npt.NDArray[np.float64]:
    return np.asarray(np.rint(x.astype(np.float64) / scale))


def _float32(value: float) -> float:
    # The scale is used in float32; choosing it there makes encoding and decoding agree to the last bit.
    return float(np.float32(value))
