"""``kinelet.load``: an encoder from wherever it is kept."""

from __future__ import annotations

from pathlib import Path

from kinelet.encoders.base import Encoder
from kinelet.encoders.io import load_encoder
from kinelet.errors import BadFileError


def load(source: str | Path) -> Encoder:
    """Load an encoder in evaluation mode.

    Args:
        source: A run directory, or a folder with ``config.json`` and ``model.safetensors``.

    Raises:
        BadFileError: if there is no model, or it is not one.
    """
    folder = Path(source)
    for place in (folder, folder / "model"):
        if (place / "config.json").is_file():
            return load_encoder(place)
    if (folder / "checkpoint").is_dir():
        raise BadFileError(
            "the run is not finished: it has a checkpoint but no model yet",
            where=str(folder),
            remedy="Finish it with kinelet pretrain … --resume",
        )
    raise BadFileError(
        "no model here", where=str(folder), remedy="Give a run directory of kinelet pretrain, or its model/ folder"
    )
