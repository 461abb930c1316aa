"""``kinelet corpus annotate``: attach sentences, or vectors of another modality, to a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from kinelet.corpus.annotate import Annotated as Attached


def annotate(
    path: Annotated[Path, typer.Argument(help="Corpus folder.")],
    narrations: Annotated[
        Path | None, typer.Option(help="CSV of recording, time, text (and stop, annotator): sentences about moments.")
    ] = None,
    sentences: Annotated[
        str | None, typer.Option(help="Sentences for labels: a YAML file of label: [sentence, …], or a public set.")
    ] = None,
    vectors: Annotated[
        Path | None, typer.Option(help="NPZ of vectors, recording, start_s, duration_s: made by a tower of yours.")
    ] = None,
    modality: Annotated[
        str | None, typer.Option(help="Name of what is attached: text (default), or such as video, skeleton.")
    ] = None,
    track: Annotated[str, typer.Option(help="Track of the labels that --sentences is about.")] = "activity",
    skip: Annotated[list[str] | None, typer.Option(help="Label that gets no sentence; may be repeated.")] = None,
    tower: Annotated[
        str | None, typer.Option(help="What embeds sentences (default minilm; none: nothing), or what made --vectors.")
    ] = None,
    space: Annotated[
        str | None, typer.Option(help="Space of --vectors; modalities that share one can be compared.")
    ] = None,
    pool: Annotated[
        str | None, typer.Option(help="What a window with several of --vectors gives: draw (one of them) or mean.")
    ] = None,
    wearer: Annotated[
        str | None,
        typer.Option(help="Word for who wears the sensor, written C in narrations; kept, at first 'the person'."),
    ] = None,
    window: Annotated[float, typer.Option(help="Seconds of the windows that the report is about.")] = 5.0,
    placement: Annotated[str, typer.Option(help="How they are laid: event, grid, annotation or stretch.")] = "event",
    replace: Annotated[bool, typer.Option("--replace", help="Replace what is attached under this name.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Attach narrations, sentences for labels, or vectors of another modality, and tell how much they repeat.

    Without any of them, the sentences that the corpus has already are embedded.
    """
    from kinelet.cli import output
    from kinelet.corpus.annotate import require_windows

    require_windows(window, placement)
    if vectors is not None:
        _refuse({"--narrations": narrations, "--sentences": sentences}, "--vectors", "Attach one after the other")
        found = _vectors(path, vectors, modality, {"space": space, "tower": tower, "pool": pool}, replace)
    else:
        _refuse({"--space": space, "--pool": pool}, "sentences", "These options are for --vectors")
        given: dict[str, Any] = {"modality": modality, "tower": tower, "window_s": window, "wearer": wearer}
        given |= {"narrations_csv": narrations, "sentences": sentences, "track": track, "skip": skip or ()}
        given["placement"] = placement
        found = _text(path, given, replace)
    if json:
        output.as_json(found.as_dict())
    else:
        output.table(str(path), ("what", "value"), found.rows())


def _refuse(options: dict[str, Any], beside: str, remedy: str) -> None:
    from kinelet.errors import BadOptionError

    there = [name for name, value in options.items() if value is not None]
    if there:
        raise BadOptionError(f"{there[0]} does not go with {beside}", where="corpus annotate", remedy=remedy)


def _text(path: Path, given: dict[str, Any], replace: bool) -> Attached:
    from kinelet.corpus.annotate import annotate_text
    from kinelet.progress import progress_bar

    chosen = {name: value for name, value in given.items() if value is not None}
    return annotate_text(
        path, **chosen, replace=replace, bar=lambda n: progress_bar(f"embed {path}", n, unit="sentences")
    )


def _vectors(path: Path, vectors: Path, modality: str | None, given: dict[str, Any], replace: bool) -> Attached:
    from kinelet.corpus.annotate import annotate_vectors
    from kinelet.errors import BadOptionError

    if modality is None:
        raise BadOptionError("--vectors need a name", where="corpus annotate", remedy="Such as: --modality skeleton")
    if given["pool"] not in (None, "draw", "mean"):
        raise BadOptionError(f"pool is {given['pool']!r}", where="corpus annotate", remedy="Use draw or mean")
    chosen = {name: value for name, value in given.items() if value is not None}
    return annotate_vectors(path, vectors, modality=modality, replace=replace, **chosen)
