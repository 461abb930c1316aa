"""The CLIP of the how-to: loaded lazily, frames averaged, text and video in one space. A stand-in plays open_clip."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from corpus_tools import corpus_of, people
from kinelet.corpus import Corpus
from kinelet.towers import open_tower
from kinelet.towers import registry as towers
from kinelet.towers.base import PROBES
from kinelet.towers.store import open_store, store_folder
from test_docs import DOCS, blocks, run_block


class FakeClip(torch.nn.Module):
    """Images are their mean colour, texts their first letters, 512 wide."""

    def encode_image(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pad(x.mean(dim=(2, 3)), (0, 509))

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pad(tokens.float(), (0, 509))


class FakeImage:
    def __init__(self, colour: tuple[float, ...]) -> None:
        self.colour = colour

    def convert(self, mode: str) -> FakeImage:
        return self


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    loaded: list[str] = []
    fake, pil = ModuleType("open_clip"), ModuleType("PIL")

    def create(name: str, pretrained: str) -> tuple[Any, None, Any]:
        loaded.append(name)
        return FakeClip(), None, lambda image: torch.tensor(image.colour).reshape(3, 1, 1).expand(3, 8, 8)

    fake.create_model_and_transforms = create  # type: ignore[attr-defined]
    fake.get_tokenizer = lambda name: lambda texts: torch.tensor([[ord(c) for c in t[:3]] for t in texts])  # type: ignore[attr-defined]
    image = ModuleType("PIL.Image")
    image.open = lambda path: FakeImage(path)  # type: ignore[attr-defined]
    pil.Image = image  # type: ignore[attr-defined]
    for module in (fake, pil, image):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    known = dict(towers.TOWERS)
    yield loaded
    towers.TOWERS.clear()
    towers.TOWERS.update(known)


@pytest.fixture
def howto(loads: list[str]) -> ModuleType:
    return run_block(blocks(DOCS / "howto/modality.md", "python")[0], "modality")


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return corpus_of(tmp_path / "c", *people(2, each=1, length=300))


def test_nothing_is_loaded_until_an_item_is_encoded(howto: ModuleType, loads: list[str]) -> None:
    tower = open_tower("clip_text")
    assert loads == []
    assert (tower(["abc", "abd"]).shape, loads) == ((2, 512), ["ViT-B-32"])


def test_the_model_is_loaded_once(howto: ModuleType, loads: list[str]) -> None:
    howto.TEXT(PROBES)
    howto.VIDEO([[(1.0, 0.0, 0.0)]])
    assert loads == ["ViT-B-32"]


def test_frames_of_a_window_are_averaged(howto: ModuleType, corpus: Corpus) -> None:
    red, green = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
    identity = corpus.recordings[0].id
    howto.attach_video(corpus, [(identity, 0.0, 2.0, (red, green)), (identity, 2.0, 2.0, (red, red))])
    store = open_store(store_folder(corpus.path, "video"))
    np.testing.assert_allclose(store.vectors[:, :2], [[0.5**0.5, 0.5**0.5], [1, 0]], atol=1e-6)
    assert (store.meta.pool, store.duration_s.tolist()) == ("mean", [2.0, 2.0])


def test_clips_that_are_there_are_not_encoded_again(howto: ModuleType, corpus: Corpus, loads: list[str]) -> None:
    identity = corpus.recordings[0].id
    clips = [(identity, 0.0, 2.0, ((1.0, 0.0, 0.0),))]
    howto.attach_video(corpus, clips)
    loads.clear()
    howto.clip.cache_clear()
    howto.attach_video(corpus, clips)
    assert loads == []


def test_text_and_video_share_a_space(howto: ModuleType) -> None:
    assert howto.TEXT.space_id == howto.VIDEO.space_id
    assert howto.TEXT.dim == howto.VIDEO.dim


def test_only_the_text_tower_is_probed_with_sentences(howto: ModuleType) -> None:
    assert (howto.TEXT.probes, howto.VIDEO.probes) == (PROBES, ())
