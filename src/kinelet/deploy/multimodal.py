"""Encoders of several modalities that were aligned: each works alone, and all work together."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from kinelet.config import FrozenModel, validate
from kinelet.encoders.base import Encoder
from kinelet.encoders.bundle import MAX_CONFIG_BYTES
from kinelet.encoders.io import load_encoder, save_encoder
from kinelet.encoders.shared_private import SharedPrivate
from kinelet.errors import BadFileError, BadOptionError
from kinelet.files import write_text

CONTENTS = "multimodal.json"
NAME = r"^[A-Za-z][A-Za-z0-9_]{0,63}$"


class MultimodalFile(FrozenModel):
    """What ``multimodal.json`` holds.

    Attributes:
        format: Says what the file is.
        version: Format version.
        names: Modalities in order; each has a folder of its own beside the file.
        card: Facts about the whole.
    """

    format: Literal["kinelet-multimodal"] = "kinelet-multimodal"
    version: Literal[1] = 1
    names: tuple[str, ...] = Field(min_length=1, max_length=64)
    card: dict[str, Any] = Field(default_factory=dict)


class Multimodal(nn.Module):
    """Encoders by modality, in evaluation mode.

    Attributes:
        encoders: One :class:`~kinelet.encoders.shared_private.SharedPrivate` for each modality.
        names: Modalities, in the order of the columns of ``present``.
        card: Facts about the whole.
    """

    def __init__(self, encoders: Mapping[str, SharedPrivate], card: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict(dict(encoders))
        self.names = tuple(encoders)
        self.card = dict(card or {})

    def of(self, name: str) -> SharedPrivate:
        """Encoder of a modality.

        Raises:
            BadOptionError: if there is none of that name.
        """
        if name not in self.names:
            raise BadOptionError(f"no modality {name!r}", where="model", remedy=f"There are: {', '.join(self.names)}")
        return self.encoders[name]  # type: ignore[return-value]

    def outputs(self, windows: Mapping[str, Tensor], present: Tensor | None = None) -> dict[str, dict[str, Tensor]]:
        """All parts of all modalities of some moments.

        Args:
            windows: ``(batch, channel, time)`` by name; a name that is not there counts as absent.
            present: Which modalities each moment has, ``(batch, modality)`` bool; all that are given by default.

        Returns:
            By name ``backbone``, ``u`` and ``v`` ``(batch, width)``, zero where absent; and under ``all`` the mean of
            what there is of U, ``u_mean``.
        """
        self._require_known(windows)
        rows = len(next(iter(windows.values())))
        found = {}
        total, count = None, None
        for i, name in enumerate(self.names):
            if name not in windows:
                continue
            there = torch.ones(rows, dtype=torch.bool) if present is None else present[:, i]
            parts = self._parts(name, windows[name], there.to(windows[name].device))
            found[name] = parts
            total = parts["u"] if total is None else total + parts["u"]
            here = there.to(parts["u"]).unsqueeze(1)
            count = here if count is None else count + here
        if total is None or count is None:
            raise BadOptionError("no modality is given", where="model", remedy=f"Give {' or '.join(self.names)}")
        return {**found, "all": {"u_mean": total / count.clamp(min=1)}}

    def _parts(self, name: str, x: Tensor, there: Tensor) -> dict[str, Tensor]:
        """Parts of one modality; absent windows are never looked at."""
        rows = there.nonzero()[:, 0]
        made = self.of(name).outputs(x[rows])
        return {
            part: y.new_zeros(len(x), y.shape[1]).index_copy(0, rows, y) for part, y in made.items() if part != "uv"
        }

    def _require_known(self, windows: Mapping[str, Tensor]) -> None:
        for name in windows:
            self.of(name)


def save_multimodal(model: Multimodal, folder: str | Path) -> Path:
    """Write the encoders into folders of their own, and last what they are."""
    folder = Path(folder)
    for name in model.names:
        save_encoder(model.of(name), folder / name)
    told = MultimodalFile(names=model.names, card=model.card)
    write_text(folder / CONTENTS, json.dumps(told.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n")
    return folder


def is_multimodal(folder: str | Path) -> bool:
    """Whether a run directory, or a model's folder, holds encoders of several modalities."""
    return _place(Path(folder)) is not None


def load_multimodal(source: str | Path) -> Multimodal:
    """Load what ``kinelet align`` left, in evaluation mode, on the CPU.

    Raises:
        BadFileError: if there is no such model, or it is damaged.
    """
    place = _place(Path(source))
    if place is None:
        raise BadFileError(
            "no encoders of several modalities here",
            where=str(source),
            remedy="Give a run directory of kinelet align, or its model/ folder",
        )
    told = _read(place / CONTENTS)
    encoders = {name: _shared_private(load_encoder(place / name), place / name) for name in told.names}
    return Multimodal(encoders, told.card).eval()


def _place(folder: Path) -> Path | None:
    return next((p for p in (folder, folder / "model") if (p / CONTENTS).is_file()), None)


def _read(path: Path) -> MultimodalFile:
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise BadFileError(f"larger than {MAX_CONFIG_BYTES} bytes", where=str(path))
    try:
        told = validate(MultimodalFile, json.loads(path.read_text(encoding="utf-8")), where=str(path))
        require_names(told.names, where=str(path))
    except (ValueError, TypeError, RecursionError, BadOptionError) as error:
        raise BadFileError(f"not a description of a model: {error}", where=str(path)) from None
    return told


def require_names(names: tuple[str, ...], *, where: str) -> None:
    """Raise unless modalities can be named so: names become folders and names of tensors.

    Raises:
        BadOptionError: naming the first that cannot.
    """
    taken = {"all"}
    for name in names:
        if not re.fullmatch(NAME, name) or name in taken or hasattr(nn.ModuleDict, name):
            raise BadOptionError(
                f"{name!r} cannot be the name of a modality",
                where=where,
                remedy="Use letters, digits and _, a letter first, each name once",
            )
        taken.add(name)


def _shared_private(encoder: Encoder, where: Path) -> SharedPrivate:
    if not isinstance(encoder, SharedPrivate):
        raise BadFileError(f"an encoder {encoder.name} without shared and private part", where=str(where))
    return encoder
