"""GENEActiv ``.bin`` files.

Source: Activinsights' GENEActiv instructions, section on ``.bin`` files: a header of text lines, then pages, each of
nine text lines and 300 samples in hexadecimal (6 bytes a sample: three 12-bit axes, 10-bit light, button).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kinelet.errors import BadFileError
from kinelet.readers._blocks import (
    LOCAL_CLOCK,
    choose,
    clean,
    corrupt_blocks,
    file_size,
    norm_warning,
    side_stream,
)
from kinelet.readers._clock import CLOCK_POLICIES, Timeline, lay_out
from kinelet.readers._geneactiv_pages import (
    PAGE_SAMPLES,
    SAMPLE_BYTES,
    Page,
    Scale,
    decode,
    number,
    page_starts,
    stamps,
    usable_pages,
)
from kinelet.signal.recording import Annotation, FloatArray, Recording
from kinelet.signal.spec import SignalSpec, imu_spec

MAX_PRESSES = 10_000


def read_geneactiv(
    path: str | Path, *, subject: str | None = None, corrupt: str = "gap", clock: str = "device"
) -> Recording:
    """Read a GENEActiv ``.bin`` file.

    Args:
        path: The file.
        subject: Who wore the device; the file's stem by default.
        corrupt: What to do with pages that cannot be decoded: ``gap`` (default) leaves them out and says how many,
            ``error`` refuses the file. The samples of a last page that is cut short are kept, with a warning.
        clock: ``device`` (default): the pages' time stamps (in steps of 0.5 s) give the rate where the recording is
            long enough to tell it from the nominal one. ``nominal``: the rate that the device was set to.

    Returns:
        Acceleration in g; streams ``light`` (lux, at the full rate), ``temperature`` (degC) and ``battery`` (V), one
        value a page; annotations of track ``button``. The device keeps local time; ``start_unix_s`` takes it as UTC.

    Raises:
        BadFileError: if the file is not a GENEActiv file, has no calibration or holds no usable page.
        BadOptionError: if a policy is unknown.
    """
    choose("corrupt", corrupt, ("gap", "error"))
    choose("clock", clock, CLOCK_POLICIES)
    path = Path(path)
    raw = _load(path)
    starts = page_starts(raw)
    header = _read_header(raw[: starts[0]] if starts else raw, path)
    if not starts:
        raise BadFileError("it has a header but no page of data", where=str(path), remedy="Copy it again")
    scale = _read_scale(header, path)
    pages, kept, first_bad = usable_pages(raw, starts)
    if not pages:
        raise BadFileError(f"none of its {len(starts)} pages can be used ({first_bad})", where=str(path))
    bad = len(starts) - len(pages)
    warnings = corrupt_blocks(corrupt, path, bad, len(starts), first_bad, bad * PAGE_SAMPLES)
    warnings += _remarks(header, pages, len(starts))
    timeline = lay_out(stamps(pages, kept), clock)
    data, light, button = decode(pages, scale)
    recording = _recording(path, subject or path.stem, data, pages, scale, timeline, kept, header)
    presses, many = _presses(button, recording)
    return recording.replace(
        annotations=presses,
        streams={**_light(recording, light, scale), **recording.streams},
        meta={**_meta(header, pages[0].rate_hz, timeline, corrupt, clock), "pages": len(starts), "corrupt_blocks": bad},
        warnings=(*warnings, *many, *timeline.warnings, *norm_warning(data)),
    )


def _load(path: Path) -> bytes:
    file_size(path, "a GENEActiv .bin file")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadFileError(f"cannot be read ({error.strerror or error})", where=str(path)) from error
    if not raw.startswith(b"Device Identity"):
        raise BadFileError(
            f"not a GENEActiv .bin file (it starts with {raw[:16]!r}, not b'Device Identity')",
            where=str(path),
            remedy="Check the format, or name it with format=",
        )
    return raw


def _read_header(head: bytes, path: Path) -> dict[str, str]:
    """Key to value of the header's lines; the first of two lines with the same key counts."""
    out: dict[str, str] = {}
    for line in head[:65536].split(b"\n"):
        key, colon, value = line.partition(b":")
        if colon:
            out.setdefault(clean(key), clean(value))
    return out


def _read_scale(header: dict[str, str], path: Path) -> Scale:
    gain = np.array([number(header.get(f"{axis} gain", "")) for axis in "xyz"])
    offset = np.array([number(header.get(f"{axis} offset", "")) for axis in "xyz"])
    # 12 bits over about +-8 g are 0.0039 g a step, a gain near 25,600; a few times that may be another range.
    if not ((gain > 2000) & (gain < 250_000) & (np.abs(offset) < 50_000)).all():
        raise BadFileError(
            f"its calibration is missing or impossible (gain {gain.tolist()}, offset {offset.tolist()})",
            where=str(path),
            remedy="The header is corrupt; copy the file from the device again",
        )
    volts, lux = (number(header.get(key, "")) for key in ("Volts", "Lux"))
    return Scale(gain, offset, lux / volts if volts > 0 and lux > 0 else None)


def _remarks(header: dict[str, str], pages: list[Page], found: int) -> tuple[str, ...]:
    out = []
    announced = number(header.get("Number of Pages", ""))
    if announced != found and announced == announced:
        out.append(f"the header announces {announced:.0f} pages, the file holds {found}; those were read")
    if pages[-1].cut:
        out.append(f"the last page is cut short; its {len(pages[-1].samples) // SAMPLE_BYTES} whole samples were kept")
    stray = [page.stray for page in pages if page.stray]
    if stray:
        out.append(f"{sum(stray)} bytes behind {len(stray)} pages belong to no page; they were left out")
    setting = number(header.get("Measurement Frequency", ""))
    if setting != pages[0].rate_hz:
        out.append(f"the header says {setting:g} Hz, the pages {pages[0].rate_hz:g} Hz; the pages' rate was used")
    return tuple(out)


def _recording(
    path: Path,
    subject: str,
    data: FloatArray,
    pages: list[Page],
    scale: Scale,
    timeline: Timeline,
    kept: npt.NDArray[np.int64],
    header: dict[str, str],
) -> Recording:
    count = np.array([len(page.samples) // SAMPLE_BYTES for page in pages], dtype=np.int64)
    first = np.cumsum(count) - count
    lost = np.diff(kept)[timeline.gap_blocks - 1] > 1
    slow = {
        "temperature": ("degC", [page.temperature for page in pages]),
        "battery": ("V", [page.battery for page in pages]),
    }
    streams = {k: side_stream(k, unit, values, first, timeline, subject) for k, (unit, values) in slow.items()}
    return Recording(
        data,
        imu_spec(timeline.rate_hz, site=header.get("Device Location Code") or None),
        subject,
        path.stem,
        segments=timeline.segments,
        start_unix_s=timeline.start_unix_s,
        time_s=timeline.time_s,
        gap_reasons=tuple("corrupt_block" if bad else "clock" for bad in lost),
        resolution=tuple(float(step) for step in 100 / scale.gain),
        streams={k: v for k, v in streams.items() if v is not None},
    )


def _light(recording: Recording, light: npt.NDArray[np.uint16], scale: Scale) -> dict[str, Recording]:
    """Light on the clock of the acceleration, in lux where the header has the factor."""
    unit, factor = ("raw", 1.0) if scale.lux is None else ("lux", scale.lux)
    spec = SignalSpec(rate_hz=recording.spec.rate_hz, channels=("light",), units=(unit,), gravity=False)
    data = (light * np.float32(factor)).astype(np.float32)[:, None]
    stream = recording.replace(
        data=data, spec=spec, name="light", resolution=(factor,), streams={}, meta={}, warnings=(), annotations=()
    )
    return {"light": stream}


def _presses(button: npt.NDArray[np.bool_], recording: Recording) -> tuple[tuple[Annotation, ...], tuple[str, ...]]:
    """Button presses as annotations."""
    edges = np.flatnonzero(np.diff(button.astype(np.int8), prepend=0, append=0))
    begin, end = edges[::2], edges[1::2]
    if len(begin) == 0:
        return (), ()
    if len(begin) > MAX_PRESSES:
        return (), (f"{len(begin)} button presses are not plausible; they were left out",)
    time, period = recording.times(), 1.0 / recording.spec.rate_hz
    spans = zip(time[begin].tolist(), (time[end - 1] + period).tolist(), strict=True)
    return tuple(Annotation(a, b, label="pressed", track="button") for a, b in spans), ()


def _meta(header: dict[str, str], nominal_hz: float, timeline: Timeline, corrupt: str, clock: str) -> dict[str, Any]:
    facts = {
        "device": header.get("Device Type") or "GENEActiv",
        "serial": header.get("Device Unique Serial Code", ""),
        "firmware": header.get("Device Firmware Version", ""),
        "subject_code": header.get("Subject Code", ""),
        "time_zone": header.get("Time Zone", ""),
        "notes": header.get("Extract Notes", ""),
    }
    return {
        **{key: value for key, value in facts.items() if value},
        "reader": "geneactiv",
        "nominal_rate_hz": nominal_hz,
        "measured_rate_hz": timeline.measured_hz,
        "clock_residual_s": timeline.residual_s,
        "clock": LOCAL_CLOCK,
        "policies": {"corrupt": corrupt, "clock": clock},
    }
