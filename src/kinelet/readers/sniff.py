"""Which format a file is of, from its first bytes."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

from kinelet.errors import BadFileError

E4_STREAMS = ("ACC.csv", "BVP.csv", "TEMP.csv", "EDA.csv", "HR.csv", "IBI.csv")


def is_cwa(path: Path, head: bytes) -> bool:
    """Axivity: header block ``MD``, little-endian length 1020."""
    return head[:4] == b"MD\xfc\x03"


def is_geneactiv(path: Path, head: bytes) -> bool:
    """GENEActiv: text that begins with the device's identity."""
    return head.lstrip(b"\xef\xbb\xbf").startswith(b"Device Identity")


def is_gt3x(path: Path, head: bytes) -> bool:
    """ActiGraph: a zip with ``info.txt`` and a log or the old activity file."""
    if not head.startswith(b"PK"):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return "info.txt" in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error):
        return False


def is_actigraph_csv(path: Path, head: bytes) -> bool:
    """ActiGraph's own CSV header."""
    return (
        b"Data File Created By ActiGraph" in head.split(b"\n", 1)[0] or b"Data Table File Created By ActiGraph" in head
    )


def is_e4(path: Path, head: bytes) -> bool:
    """A folder with the E4's stream files, or its ACC.csv."""
    if path.is_dir():
        return any((path / name).is_file() for name in E4_STREAMS)
    return path.name == "ACC.csv" and head[:1].isdigit() and head.split(b"\n", 1)[0].count(b",") == 2


def is_apple(path: Path, head: bytes) -> bool:
    """A CSV header with the names that Core Motion loggers write."""
    from kinelet.readers._coremotion import is_apple_header

    return is_apple_header(head.split(b"\n", 1)[0].decode("utf-8", "replace"))


def is_table(path: Path, head: bytes) -> bool:
    """Parquet by its magic; CSV and NPZ are told by the extension."""
    return head[:4] == b"PAR1"


def refuse_known_strangers(path: Path, head: bytes) -> None:
    """Raise a helpful error for files that are often mistaken for raw recordings."""
    if b"<HealthData" in head or b"HealthKit Export" in head:
        raise BadFileError(
            "an Apple Health export holds summaries (steps, heart rate), no raw motion",
            where=str(path),
            remedy="Record with an app that logs Core Motion, such as SensorLog or Sensor Logger, and read its CSV",
        )
    if path.is_dir():
        raise BadFileError(
            "no stream of a known device in this folder",
            where=str(path),
            remedy=f"Looked for {', '.join(E4_STREAMS)}; a folder of recordings goes to kinelet corpus build",
        )
