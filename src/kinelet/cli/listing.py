"""``kinelet list``: what there is to choose from."""

from __future__ import annotations

from typing import Annotated

import typer


def listing(
    kind: Annotated[str, typer.Argument(help="encoders, methods, datasets, protocols, readers, or all.")] = "all",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List encoders, methods, datasets, protocols and readers."""
    import kinelet as kl
    from kinelet.cli import output
    from kinelet.errors import BadOptionError

    sources = {
        "encoders": kl.list_encoders,
        "methods": kl.list_methods,
        "datasets": kl.list_datasets,
        "protocols": kl.list_protocols,
        "readers": kl.list_readers,
    }
    if kind != "all" and kind not in sources:
        raise BadOptionError(f"nothing called {kind!r} to list", remedy=f"Choose from all, {', '.join(sources)}")
    found = {name: list(source()) for name, source in sources.items() if kind in ("all", name)}
    if json:
        output.as_json(found)
        return
    for name, members in found.items():
        print(f"{name}: {', '.join(members)}")
