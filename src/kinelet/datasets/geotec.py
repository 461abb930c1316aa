"""GEOTEC: sit, stand up, walk, turn and sit down with a phone in the pocket and a watch on the wrist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from kinelet.datasets.assemble import motion, on_clock
from kinelet.datasets.base import Dataset, DatasetCard
from kinelet.datasets.tables import read_csv
from kinelet.signal.recording import Recording
from kinelet.signal.spec import imu_spec

_RATE_HZ = 100.0
_SITES = {"sp": "pocket", "sw": "wrist"}
_KINDS = dict.fromkeys(("x_acc", "y_acc", "z_acc", "x_gyro", "y_gyro", "z_gyro"), "float32") | {
    "timestamp": "int64",
    "label": "string",
}

CARD = DatasetCard(
    name="geotec",
    title="GEOTEC smartphone and smartwatch activities",
    licence="CC BY 4.0",
    citation=(
        "Matey-Sanz, Casteleyn, Granell (2023). Dataset of inertial measurements of smartphones and smartwatches for "
        "human activity recognition. Data in Brief 51"
    ),
    url="https://doi.org/10.5281/zenodo.8398688",
    people=23,
    sites=("pocket", "wrist"),
    rates_hz=(_RATE_HZ,),
    labels=("SEATED", "STANDING_UP", "WALKING", "TURNING", "SITTING_DOWN"),
    traps=(
        "The clocks are arrival times: samples come in bursts and share milliseconds; resample before use.",
        "Phone and watch ran at once and have clocks of their own.",
        "The phone's orientation in the pocket differs between people and trials.",
        "A trial lasts 15 s and a label 2 s: windows of 5 s hold several labels.",
    ),
    layout="s01_01_sp.csv, s01_01_sw.csv, … (subject, trial, device) in any folders",
)


def _find(raw: Path) -> dict[str, Path]:
    paths = sorted(p for p in raw.rglob("s*.csv") if re.fullmatch(r"s\d+_\d+_s[pw]\.csv", p.name))
    return {p.stem: p for p in paths}


def _read(key: str, path: Path) -> Iterator[Recording]:
    subject, trial, device = key.split("_")
    table = read_csv(path, _KINDS)
    time_s = (table["timestamp"] - table["timestamp"][0]) / 1000.0
    yield on_clock(
        motion(table.stack("x_acc", "y_acc", "z_acc"), "m/s^2", table.stack("x_gyro", "y_gyro", "z_gyro"), "rad/s"),
        imu_spec(_RATE_HZ, gyro=True, site=_SITES[device]),
        time_s,
        subject=f"geotec_{subject}",
        name=f"geotec_{key}",
        start_unix_s=float(table["timestamp"][0]) / 1000.0,
        labels={"activity": table["label"]},
        meta={"device": {"sp": "smartphone", "sw": "smartwatch"}[device], "trial": int(trial)},
    )


DATASET = Dataset(CARD, _find, _read)
