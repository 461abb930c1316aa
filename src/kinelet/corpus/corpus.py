"""A corpus: recordings by person, on disk, memory-mapped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kinelet.corpus.commit import CORPUS
from kinelet.corpus.manifest import RecordingInfo, annotations_of, info_from_row, read_tables
from kinelet.corpus.quantise import IntArray
from kinelet.corpus.records import RECORDINGS
from kinelet.corpus.specs import common_spec
from kinelet.corpus.store import FORMAT, open_samples
from kinelet.errors import BadFileError, BadOptionError
from kinelet.signal.recording import Recording
from kinelet.signal.spec import SignalSpec

if TYPE_CHECKING:
    from kinelet.corpus.info import CorpusInfo
    from kinelet.corpus.windows import Placement, Windows

Names = str | Collection[str]


class Corpus:
    """Recordings of people, without their samples until they are asked for.

    Attributes:
        path: Folder it was opened from; the first one's for a union.
        recordings: What is known of each recording, in the order of their ids.
        annotations: Arrow table, one row an annotation: recording, start_s, stop_s, label, value, track.
    """

    def __init__(self, path: Path, recordings: Sequence[RecordingInfo], annotations: Any) -> None:
        self.path = path
        self.recordings = tuple(recordings)
        self.annotations = annotations
        self._samples: dict[int, IntArray] = {}

    @classmethod
    def open(cls, path: str | Path) -> Corpus:
        """Open the corpus in a folder.

        Raises:
            BadFileError: if there is none, it is damaged, its build was not finished, or its format is a newer one.
        """
        path = Path(path)
        try:
            head = json.loads((path / CORPUS).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            remedy = "Build one with: kinelet corpus build SRC --out DIR"
            if (path / RECORDINGS).is_dir():
                remedy = "Its build was not finished: run the same build again, it goes on where it stopped"
            raise BadFileError("holds no corpus", where=str(path), remedy=remedy) from error
        if head.get("format") != FORMAT:
            raise BadFileError(
                f"corpus format {head.get('format')!r}, this version reads {FORMAT}",
                where=str(path),
                remedy="Build the corpus again, or use the kinelet version that wrote it",
            )
        rows, annotations = read_tables(path, str(head.get("build")))
        return cls(path, [info_from_row(row, path / RECORDINGS) for row in rows], annotations)

    @cached_property
    def subjects(self) -> tuple[str, ...]:
        """People, sorted; subject codes count along this tuple."""
        return tuple(sorted({r.subject for r in self.recordings}))

    @cached_property
    def hash(self) -> str:
        """Hash of all content: same recordings, same processing, same hash, wherever it lies."""
        keys = ("id", "subject", "source_hash", "config_hash")
        content = [[r.row[k] for k in keys] for r in self.recordings]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def identities(self, subjects: Iterable[str]) -> set[str]:
        """Every name that these people may be known by elsewhere, so that nobody is judged on whom they learnt from.

        ``corpus hash/subject`` and ``data set/subject``; for recordings of no public set the bare name too, because a
        corpus that is built again with one file more has another hash and still the same people. People of a
        :func:`union` keep the names that they have in its parts.
        """
        wanted = set(subjects)
        found: set[str] = set()
        for r in self.recordings:
            if r.subject in wanted:
                name = r.row.get("part_subject", r.subject)
                found |= {f"{self.hash}/{r.subject}", f"{r.row.get('part_hash', self.hash)}/{name}"}
                found.add(f"{r.dataset}/{name}" if r.dataset else name)
        return found

    @property
    def spec(self) -> SignalSpec:
        """The one spec of all recordings; the site is ``None`` where sites differ.

        Raises:
            SpecMismatchError: if rates, channels, units or gravity differ, naming them and the remedy.
        """
        return common_spec(self.recordings, where=str(self.path))

    @cached_property
    def codes(self) -> dict[str, int]:
        """Position of each recording id in :attr:`recordings`."""
        return {r.id: i for i, r in enumerate(self.recordings)}

    def samples(self, code: int) -> IntArray:
        """Stored integers of a recording ``(time, channel)``, memory-mapped."""
        found = self._samples.get(code)
        if found is None:
            info = self.recordings[code]
            found = open_samples(info.file)
            if found.shape != (info.n_samples, len(info.spec.channels)):
                raise BadFileError(
                    f"holds {found.shape} samples, the manifest says {(info.n_samples, len(info.spec.channels))}",
                    where=str(info.file),
                    remedy="Build the corpus again",
                )
            self._samples[code] = found
        return found

    def recording(self, identity: str) -> Recording:
        """Read a whole recording.

        Raises:
            BadOptionError: if there is no such id.
        """
        if identity not in self.codes:
            raise BadOptionError(f"no recording {identity!r}", where=str(self.path), remedy="See Corpus.recordings")
        info = self.recordings[self.codes[identity]]
        data = self.samples(self.codes[identity]).astype(np.float32) * np.asarray(info.scale, dtype=np.float32)
        own = self.annotations.filter(pc.equal(self.annotations["recording"], identity))
        return Recording(
            data=data,
            spec=info.spec,
            subject=info.subject,
            name=info.row["name"],
            segments=info.segments,
            start_unix_s=info.start_unix_s,
            annotations=annotations_of(own),
            gap_reasons=tuple(g["reason"] for g in info.row["gaps"]),
            resolution=tuple(info.row["step"]),
            meta=info.meta,
            warnings=tuple(info.row["warnings"]),
        )

    def select(
        self,
        *,
        subjects: Names | None = None,
        dataset: Names | None = None,
        site: Names | None = None,
        stream: Names | None = None,
        recordings: Names | None = None,
        rate_hz: float | None = None,
        channels: Collection[str] | None = None,
    ) -> Corpus:
        """The part of the corpus that meets every condition given.

        Args:
            subjects: These people only.
            dataset: These data sets only.
            site: These body sites only.
            stream: These side streams only; by default all that is stored.
            recordings: These recording ids only.
            rate_hz: This rate only.
            channels: Only recordings that have all these channels.

        A side stream that is kept without the recording it was read with keeps its annotations, moved to the stream's
        own clock.

        Raises:
            BadOptionError: if nothing is left.
        """
        wanted = {"subject": subjects, "dataset": dataset, "site": site, "stream": stream, "id": recordings}
        tests = {k: {v} if isinstance(v, str) else set(v) for k, v in wanted.items() if v is not None}
        keep = [
            r
            for r in self.recordings
            if all(getattr(r, k) in names for k, names in tests.items())
            and (rate_hz is None or r.spec.rate_hz == rate_hz)
            and (channels is None or set(channels) <= set(r.spec.channels))
        ]
        if not keep:
            wishes = {**{k: sorted(v) for k, v in tests.items()}, "rate in Hz": [rate_hz], "channels": channels}
            given = [f"{k} {' or '.join(map(str, v))}" for k, v in wishes.items() if v and v != [None]]
            remedy = f"See what there is: kinelet corpus info {self.path}"
            raise BadOptionError(f"no recording of {', '.join(given)}", where=str(self.path), remedy=remedy)
        ids = pa.array([r.id for r in keep], pa.string())
        own = self.annotations.filter(pc.is_in(self.annotations["recording"], ids))
        return Corpus(self.path, keep, pa.concat_tables([own, self._inherited(keep)]))

    def _inherited(self, kept: Sequence[RecordingInfo]) -> Any:
        from kinelet.corpus.streams import inherited

        return inherited(self, kept)

    def windows(
        self,
        window_s: float,
        hop_s: float | None = None,
        *,
        track: str = "activity",
        purity: float = 0.5,
        placement: Placement = "grid",
        merge_overlap: float = 0.5,
        classes: Sequence[str] | None = None,
        drop_labels: Collection[str] = (),
        channels: Sequence[str] | None = None,
    ) -> Windows:
        """Cut the corpus into windows; see :class:`kinelet.corpus.windows.Windows`.

        Args:
            window_s: Length in seconds.
            hop_s: From one window's start to the next, in seconds; a window's length if not given.
            track: Annotations to take labels or values from.
            purity: Share of a window that its majority label must cover, in (0, 1].
            placement: ``grid``: every hop within each stretch without gaps. ``annotation``: every hop within each
                annotated interval. ``stretch``: each annotated interval (a recording without any: each stretch
                without gaps) becomes one window, interpolated linearly to ``window_s``. ``event``: in the order of
                time each sentence (:func:`kinelet.corpus.narrations.narrations`) joins the window before it, or opens
                one around its own middle, moved so that the window crosses no gap.
            merge_overlap: Share of a window that the next one of placement ``event`` may overlap, in [0, 1).
            classes: Class names in the order of their codes; other labels count as unlabelled. By default all labels
                of the track, sorted.
            drop_labels: Labels that count as unlabelled.
            channels: Cut these channels only, in this order.

        Raises:
            SpecMismatchError: if rates, units or channels of the recordings differ.
            BadOptionError: if an option makes no sense, or no window fits.
        """
        from kinelet.corpus.cut import cut_windows

        return cut_windows(
            self,
            window_s,
            hop_s,
            track=track,
            purity=purity,
            placement=placement,
            merge_overlap=merge_overlap,
            classes=classes,
            drop_labels=drop_labels,
            channels=channels,
        )

    def info(self) -> CorpusInfo:
        """People, hours, labels, sites, rates and quality."""
        from kinelet.corpus.info import corpus_info

        return corpus_info(self)

    def __repr__(self) -> str:
        return f"Corpus({str(self.path)!r}, {len(self.recordings)} recordings of {len(self.subjects)} people)"

    def __getstate__(self) -> dict[str, Any]:
        # Memory maps do not travel between processes; they are opened again there.
        return {**self.__dict__, "_samples": {}}
