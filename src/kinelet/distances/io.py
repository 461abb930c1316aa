"""Distances on disk: ``config.json``, ``model.safetensors`` and a ``card.md`` for people. No pickles."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field

from kinelet.distances.config import MotifConfig
from kinelet.distances.network import MotifNetwork
from kinelet.encoders.bundle import CONFIG, WEIGHTS, Described, compare, facts, read_bundle, read_weights, write_bundle
from kinelet.errors import BadFileError, KineletError
from kinelet.signal.spec import SignalSpec


class DistanceFile(Described):
    """What ``config.json`` holds.

    Attributes:
        format: Says what the file is.
        config: Shape, attention and options of the network; a description without the attention is refused.
        spec: The signal it expects.
    """

    format: Literal["kinelet-distance"] = "kinelet-distance"
    config: dict[str, Any]
    spec: SignalSpec
    card: dict[str, Any] = Field(default_factory=dict)


def save_distance(net: MotifNetwork, folder: str | Path) -> Path:
    """Write a distance into ``folder`` and return the folder; the description is written last.

    Raises:
        BadOptionError: if its card is not plain data.
    """
    described = {"config": net.config.model_dump(mode="json"), "spec": net.spec, "card": net.card}
    return write_bundle(Path(folder), net, DistanceFile, described, _card(net))


def load_distance(folder: str | Path) -> MotifNetwork:
    """Load what :func:`save_distance` wrote, in evaluation mode, on the CPU.

    Raises:
        BadFileError: if a file is absent, damaged, of a newer format, does not say how attention was computed, or does
            not fit the network it describes.
    """
    folder = Path(folder)
    described = read_bundle(folder, DistanceFile)
    if "attention" not in described.config:
        raise BadFileError(
            "does not say whether attention is softmax or sparsemax",
            where=str(folder / CONFIG),
            remedy='Add "attention" to its config; weights trained for one are wrong for the other',
        )
    try:
        config = MotifConfig.model_validate(described.config)
        with torch.device("meta"):
            outline = MotifNetwork(described.spec, config)
    except (KineletError, ValueError) as error:
        raise BadFileError(" ".join(str(error).split()), where=str(folder / CONFIG)) from None
    compare(folder / WEIGHTS, outline, described.weights_sha256)
    net = MotifNetwork(described.spec, config)
    net.load_state_dict(read_weights(folder / WEIGHTS))
    net.card = described.card
    return net.eval()


def distance_hash(folder: str | Path) -> str:
    """Hash of all that decides a saved distance's values: weights, shape, attention, options and signal."""
    described = read_bundle(Path(folder), DistanceFile).model_dump(mode="json", exclude={"card"})
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _card(net: MotifNetwork) -> str:
    spec, count = net.spec, sum(p.numel() for p in net.parameters())
    channels = ", ".join(f"{c} [{u}]" for c, u in zip(spec.channels, spec.units, strict=True))
    lines = [
        "# motif distance",
        "",
        "How badly one window is rebuilt from another. Xu et al. 2024, arXiv 2411.18822.",
        "",
        f"- Windows: {channels} at {spec.rate_hz:g} Hz" + (f", {spec.window_s:g} s" if spec.window_s else ""),
        f"- Attention: {net.config.attention}; {count:,} parameters",
        f"- Options: {net.config.options.model_dump_json()}",
        "",
    ]
    return "\n".join([*lines, *facts(net.card)])
