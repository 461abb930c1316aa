"""``kinelet align``: encoders that were pretrained apart, aligned on few pairs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def align(
    method: Annotated[str, typer.Argument(help="Method, for example infomae; see kinelet list methods.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value over the recipe, for example pairs.share=0.05.")
    ] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="Corpus in which several modalities were recorded at once.")
    ] = None,
    modality: Annotated[
        list[str] | None,
        typer.Option(help="NAME=CHANNELS[@SITE], for example acc=acc_x,acc_y,acc_z; repeat. Default: every sensor."),
    ] = None,
    unimodal: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=RUN of kinelet pretrain, or NAME=CORPUS to pretrain on first; repeat. A corpus alone is for all."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Run directory.")] = Path("runs/aligned"),
    config: Annotated[str | None, typer.Option(help="YAML recipe. Default: the method's own.")] = None,
    hold_out: Annotated[list[str] | None, typer.Option(help="A person never to train on; repeat.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in --out.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Align encoders of several modalities on the few moments when they were recorded at once."""
    from kinelet.cli import output
    from kinelet.cli.options import parse_all_named
    from kinelet.corpus.corpus import Corpus
    from kinelet.errors import BadOptionError
    from kinelet.progress import progress_bar
    from kinelet.train import distributed
    from kinelet.train.align import align as run
    from kinelet.train.align import steps_of
    from kinelet.train.align_recipe import align_recipe

    if pairs is None:
        raise BadOptionError("no pairs given", remedy="Add --pairs CORPUS; kinelet corpus pairs tells how many it has")
    resolved = align_recipe(config, overrides or (), method=method)
    held = tuple(dict.fromkeys([*resolved.pairs.hold_out, *(hold_out or [])]))
    views = resolved.modalities if not modality else parse_all_named("--modality", modality)
    _require_known(resolved.method, views)
    told = resolved.pairs.model_copy(update={"hold_out": held})
    resolved = resolved.model_copy(update={"pairs": told, "modalities": views})
    corpus = Corpus.open(pairs)
    sources = _sources(unimodal or [], views, corpus)
    first = os.environ.get("RANK", "0") == "0"
    with progress_bar(f"align {method}", steps_of(resolved, sources), unit="steps", shown=first) as progress:
        model = run(corpus, out, resolved, unimodal=sources, resume=resume, progress=progress)
    distributed.leave(distributed.join(resolved.train.device))
    if not first:
        return
    card = model.card
    if json:
        output.as_json({"model": out / "model", "modalities": model.names, "card": card})
        return
    print(f"{out / 'model'}: {' and '.join(model.names)}, aligned by {method} on {card['pairs']:,} pairs", end="")
    print(f" of {card['pretrain_people']} people")
    print(f"{card['pairs_kept_out']:,} more pairs were kept out to watch it on")
    if near := card.get("neighbouring_sequences"):
        print(f"few pairs: {near} of the {card['sequences']} sequences of a batch follow another one closely in time")


def _sources(items: list[str], views: dict[str, str] | None, corpus: object) -> dict[str, str]:
    """What each modality comes from."""
    from typing import cast

    from kinelet.cli.options import parse_all_named
    from kinelet.corpus.corpus import Corpus
    from kinelet.corpus.views import views_of
    from kinelet.errors import BadOptionError

    found = parse_all_named("--unimodal", [item for item in items if "=" in item], "RUN")
    for_all = [item for item in items if "=" not in item]
    if len(for_all) > 1:
        raise BadOptionError(
            f"--unimodal names {len(for_all)} corpora for all modalities: {' and '.join(for_all)}",
            remedy="Name one, and others as NAME=CORPUS",
        )
    if for_all:
        names = list(views) if views is not None else list(views_of(cast(Corpus, corpus)))
        found |= {name: for_all[0] for name in names if name not in found}
    return found


def _require_known(method: str, views: dict[str, str] | None) -> None:
    """Refuse what cannot be aligned before anything is opened."""
    from kinelet.errors import BadOptionError
    from kinelet.methods.registry import METHODS

    if method not in METHODS:
        aligning = [name for name, info in METHODS.items() if info.keeps == "aligned"]
        raise BadOptionError(f"no method is named {method!r}", remedy=f"Choose one of: {', '.join(aligning)}")
    if views is not None and len(views) < 2:
        raise BadOptionError(
            "one modality is nothing to align: name two or more", remedy="Repeat --modality, or leave it out for all"
        )
