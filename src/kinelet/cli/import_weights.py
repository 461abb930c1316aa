"""``kinelet import-weights``: checkpoints that other code wrote, as model folders of kinelet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_weights(
    kind: Annotated[str, typer.Argument(help="Which code wrote it: relcon.")],
    checkpoint: Annotated[Path, typer.Argument(help="Its checkpoint; no code in it is run.")],
    out: Annotated[Path, typer.Option(help="Model folder to write.")],
    attention: Annotated[
        str,
        typer.Option(
            help="Of a motif network: softmax, as the public code measures distances, or sparsemax, as it trains."
        ),
    ] = "softmax",
    stride: Annotated[int, typer.Option(help="Of a motif network's last block.")] = 1,
    site: Annotated[str | None, typer.Option(help="Body site of the training recordings.")] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the weights.")] = None,
    data: Annotated[str | None, typer.Option(help="What they were trained on.")] = None,
    rate: Annotated[float, typer.Option(help="Rate of the training recordings in Hz.")] = 100.0,
    window_s: Annotated[float, typer.Option(help="Length of the training windows in seconds.")] = 2.56,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Turn a checkpoint of other code into a model folder; what it does not say is assumed, and written down."""
    from kinelet.cli import output
    from kinelet.deploy.importers import import_weights as run
    from kinelet.errors import BadOptionError

    if (out / "config.json").exists():
        raise BadOptionError("holds a model already", where=f"--out {out}", remedy="Give a new folder")
    network = run(
        kind,
        checkpoint,
        out,
        attention=attention,
        stride=stride,
        site=site,
        licence=licence,
        data=data,
        rate_hz=rate,
        window_s=window_s,
    )
    count = sum(p.numel() for p in network.parameters())
    if json:
        output.as_json({"out": str(out), "kind": network.name, "parameters": count, "card": network.card})
        return
    print(f"{out}: {network.name}, {count:,} parameters")
    print(f"assumed: {', '.join(network.card['assumed'])}")
    for fact in ("site", "licence", "data"):
        if network.card[fact] == "not stated":
            print(f"not stated: {fact}; give it with --{fact}")
