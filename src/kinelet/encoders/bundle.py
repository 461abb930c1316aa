"""A network on disk: ``config.json``, ``model.safetensors`` and a ``card.md`` for people, whatever the network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from kinelet.config import FrozenModel, validate
from kinelet.errors import BadFileError, BadOptionError
from kinelet.files import atomic_write, sha256, write_text
from kinelet.signal.spec import SignalSpec

FORMAT_VERSION = 1
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "card.md"
MAX_CONFIG_BYTES = 4 << 20
MAX_CHANNELS = 1024
_GOOD_FOR = {
    "kinelet-encoder": "An encoder goes to kinelet evaluate, embed or search; for a distance give the run that trained "
    "it (of motif, or of relcon, which keeps its own in distance/), or euclid or dtw",
    "kinelet-distance": "A distance goes to kinelet distance report, or to kinelet pretrain relcon as distance=FOLDER; "
    "for an encoder give a run of kinelet pretrain with another method than motif",
}
"""What to do with a folder of each kind that was given for one of another."""


class Described(FrozenModel):
    """What every ``config.json`` holds.

    Attributes:
        version: Format version; a newer one is refused.
        spec: The signal that the network expects.
        weights_sha256: Hash of ``model.safetensors``, so that a folder half overwritten is noticed.
        card: Facts that travel with the weights.
    """

    version: int = Field(default=FORMAT_VERSION, ge=1)
    spec: SignalSpec
    weights_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    card: dict[str, Any] = Field(default_factory=dict)


File = TypeVar("File", bound=Described)


def write_bundle(folder: Path, net: nn.Module, kind: type[File], described: dict[str, Any], card: str) -> Path:
    """Write a network into ``folder`` and return it. The description is last: with ``config.json`` a folder is whole.

    Args:
        folder: Where to.
        net: The network.
        kind: What ``config.json`` is to hold.
        described: Its fields but for the hash.
        card: Text of ``card.md``.

    Raises:
        BadOptionError: if the card's facts are not plain data.
    """
    _plain(described["card"], where=str(folder))
    with atomic_write(folder / WEIGHTS) as temporary:
        save_file({k: _storable(v) for k, v in net.state_dict().items()}, temporary)
    file = kind(**described, weights_sha256=sha256(folder / WEIGHTS))
    write_text(folder / CARD, card)
    write_text(folder / CONFIG, json.dumps(file.model_dump(), indent=2, ensure_ascii=False) + "\n")
    return folder


def read_bundle(folder: Path, kind: type[File]) -> File:
    """Read the description of a network.

    Raises:
        BadFileError: if it is absent, damaged, of another kind or of a newer format.
    """
    path, wanted = folder / CONFIG, kind.model_fields["format"].default
    if not path.is_file():
        raise BadFileError("no such file", where=str(path), remedy="Give a folder written by kinelet")
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise BadFileError(f"larger than {MAX_CONFIG_BYTES} bytes", where=str(path))
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadFileError(f"not JSON: {error}", where=str(path)) from None
    if not isinstance(data, dict) or data.get("format") != wanted:
        raise _another_kind(data, wanted, path)
    version = data.get("version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise BadFileError(
            f"has format version {version}, this kinelet reads up to {FORMAT_VERSION}",
            where=str(path),
            remedy="Update kinelet",
        )
    try:
        described = validate(kind, data, where=str(path))
    except (BadOptionError, ValidationError) as error:
        raise BadFileError(str(error)) from None
    if len(described.spec.channels) > MAX_CHANNELS:
        raise BadFileError(f"{len(described.spec.channels)} channels, at most {MAX_CHANNELS}", where=str(path))
    return described


def _another_kind(data: object, wanted: str, path: Path) -> BadFileError:
    found = str(data.get("format")) if isinstance(data, dict) else ""
    what = f"not the description of a {wanted.replace('-', ' ')}"
    if found in _GOOD_FOR:
        what += f" but of a {found.replace('-', ' ')}"
    return BadFileError(what, where=str(path), remedy=_GOOD_FOR.get(found, "Give a folder written by kinelet"))


def compare(weights: Path, outline: nn.Module, digest: str) -> None:
    """Raise unless the file is the one described and holds exactly the tensors of ``outline``.

    Compared before anything is allocated, so that a forged description cannot ask for more than the file holds.

    Raises:
        BadFileError: naming every difference.
    """
    if not weights.is_file():
        raise BadFileError("no such file", where=str(weights), remedy="Copy the whole model folder")
    wanted = {key: _described(tensor) for key, tensor in outline.state_dict().items()}
    try:
        with safe_open(weights, framework="pt") as handle:
            slices = {key: handle.get_slice(key) for key in handle.keys()}  # noqa: SIM118
            found = {key: (tuple(s.get_shape()), s.get_dtype()) for key, s in slices.items()}
    except (SafetensorError, OSError) as error:
        raise BadFileError(f"not a safetensors file: {error}", where=str(weights)) from None
    faults = [f"missing {k}" for k in wanted.keys() - found.keys()]
    faults += [f"extra {k}" for k in found.keys() - wanted.keys()]
    both = [k for k in wanted.keys() & found.keys() if found[k] != wanted[k]]
    faults += [f"{k} has shape {found[k][0]} instead of {wanted[k][0]}" for k in both if found[k][0] != wanted[k][0]]
    faults += [f"{k} is {found[k][1]} instead of {wanted[k][1]}" for k in both if found[k][0] == wanted[k][0]]
    if faults:
        shown = "; ".join(sorted(faults)[:5]) + (f"; and {len(faults) - 5} more" if len(faults) > 5 else "")
        raise BadFileError(f"does not fit the network that config.json describes: {shown}", where=str(weights))
    if sha256(weights) != digest:
        raise BadFileError(
            "the weights are not the ones that config.json describes",
            where=str(weights),
            remedy="Copy the whole model folder again",
        )


def _described(tensor: Tensor) -> tuple[tuple[int, ...], str]:
    return tuple(tensor.shape), "I64" if tensor.dtype == torch.int64 else "F32"


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the tensors.

    Raises:
        BadFileError: if some value is not finite.
    """
    tensors: dict[str, Tensor] = load_file(path)
    broken = [key for key, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        raise BadFileError(f"{', '.join(broken[:5])}: not all values are finite", where=str(path))
    return tensors


def facts(card: dict[str, Any]) -> list[str]:
    """Lines of ``card.md`` that tell where the weights come from."""
    lines = [f"- {key}: {_fact(value)}" for key, value in card.items()]
    return ["## Where the weights come from", "", *lines, ""] if lines else []


def _storable(tensor: Tensor) -> Tensor:
    plain = tensor.detach().cpu().contiguous()
    return plain.float() if plain.is_floating_point() else plain


def _plain(card: dict[str, Any], where: str) -> None:
    try:
        json.dumps(card, allow_nan=False)
    except (ValueError, TypeError) as error:
        raise BadOptionError(f"the card is not plain data: {error}", where=where) from None


def _fact(value: object, limit: int = 8) -> str:
    if isinstance(value, list | tuple) and len(value) > limit:
        return f"{', '.join(map(str, value[:limit]))}, … ({len(value)} in all)"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
