"""Polyphase resampling by any ratio, exact over recordings of any length."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kinelet.signal.recording import FloatArray

PASSBAND = 0.8
"""Part of the smaller Nyquist frequency that passes unchanged; the stop band starts at the Nyquist frequency."""
ATTENUATION_DB = 80.0
_DRIFT = 0.005
"""How far the clock may be off before it is set right, in periods of the slower rate."""
_PHASES = 512
"""Positions in a period of the slower rate that the clock can be set to; half of one is below ``_DRIFT``."""
_CHUNK = 1 << 18


class _Plan(NamedTuple):
    """Resample by ``up / down``; every ``chunk`` outputs set the clock right, to ``1 / (up * fine)`` of a sample."""

    up: int
    down: int
    fine: int
    chunk: int


def polyphase(data: FloatArray, ratio: float, n_out: int) -> FloatArray:
    """Resample an even run of samples by any ratio.

    A Kaiser-windowed sinc, flat to 0.8 of the smaller Nyquist frequency and -80 dB from there on, is applied at a
    fraction of small numbers near the ratio. The remaining error is taken out by starting each chunk of outputs at its
    true position, so that it does not add up. Ends are continued by their last value: on real wrist recordings
    that gave smaller errors at the ends than odd or even reflection.

    Args:
        data: Samples, shape ``(time, channel)``, float32.
        ratio: Output rate over input rate.
        n_out: Samples wanted; the first falls on the first input sample.

    Returns:
        Samples, shape ``(n_out, channel)``, float32.
    """
    if len(data) == 1:
        return np.repeat(data, n_out, axis=0)
    plan = _plan(ratio)
    reach = len(_low_pass(plan.up * plan.fine, plan.down * plan.fine)) // 2 // (plan.up * plan.fine) + 2
    after = max(0, math.ceil((n_out - 1) / ratio) + 1 - len(data)) + reach + 2
    x = np.pad((data - data[0]).T, ((0, 0), (reach, after)), mode="edge")
    out = np.empty((n_out, data.shape[1]), dtype=np.float32)
    for k in range(0, n_out, plan.chunk):
        out[k : k + plan.chunk] = _chunk(x, k / ratio, reach, plan, min(plan.chunk, n_out - k)).T
    out += data[0]
    return out


def _chunk(x: FloatArray, position: float, reach: int, plan: _Plan, count: int) -> FloatArray:
    """Outputs from an input position on; ``x``, shape ``(channel, time)``, has ``reach`` samples before input 0."""
    from scipy.signal import upfirdn

    up, down, fine, _ = plan
    h = _low_pass(up * fine, down * fine)
    # Place of the first output on the clock of up * fine times the input rate, delayed by half the filter.
    start = math.floor(position)
    place = reach * up * fine + round((position - start) * up * fine) + len(h) // 2
    # Outputs are a multiple of `fine` apart there, so that they only meet every so-many-th tap.
    place, offset = divmod(place, fine)
    taps = h[offset::fine]
    # Zeros before the filter delay it until that place is one that upfirdn computes.
    wait = -place % down
    first = (place + wait) // down
    stop = start + 2 * reach + math.ceil(count * down / up) + 2
    y = upfirdn(np.concatenate([np.zeros(wait, dtype=np.float32), taps]), x[:, start:stop], up, down, axis=-1)
    return np.asarray(y[:, first : first + count])


@lru_cache(maxsize=64)
def _plan(ratio: float) -> _Plan:
    """The fraction near the ratio that costs least: a long filter to set up, or many chunks."""
    small = np.arange(1, 2049)
    ups = small if ratio <= 1 else np.rint(small * ratio)
    downs = np.rint(small / ratio) if ratio <= 1 else small
    errors = np.abs(ups / downs / ratio - 1.0)
    chunks = np.clip(_DRIFT * max(ratio, 1.0) / np.maximum(errors, 1e-12), 1, _CHUNK).astype(np.int64)
    wide = np.maximum(ups, downs)
    # A call takes about as long as setting up 10,000 taps, of which there are about 50 a phase.
    best = int(np.argmin((1e4 + 50 * wide) / chunks))
    return _Plan(int(ups[best]), int(downs[best]), math.ceil(_PHASES / int(wide[best])), int(chunks[best]))


@lru_cache(maxsize=8)
def _low_pass(up: int, down: int) -> npt.NDArray[np.float32]:
    """Kaiser-windowed sinc at ``up`` times the input rate; every polyphase branch sums to one, so DC is exact."""
    wide = max(up, down)
    # Kaiser's length formula: (A - 7.95) / (14.36 * transition width in cycles a sample).
    half = math.ceil((ATTENUATION_DB - 7.95) / (14.36 * (1.0 - PASSBAND) / 2.0) / 2.0 * wide)
    t = np.arange(-half, half + 1)
    h = np.sinc(t * (1.0 + PASSBAND) / 2.0 / wide) * np.kaiser(len(t), 0.1102 * (ATTENUATION_DB - 8.7))
    branch = np.bincount(np.arange(len(h)) % up, weights=h, minlength=up)
    return np.asarray(h / branch[np.arange(len(h)) % up], dtype=np.float32)
