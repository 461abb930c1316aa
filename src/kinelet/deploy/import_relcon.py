"""Checkpoints of the public RelCon code: its encoder and its motif network.

Which of the two a file holds follows from its keys, and so do widths, kernels and the number of blocks. Nothing is
guessed: every tensor has to have exactly the name and shape that the network needs.

Source: names and shapes as published with Xu et al. 2024, arXiv 2411.18822.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field

from kinelet.config import FrozenModel, validate
from kinelet.deploy.checkpoints import differences, read_checkpoint, shown, tensors_of, told
from kinelet.deploy.relcon_keys import (
    ENCODER_PREFIX,
    MOTIF_PREFIX,
    State,
    encoder_config,
    encoder_key,
    motif_config,
    motif_key,
)
from kinelet.distances.config import MotifConfig
from kinelet.distances.network import MotifNetwork
from kinelet.encoders.base import Encoder
from kinelet.encoders.registry import create_encoder
from kinelet.errors import BadFileError, KineletError
from kinelet.files import sha256
from kinelet.signal.spec import SignalSpec, imu_spec

Network = Encoder | MotifNetwork


class RelConFacts(FrozenModel):
    """What a checkpoint does not say and the user may.

    Attributes:
        attention: How a motif network's scores become weights from now on. The public code trains with sparsemax and
            measures distances with softmax, so ``softmax`` gives the distances that its own second stage saw.
        stride: Stride of a motif network's last block, which its shapes do not show.
        site: Body site of the training recordings.
        licence: Licence of the weights.
        data: What they were trained on.
        rate_hz: Rate of the training recordings.
        window_s: Length of the training windows in seconds.
    """

    attention: Literal["softmax", "sparsemax"] = "softmax"
    stride: int = Field(default=1, ge=1)
    site: str | None = None
    licence: str | None = None
    data: str | None = None
    rate_hz: float = Field(default=100.0, gt=0)
    window_s: float = Field(default=2.56, gt=0)

    def spec(self) -> SignalSpec:
        """The signal of the weights; its unit is an assumption."""
        return imu_spec(self.rate_hz, site=self.site, window_s=self.window_s)


def import_relcon(path: str | Path, **facts: object) -> Network:
    """Read a checkpoint of the public RelCon code.

    Args:
        path: File with a state dict under ``net``, or under ``trained_net`` as probes and fine-tuning leave it.
        facts: Fields of :class:`RelConFacts`.

    Returns:
        An encoder, or a motif network, in evaluation mode.

    Raises:
        BadFileError: if it holds neither, or not exactly its tensors; they are named.
        BadOptionError: on an unknown fact.
    """
    known = validate(RelConFacts, facts, where="import-weights relcon")
    found = read_checkpoint(path)
    entry = "trained_net" if "trained_net" in found else "net"
    if entry not in found:
        raise BadFileError(
            f"has no entry 'net' or 'trained_net' but {', '.join(map(shown, list(found)[:6])) or 'nothing'}",
            where=str(path),
            remedy="Give a checkpoint that the public RelCon code wrote",
        )
    state = tensors_of(found, entry, path)
    network = _build(state, known, str(path))
    network.card = _card(network, found, entry, known, Path(path))
    return network.eval()


def _build(state: State, facts: RelConFacts, where: str) -> Network:
    motif = [k for k in state if k.startswith(MOTIF_PREFIX)]
    encoder = [k for k in state if k.startswith(ENCODER_PREFIX)]
    if bool(motif) == bool(encoder):
        held = "tensors of both" if motif else f"{', '.join(map(shown, list(state)[:5]))}, …"
        raise BadFileError(f"neither RelCon's encoder nor its motif network: it has {held}", where=where)
    outlines, theirs = (_motifs(state, facts), motif_key) if motif else (_encoders(state, facts), encoder_key)
    found = ((n, differences(state, {theirs(k): v for k, v in n.state_dict().items()})) for n in outlines)
    network, faults = min(found, key=lambda pair: len(pair[1]))
    if faults:
        kind = "motif network" if motif else "encoder"
        raise BadFileError(f"not RelCon's {kind}: {told(faults)}", where=where)
    whole = _again(network)
    # Copies: what was read is a map of the file, which may be deleted while the network lives.
    whole.load_state_dict({ours: state[theirs(ours)].clone() for ours in whole.state_dict()})
    return whole


def _again(outline: Network) -> Network:
    """The same network with storage."""
    if isinstance(outline, MotifNetwork):
        return MotifNetwork(outline.spec, outline.config)
    return create_encoder(outline.name, spec=outline.spec, seed=0, **outline.config)


def _encoders(state: State, facts: RelConFacts) -> list[Network]:
    """Networks without storage that the file may hold: the published one, and the one that its shapes tell of."""
    outlines: list[Network] = []
    with torch.device("meta"):
        outlines.append(create_encoder("resnet1d_34", spec=facts.spec()))
        config = encoder_config(state)
        if config is not None:
            try:
                outlines.append(create_encoder("resnet1d_34", spec=facts.spec(), **config))
            except KineletError as error:
                raise BadFileError(f"kinelet's resnet1d_34 cannot hold it: {error.what}") from None
    return outlines


def _motifs(state: State, facts: RelConFacts) -> list[Network]:
    fixed = {"attention": facts.attention, "stride": facts.stride}
    with torch.device("meta"):
        configs = [MotifConfig(**fixed)]
        if (config := motif_config(state)) is not None:
            configs.append(validate(MotifConfig, {**fixed, **config}, where="motif network of the checkpoint"))
        return [MotifNetwork(facts.spec(), config) for config in configs]


def _card(network: Network, found: Mapping[str, Any], entry: str, facts: RelConFacts, path: Path) -> dict[str, Any]:
    assumed = ["acceleration in g", "axes in the order x y z", "gravity included"]
    card: dict[str, Any] = {
        "method": "relcon" if isinstance(network, Encoder) else "motif",
        "imported_from": f"{path.name} ({entry}), a checkpoint of the public RelCon code",
        "checkpoint_sha256": sha256(path),
        "site": facts.site or "not stated",
        "licence": facts.licence or "not stated",
        "data": facts.data or "not stated",
        "unit": "g (assumed)",
    }
    if isinstance(network, MotifNetwork):
        assumed.append(f"stride {facts.stride}")
        card["attention"] = f"{facts.attention} (the public code trains with sparsemax and measures with softmax)"
    for key in ("epoch", "test_loss"):
        value = found.get(key)
        if isinstance(value, int | float) and math.isfinite(value):
            card[key] = value
    card["assumed"] = [*assumed, f"{facts.rate_hz:g} Hz", f"windows of {facts.window_s:g} s"]
    return card
