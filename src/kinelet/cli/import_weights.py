"""``kinelet import-weights``: checkpoints that other code wrote, as model folders of kinelet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_weights(
    kind: Annotated[str, typer.Argument(help="Which code wrote it: primus or relcon.")],
    checkpoint: Annotated[Path, typer.Argument(help="Its checkpoint; no code in it is run.")],
    out: Annotated[Path, typer.Option(help="Model folder to write.")],
    attention: Annotated[
        str | None,
        typer.Option(
            help="Of a motif network: softmax (default), as the public code measures distances, or sparsemax, as it "
            "trains."
        ),
    ] = None,
    stride: Annotated[int | None, typer.Option(help="Of a motif network's last block; default 1.")] = None,
    site: Annotated[str | None, typer.Option(help="Body site of the training recordings.")] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the weights.")] = None,
    data: Annotated[str | None, typer.Option(help="What they were trained on.")] = None,
    rate: Annotated[
        float | None, typer.Option(help="Rate of the training recordings in Hz; default 50 (primus), 100 (relcon).")
    ] = None,
    window_s: Annotated[
        float | None,
        typer.Option(help="Length of the training windows in seconds; default 5 (primus), 2.56 (relcon)."),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Of primus: refuse a file that is not the public one, by its SHA-256.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Turn a checkpoint of other code into a model folder; what it does not say is assumed, and written down."""
    from kinelet.cli import output
    from kinelet.deploy.importers import import_weights as run
    from kinelet.errors import BadOptionError

    if (out / "config.json").exists():
        raise BadOptionError("holds a model already", where=f"--out {out}", remedy="Give a new folder")
    said: dict[str, object] = {"attention": attention, "stride": stride, "site": site, "licence": licence, "data": data}
    said |= {"rate_hz": rate, "window_s": window_s, "verify": verify or None}
    network = run(kind, checkpoint, out, **{fact: value for fact, value in said.items() if value is not None})
    count = sum(p.numel() for p in network.parameters())
    if json:
        output.as_json({"out": str(out), "kind": network.name, "parameters": count, "card": network.card})
        return
    print(f"{out}: {network.name}, {count:,} parameters")
    print(f"assumed: {', '.join(network.card['assumed'])}")
    for fact in ("site", "licence", "data"):
        if network.card[fact] == "not stated":
            print(f"not stated: {fact}; give it with --{fact}")
