"""Ego4D: daily life filmed by head cameras all over the world, with the cameras' motion and narrations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kinelet.datasets.assemble import Times, motion, on_clock
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

_RATE_HZ = 200.0
_AXES = ("accl_x", "accl_y", "accl_z", "gyro_x", "gyro_y", "gyro_z")
_KINDS = dict.fromkeys(("canonical_timestamp_ms", *_AXES), "float64")
_PASSES = ("narration_pass_1", "narration_pass_2")
# Class -> what the only scenario of a video says.
_CLASSES: Mapping[str, str] = {
    "carpentry": "^carpent",
    "cleaning or laundry": r"^cleaning\s*/\s*laundry",
    "cooking": "^cooking",
    "crafts": "^crafting",
    "eating": "^eating",
    "farming": "^farm",
    "household with children": "^household.*(kids|child)",
    "musical instrument": "musical instrument",
    "walking on street": "^walking on street",
    "construction": "construction",
}

CARD = DatasetCard(
    name="ego4d",
    title="Ego4D",
    licence="Ego4D licence agreement, signed with the publisher; no redistribution",
    citation="Grauman et al. (2022). Ego4D: around the world in 3,000 hours of egocentric video. CVPR",
    url="https://ego4d-data.org/docs/data/imu/",
    people=926,
    sites=("head",),
    rates_hz=(_RATE_HZ,),
    labels=tuple(_CLASSES),
    traps=(
        "Published splits are by video. kinelet splits by fb_participant_id; where it is missing the video counts as "
        "a person, with a warning: such videos may hold somebody who is also in another part of a split.",
        "Times of samples may be missing, out of order, or beyond the video: sorted, left out and counted.",
        "About 200 Hz on most devices; where the times of a file say another rate, the recording has that one, so give "
        "a rate when you build a corpus.",
        "Two axes of the accelerometer hold the same samples in some files (the publisher's own example is one): "
        "flagged with a warning, not repaired.",
        "Some files have no accelerations; samples without one are gaps. Nothing was calibrated.",
        "A video has a label if it has exactly one scenario, and that is one of the ten; every window inherits it.",
        "Both passes of narrations are read, as tracks 'narration/pass_1' and 'narration/pass_2'.",
        "Some parts of a video have no motion: gaps.",
    ),
    layout="ego4d.json, imu/VIDEO_UID.csv, … and annotations/narration.json, as the publisher's tool writes them (v2/)",
)


class Video(NamedTuple):
    """What ego4d.json says about a video."""

    duration_s: float
    person: str
    scenarios: tuple[str, ...]


class Part(NamedTuple):
    """Motion of a video, and the files that tell about it."""

    motion: Path
    videos: Stamped
    narrations: Stamped | None


def _find(raw: Path) -> dict[str, Part]:
    for root in (raw, raw / "v2_1", raw / "v2", raw / "v1"):
        found = sorted((root / "imu").glob("*.csv"))
        index = next((p for p in (root / "ego4d.json", raw / "ego4d.json") if p.is_file()), None)
        if found and index is not None:
            told = _narration_file(root)
            return {path.stem: Part(path, stamped(index), told) for path in found}
    return {}


def _narration_file(root: Path) -> Stamped | None:
    places = (root / "annotations", root)
    names = ("narration.json", "all_narrations_redacted.json")
    return next((stamped(p / n) for p in places for n in names if (p / n).is_file()), None)


def _read(key: str, part: Part) -> Iterator[Recording]:
    video = _videos(part.videos).get(key)
    if video is None:
        raise BadFileError(
            f"video {key} is not in {Path(part.videos.name).name}",
            where=str(part.motion),
            remedy="Download the index of the same version",
        )
    clocked = _samples(part.motion, video)
    rate_hz = _rate(clocked.time_s)
    end_s = float(clocked.time_s[-1] - clocked.time_s[0]) + 1 / rate_hz
    label = class_of(video.scenarios)
    subject, unknown = _person(key, video)
    rec = on_clock(
        motion(clocked.data[:, :3], "m/s^2", clocked.data[:, 3:], "rad/s"),
        imu_spec(rate_hz, gyro=True, site="head"),
        clocked.time_s,
        subject=subject,
        name=f"ego4d_{slug(key)}",
        events=(Annotation(0.0, end_s, label=label),) if label else (),
        meta={"scenarios": "; ".join(video.scenarios), "person": video.person or "unknown", **clocked.meta},
        warnings=(*clocked.warnings, *unknown),
    )
    rec = rec.replace(meta={**rec.meta, "starts_in_video_s": round(clocked.first_s, 6)})
    yield duplicates_noted(narrated(rec, _narrations(part, key), zero_s=clocked.first_s))


def class_of(scenarios: tuple[str, ...]) -> str:
    """One of the ten classes, or empty where there are several scenarios or another one.

    >>> class_of(("Cleaning / laundry",)), class_of(("Cooking", "Eating"))
    ('cleaning or laundry', '')
    """
    if len(scenarios) != 1:
        return ""
    named = [label for label, pattern in _CLASSES.items() if re.search(pattern, scenarios[0].strip(), re.IGNORECASE)]
    return named[0] if len(named) == 1 else ""


def _person(key: str, video: Video) -> tuple[str, tuple[str, ...]]:
    if video.person:
        return f"ego4d_{slug(video.person)}", ()
    return f"ego4d_video_{slug(key)}", ("nobody knows who wore the camera; the video counts as a person",)


def _samples(path: Path, video: Video) -> Clocked:
    table = read_csv(path, _KINDS, where=str(path))
    latest_s = video.duration_s if np.isfinite(video.duration_s) else None
    clocked = in_order(table["canonical_timestamp_ms"] / 1000.0, table.stack(*_AXES), latest_s=latest_s)
    if len(clocked.time_s) < 2:
        raise BadFileError(
            f"only {len(clocked.time_s)} of {len(table['gyro_x'])} samples have a time in the video",
            where=str(path),
            remedy="Leave the video out",
        )
    return clocked


def _rate(time_s: Times) -> float:
    """The nominal rate, or the measured one to a Hertz where it is another by more than a twentieth."""
    measured = 1.0 / float(np.median(np.diff(time_s)))
    return _RATE_HZ if abs(measured / _RATE_HZ - 1) <= 0.05 else max(1.0, float(round(measured)))


@lru_cache(maxsize=2)
def _videos(index: Stamped) -> dict[str, Video]:
    loaded = read_json(index.name)
    listed = loaded.get("videos") if isinstance(loaded, dict) else None
    if not isinstance(listed, list):
        raise wrong_shape(index.name, "list of videos")
    return {str(v.get("video_uid") or v.get("uid")): _video(v) for v in listed if isinstance(v, dict)}


def _video(v: dict[str, Any]) -> Video:
    duration = v.get("duration_sec", v.get("duration"))
    scenarios = v.get("scenarios") or ()
    return Video(number(duration), person_of(v.get("fb_participant_id")), tuple(str(s) for s in scenarios))


def _narrations(part: Part, uid: str) -> list[Narration]:
    told = _told(part.narrations).get(uid, {}) if part.narrations else {}
    return [
        Narration(name.removeprefix("narration_"), number(n.get("timestamp_sec")), str(n.get("narration_text") or ""))
        for name in _PASSES
        for n in (told.get(name) or {}).get("narrations") or ()
    ]


@lru_cache(maxsize=2)
def _told(file: Stamped) -> dict[str, dict[str, Any]]:
    loaded = read_json(file.name)
    videos = loaded.get("videos", loaded) if isinstance(loaded, dict) else None
    if not isinstance(videos, dict):
        raise wrong_shape(file.name, "narrations by video uid")
    return {uid: v for uid, v in videos.items() if isinstance(v, dict)}


DATASET = Dataset(CARD, _find, _read)
