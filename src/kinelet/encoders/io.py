"""Encoders on disk: ``config.json``, ``model.safetensors`` and a ``card.md`` for people. No pickles."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field

from kinelet.encoders.base import Encoder
from kinelet.encoders.bundle import CONFIG, WEIGHTS, Described, compare, facts, read_bundle, read_weights, write_bundle
from kinelet.encoders.registry import build, encoder_info
from kinelet.errors import BadFileError, KineletError


class EncoderFile(Described):
    """What ``config.json`` holds, beside what :class:`~kinelet.encoders.bundle.Described` has.

    Attributes:
        format: Says what the file is.
        name: Registry name of the encoder.
        config: Its configuration.
    """

    format: Literal["kinelet-encoder"] = "kinelet-encoder"
    name: str = Field(max_length=100)
    config: dict[str, Any]


def save_encoder(encoder: Encoder, folder: str | Path) -> Path:
    """Write an encoder made by :func:`kinelet.create_encoder` into ``folder`` and return the folder.

    The description is written last: a folder with ``config.json`` is a whole one.

    Raises:
        BadOptionError: if the encoder has no registry name, or its card is not plain data.
    """
    encoder_info(encoder.name)
    described = {"name": encoder.name, "config": encoder.config, "spec": encoder.spec, "card": encoder.card}
    return write_bundle(Path(folder), encoder, EncoderFile, described, _card(encoder))


def load_encoder(folder: str | Path) -> Encoder:
    """Load what :func:`save_encoder` wrote, in evaluation mode, on the CPU.

    Raises:
        BadFileError: if a file is absent, damaged, of a newer format, or does not fit the network it describes.
    """
    folder = Path(folder)
    described = read_bundle(folder, EncoderFile)
    try:
        _require_stated(described.name, described.config)
        with torch.device("meta"):
            outline = build(encoder_info(described.name), described.spec, described.config)
    except KineletError as error:
        raise BadFileError(error.what, where=str(folder / CONFIG), remedy=error.remedy) from None
    compare(folder / WEIGHTS, outline, described.weights_sha256)
    encoder = build(encoder_info(described.name), described.spec, described.config, seed=0)
    encoder.load_state_dict(read_weights(folder / WEIGHTS))
    encoder.card = described.card
    return encoder.eval()


def _require_stated(name: str, config: dict[str, Any]) -> None:
    """Raise where a default would have to stand in for what the weights do not show."""
    absent = [key for key in encoder_info(name).stated if key not in config]
    if absent:
        raise BadFileError(
            f"the configuration of {name} does not state {' and '.join(absent)}",
            remedy="Weights fit either way: find out how they were trained and write it there",
        )
    if isinstance(config.get("base"), str) and isinstance(config.get("base_config"), dict):
        _require_stated(config["base"], config["base_config"])


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
    return "\n".join([*lines, *facts(encoder.card)])
