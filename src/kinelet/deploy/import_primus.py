"""The public checkpoint of PRIMUS: its motion encoder with both heads.

A file of a training framework, 600 MB of it frozen text and video towers, which are never read: the file is mapped
and fifteen tensors are copied out of it. Nothing is guessed: each has to have exactly its name and shape.

Source: names and shapes as published with Das et al. 2025, arXiv 2411.15127; Zenodo record 15147513.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from kinelet.config import FrozenModel, validate
from kinelet.deploy.checkpoints import differences, read_checkpoint, shown, tensors_of, told
from kinelet.encoders.base import Encoder
from kinelet.encoders.registry import create_encoder
from kinelet.errors import BadFileError
from kinelet.files import sha256
from kinelet.signal.spec import ACC, GYR, SignalSpec

PUBLIC_SHA256 = "66392f3cebf1dcbe079fc4b8bdf3b4460bb7bcad8e47a217d114fcdf917fba3f"
WANTED = "PRIMUS's best_model.ckpt, Zenodo record 15147513"
REMEDY = f"Give {WANTED}"
PREFIX = "imu_encoder."
CONFIG: dict[str, Any] = {
    "base": "stacked_rnn",
    "base_config": {"recurrence": "channels"},
    "heads": {"ss": 512, "mm": 512},
    "output": "mm",
}
#: Space and tower of what the multimodal head was trained towards; the file's own towers are not read.
SPACE = "clip4clip"
_ALIGNED = {"head": "mm", "space": SPACE, "dim": CONFIG["heads"]["mm"], "tower": SPACE, "probe": ""}
_PARTS = {
    "base.norm_in": "backbone.0",
    "base.conv1": "backbone.1.net.0",
    "base.conv2": "backbone.2.net.0",
    "base.conv3": "backbone.3.net.0",
    "base.norm_out": "backbone.4",
    "base.rnn": "backbone.5",
    "heads.ss": "ssl_head",
    "heads.mm": "mmcl_head",
}
_ASSUMED = [
    "acceleration in m/s^2, angular rate in rad/s",
    "channels in the order acc x y z, gyr x y z",
    "gravity included",
]


class PrimusFacts(FrozenModel):
    """What a checkpoint does not say and the user may.

    Attributes:
        verify: Compare the file's SHA-256 with the one of the public file that users of it report, and refuse another.
        site: Body site of the training recordings.
        licence: Licence of the weights.
        data: What they were trained on.
        rate_hz: Rate of the training recordings.
        window_s: Length of the training windows in seconds.
    """

    verify: bool = False
    site: str = "head"
    licence: str = "CC-BY-4.0, attribution: Das, Tang, Kawsar and Malekzadeh, Zenodo record 15147513"
    data: str = "Ego-Exo4D, training split (presumed)"
    rate_hz: float = Field(default=50.0, gt=0)
    window_s: float = Field(default=5.0, gt=0)

    def spec(self) -> SignalSpec:
        """The signal of the weights; units matter to a still gyroscope, whose spread is near the norm's epsilon."""
        units = ("m/s^2",) * 3 + ("rad/s",) * 3
        return SignalSpec(rate_hz=self.rate_hz, channels=ACC + GYR, units=units, site=self.site, window_s=self.window_s)


def import_primus(path: str | Path, **facts: object) -> Encoder:
    """Read the motion encoder out of PRIMUS's public checkpoint.

    Args:
        path: File whose ``state_dict`` has the encoder under ``imu_encoder.``; the rest of it is left out.
        facts: Fields of :class:`PrimusFacts`.

    Returns:
        A :class:`~kinelet.encoders.headed.HeadedEncoder` in evaluation mode with the multimodal head's output. Its card
        says that the head goes with text and video of the space ``clip4clip``: a tower of that space, which is yours
        to bring, searches with it (:func:`kinelet.deploy.words.with_words`).

    Raises:
        BadFileError: if it has not exactly the encoder's tensors, naming them, or another digest than was asked for.
        BadOptionError: on an unknown fact.
    """
    known = validate(PrimusFacts, facts, where="import-weights primus")
    found = read_checkpoint(path, strange=True, wanted=WANTED, remedy=REMEDY)
    state = _encoder_state(found, path)
    with torch.device("meta"):
        outline = create_encoder("headed", spec=known.spec(), **CONFIG)
    wanted = {theirs(k): v for k, v in outline.state_dict().items()}
    if faults := differences(state, wanted):
        raise BadFileError(f"not PRIMUS's encoder: {told(faults)}", where=str(path))
    encoder = create_encoder("headed", spec=known.spec(), seed=0, **CONFIG)
    # Copies: what was read is a map of the file, which may be deleted while the network lives.
    encoder.load_state_dict({ours: state[theirs(ours)].clone() for ours in encoder.state_dict()})
    encoder.card = _card(Path(path), known)
    return encoder.eval()


def theirs(ours: str) -> str:
    """The checkpoint's name of one of the encoder's tensors.

    >>> theirs("base.rnn.weight_hh_l0")
    'imu_encoder.backbone.5.weight_hh_l0'
    """
    part, _, kind = ours.rpartition(".")
    return f"{PREFIX}{_PARTS[part]}.{kind}"


def _encoder_state(found: Mapping[str, Any], path: str | Path) -> dict[str, Tensor]:
    """Tensors under the encoder's prefix; the towers beside them are not even looked at."""
    state = found.get("state_dict")
    if "state_dict" in found and not isinstance(state, Mapping):
        kind = type(state).__name__
        raise BadFileError(f"'state_dict' is a {kind}, not a state dict", where=str(path), remedy=REMEDY)
    if not isinstance(state, Mapping):
        held = ", ".join(map(shown, list(found)[:6])) or "nothing"
        raise BadFileError(f"has no 'state_dict' but {held}", where=str(path), remedy=REMEDY)
    ours = {k: v for k, v in state.items() if isinstance(k, str) and k.startswith(PREFIX)}
    if not ours:
        held = ", ".join(map(shown, list(state)[:5])) or "nothing"
        raise BadFileError(f"no tensor under '{PREFIX}' but {held}", where=str(path), remedy=REMEDY)
    return tensors_of({"state_dict": ours}, "state_dict", path, REMEDY)


def _card(path: Path, facts: PrimusFacts) -> dict[str, Any]:
    digest = _digest(path) if facts.verify else None
    return {
        "method": "primus",
        "imported_from": f"{path.name}, a checkpoint of the public PRIMUS code (arXiv 2411.15127)",
        "checkpoint_sha256": digest or "not computed",
        "site": facts.site,
        "licence": facts.licence,
        "data": facts.data,
        "unit": "m/s^2 and rad/s (assumed)",
        "alignment": {"text": dict(_ALIGNED), "video": dict(_ALIGNED)},
        "heads": "mm: aligned with 512-d text and video embeddings of a CLIP4Clip; ss: unimodal",
        "assumed": [*_ASSUMED, f"{facts.rate_hz:g} Hz", f"windows of {facts.window_s:g} s", f"site {facts.site}"],
    }


def _digest(path: Path) -> str:
    found = sha256(path)
    if found != PUBLIC_SHA256:
        raise BadFileError(
            f"its SHA-256 is {found}, the public file's is {PUBLIC_SHA256}",
            where=str(path),
            remedy="Download it again, or leave verify out if it is another file",
        )
    return found
