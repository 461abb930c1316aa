"""Right answers of a search, against loops over what was said and shown when."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from corpus_tools import corpus_of, recording
from kinelet.corpus.corpus import Corpus
from kinelet.corpus.narrations import Narration, write_narrations
from kinelet.corpus.windows import Windows
from kinelet.evaluate.both_ways import Sides
from kinelet.towers.base import CallableTower
from kinelet.towers.store import attach_text, attach_vectors
from kinelet.train.pairing import Pairing

WINDOW_S, HOP_S, LENGTH_S = 2.0, 1.0, 20.0


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Windows, list[tuple[str, float, str]]]:
    """Two people about whom something is said each second, so that most windows carry two sentences."""
    folder = tmp_path_factory.mktemp("told") / "c"
    names = ("a", "b")
    corpus = corpus_of(folder, *(recording(n, f"P{i}", int(LENGTH_S * 50), seed=i) for i, n in enumerate(names)))
    ids = {r.row["name"]: r.id for r in corpus.recordings}
    words = [f"does {i}" for i in range(6)]
    rng = np.random.default_rng(3)
    said = [(ids[n], t + 0.25, words[rng.integers(6)]) for n in names for t in range(0, int(LENGTH_S), 2)]
    said += [(r, t + 0.5, words[rng.integers(6)]) for r, t, _ in said]
    write_narrations(corpus, [Narration(r, t, t, text) for r, t, text in said])
    tower = CallableTower(lambda items: np.eye(6)[[int(s[-1]) for s in items]], "toy", 6, "words", probes=())
    attach_text(folder, words, tower)
    clips = [(r, float(t)) for r in ids.values() for t in range(0, int(LENGTH_S), 4)]
    vectors = rng.normal(size=(len(clips), 3))
    attach_vectors(folder, "clip", vectors, *zip(*clips, strict=True), 2.0, space="seen", tower="toy")
    return Corpus.open(folder).windows(WINDOW_S, HOP_S), said


def sides(windows: Windows, modality: str, same_sentence: bool) -> Sides:
    pairing = Pairing([windows], [modality])
    return Sides.of(modality, np.ones((len(windows), 4), np.float32), windows, pairing, same_sentence)


def places(windows: Windows) -> list[tuple[str, float]]:
    ids = [r.id for r in windows.corpus.recordings]
    return [(ids[r], t) for r, t in zip(windows.recording.tolist(), windows.time_s.tolist(), strict=True)]


def carried(place: tuple[str, float], every: list[tuple[str, float]], said: list[tuple[str, float, str]]) -> set[str]:
    """Sentences of a window: those said nearest to its middle, the earlier of two."""
    found = set()
    for name, moment, text in said:
        distance = {t: abs(t + WINDOW_S / 2 - moment) for r, t in every if r == name}
        if place == (name, min(distance, key=lambda t: (distance[t], t))):
            found.add(text)
    return found


@pytest.mark.parametrize("same_sentence", [True, False])
def test_right_sentences_are_those_said_and_those_of_the_same_moment(told: Any, same_sentence: bool) -> None:
    windows, said = told
    every, found = places(windows), sides(windows, "text", same_sentence)
    texts = [carried(p, every, said) for p in every]
    assert max(len(t) for t in texts) == 2
    near = [[r == s and abs(t - u) <= WINDOW_S / 2 for s, u in every] for r, t in every]
    wanted = [
        set().union(*(t for t, n in zip(texts, row, strict=True) if n)) for row, t in zip(near, texts, strict=True) if t
    ]
    got = [{f"does {np.argmax(found.items[j])}" for j in row.nonzero()[0]} for row in found.right.toarray()]
    assert got == wanted


def test_right_clips_are_of_the_same_moment_or_of_a_moment_of_which_the_same_was_said(told: Any) -> None:
    windows, said = told
    every, found = places(windows), sides(windows, "clip", True)
    texts = {p: carried(p, every, said) for p in every}
    shown = {r: [float(t) for t in range(0, int(LENGTH_S), 4)] for r, _ in every}
    clips = [(r, c) for r in dict.fromkeys(r for r, _ in every) for c in shown[r]]
    linked = {(r, t): {(r, c) for c in shown[r] if min(t, c) + 2 - max(t, c) >= 1} for r, t in every}
    having = [p for p in every if linked[p]]
    wanted = []
    for r, t in having:
        likes = [p for p in having if (p[0] == r and abs(p[1] - t) <= 1) or texts[p] & texts[r, t]]
        wanted.append(set().union(*(linked[p] for p in likes)))
    got = [{clips[j] for j in row.nonzero()[0]} for row in found.right.toarray()]
    assert got == wanted
