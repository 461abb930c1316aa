"""ClassyGlass: daily activities with an inertial sensor on the temple of a pair of glasses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kinelet.datasets.assemble import on_clock
from kinelet.datasets.base import Dataset, DatasetCard
from kinelet.datasets.gyroscope import Motion, accelerometer_only, with_gyroscope
from kinelet.datasets.tables import Table, read_csv
from kinelet.errors import BadFileError
from kinelet.signal.recording import Annotation, Recording
from kinelet.signal.spec import imu_spec

_RATE_HZ = 100.0
_TOLERANCE_S = 0.01
_READING, _WRITING, _TYPING = "sitting, reading a book", "sitting, writing on a notebook", "using computer, typing"
_PICKING = "standing, picking up items from floor"
_ELEVEN = (
    _READING,
    _WRITING,
    _TYPING,
    "using computer, browsing",
    "sitting, moving head and body",
    "sitting, moving chair",
    "standing up from sitting",
    "standing",
    "walking",
    "running",
    "taking stairs",
)
_FIFTEEN = (
    *_ELEVEN,
    "sitting, wearing and removing the glasses",
    "standing, wearing and removing the glasses",
    "sitting, picking up items from floor",
    _PICKING,
)
_NO_RUNNING = tuple(a for a in _FIFTEEN if a != "running")
_SIX = (
    _READING,
    "sitting, using a computer",
    "standing up from sitting",
    "walking",
    _PICKING,
    "timed up and go test",
)
# Part -> (first experiment number, activities in the order of the protocol); the last that applies holds.
_PROTOCOLS: Mapping[str, tuple[tuple[int, tuple[str, ...]], ...]] = {
    "1A": ((1, _ELEVEN),),
    "1B": ((133, _FIFTEEN), (298, _NO_RUNNING)),
    "2": ((1, _SIX),),
}
_FOLDERS = re.compile(r"/Dataset_?(?P<part>1A|1B|2)/(?:.*/)?(?P<user>User\d+)(?:/|$)", re.IGNORECASE)
_NAME = re.compile(r"(?P<experiment>\d+)_MetaWear_(?P<when>[^_]+)_(?P<device>[0-9A-F]+)_Accelerometer_.*\.csv")

CARD = DatasetCard(
    name="classyglass",
    title="ClassyGlass",
    licence="CC BY 4.0",
    citation="ClassyGlass dataset, MU-Smart (Miami University), github.com/MU-Smart/ClassyGlass",
    url="https://github.com/MU-Smart/ClassyGlass",
    people=62,
    sites=("head",),
    rates_hz=(_RATE_HZ,),
    labels=tuple(dict.fromkeys(_FIFTEEN + _SIX)),
    traps=(
        "The files give g, the publisher's description says m/s^2: the header of each file decides.",
        "User numbers start again in Dataset_2: D1_User1 and D2_User1 are different people.",
        "The activity is only in the experiment number, counted modulo 11 (1A), 15 (1B, from 133), 14 (1B, from 298: "
        "those four people did not run) or 6 (2).",
        "Accelerometer and gyroscope have separate clocks and start up to 0.1 s apart.",
        "Four recordings hold a gyroscope of zeros: they come as accelerometer only.",
    ),
    layout="Dataset_1A/UserN/*_Accelerometer_100.000Hz_*.csv with *_Gyroscope_*.csv beside, Dataset_1B, Dataset_2",
)


class Trial(NamedTuple):
    """One experiment of one person."""

    part: str
    user: str
    experiment: int
    acc: Path
    gyr: Path | None


def _find(raw: Path) -> dict[str, Trial]:
    trials: dict[str, Trial] = {}
    for acc in sorted(raw.resolve().rglob("*_Accelerometer_*.csv")):
        match = _NAME.fullmatch(acc.name)
        if match:
            trial = _trial(acc, int(match["experiment"]))
            trials[f"{trial.part}_{trial.user}_{trial.experiment}_{match['when']}"] = trial
    return trials


def _trial(acc: Path, experiment: int) -> Trial:
    above = _FOLDERS.search(acc.parent.as_posix())
    if above is None:
        raise BadFileError(
            "whose recording this is cannot be told: no folder Dataset_1A, _1B or _2 with UserN in it above the file",
            where=str(acc),
            remedy="Keep the publisher's folders",
        )
    gyr = sorted(acc.parent.glob(re.sub(r"_Accelerometer_.*", "_Gyroscope_*.csv", acc.name)))
    return Trial(above["part"].upper(), above["user"], experiment, acc, gyr[0] if gyr else None)


def activity_of(part: str, experiment: int) -> str | None:
    """Activity of an experiment number, or ``None`` where the number is outside the protocol.

    >>> activity_of("1A", 12)
    'sitting, reading a book'
    """
    fitting = [(first, names) for first, names in _PROTOCOLS[part] if experiment >= first]
    if not fitting:
        return None
    first, names = fitting[-1]
    return names[(experiment - first) % len(names)]


def _read(key: str, trial: Trial) -> Iterator[Recording]:
    acc, unit = _sensor(trial.acc)
    moved = _motion(trial, acc, unit)
    time_s = (acc["epoch (ms)"] - acc["epoch (ms)"][0]) / 1000.0
    label = activity_of(trial.part, trial.experiment)
    subject = f"classyglass_D{trial.part[0]}_{trial.user}"
    yield on_clock(
        moved.data,
        imu_spec(_RATE_HZ, gyro=moved.gyro, site="head"),
        time_s,
        lost="no_gyroscope",
        subject=subject,
        name=f"classyglass_{key}",
        start_unix_s=float(acc["epoch (ms)"][0]) / 1000.0,
        events=(Annotation(0.0, float(time_s[-1]) + 1 / _RATE_HZ, label=label),) if label else (),
        meta={"device": "MetaMotionC", "part": trial.part, "experiment": trial.experiment, **moved.meta},
        warnings=(*moved.warnings, *(() if label else ("the experiment number is outside the protocol: no label",))),
    )


def _motion(trial: Trial, acc: Table, unit: str) -> Motion:
    samples = acc.stack("x", "y", "z")
    if trial.gyr is None:
        return accelerometer_only(samples, unit, "there is no gyroscope file")
    gyr, gyr_unit = _sensor(trial.gyr)
    clock = [t["epoch (ms)"].astype(np.float64) / 1000.0 for t in (acc, gyr)]
    return with_gyroscope(
        clock[0],
        samples,
        clock[1],
        gyr.stack("x", "y", "z"),
        acc_unit=unit,
        gyr_unit=gyr_unit,
        tolerance_s=_TOLERANCE_S,
    )


def _sensor(path: Path) -> tuple[Table, str]:
    """Columns ``epoch (ms)``, x, y, z of a MetaWear file, and the unit its header names."""
    with path.open(encoding="utf-8", errors="replace") as handle:
        header = handle.readline()
    unit = re.search(r"x-axis \(([^)]+)\)", header)
    names = ("epoch (ms)", "time", "elapsed", "x", "y", "z")
    kinds = {"epoch (ms)": "int64", "x": "float32", "y": "float32", "z": "float32"}
    return read_csv(path, kinds, names=names, skip_rows=1), unit[1] if unit else "g"


DATASET = Dataset(CARD, _find, _read)
