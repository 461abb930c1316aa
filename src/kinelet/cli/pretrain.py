"""``kinelet pretrain``: an encoder from unlabelled recordings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from kinelet.corpus.corpus import Corpus
    from kinelet.progress import Progress
    from kinelet.train.recipe import PretrainConfig


def pretrain(
    method: Annotated[str, typer.Argument(help="Method, for example simclr; see kinelet list methods.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value over the recipe, for example train.steps=2000.")
    ] = None,
    corpus: Annotated[list[Path] | None, typer.Option(help="Corpus folder; repeat for several.")] = None,
    out: Annotated[Path, typer.Option(help="Run directory.")] = Path("runs/latest"),
    config: Annotated[
        str | None,
        typer.Option(help="YAML recipe, or the name of one; see kinelet list recipes. Default: the method's own."),
    ] = None,
    hold_out: Annotated[list[str] | None, typer.Option(help="A person never to train on; repeat.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint in --out, or start where there is none.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Pretrain an encoder (or, with the method motif, a distance) on recordings without labels.

    Several processes: torchrun --nproc-per-node N -m kinelet pretrain, with the same arguments.
    """
    from kinelet.cli import output
    from kinelet.corpus.corpus import Corpus
    from kinelet.errors import BadOptionError
    from kinelet.progress import progress_bar
    from kinelet.train import distributed
    from kinelet.train.pretrain import steps_of
    from kinelet.train.recipes import recipe
    from kinelet.train.run import holds_run

    if not corpus:
        raise BadOptionError("no corpus given", remedy="Add --corpus DIR; kinelet corpus build makes one")
    resolved = recipe(config, overrides or (), method=method)
    # Those that the recipe holds out stay held out.
    held = tuple(dict.fromkeys([*resolved.data.hold_out, *(hold_out or [])]))
    resolved = resolved.model_copy(update={"data": resolved.data.model_copy(update={"hold_out": held})})
    # Under torchrun only the first process speaks.
    first = os.environ.get("RANK", "0") == "0"
    opened = [Corpus.open(c) for c in corpus]
    # No mistake: whatever starts runs again after a failure gives --resume from the first time on.
    if resume and first and not json and not holds_run(out):
        print(f"{out}: nothing to resume, started from the beginning", flush=True)
    with progress_bar(f"pretrain {method}", steps_of(resolved), unit="steps", shown=first) as progress:
        told = _run(opened, out, resolved, resume, progress)
    distributed.leave(distributed.join(resolved.train.device))
    if not first:
        return
    if json:
        output.as_json({"model": out / "model", **told})
    else:
        print(f"{out / 'model'}: {told['title']}, trained on {told['card']['pretrain_people']} people")
        for line in _material_lines(told, resolved):
            print(line)


def _run(corpora: list[Corpus], out: Path, config: PretrainConfig, resume: bool, progress: Progress) -> dict[str, Any]:
    """Train what the method keeps, and say what it is."""
    from kinelet.methods.registry import method_info
    from kinelet.train.material import material_of
    from kinelet.train.pretrain import pretrain_windows, training_views

    views = training_views(corpora, config.data)
    found = material_of(views, config.data)
    used = {"windows": found.windows, "recordings": found.recordings, "recordings_too_short": found.too_short}
    if method_info(config.method).keeps == "distance":
        from kinelet.train.distance import train_distance

        card = train_distance(views, out, config, resume=resume, progress=progress).card
        return {"title": "a distance", "card": card, **used}
    encoder = pretrain_windows(views, out, config, resume=resume, progress=progress)
    title = f"{config.encoder.name}, {encoder.dim} dimensions"
    return {"title": title, "dim": encoder.dim, "card": encoder.card, **used}


def _material_lines(told: dict[str, Any], config: PretrainConfig) -> list[str]:
    """How much it was trained on, and what was too short to be."""
    lines = [f"{told['windows']:,} windows of {told['recordings']:,} recordings"]
    if short := told["recordings_too_short"]:
        lines.append(
            f"{short:,} more recordings were not used: shorter than a window of {config.data.window_s:g} s; "
            "data.window_s= sets another length"
        )
    return lines
