"""Mobilise-D laboratory recordings as mobgap ships them: lower back, with insoles and motion capture as reference."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from kinelet.datasets.assemble import motion, on_grid
from kinelet.datasets.base import Dataset, DatasetCard
from kinelet.datasets.tables import read_mat
from kinelet.errors import BadFileError
from kinelet.signal.recording import Annotation, Recording
from kinelet.signal.spec import imu_spec

_RATE_HZ = 100.0
_REFERENCES = ("INDIP", "Stereophoto")
# Field of a walking bout -> track of the values (units in the card).
_BOUT = {"WalkingSpeed": "walking_speed", "AverageStrideLength": "stride_length", "Cadence": "cadence"}
_CONTACT_S = 0.05

CARD = DatasetCard(
    name="mobgap_lab",
    title="Mobilise-D laboratory tests (mobgap examples)",
    licence="CC BY 4.0 (as the publisher's page states it; no licence file comes with the recordings)",
    citation=(
        "Scott, Bonci, Salis et al. (2022). Design and validation of a multi-task, multi-context protocol for "
        "real-world gait simulation. Journal of NeuroEngineering and Rehabilitation 19"
    ),
    url="https://github.com/mobilise-d/mobgap",
    people=2,
    sites=("lower_back",),
    rates_hz=(_RATE_HZ,),
    labels=("walking",),
    traps=(
        "Accelerations in the example files are in g and rates in deg/s; other Mobilise-D releases use m/s^2.",
        "Two reference systems overlap: the insoles (INDIP) see all walking, motion capture only its volume. Tracks "
        "of the second carry the suffix _stereophoto.",
        "Speed is in m/s, stride length in m, cadence in steps a minute; targets belong to a whole walking bout.",
        "Initial contacts are times in seconds from the start of the recording.",
        "Two people: enough to test code, not to judge a model.",
    ),
    layout="HA/001/data.mat (cohort/person), infoForAlgo.mat beside it",
)


def _find(raw: Path) -> dict[str, Path]:
    paths = sorted(p for p in raw.resolve().rglob("data.mat"))
    return {f"{p.parent.parent.name}_{p.parent.name}": p for p in paths}


def _read(key: str, path: Path) -> Iterator[Recording]:
    data = read_mat(path).get("data")
    person = _person(path.with_name("infoForAlgo.mat"))
    for measure, tests in _members(data):
        for test, trials in _members(tests):
            for trial, content in _members(trials):
                name = f"mobgap_lab_{key}_{measure}_{test}_{trial}"
                yield _trial(content, name, f"mobgap_lab_{key}", person, str(path))


def _trial(content: Any, name: str, subject: str, person: dict[str, Any], path: str) -> Recording:
    sensor = getattr(getattr(content, "SU", None), "LowerBack", None)
    if sensor is None or not hasattr(sensor, "Acc"):
        raise BadFileError(f"{name} holds no SU.LowerBack.Acc", where=path, remedy="Download the file again")
    rate = float(np.ravel(getattr(getattr(sensor, "Fs", None), "Acc", _RATE_HZ))[0])
    return on_grid(
        motion(np.atleast_2d(sensor.Acc), "g", np.atleast_2d(sensor.Gyr), "deg/s"),
        imu_spec(rate, gyro=True, site="lower_back"),
        subject=subject,
        name=name,
        start_unix_s=_unix(getattr(content, "StartDateTime", None)),
        events=[a for system in _REFERENCES for a in _reference(content, system)],
        meta={"device": "McRoberts MoveMonitor+", **person},
    )


def _reference(content: Any, system: str) -> Iterator[Annotation]:
    """Walking bouts of a reference system with their targets, and initial contacts."""
    suffix = "" if system == "INDIP" else f"_{system.lower()}"
    bouts = getattr(getattr(getattr(content, "Standards", None), system, None), "MicroWB", ())
    for bout in np.atleast_1d(np.asarray(bouts, dtype=object)):
        start, stop = (_number(bout, field) for field in ("Start", "End"))
        if start is None or stop is None or stop <= start:
            continue
        yield Annotation(start, stop, label="walking", track=f"activity{suffix}")
        for field, track in _BOUT.items():
            value = _number(bout, field)
            if value is not None:
                yield Annotation(start, stop, value=value, track=f"{track}{suffix}")
        yield from _contacts(bout, suffix)


def _contacts(bout: Any, suffix: str) -> Iterator[Annotation]:
    times = np.atleast_1d(getattr(bout, "InitialContact_Event", ()))
    feet = np.atleast_1d(getattr(bout, "InitialContact_LeftRight", ()))
    for time, foot in zip(times, feet, strict=False):
        if np.isfinite(time):
            yield Annotation(float(time), float(time) + _CONTACT_S, label=str(foot).lower(), track=f"contact{suffix}")


def _person(path: Path) -> dict[str, Any]:
    """Height (cm), weight (kg) and the like, where the file is there."""
    if not path.is_file():
        return {}
    about = next((m for _, m in _members(read_mat(path).get("infoForAlgo"))), None)
    return {field: value for field, value in _members(about) if isinstance(value, int | float | str)}


def _members(struct: Any) -> Iterator[tuple[str, Any]]:
    """Fields of a MATLAB struct; none for anything else."""
    for field in getattr(struct, "_fieldnames", ()):
        yield field, getattr(struct, field)


def _number(struct: Any, field: str) -> float | None:
    """A finite number in a field, or ``None``: MATLAB writes an empty matrix where there is none."""
    value = np.ravel(getattr(struct, field, ()))
    return float(value[0]) if value.size == 1 and np.isfinite(value[0]) else None


def _unix(text: Any) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (TypeError, ValueError):
        return None


DATASET = Dataset(CARD, _find, _read)
