"""Voisard: ten metres out, a turn and ten metres back, with sensors on the lower back and both feet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kinelet.datasets.assemble import motion, on_grid
from kinelet.datasets.base import Dataset, DatasetCard
from kinelet.datasets.tables import read_csv
from kinelet.errors import BadFileError, BadOptionError
from kinelet.gait.events import Swing, strides
from kinelet.signal.recording import Annotation, Recording
from kinelet.signal.spec import imu_spec

_RATE_HZ = 100.0
_SITES = {"lb": "lower_back", "lf": "left_foot", "rf": "right_foot"}
_FEET = {"left": "LeftFootEvents", "right": "RightFootEvents"}
_MOTION = ("Acc_X", "Acc_Y", "Acc_Z", "Gyr_X", "Gyr_Y", "Gyr_Z")

CARD = DatasetCard(
    name="voisard",
    title="Voisard gait of healthy people",
    licence="AGPL-3.0 (the publisher's repository; the article may state other terms for the recordings)",
    citation=(
        "Voisard et al. A reference data set for the study of healthy subject gait with inertial measurements units. "
        "Image Processing On Line"
    ),
    url="https://github.com/CyrilVoisard/ipol_dataset_1",
    people=19,
    sites=tuple(_SITES.values()),
    rates_hz=(_RATE_HZ,),
    labels=("standing", "walking", "turning"),
    traps=(
        "Events are row numbers at 100 Hz, not times; a foot's event is its swing, from toe-off to heel strike.",
        "Steps of the half turn are shorter: strides that touch the turn carry no target.",
        "Axes follow the sensor, not the body, and differ between back and feet.",
        "The packet counter shows lost packets: they are gaps.",
    ),
    layout="GaitData/1-1.json (or 1-1_meta.json) with 1-1_lb.txt, 1-1_lf.txt, 1-1_rf.txt (subject-trial)",
)


class Walk(NamedTuple):
    """Files of one walk: a signal a site, and what is known about it."""

    signals: dict[str, Path]
    events: Path | None


def _find(raw: Path) -> dict[str, Walk]:
    walks: dict[str, Walk] = {}
    for path in sorted(raw.rglob("*.txt")):
        match = re.fullmatch(r"(\d+-\d+)_(lb|lf|rf)\.txt", path.name)
        if match:
            events = next((p for n in ("", "_meta") if (p := path.with_name(f"{match[1]}{n}.json")).is_file()), None)
            walks.setdefault(match[1], Walk({}, events)).signals[match[2]] = path
    return walks


def _read(key: str, walk: Walk) -> Iterator[Recording]:
    about = _about(walk.events)
    missing = () if walk.events else ("no file of events: no annotations",)
    subject = f"voisard_{int(key.split('-')[0]):02d}"
    for sensor, path in walk.signals.items():
        table = read_csv(
            path, {"PacketCounter": "float64"} | dict.fromkeys(_MOTION, "float32"), delimiter="\t", skip_rows=1
        )
        row = table["PacketCounter"].astype(np.int64)
        yield on_grid(
            motion(table.stack(*_MOTION[:3]), "m/s^2", table.stack(*_MOTION[3:]), "rad/s"),
            imu_spec(_RATE_HZ, gyro=True, site=_SITES[sensor]),
            row=row,
            subject=subject,
            name=f"voisard_{key}_{_SITES[sensor]}",
            events=_at(walk_events(about, len(row), where=str(walk.events)), row) if about else (),
            meta={
                "device": "Xsens MTw Awinda",
                **{k: about[k] for k in ("Age", "Gender", "Height", "Weight") if k in about},
            },
            warnings=missing,
        )


def _about(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadFileError(f"not JSON ({error})", where=str(path), remedy="Download the file again") from None
    return about if isinstance(about, dict) else {}


def _at(events: list[Annotation], row: npt.NDArray[np.int64]) -> list[Annotation]:
    """Events counted in rows of the file, on the clock of the packet counter (they differ where packets are lost)."""
    clock = np.append(row - row[0], row[-1] - row[0] + 1) / _RATE_HZ

    def when(rows_s: float) -> float:
        return float(np.interp(rows_s * _RATE_HZ, np.arange(len(clock)), clock))

    return [replace(e, start_s=when(e.start_s), stop_s=when(e.stop_s)) for e in events]


def walk_events(about: dict[str, Any], stop: int, *, where: str) -> list[Annotation]:
    """Annotations of a walk: standing, walking and turning; swings; times, shares and cadence of each straight stride.

    Args:
        about: The publisher's description of the walk; events are rows at 100 Hz.
        stop: Rows of the signal.
        where: File, for errors.

    Raises:
        BadFileError: if an event is missing or out of order.
    """
    try:
        return [*_phases(about, stop), *_gait(about)]
    except (BadOptionError, KeyError, TypeError, ValueError) as error:
        raise BadFileError(
            f"events cannot be read ({error!r})", where=where, remedy="Download the file again"
        ) from None


def _phases(about: dict[str, Any], stop: int) -> Iterator[Annotation]:
    """Standing, walking and turning over the whole walk."""
    (first, last), (turn, back) = about["TrialBoundaries"], about["UTurnBoundaries"]
    edges = ((0, first, "standing"), (first, turn, "walking"), (turn, back, "turning"), (back, last, "walking"))
    for a, b, label in (*edges, (last, stop, "standing")):
        if b > a:
            yield Annotation(a / _RATE_HZ, b / _RATE_HZ, label=label)


def _gait(about: dict[str, Any]) -> Iterator[Annotation]:
    """Swings as labels; times (s), shares of the stride and cadence (steps a minute) of each straight stride as values.

    Double support is only told where the other foot swings exactly once in the stride.
    """
    turn = [at / _RATE_HZ for at in about["UTurnBoundaries"]]
    swings = {foot: [Swing(a / _RATE_HZ, b / _RATE_HZ) for a, b in about[name]] for foot, name in _FEET.items()}
    for foot, other in (("left", "right"), ("right", "left")):
        yield from (Annotation(s.off_s, s.strike_s, label=foot, track="swing") for s in swings[foot])
        for stride in strides(swings[foot], swings[other]):
            if stride.stop_s < turn[0] or stride.start_s > turn[1]:
                known = {track: value for track, value in stride.values().items() if np.isfinite(value)}
                yield from (Annotation(stride.start_s, stride.stop_s, value=v, track=t) for t, v in known.items())


DATASET = Dataset(CARD, _find, _read)
