"""``kinelet.load``: an encoder from wherever it is kept."""

from __future__ import annotations

from pathlib import Path

from kinelet.deploy.multimodal import is_multimodal, load_multimodal
from kinelet.encoders.base import Encoder
from kinelet.encoders.headed import BACKBONE, HeadedEncoder
from kinelet.encoders.io import load_encoder
from kinelet.encoders.shared_private import SharedPrivate
from kinelet.errors import BadFileError, BadOptionError

ALIGNMENT = "alignment"
"""Where an encoder's card tells which head goes with which modality."""


def load(source: str | Path, *, output: str | None = None, modality: str | None = None) -> Encoder:
    """Load an encoder in evaluation mode.

    Args:
        source: A run directory, or a folder with ``config.json`` and ``model.safetensors``.
        output: Of an encoder with heads, which one gives the embedding (or a modality that it was aligned
            with), or ``backbone``; default as it was saved.
        modality: Of a run of ``kinelet align``, whose encoder.

    Raises:
        BadFileError: if there is no model, or it is not one.
        BadOptionError: if the encoder has no such output.
    """
    encoder = _found(source) if modality is None else load_multimodal(source).of(modality)
    return encoder if output is None else select_output(encoder, output)


def select_output(encoder: Encoder, output: str) -> Encoder:
    """An encoder with another of its outputs as the embedding; weights are shared.

    Raises:
        BadOptionError: if it has no such output.
    """
    if isinstance(encoder, SharedPrivate):
        return encoder.select(output)
    if isinstance(encoder, HeadedEncoder):
        # Modalities go by their head, as they do in pretraining.
        aligned = encoder.card.get(ALIGNMENT) or {}
        if output not in encoder.choices and output in aligned:
            return encoder.select(str(aligned[output]["head"]))
        return encoder.select(output)
    if output == BACKBONE:
        return encoder
    raise BadOptionError(
        f"encoder {encoder.name} has one output, not one named {output!r}", remedy=f"Leave it out, or give {BACKBONE}"
    )


def _found(source: str | Path) -> Encoder:
    folder = Path(source)
    if is_multimodal(folder):
        raise BadOptionError(
            "holds an encoder for each of several modalities",
            where=str(folder),
            remedy=f"Say whose: modality={' or '.join(load_multimodal(folder).names)} (--modality on the command line)",
        )
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
