"""What is to be labelled: one recording, or the recordings of a corpus."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kinelet.corpus.corpus import Corpus
from kinelet.deploy.corpus_vectors import CorpusVectors, total_windows, usable
from kinelet.deploy.embedding import embed
from kinelet.deploy.timeline import Labeller, Timeline
from kinelet.errors import BadOptionError
from kinelet.progress import Progress, silent
from kinelet.signal.recording import Recording


@dataclass(frozen=True)
class Material:
    """One of the two.

    Attributes:
        recording: A recording as it was read.
        corpus: A corpus, all of whose recordings are meant.
    """

    recording: Recording | None = None
    corpus: Corpus | None = None

    def __post_init__(self) -> None:
        if (self.recording is None) == (self.corpus is None):
            raise BadOptionError("give a recording or a corpus", where="label", remedy="One of them, not both")

    def names(self) -> set[str]:
        """Names that the people to be labelled go by."""
        if self.corpus is not None:
            return self.corpus.identities(self.corpus.subjects)
        return {self.recording.subject} if self.recording else set()

    def windows(self, step_s: float) -> int:
        """About how many windows there are, for a progress bar."""
        if self.corpus is not None:
            return total_windows(self.corpus.recordings, step_s)
        return max(1, int(self.recording.duration_s / step_s)) if self.recording else 1

    def timelines(
        self, made: Labeller, threshold: float, *, cache: str | Path | None = None, progress: Progress = silent
    ) -> list[Timeline]:
        """A timeline of each recording that has the encoder's channels.

        Args:
            made: What labels.
            threshold: Least confidence to say anything.
            cache: Folder that keeps vectors of a corpus.
            progress: Told how many windows are embedded.
        """
        if self.recording is not None:
            rec = self.recording
            found = embed(made.encoder, rec, step_s=made.step_s, window_s=made.window_s, progress=progress)
            return [Timeline(rec.name, rec.subject, made.spans(made.judge(found), threshold), rec.start_unix_s)]
        assert self.corpus is not None
        kept = None if cache is None else Path(cache)
        walk = CorpusVectors(self.corpus, made.encoder, made.step_s, made.window_s, kept).walk(progress)
        return [
            Timeline(info.id, info.subject, made.spans(made.judge(found), threshold), info.start_unix_s)
            for info, found in walk
        ]

    def skipped(self, made: Labeller) -> int:
        """Recordings of the corpus without the encoder's channels."""
        return 0 if self.corpus is None else len(self.corpus.recordings) - len(usable(self.corpus, made.encoder))

    def read(self, timeline: Timeline) -> Recording:
        """The recording of a timeline."""
        if self.recording is not None:
            return self.recording
        assert self.corpus is not None
        return self.corpus.recording(timeline.recording)
