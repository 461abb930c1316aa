"""Hand-crafted features of motion windows: what needs no training, and what every encoder must beat.

Time and frequency features in wide use for activity recognition (the families of Figo et al., *Personal and
Ubiquitous Computing* 14, 2010, and of the UCI HAR feature set of Anguita et al., ESANN 2013), vectorised over windows.
Signals are the channels and, for each sensor with three axes, its norm, which does not depend on how the sensor is
turned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kinelet.evaluate.features_frequency import frequency_features
from kinelet.evaluate.features_time import Named, third_features, time_features
from kinelet.evaluate.task import FloatArray
from kinelet.progress import Progress, silent
from kinelet.signal.spec import SignalSpec

_BLOCK = 1024  # windows at once: small enough to stay in the processor's cache


@dataclass(frozen=True)
class Features:
    """Values ``(n, feature)`` and a name for each column."""

    values: FloatArray
    names: tuple[str, ...]


def triplets(spec: SignalSpec) -> dict[str, tuple[int, int, int]]:
    """Sensors with three axes: name to the positions of ``_x _y _z`` among the channels."""
    position = {name: i for i, name in enumerate(spec.channels)}
    sensors = dict.fromkeys(name[:-2] for name in spec.channels if name.endswith(("_x", "_y", "_z")))
    return {
        s: (position[f"{s}_x"], position[f"{s}_y"], position[f"{s}_z"])
        for s in sensors
        if all(f"{s}_{axis}" in position for axis in "xyz")
    }


def hand_crafted(x: FloatArray, spec: SignalSpec, *, thirds: bool = False, progress: Progress = silent) -> Features:
    """Compute the features of windows.

    Args:
        x: Windows ``(n, channel, time)`` in ``spec``.
        spec: Gives rate, channel names and which channels are axes of one sensor.
        thirds: Add mean and spread of each third of the window: the order of events, which the customary features do
            not see, and which tells gestures and transitions apart.
        progress: Told after every block of windows.

    Returns:
        Finite float32 values ``(n, feature)`` with names such as ``acc_x.sd`` or ``acc_norm.band_1_2hz``.
    """
    blocks: list[FloatArray] = []
    names: tuple[str, ...] = ()
    for start in range(0, max(len(x), 1), _BLOCK):
        columns = list(_block(np.asarray(x[start : start + _BLOCK], dtype=np.float32), spec, thirds))
        names = tuple(name for name, _ in columns)
        blocks.append(np.stack([column for _, column in columns], axis=1).astype(np.float32))
        progress(min(start + _BLOCK, len(x)), "hand-crafted features")
    return Features(np.nan_to_num(np.concatenate(blocks)), names)


def _block(x: FloatArray, spec: SignalSpec, thirds: bool) -> Iterator[Named]:
    sensors = triplets(spec)
    norms = [np.sqrt((x[:, list(axes)] ** 2).sum(axis=1, keepdims=True)) for axes in sensors.values()]
    signals = np.concatenate([x, *norms], axis=1)
    names = (*spec.channels, *(f"{sensor}_norm" for sensor in sensors))
    yield from time_features(signals, names, sensors, spec.rate_hz)
    if thirds:
        yield from third_features(signals, names)
    yield from frequency_features(signals, names, spec.rate_hz)
