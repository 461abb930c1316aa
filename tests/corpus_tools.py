"""Small corpora for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kinelet.corpus import BuildConfig, Corpus, build
from kinelet.corpus.narrations import Narration, write_narrations
from kinelet.signal.recording import Annotation, Recording, Segment
from kinelet.signal.spec import SignalSpec, imu_spec
from kinelet.towers.base import CallableTower
from kinelet.towers.store import attach_text, attach_vectors

PLAIN = BuildConfig(quality=False)
STEP = 1 / 256


def samples(n: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Values on a grid of 1/256, as an accelerometer writes them."""
    walk = np.random.default_rng(seed).normal(0, 0.4, (n, channels))
    return (np.round(walk / STEP) * STEP).astype(np.float32)


def recording(name: str = "a", subject: str = "P1", n: int = 500, seed: int = 0, **fields: Any) -> Recording:
    spec: SignalSpec = fields.pop("spec", imu_spec(50.0, site="wrist"))
    data = fields.pop("data", None)
    data = samples(n, len(spec.channels), seed) if data is None else data
    return Recording(data, spec, subject=subject, name=name, **fields)


def with_gaps(lengths: Sequence[int], rate_hz: float = 50.0, gap_s: float = 3.0, **fields: Any) -> Recording:
    """Stretches of these many samples with gaps between them."""
    edges = np.r_[0, np.cumsum(lengths)].tolist()
    times = [edges[i] / rate_hz + i * gap_s for i in range(len(lengths))]
    segments = tuple(Segment(a, b, t) for a, b, t in zip(edges, edges[1:], times, strict=False))
    return recording(n=edges[-1], segments=segments, spec=imu_spec(rate_hz, site="wrist"), **fields)


def corpus_of(folder: Path, *recordings: Recording) -> Corpus:
    build(recordings, folder, PLAIN)
    return Corpus.open(folder)


def people(n: int = 6, each: int = 2, length: int = 1500) -> list[Recording]:
    """Recordings with two activities each."""
    out = []
    for i in range(n * each):
        half = length / 2 / 50.0
        marks = (Annotation(0, half, label="sit"), Annotation(half, 2 * half, label="walk"))
        out.append(recording(f"r{i:02d}", f"P{i % n}", length, seed=i, annotations=marks))
    return out


def with_pairs(corpus: Corpus) -> Corpus:
    """The corpus with a sentence about most seconds, and vectors of what was seen in half of it, two seconds each."""
    seconds = [(i, r.id, t) for i, r in enumerate(corpus.recordings) for t in range(int(r.n_samples / r.spec.rate_hz))]
    lines = [Narration(name, float(t), t + 1.0, f"does {(7 * i + t) % 5}") for i, name, t in seconds if t % 4]
    write_narrations(corpus, lines)
    words = CallableTower(lambda items: np.array([np.cos(np.arange(4) * ord(s[-1])) for s in items]), "toy", 4, "toy")
    attach_text(corpus.path, sorted({line.text for line in lines}), words)
    ids, start = zip(*((name, float(t)) for i, name, t in seconds if t % 2 == 0 and i % 2), strict=True)
    seen = np.random.default_rng(5).normal(size=(len(ids), 3)).astype(np.float32)
    attach_vectors(corpus.path, "video", seen, ids, start, [2.0] * len(ids), space="pictures", tower="camera")
    return Corpus.open(corpus.path)
