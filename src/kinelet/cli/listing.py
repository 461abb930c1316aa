"""``kinelet list``: what there is to choose from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer


def listing(
    kind: Annotated[
        str, typer.Argument(help="encoders, methods, datasets, protocols, baselines, readers, recipes, or all.")
    ] = "all",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List what there is to choose from, by name."""
    from kinelet.cli import output
    from kinelet.errors import BadOptionError

    if kind != "all" and kind not in _SOURCES:
        raise BadOptionError(f"nothing called {kind!r} to list", remedy=f"Choose from all, {', '.join(_SOURCES)}")
    found = {name: source() for name, source in _SOURCES.items() if kind in ("all", name)}
    if json:
        output.as_json(found)
        return
    width = max(len(name) for members in found.values() for name in members)
    for title, members in found.items():
        print(f"{title}:")
        for name, told in members.items():
            print(f"  {name:<{width}}  {told}")


def _encoders() -> dict[str, str]:
    from kinelet.encoders.registry import ENCODERS

    return {
        e.name: f"{e.title}; {e.parameters:,} parameters with 3 channels, {e.dim} dimensions" for e in ENCODERS.values()
    }


def _methods() -> dict[str, str]:
    from kinelet.methods.registry import METHODS

    return {m.name: f"{m.title} ({m.paper})" for m in METHODS.values()}


def _datasets() -> dict[str, str]:
    from kinelet.datasets.registry import get_dataset, list_datasets

    cards = (get_dataset(name).card for name in list_datasets())
    return {c.name: f"{c.title}; {c.people} {c.who}; {c.licence}" for c in cards}


def _protocols() -> dict[str, str]:
    from kinelet.evaluate.registry import OF_A_CORPUS, PROTOCOLS

    return {p.name: f"{p.title} (for {' and '.join(p.kinds)})" for p in PROTOCOLS.values()} | OF_A_CORPUS


def _baselines() -> dict[str, str]:
    from kinelet.evaluate.baselines import BASELINES

    return {b.name: b.title for b in BASELINES.values()}


def _readers() -> dict[str, str]:
    from kinelet.readers.registry import READERS

    return {r.name: r.title for r in READERS.values()}


def _recipes() -> dict[str, str]:
    from kinelet.train.recipes import list_recipes, title_of

    return {name: title_of(name) for name in list_recipes()}


_SOURCES: dict[str, Callable[[], dict[str, str]]] = {
    "encoders": _encoders,
    "methods": _methods,
    "datasets": _datasets,
    "protocols": _protocols,
    "baselines": _baselines,
    "readers": _readers,
    "recipes": _recipes,
}
