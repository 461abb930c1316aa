"""``kinelet label``: a timeline of labels from a list of sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from kinelet.deploy.abstain import Calibration
    from kinelet.deploy.material import Material
    from kinelet.deploy.timeline import Confidence, Labeller


def label(
    run: Annotated[Path, typer.Argument(help="Run directory or model folder, aligned with text.")],
    recording: Annotated[Path | None, typer.Argument(help="Recording, in any format kinelet reads.")] = None,
    options: Annotated[list[str] | None, typer.Argument(help="Reader options as key=value.")] = None,
    corpus: Annotated[Path | None, typer.Option(help="Corpus to label, instead of a recording.")] = None,
    subject: Annotated[list[str] | None, typer.Option(help="Label this person of the corpus only; repeatable.")] = None,
    site: Annotated[str | None, typer.Option(help="Recordings of this body site of the corpora only.")] = None,
    sentences: Annotated[
        list[str] | None,
        typer.Option(help="A sentence (repeatable), a YAML file of label: [sentence, …], or a data set's name."),
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="Least confidence to answer with.")] = None,
    calibrate: Annotated[Path | None, typer.Option(help="Corpus with labels to set the threshold from.")] = None,
    track: Annotated[str, typer.Option(help="Annotations that hold the truth.")] = "activity",
    target_precision: Annotated[
        float | None, typer.Option(help="Share of answers that shall be right; default 0.9.")
    ] = None,
    coverage: Annotated[float | None, typer.Option(help="Share of windows to answer, instead.")] = None,
    confidence: Annotated[
        str, typer.Option(help="margin (best class above the next) or score (of the best class).")
    ] = "margin",
    smooth_s: Annotated[
        float | None, typer.Option(min=0, help="Average scores over so long; default two windows.")
    ] = None,
    step_s: Annotated[
        float | None, typer.Option(min=1e-3, help="Seconds between windows; default half a window.")
    ] = None,
    window_s: Annotated[
        float | None, typer.Option(min=1e-3, help="Seconds of a window; default the encoder's own.")
    ] = None,
    modality: Annotated[
        str | None, typer.Option(help="Modality of the run that holds sentences; default text, or the only one.")
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps vectors for the next time.")] = None,
    card: Annotated[Path | None, typer.Option(help="YAML card that describes a table.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write the timeline: .csv or .json.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Picture of the timeline to write (PNG).")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Propose a timeline of labels from sentences, left open where none fits well enough."""
    from kinelet.cli import output
    from kinelet.deploy.loading import load
    from kinelet.deploy.sentences import gather_sentences
    from kinelet.deploy.timeline import labeller
    from kinelet.progress import progress_bar
    from kinelet.report.timeline import MOST_ROWS, check_ending, facts, label_rows, plot_timelines, write_timelines

    aim, target = _aim(threshold, calibrate, target_precision, coverage)
    _check_outputs(plot, confidence)
    if out is not None:
        check_ending(out)
    source = _material(recording, options, card, corpus, subject, site)
    told = gather_sentences(sentences or ())
    times: dict[str, Any] = {"step_s": step_s, "window_s": window_s, "smooth_s": smooth_s}
    kind: Confidence = "score" if confidence == "score" else "margin"
    made = labeller(load(run), told, confidence=kind, modality=modality, **times)
    found = None
    if calibrate is not None:
        how = {"track": track, "aim": aim, "target": target, "site": site, "cache": cache}
        found = _calibrated(made, calibrate, source, how, quiet=json)
    least = found.threshold if found else -float("inf") if threshold is None else threshold
    with progress_bar("label", source.windows(made.step_s), unit="windows") as progress:
        timelines = source.timelines(made, least, cache=cache, progress=progress)
    if out is not None:
        write_timelines(timelines, out)
    if plot is not None:
        drawn = timelines[:MOST_ROWS]
        plot_timelines(drawn, [source.read(t) for t in drawn], made.classes, plot, track=track)
    if json:
        output.as_json(facts(timelines, least, found))
        return
    if found is not None:
        output.table(f"Threshold from {len(found.people)} people of {calibrate}", ("what", "value"), found.rows())
    rows = label_rows(timelines, made.classes)
    output.table("Timeline", ("label", "minutes", "share"), rows)
    if unused := len(made.classes) - len(rows) + 1:
        print(f"{unused} more labels fit nowhere best")
    if found is None and threshold is None:
        print("every window is answered, right or wrong: --calibrate CORPUS sets a threshold from people with labels")
    if skipped := source.skipped(made):
        print(f"{skipped} recordings lack channels of the encoder ({' '.join(made.encoder.spec.channels)})")
    if plot is not None and len(timelines) > MOST_ROWS:
        print(f"the picture shows {MOST_ROWS} of {len(timelines)} recordings; --subject chooses whose")
    for path in (out, plot):
        if path is not None:
            print(path)


def _aim(
    threshold: float | None, calibrate: Path | None, precision: float | None, coverage: float | None
) -> tuple[Any, float]:
    from kinelet.errors import BadOptionError

    if threshold is not None and not math.isfinite(threshold):
        raise BadOptionError(f"{threshold} is no confidence", where="--threshold", remedy="Give a number, such as 0.05")
    if threshold is not None and calibrate is not None:
        raise BadOptionError("--threshold and --calibrate are both given", remedy="Give one of them")
    if precision is not None and coverage is not None:
        raise BadOptionError("--target-precision and --coverage are both given", remedy="Give one of them")
    if calibrate is None and (precision is not None or coverage is not None):
        raise BadOptionError("a target needs people with labels", remedy="Add --calibrate CORPUS")
    if coverage is not None:
        return "coverage", coverage
    return "precision", 0.9 if precision is None else precision


def _check_outputs(plot: Path | None, confidence: str) -> None:
    from kinelet.cli import output
    from kinelet.errors import BadOptionError

    if plot is not None and plot.suffix != ".png":
        raise BadOptionError(f"cannot write {plot.name!r}", where="--plot", remedy="Use .png")
    if plot is not None:
        output.require_folder("--plot", plot)
    if confidence not in ("margin", "score"):
        raise BadOptionError(f"no confidence is named {confidence!r}", remedy="Use margin or score")


def _calibrated(made: Labeller, place: Path, source: Material, how: dict[str, Any], *, quiet: bool) -> Calibration:
    from kinelet.corpus.corpus import Corpus
    from kinelet.deploy.calibrated import calibrate_labels, choose_people
    from kinelet.deploy.corpus_vectors import total_windows
    from kinelet.progress import progress_bar

    opened = Corpus.open(place)
    choice = choose_people(made.encoder, opened, source.names())
    if not quiet:
        for line in choice.notes():
            print(line)
    with progress_bar("calibrate", total_windows(opened.recordings, made.step_s), unit="windows") as progress:
        return calibrate_labels(made, opened, choice.people, progress=progress, **how)


def _material(
    recording: Path | None,
    options: Sequence[str] | None,
    card: Path | None,
    corpus: Path | None,
    subject: Sequence[str] | None,
    site: str | None,
) -> Material:
    from kinelet.cli.options import parse_options
    from kinelet.corpus.corpus import Corpus
    from kinelet.deploy.material import Material
    from kinelet.errors import BadOptionError
    from kinelet.readers.registry import read

    if recording is not None and corpus is not None:
        raise BadOptionError("a recording and --corpus are both given", remedy="Give one of them")
    if corpus is not None:
        return Material(corpus=Corpus.open(corpus).select(subjects=subject, site=site))
    if recording is None:
        raise BadOptionError("nothing to label", remedy="Give a recording, or --corpus DIR")
    if subject:
        raise BadOptionError("--subject chooses people of a corpus", remedy="For a recording give subject=NAME")
    return Material(recording=read(recording, card=card, **parse_options(options)))
