"""ActiGraph ``.gt3x`` files: records of ``log.bin`` (Activity, Activity2) and the old NHANES layout (``activity.bin``).

Source: ActiGraph's published notes on the GT3X and the NHANES GT3X file formats (MIT licence).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from kinelet.errors import BadFileError
from kinelet.readers import _gt3x_log as gl
from kinelet.readers._blocks import (
    LOCAL_CLOCK,
    choose,
    corrupt_blocks,
    file_size,
    norm_warning,
)
from kinelet.readers._clock import Blocks, lay_out
from kinelet.readers._gt3x_extras import hold_idle, old_light, sleep_gaps, slow_streams, unread_records
from kinelet.readers._gt3x_facts import Facts, read_facts
from kinelet.readers._zip import read_members
from kinelet.signal.recording import FloatArray, Recording
from kinelet.signal.spec import imu_spec

CHUNK = 4096


def read_gt3x(
    path: str | Path, *, subject: str | None = None, corrupt: str = "gap", idle_sleep: str = "gap"
) -> Recording:
    """Read an ActiGraph ``.gt3x`` file.

    Args:
        path: The file.
        subject: Who wore the device; the file's stem by default.
        corrupt: What to do with damaged stretches of the log: ``gap`` (default) leaves them out and says how many,
            ``error`` refuses the file. The old layout has no check sums, so that damage to it is always an error.
        idle_sleep: The device writes nothing while it lies still, if set so. ``gap`` (default): these stretches are
            gaps. ``hold``: they are filled with the last sample before them, as the maker's software does.

    Returns:
        Acceleration in g on the nominal clock (each record holds the samples of one second); streams ``light`` (lux)
        and ``battery`` (V). The device keeps local time; ``start_unix_s`` takes it as UTC.

    Raises:
        BadFileError: if the file is not a GT3X archive, or holds no acceleration.
        BadOptionError: if a policy is unknown.
    """
    choose("corrupt", corrupt, ("gap", "error"))
    choose("idle_sleep", idle_sleep, ("gap", "hold"))
    path = Path(path)
    file_size(path, "an ActiGraph .gt3x file")
    members, damage = read_members(path, ("info.txt", "log.bin", "activity.bin", "lux.bin"), "an ActiGraph .gt3x file")
    if damage and corrupt == "error":
        raise BadFileError("; ".join(damage.values()), where=str(path), remedy='corrupt="gap" reads what is left')
    if "info.txt" not in members or not {"log.bin", "activity.bin"} & set(members):
        raise BadFileError(
            f"not an ActiGraph .gt3x file: of info.txt and log.bin it has {sorted(members) or 'none'}",
            where=str(path),
        )
    if "log.bin" in members:
        recording = _read_log(path, members, corrupt, idle_sleep)
    else:
        recording = _read_old(path, members, damage)
    return recording.replace(
        subject=subject or path.stem,
        meta={**recording.meta, "policies": {"corrupt": corrupt, "idle_sleep": idle_sleep}},
        warnings=(*damage.values(), *recording.warnings, *norm_warning(recording.data)),
    )


def _read_log(path: Path, members: dict[str, bytes], corrupt: str, idle_sleep: str) -> Recording:
    log = gl.find_records(np.frombuffer(members["log.bin"], dtype=np.uint8))
    facts = read_facts(members["info.txt"], gl.parameters(log), log, path)
    second = np.flatnonzero(np.isin(log.kind, (gl.ACTIVITY, gl.ACTIVITY2)) & (log.size > 1))
    count = gl.samples_in(log, second)
    too_long = count > facts.rate
    second, count = second[~too_long & (count > 0)], count[~too_long & (count > 0)]
    bad = log.damaged + int(too_long.sum())
    if len(second) == 0:
        raise BadFileError(
            f"no acceleration: {len(log.kind)} valid records, none with samples at {facts.rate} Hz",
            where=str(path),
            remedy="Check that the device was set to keep raw data",
        )
    lost_samples = round((log.damaged_bytes / 4.5) if log.damaged else 0) + int(too_long.sum()) * facts.rate
    first = f"the first is at byte {log.first_damage} of log.bin" if log.damaged else "they hold too many samples"
    warnings = corrupt_blocks(corrupt, path, bad, len(log.kind) + log.damaged, first, lost_samples)
    data = _decode(log, second, count, facts.scale)
    timeline = lay_out(
        Blocks(
            unix_s=log.unix_s[second].astype(np.float64),
            anchor=np.zeros(len(second)),
            count=count,
            lost_s=np.zeros(len(second)),
            nominal_hz=float(facts.rate),
            jitter_s=0.0,
        ),
        "nominal",
    )
    reasons = sleep_gaps(log, second, timeline)
    recording = Recording(
        data,
        imu_spec(float(facts.rate), site=facts.info.get("limb") or None),
        path.stem,
        path.stem,
        segments=timeline.segments,
        start_unix_s=timeline.start_unix_s,
        gap_reasons=reasons,
        resolution=(1 / facts.scale,) * 3,
        streams=slow_streams(log, timeline, path.stem),
        meta=_meta(facts, "log.bin", log),
        warnings=(*facts.warnings, *warnings, *unread_records(log), *timeline.warnings),
    )
    return hold_idle(recording, path) if idle_sleep == "hold" else recording


def _read_old(path: Path, members: dict[str, bytes], damage: dict[str, str]) -> Recording:
    """The layout of GT3X+ and ActiSleep+ with firmware up to 2.5: samples one after the other from the start date."""
    if "activity.bin" in damage:
        raise BadFileError(damage["activity.bin"], where=str(path), remedy="Copy the file from the device again")
    facts = read_facts(members["info.txt"], {}, None, path)
    packed = np.frombuffer(members["activity.bin"], dtype=np.uint8)
    n = len(packed) * 8 // 36
    if n == 0:
        raise BadFileError(f"no acceleration: its activity.bin has {len(packed)} bytes", where=str(path))
    data = np.empty((n, 3), dtype=np.float32)
    # Nine bytes hold two samples.
    step = CHUNK * 9
    for at in range(0, len(packed), step):
        values = gl.unpack_activity(packed[None, at : at + step])[0]
        begin = at // 9 * 2
        part = data[begin : begin + len(values)]
        np.divide(values[: len(part)], np.float32(facts.scale), out=part)
    light = old_light(members.get("lux.bin", b""), facts, path.stem)
    warnings = facts.warnings
    if facts.start_unix_s is None:
        warnings = (*warnings, "its start date is missing or impossible; the time of day is unknown")
    return Recording(
        data,
        imu_spec(float(facts.rate), site=facts.info.get("limb") or None),
        path.stem,
        path.stem,
        start_unix_s=facts.start_unix_s,
        resolution=(1 / facts.scale,) * 3,
        streams={"light": light} if light is not None else {},
        meta=_meta(facts, "activity.bin", None),
        warnings=warnings,
    )


def _decode(log: gl.Log, records: gl.Ints, count: gl.Ints, scale: float) -> FloatArray:
    """Samples of the given records in g, shape ``(time, 3)``."""
    first = np.cumsum(count) - count
    data: FloatArray = np.empty((int(count.sum()), 3), dtype=np.float32)
    kinds = log.kind[records] * 65536 + log.size[records]
    for key in np.unique(kinds):
        unpack = gl.unpack_activity if key // 65536 == gl.ACTIVITY else gl.unpack_activity2
        same = np.flatnonzero(kinds == key)
        # Views of all stretches of a record's length: indexing them copies whole records at a time.
        payloads = sliding_window_view(log.data, int(key % 65536))
        seconds = sliding_window_view(data.reshape(-1), 3 * int(count[same[0]]), writeable=True)
        for at in range(0, len(same), CHUNK):
            part = same[at : at + CHUNK]
            values = unpack(payloads[log.payload[records[part]]]).reshape(len(part), -1)
            seconds[3 * first[part]] = values / np.float32(scale)
    return data


def _meta(facts: Facts, layout: str, log: gl.Log | None) -> dict[str, Any]:
    info = facts.info
    named = {
        "device": info.get("device type") or "ActiGraph",
        "serial": info.get("serial number", ""),
        "firmware": info.get("firmware", ""),
        "subject_name": info.get("subject name", ""),
        "time_zone": info.get("timezone", ""),
    }
    records: dict[str, Any] = {}
    if log is not None:
        kinds, counts = np.unique(log.kind, return_counts=True)
        names = [gl.KNOWN.get(int(k), f"type {int(k)}") for k in kinds]
        records = {"records": dict(zip(names, counts.tolist(), strict=True)), "damaged_stretches": log.damaged}
    return {
        **{key: value for key, value in named.items() if value},
        "reader": "gt3x",
        "layout": layout,
        "scale_per_g": facts.scale,
        "nominal_rate_hz": float(facts.rate),
        "measured_rate_hz": None,
        "clock": LOCAL_CLOCK,
        **records,
    }
