"""UCI HAR: six activities with a phone at the waist, cut by its publisher into overlapping windows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kinelet.datasets.assemble import motion, on_grid
from kinelet.datasets.base import Dataset, DatasetCard, Download
from kinelet.errors import BadFileError
from kinelet.signal.recording import Annotation, Recording
from kinelet.signal.spec import imu_spec

_RATE_HZ = 50.0
_WINDOW, _HOP = 128, 64
_ACTIVITIES = ("walking", "walking_upstairs", "walking_downstairs", "sitting", "standing", "laying")
_SIGNALS = tuple(f"{kind}_{axis}" for kind in ("total_acc", "body_gyro") for axis in "xyz")

CARD = DatasetCard(
    name="uci_har",
    title="UCI HAR (human activity recognition using smartphones)",
    licence="CC BY 4.0 on the repository's page; the README in the archive forbids commercial use",
    citation=(
        "Anguita, Ghio, Oneto, Parra, Reyes-Ortiz (2013). A public domain dataset for human activity recognition "
        "using smartphones. ESANN"
    ),
    url="https://archive.ics.uci.edu/dataset/240/human+activity+recognition+using+smartphones",
    people=30,
    sites=("waist",),
    rates_hz=(_RATE_HZ,),
    labels=_ACTIVITIES,
    traps=(
        "Published as windows of 2.56 s that overlap by half: neighbours share samples. The loader joins windows whose "
        "halves are equal into one recording, so that nothing is there twice; a grid of 128 samples with hop 64 gives "
        "the published windows back.",
        "What lies between two joined stretches is not published: each stretch is a recording of its own.",
        "total_acc has gravity in it and is used; body_acc has it filtered out. The gyroscope is called body_gyro "
        "but is not filtered that way.",
        "The signals were low-pass filtered at 20 Hz by the publisher.",
        "The official split is by people (21 train, 9 test): meta['split'].",
    ),
    layout="train/Inertial Signals/total_acc_x_train.txt, …, train/y_train.txt, train/subject_train.txt, test/ alike",
    download=(
        Download(
            "https://archive.ics.uci.edu/static/public/240/human+activity+recognition+using+smartphones.zip",
            None,
            "human+activity+recognition+using+smartphones.zip",
        ),
    ),
)


def _find(raw: Path) -> dict[str, Path]:
    labels = {split: sorted(raw.rglob(f"{split}/y_{split}.txt")) for split in ("train", "test")}
    return {split: found[0].parent for split, found in labels.items() if found}


def _read(split: str, folder: Path) -> Iterator[Recording]:
    activity = _numbers(folder / f"y_{split}.txt").astype(int)
    subject = _numbers(folder / f"subject_{split}.txt").astype(int)
    windows = np.stack([_windows(folder, s, split, len(activity)) for s in _SIGNALS], axis=2)
    if (
        not len(activity)
        or len(subject) != len(activity)
        or not np.isin(activity, range(1, len(_ACTIVITIES) + 1)).all()
    ):
        raise BadFileError("people, labels and windows do not fit together", where=str(folder))
    chain = np.stack([subject, activity], axis=1)
    for a, b in _chains(windows, chain):
        yield _recording(windows[a:b], int(subject[a]), _ACTIVITIES[activity[a] - 1], split, a)


def _chains(windows: npt.NDArray[np.float32], same: npt.NDArray[Any]) -> Iterator[tuple[int, int]]:
    """Runs of windows in which each begins with the second half of the one before, of one person and activity."""
    joined = (windows[:-1, _HOP:] == windows[1:, :_HOP]).all(axis=(1, 2)) & (same[1:] == same[:-1]).all(axis=1)
    edges = [0, *(np.flatnonzero(~joined) + 1).tolist(), len(windows)]
    yield from pairwise(edges)


def _recording(windows: npt.NDArray[np.float32], subject: int, label: str, split: str, first: int) -> Recording:
    data = np.concatenate([windows[0], *windows[1:, _HOP:]])
    return on_grid(
        motion(data[:, :3], "g", data[:, 3:], "rad/s"),
        imu_spec(_RATE_HZ, gyro=True, site="waist"),
        subject=f"uci_har_{subject:02d}",
        name=f"uci_har_{split}_{first:05d}",
        events=(Annotation(0.0, len(data) / _RATE_HZ, label=label),),
        meta={"device": "Samsung Galaxy S II", "split": split, "windows": len(windows), "first_window": first},
    )


def _windows(folder: Path, signal: str, split: str, count: int) -> npt.NDArray[np.float32]:
    path = folder / "Inertial Signals" / f"{signal}_{split}.txt"
    values = _numbers(path)
    if values.size != count * _WINDOW:
        raise BadFileError(
            f"{values.size} values, not {count} windows of {_WINDOW}", where=str(path), remedy="Download it again"
        )
    return values.astype(np.float32).reshape(count, _WINDOW)


def _numbers(path: Path) -> npt.NDArray[np.float64]:
    try:
        return np.array(path.read_bytes().split(), dtype=np.float64)
    except (OSError, ValueError) as error:
        raise BadFileError(f"cannot be read ({error})", where=str(path), remedy="Download it again") from None


DATASET = Dataset(CARD, _find, _read)
