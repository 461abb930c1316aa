"""Reading PyTorch checkpoints of strangers: tensors and plain values only, and never more than the file holds."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from kinelet.errors import BadFileError

MAX_BYTES = 4 << 30
MAX_CLASSES = 1000
_PICKLE = b"\x80"  # how files begin that PyTorch wrote before 1.6
_AGAIN = "Copy or download it again"
_ALONE = "Save the state dict alone: torch.save({'net': model.state_dict()}, path)"


class Unread:
    """Stands in for an object of a class that is not read: takes what it is given and keeps nothing of it."""

    def __new__(cls, *args: object, **kwargs: object) -> Unread:
        """Make one from anything."""
        return super().__new__(cls)

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def read_checkpoint(
    path: str | Path,
    *,
    strange: bool = False,
    wanted: str = "a checkpoint file, for example .pkl or .pt",
    remedy: str = _ALONE,
) -> dict[str, Any]:
    """Read the mapping that ``torch.save`` wrote, without running any code that the file may hold.

    Args:
        path: The file.
        strange: Let other objects be, as training frameworks leave them beside the weights: each is read as an
            :class:`Unread`, and its class is never imported.
        wanted: What to give where there is no such file.
        remedy: What to do where the file holds something else.

    Raises:
        BadFileError: if it is absent, too large, not of PyTorch's zip format, damaged, holds objects other than
            tensors and plain values, or is no mapping.
    """
    path = Path(path)
    if not path.is_file():
        raise BadFileError(
            "a folder, not a file" if path.is_dir() else "no such file", where=str(path), remedy=f"Give {wanted}"
        )
    _require_sound(path, wanted)
    try:
        with safe_globals(_stand_ins(path) if strange else []):
            # Mapped, so that an optimiser's state is not read only to be thrown away.
            found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # a damaged file may end in any kind of exception
        raise BadFileError(
            f"cannot be read as tensors and plain values: {_first_line(error)}",
            where=str(path),
            remedy=remedy,
        ) from None
    if not isinstance(found, Mapping):
        raise BadFileError(f"holds a {type(found).__name__}, not a mapping", where=str(path), remedy=remedy)
    return dict(found)


def tensors_of(found: Mapping[str, Any], entry: str, path: str | Path, remedy: str = _ALONE) -> dict[str, Tensor]:
    """The state dict under ``entry``, if every value is a tensor that the file really holds; else ``remedy`` is told.

    Raises:
        BadFileError: naming what is not, what is damaged, or if values are not finite.
    """
    state = found[entry]
    if not isinstance(state, Mapping) or not state:
        kind = "empty" if isinstance(state, Mapping) else f"a {type(state).__name__}, not a state dict"
        raise BadFileError(f"{entry!r} is {kind}", where=str(path), remedy=remedy)
    others = [shown(k) for k, v in state.items() if not isinstance(k, str) or not _plain(v)]
    if others:
        raise BadFileError(f"{entry!r} holds no tensor under {', '.join(others[:5])}", where=str(path), remedy=remedy)
    # A few bytes can be spread over a tensor of any size by strides; such a one is larger than the file.
    claimed = sum(v.numel() * v.element_size() for v in state.values())
    if claimed > Path(path).stat().st_size:
        raise BadFileError(f"{entry!r} claims {claimed} bytes, more than the file has", where=str(path))
    _require_intact(state, path)
    broken = [shown(k) for k, v in state.items() if v.is_floating_point() and not bool(torch.isfinite(v).all())]
    if broken:
        raise BadFileError(f"{', '.join(broken[:5])}: not all values are finite", where=str(path))
    return dict(state)


def differences(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    """Every difference between tensors that were found and those that are wanted, in words."""
    faults = [f"missing {k}" for k in wanted if k not in state]
    faults += [f"extra {shown(k)}" for k in state if k not in wanted]
    for key in (k for k in wanted if k in state):
        want, got = wanted[key], state[key]
        if got.shape != want.shape:
            faults.append(f"{key} has shape {tuple(got.shape)} instead of {tuple(want.shape)}")
        elif got.dtype != want.dtype:
            faults.append(f"{key} is {got.dtype} instead of {want.dtype}")
    return faults


def told(faults: Sequence[str], most: int = 5) -> str:
    """The first of many faults, and how many more there are.

    >>> told(["missing a", "missing b", "extra c"], most=2)
    'missing a; missing b; and 1 more'
    """
    return "; ".join(faults[:most]) + (f"; and {len(faults) - most} more" if len(faults) > most else "")


def shown(key: object, most: int = 160) -> str:
    r"""A name from a file, fit for one line: short, and without control characters.

    >>> shown("one\ttwo")
    "'one\\ttwo'"
    """
    name = str(key)
    return (name if name.isprintable() else repr(name))[:most]


def _stand_ins(path: Path) -> list[Any]:
    """A class that does nothing for each one that a file names and PyTorch does not read, under that name."""
    named = get_unsafe_globals_in_checkpoint(path)
    if len(named) > MAX_CLASSES:
        raise ValueError(f"names {len(named)} classes")
    parts = [name.rpartition(".") for name in named]
    return [type(name, (Unread,), {"__module__": module}) for module, _, name in parts]


def _plain(value: object) -> bool:
    """Whether it is a tensor of numbers one after the other in memory."""
    return isinstance(value, Tensor) and value.layout == torch.strided and value.device.type == "cpu"


def _require_intact(state: Mapping[str, Tensor], path: str | Path) -> None:
    """Compare the bytes of tensors with the file's checksums: mapped ones were never compared with anything.

    Those of other tensors are not even read.
    """
    with zipfile.ZipFile(path) as archive:
        there = {(e.file_size, e.CRC) for e in archive.infolist()}
    damaged = [shown(k) for k, v in state.items() if _checksum(v) not in there]
    if damaged:
        raise BadFileError(
            f"{', '.join(damaged[:5])}: damaged, the file's checksums are others", where=str(path), remedy=_AGAIN
        )


def _checksum(tensor: Tensor) -> tuple[int, int]:
    """Bytes of the storage below a tensor, which is an entry of the file, and their CRC-32."""
    storage = tensor.untyped_storage()
    raw = torch.empty(0, dtype=torch.uint8).set_(storage).numpy()
    return len(raw), zlib.crc32(raw.data)


def _require_sound(path: Path, wanted: str) -> None:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise BadFileError(f"{size} bytes, more than {MAX_BYTES} are not read", where=str(path))
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if not any(e.filename.rpartition("/")[2] == "data.pkl" for e in entries):
                raise BadFileError("a zip archive, but no checkpoint", where=str(path), remedy=f"Give {wanted}")
            _require_stored(entries, path)
            damaged = [e.filename for e in entries if "/data/" not in e.filename and not _sound(archive, e)]
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise _unzipped(path, wanted, error) from None
    if damaged:
        raise BadFileError(f"{', '.join(map(shown, damaged[:3]))}: damaged", where=str(path), remedy=_AGAIN)


def _unzipped(path: Path, wanted: str, error: Exception) -> BadFileError:
    """Why a file is not in PyTorch's zip format: it is of an old PyTorch, empty, damaged, or something else."""
    with path.open("rb") as stream:
        head = stream.read(1)
    if head == _PICKLE:
        remedy = "Load and save it once with a newer PyTorch"
        return BadFileError(
            "not a checkpoint of PyTorch 1.6 or later, but an older pickle", where=str(path), remedy=remedy
        )
    why = "the file is empty" if not head else _first_line(error)
    return BadFileError(
        f"not a checkpoint of PyTorch, or damaged or cut short ({why})",
        where=str(path),
        remedy=f"Download it again, whole; it should be {wanted}",
    )


def _require_stored(entries: Sequence[zipfile.ZipInfo], path: Path) -> None:
    """torch.save never compresses: a compressed entry could grow to any size when it is read."""
    packed = sum(e.file_size for e in entries)
    if packed > path.stat().st_size or any(e.compress_type != zipfile.ZIP_STORED for e in entries):
        raise BadFileError("its entries are larger than the file: torch.save writes none such", where=str(path))


def _sound(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bool:
    """Whether an entry has its checksum; PyTorch compares none."""
    try:
        with archive.open(entry) as stream:
            while stream.read(1 << 20):
                pass
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError):  # the last for flags that zip does not know
        return False
    return True


def _first_line(error: Exception) -> str:
    # PyTorch puts places in its own source in front.
    lines = re.sub(r"\[enforce fail at [^\]]*\][\s.]*", "", str(error)).strip().splitlines()
    return shown(lines[0].rstrip(".")) if lines else type(error).__name__
