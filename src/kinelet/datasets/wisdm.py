"""WISDM 2019: eighteen activities with a phone in the pocket and a watch on the wrist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kinelet.datasets.assemble import on_clock
from kinelet.datasets.base import Dataset, DatasetCard, Download
from kinelet.datasets.gyroscope import Motion, accelerometer_only, with_gyroscope
from kinelet.datasets.tables import Table, read_csv
from kinelet.errors import BadFileError
from kinelet.signal.recording import Annotation, Recording
from kinelet.signal.spec import imu_spec

_RATE_HZ = 20.0
_TOLERANCE_S = 0.075
_SITES = {"phone": "pocket", "watch": "wrist"}
_ACTIVITIES = {
    "A": "walking",
    "B": "jogging",
    "C": "stairs",
    "D": "sitting",
    "E": "standing",
    "F": "typing",
    "G": "brushing teeth",
    "H": "eating soup",
    "I": "eating chips",
    "J": "eating pasta",
    "K": "drinking",
    "L": "eating sandwich",
    "M": "kicking",
    "O": "catching",
    "P": "dribbling",
    "Q": "writing",
    "R": "clapping",
    "S": "folding clothes",
}
_COLUMNS = ("user", "code", "t", "x", "y", "z")
_KINDS = {"code": "string", "t": "int64", "x": "float32", "y": "float32", "z": "float32"}

CARD = DatasetCard(
    name="wisdm",
    title="WISDM smartphone and smartwatch activity and biometrics (2019)",
    licence="CC BY 4.0",
    citation=(
        "Weiss, Yoneda, Hayajneh (2019). Smartphone and smartwatch-based biometrics using activities of daily living. "
        "IEEE Access 7"
    ),
    url="https://archive.ics.uci.edu/dataset/507/wisdm+smartphone+and+smartwatch+activity+and+biometrics+dataset",
    people=51,
    sites=tuple(_SITES.values()),
    rates_hz=(_RATE_HZ,),
    labels=tuple(_ACTIVITIES.values()),
    traps=(
        "The clock is the device's own, in nanoseconds, irregular, and jumps between activities: each run of one "
        "activity is a recording.",
        "20 Hz is nominal; some devices delivered faster or slower.",
        "Accelerometer and gyroscope have separate clocks and files; some people lack one of them.",
        "There is no activity N.",
        "Malformed lines are left out and counted.",
        "Android devices: acceleration in m/s^2 with gravity, gyroscope in rad/s.",
    ),
    layout="wisdm-dataset/raw/phone/accel/data_1600_accel_phone.txt, …/gyro/…, raw/watch/…",
    download=(
        Download(
            "https://archive.ics.uci.edu/static/public/507/wisdm+smartphone+and+smartwatch+activity+and+"
            "biometrics+dataset.zip",
            None,
            "wisdm-dataset.zip",
        ),
    ),
)


class Pair(NamedTuple):
    """The two files of one device of one person."""

    acc: Path
    gyr: Path | None


def _find(raw: Path) -> dict[str, Pair]:
    parts: dict[str, Pair] = {}
    for acc in sorted(raw.rglob("data_*_accel_*.txt")):
        match = re.fullmatch(r"data_(\d+)_accel_(phone|watch)\.txt", acc.name)
        # The publisher's archive holds features beside the raw files, under other names and another folder.
        if match and acc.parent.name == "accel":
            gyr = acc.parent.parent / "gyro" / acc.name.replace("accel", "gyro")
            parts[f"{match[1]}_{match[2]}"] = Pair(acc, gyr if gyr.is_file() else None)
    return parts


def _read(key: str, pair: Pair) -> Iterator[Recording]:
    subject, device = key.split("_")
    acc = _table(pair.acc)
    gyr = None if pair.gyr is None else _table(pair.gyr)
    seen: dict[str, int] = {}
    for a, b in _runs(acc):
        code = str(acc["code"][a])
        if code not in _ACTIVITIES:
            raise BadFileError(f"activity {code!r} is not one of {''.join(_ACTIVITIES)}", where=str(pair.acc))
        seen[code] = seen.get(code, 0) + 1
        again = f"_{seen[code]}" if seen[code] > 1 else ""
        moved = _motion(acc, a, b, gyr, code)
        time_s = (acc["t"][a:b] - acc["t"][a]) / 1e9
        yield on_clock(
            moved.data,
            imu_spec(_RATE_HZ, gyro=moved.gyro, site=_SITES[device]),
            time_s,
            lost="no_gyroscope",
            subject=f"wisdm_{subject}",
            name=f"wisdm_{key}_{code}{again}",
            events=(Annotation(0.0, float(time_s[-1]) + 1 / _RATE_HZ, label=_ACTIVITIES[code]),),
            meta={"device": device, "code": code, **moved.meta},
            warnings=(*moved.warnings, *((f"{acc.skipped} malformed lines left out",) if acc.skipped else ())),
        )


def _table(path: Path) -> Table:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise BadFileError(str(error), where=str(path)) from None
    if not text.isascii():
        raise BadFileError("not a text table", where=str(path), remedy="Download it again")
    # A semicolon ends a record; the line break after it is missing in places.
    text = b"\n".join(text.replace(b"\r", b"").replace(b"\n", b"").split(b";"))
    return read_csv(text, _KINDS, where=str(path), names=_COLUMNS, skip_malformed=True)


def _runs(table: Table) -> Iterator[tuple[int, int]]:
    """Rows of one activity on a clock that does not run backwards."""
    code, time = table["code"], table["t"]
    cuts = np.flatnonzero((code[1:] != code[:-1]) | (np.diff(time) < 0)) + 1
    yield from zip([0, *cuts.tolist()], [*cuts.tolist(), len(code)], strict=True)


def _motion(acc: Table, a: int, b: int, gyr: Table | None, code: str) -> Motion:
    samples = acc.stack("x", "y", "z")[a:b]
    if gyr is None:
        return accelerometer_only(samples, "m/s^2", "there is no gyroscope file")
    mine = np.flatnonzero(gyr["code"] == code)
    mine = mine[np.argsort(gyr["t"][mine], kind="stable")]
    start = acc["t"][a]
    return with_gyroscope(
        (acc["t"][a:b] - start) / 1e9,
        samples,
        (gyr["t"][mine] - start) / 1e9,
        gyr.stack("x", "y", "z")[mine],
        acc_unit="m/s^2",
        gyr_unit="rad/s",
        tolerance_s=_TOLERANCE_S,
    )


DATASET = Dataset(CARD, _find, _read)
