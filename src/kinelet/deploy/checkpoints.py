"""Reading PyTorch checkpoints of strangers: tensors and plain values only, and never more than the file holds."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kinelet.errors import BadFileError

MAX_BYTES = 4 << 30


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read the mapping that ``torch.save`` wrote, without running any code that the file may hold.

    Raises:
        BadFileError: if it is absent, too large, not of PyTorch's zip format, damaged, holds objects other than
            tensors and plain values, or is no mapping.
    """
    path = Path(path)
    _require_sound(path)
    try:
        # Mapped, so that an optimiser's state is not read only to be thrown away.
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # a damaged file may end in any kind of exception
        raise BadFileError(
            f"cannot be read as tensors and plain values: {_first_line(error)}",
            where=str(path),
            remedy="Save the state dict alone: torch.save({'net': model.state_dict()}, path)",
        ) from None
    if not isinstance(found, Mapping):
        raise BadFileError(f"holds a {type(found).__name__}, not a mapping", where=str(path))
    return dict(found)


def tensors_of(found: Mapping[str, Any], entry: str, path: str | Path) -> dict[str, Tensor]:
    """The state dict under ``entry``, if every value is a tensor that the file really holds.

    Raises:
        BadFileError: naming what is not, or if values are not finite.
    """
    state = found[entry]
    if not isinstance(state, Mapping) or not state:
        raise BadFileError(f"{entry!r} is no state dict", where=str(path))
    others = [shown(k) for k, v in state.items() if not isinstance(k, str) or not isinstance(v, Tensor)]
    if others:
        raise BadFileError(f"{entry!r} holds no tensor under {', '.join(others[:5])}", where=str(path))
    # A few bytes can be spread over a tensor of any size by strides; such a one is larger than the file.
    claimed = sum(v.numel() * v.element_size() for v in state.values())
    if claimed > Path(path).stat().st_size:
        raise BadFileError(f"{entry!r} claims {claimed} bytes, more than the file has", where=str(path))
    broken = [shown(k) for k, v in state.items() if v.is_floating_point() and not bool(torch.isfinite(v).all())]
    if broken:
        raise BadFileError(f"{', '.join(broken[:5])}: not all values are finite", where=str(path))
    return dict(state)


def shown(key: object, most: int = 160) -> str:
    r"""A name from a file, fit for one line: short, and without control characters.

    >>> shown("one\ttwo")
    "'one\\ttwo'"
    """
    name = str(key)
    return (name if name.isprintable() else repr(name))[:most]


def _require_sound(path: Path) -> None:
    if not path.is_file():
        raise BadFileError("no such file", where=str(path), remedy="Give a checkpoint file, for example .pkl or .pt")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise BadFileError(f"{size} bytes, more than {MAX_BYTES} are not read", where=str(path))
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise BadFileError(
            f"not a checkpoint of PyTorch 1.6 or later ({_first_line(error)})",
            where=str(path),
            remedy="Load and save it once with a newer PyTorch",
        ) from None
    # torch.save never compresses: a compressed entry could grow to any size when it is read.
    packed = sum(e.file_size for e in entries)
    if packed > size or any(e.compress_type != zipfile.ZIP_STORED for e in entries):
        raise BadFileError("its entries are larger than the file: torch.save writes none such", where=str(path))


def _first_line(error: Exception) -> str:
    told = str(error).strip().splitlines()
    return shown(told[0].rstrip(".")) if told else type(error).__name__
