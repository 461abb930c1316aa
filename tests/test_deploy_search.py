"""Finding in recordings what a sentence says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from corpus_tools import corpus_of, with_gaps
from kinelet.corpus import Corpus
from kinelet.deploy.search import search
from kinelet.errors import BadOptionError
from words_tools import DIM, WINDOW_S, aligned, town, walker


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return town(tmp_path_factory.mktemp("town") / "c")


def test_the_walk_of_every_person_is_found(corpus: Corpus) -> None:
    encoder, tower = aligned()
    found = search(encoder, corpus, "someone is walking", tower=tower, top=4)
    assert sorted(h.subject for h in found) == ["P0", "P1", "P2", "P3"]
    assert max(abs(h.start_s - 20) for h in found) <= WINDOW_S
    assert max(abs(h.stop_s - 30) for h in found) <= WINDOW_S


def test_another_sentence_finds_another_time(corpus: Corpus) -> None:
    encoder, tower = aligned()
    found = search(encoder, corpus, "someone sits still", tower=tower, top=1)
    assert not 20 <= found.hits[0].peak_s < 30
