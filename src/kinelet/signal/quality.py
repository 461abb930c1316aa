"""How good a recording is: rate, drift, gaps, clipping, stuck axes, calibration error, wear time, plausible norm."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from kinelet.signal.calibrate import MIN_WINDOWS, REACH_G, sphere_error_mg
from kinelet.signal.nonwear import Wear, assess_wear
from kinelet.signal.quality_measures import clipped_parts, median_norm, norm_remark, stuck_parts
from kinelet.signal.recording import Recording
from kinelet.signal.resample import measured_rate
from kinelet.signal.spec import ACC
from kinelet.signal.stillness import still_points
from kinelet.signal.units import quantity

_WARN_PART = 1e-3
"""Part of clipped samples, or of time stuck, above which a warning is given."""
_WARN_CALIBRATION_MG = 10.0
_WARN_DRIFT_PPM = 10_000.0
_PLAUSIBLE_G = (0.8, 1.2)


@dataclass(frozen=True)
class QualityReport:
    """What was measured about a recording.

    Attributes:
        rate_hz: Measured rate.
        nominal_rate_hz: Rate that the device was set to.
        drift_ppm: Measured against nominal rate, parts per million; ``None`` where nothing measured the rate.
        duration_s: Seconds covered by samples.
        n_samples: Samples.
        n_gaps: Gaps.
        gap_s: Seconds in gaps.
        clipping: Part of the samples at the end of the range, by channel.
        stuck: Part of the time in which a channel stood still while its sensor moved, by channel.
        calibration_error_mg: Mean distance of still points from the unit sphere; ``None`` with too few of them.
        wear_time_s: Seconds worn; ``None`` where unknown.
        median_norm_g: Median length of the acceleration vector, of still parts where there are any; ``None`` without
            accelerometer.
        norm_plausible: Whether that is 0.8 to 1.2 g; ``None`` where gravity is not in the signal.
        warnings: The recording's own warnings and what this report adds.
        remarks: Remark to a row of the table, by row name.
    """

    rate_hz: float
    nominal_rate_hz: float
    drift_ppm: float | None
    duration_s: float
    n_samples: int
    n_gaps: int
    gap_s: float
    clipping: dict[str, float]
    stuck: dict[str, float]
    calibration_error_mg: float | None
    wear_time_s: float | None
    median_norm_g: float | None
    norm_plausible: bool | None
    warnings: tuple[str, ...]
    remarks: dict[str, str]

    def rows(self) -> list[tuple[str, str, str]]:
        """Name, value and remark of every measure, for a table."""
        return [(name, value, self.remarks.get(name, "")) for name, value in self._values()]

    def _values(self) -> list[tuple[str, str]]:
        return [
            ("rate", f"{self.rate_hz:.6g} Hz"),
            ("drift", _or_dash(self.drift_ppm, "{:+.0f} ppm")),
            ("duration", duration_text(self.duration_s)),
            ("samples", f"{self.n_samples:,}"),
            ("gaps", f"{self.n_gaps}, {duration_text(self.gap_s)}" if self.n_gaps else "none"),
            ("clipping", _parts_text(self.clipping)),
            ("stuck axes", _parts_text(self.stuck)),
            ("calibration error", _or_dash(self.calibration_error_mg, "{:.1f} mg")),
            ("wear time", "unknown" if self.wear_time_s is None else duration_text(self.wear_time_s)),
            ("median norm", _or_dash(self.median_norm_g, "{:.3g} g")),
        ]


def quality_report(rec: Recording) -> QualityReport:
    """Measure how good a recording is.

    What cannot be measured is ``None`` and its remark says why: nothing is guessed.

    Args:
        rec: Any recording; without a three-axis accelerometer the measures about gravity and wear are ``None``.
    """
    rate, nominal = measured_rate(rec), float(rec.meta.get("nominal_rate_hz") or rec.spec.rate_hz)
    remarks = _clock_remarks(rec, rate, nominal)
    error, worn, norm = _gravity_measures(rec, remarks)
    plausible = None if norm is None or not rec.spec.gravity else _PLAUSIBLE_G[0] <= norm <= _PLAUSIBLE_G[1]
    if norm is not None:
        remarks["median norm"] = norm_remark(norm, rec.spec.gravity)
    report = QualityReport(
        rate_hz=rate,
        nominal_rate_hz=nominal,
        drift_ppm=_drift_ppm(rec, rate, nominal, remarks),
        duration_s=rec.duration_s,
        n_samples=len(rec.data),
        n_gaps=len(rec.gaps),
        gap_s=sum(g.stop_s - g.start_s for g in rec.gaps),
        clipping=clipped_parts(rec),
        stuck=stuck_parts(rec),
        calibration_error_mg=error,
        wear_time_s=worn,
        median_norm_g=norm,
        norm_plausible=plausible,
        warnings=rec.warnings,
        remarks=remarks,
    )
    return replace(report, warnings=rec.warnings + _not_finite(rec) + _warnings(report))


def _drift_ppm(rec: Recording, rate: float, nominal: float, remarks: dict[str, str]) -> float | None:
    if rec.time_s is None and rec.meta.get("measured_rate_hz") is None:
        remarks["drift"] = "nothing in the file measures the rate"
        return None
    return (rate / nominal - 1.0) * 1e6


def _gravity_measures(rec: Recording, remarks: dict[str, str]) -> tuple[float | None, float | None, float | None]:
    """Calibration error in mg, seconds worn, median norm in g; ``None`` with a remark where there is no telling."""
    if reason := _no_acceleration(rec):
        remarks |= dict.fromkeys(("calibration error", "wear time", "median norm"), reason)
        return None, None, None
    points = still_points(rec)
    wear: Wear = assess_wear(rec)
    if not wear.known:
        remarks["wear time"] = wear.remark
    error = sphere_error_mg(points) if rec.spec.gravity and len(points) >= MIN_WINDOWS else None
    if error is None:
        few = f"{len(points)} still windows of 10 s, {MIN_WINDOWS} are needed"
        remarks["calibration error"] = few if rec.spec.gravity else "gravity is not in the signal"
    elif (points.min(axis=0) > -REACH_G).any() or (points.max(axis=0) < REACH_G).any():
        remarks["calibration error"] = "few postures: it says nothing about the others"
    return error, wear.wear_s, median_norm(rec)


def _no_acceleration(rec: Recording) -> str:
    if not set(ACC) <= set(rec.spec.channels):
        return "no three-axis accelerometer"
    units = {u for c, u in zip(rec.spec.channels, rec.spec.units, strict=True) if c in ACC}
    return (
        ""
        if all(quantity(u) == "acceleration" for u in units)
        else f"unit {'/'.join(sorted(units))} is not of acceleration"
    )


def _clock_remarks(rec: Recording, rate: float, nominal: float) -> dict[str, str]:
    remarks = {}
    if rec.time_s is not None:
        remarks["rate"] = f"nominal {nominal:g} Hz, every sample has its own time"
    elif rate != nominal:
        remarks["rate"] = f"nominal {nominal:g} Hz"
    if rec.gaps:
        reasons = Counter(g.reason for g in rec.gaps)
        remarks["gaps"] = ", ".join(f"{n} {reason}" for reason, n in reasons.most_common())
    return remarks


def _not_finite(rec: Recording) -> tuple[str, ...]:
    bad = int((~np.isfinite(rec.data)).any(axis=1).sum())
    return (f"{bad} of {len(rec.data)} samples have NaN or infinity",) if bad else ()


def _warnings(report: QualityReport) -> tuple[str, ...]:
    """What in the figures a user should not overlook, one line each."""
    lines = [f"{c}: {p:.2%} of the samples are clipped" for c, p in report.clipping.items() if p > _WARN_PART]
    lines += [f"{c} stood still for {p:.1%} of the time" for c, p in report.stuck.items() if p > _WARN_PART]
    if report.norm_plausible is False:
        lines.append(f"the median norm is {report.median_norm_g:.3g} g: {report.remarks['median norm']}")
    if (error := report.calibration_error_mg) is not None and error > _WARN_CALIBRATION_MG:
        lines.append(f"still parts are {error:.0f} mg off 1 g: calibrate")
    if report.drift_ppm is not None and abs(report.drift_ppm) > _WARN_DRIFT_PPM:
        lines.append(f"the device samples at {report.rate_hz:.5g} Hz, not at {report.nominal_rate_hz:g} Hz")
    return tuple(lines)


def duration_text(seconds: float) -> str:
    """Seconds in words that a person reads.

    >>> duration_text(93784)
    '1 d 2 h 3 min'
    """
    if seconds < 60:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min")]
    if seconds < 3600:
        parts.append((whole % 60, "s"))
    return " ".join(f"{n} {unit}" for n, unit in parts if n)


def _or_dash(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _parts_text(parts: dict[str, float]) -> str:
    """Channels with more than nothing, as percentages."""
    return ", ".join(f"{c} {p:.2%}" for c, p in parts.items() if p > 0) or "none"
