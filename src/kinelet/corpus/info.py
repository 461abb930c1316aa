"""What is in a corpus: people, hours, labels, sites, rates, quality."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kinelet.errors import BadOptionError
from kinelet.signal.recording import NARRATION

if TYPE_CHECKING:
    from rich.table import Table

    from kinelet.corpus.corpus import Corpus
    from kinelet.corpus.manifest import RecordingInfo


@dataclass(frozen=True)
class CorpusInfo:
    """A corpus in figures.

    Attributes:
        subjects: People.
        recordings: Recordings, side streams included.
        hours: Hours of samples, side streams aside.
        stored_bytes: Bytes of all sample files.
        datasets: Recordings of each data set (``own`` for recordings of none).
        sites: Recordings of each body site (``unknown`` where it is).
        rates: Recordings of each rate, such as ``50 Hz``.
        channels: Recordings of each set of channels.
        label_hours: Hours of each class, by ``track``.
        values: Annotations that carry a value, by ``track``.
        narrations: Sentences about moments and intervals, repeats counted.
        modalities: Vectors that are attached, by modality.
        gaps: Number of gaps and their hours in all.
        warnings: Recordings with warnings.
        quality: Median and extremes over recordings of each figure that the build measured.
        sample_types: Recordings of each integer type.
    """

    subjects: int
    recordings: int
    hours: float
    stored_bytes: int
    datasets: Mapping[str, int]
    sites: Mapping[str, int]
    rates: Mapping[str, int]
    channels: Mapping[str, int]
    label_hours: Mapping[str, Mapping[str, float]]
    values: Mapping[str, int]
    narrations: int
    modalities: Mapping[str, int]
    gaps: tuple[int, float]
    warnings: int
    quality: Mapping[str, tuple[float, float, float]]
    sample_types: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        """All figures, for JSON."""
        return asdict(self)

    def rows(self) -> list[tuple[str, str]]:
        """Name and value of each figure, for a table."""
        counts = {
            "data sets": self.datasets,
            "sites": self.sites,
            "rates": self.rates,
            "channels": self.channels,
            "stored as": self.sample_types,
        }
        out = [("people", f"{self.subjects}"), ("recordings", f"{self.recordings}"), ("hours", f"{self.hours:.2f}")]
        out += [(name, ", ".join(f"{k} ({n})" for k, n in found.items())) for name, found in counts.items()]
        out += [("size", f"{self.stored_bytes / 1e6:.1f} MB"), ("gaps", f"{self.gaps[0]} ({self.gaps[1]:.2f} h)")]
        for track, classes in self.label_hours.items():
            out += [(f"{track}: {label}", f"{hours:.3f} h") for label, hours in classes.items()]
        out += [(f"{track} (values)", f"{n} intervals") for track, n in self.values.items()]
        if self.narrations:
            out.append(("sentences", f"{self.narrations}"))
        out += [(f"modality: {name}", f"{n} vectors") for name, n in self.modalities.items()]
        out += [
            (f"quality: {name}", f"median {middle:.4g}, {low:.4g} to {high:.4g}")
            for name, (middle, low, high) in self.quality.items()
        ]
        return [*out, ("recordings with warnings", f"{self.warnings}")]

    def table(self) -> Table:
        """The figures as a rich table."""
        from rich.markup import escape
        from rich.table import Table

        table = Table(show_header=False)
        for name, value in self.rows():
            table.add_row(escape(name), escape(value))
        return table


def corpus_info(corpus: Corpus) -> CorpusInfo:
    """Count what is in a corpus; no samples are read."""
    rows = corpus.recordings
    from kinelet.corpus.narrations import narrations

    label_hours, values = _labels(corpus)
    gaps = [gap for r in rows for gap in r.row["gaps"]]
    return CorpusInfo(
        subjects=len(corpus.subjects),
        recordings=len(rows),
        hours=sum(r.duration_s for r in rows if r.stream is None) / 3600,
        stored_bytes=sum(r.file.stat().st_size for r in rows),
        datasets=_count(r.dataset or "own" for r in rows),
        sites=_count(r.site or "unknown" for r in rows),
        rates=_count(f"{r.spec.rate_hz:g} Hz" for r in rows),
        channels=_count(" ".join(r.spec.channels) for r in rows),
        label_hours=label_hours,
        values=values,
        narrations=len(narrations(corpus)),
        modalities=_modalities(corpus),
        gaps=(len(gaps), sum(g["stop_s"] - g["start_s"] for g in gaps) / 3600),
        warnings=sum(bool(r.row["warnings"]) for r in rows),
        quality=_quality(rows),
        sample_types=_count(r.row["sample_type"] for r in rows),
    )


def _count(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _modalities(corpus: Corpus) -> dict[str, int]:
    from kinelet.towers.store import list_stores, open_store, store_folder

    folders = {str(r.row.get("part_path", corpus.path)) for r in corpus.recordings}
    counts: Counter[str] = Counter()
    for folder, name in ((f, name) for f in folders for name in list_stores(f)):
        counts[name] += open_store(store_folder(folder, name)).meta.items
    return dict(sorted(counts.items()))


def _labels(corpus: Corpus) -> tuple[dict[str, dict[str, float]], dict[str, int]]:
    hours: dict[str, dict[str, float]] = {}
    values: Counter[str] = Counter()
    columns = (corpus.annotations[c].to_pylist() for c in ("track", "label", "start_s", "stop_s", "value"))
    for track, label, start, stop, value in zip(*columns, strict=True):
        if label is not None and track.split("/")[0] != NARRATION:  # sentences are no classes
            classes = hours.setdefault(track, {})
            classes[label] = classes.get(label, 0.0) + (stop - start) / 3600
        if value is not None:
            values[track] += 1
    return {t: dict(sorted(c.items())) for t, c in sorted(hours.items())}, dict(sorted(values.items()))


def _quality(rows: Iterable[RecordingInfo]) -> dict[str, tuple[float, float, float]]:
    figures: dict[str, list[float]] = {}
    for info in rows:
        for name, value in info.quality.items():
            if _is_number(value):
                figures.setdefault(name, []).append(float(value))
    return {
        name: (float(np.median(found)), float(np.min(found)), float(np.max(found)))
        for name, found in sorted(figures.items())
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def require_track(corpus: Corpus, track: str) -> None:
    """Raise if nothing is annotated on a track that was asked for.

    Raises:
        BadOptionError: naming the tracks that there are.
    """
    there = sorted(set(corpus.annotations["track"].to_pylist()))
    if track not in there:
        raise BadOptionError(
            f"nothing is annotated on the track {track!r}",
            where=str(corpus.path),
            remedy=f"Tracks here: {', '.join(there)}" if there else "The corpus has no labels; add them to its source",
        )
