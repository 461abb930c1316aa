"""Stress-Predict: wrist recordings during stress tasks, with heart rate, respiration and a binary stress label."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kinelet.datasets.base import Dataset, DatasetCard
from kinelet.datasets.tables import read_csv
from kinelet.readers.empatica import read_e4
from kinelet.signal.recording import Annotation, Recording

_LABELS_FILE = "Improved_All_Combined_hr_rsp_binary.csv"
_KINDS = {"Participant": "int64", "HR": "float64", "respr": "float64", "Time(sec)": "int64", "Label": "int64"}
_STRESS = ("baseline", "stress")

CARD = DatasetCard(
    name="stress_predict",
    title="Stress-Predict",
    licence="MIT",
    citation=(
        "Iqbal, Simpkin, Roshan et al. (2022). Stress monitoring using wearable sensors: a pilot study and "
        "Stress-Predict dataset. Sensors 22"
    ),
    url="https://github.com/italha-d/Stress-Predict-Dataset",
    people=35,
    sites=("wrist",),
    rates_hz=(32.0,),
    labels=_STRESS,
    traps=(
        "Subject 1 has recordings but no labels.",
        "Labels, heart rate and respiration are one value a second, in unix time; the time logs are in Irish time.",
        "Each stream has its own rate: motion 32 Hz, pulse 64 Hz, skin and temperature 4 Hz.",
        "Button presses do not mark the tasks reliably: some people pressed more or less often than there were tasks.",
        "The first seconds of the pulse are zeros.",
    ),
    layout=f"Raw_data/S01/ACC.csv, BVP.csv, …, and Processed_data/{_LABELS_FILE}",
    track="stress",
)


class Session(NamedTuple):
    """A person's device folder, and the table with everybody's labels."""

    folder: Path
    labels: Path | None


def _find(raw: Path) -> dict[str, Session]:
    labels = next(iter(sorted(raw.rglob(_LABELS_FILE))), None)
    folders = (p.parent for p in sorted(raw.rglob("ACC.csv")) if re.fullmatch(r"S\d+", p.parent.name))
    return {f.name: Session(f, labels) for f in folders}


def _read(key: str, session: Session) -> Iterator[Recording]:
    rec = read_e4(session.folder, subject=f"stress_predict_{key}")
    found = [] if session.labels is None else _known(session.labels, int(key[1:]), rec.start_unix_s or 0.0)
    if not found:
        rec = rec.replace(warnings=(*rec.warnings, f"no labels for {key}"))
    yield rec.replace(name=f"stress_predict_{key}", annotations=(*rec.annotations, *found))


def _known(path: Path, participant: int, start_unix_s: float) -> list[Annotation]:
    """Stretches of stress and of none, and heart rate (bpm) and respiration (breaths a minute) second by second."""
    table = read_csv(path, _KINDS)
    mine = np.flatnonzero(table["Participant"] == participant)
    mine = mine[np.argsort(table["Time(sec)"][mine], kind="stable")]
    second = table["Time(sec)"][mine] - start_unix_s
    stress = table["Label"][mine]
    edges = np.flatnonzero((np.diff(stress) != 0) | (np.diff(second) > 1)) + 1
    found = []
    for a, b in zip([0, *edges], [*edges, len(mine)], strict=True):
        if b > a:
            found.append(
                Annotation(float(second[a]), float(second[b - 1]) + 1, _STRESS[int(stress[a] != 0)], None, "stress")
            )
    for column, track in (("HR", "heart_rate"), ("respr", "respiration_rate")):
        pairs = zip(second, table[column][mine], strict=True)
        found += [Annotation(float(s), float(s) + 1, value=float(v), track=track) for s, v in pairs if np.isfinite(v)]
    return found


DATASET = Dataset(CARD, _find, _read)
