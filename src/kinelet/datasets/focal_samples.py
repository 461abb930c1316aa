"""Windows that the authors of FOCAL cut and saved one by one, put together again.

A file ``RUN_NODE_NUMBER.pt`` is ``{"label": …, "flag": …, "data": {location: {modality: tensor}}}`` with tensors of
shape ``(channel, interval, sample)`` whose intervals do not overlap, and numbers that count windows which do not
overlap either. Files are opened with ``weights_only=True``: nothing in them is run.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kinelet.datasets.assemble import on_grid
from kinelet.errors import BadFileError
from kinelet.signal.recording import FloatArray, Recording
from kinelet.signal.spec import SignalSpec

MAX_BYTES = 16 << 20
Window = dict[str, FloatArray]


class SampleRun(NamedTuple):
    """Windows of one node in one run, by their number."""

    run: str
    node: str
    files: dict[int, Path]


def find_samples(raw: Path, pattern: str) -> dict[str, SampleRun]:
    """Windows under a folder by run and node; ``pattern`` has groups ``run``, ``node`` and ``number``.

    Where several folders hold the same number (time and frequency windows), those of the folder with ``time`` in its
    name count.
    """
    found: dict[str, SampleRun] = {}
    for path in sorted(raw.rglob("*.pt"), key=lambda p: ("time" in p.parent.name, p)):
        match = re.fullmatch(pattern, path.name)
        if match:
            run = found.setdefault(f"{match['run']}_{match['node']}", SampleRun(match["run"], match["node"], {}))
            run.files[int(match["number"])] = path
    return dict(sorted(found.items()))


def read_samples(
    part: SampleRun, rates_hz: Mapping[str, float], *, main: str, subject: str, name: str, site: str
) -> tuple[Recording, dict[str, Recording]]:
    """The recording that windows were cut from, and its side streams; windows that are missing become gaps.

    Args:
        part: Files by number.
        rates_hz: Rate of each modality.
        main: Modality of the recording itself.
        subject: Its person.
        name: Its name.
        site: Its site.

    Raises:
        BadFileError: A file is no such window, or windows differ in length.
    """
    numbers = sorted(part.files)
    windows = [read_window(part.files[n], tuple(rates_hz)) for n in numbers]
    where = str(part.files[numbers[0]].parent)
    late = numbers[0] * windows[0][main].shape[1] / rates_hz[main]
    made = {}
    for label, rate in rates_hz.items():
        shapes = {w[label].shape for w in windows}
        if len(shapes) > 1:
            raise BadFileError(f"windows of {label} differ in shape: {sorted(shapes)}", where=where)
        ((channels, length),) = shapes
        row = np.concatenate([np.arange(length) + n * length for n in numbers])
        names = (label,) if channels == 1 else tuple(f"{label}_{i + 1}" for i in range(channels))
        spec = SignalSpec(rate_hz=rate, channels=names, units=("device units",) * channels, site=site)
        about: dict[str, Any] = {"windows": len(numbers), "starts_after_s": 0.0} if label != main else {}
        data = np.concatenate([w[label] for w in windows], axis=1).T
        named = name if label == main else f"{name}_{label}"
        made[label] = on_grid(data, spec, row=row, lost="missing_window", subject=subject, name=named, meta=about)
    rec = made.pop(main)
    return rec.replace(meta={**rec.meta, "windows": len(numbers), "first_window_s": late}), made


def read_window(path: Path, modalities: tuple[str, ...]) -> Window:
    """Samples ``(channel, time)`` of each modality of a window.

    Raises:
        BadFileError: The file is too large, not such a window, or lacks a modality.
    """
    held = _load(path)
    try:
        (place,) = held["data"].values()
        tensors = {m: place[m] for m in modalities}
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise BadFileError(f"not a window of {' and '.join(modalities)} ({error})", where=str(path)) from None
    for label, tensor in tensors.items():
        if getattr(tensor, "ndim", 0) != 3 or not tensor.numel():
            raise BadFileError(f"{label} is not (channel, interval, sample)", where=str(path))
    return {label: tensor.float().flatten(1).numpy() for label, tensor in tensors.items()}


def _load(path: Path) -> Any:
    import torch  # here, since cards are listed without it

    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(info.file_size for info in archive.infolist())
        if size > MAX_BYTES:
            raise BadFileError(f"{size} bytes is more than a window can be", where=str(path))
        return torch.load(path, map_location="cpu", weights_only=True)
    except BadFileError:
        raise
    except Exception as error:  # torch and zipfile raise whatever their parsers trip over
        reason = " ".join(str(error).split())[:200]
        raise BadFileError(f"not a readable file of tensors ({reason})", where=str(path)) from None
