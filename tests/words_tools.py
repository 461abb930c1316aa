"""A text tower and an encoder that agree on what sitting and walking are, without any training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from corpus_tools import corpus_of, recording
from kinelet.corpus import Corpus
from kinelet.encoders.base import Encoder
from kinelet.encoders.headed import HeadedEncoder
from kinelet.encoders.registry import create_encoder
from kinelet.signal.recording import Annotation, Recording
from kinelet.signal.spec import imu_spec
from kinelet.towers.base import CallableTower, Items, probe_digest

SPACE, DIM, WINDOW_S = "toy-space", 8, 2.0
MEANING = {"walk": "someone is walking", "sit": "someone sits still"}


def walker(name: str, person: str, marks: list[tuple[str, float]], seed: int = 0, **fields: object) -> Recording:
    """A recording of activities one after the other, each so many seconds: sitting is still, walking swings
    twice a second."""
    rng, rate, parts, notes, now = np.random.default_rng(seed), 50.0, [], [], 0.0
    for label, seconds in marks:
        n = round(seconds * rate)
        swing = np.sin(2 * np.pi * 2.0 * np.arange(n) / rate)[:, None] * (0.6, 0.3, 0.4)
        parts.append(rng.normal((0, 0, 1), 0.02, (n, 3)) + {"sit": 0.0, "walk": 1.0}.get(label, 0.4) * swing)
        notes.append(Annotation(now, now + seconds, label=label))
        now += seconds
    data = np.concatenate(parts).astype(np.float32)
    return recording(name, person, data=data, annotations=tuple(notes), **fields)


def town(folder: Path, people: int = 4) -> Corpus:
    """Each person sits for 20 s, walks for 10 s, sits for 20 s."""
    day = [("sit", 20.0), ("walk", 10.0), ("sit", 20.0)]
    return corpus_of(folder, *(walker(f"r{i}", f"P{i}", day, seed=i) for i in range(people)))


def encoder_of(seed: int = 0) -> HeadedEncoder:
    """Untrained, with a head for text and one for motion."""
    base = create_encoder("resnet1d_small", spec=imu_spec(50.0, window_s=WINDOW_S), seed=seed, widths=(8, 8))
    torch.manual_seed(seed)
    made = HeadedEncoder.around(base, {"ss": 4, "mm": DIM}, "ss")
    return made.eval()


def tower_for(encoder: Encoder) -> CallableTower:
    """Says of a sentence about walking what the encoder says of walking; of any other, the same of sitting."""
    head = encoder.select("mm")  # type: ignore[operator]
    ways = {}
    for label in ("sit", "walk"):
        data = walker("x", "X", [(label, 40.0)], seed=99).data.reshape(20, 100, 3).transpose(0, 2, 1)
        vectors = head.embed(np.ascontiguousarray(data))
        ways[label] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).mean(axis=0)
    common = (ways["sit"] + ways["walk"]) / 2

    def encode(items: Items) -> np.ndarray:
        return np.stack([ways["walk" if "walk" in text else "sit"] - common for text in items])

    return CallableTower(encode, "toy", DIM, SPACE)


def aligned(seed: int = 0) -> tuple[HeadedEncoder, CallableTower]:
    """An encoder whose card says that it knows the tower beside it."""
    encoder = encoder_of(seed)
    tower = tower_for(encoder)
    entry = {"head": "mm", "space": SPACE, "dim": DIM, "tower": "toy", "probe": probe_digest(tower)}
    encoder.card = {"method": "primus", "alignment": {"text": entry}, "pretrain_subjects": []}
    return encoder, tower
