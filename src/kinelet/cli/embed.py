"""``kinelet embed``: vectors for a long recording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def embed(
    model: Annotated[Path, typer.Argument(help="Run directory or model folder.")],
    recording: Annotated[Path, typer.Argument(help="Recording, in any format kinelet reads.")],
    options: Annotated[list[str] | None, typer.Argument(help="Reader options as key=value.")] = None,
    out: Annotated[Path, typer.Option(help="Where to write: .npz or .parquet.")] = Path("embeddings.npz"),
    step_s: Annotated[float, typer.Option(min=1e-3, help="Seconds between vectors.")] = 1.0,
    output_of: Annotated[
        str | None,
        typer.Option(
            "--output", help="Of an encoder with heads: a head's name, or backbone; of an aligned one: u, v, …"
        ),
    ] = None,
    modality: Annotated[
        str | None, typer.Option(help="Of a run of kinelet align: embed with the encoder of this modality.")
    ] = None,
    card: Annotated[Path | None, typer.Option(help="YAML card that describes a table.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Embed a recording, or the side stream of it that has the encoder's channels: one vector a step.

    Where a window would cross a gap, its vector is marked as invalid.
    """
    from kinelet.cli import output
    from kinelet.cli.options import parse_options
    from kinelet.deploy.embedding import embed as run
    from kinelet.deploy.embedding import write_embeddings
    from kinelet.deploy.loading import load
    from kinelet.errors import BadOptionError
    from kinelet.progress import progress_bar
    from kinelet.readers.registry import read

    if out.suffix not in (".npz", ".parquet"):
        raise BadOptionError(f"cannot write {out.name!r}", where="--out", remedy="Use .npz or .parquet")
    rec = read(recording, card=card, **parse_options(options))
    encoder = load(model, output=output_of, modality=modality)
    with progress_bar("embed", max(1, int(rec.duration_s / step_s)), unit="windows") as progress:
        found = run(encoder, rec, step_s=step_s, progress=progress)
    write_embeddings(found, out)
    facts = {
        "out": str(out),
        "vectors": len(found),
        "valid": int(found.valid.sum()),
        "dim": encoder.dim,
        "window_s": found.window_s,
        "step_s": step_s,
        "changes": found.changes,
        "warnings": rec.warnings,
    }
    if json:
        output.as_json(facts)
        return
    for line in rec.warnings:
        print(f"warning: {line}")
    for change in found.changes:
        print(f"adapted: {change}")
    told = f"{len(found)} vectors of {encoder.dim}, {facts['valid']} valid, one every {step_s:g} s"
    print(f"{out}: {told}, each from {found.window_s:g} s")
    if not facts["valid"]:
        print(f"warning: no stretch of the recording is as long as a window of {found.window_s:g} s")
