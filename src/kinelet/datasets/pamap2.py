"""PAMAP2: eighteen physical activities with three inertial units and a heart-rate belt."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kinelet.datasets.assemble import magnetometer_spec, motion, names_of, on_clock, on_grid
from kinelet.datasets.base import Dataset, DatasetCard, Download
from kinelet.datasets.tables import Table, read_spaced
from kinelet.signal.recording import FloatArray, Recording
from kinelet.signal.spec import SignalSpec, imu_spec

_RATE_HZ, _HEART_HZ = 100.0, 9.0
_WIDTH = 54
# First column of each unit (from 0); temperature, then ±16 g, ±6 g, gyroscope, magnetometer, orientation.
_UNITS = {"wrist": 3, "chest": 20, "ankle": 37}
_WIDE, _GYR, _MAG = 1, 7, 10
_ACTIVITIES: Mapping[int, str] = {
    1: "lying",
    2: "sitting",
    3: "standing",
    4: "walking",
    5: "running",
    6: "cycling",
    7: "nordic_walking",
    9: "watching_tv",
    10: "computer_work",
    11: "car_driving",
    12: "ascending_stairs",
    13: "descending_stairs",
    16: "vacuum_cleaning",
    17: "ironing",
    18: "folding_laundry",
    19: "house_cleaning",
    20: "playing_soccer",
    24: "rope_jumping",
}

CARD = DatasetCard(
    name="pamap2",
    title="PAMAP2 physical activity monitoring",
    licence="CC BY 4.0",
    citation="Reiss, Stricker (2012). Introducing a new benchmarked dataset for activity monitoring. ISWC",
    url="https://archive.ics.uci.edu/dataset/231/pamap2+physical+activity+monitoring",
    people=9,
    sites=tuple(_UNITS),
    rates_hz=(_RATE_HZ,),
    labels=tuple(_ACTIVITIES.values()),
    traps=(
        "The ±16 g accelerometer is used: the ±6 g one saturates in running and jumping.",
        "Lost wireless packets are rows of NaN: they are gaps, for the sensor that lost them only.",
        "Activity 0 is what happens between activities: it has no label.",
        "Subject 9 did rope jumping only; the optional files are the same people again.",
        "The hand unit is on the wrist of the dominant arm, the ankle unit on the dominant side.",
        "Orientation columns are invalid by the publisher's own words and are not read.",
        "The heart rate is one value in eleven rows: it is a stream of its own, as is each unit's magnetometer "
        "(microtesla): add --streams.",
    ),
    layout="Protocol/subject101.dat, …, and Optional/subject101.dat, … where wanted",
    download=(
        Download(
            "https://archive.ics.uci.edu/static/public/231/pamap2+physical+activity+monitoring.zip",
            None,
            "pamap2+physical+activity+monitoring.zip",
        ),
    ),
)


def _find(raw: Path) -> dict[str, Path]:
    paths = (p for p in raw.resolve().rglob("subject*.dat") if re.fullmatch(r"subject1\d\d\.dat", p.name))
    return {f"{p.stem}_{'optional' if p.parent.name.lower() == 'optional' else 'protocol'}": p for p in sorted(paths)}


def _read(key: str, path: Path) -> Iterator[Recording]:
    subject, part = key.split("_")
    table = read_spaced(path, _wanted(), _WIDTH)
    row = np.round((table["time"] - table["time"][0]) * _RATE_HZ).astype(np.int64)
    activity = names_of(table["activity"], _ACTIVITIES)
    person = f"pamap2_{subject.removeprefix('subject')}"
    for site in _UNITS:
        samples, name = _samples(table, site), f"{person}_{part}_{site}"
        if not np.isfinite(samples).all(axis=1).any():
            continue
        streams = _heart(table, person, part) if site == "wrist" else {}
        yield on_grid(
            samples,
            imu_spec(_RATE_HZ, gyro=True, site=site),
            row=row,
            lost="wireless_loss",
            labels={"activity": activity},
            subject=person,
            name=name,
            streams=streams | _magnetometer(table, row, site, person, part),
            meta={
                "device": "Colibri wireless IMU",
                "part": part,
                "accelerometer": "±16 g",
                **_clock(person, part),
            },
        )


def _wanted() -> dict[str, int]:
    wanted = {"time": 0, "activity": 1, "heart_rate": 2}
    for site, first in _UNITS.items():
        wanted |= {f"{site}_acc{i}": first + _WIDE + i for i in range(3)}
        wanted |= {f"{site}_gyr{i}": first + _GYR + i for i in range(3)}
        wanted |= {f"{site}_mag{i}": first + _MAG + i for i in range(3)}
    return wanted


def _samples(table: Table, site: str) -> FloatArray:
    acc, gyr = (table.stack(*(f"{site}_{sensor}{i}" for i in range(3))) for sensor in ("acc", "gyr"))
    return motion(acc, "m/s^2", gyr, "rad/s")


def _clock(person: str, part: str, start_s: float = 0.0) -> dict[str, Any]:
    """All units of a file are on one clock, whose zero is the file's first row."""
    return {"clock": f"{person}_{part}", "clock_start_s": start_s}


def _magnetometer(table: Table, row: npt.NDArray[np.int64], site: str, person: str, part: str) -> dict[str, Recording]:
    """A unit's magnetometer in microtesla, where it was written."""
    data = table.stack(*(f"{site}_mag{i}" for i in range(3))).astype(np.float32)
    if not np.isfinite(data).all(axis=1).any():
        return {}
    about: dict[str, Any] = {"subject": person, "name": f"{person}_{part}_{site}_mag", "lost": "wireless_loss"}
    spec = magnetometer_spec(_RATE_HZ, site)
    return {"mag": on_grid(data, spec, row=row, meta=_clock(person, part), **about)}


def _heart(table: Table, person: str, part: str) -> dict[str, Recording]:
    """Heart rate in beats a minute where it was written."""
    there = np.isfinite(table["heart_rate"])
    if not there.any():
        return {}
    spec = SignalSpec(rate_hz=_HEART_HZ, channels=("heart_rate",), units=("bpm",), site="chest")
    time_s = (table["time"] - table["time"][0])[there]
    first = float(time_s[0])
    data = table["heart_rate"][there].astype(np.float32)[:, None]
    about: dict[str, Any] = {
        "subject": person,
        "name": f"{person}_{part}_heart_rate",
        "meta": _clock(person, part, first),
    }
    return {"heart_rate": on_clock(data, spec, time_s - first, max_gap_s=2.0, **about)}


DATASET = Dataset(CARD, _find, _read)
