"""Opportunity: kitchen activities with sensors all over the body; locomotion and gestures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kinelet.datasets.assemble import motion, names_of, on_grid
from kinelet.datasets.base import Dataset, DatasetCard, Download
from kinelet.datasets.tables import Table, read_spaced
from kinelet.signal.recording import Recording
from kinelet.signal.spec import imu_spec

_RATE_HZ = 30.0
_WIDTH = 250
# Site -> first column, from 0. Inertial units: accelerometer, gyroscope, magnetometer, quaternion (13 columns).
_UNITS = {"back": 37, "right_upperarm": 50, "right_wrist": 63, "left_upperarm": 76, "left_wrist": 89}
# Bluetooth accelerometers, 3 columns each; two on some limbs (upper and lower).
_BLUETOOTH = {
    "right_knee_upper": 1,
    "hip": 4,
    "left_upperarm_upper": 7,
    "right_upperarm_lower": 10,
    "left_hand": 13,
    "back_bluetooth": 16,
    "right_knee_lower": 19,
    "right_wrist_bluetooth": 22,
    "right_upperarm_upper": 25,
    "left_upperarm_lower": 28,
    "left_wrist_bluetooth": 31,
    "right_hand": 34,
}
_LOCOMOTION: Mapping[int, str] = {1: "stand", 2: "walk", 4: "sit", 5: "lie"}
_GESTURES: Mapping[int, str] = {
    406516: "open_door_1",
    406517: "open_door_2",
    404516: "close_door_1",
    404517: "close_door_2",
    406520: "open_fridge",
    404520: "close_fridge",
    406505: "open_dishwasher",
    404505: "close_dishwasher",
    406519: "open_drawer_1",
    404519: "close_drawer_1",
    406511: "open_drawer_2",
    404511: "close_drawer_2",
    406508: "open_drawer_3",
    404508: "close_drawer_3",
    408512: "clean_table",
    407521: "drink_from_cup",
    405506: "toggle_switch",
}
_HIGH_LEVEL: Mapping[int, str] = {
    101: "relaxing",
    102: "coffee_time",
    103: "early_morning",
    104: "cleanup",
    105: "sandwich_time",
}
_TRACKS = {"activity": (243, _LOCOMOTION), "gesture": (249, _GESTURES), "routine": (244, _HIGH_LEVEL)}
_CHALLENGE_TEST = {"S2-ADL4", "S2-ADL5", "S3-ADL4", "S3-ADL5"}

CARD = DatasetCard(
    name="opportunity",
    title="Opportunity activity recognition",
    licence="CC BY 4.0",
    citation=(
        "Chavarriaga, Sagha, Calatroni, Digumarti, Tröster, Millán, Roggen (2013). The Opportunity challenge: a "
        "benchmark database for on-body sensor-based activity recognition. Pattern Recognition Letters 34"
    ),
    url="https://archive.ics.uci.edu/dataset/226/opportunity+activity+recognition",
    people=4,
    sites=(*_UNITS, *_BLUETOOTH),
    rates_hz=(_RATE_HZ,),
    labels=tuple(_LOCOMOTION.values()),
    traps=(
        "Accelerations are whole milli-g; gyroscopes are thousandths of the unit's own output, which the publisher "
        "calls unknown and the maker of the units gives as rad/s.",
        "Bluetooth accelerometers lose packets for minutes: rows of NaN are gaps, nothing is filled.",
        "Four people: intervals over people are wide.",
        "The challenge tests on runs ADL4 and ADL5 of subjects 2 and 3, whom it also trains on: it is in "
        "meta['challenge'] and is no split by people.",
        "Most rows have no gesture: the track 'gesture' covers only part of the time.",
        "The units on the shoes give no plain accelerometer and are not read.",
    ),
    layout="dataset/S1-ADL1.dat, …, dataset/S1-Drill.dat, …",
    download=(
        Download(
            "https://archive.ics.uci.edu/static/public/226/opportunity+activity+recognition.zip",
            None,
            "opportunity+activity+recognition.zip",
        ),
    ),
)


def _find(raw: Path) -> dict[str, Path]:
    paths = (p for p in raw.rglob("S*.dat") if re.fullmatch(r"S\d-(ADL\d|Drill)\.dat", p.name))
    return {p.stem: p for p in sorted(paths)}


def _read(key: str, path: Path) -> Iterator[Recording]:
    table = read_spaced(path, _wanted(), _WIDTH)
    labels = {track: names_of(table[track], names) for track, (_, names) in _TRACKS.items()}
    row = np.round((table["time"] - table["time"][0]) * _RATE_HZ / 1000.0).astype(np.int64)
    for site in (*_UNITS, *_BLUETOOTH):
        data = _samples(table, site)
        if not np.isfinite(data).all(axis=1).any():
            continue
        yield on_grid(
            data,
            imu_spec(_RATE_HZ, gyro=site in _UNITS, site=site),
            row=row,
            lost="wireless_loss",
            labels=labels,
            subject=f"opportunity_{key.split('-')[0]}",
            name=f"opportunity_{key}_{site}",
            meta={
                "device": "Xsens inertial unit" if site in _UNITS else "Bluetooth accelerometer",
                "challenge": "test" if key in _CHALLENGE_TEST else "train",
            },
        )


def _wanted() -> dict[str, int]:
    wanted = {"time": 0} | {track: column for track, (column, _) in _TRACKS.items()}
    for sites, width in ((_UNITS, 6), (_BLUETOOTH, 3)):
        wanted |= {f"{site}{i}": first + i for site, first in sites.items() for i in range(width)}
    return wanted


def _samples(table: Table, site: str) -> npt.NDArray[np.float32]:
    acc = table.stack(*(f"{site}{i}" for i in range(3)))
    if site not in _UNITS:
        return motion(acc, "mg")
    return motion(acc, "mg", table.stack(*(f"{site}{i}" for i in range(3, 6))) / 1000.0, "rad/s")


DATASET = Dataset(CARD, _find, _read)
