"""Stores of vectors: round trip, resume, each sentence once, and nothing damaged is opened."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from corpus_tools import corpus_of, people
from kinelet.corpus import Corpus
from kinelet.errors import BadFileError, BadOptionError
from kinelet.towers import writing
from kinelet.towers.base import CallableTower
from kinelet.towers.store import (
    StoreMeta,
    Times,
    attach_items,
    attach_text,
    attach_vectors,
    list_stores,
    open_store,
    store_folder,
    tower_meta,
    write_store,
)

META = StoreMeta(modality="video", dim=3, space="s", tower="t", dtype="float32")


class Counting:
    """A text tower that remembers what it was asked, and may break down after some items."""

    def __init__(self, limit: int | None = None, dim: int = 4) -> None:
        self.asked: list[str] = []
        self.limit, self.dim = limit, dim

    def __call__(self, items: Sequence[str]) -> np.ndarray:
        if self.limit is not None and len(self.asked) >= self.limit:
            raise KeyboardInterrupt
        self.asked.extend(items)
        return np.array([np.sin(np.arange(self.dim) + 1 + len(i) + 3 * ord(i[-1])) for i in items])

    def tower(self, **fields: Any) -> CallableTower:
        return CallableTower(self, "counting", self.dim, "counting", **({"probes": ()} | fields))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus_of(tmp_path_factory.mktemp("corpus") / "c", *people(2, each=1, length=300)).path


@pytest.fixture
def corpus(built: Path, tmp_path: Path) -> Path:
    shutil.copytree(built, tmp_path / "c")
    return tmp_path / "c"


def timed(n: int = 3) -> Times:
    return Times(["r0"] * n, np.arange(n) * 1.5, np.full(n, 2.0))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-7), ("float16", 1e-3)])
def test_round_trip(tmp_path: Path, dtype: Any, tolerance: float) -> None:
    vectors = np.random.default_rng(0).normal(size=(5, 3))
    meta = META.model_copy(update={"dtype": dtype})
    write_store(tmp_path / "s", list("abcde"), meta, vectors=vectors)
    store = open_store(tmp_path / "s")
    wanted = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(store.vectors, wanted, atol=tolerance)
    assert (store.vectors.dtype, store.keys, store.row_of("d"), store.row_of("x")) == (dtype, tuple("abcde"), 3, -1)


def test_gathered_vectors_have_length_one_after_half_precision(tmp_path: Path) -> None:
    meta = META.model_copy(update={"dtype": "float16"})
    store = write_store(tmp_path / "s", list("ab"), meta, vectors=np.array([[1, 2, 3], [3, 1, 2]]))
    np.testing.assert_allclose(np.linalg.norm(store.gather(np.array([1, 0, 1])), axis=1), 1.0, atol=1e-6)


def test_vectors_are_mapped_not_read(tmp_path: Path) -> None:
    assert isinstance(write_store(tmp_path / "s", ["a"], META, vectors=np.ones((1, 3))).vectors, np.memmap)


def test_timed_items_keep_recording_start_and_duration(tmp_path: Path) -> None:
    write_store(tmp_path / "s", timed().keys(), META, vectors=np.eye(3), times=timed())
    store = open_store(tmp_path / "s")
    assert (store.meta.timed, store.keys, store.recording) == (True, ("r0@0", "r0@1500", "r0@3000"), ("r0",) * 3)
    assert (store.start_s.tolist(), store.duration_s.tolist()) == ([0.0, 1.5, 3.0], [2.0] * 3)


def test_the_folder_holds_the_three_files_and_nothing_else_is_left(tmp_path: Path) -> None:
    tower = Counting().tower()
    write_store(tmp_path / "s", ["a", "b"], tower_meta(tower, "text"), tower=tower)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["embeddings.npy", "index.parquet", "meta.json", "s"]


def test_each_sentence_is_embedded_and_stored_once(corpus: Path) -> None:
    counting = Counting()
    store = attach_text(corpus, ["walks", "sits", "walks", "walks"], counting.tower())
    assert (counting.asked, store.keys) == (["walks", "sits"], ("walks", "sits"))


def test_more_sentences_embed_only_the_new_ones(corpus: Path) -> None:
    attach_text(corpus, ["walks", "sits"], Counting().tower())
    counting = Counting()
    store = attach_text(corpus, ["runs", "walks", "sits"], counting.tower())
    assert (counting.asked, store.keys) == (["runs"], ("runs", "walks", "sits"))


def test_a_store_that_grew_is_the_one_made_at_once(corpus: Path, tmp_path: Path) -> None:
    attach_text(corpus, ["walks", "sits"], Counting().tower())
    grown = attach_text(corpus, ["runs", "walks", "sits"], Counting().tower())
    shutil.rmtree(store_folder(corpus, "text"))
    fresh = attach_text(corpus, ["runs", "walks", "sits"], Counting().tower())
    np.testing.assert_array_equal(grown.vectors, fresh.vectors)
    assert grown.hash == fresh.hash


def test_another_tower_takes_no_rows_of_the_first(corpus: Path) -> None:
    attach_text(corpus, ["walks"], Counting().tower())
    counting = Counting(dim=5)
    attach_text(corpus, ["walks"], counting.tower())
    assert counting.asked == ["walks"]


def test_an_interrupted_build_goes_on_with_what_is_missing(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "PART", 2)
    said = [f"sentence {i}" for i in range(7)]
    with pytest.raises(KeyboardInterrupt):
        attach_text(corpus, said, Counting(limit=4).tower())
    assert list_stores(corpus) == ()
    counting = Counting()
    resumed = attach_text(corpus, said, counting.tower())
    assert counting.asked == said[4:]
    shutil.rmtree(store_folder(corpus, "text"))
    np.testing.assert_array_equal(resumed.vectors, attach_text(corpus, said, Counting().tower()).vectors)


def test_an_interrupted_build_of_other_content_starts_anew(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "PART", 1)
    clips = [np.full(2, i + 1.0) for i in range(3)]
    asked: list[float] = []

    def function(items: Sequence[np.ndarray]) -> np.ndarray:
        if len(asked) == 2:
            asked.append(0.0)
            raise KeyboardInterrupt
        asked.extend(float(i[0]) for i in items)
        return np.array([[1.0, float(i[0])] for i in items])

    tower = CallableTower(function, "clips", 2, "clips", probes=())
    ids = [Corpus.open(corpus).recordings[0].id] * 3
    with pytest.raises(KeyboardInterrupt):
        attach_items(corpus, "video", clips, ids, [0, 1, 2], 1.0, tower=tower)
    clips[0] = np.full(2, 9.0)
    store = attach_items(corpus, "video", clips, ids, [0, 1, 2], 1.0, tower=tower)
    assert asked[3:] == [9.0, 3.0]
    np.testing.assert_allclose(store.vectors[0, 1] / store.vectors[0, 0], 9.0, rtol=1e-6)


def test_an_interrupted_replacement_leaves_the_old_store(corpus: Path) -> None:
    before = attach_text(corpus, ["walks"], Counting().tower()).hash
    with pytest.raises(KeyboardInterrupt):
        attach_text(corpus, ["walks", "sits"], Counting(limit=0).tower())
    assert open_store(store_folder(corpus, "text")).hash == before


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_a_zero_or_broken_row_is_refused_by_name_and_nothing_is_written(tmp_path: Path, bad: float) -> None:
    vectors = np.eye(3)
    vectors[1] = bad
    with pytest.raises(BadFileError, match="'b'"):
        write_store(tmp_path / "s", list("abc"), META, vectors=vectors)
    assert not list(tmp_path.iterdir())


def test_a_store_is_not_overwritten_unasked(tmp_path: Path) -> None:
    write_store(tmp_path / "s", ["a"], META, vectors=np.ones((1, 3)))
    with pytest.raises(BadOptionError, match="--replace"):
        write_store(tmp_path / "s", ["a"], META, vectors=np.ones((1, 3)))


def test_a_store_is_replaced_when_asked(tmp_path: Path) -> None:
    write_store(tmp_path / "s", ["a"], META, vectors=np.ones((1, 3)))
    assert write_store(tmp_path / "s", ["b"], META, vectors=np.ones((1, 3)), replace=True).keys == ("b",)


@pytest.mark.parametrize(
    ("keys", "times", "message"),
    [
        (["a", "a", "b"], None, "'a' is there twice"),
        ([], None, "no items"),
        (["a", "b"], timed(3), "differ in number"),
        (list("abc"), Times(["r"] * 3, np.arange(3.0), np.array([0, np.nan, 1])), "not finite"),
        (list("abc"), Times(["r"] * 3, np.arange(3.0), np.array([1.0, -1.0, 1.0])), "negative"),
    ],
)
def test_items_that_make_no_sense_are_refused(
    tmp_path: Path, keys: list[str], times: Times | None, message: str
) -> None:
    with pytest.raises(BadOptionError, match=message):
        write_store(tmp_path / "s", keys, META, vectors=np.ones((len(keys), 3)), times=times)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_start_that_is_no_number_is_refused_by_item(corpus: Path, bad: float) -> None:
    name = Corpus.open(corpus).recordings[0].id
    with pytest.raises(BadOptionError, match="start_s of item 1 "):
        attach_vectors(corpus, "video", np.eye(2), [name] * 2, [0.0, bad], 1.0, space="s", tower="t")


def test_fewer_vectors_than_items_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="3 items"):
        write_store(tmp_path / "s", list("abc"), META, vectors=np.ones((2, 3)))


def made(folder: Path) -> Path:
    write_store(folder, list("abc"), META, vectors=np.eye(3))
    return folder


def altered(folder: Path, **fields: Any) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | fields))


def test_changed_vectors_are_noticed(tmp_path: Path) -> None:
    path = made(tmp_path / "s") / "embeddings.npy"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(bytes(raw))
    with pytest.raises(BadFileError, match="is not the file that"):
        open_store(tmp_path / "s")


@pytest.mark.parametrize("name", ["embeddings.npy", "index.parquet", "meta.json"])
def test_a_missing_file_is_told(tmp_path: Path, name: str) -> None:
    (made(tmp_path / "s") / name).unlink()
    with pytest.raises(BadFileError, match=r"no such file|holds no vectors"):
        open_store(tmp_path / "s")


@pytest.mark.parametrize(
    "fields", [{"items": 10**9}, {"dim": 4}, {"dtype": "float16"}, {"dim": 0}, {"format": "else"}, {"odd": 1}]
)
def test_a_description_that_lies_is_refused(tmp_path: Path, fields: dict[str, Any]) -> None:
    altered(made(tmp_path / "s"), **fields)
    with pytest.raises(BadFileError):
        open_store(tmp_path / "s")


def test_a_newer_format_asks_for_an_update(tmp_path: Path) -> None:
    altered(made(tmp_path / "s"), version=99)
    with pytest.raises(BadFileError, match="Update kinelet"):
        open_store(tmp_path / "s")


def test_meta_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (made(tmp_path / "s") / "meta.json").write_text("{")
    with pytest.raises(BadFileError, match="does not describe a store"):
        open_store(tmp_path / "s")


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    folder = made(tmp_path / "s")
    np.save(folder / "embeddings.npy", np.array([object()] * 9, dtype=object), allow_pickle=True)
    from kinelet.files import sha256

    altered(folder, vectors_sha256=sha256(folder / "embeddings.npy"))
    with pytest.raises(BadFileError):
        open_store(folder)


def test_an_index_with_a_key_twice_is_refused(tmp_path: Path) -> None:
    from kinelet.files import sha256

    folder = made(tmp_path / "s")
    table = pq.read_table(folder / "index.parquet")
    pq.write_table(table.set_column(0, "key", [["a", "a", "c"]]), folder / "index.parquet")
    altered(folder, index_sha256=sha256(folder / "index.parquet"))
    with pytest.raises(BadFileError, match="one key for each vector"):
        open_store(folder)


def test_vectors_of_unknown_recordings_are_refused_with_an_example(corpus: Path) -> None:
    with pytest.raises(BadOptionError, match=r"no recording .nobody.*Ids look like"):
        attach_vectors(corpus, "video", np.eye(2), ["nobody"] * 2, [0, 1], 1.0, space="s", tower="t")


def test_two_items_at_one_moment_are_refused(corpus: Path) -> None:
    ids = [Corpus.open(corpus).recordings[0].id] * 2
    with pytest.raises(BadOptionError, match="twice"):
        attach_vectors(corpus, "video", np.eye(2), ids, [1.0, 1.0001], 1.0, space="s", tower="t")


def test_attached_modalities_are_listed_and_say_what_they_are(corpus: Path) -> None:
    ids = [r.id for r in Corpus.open(corpus).recordings]
    attach_vectors(corpus, "video", np.eye(2), ids, 0.0, [3.0, 4.0], space="clip", tower="mine", pool="mean")
    attach_text(corpus, ["walks"], Counting().tower())
    meta = open_store(store_folder(corpus, "video")).meta
    assert list_stores(corpus) == ("text", "video")
    assert (meta.name, meta.dim, meta.space, meta.tower, meta.pool, meta.timed) == (
        "video",
        2,
        "clip",
        "mine",
        "mean",
        True,
    )
    assert meta.corpus == Corpus.open(corpus).hash


def test_a_corpus_built_again_keeps_its_modalities(corpus: Path) -> None:
    attach_text(corpus, ["walks"], Counting().tower())
    corpus_of(corpus, *people(2, each=1, length=300))
    assert list_stores(corpus) == ("text",)


@pytest.mark.parametrize("name", ["../up", "", "a b", ".hidden", "x" * 65])
def test_names_that_could_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadOptionError, match="cannot name a modality"):
        store_folder(tmp_path, name)


LONG = np.zeros(5000)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("ab", "ba"),
        (["ab", "c"], ["a", "bc"]),
        ([LONG, LONG], [LONG, np.where(np.arange(5000) == 2500, 1.0, 0.0)]),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.zeros(2, np.float32), np.zeros(1, np.float64)),
        ((Path("a"), Path("b")), (Path("a"), Path("c"))),
        (b"1", b"2"),
        (1, 2),
    ],
)
def test_items_that_differ_have_other_hashes_and_the_same_the_same(a: Any, b: Any) -> None:
    assert writing._digest(a) != writing._digest(b)
    assert writing._digest(a) == writing._digest(a)


def test_an_item_whose_content_cannot_be_told_is_never_taken_for_known() -> None:
    item = object()
    assert writing._digest(item) != writing._digest(item)
