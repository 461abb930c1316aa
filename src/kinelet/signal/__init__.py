"""What recordings are, and what is done to them before they are learnt from."""

from kinelet.signal.clock import split_at_gaps
from kinelet.signal.recording import Annotation, Gap, Recording, Segment
from kinelet.signal.resample import measured_rate, resample
from kinelet.signal.spec import ACC, GYR, SignalSpec, imu_spec
from kinelet.signal.units import convert

__all__ = [
    "ACC",
    "GYR",
    "Annotation",
    "Gap",
    "Recording",
    "Segment",
    "SignalSpec",
    "convert",
    "imu_spec",
    "measured_rate",
    "resample",
    "split_at_gaps",
]
