"""ACIDS: ground vehicles that pass arrays of microphones and geophones, in deserts, in the cold and elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kinelet.datasets.assemble import on_grid
from kinelet.datasets.base import Dataset, DatasetCard
from kinelet.datasets.tables import read_mat
from kinelet.errors import BadFileError
from kinelet.signal.recording import Annotation, FloatArray, Recording
from kinelet.signal.spec import SignalSpec

RATE_HZ = 40000.0 / 39.0
"""1025.641 Hz; users of the set take it for 1024."""
_SPIKES = 20
_META = "ACIDS_meta.csv"
_NAME = re.compile(r"Gv(?P<vehicle>[1-9])(?P<terrain>[a-d])(?P<array>\d)(?P<run>\d{3})\.mat")
_VEHICLES = tuple(f"vehicle {i}" for i in range(1, 10))

CARD = DatasetCard(
    name="acids",
    title="ACIDS (acoustic and seismic identification of ground vehicles)",
    licence="none named (given out by the US Army Research Laboratory)",
    citation="Acoustic-seismic Classification Identification Data Set (ACIDS). US Army Research Laboratory",
    url="https://github.com/tomoyoshki/focal",
    people=98,
    sites=("array1", "array2"),
    rates_hz=(RATE_HZ,),
    labels=_VEHICLES,
    traps=(
        "Nobody wears anything: a run takes the place of a person. Gv1a1002 and Gv1a2002 are one drive of vehicle 1 in "
        "terrain a, recorded by two arrays at once (so their names and the table say): a split by file puts it on "
        "both sides, a split of kinelet does not.",
        "The sampling rate is 1025.641 Hz, not the 1024 Hz that windows of 1024 samples suggest.",
        "The last 20 samples of a file are outliers: they are left out.",
        "Three microphones; the geophones (two channels) are a side stream on the same clock: add --streams.",
        f"Speed, terrain and distance are in {_META}, which comes with the users' code, not with the recordings: "
        "where it is there, they are annotated. A speed of ? is left open, one of >30 too.",
        "The tenth class of published models, background, is no label of the set: users take the quietest windows.",
        "Customary: 126 files dealt at random, 90 or 95 of 100 for training, validated on the test files.",
    ),
    layout=f"Acoustics/Gv1a1002.mat, … and Seismic/Gv1sa1002.mat, …; {_META} where wanted",
    track="vehicle",
    who="drives",
)


class Pass(NamedTuple):
    """One array's recording of one drive, and what is known about the drives."""

    acoustic: Path
    seismic: Path | None
    about: Path | None


def _find(raw: Path) -> dict[str, Pass]:
    about = next(iter(sorted(raw.rglob(_META))), None)
    found = {}
    for path in sorted(raw.rglob("Gv*.mat")):
        if _NAME.fullmatch(path.name):
            seismic = path.parent.parent / "Seismic" / f"{path.name[:3]}s{path.name[3:]}"
            found[path.stem] = Pass(path, seismic if seismic.is_file() else None, about)
    return found


def _read(key: str, part: Pass) -> Iterator[Recording]:
    match = _NAME.fullmatch(f"{key}.mat")
    assert match is not None  # _find lets nothing else through
    person, site = f"acids_v{match['vehicle']}{match['terrain']}_{match['run']}", f"array{match['array']}"
    about = {"vehicle": int(match["vehicle"]), "array": int(match["array"]), "run": match["run"]}
    audio = _samples(part.acoustic)
    streams = _seismic(part, len(audio), person, f"acids_{key}_seismic", site, about)
    end = len(audio) / RATE_HZ
    marks = [Annotation(0.0, end, label=_VEHICLES[int(match["vehicle"]) - 1], track="vehicle")]
    yield on_grid(
        audio,
        _spec("audio", audio, site),
        subject=person,
        name=f"acids_{key}",
        streams=streams,
        events=(*marks, *_known(part, end)),
        meta={**about, "samples_left_out": _SPIKES},
        warnings=() if streams else ("there is no seismic file",),
    )


def _seismic(part: Pass, n: int, person: str, name: str, site: str, about: dict[str, Any]) -> dict[str, Recording]:
    if part.seismic is None:
        return {}
    data = _samples(part.seismic)
    odd = () if len(data) == n else (f"{len(data)} seismic samples beside {n} acoustic ones",)
    meta = about | {"starts_after_s": 0.0}
    spec = _spec("seismic", data, site)
    return {"seismic": on_grid(data, spec, subject=person, name=name, meta=meta, warnings=odd)}


def _samples(path: Path) -> FloatArray:
    """Samples (time, channel) without the outliers at the end."""
    data = np.asarray(read_mat(path).get("Output_data", ()))
    data = data[None] if data.ndim == 1 else data
    if data.ndim != 2 or data.dtype.kind not in "fiu" or data.shape[1] <= max(_SPIKES, data.shape[0]):
        what = f"no matrix Output_data (channel, time), but {data.dtype} {data.shape}"
        raise BadFileError(what, where=str(path), remedy="Download it again")
    return np.ascontiguousarray(data[:, :-_SPIKES].T, dtype=np.float32)


def _known(part: Pass, end: float) -> Iterator[Annotation]:
    """Terrain, speed and distance of a file, where the table says them."""
    if part.about is None:
        return
    rows = [line.strip().split(",") for line in part.about.read_text("utf-8", "replace").splitlines()]
    row = next((r for r in rows if r[0] == part.acoustic.name), None)
    if row is None:
        return
    if len(row) != 5:
        raise BadFileError(f"the row of {row[0]} has {len(row)} columns, not 5", where=str(part.about))
    yield Annotation(0.0, end, label=row[3].lower(), track="terrain")
    for text, track in ((row[2], "speed"), (row[4], "distance")):
        if re.fullmatch(r"\d+(\.\d+)?", text):
            yield Annotation(0.0, end, value=float(text), track=track)


def _spec(kind: str, data: FloatArray, site: str) -> SignalSpec:
    channels = tuple(f"{kind}_{i + 1}" for i in range(data.shape[1]))
    return SignalSpec(rate_hz=RATE_HZ, channels=channels, units=("device units",) * len(channels), site=site)


DATASET = Dataset(CARD, _find, _read)
