"""A tower for depth clips of one person before an empty background: a fixed transform, nothing in it was trained.

Frozen for the reason given in :mod:`kinelet.towers.skeleton`. What stays the same from frame to frame (the person's
shape and clothes, the place) cancels; what moves, and where on the body, remains.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from kinelet.errors import BadFileError
from kinelet.towers.base import FloatArray, Items
from kinelet.towers.skeleton import over_time

HEIGHT, WIDTH = 60, 80
ROWS, COLUMNS = 6, 8
STEPS = 15
TERMS = 8
DIM = 2 * ROWS * COLUMNS * TERMS

Floats = NDArray[np.float64]


class DepthTower:
    """Clips ``(frame, 60, 80)`` of depth, 0 where there is nobody, to 768 numbers.

    Differences from frame to frame, shifted sideways until the movement lies in the middle, and averaged in 6 x 8
    fields: once with their sign, once without. Of each field the first 8 terms of the cosine transform over the clip's
    normalised time. Both halves have the same length.

    Raises:
        BadFileError: for a clip of another shape, or one in which nothing moves.
    """

    name = "depth"
    dim = DIM
    space_id = "depth-difference-dct"
    preprocessing = f"frame differences, centred, {ROWS} x {COLUMNS} fields; {TERMS} cosine terms over time"
    probes: Items = ()

    def __call__(self, items: Items) -> FloatArray:
        """Vectors ``(clips, 768)``."""
        return np.array([_vector(np.asarray(clip)) for clip in items], dtype=np.float32)


def _vector(clip: NDArray[np.generic]) -> Floats:
    if clip.ndim != 3 or clip.shape[1:] != (HEIGHT, WIDTH) or len(clip) < 2 or not np.isfinite(clip).all():
        raise BadFileError(
            f"a depth clip of shape {clip.shape}, or with values that are not finite",
            where="tower 'depth'",
            remedy=f"Give at least 2 frames of {HEIGHT} x {WIDTH} pixels",
        )
    moved = np.diff(over_time(clip.astype(np.float64), STEPS + 1), axis=0)
    energy = np.abs(moved).sum(axis=(0, 1))
    if not energy.any():
        raise BadFileError("nothing moves in a depth clip", where="tower 'depth'", remedy="Leave the clip out")
    middle = round(float((energy * np.arange(WIDTH)).sum() / energy.sum()))
    moved = np.roll(moved, WIDTH // 2 - middle, axis=2)
    return np.concatenate([_half(moved), _half(np.abs(moved))])


def _half(values: Floats) -> Floats:
    fields = values.reshape(STEPS, ROWS, HEIGHT // ROWS, COLUMNS, WIDTH // COLUMNS).mean(axis=(2, 4))
    terms = np.asarray(dct(fields, axis=0, norm="ortho")[:TERMS], dtype=np.float64).ravel()
    # A movement whose signed half cancels in every field leaves that half empty.
    return terms / max(float(np.linalg.norm(terms)), 1e-12)
