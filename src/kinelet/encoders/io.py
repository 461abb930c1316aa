"""Encoders on disk: ``config.json``, ``model.safetensors`` and a ``card.md`` for people. No pickles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from kinelet.config import FrozenModel, validate
from kinelet.encoders.base import Encoder
from kinelet.encoders.registry import build, encoder_info
from kinelet.errors import BadFileError, BadOptionError, KineletError
from kinelet.files import atomic_write, sha256, write_text
from kinelet.signal.spec import SignalSpec

FORMAT_VERSION = 1
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "card.md"
MAX_CONFIG_BYTES = 4 << 20
MAX_CHANNELS = 1024


class EncoderFile(FrozenModel):
    """What ``config.json`` holds.

    Attributes:
        format: Says what the file is.
        version: Format version; a newer one is refused.
        name: Registry name of the encoder.
        config: Its configuration.
        spec: The signal it expects.
        weights_sha256: Hash of ``model.safetensors``, so that a folder half overwritten is noticed.
        card: Facts that travel with the weights.
    """

    format: Literal["kinelet-encoder"] = "kinelet-encoder"
    version: int = Field(default=FORMAT_VERSION, ge=1)
    name: str = Field(max_length=100)
    config: dict[str, Any]
    spec: SignalSpec
    weights_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    card: dict[str, Any] = Field(default_factory=dict)


def save_encoder(encoder: Encoder, folder: str | Path) -> Path:
    """Write an encoder made by :func:`kinelet.create_encoder` into ``folder`` and return the folder.

    The description is written last: a folder with ``config.json`` is a whole one.

    Raises:
        BadOptionError: if the encoder has no registry name, or its card is not plain data.
    """
    folder = Path(folder)
    encoder_info(encoder.name)
    _plain(encoder.card, where=f"encoder {encoder.name}")
    with atomic_write(folder / WEIGHTS) as temporary:
        save_file({k: _storable(v) for k, v in encoder.state_dict().items()}, temporary)
    described = EncoderFile(
        name=encoder.name,
        config=encoder.config,
        spec=encoder.spec,
        weights_sha256=sha256(folder / WEIGHTS),
        card=encoder.card,
    )
    write_text(folder / CARD, _card(encoder))
    write_text(folder / CONFIG, json.dumps(described.model_dump(), indent=2, ensure_ascii=False) + "\n")
    return folder


def load_encoder(folder: str | Path) -> Encoder:
    """Load what :func:`save_encoder` wrote, in evaluation mode, on the CPU.

    Raises:
        BadFileError: if a file is absent, damaged, of a newer format, or does not fit the network it describes.
    """
    folder = Path(folder)
    described = _read_config(folder / CONFIG)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise BadFileError("no such file", where=str(weights), remedy="Copy the whole model folder")
    try:
        with torch.device("meta"):
            outline = build(encoder_info(described.name), described.spec, described.config)
    except KineletError as error:
        raise BadFileError(error.what, where=str(folder / CONFIG), remedy=error.remedy) from None
    # Compared before anything is allocated, so that a forged description cannot ask for more than the file holds.
    _compare(weights, outline)
    if sha256(weights) != described.weights_sha256:
        raise BadFileError(
            "the weights are not the ones that config.json describes",
            where=str(weights),
            remedy="Copy the whole model folder again",
        )
    encoder = build(encoder_info(described.name), described.spec, described.config, seed=0)
    encoder.load_state_dict(_read_weights(weights))
    encoder.card = described.card
    return encoder.eval()


def _storable(tensor: Tensor) -> Tensor:
    plain = tensor.detach().cpu().contiguous()
    return plain.float() if plain.is_floating_point() else plain


def _plain(card: dict[str, Any], where: str) -> None:
    try:
        json.dumps(card, allow_nan=False)
    except (ValueError, TypeError) as error:
        raise BadOptionError(f"the card is not plain data: {error}", where=where) from None


def _read_config(path: Path) -> EncoderFile:
    if not path.is_file():
        raise BadFileError("no such file", where=str(path), remedy="Give a folder written by kinelet")
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise BadFileError(f"larger than {MAX_CONFIG_BYTES} bytes", where=str(path))
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadFileError(f"not JSON: {error}", where=str(path)) from None
    if not isinstance(data, dict) or data.get("format") != "kinelet-encoder":
        raise BadFileError("not the description of a kinelet encoder", where=str(path))
    version = data.get("version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise BadFileError(
            f"has format version {version}, this kinelet reads up to {FORMAT_VERSION}",
            where=str(path),
            remedy="Update kinelet",
        )
    try:
        described = validate(EncoderFile, data, where=str(path))
    except (BadOptionError, ValidationError) as error:
        raise BadFileError(str(error)) from None
    if len(described.spec.channels) > MAX_CHANNELS:
        raise BadFileError(f"{len(described.spec.channels)} channels, at most {MAX_CHANNELS}", where=str(path))
    return described


def _compare(weights: Path, outline: Encoder) -> None:
    """Raise unless the file holds exactly the tensors of ``outline``; every difference is named."""
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


def _described(tensor: Tensor) -> tuple[tuple[int, ...], str]:
    return tuple(tensor.shape), "I64" if tensor.dtype == torch.int64 else "F32"


def _read_weights(path: Path) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = load_file(path)
    broken = [key for key, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        raise BadFileError(f"{', '.join(broken[:5])}: not all values are finite", where=str(path))
    return tensors


def _card(encoder: Encoder) -> str:
    spec, info = encoder.spec, encoder_info(encoder.name)
    trained = sum(p.numel() for p in encoder.parameters() if p.requires_grad)
    window = "any length" if spec.window_s is None else f"{spec.window_s:g} s ({spec.window_samples} samples)"
    channels = ", ".join(f"{c} [{u}]" for c, u in zip(spec.channels, spec.units, strict=True))
    lines = [
        f"# {encoder.name}",
        "",
        f"{info.title[:1].upper()}{info.title[1:]}. {info.paper}.",
        "",
        f"- Input: {channels} at {spec.rate_hz:g} Hz, windows of {window}, at least {encoder.min_samples} samples",
        f"- Site: {spec.site or 'not stated'}; gravity {'included' if spec.gravity else 'removed'}",
        f"- Output: {encoder.dim} numbers a window; {trained:,} parameters",
        "",
    ]
    facts = [f"- {key}: {_fact(value)}" for key, value in encoder.card.items()]
    return "\n".join([*lines, *(["## Where the weights come from", "", *facts, ""] if facts else [])])


def _fact(value: object, limit: int = 8) -> str:
    if isinstance(value, list | tuple) and len(value) > limit:
        return f"{', '.join(map(str, value[:limit]))}, … ({len(value)} in all)"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
