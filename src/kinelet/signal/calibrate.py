"""Gravity calibration from still moments of ordinary wear."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from kinelet.signal.recording import FloatArray, Recording
from kinelet.signal.stillness import FloatMatrix, acc_columns, acc_factors, still_points

MIN_WINDOWS = 10
"""Still windows of 10 s below which nothing is fitted."""
REACH_G = 0.3
"""How far still points must reach to both sides of every axis, g."""
_ITERATIONS = 1000
_TOLERANCE = 1e-10
_MAX_WEIGHT = 100.0


@dataclass(frozen=True)
class Calibration:
    """What calibration found: ``calibrated = scale * raw + offset`` an axis, in g.

    Attributes:
        applied: Whether the recording was changed.
        reason: Why it was not changed; empty where it was.
        scale: Scale an axis.
        offset: Offset an axis, g.
        error_before_mg: Mean distance of still points from the unit sphere, mg; ``None`` without still points.
        error_after_mg: The same after calibration; ``None`` where nothing was fitted.
        n_windows: Still windows of 10 s used.
    """

    applied: bool
    reason: str
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    error_before_mg: float | None = None
    error_after_mg: float | None = None
    n_windows: int = 0

    def __str__(self) -> str:
        if not self.applied:
            return f"not calibrated: {self.reason}"
        return (
            f"calibrated: {self.error_before_mg:.1f} to {self.error_after_mg:.1f} mg ({self.n_windows} still windows)"
        )


def calibrate(rec: Recording) -> tuple[Recording, Calibration]:
    """Find scale and offset of the accelerometer's axes from still moments, and apply them if that helps.

    A resting accelerometer measures gravity alone, so its readings lie on the unit sphere whatever its posture. Still
    windows (10 s, standard deviation below 13 mg on every axis) are moved onto the sphere by iterative closest-point
    fitting with one linear regression an axis, weighted by the inverse of the distance (at most 100).
    The method's temperature term is not fitted.

    Source: van Hees et al. 2014, Autocalibration of accelerometer data for free-living physical activity assessment
    using local gravity and temperature, J Appl Physiol 117(7), doi 10.1152/japplphysiol.00421.2014.

    Args:
        rec: Recording with ``acc_x acc_y acc_z`` in a unit of acceleration, gravity included.

    Returns:
        The recording (changed only if ``applied``) with the outcome in ``meta["calibration"]``, and the outcome.

    Raises:
        SpecMismatchError: No three-axis accelerometer, or a unit that is not of acceleration.
    """
    points = still_points(rec)
    outcome = _outcome(points) if rec.spec.gravity else Calibration(False, "gravity is not part of the signal")
    changed = _apply(rec, outcome) if outcome.applied else rec
    return changed.replace(meta={**changed.meta, "calibration": asdict(outcome)}), outcome


def sphere_error_mg(points: FloatMatrix) -> float | None:
    """Mean distance of points (n, 3) in g from the unit sphere, mg; ``None`` without points."""
    return float(np.mean(np.abs(np.linalg.norm(points, axis=1) - 1.0)) * 1e3) if len(points) else None


def _outcome(points: FloatMatrix) -> Calibration:
    before = sphere_error_mg(points)
    if reason := _unfit(points):
        return Calibration(False, reason, error_before_mg=before, n_windows=len(points))
    scale, offset = fit_sphere(points)
    after = sphere_error_mg(points * scale + offset)
    assert before is not None and after is not None
    better = after < before
    return Calibration(
        better,
        "" if better else f"the error would not fall ({before:.1f} to {after:.1f} mg)",
        (float(scale[0]), float(scale[1]), float(scale[2])),
        (float(offset[0]), float(offset[1]), float(offset[2])),
        before,
        after,
        len(points),
    )


def _unfit(points: FloatMatrix) -> str:
    """Why a sphere cannot be fitted to these points; empty if it can."""
    if len(points) < MIN_WINDOWS:
        return f"{len(points)} still windows of 10 s, {MIN_WINDOWS} are needed"
    poor = [
        f"{axis} from {low:+.2f} to {high:+.2f} g"
        for axis, low, high in zip("xyz", points.min(axis=0), points.max(axis=0), strict=True)
        if low > -REACH_G or high < REACH_G
    ]
    return f"still postures reach {', '.join(poor)}, not beyond ±{REACH_G} g" if poor else ""


def fit_sphere(points: FloatMatrix) -> tuple[FloatMatrix, FloatMatrix]:
    """Scale and offset (3,) that move points (n, 3) onto the unit sphere, by iterative closest-point fitting."""
    scale, offset, weight = np.ones(3), np.zeros(3), np.ones(len(points))
    previous = np.inf
    for _ in range(_ITERATIONS):
        moved = points * scale + offset
        closest = moved / np.linalg.norm(moved, axis=1, keepdims=True)
        b, a = _weighted_lines(moved, closest, weight)
        scale, offset = scale * b, offset * b + a
        moved = points * scale + offset
        distance = np.abs(np.linalg.norm(moved, axis=1) - 1.0)
        residual = float(np.average(distance**2, weights=weight))
        if abs(previous - residual) < _TOLERANCE * max(residual, 1e-12):
            break
        previous = residual
        weight = np.minimum(1.0 / np.maximum(distance, 1e-12), _MAX_WEIGHT)
    return scale, offset


def _weighted_lines(x: FloatMatrix, y: FloatMatrix, weight: FloatMatrix) -> tuple[FloatMatrix, FloatMatrix]:
    """Slope and intercept (3,) of the weighted regression of each column of ``y`` on that of ``x``."""
    w = (weight / weight.sum())[:, None]
    mx, my = (w * x).sum(axis=0), (w * y).sum(axis=0)
    slope = (w * (x - mx) * (y - my)).sum(axis=0) / (w * (x - mx) ** 2).sum(axis=0)
    return slope, my - slope * mx


def _apply(rec: Recording, found: Calibration) -> Recording:
    columns, factors = acc_columns(rec), acc_factors(rec)
    data: FloatArray = rec.data.copy()
    for axis, column in enumerate(columns):
        data[:, column] *= np.float32(found.scale[axis])
        data[:, column] += np.float32(found.offset[axis] / factors[axis])
    return rec.replace(data=data, resolution=_scaled(rec, columns, found))


def _scaled(rec: Recording, columns: list[int], found: Calibration) -> tuple[float | None, ...] | None:
    if rec.resolution is None:
        return None
    steps = list(rec.resolution)
    for axis, column in enumerate(columns):
        step = steps[column]
        steps[column] = None if step is None else step * abs(found.scale[axis])
    return tuple(steps)
