"""The table of baselines beside the real recordings, made again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from kinelet.corpus.splits import kfold
from kinelet.evaluate.baselines import run_baseline
from kinelet.evaluate.task import Task
from kinelet.signal.spec import imu_spec


def columns(path: Path, *names: str) -> dict[str, np.ndarray]:
    table = parquet.read_table(path, columns=list(names))
    scales = json.loads(table.schema.metadata.get(b"scales", b"{}"))
    return {n: table[n].to_numpy(zero_copy_only=False) * scales.get(n, 1) for n in names}


def utd_mhad(folder: Path) -> Task:
    """Wrist or thigh acceleration of each clip, stretched to 180 samples."""
    c = columns(folder / "utd_mhad" / "imu.parquet", "subject", "activity", "trial", "ax", "ay", "az")
    acc = np.stack([c["ax"], c["ay"], c["az"]])
    clip = c["subject"].astype(int) * 1000 + c["activity"].astype(int) * 10 + c["trial"].astype(int)
    x = []
    for one in np.unique(clip):
        samples = acc[:, clip == one]
        at = np.linspace(0, samples.shape[1] - 1, 180)
        x.append([np.interp(at, np.arange(samples.shape[1]), axis) for axis in samples])
    person, action = np.unique(clip) // 1000, np.unique(clip) % 1000 // 10
    subjects, subject = np.unique(person, return_inverse=True)
    classes, y = np.unique(action, return_inverse=True)
    names = tuple(f"S{s}" for s in subjects)
    return Task(np.array(x, np.float32), y, subject, names, imu_spec(50.0), tuple(str(a) for a in classes))


def uci_har(folder: Path) -> Task:
    c = columns(folder / "uci_har" / "uci_har.parquet", "subject", "activity", "ax", "ay", "az")
    x = np.stack([c["ax"], c["ay"], c["az"]], axis=1).reshape(-1, 128, 3).transpose(0, 2, 1)
    subjects, subject = np.unique(c["subject"][::128], return_inverse=True)
    classes, y = np.unique(c["activity"][::128], return_inverse=True)
    names = tuple(str(s) for s in subjects)
    return Task(np.asarray(x, np.float32), y, subject, names, imu_spec(50.0), tuple(str(a) for a in classes))


@pytest.mark.parametrize(("load", "known"), [(utd_mhad, 0.790), pytest.param(uci_har, 0.896, marks=pytest.mark.slow)])
def test_hand_crafted_features_reach_the_known_figure(shared_data: Path, load, known: float) -> None:  # type: ignore[no-untyped-def]
    task = load(shared_data)
    result = run_baseline("hand_linear", task, kfold(task.subjects, 5))
    assert result.estimates["macro_f1"].value > known - 0.02


@pytest.mark.slow
def test_thirds_tell_gestures_apart(shared_data: Path) -> None:
    task = utd_mhad(shared_data)
    splits = kfold(task.subjects, 5)
    plain, thirds = (run_baseline(n, task, splits) for n in ("hand_linear", "hand_thirds_linear"))
    assert thirds.difference(plain, "macro_f1").above_zero
