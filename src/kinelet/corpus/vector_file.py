"""Vectors that were made elsewhere, with their places in a corpus: one NPZ file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kinelet.arrays import load_npz
from kinelet.corpus.corpus import Corpus
from kinelet.corpus.inside import fit, misplaced, tell_misfits
from kinelet.corpus.narration_file import BadRowError, Names, tell_late_starts
from kinelet.errors import BadFileError

ARRAYS = ("vectors", "recording", "start_s", "duration_s")
_REMEDY = f"Write it with numpy.savez(FILE, {', '.join(f'{a}=…' for a in ARRAYS)}); recording as text"
_LONGEST = 1e12  # seconds; no time of a recording, and none since 1970, is anywhere near


@dataclass(frozen=True)
class Vectors:
    """Items of a file that lie within their recordings; arrays are ``(items,)``.

    Attributes:
        vectors: ``(items, dim)``.
        ids: Recording id of each.
        start_s: Start, seconds on the recording's own clock.
        duration_s: Length in seconds, cut at the ends of the recording.
        outside: Items that were left out, since nothing of them lies within their recording.
        cut: Items that ran past an end of it.
    """

    vectors: npt.NDArray[Any]
    ids: list[str]
    start_s: npt.NDArray[np.float64]
    duration_s: npt.NDArray[np.float64]
    outside: int
    cut: int


def read_vectors(npz: Path, corpus: Corpus) -> Vectors:
    """Read vectors; what :func:`kinelet.corpus.annotate.annotate_vectors` says of the file.

    Warns:
        UserWarning: if items are left out or cut, or if a build left out the beginning of a recording.

    Raises:
        BadFileError: if an array is missing, wrong or claims more than the file can hold, a time is no number of
            seconds, a recording is not there, or all items of one lie outside it.
    """
    arrays = _load(npz)
    ids = _ids(arrays["recording"], corpus, npz)
    start, duration = (_seconds(arrays[name], name, ids, npz) for name in ARRAYS[2:])
    fitted = fit(ids, start, start + duration, corpus)
    wrong = misplaced(ids, fitted, corpus, "items")
    if wrong:
        more = f"; and {len(wrong) - 3} more recordings" if len(wrong) > 3 else ""
        raise BadFileError("; ".join(wrong[:3]) + more, where=str(npz), remedy="Correct start_s")
    tell_misfits(fitted, str(npz), "item", "item", range(len(ids)))
    keep = np.flatnonzero(~fitted.outside)
    ids = [ids[i] for i in keep]
    tell_late_starts(set(ids), corpus)
    start, duration = fitted.start_s, np.where(fitted.cut, fitted.stop_s - fitted.start_s, duration)
    out, cut = int(fitted.outside.sum()), int(fitted.cut.sum())
    return Vectors(arrays["vectors"][keep], ids, start[keep], duration[keep], out, cut)


def _load(npz: Path) -> dict[str, npt.NDArray[Any]]:
    if not npz.is_file():
        raise BadFileError("no such file", where=str(npz), remedy="Check the path of the vectors")
    arrays = load_npz(npz, ARRAYS, remedy=_REMEDY)
    vectors = arrays["vectors"]
    if vectors.ndim != 2:
        raise BadFileError(f"vectors must be (items, dim), and are {vectors.shape}", where=str(npz), remedy=_REMEDY)
    for name, array in arrays.items():
        numeric = name != "recording"
        if array.dtype.kind not in ("fiu" if numeric else "U"):
            kind = "numbers" if numeric else "text"
            raise BadFileError(f"{name} holds {array.dtype}, not {kind}", where=str(npz), remedy=_REMEDY)
        if name != "vectors" and array.shape != (len(vectors),) and (array.shape != () or not numeric):
            what = f"{name} is {array.shape}, vectors are {vectors.shape}"
            raise BadFileError(what, where=str(npz), remedy="One row of vectors, one recording and one time an item")
    return arrays


def _ids(names: npt.NDArray[Any], corpus: Corpus, npz: Path) -> list[str]:
    known = Names(corpus.recordings)
    try:
        return [known.find(str(name)).id for name in names.tolist()]
    except BadRowError as error:
        remedy = "Recording ids are those of Corpus.recordings"
        raise BadFileError(str(error), where=str(npz), remedy=remedy) from None


def _seconds(array: npt.NDArray[Any], name: str, ids: list[str], npz: Path) -> npt.NDArray[np.float64]:
    """One number an item; a start may be before the recording, a length is never negative."""
    value = np.broadcast_to(array, (len(ids),)).astype(np.float64)
    fine = np.abs(value) <= _LONGEST  # never true of a NaN
    if name == "duration_s":
        fine &= value >= 0
    bad = np.flatnonzero(~fine)
    if len(bad):
        more = f" ({len(bad)} such items)" if len(bad) > 1 else ""
        what = f"{name} of item {bad[0]} (of recording {ids[bad[0]]!r}) is {value[bad[0]]:g}{more}"
        kind = "a length in seconds, 0 or more" if name == "duration_s" else "seconds on the recording's own clock"
        raise BadFileError(what, where=str(npz), remedy=f"Leave the item out or mend it: {name} is {kind}")
    return value
