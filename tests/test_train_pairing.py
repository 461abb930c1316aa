import numpy as np
import pytest

from corpus_tools import corpus_of, recording
from kinelet.corpus.corpus import Corpus
from kinelet.corpus.loader import load_batch
from kinelet.corpus.narrations import Narration, write_narrations
from kinelet.corpus.samplers import RandomSampler
from kinelet.corpus.union import union
from kinelet.errors import BadOptionError
from kinelet.towers.base import CallableTower
from kinelet.towers.store import attach_text, attach_vectors
from kinelet.train.pairing import Pairing

SENTENCES = {"sits": [1.0, 0, 0, 0], "rests": [0, 1.0, 0, 0], "walks": [0, 0, 1.0, 0]}


def tower(name="toy"):
    return CallableTower(lambda items: np.array([SENTENCES.get(i, [0, 0, 0, 1.0]) for i in items]), name, 4, "toy")


def annotated(folder, rows=(("a", 0.0, 10.0, "sits"), ("a", 0.0, 10.0, "rests"), ("a", 10.0, 20.0, "walks"))):
    corpus = corpus_of(folder, recording("a", "P1", 1000), recording("b", "P2", 1000))
    ids = {r.row["name"]: r.id for r in corpus.recordings}
    write_narrations(corpus, [Narration(ids[name], *rest) for name, *rest in rows])
    attach_text(folder, [row[3] for row in rows], tower())
    return Corpus.open(folder)


def test_windows_get_the_vectors_of_their_sentences(tmp_path):
    view = annotated(tmp_path / "c").windows(5.0)
    pairing = Pairing([view])
    (modality,) = pairing.modalities
    assert (modality.name, modality.dim, modality.space, modality.tower) == ("text", 4, "toy", "toy")
    assert pairing.rows == {"text": 4}
    index = np.arange(8)
    extra = pairing.extra(view, index, step=0)
    known = extra["item.text"] >= 0
    assert known.tolist() == [name == "P1" for name in np.array(view.subjects)[view.subject]]
    assert np.array_equal(extra["vectors.text"][~known], np.zeros((4, 4)))
    walking = known & (view.time_s >= 10)
    assert extra["vectors.text"][walking].tolist() == [SENTENCES["walks"]] * 2


def test_each_step_draws_one_of_a_windows_sentences(tmp_path):
    view = annotated(tmp_path / "c").windows(5.0)
    pairing = Pairing([view])
    first = np.flatnonzero((view.time_s == 0) & (view.subject == view.subjects.index("P1")))
    drawn = {tuple(pairing.extra(view, first, step)["vectors.text"][0]) for step in range(40)}
    assert drawn == {tuple(SENTENCES["sits"]), tuple(SENTENCES["rests"])}
    again = pairing.extra(view, first, 3)
    assert np.array_equal(again["item.text"], Pairing([view]).extra(view, first, 3)["item.text"])
    assert again["item.text"][0] in again["items.text"][0]


def test_a_sentence_of_two_corpora_is_the_same_item_and_recordings_are_apart(tmp_path):
    views = [annotated(tmp_path / n).windows(5.0) for n in ("one", "two")]
    pairing = Pairing(views)
    items = [pairing.extra(v, np.arange(8), 0) for v in views]
    assert np.array_equal(items[0]["items.text"], items[1]["items.text"])
    assert not set(items[0]["moment.recording"]) & set(items[1]["moment.recording"])


def test_a_union_finds_what_lies_beside_its_parts(tmp_path):
    parts = [annotated(tmp_path / "one"), annotated(tmp_path / "two")]
    view = union(parts).windows(5.0)
    assert Pairing([view]).rows == {"text": 8}


def vectors_of(folder, pool="draw"):
    corpus = corpus_of(folder, recording("a", "P1", 1000), recording("b", "P2", 1000))
    ids = {r.row["name"]: r.id for r in corpus.recordings}
    items = np.array([[1.0, 0], [0, 1.0]])
    attach_vectors(folder, "video", items, [ids["a"]] * 2, [0.0, 2.0], 2.0, space="v", tower="mine", pool=pool)
    return Corpus.open(folder).windows(5.0)


def test_timed_vectors_are_averaged_over_the_window(tmp_path):
    view = vectors_of(tmp_path / "c", pool="mean")
    first = np.flatnonzero((view.time_s == 0) & (view.subject == view.subjects.index("P1")))
    extra = Pairing([view]).extra(view, first, 0)
    assert extra["vectors.video"][0] == pytest.approx([0.5**0.5, 0.5**0.5])
    assert (extra["items.video"][0] >= 0).sum() == 2


def test_batches_of_a_sampler_hold_the_vectors_and_ranks_share_them(tmp_path):
    view = vectors_of(tmp_path / "c")
    sampler = Pairing([view], seed=5).wrap(RandomSampler(view, 8, seed=1))
    whole = load_batch(sampler.draw(3))
    halves = [load_batch(sampler.draw(3), rank, 2) for rank in range(2)]
    for key in ("vectors.video", "item.video", "items.video", "moment.recording"):
        assert np.array_equal(np.concatenate([h[key] for h in halves]), whole[key])
    assert (whole["item.video"] >= 0).sum() == 1


def test_the_hash_tells_other_vectors_and_other_links(tmp_path):
    view = annotated(tmp_path / "one").windows(5.0)
    assert Pairing([view]).hash == Pairing([annotated(tmp_path / "two").windows(5.0)]).hash
    moved = annotated(
        tmp_path / "three", rows=(("a", 0.0, 20.0, "sits"), ("b", 0.0, 5.0, "rests"), ("a", 9.0, 20.0, "walks"))
    )
    assert Pairing([view]).hash != Pairing([moved.windows(5.0)]).hash


def test_an_unknown_modality_is_named_with_those_there_are(tmp_path):
    with pytest.raises(BadOptionError, match="video") as caught:
        Pairing([annotated(tmp_path / "c").windows(5.0)], ["video"])
    assert "text" in str(caught.value.remedy)


def test_stores_of_different_towers_do_not_mix(tmp_path):
    first = annotated(tmp_path / "one")
    second = annotated(tmp_path / "two")
    attach_text(second.path, SENTENCES, tower("other"))
    with pytest.raises(BadOptionError, match="do not fit together"):
        Pairing([first.windows(5.0), second.windows(5.0)])


def test_a_sentence_without_a_vector_is_an_error(tmp_path):
    corpus = annotated(tmp_path / "c")
    write_narrations(corpus, [Narration(corpus.recordings[0].id, 1.0, 2.0, "runs")], replace=True)
    with pytest.raises(BadOptionError, match="runs"):
        Pairing([corpus.windows(5.0)])
