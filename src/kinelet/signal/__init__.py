"""What recordings are, and what is done to them before they are learnt from."""

from kinelet.signal.adapt import Changes, adapt
from kinelet.signal.calibrate import Calibration, calibrate
from kinelet.signal.clock import split_at_gaps
from kinelet.signal.nonwear import Wear, assess_wear, nonwear
from kinelet.signal.plot import plot_recording
from kinelet.signal.quality import QualityReport, quality_report
from kinelet.signal.recording import Annotation, Gap, Recording, Segment
from kinelet.signal.resample import measured_rate, resample
from kinelet.signal.spec import ACC, GYR, SignalSpec, imu_spec
from kinelet.signal.units import convert

__all__ = [
    "ACC",
    "GYR",
    "Annotation",
    "Calibration",
    "Changes",
    "Gap",
    "QualityReport",
    "Recording",
    "Segment",
    "SignalSpec",
    "Wear",
    "adapt",
    "assess_wear",
    "calibrate",
    "convert",
    "imu_spec",
    "measured_rate",
    "nonwear",
    "plot_recording",
    "quality_report",
    "resample",
    "split_at_gaps",
]
