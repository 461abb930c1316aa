"""Ego-Exo4D: skilled activities filmed from all sides, with the motion of the doer's glasses and sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kinelet.datasets.assemble import motion, on_clock
from kinelet.datasets.base import Dataset, DatasetCard
from kinelet.datasets.egocentric import (
    Clocked,
    Narration,
    Stamped,
    duplicates_noted,
    in_order,
    narrated,
    number,
    person_of,
    read_json,
    slug,
    stamped,
    wrong_shape,
)
from kinelet.datasets.tables import read_csv
from kinelet.errors import BadFileError
from kinelet.signal.recording import Annotation, Recording
from kinelet.signal.spec import imu_spec

_RATE_HZ = 1000.0
_AXES = tuple(f"{sensor}_{axis}" for sensor in ("accel", "gyro") for axis in "xyz")
_KINDS = {"capture_timestamp_ns": "int64", "accel_valid": "float64", "gyro_valid": "float64"} | dict.fromkeys(
    _AXES, "float64"
)
_FLAGS = {b"true": b"1", b"false": b"0"}
_PAUSE_S = 0.5
# Class -> what the name of a take, or else the name of its task, holds.
_CLASSES: Mapping[str, str] = {
    "medical test": "covid|pcr|antigen|medical",
    "bike repair": "bike",
    "climbing": "climb|boulder",
    "soccer or basketball": "soccer|basketball",
    "CPR": "cpr",
    "cooking": "cook",
    "dance": "danc",
    "music": "music|guitar|violin|piano|cello|flute|saxophone",
}

CARD = DatasetCard(
    name="ego_exo4d",
    title="Ego-Exo4D",
    licence="Ego-Exo4D licence agreement, signed with the publisher; no redistribution",
    citation=(
        "Grauman et al. (2024). Ego-Exo4D: understanding skilled human activity from first- and third-person "
        "perspectives. CVPR"
    ),
    url="https://docs.ego-exo4d-data.org/",
    people=740,
    sites=("head",),
    rates_hz=(_RATE_HZ,),
    labels=tuple(_CLASSES),
    traps=(
        "The motion lies in VRS files, which kinelet does not read: export stream 1202-1 with projectaria-tools into "
        "imu_1202-1.csv beside the VRS file; see the guide 'Ego-Exo4D'.",
        "Stream 1202-2 is a second sensor in the same glasses (about 800 Hz): to read both would show each moment "
        "twice.",
        "Records flagged invalid are gaps. Times are the device's; that the first record is the start of the take is "
        "the usual assumption: a take whose motion is longer or shorter than its video by more than half a second has "
        "a warning.",
        "The class is that of the whole take, from its name: every window inherits it, waiting included. Takes whose "
        "name says none of the eight have no label.",
        "A take may be described by several people: each is a track 'narration/ANNOTATOR'; rejected passes are "
        "skipped and counted. Some sentences are about somebody else than the wearer.",
        "Neighbouring sentences are about a second apart: windows cut around each overlap, many are copies.",
        "One person may have takes in the publisher's train and validation parts; kinelet splits by participant_uid.",
    ),
    layout="takes.json, annotations/atomic_descriptions_train.json and …_val.json, takes/TAKE/imu_1202-1.csv, …",
)


class Take(NamedTuple):
    """What takes.json says about a take."""

    uid: str
    name: str
    person: str
    duration_s: float
    task: str


class Part(NamedTuple):
    """A take with its files."""

    take: Take
    motion: Path
    annotations: tuple[Stamped, ...]


def _find(raw: Path) -> dict[str, Part]:
    index = raw / "takes.json"
    if not index.is_file():
        return {}
    folder = raw / "annotations"
    names = [folder / f"atomic_descriptions_{part}.json" for part in ("train", "val", "test")]
    annotations = tuple(stamped(path) for path in names if path.is_file())
    found = {}
    for root, take in _takes(stamped(index)):
        source = _motion_file(raw / root)
        if source is not None:
            found[slug(take.name)] = Part(take, source, annotations)
    return dict(sorted(found.items()))


def _motion_file(folder: Path) -> Path | None:
    """The exported motion of a take, or the recording that it has to be exported from."""
    for pattern in ("*1202-1*.csv", "*.vrs"):
        found = sorted(folder.glob(pattern))
        if found:
            return found[0]
    return None


@lru_cache(maxsize=2)
def _takes(index: Stamped) -> tuple[tuple[str, Take], ...]:
    listed = read_json(index.name)
    if not isinstance(listed, list) or not all(isinstance(t, dict) and "take_uid" in t for t in listed):
        raise wrong_shape(index.name, "list of takes with take_uid")
    return tuple((_root(t), _take(t)) for t in listed)


def _root(take: dict[str, Any]) -> str:
    return str(take.get("root_dir") or f"takes/{take.get('take_name')}")


def _take(take: dict[str, Any]) -> Take:
    name = str(take.get("take_name") or Path(_root(take)).name)
    task = f"{take.get('parent_task_name') or ''} {take.get('task_name') or ''}"
    duration = number(take.get("duration_sec"))
    return Take(str(take["take_uid"]), name, person_of(take.get("participant_uid")), duration, task)


def _read(key: str, part: Part) -> Iterator[Recording]:
    if part.motion.suffix == ".vrs":
        raise BadFileError(
            "VRS files are not read",
            where=str(part.motion),
            remedy="Export stream 1202-1 with projectaria-tools into imu_1202-1.csv beside it; see the guide Ego-Exo4D",
        )
    take = part.take
    clocked = _samples(part.motion)
    label = class_of(take)
    end_s = float(clocked.time_s[-1]) + 1 / _RATE_HZ
    subject, unknown = _person(take)
    rec = on_clock(
        motion(clocked.data[:, :3], "m/s^2", clocked.data[:, 3:], "rad/s"),
        imu_spec(_RATE_HZ, gyro=True, site="head"),
        clocked.time_s,
        lost="flagged_invalid",
        subject=subject,
        name=f"ego_exo4d_{key}",
        events=(Annotation(0.0, end_s, label=label),) if label else (),
        meta={"device": "Project Aria, stream 1202-1", "take_uid": take.uid, "task": take.task.strip(), **clocked.meta},
        warnings=(*clocked.warnings, *unknown, *_length(take, end_s)),
    )
    sentences, rejected = _narrations(part)
    rec = rec.replace(meta={**rec.meta, "rejected_passes": rejected})
    yield duplicates_noted(narrated(rec, sentences, zero_s=clocked.first_s))


def class_of(take: Take) -> str:
    """One of the eight classes by the take's name, else by its task; empty where they name none or several.

    >>> class_of(Take("", "georgiatech_covid_03_2", "", 0.0, "")), class_of(Take("", "upenn_0714_1", "", 0.0, "Dance"))
    ('medical test', 'dance')
    """
    for text in (take.name, take.task):
        named = [label for label, pattern in _CLASSES.items() if re.search(pattern, text, re.IGNORECASE)]
        if named:
            return named[0] if len(named) == 1 else ""
    return ""


def _person(take: Take) -> tuple[str, tuple[str, ...]]:
    if take.person:
        return f"ego_exo4d_{slug(take.person)}", ()
    return f"ego_exo4d_take_{slug(take.name)}", ("nobody knows who wore the glasses; the take counts as a person",)


def _length(take: Take, end_s: float) -> tuple[str, ...]:
    longer = end_s - take.duration_s
    if not abs(longer) > _PAUSE_S:
        return ()
    return (f"the motion lasts {longer:+.1f} s against the video: sentences may be early or late by as much",)


def _samples(path: Path) -> Clocked:
    """Samples in m/s² and rad/s in order of time; those flagged invalid are NaN. Time 0 is the first record."""
    table = read_csv(_numbered(path), _KINDS, where=str(path))
    data = table.stack(*_AXES)
    data[~((table["accel_valid"] == 1) & (table["gyro_valid"] == 1))] = np.nan
    if not len(data):
        raise BadFileError("no records", where=str(path), remedy="Export it again")
    at = table["capture_timestamp_ns"]
    return in_order((at - at.min()) / 1e9, data)


def _numbered(path: Path) -> bytes:
    """The table with its flags as numbers, whether they were written True, true or 1."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadFileError(str(error), where=str(path)) from None
    return re.sub(rb"(?i)\b(true|false)\b", lambda m: _FLAGS[m[0].lower()], data)


def _narrations(part: Part) -> tuple[list[Narration], int]:
    """Sentences of all annotators whose pass was not rejected, and how many were."""
    passes = [p for file in part.annotations for p in _described(file).get(part.take.uid, ())]
    kept = [p for p in passes if not p.get("rejected")]
    sentences = [
        Narration(str(p.get("annotator_id") or "unknown"), number(d.get("timestamp")), str(d.get("text") or ""))
        for p in kept
        for d in p.get("descriptions") or ()
        if isinstance(d, dict)
    ]
    return sentences, len(passes) - len(kept)


@lru_cache(maxsize=4)
def _described(file: Stamped) -> dict[str, list[dict[str, Any]]]:
    loaded = read_json(file.name)
    takes = loaded.get("annotations") if isinstance(loaded, dict) else None
    if not isinstance(takes, dict):
        raise wrong_shape(file.name, "'annotations' by take_uid")
    return {
        uid: [p for p in passes if isinstance(p, dict)] for uid, passes in takes.items() if isinstance(passes, list)
    }


DATASET = Dataset(CARD, _find, _read)
