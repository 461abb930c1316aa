"""WISDM 1.1 (2012): six activities with a phone in the front pocket."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kinelet.datasets.assemble import motion, on_clock
from kinelet.datasets.base import Dataset, DatasetCard
from kinelet.datasets.tables import Table, read_csv
from kinelet.errors import BadFileError
from kinelet.signal.recording import Annotation, Recording
from kinelet.signal.spec import imu_spec

_RATE_HZ = 20.0
_FILE = "WISDM_ar_v1.1_raw.txt"
_COMMA_TOO_MANY = re.compile(rb"(?m)^((?:[^,\n]*,){5}[^,\n]*),$")
_KINDS = {"user": "int64", "activity": "word", "t": "int64"} | dict.fromkeys("xyz", "float32")

CARD = DatasetCard(
    name="wisdm_v1",
    title="WISDM activity prediction 1.1 (2012)",
    licence="free for research with citation (the readme in the archive names no licence)",
    citation=(
        "Kwapisz, Weiss, Moore (2010). Activity recognition using cell phone accelerometers. SensorKDD workshop at KDD"
    ),
    url="https://www.cis.fordham.edu/wisdm/dataset.php",
    people=36,
    sites=("pocket",),
    rates_hz=(_RATE_HZ,),
    labels=("Walking", "Jogging", "Upstairs", "Downstairs", "Sitting", "Standing"),
    traps=(
        "Some lines hold two records, others lack a value: malformed records are left out and counted.",
        "Records with time 0 hold nothing but zeros and are left out and counted.",
        "The clock is the phone's, in nanoseconds since boot, and jumps: each run of one activity is a recording.",
        "Accelerometer only. People differ from those of the 2019 set although the numbers may repeat.",
    ),
    layout=f"WISDM_ar_v1.1/{_FILE}",
)


def _find(raw: Path) -> dict[str, Path]:
    found = sorted(raw.rglob(_FILE))
    return {"raw": found[0]} if found else {}


def _read(_: str, path: Path) -> Iterator[Recording]:
    table, odd = _table(path)
    names = np.array(table.words["activity"], dtype=object)
    seen: dict[str, int] = {}
    for a, b in _runs(table):
        user, label = int(table["user"][a]), str(names[table["activity"][a]])
        if label not in CARD.labels:
            raise BadFileError(f"activity {label!r} is not one of {', '.join(CARD.labels)}", where=str(path))
        name = f"wisdm_v1_{user:02d}_{label}"
        seen[name] = seen.get(name, 0) + 1
        time_s = (table["t"][a:b] - table["t"][a]) / 1e9
        yield on_clock(
            motion(table.stack("x", "y", "z")[a:b], "m/s^2"),
            imu_spec(_RATE_HZ, site="pocket"),
            time_s,
            subject=f"wisdm_v1_{user:02d}",
            name=f"{name}_{seen[name]}",
            events=(Annotation(0.0, float(time_s[-1]) + 1 / _RATE_HZ, label=label),),
            meta={"device": "Android phone"},
            warnings=odd,
        )


def _table(path: Path) -> tuple[Table, tuple[str, ...]]:
    """Records with a time, and what was left out of the file."""
    text = path.read_bytes()
    if not text.isascii():
        raise BadFileError("not a text table", where=str(path), remedy="Download it again")
    # A semicolon ends a record, a line break is only decoration.
    records = text.replace(b"\r", b"").replace(b"\n", b"").replace(b";", b"\n")
    if b",\n" in records:
        records = _COMMA_TOO_MANY.sub(rb"\1", records)
    names = ("user", "activity", "t", "x", "y", "z")
    table = read_csv(records, _KINDS, where=str(path), names=names, skip_malformed=True)
    good = table["t"] > 0
    counts = {"malformed records": table.skipped, "records with time 0": int((~good).sum())}
    kept = Table({n: column[good] for n, column in table.columns.items()}, table.skipped, table.words)
    if not good.any():
        raise BadFileError("no record has a time", where=str(path), remedy="Download it again")
    return kept, tuple(f"{n} {what} of the file left out" for what, n in counts.items() if n)


def _runs(table: Table) -> Iterator[tuple[int, int]]:
    """Records of one person and activity on a clock that does not run backwards."""
    user, activity = table["user"], table["activity"]
    cuts = np.flatnonzero((np.diff(user) != 0) | (np.diff(activity) != 0) | (np.diff(table["t"]) < 0)) + 1
    yield from zip([0, *cuts.tolist()], [*cuts.tolist(), len(user)], strict=True)


DATASET = Dataset(CARD, _find, _read)
