"""RealWorld-HAR: eight activities outdoors with seven Android devices on the body."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kinelet.datasets.assemble import Times, magnetometer_spec, on_clock
from kinelet.datasets.base import Dataset, DatasetCard
from kinelet.datasets.gyroscope import Motion, accelerometer_only, with_gyroscope
from kinelet.datasets.tables import Table, read_csv
from kinelet.errors import BadFileError
from kinelet.signal.recording import Annotation, Recording
from kinelet.signal.spec import SignalSpec, imu_spec

_RATE_HZ = 50.0
_TOLERANCE_S = 0.04
_MIN_OVERLAP = 0.5
_EDGE_S = 0.015  # less than a sample: how far the overlap may reach beyond the gyroscope's first and last
_MAX_BYTES = 1 << 30
_SITES = ("chest", "forearm", "head", "shin", "thigh", "upperarm", "waist")
_ACTIVITIES = ("climbingdown", "climbingup", "jumping", "lying", "running", "sitting", "standing", "walking")
_MEMBER = re.compile(rf"[A-Za-z]+_({'|'.join(_ACTIVITIES)})(?:_(\d+))?_({'|'.join(_SITES)})\.csv", re.IGNORECASE)
_KINDS = {"attr_time": "int64", "attr_x": "float32", "attr_y": "float32", "attr_z": "float32"}

CARD = DatasetCard(
    name="realworld_har",
    title="RealWorld (HAR)",
    licence="free for research with citation (the publisher names no licence)",
    citation=(
        "Sztyler, Stuckenschmidt (2016). On-body localization of wearable devices: an investigation of position-aware "
        "activity recognition. IEEE PerCom"
    ),
    url="https://www.uni-mannheim.de/dws/research/projects/activity-recognition/dataset/dataset-realworld/",
    people=15,
    sites=_SITES,
    rates_hz=(_RATE_HZ,),
    labels=_ACTIVITIES,
    traps=(
        "Some activities were recorded in parts: archives within archives (people 4, 7, 14) or numbers in the names "
        "(people 4, 6, 7, 8, 13). Each part is a recording.",
        "A few sites are missing (person 2 climbing up, forearm; person 6 jumping, thigh).",
        "Devices have clocks of their own that differ by seconds between sites.",
        "50 Hz is nominal; accelerometer and gyroscope are separate files with separate clocks: the gyroscope is put "
        "on the accelerometer's, over the time that both cover.",
        "Published numbers use one position without saying which (the number of windows fits one): choose a site and "
        "name it.",
        "Jumping lasts one or two minutes, everything else about ten.",
        "Magnetometer (microtesla) and light (lux) are side streams with their own clocks, on the device's time: add "
        "--streams. Published models use waist, 5 s, all four kinds of signal.",
    ),
    layout="proband1/data/acc_climbingdown_csv.zip with acc_climbingdown_chest.csv, … in it; gyr_…, mag_…, "
    "lig_… beside",
)


class Archives(NamedTuple):
    """Archives of one person's activity."""

    acc: tuple[Path, ...] = ()
    gyr: tuple[Path, ...] = ()
    mag: tuple[Path, ...] = ()
    lig: tuple[Path, ...] = ()

    def beside(self, acc: Path) -> Archives:
        """With one more archive of the accelerometer, and what lies beside it."""
        others = {k: acc.with_name(acc.name.replace("acc_", f"{k}_", 1)) for k in ("gyr", "mag", "lig")}
        there = {k: (*getattr(self, k), path) for k, path in others.items() if path.is_file()}
        return self._replace(acc=(*self.acc, acc), **there)


def _find(raw: Path) -> dict[str, Archives]:
    found: dict[str, Archives] = {}
    for path in sorted(raw.resolve().rglob("acc_*_csv.zip")):
        match = re.fullmatch(rf"acc_({'|'.join(_ACTIVITIES)})(?:_\d+)?_csv\.zip", path.name)
        person = next((p for p in reversed(path.parts) if re.fullmatch(r"proband\d+", p)), None)
        if match and person:
            key = f"{person}_{match[1]}"
            found[key] = found.get(key, Archives()).beside(path)
    return found


def _read(key: str, archives: Archives) -> Iterator[Recording]:
    person, activity = key.split("_")
    acc, gyr, mag, lig = (_members(paths) for paths in archives)
    if not acc:
        raise BadFileError("no accelerometer table in it", where=str(archives.acc[0]), remedy="Download it again")
    for (part, site), source in sorted(acc.items()):
        table = read_csv(source, _KINDS, where=f"{archives.acc[0]} ({site})")
        time_s, moved, warning = _motion(table, gyr.get((part, site)), str(archives.acc[0]))
        name = f"realworld_har_{key}{f'_part{part}' if part else ''}_{site}"
        who = f"realworld_har_{int(person.removeprefix('proband')):02d}"
        others = {
            "mag": (mag.get((part, site)), magnetometer_spec(_RATE_HZ, site)),
            "light": (lig.get((part, site)), _light_spec(site)),
        }
        yield on_clock(
            moved.data,
            imu_spec(_RATE_HZ, gyro=moved.gyro, site=site),
            time_s,
            lost="no_gyroscope",
            subject=who,
            name=name,
            streams={k: _stream(data, spec, who, f"{name}_{k}") for k, (data, spec) in others.items() if data},
            start_unix_s=float(table["attr_time"].min()) / 1000.0 + float(time_s[0]),
            events=(Annotation(0.0, float(time_s[-1] - time_s[0]) + 1 / _RATE_HZ, label=activity),),
            meta={"part": part or "whole", **moved.meta},
            warnings=(*moved.warnings, *warning),
        )


def _light_spec(site: str) -> SignalSpec:
    return SignalSpec(rate_hz=_RATE_HZ, channels=("light",), units=("lux",), site=site)


def _stream(source: bytes, spec: SignalSpec, subject: str, name: str) -> Recording:
    """A sensor with a clock of its own: columns id, attr_time in milliseconds, then one a channel."""
    names = ("id", "attr_time", *spec.channels)
    kinds = {"attr_time": "int64"} | dict.fromkeys(spec.channels, "float32")
    table = read_csv(source, kinds, where=name, names=names, skip_rows=1)
    start = int(table["attr_time"].min())
    time_s, samples, sorted_ = _ordered(table, start, *spec.channels)
    odd = ("the clock runs backwards; samples were sorted by time",) if sorted_ else ()
    return on_clock(samples, spec, time_s, subject=subject, name=name, start_unix_s=start / 1000.0, warnings=odd)


def _members(paths: tuple[Path, ...]) -> dict[tuple[str, str], bytes]:
    """Tables by part and site, out of archives and the archives in them."""
    found: dict[tuple[str, str], bytes] = {}
    for path in paths:
        outer = re.search(r"_(\d+)_csv\.zip$", path.name)
        try:
            for name, data in _walk(zipfile.ZipFile(path), str(path)):
                match = _MEMBER.fullmatch(name.rsplit("/", 1)[-1])
                if match:
                    inner = re.search(r"_(\d+)_csv\.zip/", name)
                    part = match[2] or (inner or outer or {1: ""})[1]
                    _add(found, part, match[3].lower(), data)
        except (zipfile.BadZipFile, OSError) as error:
            raise BadFileError(
                f"not a readable archive ({error})", where=str(path), remedy="Download it again"
            ) from None
    return found


def _add(found: dict[tuple[str, str], bytes], part: str, site: str, data: bytes) -> None:
    """Keep a table; another one of the same part and site is a further part, the same one again is not."""
    names = [part, *(f"{part}again{i}" for i in range(1, len(found) + 1))]
    if data not in [found.get((name, site)) for name in names]:
        found[next(name for name in names if (name, site) not in found), site] = data


def _walk(archive: zipfile.ZipFile, where: str, nested: bool = True) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of an archive's tables; archives inside are opened once deep."""
    for info in archive.infolist():
        if info.file_size > _MAX_BYTES:
            raise BadFileError(f"{info.filename} claims {info.file_size} bytes", where=where)
        if nested and info.filename.endswith(".zip"):
            inner = zipfile.ZipFile(io.BytesIO(archive.read(info)))
            yield from ((f"{info.filename}/{n}", d) for n, d in _walk(inner, where, nested=False))
        elif info.filename.endswith(".csv"):
            yield info.filename, archive.read(info)


def _motion(acc: Table, gyr: bytes | None, where: str) -> tuple[Times, Motion, tuple[str, ...]]:
    """Times in seconds since the accelerometer's first, samples in order of time, and whether sorting was needed."""
    start = acc["attr_time"].min()
    acc_s, samples, sorted_ = _ordered(acc, start)
    warning = ("the clock runs backwards; samples were sorted by time",) if sorted_ else ()
    if gyr is None:
        return acc_s, accelerometer_only(samples, "m/s^2", "there is no gyroscope file"), warning
    gyr_s, turned, _ = _ordered(read_csv(gyr, _KINDS, where=f"{where} (gyroscope)"), start)
    both = _overlap(acc_s, gyr_s)
    outside = int((~both).sum())
    if outside:
        acc_s, samples = acc_s[both], samples[both]
        warning = (*warning, f"{outside} rows of the accelerometer before or after the gyroscope's time were left out")
    moved = with_gyroscope(acc_s, samples, gyr_s, turned, acc_unit="m/s^2", gyr_unit="rad/s", tolerance_s=_TOLERANCE_S)
    return acc_s, moved, warning


def _overlap(acc_s: Times, gyr_s: Times) -> np.ndarray:
    """Rows of the accelerometer in the gyroscope's time; all, where that is less than half of them."""
    if not len(gyr_s):
        return np.ones(len(acc_s), bool)
    both = (acc_s >= gyr_s[0] - _EDGE_S) & (acc_s <= gyr_s[-1] + _EDGE_S)
    return np.asarray(both if both.mean() >= _MIN_OVERLAP else np.ones(len(acc_s), bool))


def _ordered(table: Table, start: int, *channels: str) -> tuple[Times, np.ndarray, bool]:
    time_s = (table["attr_time"] - start) / 1000.0
    order = np.argsort(time_s, kind="stable")
    samples = table.stack(*(channels or ("attr_x", "attr_y", "attr_z")))
    return time_s[order], samples[order], bool((np.diff(time_s) < 0).any())


DATASET = Dataset(CARD, _find, _read)
