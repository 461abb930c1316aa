"""``kinelet search``: ask recordings in words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def search(
    run: Annotated[Path, typer.Argument(help="Run directory or model folder, aligned with text.")],
    sentence: Annotated[str, typer.Argument(help='What to look for, in words: "someone climbing stairs".')],
    corpus: Annotated[Path | None, typer.Option(help="Corpus to search.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Hits at most.")] = 10,
    subject: Annotated[list[str] | None, typer.Option(help="Search this person only; may be repeated.")] = None,
    site: Annotated[str | None, typer.Option(help="Search recordings of this body site only.")] = None,
    step_s: Annotated[
        float | None, typer.Option(min=1e-3, help="Seconds between windows; default half a window.")
    ] = None,
    window_s: Annotated[
        float | None, typer.Option(min=1e-3, help="Seconds of a window; default the encoder's own.")
    ] = None,
    merge_s: Annotated[
        float | None, typer.Option(min=0, help="Dips up to this long do not part a stretch; default a window.")
    ] = None,
    track: Annotated[str, typer.Option(help="Annotations to tell beside the hits.")] = "activity",
    modality: Annotated[
        str | None, typer.Option(help="Modality of the run that holds sentences; default text, or the only one.")
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps vectors for the next search.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Picture of the hits to write (PNG).")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the stretches of recordings that fit a sentence best, with time and score."""
    from kinelet.cli import output
    from kinelet.corpus.corpus import Corpus
    from kinelet.deploy.corpus_vectors import total_windows
    from kinelet.deploy.loading import load
    from kinelet.deploy.search import search as run_search
    from kinelet.deploy.search import window_length
    from kinelet.errors import BadOptionError
    from kinelet.progress import progress_bar
    from kinelet.report.search import hit_facts, hit_table, plot_hits

    if corpus is None:
        raise BadOptionError("no corpus given", remedy="Add --corpus DIR with recordings to search")
    if plot is not None and plot.suffix != ".png":
        raise BadOptionError(f"cannot write {plot.name!r}", where="--plot", remedy="Use .png")
    if plot is not None:
        output.require_folder("--plot", plot)
    encoder, opened = load(run), Corpus.open(corpus)
    step = step_s or window_length(encoder, window_s) / 2
    with progress_bar("search", total_windows(opened.recordings, step), unit="windows") as progress:
        found = run_search(
            encoder,
            opened,
            sentence,
            top=top,
            step_s=step,
            window_s=window_s,
            subjects=subject,
            site=site,
            merge_s=merge_s,
            track=track,
            modality=modality,
            cache=cache,
            progress=progress,
        )
    if plot is not None and found.hits:
        plot_hits(found, opened, plot)
    if json:
        output.as_json(hit_facts(found))
        return
    output.table(f"“{sentence}” in {corpus}", *hit_table(found), tight=True)
    print(f"{found.windows:,} windows of {found.hours:.2f} h; z: where a hit lies among all of them; --json tells more")
    if found.skipped:
        print(f"{found.skipped} recordings lack channels of the encoder ({' '.join(encoder.spec.channels)})")
    if not found.hits:
        print("no window stands out: all score alike")
    elif plot is not None:
        print(f"{plot}: one row a hit")
