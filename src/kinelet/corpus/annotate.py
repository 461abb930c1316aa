"""Attach to a corpus what was said, seen or worn while it was recorded."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from kinelet.arrays import load_npz
from kinelet.corpus.corpus import Corpus
from kinelet.corpus.narration_file import BadRowError, Names, misplaced, read_narrations, tell_late_starts
from kinelet.corpus.narration_table import keep_wearer
from kinelet.corpus.narrations import Narration, narrations, sentences_for_labels, write_narrations
from kinelet.corpus.redundancy import Redundancy, redundancy
from kinelet.corpus.windows import Placement
from kinelet.errors import BadFileError, BadOptionError, KineletError
from kinelet.progress import Progress, silent
from kinelet.towers.phrases import list_sentences, read_sentences
from kinelet.towers.phrases import sentences as sentences_of_set
from kinelet.towers.registry import open_tower
from kinelet.towers.store import EmbeddingStore, attach_text, attach_vectors, open_store, store_folder

TEXT, PRECOMPUTED, NO_TOWER = "text", "precomputed", "none"
ARRAYS = ("vectors", "recording", "start_s", "duration_s")

Bar = Callable[[int], AbstractContextManager[Progress]]  # a progress bar for so many items


@dataclass(frozen=True)
class Annotated:
    """What was attached.

    Attributes:
        modality: Name of the modality.
        items: Vectors in its store; 0 without a store.
        dim: Their width.
        space: Their space.
        tower: What made them.
        report: How much the sentences repeat themselves; ``None`` for vectors, and where windows cannot be cut.
        why_not: Why there is no report.
    """

    modality: str
    items: int = 0
    dim: int = 0
    space: str = ""
    tower: str = NO_TOWER
    report: Redundancy | None = None
    why_not: str = ""

    def rows(self) -> list[tuple[str, str]]:
        """Name and value of each fact."""
        rows = [("modality", self.modality)]
        if self.items:
            rows.append(("vectors", f"{self.items} of {self.dim} numbers, by {self.tower}, space {self.space}"))
        else:
            rows.append(("vectors", "none (--tower none)"))
        return rows + (self.report.rows() if self.report else [("redundancy", self.why_not)] if self.why_not else [])

    def as_dict(self) -> dict[str, Any]:
        """All figures, for JSON."""
        report = None if self.report is None else self.report.as_dict()
        return {**vars(self), "report": report}


def annotate_text(
    path: str | Path,
    *,
    narrations_csv: str | Path | None = None,
    sentences: str | Path | None = None,
    track: str = "activity",
    skip: Collection[str] = (),
    wearer: str | None = None,
    tower: str = "minilm",
    modality: str = TEXT,
    window_s: float = 5.0,
    placement: Placement = "event",
    replace: bool = False,
    bar: Bar = lambda total: nullcontext(silent),
) -> Annotated:
    """Attach sentences, embed each different one once, and measure how much they repeat themselves.

    With neither ``narrations_csv`` nor ``sentences``, what the corpus has already is embedded: narrations of its data
    set, or sentences attached before. Started again after an interruption it goes on where it stopped.

    Args:
        path: Folder of the corpus.
        narrations_csv: See :func:`kinelet.corpus.narration_file.read_narrations`.
        sentences: YAML file of ``label: [sentence, …]``, or the name of a public set that kinelet has sentences for.
        track: Track of those labels.
        skip: Labels that get no sentence.
        wearer: Word for who wears the sensor, kept with the corpus; by default that which it was annotated with before,
            else ``the person``.
        tower: Text tower; ``none`` attaches sentences only.
        modality: Name of the vectors' store.
        window_s: Length of the windows that the report is about.
        placement: How they are laid.
        replace: Whether to replace other sentences and vectors that were attached before.
        bar: Shows how many sentences are embedded.

    Raises:
        BadOptionError: if something else is attached already, or there is no sentence at all.
        BadFileError: if a row or a file is wrong.
    """
    corpus = Corpus.open(path)
    rows: list[Narration] = [] if narrations_csv is None else read_narrations(narrations_csv, corpus)
    if sentences is not None:
        mapping = sentences_of_set(str(sentences)) if str(sentences) in list_sentences() else read_sentences(sentences)
        rows += sentences_for_labels(corpus, track, mapping, skip=skip)
    made = None if tower == NO_TOWER else open_tower(tower)
    if made is not None and not replace:
        _require_same_tower(store_folder(path, modality), made.name)
    if rows:
        write_narrations(corpus, rows, wearer=wearer, replace=replace)
    found = narrations(corpus, wearer=wearer)
    if not len(found):
        remedy = "Give --narrations FILE.csv or --sentences FILE.yaml"
        raise BadOptionError("there are no sentences", where=str(path), remedy=remedy)
    if wearer is not None and not rows:
        keep_wearer(corpus, wearer, replace=replace)
    store = None
    if made is not None:
        with bar(len(found.sentences)) as progress:
            store = attach_text(path, found.sentences, made, modality, progress=progress)
    try:
        report, why_not = redundancy(corpus.windows(window_s, placement=placement), found), ""
    except KineletError as error:
        report, why_not = None, f"not measured: {error}"
    return _annotated(modality, store, report=report, why_not=why_not)


def _require_same_tower(folder: Path, tower: str) -> None:
    if folder.exists() and (there := open_store(folder).meta.tower) != tower:
        raise BadOptionError(f"has vectors by {there!r} already", where=str(folder), remedy="Replace it with --replace")


def _annotated(modality: str, store: EmbeddingStore | None, **fields: Any) -> Annotated:
    if store is None:
        return Annotated(modality, **fields)
    meta = store.meta
    return Annotated(modality, len(store), meta.dim, meta.space, meta.tower, **fields)


def annotate_vectors(
    path: str | Path,
    npz: Path,
    *,
    modality: str,
    space: str | None = None,
    tower: str = PRECOMPUTED,
    pool: Literal["draw", "mean"] = "draw",
    replace: bool = False,
) -> Annotated:
    """Attach vectors that were made elsewhere, from one NPZ file.

    Args:
        path: Folder of the corpus.
        npz: Arrays ``vectors (items, dim)``, ``recording (items,)`` (ids or names, as text), ``start_s`` and
            ``duration_s`` (one number each, or one for all; seconds on the recording's own clock).
        modality: Name of the modality.
        space: Vectors of modalities that share it can be compared; one of its own if not given.
        tower: What made them.
        pool: What a window with several items gives: one of them, drawn anew each time, or their mean.
        replace: Whether to replace vectors of this name that were attached before.

    Raises:
        BadFileError: if an array is missing, wrong or claims more than the file can hold, a vector is zero or not
            finite, or a recording is not there.
        BadOptionError: if there are vectors of that name already.
    """
    corpus = Corpus.open(path)
    arrays = _load(npz)
    ids = _ids(arrays["recording"], corpus, npz)
    _require_inside(ids, arrays, corpus, npz)
    tell_late_starts(set(ids), corpus)
    store = attach_vectors(
        path,
        modality,
        arrays["vectors"],
        ids,
        arrays["start_s"],
        arrays["duration_s"],
        space=space or modality,
        tower=tower,
        pool=pool,
        replace=replace,
    )
    return _annotated(modality, store)


def _load(npz: Path) -> dict[str, Any]:
    remedy = f"Write it with numpy.savez(FILE, {', '.join(f'{a}=…' for a in ARRAYS)}); recording as text"
    arrays: dict[str, Any] = load_npz(npz, ARRAYS, remedy=remedy)
    n = len(arrays["vectors"]) if arrays["vectors"].ndim == 2 else -1
    for name in ARRAYS[1:]:
        shape = arrays[name].shape
        if shape != (n,) and (shape != () or name == "recording"):
            what = f"{name} is {shape}, vectors are {arrays['vectors'].shape}"
            raise BadFileError(what, where=str(npz), remedy="One row of vectors, one recording and one time an item")
        numeric = name != "recording"
        if arrays[name].dtype.kind not in ("fiu" if numeric else "U"):
            kind = "numbers" if numeric else "text"
            raise BadFileError(f"{name} holds {arrays[name].dtype}, not {kind}", where=str(npz), remedy=remedy)
    return arrays


def _ids(names: Any, corpus: Corpus, npz: Path) -> list[str]:
    known = Names(corpus.recordings)
    try:
        return [known.find(str(name)).id for name in names.tolist()]
    except BadRowError as error:
        remedy = "Recording ids are those of Corpus.recordings"
        raise BadFileError(str(error), where=str(npz), remedy=remedy) from None


def _require_inside(ids: list[str], arrays: dict[str, Any], corpus: Corpus, npz: Path) -> None:
    start = np.broadcast_to(arrays["start_s"], (len(ids),)).astype(np.float64)
    stop = start + arrays["duration_s"]
    wrong = misplaced(zip(ids, start.tolist(), stop.tolist(), strict=True), corpus, "items")
    if wrong:
        more = f"; and {len(wrong) - 3} more recordings" if len(wrong) > 3 else ""
        raise BadFileError("; ".join(wrong[:3]) + more, where=str(npz), remedy="Correct start_s")
