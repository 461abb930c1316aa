"""What a PRIMUS run is made of: its terms with their weights, the heads they train, and where neighbours are sought."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from kinelet.errors import BadOptionError
from kinelet.functional.augment import AnyAugmentation, augmentations
from kinelet.methods.base import MethodConfig, Modality
from kinelet.methods.primus_pairs import Role
from kinelet.towers.names import is_reserved

Weight = Annotated[float, Field(ge=0, le=1e6)]


class PrimusConfig(MethodConfig):
    """Configuration of :class:`~kinelet.methods.primus.Primus`.

    Attributes:
        lam: Weight of the unimodal terms; alignment terms weigh ``1 - lam`` each.
        w_nn: Weight of the neighbours' terms beside their direct ones.
        weights: Weights of single terms, over those from ``lam`` and ``w_nn``: ``ss``, the name of a modality,
            ``nn_ss``, ``nn_`` and the name of a modality. What weighs nothing is not computed.
        temperature: Of all terms, at the start.
        learn_temperature: Learn one for alignment and one for the unimodal terms, between 0.01 and 1.
        augmentations: Preset name, or list of augmentations, of the view that a window is matched with.
        queue: Earlier windows among which neighbours are sought.
        min_fill: Neighbours count once the queue holds as many; at most ``queue``.
        exclude_s: A neighbour is no window of the same recording that starts within so many seconds; ``None``
            excludes nothing, as published.
        search: What makes a neighbour similar: a modality, ``motion``, or ``auto``: each row by its ``video``, else by
            the first it has of the others that are not ``text``, in the order of the run's modalities, else by its
            ``text``. Rows that have nothing to search by are searched by motion, for ``nn_ss`` alone.
        borrow_targets: A row whose neighbour holds a modality is aligned with it even if it has none itself.
        same_item: What another row's key is that stands for an item of the own window, such as the same sentence.
            For a key that is the same, positive and negative come to the same: its copies share out what the key
            gets. They differ where a window carries several sentences, whose keys differ.
        overlap: What rows are whose windows overlap in time.
        same_slot: What rows are that found the same neighbour.
        output: What the encoder puts out afterwards: ``backbone``, ``ss``, the name of a modality or of a head;
            ``None`` for the head of text, else of the first modality, else ``ss``.
        validate_people: Share of the people set aside to choose the best weights; 0 keeps the last weights.
        validate_every: Steps between two such scores.
        validate_windows: Windows that are scored.
    """

    lam: float = Field(default=0.5, ge=0, le=1)
    w_nn: Weight = 1.0
    weights: dict[str, Weight] = Field(default_factory=dict)
    temperature: float = Field(default=0.1, ge=0.01, le=1)
    learn_temperature: bool = True
    augmentations: tuple[AnyAugmentation, ...] = Field(default="primus", validate_default=True)
    queue: int = Field(default=8192, ge=1, le=10_000_000)
    min_fill: int = Field(default=0, ge=0)
    exclude_s: float | None = Field(default=10.0, ge=0)
    search: str = "auto"
    borrow_targets: bool = False
    same_item: Role = "positive"
    overlap: Role = "ignore"
    same_slot: Literal["positive", "ignore"] = "positive"
    output: str | None = None
    validate_people: float = Field(default=0.0, ge=0, lt=1)
    validate_every: int = Field(default=100, ge=1)
    validate_windows: int = Field(default=256, ge=2)

    @field_validator("augmentations", mode="before")
    @classmethod
    def _preset(cls, value: Any) -> Any:
        return augmentations(value) if isinstance(value, str) else value


class Imu2ClipConfig(PrimusConfig):
    """Alignment alone; source: Moon et al. 2022, arXiv 2210.14395."""

    lam: float = Field(default=0.0, ge=0, le=1)
    w_nn: Weight = 0.0


class SlipConfig(PrimusConfig):
    """Alignment and self-supervision, without neighbours; source: Mu et al. 2021, arXiv 2112.12750."""

    w_nn: Weight = 0.0


@dataclass(frozen=True)
class Plan:
    """What follows from a configuration and the modalities of a run.

    Attributes:
        weights: Of every term that counts.
        used: Modalities whose vectors are needed.
        heads: Width of each head.
        head_of: Head of each modality that is aligned with.
        search: Modalities in which neighbours are sought, each row by the first that it has; none of them where it is
            by motion, ``None`` without neighbours.
        output: What the encoder puts out.
    """

    weights: dict[str, float]
    used: tuple[Modality, ...]
    heads: dict[str, int]
    head_of: dict[str, str]
    search: tuple[str, ...] | None
    output: str


def make_plan(config: PrimusConfig, modalities: Sequence[Modality], dim: int) -> Plan:
    """Resolve a configuration for the modalities of a run and a backbone of width ``dim``.

    Raises:
        BadOptionError: if names clash or are unknown, or what is asked for cannot be computed.
    """
    _require_names(config, modalities)
    if config.min_fill > config.queue:
        raise BadOptionError(
            f"neighbours would count from min_fill={config.min_fill} windows on, and the queue holds {config.queue}",
            where="min_fill",
            remedy=f"Use min_fill={config.queue} at most, or a longer queue",
        )
    weights = _weights(config, modalities)
    aligned = [m for m in modalities if m.name in weights or f"nn_{m.name}" in weights]
    head_of = _heads(aligned)
    heads = {"ss": dim} if {"ss", "nn_ss"} & weights.keys() else {}
    heads |= {head_of[m.name]: m.dim for m in aligned}
    search = _search(config, modalities, aligned, heads) if any(t.startswith("nn_") for t in weights) else None
    used = tuple(m for m in modalities if m in aligned or m.name in (search or ()))
    return Plan(weights, used, heads, head_of, search, _output(config.output, head_of, heads))


def _require_names(config: PrimusConfig, modalities: Sequence[Modality]) -> None:
    names = [m.name for m in modalities]
    bad = sorted({n for n in names if is_reserved(n) or names.count(n) > 1})
    if bad:
        raise BadOptionError(f"a modality cannot be named {', '.join(bad)}: the name is taken", where="modalities")
    if not modalities and config.lam < 1:
        raise BadOptionError(
            f"lam={config.lam:g} aligns motion with something, and there is nothing to align it with",
            where="modalities",
            remedy="Attach sentences or vectors with kinelet corpus annotate, or set lam=1 for motion alone",
        )


def _weights(config: PrimusConfig, modalities: Sequence[Modality]) -> dict[str, float]:
    names = [m.name for m in modalities]
    weights = {"ss": config.lam} | dict.fromkeys(names, 1 - config.lam)
    weights |= {f"nn_{term}": config.w_nn * weight for term, weight in weights.items()}
    unknown = sorted(config.weights.keys() - weights.keys())
    if unknown:
        raise BadOptionError(
            f"no term is named {', '.join(unknown)}", where="weights", remedy=f"Terms here: {', '.join(weights)}"
        )
    weights = {term: weight for term, weight in (weights | config.weights).items() if weight > 0}
    if not weights:
        raise BadOptionError("every term weighs nothing", where="lam, w_nn, weights")
    if isinstance(config, Imu2ClipConfig) and not set(names) & weights.keys():
        raise BadOptionError(
            "imu2clip aligns motion with something, and here no alignment weighs anything",
            where="lam, weights",
            remedy="Use lam below 1; for motion alone the method simclr, or primus with lam=1",
        )
    return weights


def _heads(aligned: Sequence[Modality]) -> dict[str, str]:
    """Head of each modality: one a space."""
    widths: dict[str, int] = {}
    for m in aligned:
        if widths.setdefault(m.space, m.dim) != m.dim:
            raise BadOptionError(
                f"modalities of space {m.space!r} are {widths[m.space]} and {m.dim} wide", where=m.name
            )
    slugs = {space: "mm" if len(widths) == 1 else f"mm_{slug(space)}" for space in widths}
    if len(set(slugs.values())) < len(slugs):
        raise BadOptionError(f"spaces {', '.join(sorted(slugs))} differ too little in their names", where="modalities")
    return {m.name: slugs[m.space] for m in aligned}


def slug(space: str) -> str:
    """A space's identifier with nothing but lower-case letters, digits and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", space.lower()).strip("_")[:56]


def _search(
    config: PrimusConfig, modalities: Sequence[Modality], aligned: Sequence[Modality], heads: dict[str, int]
) -> tuple[str, ...]:
    if config.search == "auto":
        # What was seen tells moments apart best; many of them share a sentence.
        return tuple(sorted((m.name for m in aligned), key=lambda name: {"video": 0, "text": 2}.get(name, 1)))
    choices = [*(["motion"] if "ss" in heads else []), *(m.name for m in modalities)]
    if config.search not in choices:
        raise BadOptionError(
            f"neighbours cannot be sought by {config.search!r}",
            where="search",
            remedy=f"Choose auto, {', '.join(choices)}" + ("" if "ss" in heads else " (motion needs lam > 0)"),
        )
    return () if config.search == "motion" else (config.search,)


def _output(wanted: str | None, head_of: dict[str, str], heads: dict[str, int]) -> str:
    if wanted is None:
        return head_of.get("text") or next(iter(head_of.values()), "ss")
    output = head_of.get(wanted, wanted)
    if output not in {"backbone", *heads}:
        raise BadOptionError(
            f"there is no output {wanted!r}",
            where="output",
            remedy=f"Choose one of: {', '.join(['backbone', *heads, *head_of])}",
        )
    return output
