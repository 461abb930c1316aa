"""HHAR: six activities with eight phones at the waist and four watches on the wrists, all of different kinds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kinelet.datasets.assemble import on_clock
from kinelet.datasets.base import Dataset, DatasetCard, Download
from kinelet.datasets.gyroscope import Motion, accelerometer_only, with_gyroscope
from kinelet.datasets.tables import Table, read_csv
from kinelet.signal.recording import Recording
from kinelet.signal.spec import imu_spec

_RATES_HZ = {"nexus4": 200.0, "s3": 150.0, "s3mini": 100.0, "samsungold": 50.0, "lgwatch": 200.0, "gear": 100.0}
_SITES = {"Phones": "waist", "Watch": "wrist"}
_TOLERANCE_S = 0.03
_CLOCK_TOLERANCE = 0.02
_WORDS = ("User", "Model", "Device", "gt")
_KINDS = {
    **{"Arrival_Time": "int64", "Creation_Time": "int64"},
    **dict.fromkeys(("x", "y", "z"), "float32"),
    **dict.fromkeys(_WORDS, "word"),
}

CARD = DatasetCard(
    name="hhar",
    title="HHAR (heterogeneity in activity recognition)",
    licence="CC BY 4.0",
    citation=(
        "Stisen, Blunck, Bhattacharya, Prentow, Kjærgaard, Dey, Sonne, Jensen (2015). Smart devices are different: "
        "assessing and mitigating mobile sensing heterogeneities for activity recognition. ACM SenSys"
    ),
    url="https://archive.ics.uci.edu/dataset/344/heterogeneity+activity+recognition",
    people=9,
    sites=tuple(_SITES.values()),
    rates_hz=tuple(sorted(set(_RATES_HZ.values()))),
    labels=("bike", "sit", "stand", "walk", "stairsup", "stairsdown"),
    traps=(
        "Creation_Time is in the device's own clock: since boot on some, jumping on others. It is used where it runs "
        "within 2 % of the arrival clock, else Arrival_Time; meta['clock'] says which.",
        "Rates differ between models (50 to 200 Hz nominal) and fall under load: the clock is irregular.",
        "All of a person's devices ran at once: rows of different devices are interleaved, and a split by device "
        "leaks people.",
        "gt 'null' is unlabelled time and has no annotation.",
        "Accelerometer and gyroscope are separate files with separate clocks.",
    ),
    layout="Phones_accelerometer.csv, Phones_gyroscope.csv, Watch_accelerometer.csv, Watch_gyroscope.csv",
    download=(
        Download(
            "https://archive.ics.uci.edu/static/public/344/heterogeneity+activity+recognition.zip",
            None,
            "heterogeneity+activity+recognition.zip",
        ),
    ),
)


class Files(NamedTuple):
    """Accelerometer and gyroscope of all phones, or of all watches."""

    acc: Path
    gyr: Path | None


class Stream(NamedTuple):
    """One sensor of one device on one person: clocks in seconds, samples (time, 3), rows of the table."""

    creation_s: npt.NDArray[np.float64]
    arrival_s: npt.NDArray[np.float64]
    data: npt.NDArray[np.float32]
    rows: npt.NDArray[np.int64]

    def on(self, clock: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Times on the clock ``creation`` or ``arrival``, sorted, and the order that sorts them."""
        time_s = self.creation_s if clock == "creation" else self.arrival_s
        order = np.argsort(time_s, kind="stable")
        return time_s[order], order


def _find(raw: Path) -> dict[str, Files]:
    parts = {}
    for kind in _SITES:
        acc = sorted(raw.rglob(f"{kind}_accelerometer.csv"))
        if acc:
            gyr = acc[0].with_name(f"{kind}_gyroscope.csv")
            parts[kind] = Files(acc[0], gyr if gyr.is_file() else None)
    return parts


def _read(kind: str, files: Files) -> Iterator[Recording]:
    acc = read_csv(files.acc, _KINDS)
    gyr = read_csv(files.gyr, _KINDS) if files.gyr else None
    turning = _rows(gyr) if gyr else {}
    for who, rows in _rows(acc).items():
        turned = _stream(gyr, turning[who]) if gyr and who in turning else None
        yield _recording(acc, _stream(acc, rows), turned, "_".join(who), kind)


def _stream(table: Table, rows: npt.NDArray[np.int64]) -> Stream:
    creation, arrival = table["Creation_Time"][rows] / 1e9, table["Arrival_Time"][rows] / 1e3
    return Stream(creation, arrival, np.stack([table[axis][rows] for axis in "xyz"], axis=1), rows)


def _rows(table: Table) -> dict[tuple[str, str], npt.NDArray[np.int64]]:
    """Rows of each person and device, in the file's order."""
    users, devices = table.words["User"], table.words["Device"]
    both = table["User"].astype(np.int64) * len(devices) + table["Device"]
    order = np.argsort(both, kind="stable")
    cuts = np.flatnonzero(np.diff(both[order])) + 1
    parts = np.split(order, cuts) if len(order) else []
    pairs = [divmod(int(both[rows[0]]), len(devices)) for rows in parts]
    return {(users[u], devices[d]): rows for (u, d), rows in zip(pairs, parts, strict=True)}


def _recording(table: Table, acc: Stream, gyr: Stream | None, who: str, kind: str) -> Recording:
    clock = "creation" if all(_plausible(s) for s in (acc, gyr) if s is not None) else "arrival"
    time_s, order = acc.on(clock)
    rows = acc.rows[order]
    moved = _motion(acc, gyr, clock)
    model = table.words["Model"][int(table["Model"][rows[0]])]
    gt = np.array(["" if w == "null" else w for w in table.words["gt"]], dtype=object)
    return on_clock(
        moved.data,
        imu_spec(_RATES_HZ.get(model, 100.0), gyro=moved.gyro, site=_SITES[kind]),
        time_s - time_s[0],
        lost="no_gyroscope",
        subject=f"hhar_{who.split('_')[0]}",
        name=f"hhar_{who}",
        start_unix_s=float(acc.arrival_s[order[0]]),
        labels={"activity": gt[table["gt"][rows]]},
        meta={"device": who.split("_", 1)[1], "model": model, "clock": clock, **moved.meta},
        warnings=(*moved.warnings, *_unknown(model)),
    )


def _plausible(stream: Stream) -> bool:
    """Whether the device's clock moved as far as the arrival clock, and never back while samples arrived."""
    went, should = (float(np.ptp(t)) for t in (stream.creation_s, stream.arrival_s))
    backwards = (np.diff(stream.creation_s[np.argsort(stream.arrival_s, kind="stable")]) < -1.0).any()
    return not backwards and abs(went - should) <= _CLOCK_TOLERANCE * should + 1.0


def _motion(acc: Stream, gyr: Stream | None, clock: str) -> Motion:
    time_s, order = acc.on(clock)
    if gyr is None:
        return accelerometer_only(acc.data[order], "m/s^2", "this device gave no gyroscope")
    gyr_s, gyr_order = gyr.on(clock)
    return with_gyroscope(
        time_s,
        acc.data[order],
        gyr_s,
        gyr.data[gyr_order],
        acc_unit="m/s^2",
        gyr_unit="rad/s",
        tolerance_s=_TOLERANCE_S,
    )


def _unknown(model: str) -> tuple[Any, ...]:
    return () if model in _RATES_HZ else (f"the rate of model {model!r} is not known: 100 Hz is taken as nominal",)


DATASET = Dataset(CARD, _find, _read)
