"""Vectors of the recordings of a corpus, one recording after the other, kept in a folder if one is given."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinelet.corpus.corpus import Corpus
from kinelet.corpus.manifest import RecordingInfo
from kinelet.deploy.embedding import Embeddings, embed, write_embeddings
from kinelet.encoders.base import Encoder
from kinelet.errors import BadOptionError
from kinelet.progress import Progress, silent

_VERSION = 1


def encoder_digest(encoder: Encoder) -> str:
    """Hash of an encoder's weights, configuration and input: what its vectors follow from."""
    digest = hashlib.sha256()
    facts = [encoder.name, encoder.config, encoder.spec.model_dump(mode="json")]
    digest.update(json.dumps(facts, sort_keys=True, default=str).encode())
    for name, tensor in sorted(encoder.state_dict().items()):
        array = tensor.detach().cpu().contiguous().numpy()
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def usable(corpus: Corpus, encoder: Encoder) -> tuple[RecordingInfo, ...]:
    """Recordings that have all channels of an encoder.

    Raises:
        BadOptionError: if none has.
    """
    wanted = set(encoder.spec.channels)
    found = tuple(r for r in corpus.recordings if wanted <= set(r.spec.channels))
    if not found:
        raise BadOptionError(
            f"no recording has the channels {' '.join(encoder.spec.channels)} of the encoder",
            where=str(corpus.path),
            remedy="Use a corpus with these sensors, or an encoder for those of the corpus",
        )
    return found


def total_windows(recordings: tuple[RecordingInfo, ...], step_s: float) -> int:
    """About how many windows recordings have, for a progress bar."""
    return max(1, sum(int(r.duration_s / step_s) for r in recordings))


@dataclass(frozen=True)
class CorpusVectors:
    """Embeds recordings of a corpus as they are asked for.

    Attributes:
        corpus: Where they lie.
        encoder: What embeds them.
        step_s: Seconds from one window to the next.
        window_s: Length of a window.
        cache: Folder to keep vectors in; ``None`` to keep none. A file's name is a hash of the recording, the weights
            and the windows, so that one folder serves many corpora and encoders, and nothing stale is found.
    """

    corpus: Corpus
    encoder: Encoder
    step_s: float
    window_s: float
    cache: Path | None = None

    def walk(self, progress: Progress = silent) -> Iterator[tuple[RecordingInfo, Embeddings]]:
        """Every usable recording with its vectors; only those of one recording are in memory."""
        digest = encoder_digest(self.encoder) if self.cache is not None else ""
        done = 0
        for info in usable(self.corpus, self.encoder):
            found = self._of(info, digest, _after(progress, done))
            done += len(found)
            progress(done)
            yield info, found

    def _of(self, info: RecordingInfo, digest: str, progress: Progress) -> Embeddings:
        if self.cache is None:
            return self._embed(info, progress)
        path = self.cache / f"{self._key(info, digest)}.npz"
        kept = _read(path, self.encoder.dim)
        if kept is None:
            kept = self._embed(info, progress)
            write_embeddings(kept, path)
        return kept

    def _embed(self, info: RecordingInfo, progress: Progress) -> Embeddings:
        rec = self.corpus.recording(info.id)
        return embed(self.encoder, rec, step_s=self.step_s, window_s=self.window_s, progress=progress)

    def _key(self, info: RecordingInfo, digest: str) -> str:
        content = [info.row[k] for k in ("id", "source_hash", "config_hash")]
        facts = [_VERSION, digest, self.step_s, self.window_s, info.row.get("part_hash"), *content]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _after(progress: Progress, before: int) -> Progress:
    def further(done: int, note: str = "") -> None:
        progress(before + done, note)

    return further


def _read(path: Path, dim: int) -> Embeddings | None:
    """What a cache holds; ``None`` if it holds nothing that can be used, which is then made anew."""
    try:
        with np.load(path, allow_pickle=False) as held:
            time_s, vectors, valid = held["time_s"], held["vectors"], held["valid"]
            window_s = float(held["window_s"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    whole = vectors.shape == (len(time_s), dim) and valid.shape == time_s.shape and vectors.dtype == np.float32
    return Embeddings(time_s, vectors, valid, window_s) if whole else None
