"""UMAFall: daily activities and simulated falls with a phone and four SensorTags on the body."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kinelet.datasets.assemble import on_clock
from kinelet.datasets.base import Dataset, DatasetCard
from kinelet.datasets.gyroscope import with_gyroscope
from kinelet.datasets.tables import Table, read_csv
from kinelet.errors import BadFileError
from kinelet.signal.recording import Annotation, Recording
from kinelet.signal.spec import imu_spec

_TAG_HZ, _PHONE_HZ = 20.0, 200.0
_TOLERANCE_S = 0.06
_ACC, _GYR = 0, 1
_SITES = {"RIGHTPOCKET": "pocket", "LEFTPOCKET": "pocket"}
_NAME = re.compile(
    r"UMAFall_Subject_(?P<subject>\d+)_(?P<kind>ADL|Fall)_(?P<what>.+)_(?P<trial>\d+)_(?P<when>\d{4}-\d\d-\d\d_.*)\.csv"
)
_PLACE = re.compile(r"%\s*[0-9A-Fa-f:]{11,};\s*(?P<id>\d+);\s*(?P<place>\w+);\s*(?P<device>.*?)\s*$")
_COLUMNS = ("time", "sample", "x", "y", "z", "sensor", "place", "rest")

CARD = DatasetCard(
    name="umafall",
    title="UMAFall",
    licence="CC BY 4.0 (as the publisher's page states it; no licence file comes with the recordings)",
    citation=(
        "Casilari, Santoyo-Ramón, Cano-García (2017). UMAFall: a multisensor dataset for the research on automatic "
        "fall detection. Procedia Computer Science 110"
    ),
    url="https://doi.org/10.6084/m9.figshare.4214283",
    people=19,
    sites=("pocket", "chest", "waist", "wrist", "ankle"),
    rates_hz=(_TAG_HZ, _PHONE_HZ),
    labels=(
        "ADL_Aplausing",
        "ADL_Bending",
        "ADL_GoDownstairs",
        "ADL_GoUpstairs",
        "ADL_HandsUp",
        "ADL_Hopping",
        "ADL_Jogging",
        "ADL_LyingDown_OnABed",
        "ADL_MakingACall",
        "ADL_OpeningDoor",
        "ADL_Sitting_GettingUpOnAChair",
        "ADL_Walking",
        "Fall_backwardFall",
        "Fall_forwardFall",
        "Fall_lateralFall",
    ),
    traps=(
        "Two rates in one file: the phone at about 200 Hz (accelerometer only), the SensorTags at about 20 Hz.",
        "Times are arrivals over Bluetooth, up to 0.15 s late; the gyroscope comes in packets of its own. One phone "
        "stamped all sensors of a trial: they are on one clock.",
        "Some trials were recorded twice under one number: both are kept, told apart by their date.",
        "Only the younger people fell: the classes are not balanced over people.",
        "A label covers the whole file of 15 s, also the seconds of standing before and after the movement.",
    ),
    layout="UMAFall_Subject_01_ADL_Walking_1_2017-04-14_23-25-52.csv, … in any folders",
)


class Sensor(NamedTuple):
    """A sensor named in a file's head."""

    place: str
    device: str


def _find(raw: Path) -> dict[str, Path]:
    return {p.stem: p for p in sorted(raw.rglob("UMAFall_Subject_*.csv")) if _NAME.fullmatch(p.name)}


def _read(key: str, path: Path) -> Iterator[Recording]:
    match = _NAME.fullmatch(path.name)
    assert match is not None  # _find lets nothing else through
    head, sensors = _head(path)
    kinds = {"time": "int64", "x": "float32", "y": "float32", "z": "float32", "sensor": "int64", "place": "int64"}
    table = read_csv(_body(path, head), kinds, where=str(path), names=_COLUMNS[:7], delimiter=";")
    for number, sensor in sorted(sensors.items()):
        rec = _at_place(table, number, sensor, match, key)
        if rec is not None:
            yield rec


def _head(path: Path) -> tuple[int, dict[int, Sensor]]:
    """How many bytes the head has, and the sensors by their number."""
    sensors: dict[int, Sensor] = {}
    size = 0
    with path.open("rb") as handle:
        for line in handle:
            if line.strip() and not line.startswith(b"%"):
                break
            size += len(line)
            found = _PLACE.match(line.decode("latin-1"))
            if found:
                sensors[int(found["id"])] = Sensor(found["place"].upper(), found["device"])
    if not sensors:
        raise BadFileError("the head names no sensor", where=str(path), remedy="Download the file again")
    return size, sensors


def _body(path: Path, head: int) -> bytes:
    data = path.read_bytes()[head:]
    # Some versions of the files end their lines with a semicolon, some do not.
    return data.replace(b";\r\n", b"\n").replace(b";\n", b"\n")


def _at_place(table: Table, number: int, sensor: Sensor, match: re.Match[str], key: str) -> Recording | None:
    acc_s, acc = _stream(table, number, _ACC)
    if not len(acc):
        return None
    gyr_s, gyr = _stream(table, number, _GYR)
    moved = with_gyroscope(acc_s, acc, gyr_s, gyr, acc_unit="g", gyr_unit="deg/s", tolerance_s=_TOLERANCE_S)
    site = _SITES.get(sensor.place, sensor.place.lower())
    label, rate = f"{match['kind']}_{match['what']}", _PHONE_HZ if site == "pocket" else _TAG_HZ
    return on_clock(
        moved.data,
        imu_spec(rate, gyro=moved.gyro, site=site),
        acc_s - acc_s[0],
        lost="no_gyroscope",
        subject=f"umafall_{match['subject']}",
        name=f"{key.replace('UMAFall_Subject', 'umafall')}_{site}",
        events=(Annotation(0.0, float(acc_s[-1] - acc_s[0]) + 1 / rate, label=label),),
        meta={
            "device": sensor.device,
            "trial": int(match["trial"]),
            "recorded": match["when"],
            "clock": key,
            "clock_start_s": float(acc_s[0]),
            **moved.meta,
        },
        warnings=moved.warnings if site != "pocket" else (),
    )


def _stream(table: Table, place: int, sensor: int) -> tuple[Any, Any]:
    """Times in seconds and samples (time, 3) of one sensor at one place, in order of arrival."""
    rows = (table["place"] == place) & (table["sensor"] == sensor)
    time_s = table["time"][rows] / 1000.0
    order = np.argsort(time_s, kind="stable")
    return time_s[order], table.stack("x", "y", "z")[rows][order]


DATASET = Dataset(CARD, _find, _read)
