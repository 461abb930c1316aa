"""Shoulder physiotherapy exercises with a smart watch (Burns 2018), as the package ``seglearn`` carries them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from kinelet.datasets.assemble import motion, on_grid
from kinelet.datasets.base import Dataset, DatasetCard, Download
from kinelet.errors import BadFileError
from kinelet.signal.recording import Annotation, Recording
from kinelet.signal.spec import imu_spec

_FILE = "watch_dataset.npy"
_MAX_BYTES = 1 << 26
_SHA256 = "eb122f23cdf06ef6bd6c6c5312958ec5cf9d038e2e6d457b8081662c75a42537"
_RATE_HZ = 50.0
_SIDES = {0: "left", 1: "right"}

CARD = DatasetCard(
    name="seglearn_watch",
    title="seglearn watch (shoulder exercises)",
    licence="BSD-3-Clause",
    citation=(
        "Burns, Leung, Hardisty, Whyne, Henry, McLachlin (2018). Shoulder physiotherapy exercise recognition: "
        "machine learning the inertial signals from a smartwatch. Physiological Measurement 39"
    ),
    url="https://github.com/dmbee/seglearn",
    people=10,
    sites=("wrist",),
    rates_hz=(_RATE_HZ,),
    labels=("PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW"),
    traps=(
        "The file is a pickle: it is opened only if its SHA-256 is that of seglearn 1.2.5.",
        "Apple's sign: a watch lying face up reads -1 g on z, where Android reads +1 g.",
        "Each person wore the watch on the left and on the right in turn: the two sides are one person.",
    ),
    layout=f"the package seglearn==1.2.5 installed (pip install seglearn==1.2.5), or its {_FILE} in the folder",
    download=(
        Download(f"https://raw.githubusercontent.com/dmbee/seglearn/master/seglearn/data/{_FILE}", _SHA256, _FILE),
    ),
)


def _find(raw: Path) -> dict[str, Path]:
    for path in (raw / _FILE, raw / "data" / _FILE, _in_package()):
        if path is not None and path.is_file():
            return {"watch": path}
    return {}


def _in_package() -> Path | None:
    # The spec finds the package without importing it.
    spec = find_spec("seglearn")
    return Path(spec.origin).parent / "data" / _FILE if spec and spec.origin else None


def _read(_: str, path: Path) -> Iterator[Recording]:
    # Read once: what is opened is what was hashed, whatever happens to the file in between.
    content = path.read_bytes() if path.stat().st_size <= _MAX_BYTES else b""
    if hashlib.sha256(content).hexdigest() != _SHA256:
        raise BadFileError(
            "not the file of seglearn 1.2.5, and it is not opened because it is a pickle",
            where=str(path),
            remedy="pip install seglearn==1.2.5",
        )
    held: dict[str, Any] = np.load(io.BytesIO(content), allow_pickle=True).item()
    for i, data in enumerate(held["X"]):
        label = held["y_labels"][int(held["y"][i])]
        yield _recording(np.asarray(data), int(held["subject"][i]), _SIDES[int(held["side"][i])], label)


def _recording(data: np.ndarray[Any, Any], subject: int, side: str, label: str) -> Recording:
    return on_grid(
        motion(data[:, :3], "g", data[:, 3:6], "rad/s"),
        imu_spec(_RATE_HZ, gyro=True, site="wrist"),
        subject=f"seglearn_watch_{subject:02d}",
        name=f"seglearn_watch_{subject:02d}_{side}_{label}",
        events=(Annotation(0.0, len(data) / _RATE_HZ, label=label),),
        meta={"device": "Apple Watch", "side": side},
    )


DATASET = Dataset(CARD, _find, _read)
