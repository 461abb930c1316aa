"""Axivity ``.cwa`` files of the AX3 (accelerometer) and AX6 (accelerometer and gyroscope).

Source: the file format published with the Open Movement project (``Docs/ax3/cwa.h``): a header of 1024 bytes, then
blocks of 512 bytes, each with its own time stamp, counter, settings and check sum.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import numpy.typing as npt

from kinelet.errors import BadFileError
from kinelet.readers._blocks import (
    LOCAL_CLOCK,
    Bytes,
    choose,
    clean,
    corrupt_blocks,
    load_bytes,
    norm_warning,
    side_stream,
)
from kinelet.readers._clock import CLOCK_POLICIES, Timeline, lay_out
from kinelet.readers._cwa_blocks import BLOCK, BLOCK_BYTES, HEADER_BYTES, Layout, check_blocks, decode, is_blank, stamps
from kinelet.signal.recording import FloatArray, Recording
from kinelet.signal.spec import imu_spec

HARDWARE = {0x00: "AX3", 0xFF: "AX3", 0x17: "AX3", 0x64: "AX6"}


def read_cwa(path: str | Path, *, subject: str | None = None, corrupt: str = "gap", clock: str = "device") -> Recording:
    """Read an Axivity ``.cwa`` file.

    Args:
        path: The file.
        subject: Who wore the device; the file's stem by default.
        corrupt: What to do with blocks whose check sum, time or layout is wrong: ``gap`` (default) leaves them out and
            says how many, ``error`` refuses the file.
        clock: ``device`` (default): the blocks' time stamps give the rate, which is up to a few percent off the
            nominal one; where it drifts by more than 0.1 s, every sample gets its own time (``Recording.time_s``).
            ``nominal``: the rate that the device was set to, with the gaps that the stamps show.

    Returns:
        Acceleration in g and, for an AX6, angular rate in rad/s; streams ``temperature`` (degC), ``light`` (raw),
        ``battery`` (V), one value a block. The device keeps local time; ``start_unix_s`` takes it as UTC.

    Raises:
        BadFileError: if the file is not a CWA file or holds no usable block.
        BadOptionError: if a policy is unknown.
    """
    choose("corrupt", corrupt, ("gap", "error"))
    choose("clock", clock, CLOCK_POLICIES)
    path = Path(path)
    raw = load_bytes(path, "an Axivity .cwa file")
    header = _read_header(raw, path)
    blocks, tail = _split(raw, path)
    good, layout, first_bad = check_blocks(blocks, path)
    blank = is_blank(blocks)
    bad = ~good & ~blank
    warnings = corrupt_blocks(corrupt, path, int(bad.sum()), len(blocks), first_bad, int(bad.sum()) * layout.capacity)
    warnings += _remarks(tail, int(blank.sum()), layout)
    kept = np.flatnonzero(good)
    usable = blocks if good.all() else blocks[kept]
    timeline = lay_out(stamps(usable, kept, layout), clock)
    data = decode(usable, layout)
    return _recording(path, subject or path.stem, data, layout, timeline, usable, header, kept).replace(
        meta={**header, **_meta(layout, timeline, corrupt, clock, len(blocks), int(bad.sum()))},
        warnings=(*warnings, *timeline.warnings, *norm_warning(data[:, :3])),
    )


def _read_header(raw: Bytes, path: Path) -> dict[str, Any]:
    """Facts in the header; nothing that decoding depends on, since every block carries its own settings."""
    if raw[:2].tobytes() != b"MD":
        raise BadFileError(
            f"not an Axivity .cwa file (it starts with {raw[:4].tobytes()!r}, not b'MD')",
            where=str(path),
            remedy="Check the format, or name it with format=",
        )
    if len(raw) < HEADER_BYTES + BLOCK_BYTES:
        raise BadFileError(
            f"truncated: {len(raw)} bytes, but the header and one block take {HEADER_BYTES + BLOCK_BYTES}",
            where=str(path),
            remedy="Copy the file from the device again",
        )
    head = raw[:HEADER_BYTES]
    low, high = (int(head[i : i + 2].view("<u2")[0]) for i in (5, 11))
    notes = dict(parse_qsl(clean(head[64:512].tobytes().rstrip(b"\x00\x20\xff")), max_num_fields=None))
    facts: dict[str, Any] = {
        "device": HARDWARE.get(int(head[4]), f"Axivity 0x{int(head[4]):02x}"),
        "serial": str(low + (0 if high == 0xFFFF else high << 16)),
        "session": int(head[7:11].copy().view("<u4")[0]),
        "firmware": int(head[41]),
    }
    return facts | ({"annotation": notes} if notes else {})


def _split(raw: Bytes, path: Path) -> tuple[npt.NDArray[np.void], int]:
    """Whole blocks, shape ``(block,)``, and how many bytes are left over."""
    n, tail = divmod(len(raw) - HEADER_BYTES, BLOCK_BYTES)
    return raw[HEADER_BYTES : HEADER_BYTES + n * BLOCK_BYTES].view(BLOCK), tail


def _remarks(tail: int, blank: int, layout: Layout) -> tuple[str, ...]:
    out = []
    if tail:
        out.append(f"the file ends in {tail} bytes that are not a whole block; they were left out")
    if blank:
        out.append(f"{blank} blocks were never written by the device")
    if layout.axes == 9:
        out.append("the magnetometer was not read: the format does not document its unit")
    return tuple(out)


def _recording(
    path: Path,
    subject: str,
    data: FloatArray,
    layout: Layout,
    timeline: Timeline,
    blocks: npt.NDArray[np.void],
    header: dict[str, Any],
    kept: npt.NDArray[np.int64],
) -> Recording:
    count = blocks["count"].astype(np.int64)
    first = np.cumsum(count) - count
    lost = np.diff(kept)[timeline.gap_blocks - 1] > 1
    slow = {
        "temperature": ("degC", (blocks["temperature"] & 1023) * (75 / 256) - 50),
        "light": ("raw", blocks["light_scale"] & 1023),
        "battery": ("V", (blocks["battery"] + 512.0) * 6 / 1024),
    }
    streams = {k: side_stream(k, unit, values, first, timeline, subject) for k, (unit, values) in slow.items()}
    return Recording(
        data,
        imu_spec(timeline.rate_hz, gyro=layout.axes > 3, site=header.get("annotation", {}).get("_p")),
        subject,
        path.stem,
        segments=timeline.segments,
        start_unix_s=timeline.start_unix_s,
        time_s=timeline.time_s,
        gap_reasons=tuple("corrupt_block" if bad else "clock" for bad in lost),
        resolution=layout.steps,
        streams={k: v for k, v in streams.items() if v is not None},
    )


def _meta(layout: Layout, timeline: Timeline, corrupt: str, clock: str, blocks: int, bad: int) -> dict[str, Any]:
    return {
        "reader": "axivity",
        "range_g": layout.range_g,
        "nominal_rate_hz": layout.rate_hz,
        "measured_rate_hz": timeline.measured_hz,
        "clock_residual_s": timeline.residual_s,
        "blocks": blocks,
        "corrupt_blocks": bad,
        "clock": LOCAL_CLOCK,
        "policies": {"corrupt": corrupt, "clock": clock},
    }
