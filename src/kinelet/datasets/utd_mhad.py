"""UTD-MHAD: 27 actions, four times each, with one inertial sensor and a Kinect."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kinelet.datasets.assemble import motion, on_grid
from kinelet.datasets.base import Dataset, DatasetCard
from kinelet.datasets.tables import read_mat
from kinelet.errors import BadFileError
from kinelet.signal.recording import Annotation, Recording
from kinelet.signal.spec import SignalSpec, imu_spec

_RATE_HZ, _KINECT_HZ = 50.0, 30.0
_JOINTS = 20
_ACTIONS = (
    "swipe left",
    "swipe right",
    "wave",
    "clap",
    "throw",
    "arms crossed on the chest",
    "basketball shoot",
    "draw X",
    "draw circle clockwise",
    "draw circle counter-clockwise",
    "draw triangle",
    "bowling",
    "front boxing",
    "baseball swing from the right",
    "tennis forehand swing",
    "arm curl",
    "tennis serve",
    "two-hand push",
    "knock on a door",
    "catch",
    "pick up and throw",
    "jogging in place",
    "walking in place",
    "sit to stand",
    "stand to sit",
    "forward lunge",
    "squat",
)
_FIRST_ON_THIGH = 22

CARD = DatasetCard(
    name="utd_mhad",
    title="UTD-MHAD",
    licence="free for research with citation (the publisher names no licence)",
    citation=(
        "Chen, Jafari, Kehtarnavaz (2015). UTD-MHAD: a multimodal dataset for human action recognition utilizing a "
        "depth camera and a wearable inertial sensor. IEEE ICIP"
    ),
    url="https://personal.utdallas.edu/~kehtar/UTD-MHAD.html",
    people=8,
    sites=("wrist", "thigh"),
    rates_hz=(_RATE_HZ,),
    labels=_ACTIONS,
    traps=(
        "The sensor is on the right wrist for actions 1 to 21 and on the right thigh for 22 to 27: the site alone "
        "tells the two groups apart.",
        "True rates differ from the nominal 50 Hz and 30 Hz: align inertial data and skeleton on normalised clip time.",
        "Three of the 864 clips are missing (corrupt at the publisher's).",
        "A clip is one action and lasts 2 to 6 s: lay one window over each clip.",
    ),
    layout="Inertial/a1_s1_t1_inertial.mat, …; Skeleton/a1_s1_t1_skeleton.mat beside it where wanted",
)


def _find(raw: Path) -> dict[str, Path]:
    paths = (p for p in raw.rglob("a*_inertial.mat") if re.fullmatch(r"a\d+_s\d+_t\d+_inertial\.mat", p.name))
    return {p.name.removesuffix("_inertial.mat"): p for p in sorted(paths)}


def _read(key: str, path: Path) -> Iterator[Recording]:
    action, subject, trial = (int(part[1:]) for part in key.split("_"))
    data = _matrix(path, "d_iner", (-1, 6))
    if not 1 <= action <= len(_ACTIONS):
        raise BadFileError(f"action {action} is not one of 1 to {len(_ACTIONS)}", where=str(path))
    site = "thigh" if action >= _FIRST_ON_THIGH else "wrist"
    label, name = _ACTIONS[action - 1], f"utd_mhad_{key}"
    yield on_grid(
        motion(data[:, :3], "g", data[:, 3:], "deg/s"),
        imu_spec(_RATE_HZ, gyro=True, site=site),
        subject=f"utd_mhad_{subject}",
        name=name,
        events=(Annotation(0.0, len(data) / _RATE_HZ, label=label),),
        streams=_skeleton(path, key, f"utd_mhad_{subject}"),
        meta={"action": action, "trial": trial, "rate": "nominal"},
    )


def _skeleton(inertial: Path, key: str, subject: str) -> Mapping[str, Recording]:
    """The Kinect's 20 joints in metres, shape (time, 60), where the file is there."""
    path = inertial.parent.parent / "Skeleton" / f"{key}_skeleton.mat"
    if not path.is_file():
        return {}
    joints = _matrix(path, "d_skel", (_JOINTS, 3, -1))
    channels = tuple(f"joint{j:02d}_{axis}" for j in range(_JOINTS) for axis in "xyz")
    spec = SignalSpec(rate_hz=_KINECT_HZ, channels=channels, units=("m",) * len(channels), site="whole body")
    data = joints.transpose(2, 0, 1).reshape(-1, 3 * _JOINTS).astype(np.float32)
    return {"skeleton": on_grid(data, spec, subject=subject, name=f"utd_mhad_{key}_skeleton")}


def _matrix(path: Path, name: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Numeric matrix ``name`` of a MATLAB file, refused where a side that ``shape`` names has another length."""
    data = np.asarray(read_mat(path).get(name, ()))
    fits = data.ndim == len(shape) and all(want in (-1, got) for want, got in zip(shape, data.shape, strict=False))
    if not fits or data.dtype.kind not in "fiu":
        raise BadFileError(f"no numeric matrix {name} of shape {shape}", where=str(path), remedy="Download it again")
    return data


DATASET = Dataset(CARD, _find, _read)
