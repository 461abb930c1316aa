"""MOD (Moving Object Detection): vehicles that pass microphones and geophones, as FOCAL's authors publish it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kinelet.datasets.assemble import on_grid
from kinelet.datasets.base import Dataset, DatasetCard
from kinelet.datasets.focal_samples import SampleRun, find_samples, read_samples
from kinelet.datasets.tables import read_csv, read_spaced
from kinelet.errors import BadFileError
from kinelet.signal.recording import Annotation, Recording
from kinelet.signal.spec import SignalSpec

AUDIO_HZ, SEISMIC_HZ = 16000.0, 100.0
_AUDIO_FILES = ("aud16000.csv", "aud.csv")
_APART_S = 1.0
# A run's name begins with one of these.
_VEHICLES: Mapping[str, str] = {
    "polaris": "Polaris",
    "warhog": "Warthog",
    "silverado": "truck",
    "motor": "motorcycle",
    "tesla": "Tesla",
    "mustang": "Mustang",
    "walk": "walking",
    "bicycle": "bicycle",
    "forester": "Forester",
    "pickup": "pickup",
    "scooter": "scooter",
}
# Seconds at the beginning and at the end of a run that its authors leave out, for nodes rs1, rs2, rs3 and rs7.
_NODES = ("rs1", "rs2", "rs3", "rs7")
_LEFT_OUT: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "bicycle2": ((160, 130, 100, 100), (120, 90, 90, 150)),
    "forester": ((170, 140, 170, 180), (80, 100, 100, 80)),
    "forester2": ((95, 85, 90, 75), (90, 60, 60, 80)),
    "motor": ((160, 160, 160, 160), (100, 80, 65, 90)),
    "motor2": ((240, 225, 240, 240), (100, 80, 90, 70)),
    "mustang": ((380, 360, 370, 350), (30, 40, 30, 30)),
    "mustang2": ((70, 70, 75, 75), (40, 30, 35, 40)),
    "mustang0528": ((300, 300, 300, 300), (60, 60, 60, 60)),
    "pickup": ((330, 290, 260, 290), (130, 110, 70, 30)),
    "pickup2": ((135, 135, 125, 120), (120, 100, 95, 45)),
    "scooter": ((150, 150, 140, 90), (120, 60, 60, 20)),
    "scooter2": ((150, 180, 170, 180), (50, 75, 60, 90)),
    "tesla": ((90, 80, 80, 90), (90, 90, 90, 80)),
    "walk": ((60, 60, 60, 60), (60, 60, 60, 60)),
    "walk2": ((60, 60, 60, 60), (60, 60, 60, 60)),
}

CARD = DatasetCard(
    name="mod",
    title="MOD (Moving Object Detection, acoustic and seismic)",
    licence="none named by the publisher (the code beside it is MIT)",
    citation=(
        "Liu, Kimura, Liu et al. (2023). FOCAL: contrastive learning for multimodal time-series sensing signals in "
        "factorized orthogonal latent space. NeurIPS"
    ),
    url="https://github.com/tomoyoshki/focal",
    people=25,
    sites=_NODES,
    rates_hz=(AUDIO_HZ, 8000.0),
    labels=tuple(_VEHICLES.values()),
    traps=(
        "Nobody wears anything: a run (one vehicle on one day) takes the place of a person. Its nodes recorded the "
        "same minutes and stay together in every split. The Tesla has one run: split it by node or leave it out, and "
        "say so.",
        "Customary: windows of 2 s dealt at random, 80 to 20, validated on the test windows, so that neighbours of a "
        "test window are learnt from. Such numbers cannot be compared with a split by run.",
        "The microphone is stored at 16 kHz and published models take 8 kHz: add --rate 8000. The geophone (100 Hz) is "
        "a side stream: add --streams.",
        "Some audio files have several columns: the first is read. Some geophone files have the time of day beside.",
        "The seconds at the ends of a run that the authors leave out have no label.",
        "The folders call the Warthog Warhog and the truck Silverado.",
        "Where there is no raw run, the windows that the authors' programs cut are read: RUN_NODE_NUMBER.pt, 2 s, the "
        "microphone at 8 kHz.",
    ),
    layout="RUN/NODE/aud16000.csv or aud.csv, and ehz.csv beside (Polaris0150pm/rs1/…)",
    track="vehicle",
    who="runs",
)


class Node(NamedTuple):
    """What one node recorded of one run."""

    run: str
    node: str
    audio: Path
    seismic: Path


def _find(raw: Path) -> dict[str, Node | SampleRun]:
    found: dict[str, Node | SampleRun] = {}
    for seismic in sorted(raw.resolve().rglob("ehz.csv")):
        folder = seismic.parent
        if re.fullmatch(r"rs\d+", folder.name):
            audio = next((folder / f for f in _AUDIO_FILES if (folder / f).is_file()), folder / _AUDIO_FILES[0])
            run = folder.parent.name
            found[f"{run}_{folder.name}"] = Node(run, folder.name, audio, seismic)
    cut = find_samples(raw.resolve(), r"(?P<run>[^_]+)_(?P<node>rs\d+)_(?P<number>\d+)\.pt")
    return {**cut, **found}


def _read(key: str, part: Node | SampleRun) -> Iterator[Recording]:
    run, node = key.rsplit("_", 1)
    rec = _cut(key, part) if isinstance(part, SampleRun) else _raw(key, part)
    start, stop = left_out(run, node)
    end = rec.duration_s - stop
    label, warnings = vehicle_of(run), rec.warnings
    if label is None:
        warnings = (*warnings, f"run {run!r} is named after no vehicle: no label")
    elif not isinstance(part, SampleRun) and end <= start:
        label, warnings = None, (*warnings, f"shorter than the {start + stop} s that the authors leave out: no label")
    span = (0.0, rec.duration_s) if isinstance(part, SampleRun) else (float(start), end)
    marks = (Annotation(*span, label=label, track="vehicle"),) if label else ()
    yield rec.replace(annotations=marks, warnings=warnings)


def vehicle_of(run: str) -> str | None:
    """Vehicle of a run, from its name.

    >>> vehicle_of("Warhog1135am")
    'Warthog'
    """
    return next((label for start, label in _VEHICLES.items() if run.lower().startswith(start)), None)


def left_out(run: str, node: str) -> tuple[int, int]:
    """Seconds at the beginning and at the end of a run that the authors leave out; none where they name none."""
    if run not in _LEFT_OUT or node not in _NODES:
        return 0, 0
    start, stop = (side[_NODES.index(node)] for side in _LEFT_OUT[run])
    return start, stop


def _raw(key: str, part: Node) -> Recording:
    if not part.audio.is_file():
        raise BadFileError(f"{part.audio.name} is missing beside ehz.csv", where=str(part.audio.parent))
    about = {"run": part.run, "node": part.node, "layout": "raw"}
    seismic, start, warnings = _seismic(part.seismic)
    line = _columns(part.audio, ",")
    audio = read_csv(part.audio, {"0": "float32"}, names=[str(i) for i in range(line)])["0"]
    stream = on_grid(
        seismic,
        _spec("seismic", SEISMIC_HZ, part.node),
        subject=f"mod_{part.run}",
        name=f"mod_{key}_seismic",
        start_unix_s=start,
        meta=about | {"starts_after_s": 0.0},
    )
    return on_grid(
        audio[:, None],
        _spec("audio", AUDIO_HZ, part.node),
        subject=f"mod_{part.run}",
        name=f"mod_{key}",
        start_unix_s=start,
        streams={"seismic": stream},
        meta=about,
        warnings=warnings,
    )


def _seismic(path: Path) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float32]], float | None, tuple[str, ...]]:
    """Samples (time, 1), the time of day of the first where the file has it, and what is odd about it."""
    width = _columns(path, " ")
    table = read_spaced(path, {"value": 0} | ({"time": 1} if width > 1 else {}), width)
    samples = table["value"].astype(np.float32)[:, None]
    if width < 2:
        return samples, None, ()
    said, counted = float(table["time"][-1] - table["time"][0]), (len(samples) - 1) / SEISMIC_HZ
    odd = f"the times beside the seismic samples span {said:.1f} s, their number {counted:.1f} s: their number counts"
    return samples, float(table["time"][0]), (odd,) if abs(said - counted) > _APART_S else ()


def _columns(path: Path, delimiter: str) -> int:
    with path.open("rb") as handle:
        return len(handle.readline(1 << 16).decode("latin-1").strip().split(delimiter if delimiter == "," else None))


def _cut(key: str, part: SampleRun) -> Recording:
    rates = {"audio": AUDIO_HZ / 2, "seismic": SEISMIC_HZ}
    main, streams = read_samples(
        part, rates, main="audio", subject=f"mod_{part.run}", name=f"mod_{key}", site=part.node
    )
    return main.replace(streams=streams, meta={"run": part.run, "node": part.node, "layout": "windows", **main.meta})


def _spec(channel: str, rate_hz: float, node: str) -> SignalSpec:
    return SignalSpec(rate_hz=rate_hz, channels=(channel,), units=("device units",), site=node)


DATASET = Dataset(CARD, _find, _read)
