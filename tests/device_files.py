"""Writers of small valid device files, after the published formats, independent of the readers."""

from __future__ import annotations

import struct
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

START = datetime(2024, 3, 5, 9, 30, tzinfo=UTC).timestamp()


def wave(n: int, channels: int = 3, scale: float = 200.0) -> np.ndarray:
    """Integers that move, with a steady 1 g (256 steps) on the last of each three axes; shape ``(n, channels)``."""
    t = np.arange(n)[:, None]
    moved = scale * np.sin(t / (5.0 + np.arange(channels)))
    moved[:, 2::3] += 256
    return np.round(moved).astype(np.int64)


def pack_stamp(unix: float) -> int:
    d = datetime.fromtimestamp(int(unix), tz=UTC)
    return (d.year - 2000) << 26 | d.month << 22 | d.day << 17 | d.hour << 12 | d.minute << 6 | d.second


def cwa_header(hardware: int = 0x17, annotation: bytes = b"_p=left+wrist&_sc=P07") -> bytes:
    head = bytearray(b"\xff" * 1024)
    head[:2] = b"MD"
    head[2:4] = struct.pack("<H", 1020)
    head[4] = hardware
    head[5:7] = struct.pack("<H", 12345)
    head[7:11] = struct.pack("<I", 77)
    head[11:13] = struct.pack("<H", 1)
    head[41] = 50
    head[64 : 64 + len(annotation)] = annotation
    return bytes(head)


def cwa_block(
    samples: bytes,
    count: int,
    when: float,
    sequence: int,
    rate: float,
    *,
    rate_code: int = 0x4A,
    packing: int = 0x30,
    scale_bits: int = 0,
    light: int = 100,
) -> bytes:
    """One block whose first sample was taken at ``when``; the stamp belongs to the sample at the next whole second."""
    second = int(np.ceil(when))
    offset = round((second - when) * rate)
    body = struct.pack(
        "<2sHHIIIHHBBBBhH",
        b"AX",
        508,
        0,
        77,
        sequence,
        pack_stamp(second),
        scale_bits << 10 | light,
        265,
        0,
        200,
        rate_code,
        packing,
        offset,
        count,
    ) + samples.ljust(480, b"\0")
    return body + struct.pack("<H", -int(np.frombuffer(body, "<u2").sum()) & 0xFFFF)


def pack_ten_bit(values: np.ndarray) -> bytes:
    """Shape ``(n, 3)`` in -512..511, exponent 0."""
    v = values & 1023
    return (v[:, 0] | v[:, 1] << 10 | v[:, 2] << 20).astype("<u4").tobytes()


def write_ax3(
    path: Path,
    blocks: int = 6,
    *,
    rate: float = 100.0,
    skip: tuple[int, ...] = (),
    jump: dict[int, float] | None = None,
) -> np.ndarray:
    """AX3 file; returns the stored integers. ``rate`` is the true rate; ``skip`` leaves out blocks (a gap of time)."""
    values = np.clip(wave(blocks * 120), -512, 511)
    out, kept, late = [cwa_header()], [], 0.0
    for i in range(blocks):
        late += (jump or {}).get(i, 0.0)
        if i in skip:
            continue
        part = values[i * 120 : (i + 1) * 120]
        kept.append(part)
        out.append(cwa_block(pack_ten_bit(part), 120, START + i * 120 / rate + late, i, rate))
    path.write_bytes(b"".join(out))
    return np.concatenate(kept)


def write_ax6(path: Path, blocks: int = 6) -> np.ndarray:
    """AX6 file, +-8 g (1/4096 g), 1000 dps, 100 Hz; returns gyroscope then accelerometer integers."""
    values = wave(blocks * 40, 6, 2000.0)
    values[:, 5] += 4096
    out = [cwa_header(0x64)]
    for i in range(blocks):
        part = values[i * 40 : (i + 1) * 40].astype("<i2").tobytes()
        out.append(cwa_block(part, 40, START + i * 0.4, i, 100.0, packing=0x62, scale_bits=4 << 3 | 3))
    path.write_bytes(b"".join(out))
    return values


GENEACTIV_HEADER = """Device Identity
Device Unique Serial Code:012345
Device Type:GENEActiv
Device Model:1.1
Device Firmware Version:Ver4.08a
Calibration Date:2019-02-04 13:49:24:000

Configuration Info
Measurement Frequency:{rate} Hz
Start Time:2024-03-05 09:30:00:000
Time Zone:GMT +01:00

Subject Info
Device Location Code:left wrist
Subject Code:P07

Calibration Data
x gain:25600
x offset:0
y gain:25600
y offset:256
z gain:25600
z offset:-256
Volts:300
Lux:800

Memory Status
Number of Pages:{announced}

"""


def geneactiv_page(values: np.ndarray, number: int, when: float, rate: float = 50.0, light: int = 30) -> str:
    stamp = datetime.fromtimestamp(when, tz=UTC)
    digits = "".join(
        f"{(int(x) & 0xFFF) << 36 | (int(y) & 0xFFF) << 24 | (int(z) & 0xFFF) << 12 | light << 2 | 2 * (i == 7):012X}"
        for i, (x, y, z) in enumerate(values)
    )
    return (
        f"Recorded Data\nDevice Unique Serial Code:012345\nSequence Number:{number}\n"
        f"Page Time:{stamp:%Y-%m-%d %H:%M:%S}:{stamp.microsecond // 1000:03d}\nUnassigned:\nTemperature:28.5\n"
        f"Battery voltage:4.1\nDevice Status:Recording\nMeasurement Frequency:{rate}\n{digits}\n"
    )


def write_geneactiv(
    path: Path, pages: int = 3, *, skip: tuple[int, ...] = (), announced: int | None = None
) -> np.ndarray:
    """GENEActiv file at 50 Hz; returns the stored integers."""
    values = wave(pages * 300)
    kept = [i for i in range(pages) if i not in skip]
    text = GENEACTIV_HEADER.format(rate=50, announced=len(kept) if announced is None else announced)
    text += "".join(geneactiv_page(values[i * 300 : (i + 1) * 300], i, START + i * 6.0) for i in kept)
    path.write_text(text, newline="\n")
    return np.concatenate([values[i * 300 : (i + 1) * 300] for i in kept])


def record(kind: int, when: int, payload: bytes) -> bytes:
    """One record of log.bin with its check byte."""
    head = struct.pack("<BBIH", 0x1E, kind, when, len(payload)) + payload
    return head + bytes([~int(np.bitwise_xor.reduce(np.frombuffer(head, np.uint8))) & 0xFF])


def pack_twelve_bit(values: np.ndarray) -> bytes:
    """Shape ``(n, 3)`` x y z -> y x z of 12 bits, most significant first."""
    digits = "".join(f"{int(v) & 0xFFF:03X}" for v in values[:, [1, 0, 2]].ravel())
    return bytes.fromhex(digits + "0" * (len(digits) % 2))


def info_text(serial: str = "MOS2E12345678", rate: int = 30, scale: str = "Acceleration Scale: 256.0\n") -> str:
    ticks = int(START * 10**7) + 621_355_968_000_000_000
    return (
        f"Serial Number: {serial}\nDevice Type: wGT3XBT\nFirmware: 1.9.2\nSample Rate: {rate}\n"
        f"Start Date: {ticks}\nTimeZone: 01:00:00\n{scale}Limb: Wrist\nSubject Name: P07\n"
    )


def gt3x_log(
    seconds: list[int], rate: int = 30, kind: int = 0, sleep: tuple[int, ...] = ()
) -> tuple[bytes, np.ndarray]:
    """Activity records at the given seconds from the start, with sleep events; returns also the stored integers."""
    values = wave(len(seconds) * rate)
    out = [record(6, int(START), b'{"MetadataType":"Bio"}')]
    for i, s in enumerate(seconds):
        part = values[i * rate : (i + 1) * rate]
        payload = pack_twelve_bit(part) if kind == 0 else part.astype("<i2").tobytes()
        out.append(record(kind, int(START) + s, payload))
        if s in sleep:
            out.append(record(3, int(START) + s + 1, b"\x08"))
    out.append(record(5, int(START) + 1, struct.pack("<H", 40)) + record(5, int(START) + 2, struct.pack("<H", 50)))
    out.append(record(2, int(START) + 1, struct.pack("<H", 4100)) + record(kind, int(START) + seconds[-1] + 1, b"\x01"))
    return b"".join(out), values


def write_zip(path: Path, members: dict[str, bytes | str], compression: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def write_gt3x(
    path: Path, seconds: list[int] | None = None, *, rate: int = 30, kind: int = 0, sleep: tuple[int, ...] = ()
) -> np.ndarray:
    log, values = gt3x_log(list(range(8)) if seconds is None else seconds, rate, kind, sleep)
    write_zip(path, {"info.txt": info_text(rate=rate), "log.bin": log})
    return values


def write_nhanes(path: Path, n: int = 301) -> np.ndarray:
    """Old layout, with an odd number of samples so that the last half byte is padding."""
    values = np.round(wave(n) * (341 / 256)).astype(np.int64)
    lux = np.array([0, 19, 0xFFFF, 2200, 1100], dtype="<u2").tobytes()
    info = info_text("NEO1C12345678", scale="")
    write_zip(path, {"info.txt": info, "activity.bin": pack_twelve_bit(values), "lux.bin": lux})
    return values
