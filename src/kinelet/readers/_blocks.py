"""What the binary readers share: bounded reading, policy choices, side streams, plausibility."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kinelet.errors import BadFileError, BadOptionError
from kinelet.readers._clock import Timeline, sample_times
from kinelet.signal.recording import FloatArray, Recording
from kinelet.signal.spec import SignalSpec

Bytes = npt.NDArray[np.uint8]
LOCAL_CLOCK = "device local time, taken as UTC"


def choose(option: str, value: str, allowed: Sequence[str]) -> None:
    """Check a policy option.

    Raises:
        BadOptionError: if ``value`` is not one of ``allowed``.
    """
    if value not in allowed:
        raise BadOptionError(f"{option}={value!r} is not known", remedy=f"Use one of {', '.join(map(repr, allowed))}")


def file_size(path: Path, what: str) -> int:
    """Size of a regular, non-empty file.

    Raises:
        BadFileError: if it is missing, a folder or another special file, or empty.
    """
    try:
        if not path.is_file():
            state = "is not a regular file" if path.exists() else "does not exist"
            raise BadFileError(f"{state}, so it cannot be read as {what}", where=str(path), remedy="Check the path")
        size = path.stat().st_size
    except OSError as error:
        raise BadFileError(f"cannot be opened ({error.strerror or error})", where=str(path)) from error
    if size == 0:
        raise BadFileError(f"the file is empty, not {what}", where=str(path), remedy="Copy it from the device again")
    return size


def load_bytes(path: Path, what: str) -> Bytes:
    """All bytes of a file; the allocation is the size of the file.

    Raises:
        BadFileError: as :func:`file_size`, or if reading fails.
    """
    file_size(path, what)
    try:
        return np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise BadFileError(f"cannot be read ({error.strerror or error})", where=str(path)) from error


def clean(text: bytes) -> str:
    """Text of a device field: NUL, 0xFF and outer white space removed."""
    return text.decode("utf-8", errors="replace").replace("\x00", "").replace("\ufffd", "").strip()


def side_stream(
    name: str, unit: str, values: npt.ArrayLike, at_sample: npt.NDArray[np.int64], timeline: Timeline, subject: str
) -> Recording | None:
    """One-channel recording of a slow signal, one value at each of the given samples of the main signal.

    Args:
        name: Channel and stream name.
        unit: Its unit.
        values: Shape ``(value,)``.
        at_sample: Index of the main signal's sample that each value belongs to, increasing, shape ``(value,)``.
        timeline: Clock of the main signal.
        subject: Who wore the sensor.
    """
    data = np.asarray(values, dtype=np.float32)[:, None]
    if len(data) == 0:
        return None
    time = sample_times(timeline, at_sample)
    step = float(np.median(np.diff(time))) if len(time) > 1 else 1.0
    return timed_stream(name, unit, data, time, timeline.start_unix_s, 1.0 / max(step, 1e-3), subject)


def timed_stream(
    name: str,
    unit: str,
    data: FloatArray,
    time_s: npt.NDArray[np.float64],
    start_unix_s: float | None,
    rate_hz: float,
    subject: str,
) -> Recording:
    """One-channel recording with the time of each value, seconds on the main signal's clock."""
    spec = SignalSpec(rate_hz=rate_hz, channels=(name,), units=(unit,), gravity=False)
    first = float(time_s[0])
    start = None if start_unix_s is None else start_unix_s + first
    return Recording(data, spec, subject, name, start_unix_s=start, time_s=time_s - first)


def norm_warning(acceleration: FloatArray) -> tuple[str, ...]:
    """A warning if the acceleration's median norm is far from the 1 g that gravity gives.

    Args:
        acceleration: In g, shape ``(time, 3)``.
    """
    thin = acceleration[:: max(1, len(acceleration) // 100_000)].astype(np.float64)
    norm = float(np.median(np.linalg.norm(thin, axis=1)))
    if 0.5 <= norm <= 2.0:
        return ()
    return (f"the median acceleration norm is {norm:.3g} g, far from 1 g: check the unit and the sensor",)


def corrupt_blocks(policy: str, path: Path, bad: int, total: int, first: str, samples: int) -> tuple[str, ...]:
    """Apply the policy for corrupt blocks: an error, or a warning that says what was lost.

    Raises:
        BadFileError: if ``policy`` is ``error`` and there are corrupt blocks.
    """
    if bad == 0:
        return ()
    what = f"{bad} of {total} blocks are corrupt ({first})"
    if policy == "error":
        raise BadFileError(what, where=str(path), remedy='Read it with corrupt="gap" to keep the good blocks')
    return (f"{what}; they were left out as gaps, about {samples} samples lost",)
