"""MotionSense: six activities with a phone in the front pocket."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from kinelet.datasets.assemble import motion, on_grid
from kinelet.datasets.base import Dataset, DatasetCard
from kinelet.datasets.tables import read_csv
from kinelet.signal.recording import Annotation, Recording
from kinelet.signal.spec import imu_spec

_RATE_HZ = 50.0
_ACTIVITIES = {
    "dws": "downstairs",
    "ups": "upstairs",
    "wlk": "walking",
    "jog": "jogging",
    "std": "standing",
    "sit": "sitting",
}
_SENSORS = ("gravity", "userAcceleration", "rotationRate")

CARD = DatasetCard(
    name="motionsense",
    title="MotionSense",
    licence="MIT (the publisher's repository, which holds code and recordings)",
    citation=("Malekzadeh, Clegg, Cavallaro, Haddadi (2019). Mobile sensor data anonymization. ACM/IEEE IoTDI"),
    url="https://github.com/mmalekzadeh/motion-sense",
    people=24,
    sites=("pocket",),
    rates_hz=(_RATE_HZ,),
    labels=tuple(_ACTIVITIES.values()),
    traps=(
        "Acceleration is split in gravity and the rest by the phone: they are added again, in g.",
        "Apple's sign: a phone lying face up reads -1 g on z, where Android reads +1 g.",
        "There are no times: the clock is the nominal 50 Hz.",
        "Trials 1 to 9 are long and 11 to 16 short; the person stands still at both ends of some.",
        "The folders hold only motion as processed by the phone; raw sensors are in other archives.",
    ),
    layout="A_DeviceMotion_data/dws_1/sub_1.csv, … (activity_trial/person)",
)


def _find(raw: Path) -> dict[str, Path]:
    parts: dict[str, Path] = {}
    for path in sorted(raw.resolve().rglob("sub_*.csv")):
        match = re.fullmatch(r"(dws|ups|wlk|jog|std|sit)_(\d+)/sub_(\d+)\.csv", f"{path.parent.name}/{path.name}")
        # The archive of raw sensors has the same names below other folders.
        if match and "Accelerometer" not in path.as_posix() and "Gyroscope" not in path.as_posix():
            parts[f"{int(match[3]):02d}_{match[1]}_{match[2]}"] = path
    return parts


def _read(key: str, path: Path) -> Iterator[Recording]:
    subject, activity, trial = key.split("_")
    columns = [f"{sensor}.{axis}" for sensor in _SENSORS for axis in "xyz"]
    table = read_csv(path, dict.fromkeys(columns, "float32"))
    acc = table.stack(*columns[:3]) + table.stack(*columns[3:6])
    yield on_grid(
        motion(acc, "g", table.stack(*columns[6:]), "rad/s"),
        imu_spec(_RATE_HZ, gyro=True, site="pocket"),
        subject=f"motionsense_{subject}",
        name=f"motionsense_{key}",
        events=(Annotation(0.0, len(acc) / _RATE_HZ, label=_ACTIVITIES[activity]),),
        meta={"device": "iPhone 6s", "trial": int(trial), "acceleration": "gravity + userAcceleration"},
    )


DATASET = Dataset(CARD, _find, _read)
