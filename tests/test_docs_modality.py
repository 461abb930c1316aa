"""The tower of the how-to, with a stand-in for the CLIP that kinelet does not ship."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from corpus_tools import corpus_of, recording
from kinelet.corpus.annotate import annotate_text
from kinelet.towers.registry import TOWERS
from kinelet.towers.store import open_store, store_folder

PAGE = Path(__file__).parents[1] / "docs" / "howto" / "modality.md"


class Clip(torch.nn.Module):
    """Red, green and blue of a picture; letters of a sentence."""

    def encode_image(self, frames: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pad(frames.mean(dim=(2, 3)), (0, 509))

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pad(tokens.float(), (0, 512 - tokens.shape[1]))


@pytest.fixture
def howto(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    def prepare(image: Image.Image) -> torch.Tensor:
        return torch.from_numpy(np.asarray(image, dtype=np.float32)).permute(2, 0, 1)

    stand_in = SimpleNamespace(
        create_model_and_transforms=lambda name, pretrained: (Clip(), None, prepare),
        get_tokenizer=lambda name: lambda said: torch.tensor([[len(s), s.count("a")] for s in said]),
    )
    before = dict(TOWERS)
    module = ModuleType("howto")
    body = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)[0]
    exec(compile(body, "howto", "exec"), module.__dict__)
    assert "open_clip" not in sys.modules  # loaded with the first item, not before
    monkeypatch.setitem(sys.modules, "open_clip", stand_in)  # type: ignore[arg-type]
    yield module
    TOWERS.clear()
    TOWERS.update(before)


def test_frames_are_averaged_and_lie_in_the_space_of_the_sentences(howto: ModuleType, tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "corpus", recording("a", n=1000))
    for name, colour in (("red", (255, 0, 0)), ("green", (0, 255, 0))):
        Image.new("RGB", (4, 4), colour).save(tmp_path / f"{name}.png")
    frames = [str(tmp_path / "red.png"), str(tmp_path / "green.png")]
    store = howto.attach_video(corpus, [("a", 0.0, 5.0, frames), ("a", 5.0, 5.0, frames[:1])])
    np.testing.assert_allclose(store.vectors[:, :3], [[0.5**0.5, 0.5**0.5, 0], [1, 0, 0]], atol=1e-6)
    (tmp_path / "said.csv").write_text("recording,time,text\na,1,C walks\n")
    annotate_text(corpus.path, narrations_csv=tmp_path / "said.csv", tower="clip_text")
    spaces = {open_store(store_folder(corpus.path, name)).meta.space for name in ("video", "text")}
    assert spaces == {howto.SPACE}
