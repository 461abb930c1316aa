"""Variants of the RelCon recipe, one thing altered at a time, at the same number of encoded windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kinelet.errors import BadOptionError
from relcon_contenders import RECIPES, Contender, contender, meant_for, variant

OPTION = "method_options"
MOTIF = "distance.method_options.network"
PUBLISHED = tuple(f"{MOTIF}.options.{o}" for o in ("offset=plain", "amplitude=candidate", "scale=axis"))
# About as many encoded windows in a step as the recipe has, 12 of them anchors; cached, they would be too few.
FEW = (f"{OPTION}.anchors=batch", "train.batch_size=12", f"{OPTION}.cache=0")
BARE = tuple(
    f"{OPTION}.{o}"
    for o in ("own_view=false", "weights=equal", "top_k=null", "projector=null", "augmentations=[]", "between=all")
)
BINARY = "binary"  # the REBAR recipe: a choice of one in place of an order
TOP = 10  # places that count with weights=top
ABLATIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "euclid": ("Euclidean distance", ("distance.use=euclid",)),
    "dtw": ("DTW distance", ("distance.use=dtw",)),
    "published": ("distance as published", PUBLISHED),
    "no_revin": ("distance as published, without RevIN", (*PUBLISHED[:2], f"{MOTIF}.options.scale=none")),
    "offset_free": ("distance as published, offset-free", (f"{MOTIF}.options.offset=remove", *PUBLISHED[1:])),
    "own_amplitude": (
        "offset-free, each window by its own amplitude",
        (f"{MOTIF}.options.offset=remove", f"{MOTIF}.options.amplitude=own"),
    ),
    "softmax": ("softmax attention", (f"{MOTIF}.attention=softmax",)),
    "sparsemax": ("sparsemax attention", (f"{MOTIF}.attention=sparsemax",)),
    "batch": ("few anchors with candidates beside them", FEW),
    "as_published": ("RelCon as published, same encoder and budget", (*FEW, *PUBLISHED, *BARE)),
    "within": ("candidates of the own person only", (f"{OPTION}.which=within",)),
    "between": ("candidates of other people only", (f"{OPTION}.which=between",)),
    "both": ("candidates of the own person and of others", (f"{OPTION}.which=both",)),
    "own_view": ("own view ranked nearest", (f"{OPTION}.own_view=true",)),
    "no_own_view": ("no own view", (f"{OPTION}.own_view=false",)),
    "equal": ("places weighted equally", (f"{OPTION}.weights=equal", f"{OPTION}.top_k=null")),
    "log": ("places weighted 1/log", (f"{OPTION}.weights=log", f"{OPTION}.top_k=null")),
    "top": (f"nearest {TOP} places only", (f"{OPTION}.weights=top", f"{OPTION}.top_k={TOP}")),
    "candidates_5": ("5 candidates of the own person", (f"{OPTION}.candidates=5",)),
    "candidates_10": ("10 candidates of the own person", (f"{OPTION}.candidates=10",)),
    "candidates_20": ("20 candidates of the own person", (f"{OPTION}.candidates=20",)),
}


def ablations(base: Contender, overrides: Sequence[str], budget: int, names: Sequence[str]) -> list[Contender]:
    """Variants of a contender; those that alter nothing in its recipe are left out.

    Args:
        base: The contender that they are variants of.
        overrides: ``key=value`` over its recipe, before the variant's own.
        budget: Windows that each pretraining encodes.
        names: Those wanted; none for all.
    """
    if base.name != "relcon":
        return []
    unknown = [n for n in names if n not in (*ABLATIONS, BINARY)]
    if unknown:
        raise BadOptionError(f"no ablation {unknown}", remedy=f"Choose from: {', '.join(ABLATIONS)}")
    made = [
        variant(name, title, base.name, [*meant_for(base.name, overrides), *own], budget)
        for name, (title, own) in ABLATIONS.items()
        if not names or name in names
    ]
    if not names or BINARY in names:
        made.append(replace(contender("rebar", overrides, budget), title="nearest against all (REBAR)"))
    return [m for m in made if m.facts() != base.facts()]


def parsed(text: str, overrides: Sequence[str], budget: int) -> Contender:
    """A variant from the command line: ``NAME: BASE key=value key=value``."""
    name, colon, rest = text.partition(":")
    base, *own = rest.split() if colon else [""]
    if base not in RECIPES:
        raise BadOptionError(
            f"{text!r} is no variant",
            where="--variant",
            remedy='For example "warm: relcon method_options.temperature=0.2"',
        )
    return variant("variant", name.strip(), base, [*meant_for(base, overrides), *own], budget)
