"""Who competes in ``primus_results.py``: methods on one encoder and the same batches, and what needs no pretraining."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from kinelet.config import validate
from kinelet.errors import BadOptionError
from kinelet.methods.registry import get_method
from kinelet.train.pretrain import PretrainConfig
from kinelet.train.recipes import recipe

Kind = Literal["pretrained", "random", "scratch", "hand"]
HARMLESS = ("workers", "log_every", "checkpoint_every", "threads", "device")

#: Name, title, method and what differs from that method's recipe.
METHODS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "primus": ("PRIMUS", "primus", ()),
    "simclr": ("SimCLR", "simclr", ()),
    "imu2clip": ("alignment only (IMU2CLIP-style)", "imu2clip", ()),
    "slip": ("SLIP", "slip", ()),
}
BASELINES: dict[str, tuple[str, Kind]] = {
    "random": ("random encoder", "random"),
    "scratch": ("supervised from scratch", "scratch"),
    "hand": ("hand-crafted features", "hand"),
}
ABLATIONS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "no_ss": ("without L_SS", "primus", ("method_options.weights={ss: 0.0, nn_ss: 0.0}",)),
    "no_mm": ("without L_MM: L_SS and its L_NN alone", "primus", ("method_options.lam=1.0",)),
    "no_nn": ("without L_NN", "primus", ("method_options.w_nn=0.0",)),
    "text": ("paired with text alone", "primus", ("modalities=text",)),
    "text_skeleton": ("paired with text and skeleton", "primus", ("modalities=text,skeleton",)),
    "motion": (
        "paired with skeleton, depth and the other body site, no text",
        "primus",
        ("modalities=skeleton,depth,body_site",),
    ),
}
NAMES = (*METHODS, *BASELINES)


@dataclass(frozen=True)
class Arm:
    """One line of the tables.

    Attributes:
        name: What folders and ``--only`` call it.
        title: What tables call it.
        kind: How its encoder comes about.
        config: What it is pretrained by; of baselines the encoder and the seed count alone.
    """

    name: str
    title: str
    kind: Kind
    config: PretrainConfig

    def facts(self) -> dict[str, Any]:
        """Everything that decides its vectors, but for the windows."""
        if self.kind == "hand":
            return {"kind": self.kind}
        if self.kind != "pretrained":
            return {"kind": self.kind, "encoder": self.config.encoder.model_dump(), "seed": self.config.train.seed}
        facts = self.config.model_dump(mode="json")
        for key in HARMLESS:
            facts["train"].pop(key, None)
        options = validate(get_method(self.config.method)[1], self.config.method_options, where=self.name)
        return {**facts, "method_options": options.model_dump(mode="json")}


def arm(name: str, overrides: Sequence[str]) -> Arm:
    """Make an arm by name; ``overrides`` are ``key=value`` for all, or ``NAME:key=value`` for one."""
    known = METHODS | ABLATIONS
    if name in BASELINES:
        title, kind = BASELINES[name]
        return Arm(name, title, kind, _config("primus", (), name, overrides))
    if name not in known:
        raise BadOptionError(f"no arm is named {name!r}", remedy=f"Choose from: {', '.join([*NAMES, *ABLATIONS])}")
    title, method, own = known[name]
    return Arm(name, title, "pretrained", _config(method, own, name, overrides))


def _config(method: str, own: Sequence[str], name: str, overrides: Sequence[str]) -> PretrainConfig:
    """The recipe of PRIMUS with another method in it, so that encoder, windows and loop are the same for all."""
    base = recipe("primus")
    told = [*own, *_meant_for(name, overrides)]
    if method != "primus":
        base = base.model_copy(update={"method": method, "method_options": recipe(None, method=method).method_options})
    return _over(base, told)


def _over(base: PretrainConfig, overrides: Sequence[str]) -> PretrainConfig:
    from kinelet.config import apply_overrides

    return validate(PretrainConfig, apply_overrides(base.model_dump(mode="json"), overrides), where="options")


def _meant_for(name: str, overrides: Sequence[str]) -> list[str]:
    """Overrides of everybody and of one arm.

    >>> _meant_for("slip", ["train.seed=1", "slip:train.lr=0.1", "primus:train.lr=0.2"])
    ['train.seed=1', 'train.lr=0.1']
    """
    out = []
    for text in overrides:
        owner, colon, rest = text.partition(":")
        if not colon or owner not in (*NAMES, *ABLATIONS):
            out.append(text)
        elif owner == name:
            out.append(rest)
    return out


def digest(*facts: Any) -> str:
    """Ten hexadecimal digits that stand for some plain facts."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:10]
