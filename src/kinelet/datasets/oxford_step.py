"""Oxford step counter: walks with a phone in six places, steps from switches under both feet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kinelet.datasets.assemble import Times, motion, on_clock
from kinelet.datasets.base import Dataset, DatasetCard
from kinelet.datasets.tables import read_csv
from kinelet.errors import BadFileError
from kinelet.signal.recording import Annotation, Recording
from kinelet.signal.spec import imu_spec

_RATES_HZ = (50.0, 100.0, 200.0, 400.0)
_STEP_S = 0.1
_SITES = {
    "inhand": "hand",
    "armband": "upperarm",
    "backpocket": "back_pocket",
    "frontpocket": "front_pocket",
    "neckpouch": "chest",
    "purse": "bag",
    "swingingarm": "hand",
}

CARD = DatasetCard(
    name="oxford_step",
    title="Oxford step counter",
    licence="CC BY 4.0",
    citation=(
        "Salvi, Velardo, Brynes, Tarassenko (2018). An optimised algorithm for accurate steps counting from "
        "smart-phone accelerometry. IEEE EMBC"
    ),
    url="https://github.com/Oxford-step-counter/DataSet",
    people=3,
    sites=tuple(dict.fromkeys(_SITES.values())),
    rates_hz=_RATES_HZ,
    labels=("foot1", "foot2"),
    traps=(
        "The phone's clock is irregular and often repeats a sample; the rate differs between phones, and the nominal "
        "one is taken from the median interval.",
        "The foot switches are read ten times a second: a step is known to 0.1 s.",
        "A step is a switch that closes; a switch that is closed in the first row is not counted.",
        "Which foot is which is not published. One carpet and otherwise hard floors; three people in all.",
    ),
    layout="optimisation/data/Samsung_Dario_Hard_InHand_1/accelerometer.csv and stepcounter.csv, … (phone, person, …)",
    track="step",
)


def _find(raw: Path) -> dict[str, Path]:
    folders = (p.parent for p in sorted(raw.rglob("accelerometer.csv")))
    return {f.name: f for f in folders if f.name.count("_") == 4}


def _read(key: str, folder: Path) -> Iterator[Recording]:
    phone, person, floor, place, trial = key.split("_")
    path = folder / "accelerometer.csv"
    kinds = {"t": "int64", "x": "float32", "y": "float32", "z": "float32"}
    table = read_csv(path, kinds, names=("t", "accuracy", "x", "y", "z"))
    time_s = (table["t"] - table["t"][0]) / 1e9
    steps = _steps(folder / "stepcounter.csv", int(table["t"][0]))
    yield on_clock(
        motion(table.stack("x", "y", "z"), "m/s^2"),
        imu_spec(_nominal(time_s, path), site=_SITES.get(place.lower(), place.lower())),
        time_s,
        subject=f"oxford_step_{person}",
        name=f"oxford_step_{key}",
        events=steps,
        meta={"device": phone, "floor": floor, "trial": int(trial), "steps": len(steps)},
        warnings=() if steps else ("no steps: stepcounter.csv is missing or its switches never close",),
    )


def _nominal(time_s: Times, path: Path) -> float:
    """The phone's nominal rate: the one nearest, by ratio, to the median interval's."""
    steps = np.diff(time_s)
    if not (steps > 0).any():
        raise BadFileError("the clock does not move", where=str(path), remedy="Download the file again")
    measured = 1.0 / float(np.median(steps[steps > 0]))
    return min(_RATES_HZ, key=lambda rate: abs(np.log(rate / measured)))


def _steps(path: Path, start_ns: int) -> list[Annotation]:
    """Moments at which a foot switch closes, as annotations of one switch period."""
    if not path.is_file():
        return []
    table = read_csv(path, {"t": "int64", "foot1": "int64", "foot2": "int64"}, names=("t", "foot1", "foot2"))
    found = []
    for foot in ("foot1", "foot2"):
        closes = np.flatnonzero(np.diff((table[foot] > 0).astype(np.int8)) == 1) + 1
        at = (table["t"][closes] - start_ns) / 1e9
        found += [Annotation(float(t), float(t) + _STEP_S, label=foot, track="step") for t in at]
    return sorted(found, key=lambda a: a.start_s)


DATASET = Dataset(CARD, _find, _read)
