"""Attach to a corpus what was said, seen or worn while it was recorded."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from kinelet.corpus.corpus import Corpus
from kinelet.corpus.inside import ends, fit
from kinelet.corpus.narration_file import Said, read_said, within
from kinelet.corpus.narration_table import keep_wearer
from kinelet.corpus.narrations import Narrations, narrations, sentences_for_labels, write_narrations
from kinelet.corpus.redundancy import Redundancy, redundancy
from kinelet.corpus.vector_file import read_vectors
from kinelet.corpus.windows import Placement
from kinelet.errors import BadOptionError, KineletError
from kinelet.progress import Progress, silent
from kinelet.towers.phrases import list_sentences, read_sentences
from kinelet.towers.phrases import sentences as sentences_of_set
from kinelet.towers.registry import list_towers, open_tower
from kinelet.towers.store import EmbeddingStore, attach_text, attach_vectors, open_store, store_folder

TEXT, PRECOMPUTED, NO_TOWER = "text", "precomputed", "none"

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
        sentences: Sentences about the corpus, repeats counted.
        different: Different ones among them.
        outside: Sentences or vectors that lie outside their recordings: those of the file are left out.
        cut: Sentences or vectors of the file that ran past an end of their recording and were cut there.
        empty: Sentences of which cleaning left nothing.
        report: How much the sentences repeat themselves; ``None`` for vectors, and where windows cannot be cut.
        why_not: Why there is no report.
    """

    modality: str
    items: int = 0
    dim: int = 0
    space: str = ""
    tower: str = NO_TOWER
    sentences: int = 0
    different: int = 0
    outside: int = 0
    cut: int = 0
    empty: int = 0
    report: Redundancy | None = None
    why_not: str = ""

    def rows(self) -> list[tuple[str, str]]:
        """Name and value of each fact."""
        rows = {"modality": self.modality, "vectors": "none (--tower none)"}
        if self.items:
            rows["vectors"] = f"{self.items} of {self.dim} numbers, by {self.tower}, space {self.space}"
        if self.sentences:
            rows["sentences"] = f"{self.sentences} ({self.different} different)"
            rows["nothing left after cleaning"] = f"{self.empty}"
        rows |= {"outside their recordings": f"{self.outside}", "cut at an end of theirs": f"{self.cut}"}
        return list((rows | dict(self._told())).items())

    def _told(self) -> list[tuple[str, str]]:
        if self.report is None:
            return [("redundancy", self.why_not)] if self.why_not else []
        return self.report.rows()

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
    require_windows(window_s, placement)
    corpus = Corpus.open(path)
    folder = store_folder(path, modality)
    said = Said() if narrations_csv is None else read_said(narrations_csv, corpus)
    if sentences is not None:
        said += _of_labels(corpus, track, str(sentences), skip)
    made = None if tower == NO_TOWER else open_tower(tower)
    if made is not None and not replace:
        _require_same_tower(folder, made.name)
    if said.rows:
        write_narrations(corpus, said.rows, wearer=wearer, replace=replace)
    found = narrations(corpus, wearer=wearer)
    if not len(found):
        raise _no_sentences(found, said, path)
    if wearer is not None and not said.rows:
        keep_wearer(corpus, wearer, replace=replace)
    store = None
    if made is not None:
        with bar(len(found.sentences)) as progress:
            store = attach_text(path, found.sentences, made, modality, progress=progress)
    report, why_not = _report(corpus, found, window_s, placement)
    counts = {"sentences": len(found), "different": len(found.sentences), "empty": found.empty, "cut": said.cut}
    counts["outside"] = said.outside + _outside(found, corpus)
    return _annotated(modality, store, report=report, why_not=why_not, **counts)


def require_windows(window_s: float, placement: str) -> None:
    """Refuse windows that cannot be.

    Raises:
        BadOptionError: if they have no length, or are laid in a way that is not known.
    """
    if not (math.isfinite(window_s) and window_s > 0):
        raise BadOptionError(f"window is {window_s:g} s", where="--window", remedy="Give seconds above 0, such as 5")
    if placement not in get_args(Placement):
        ways = ", ".join(get_args(Placement))
        raise BadOptionError(f"placement is {placement!r}", where="--placement", remedy=f"Use one of: {ways}")


def _of_labels(corpus: Corpus, track: str, given: str, skip: Collection[str]) -> Said:
    public = given in list_sentences()
    mapping = sentences_of_set(given) if public else read_sentences(given)
    rows = sentences_for_labels(corpus, track, mapping, skip=skip, tell_unused=not public)
    return within(rows, fit([n.recording for n in rows], [n.start_s for n in rows], [n.stop_s for n in rows], corpus))


def _no_sentences(found: Narrations, said: Said, path: str | Path) -> BadOptionError:
    if found.empty:
        what = f"cleaning left nothing of all {found.empty} sentences"
        return BadOptionError(what, where=str(path), remedy="Give sentences with words, and --replace")
    remedy = "Give --narrations FILE.csv or --sentences FILE.yaml"
    return BadOptionError("there are no sentences", where=str(path), remedy=remedy)


def _report(corpus: Corpus, found: Narrations, window_s: float, placement: Placement) -> tuple[Redundancy | None, str]:
    """How much the sentences repeat themselves, on the channels that all recordings have; or why nothing is told."""
    first, *others = (r.spec.channels for r in corpus.recordings)
    shared = [c for c in first if all(c in other for other in others)]
    if not shared:
        return None, "not measured: the recordings have no channel in common"
    try:
        return redundancy(corpus.windows(window_s, placement=placement, channels=shared), found), ""
    except KineletError as error:
        return None, f"not measured: {error.what} (the sentences are attached all the same; see --window)"


def _outside(found: Narrations, corpus: Corpus) -> int:
    """Sentences of which nothing lies within the recording: those that data sets bring along are all kept."""
    return int(((found.stop_s < 0) | (found.start_s > ends(corpus)[found.recording])).sum())


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
        space: Vectors of modalities that share it can be compared; if not given that of ``tower``, if kinelet knows
            it, and else one of its own.
        tower: What made them; if kinelet knows a tower of that name, they must fit it.
        pool: What a window with several items gives: one of them, drawn anew each time, or their mean.
        replace: Whether to replace vectors of this name that were attached before.

    Items that lie outside their recording are left out, those that run past an end are cut there; both are told.

    Raises:
        BadFileError: if an array is missing, wrong or claims more than the file can hold, a vector is zero or not
            finite, a time is no number of seconds, a recording is not there, or all items of one lie outside it.
        BadOptionError: if there are other vectors of that name already, or they are not those of a known tower.
    """
    corpus = Corpus.open(path)
    store_folder(path, modality)
    read = read_vectors(npz, corpus)
    space = _space(read.vectors.shape[1], tower, space, modality, npz)
    store = attach_vectors(
        path,
        modality,
        read.vectors,
        read.ids,
        read.start_s,
        read.duration_s,
        space=space,
        tower=tower,
        pool=pool,
        replace=replace,
    )
    return _annotated(modality, store, outside=read.outside, cut=read.cut)


def _space(dim: int, tower: str, space: str | None, modality: str, npz: Path) -> str:
    """Space of vectors; those that are said to be of a tower of kinelet's must have its width and space."""
    if tower not in list_towers():
        return space or modality
    known = open_tower(tower)
    if dim != known.dim:
        what = f"vectors have {dim} numbers, those of tower {tower!r} have {known.dim}"
        raise BadOptionError(what, where=str(npz), remedy="Leave --tower out, or give it a name of your own")
    if space not in (None, known.space_id):
        what = f"space {space!r} is not that of tower {tower!r}, {known.space_id!r}"
        raise BadOptionError(what, where="--space", remedy="Leave --space out, or give --tower a name of your own")
    return known.space_id
