"""A tower for clips of Kinect skeletons: a fixed transform, nothing in it was trained.

Frozen on purpose. A network trained on these clips would have seen the people and actions that an encoder is judged on
later; a transform written down beforehand cannot have. Posture alone puts all standing people close together, so the
clip's first frames are its zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from kinelet.errors import BadFileError
from kinelet.towers.base import FloatArray, Items

JOINTS = 20
NECK, HIP, LEFT, RIGHT = 1, 3, 4, 8
FRAMES = 32
TERMS = 8
START = 3
DIM = (JOINTS + 1) * 3 * TERMS

Floats = NDArray[np.float64]


class SkeletonTower:
    """Clips ``(frame, 20, 3)`` of joints, in any unit of length, to 504 numbers.

    Joints relative to the hip and the hip's own path, in lengths of the trunk, turned until the shoulders lie along
    the first axis; what changed since the clip's start; the first 8 terms of the cosine transform over the clip's
    normalised time (Ahmed et al. 1974). The second axis of the joints is up. Joints in the order of the first Kinect:
    head, shoulder centre, spine, hip centre, left arm (4), right arm (4), left leg (4), right leg (4).

    Raises:
        BadFileError: for a clip of another shape, or one whose trunk has no length.
    """

    name = "skeleton"
    dim = DIM
    space_id = "kinect-skeleton-dct"
    preprocessing = (
        f"relative to hip, trunk length and start; shoulders turned to one line; {TERMS} cosine terms over time"
    )
    probes: Items = ()

    def __call__(self, items: Items) -> FloatArray:
        """Vectors ``(clips, 504)``."""
        return np.array([_vector(np.asarray(clip, dtype=np.float64)) for clip in items], dtype=np.float32)


def _vector(clip: Floats) -> Floats:
    if clip.ndim != 3 or clip.shape[1:] != (JOINTS, 3) or len(clip) < 2 or not np.isfinite(clip).all():
        raise BadFileError(
            f"a skeleton clip of shape {clip.shape}, or with values that are not finite",
            where="tower 'skeleton'",
            remedy=f"Give at least 2 frames of {JOINTS} joints in 3 dimensions",
        )
    hip = clip[:, HIP]
    trunk = float(np.median(np.linalg.norm(clip[:, NECK] - hip, axis=1)))
    if trunk <= 0:
        raise BadFileError("the trunk has no length", where="tower 'skeleton'", remedy="Check the order of the joints")
    points = np.concatenate([clip - hip[:, None], (hip - hip[0])[:, None]], axis=1) / trunk
    moved = over_time(points @ _facing(clip), FRAMES)
    moved = moved - moved[:START].mean(axis=0)
    return np.asarray(dct(moved, axis=0, norm="ortho")[:TERMS] / np.sqrt(FRAMES), dtype=np.float64).ravel()


def _facing(clip: Floats) -> Floats:
    """Turn about the vertical (second) axis that lays the shoulders along the first."""
    across = np.median(clip[:, RIGHT] - clip[:, LEFT], axis=0)
    angle = np.arctan2(across[2], across[0])
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]])


def over_time(values: NDArray[np.floating], frames: int) -> Floats:
    """Linear interpolation along the first axis to a number of frames over the same time."""
    place = np.linspace(0, len(values) - 1, frames)
    low = np.minimum(place.astype(int), len(values) - 2)
    share = (place - low).reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray(values[low] * (1 - share) + values[low + 1] * share, dtype=np.float64)
