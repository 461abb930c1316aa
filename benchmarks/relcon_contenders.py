"""Who competes in ``relcon_results.py``: recipes, variants of them, and baselines that need no pretraining."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from har_sets import ROOT
from kinelet.config import apply_overrides, load_yaml, validate
from kinelet.errors import BadOptionError
from kinelet.methods.registry import get_method, list_methods
from kinelet.train.pretrain import PretrainConfig

Kind = Literal["pretrained", "random", "hand", "boosting", "minirocket", "scratch"]
RECIPES = {
    "relcon": "relcon_six_sets",
    "simclr": "simclr_six_sets",
    "rebar": "rebar_six_sets",
    "mtl": "mtl_six_sets",
    "mae": "masked_six_sets",
}
TITLES = {"relcon": "RelCon", "simclr": "SimCLR", "rebar": "REBAR", "mtl": "MTL", "mae": "MAE"}
BASELINES: dict[str, tuple[Kind, str]] = {
    "random": ("random", "random encoder"),
    "hand_linear": ("hand", "hand-crafted + logistic"),
    "hand_boosting": ("boosting", "hand-crafted + boosting"),
    "minirocket": ("minirocket", "MiniRocket + ridge"),
    "scratch": ("scratch", "supervised from scratch"),
}
NAMES = (*RECIPES, *BASELINES)
HARMLESS = ("workers", "log_every", "checkpoint_every", "threads", "device")


@dataclass(frozen=True)
class Contender:
    """One line of the tables.

    Attributes:
        name: What folders and ``--only`` call it.
        title: What tables call it.
        kind: How its vectors come about.
        config: What it is pretrained by; of ``random`` and ``scratch`` the encoder and the seed count alone.
    """

    name: str
    title: str
    kind: Kind
    config: PretrainConfig

    @property
    def distance(self) -> PretrainConfig | None:
        """What its distance is trained by, if it needs one that is not given."""
        told = self.config.distance
        if self.kind != "pretrained" or told is None or told.use is not None:
            return None
        return PretrainConfig(
            method="motif", method_options=told.method_options, data=self.config.data, train=told.train
        )

    @property
    def key(self) -> str:
        """First half of its folders' names; the second says which configuration."""
        return self.config.method if self.kind == "pretrained" else self.kind

    def facts(self) -> dict[str, Any]:
        """Everything that decides its vectors, but for the windows."""
        if self.kind in ("hand", "boosting", "minirocket"):
            return {"kind": self.kind}
        if self.kind in ("random", "scratch"):
            return {"kind": self.kind, "encoder": self.config.encoder.model_dump(), "seed": self.config.train.seed}
        return {"config": plain(self.config)}


def plain(config: PretrainConfig) -> dict[str, Any]:
    """A configuration with all defaults of the method written out, without what alters no weight."""
    facts = config.model_dump(mode="json")
    for loop in (facts["train"], (facts["distance"] or {}).get("train", {})):
        for key in HARMLESS:
            loop.pop(key, None)
    options = validate(get_method(config.method)[1], config.method_options, where=f"method {config.method}")
    return {**facts, "method_options": options.model_dump(mode="json")}


def digest(*facts: Any) -> str:
    """Ten hexadecimal digits that stand for some plain facts."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:10]


def contender(name: str, overrides: Sequence[str] = (), budget: int | None = None) -> Contender:
    """Make a contender by name.

    Args:
        name: One of ``NAMES``.
        overrides: ``key=value`` over its recipe, or ``NAME:key=value`` over that of one contender.
        budget: Windows that pretraining encodes; sets the number of steps unless an override names it.
    """
    overrides = meant_for(name, overrides)
    if name in BASELINES:
        kind, title = BASELINES[name]
        return Contender(name, title, kind, recipe(RECIPES["simclr"], _encoder_only(overrides)))
    if name not in RECIPES:
        raise BadOptionError(f"no contender is named {name!r}", remedy=f"Choose from: {', '.join(NAMES)}")
    return variant(name, TITLES[name], name, overrides, budget)


def meant_for(name: str, overrides: Sequence[str]) -> list[str]:
    """Overrides of everybody and of one contender.

    >>> meant_for("mae", ["train.seed=1", "mae:train.lr=0.1", "mtl:train.lr=0.2"])
    ['train.seed=1', 'train.lr=0.1']
    """
    out = []
    for text in overrides:
        owner, colon, rest = text.partition(":")
        if not colon or owner not in NAMES:
            out.append(text)
        elif owner == name:
            out.append(rest)
    return out


def variant(name: str, title: str, base: str, overrides: Sequence[str], budget: int | None = None) -> Contender:
    """Make a contender from the recipe of ``base`` with some things altered."""
    config = recipe(RECIPES[base], overrides)
    if get_method(config.method)[0].uses_distance:
        # Imported here: only some contenders need a distance.
        from kinelet.train.distance import resolve_distance

        config = config.model_copy(update={"distance": resolve_distance(config)})
    if budget is not None and not any(o.startswith("train.steps=") for o in overrides):
        config = within_budget(config, budget)
    return Contender(name, title, "pretrained", config)


def recipe(name: str, overrides: Iterable[str]) -> PretrainConfig:
    """Read a recipe."""
    path = ROOT / "recipes" / f"{name}.yaml"
    return validate(PretrainConfig, apply_overrides(load_yaml(path), overrides), where=str(path))


def _encoder_only(overrides: Sequence[str]) -> list[str]:
    return [o for o in overrides if o.startswith(("encoder.", "train.seed="))]


def encoded_per_step(config: PretrainConfig) -> int:
    """Windows that go through the encoder in one step."""
    kind, options = get_method(config.method)
    method = validate(options, config.method_options, where=f"method {config.method}")
    feed, rows = kind.feed(method), config.train.batch_size
    if feed is None:
        return rows * (2 if config.method == "simclr" else 1)
    own = rows if getattr(method, "own_view", False) else 0
    return own + (rows if feed.every else rows * (1 + feed.candidates))


def within_budget(config: PretrainConfig, budget: int) -> PretrainConfig:
    """Set the number of steps so that as many windows are encoded; groups of candidates must fill a batch."""
    kind, options = get_method(config.method)
    feed = kind.feed(validate(options, config.method_options, where=f"method {config.method}"))
    train = config.train
    if feed is not None and feed.every:
        unit = (feed.candidates + 1) * train.accumulate * train.shards
        train = train.model_copy(update={"batch_size": max(2, round(train.batch_size / unit)) * unit})
    config = config.model_copy(update={"train": train})
    steps = max(1, round(budget / encoded_per_step(config)))
    return config.model_copy(update={"train": train.model_copy(update={"steps": steps})})


def available(name: str) -> str | None:
    """Why a contender cannot compete here, or ``None``."""
    if name == "minirocket":
        try:
            import aeon  # noqa: F401
        except ImportError:
            return "aeon is not installed (pip install 'kinelet[baselines]')"
    if name in RECIPES:
        path = ROOT / "recipes" / f"{RECIPES[name]}.yaml"
        if not path.is_file():
            return f"there is no {path.name}"
        method = load_yaml(path).get("method", "simclr")
        if method not in list_methods():
            return f"there is no method {method}"
    return None
