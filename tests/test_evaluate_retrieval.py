"""Search both ways between motion and what a corpus has beside it: who is asked, what is right, how sure that is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpus_tools import corpus_of, recording
from kinelet.corpus.corpus import Corpus
from kinelet.corpus.narrations import Narration, sentences_for_labels, write_narrations
from kinelet.encoders.headed import HeadedEncoder
from kinelet.errors import BadFileError, BadOptionError, SpecMismatchError
from kinelet.evaluate.honesty import SeenSubjectError
from kinelet.evaluate.ranking import retrieval, right_answers
from kinelet.evaluate.relevance import overlaps, relevance
from kinelet.evaluate.retrieval import RetrievalConfig, cut, embed_outputs, retrieval_results
from kinelet.evaluate.retrieval_result import RetrievalResult, gallery_replicates, query_replicates
from kinelet.evaluate.statistics import resamples
from kinelet.towers.store import attach_text, attach_vectors
from words_tools import DIM, MEANING, SPACE, aligned, town

CONFIG = RetrievalConfig(window_s=2.0)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Corpus, HeadedEncoder]:
    """Four people who sit, walk and sit, described in two sentences; each also has a clip of every 4 s."""
    folder = tmp_path_factory.mktemp("town") / "town"
    corpus = town(folder)
    encoder, tower = aligned()
    rows = sentences_for_labels(corpus, "activity", {label: [text] for label, text in MEANING.items()})
    write_narrations(corpus, rows)
    attach_text(folder, list(MEANING.values()), tower)
    ids = [r.id for r in corpus.recordings for _ in range(12)]
    starts = np.tile(np.arange(12) * 4.0, 4)
    clips = np.random.default_rng(0).normal(size=(48, DIM))
    attach_vectors(folder, "clip", clips, ids, starts, 4.0, space=SPACE, tower="toy")
    return Corpus.open(folder), encoder


def results(told: tuple[Corpus, HeadedEncoder], **options: Any) -> dict[str, RetrievalResult]:
    corpus, encoder = told
    config = CONFIG.model_copy(update=options)
    return {r.direction: r for r in retrieval_results(encoder, cut(corpus, encoder, config), config, name="x")}


def test_every_modality_is_searched_both_ways(told: Any) -> None:
    assert list(results(told)) == ["motion -> clip", "clip -> motion", "motion -> text", "text -> motion"]


def test_an_encoder_that_knows_the_words_finds_them(told: Any) -> None:
    found = results(told)
    assert found["motion -> text"].values["r@1"] > 0.95
    assert found["text -> motion"].values["r@1"] == 1.0


def test_the_gallery_is_whole(told: Any) -> None:
    found = results(told)
    assert (found["motion -> text"].queries, found["motion -> text"].gallery) == (100, 2)
    assert (found["text -> motion"].queries, found["text -> motion"].gallery) == (2, 100)
    assert (found["motion -> clip"].queries, found["motion -> clip"].gallery) == (96, 48)


def test_windows_without_an_item_are_told(told: Any) -> None:
    assert "4 windows without clip are in no query and no gallery" in results(told)["motion -> clip"].notes


def test_chance_finds_as_much_as_the_random_level_says(told: Any) -> None:
    found = results(told)["motion -> clip"]
    assert found.values["r@10"] == pytest.approx(found.random["r@10"], abs=0.2)
    assert found.random["r@10"] > results(told, same_sentence=False)["motion -> clip"].random["r@10"]


def test_one_clip_is_right_where_sentences_do_not_count(told: Any) -> None:
    assert results(told, same_sentence=False)["motion -> clip"].relevant == 1.0


def test_people_known_from_pretraining_are_left_out(told: Any) -> None:
    corpus, encoder = told
    knowing = encoder.select("mm")
    knowing.card["pretrain_subjects"] = sorted(corpus.identities(["P0"]))
    found = retrieval_results(knowing, cut(corpus, knowing, CONFIG), CONFIG, name="x")
    assert found[0].people == ("P1", "P2", "P3")


@pytest.mark.parametrize("people", [None, ("P0",), ("P0", "P1")])
def test_nobody_known_is_judged(told: Any, people: tuple[str, ...] | None) -> None:
    corpus, encoder = told
    knowing = encoder.select("mm")
    knowing.card["pretrain_subjects"] = sorted(corpus.identities(corpus.subjects if people is None else ["P0"]))
    with pytest.raises(SeenSubjectError, match="P0"):
        cut(corpus, knowing, CONFIG.model_copy(update={"people": people}))


def test_an_encoder_without_that_space_is_refused(told: Any) -> None:
    corpus, encoder = told
    stranger = encoder.select("mm")
    stranger.card = {}
    with pytest.raises(
        BadOptionError,
        match=r"no head for clip \(space .*, text \(.*aligned with nothing.*pretrain primus",
    ):
        retrieval_results(stranger, cut(corpus, stranger, CONFIG), CONFIG, name="x")


def test_a_corpus_with_nothing_attached_is_told_apart(told: Any, tmp_path: Path) -> None:
    _, encoder = told
    bare = town(tmp_path / "bare", people=2)
    with pytest.raises(BadOptionError, match=r"nothing is attached to the corpus.*with text \(space 'toy-space'"):
        retrieval_results(encoder, cut(bare, encoder, CONFIG), CONFIG, name="x")


def test_vectors_of_another_tower_are_refused(told: Any) -> None:
    corpus, encoder = told
    other = encoder.select("mm")
    other.card = {"alignment": {"text": {**encoder.card["alignment"]["text"], "dim": DIM + 1}}}
    with pytest.raises(BadOptionError, match="9 by 'toy'"):
        retrieval_results(other, cut(corpus, other, CONFIG), CONFIG, name="x")


@pytest.mark.parametrize(("tower", "by"), [("toy", 0.5), ("another", 0.5)])
def test_a_tower_of_the_same_name_that_has_changed_is_refused(told: Any, tower: str, by: float) -> None:
    corpus, encoder = told
    other = encoder.select("mm")
    entry = encoder.card["alignment"]["text"]
    probe = " ".join(f"{float(v) + by:.3f}" for v in entry["probe"].split())
    other.card = {"alignment": {"text": {**entry, "tower": tower, "probe": probe}}}
    with pytest.raises(BadOptionError, match="whose probe items have other vectors"):
        retrieval_results(other, cut(corpus, other, CONFIG), CONFIG, name="x")


def test_a_tower_whose_last_digits_differ_is_the_same(told: Any) -> None:
    corpus, encoder = told
    other = encoder.select("mm")
    entry = encoder.card["alignment"]["text"]
    probe = " ".join(f"{float(v) + 0.005:.3f}" for v in entry["probe"].split())
    other.card = {"alignment": {"text": {**entry, "tower": "renamed", "probe": probe}}}
    assert retrieval_results(other, cut(corpus, other, CONFIG), CONFIG, name="x")


def test_outputs_of_one_pass_are_those_of_each_head(told: Any) -> None:
    corpus, encoder = told
    windows = cut(corpus, encoder, CONFIG)
    found = embed_outputs(encoder, windows, {"mm", "ss"}, batch_size=33)
    x = windows.gather(np.arange(len(windows)))
    assert all(np.allclose(found[h], encoder.select(h).embed(x), atol=1e-5) for h in ("mm", "ss"))


def test_an_encoder_in_other_units_gets_windows_in_its_units(told: Any) -> None:
    corpus, encoder = told
    windows = cut(corpus, encoder, CONFIG)
    metric = encoder.select("mm")
    metric.spec = encoder.spec.replace(units=("m/s^2",) * 3)
    found = embed_outputs(metric, cut(corpus, metric, CONFIG), {"mm"})["mm"]
    scaled = encoder.select("mm").embed(windows.gather(np.arange(len(windows))) * np.float32(9.80665))
    assert np.allclose(found, scaled, atol=1e-4)


def test_units_that_cannot_be_converted_are_refused(told: Any) -> None:
    corpus, encoder = told
    turning = encoder.select("mm")
    turning.spec = encoder.spec.replace(units=("deg/s",) * 3)
    with pytest.raises(SpecMismatchError, match="deg/s"):
        cut(corpus, turning, CONFIG)


def test_windows_that_share_half_their_time_are_right_answers_too(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "c", recording("a", "P1", 500), recording("b", "P2", 500))
    windows = corpus.windows(2.0, 0.5)
    got = overlaps(windows).toarray() > 0
    wanted = [
        [r == s and abs(t - u) <= 1.0 + 1e-9 for s, u in zip(windows.recording, windows.time_s, strict=True)]
        for r, t in zip(windows.recording, windows.time_s, strict=True)
    ]
    assert got.tolist() == wanted


def test_the_same_sentence_makes_an_item_of_another_window_right(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "c", recording("a", "P1", 500), recording("b", "P2", 500))
    said = [("a", 0.0, "hops"), ("a", 4.0, "rests"), ("b", 6.0, "hops")]
    ids = {r.row["name"]: r.id for r in corpus.recordings}
    write_narrations(corpus, [Narration(ids[n], t, t + 2, text) for n, t, text in said])
    windows = Corpus.open(tmp_path / "c").windows(2.0)
    right = relevance(windows, np.eye(len(windows)), same_sentence=True).toarray()
    place = {(windows.subjects[s], t): i for i, (s, t) in enumerate(zip(windows.subject, windows.time_s, strict=True))}
    first, other = place["P1", 0.0], place["P2", 6.0]
    assert right[first].nonzero()[0].tolist() == sorted([first, other])
    assert right[place["P1", 4.0]].sum() == 1


def drawn(seed: int = 0) -> tuple[Any, Any, Any, Any]:
    """Queries, gallery, right answers and people, with copies in the gallery so that there are ties."""
    r = np.random.default_rng(seed)
    g = np.repeat(r.normal(size=(15, 6)), 2, axis=0)
    q = r.normal(size=(9, 6))
    unit = [(v / np.linalg.norm(v, axis=1, keepdims=True)).astype(np.float32) for v in (q, g)]
    right = r.random((9, 30)) < 0.15
    right[np.arange(9), r.integers(0, 30, 9)] = True
    return *unit, right, r.integers(0, 4, 30)


def test_resampling_the_gallery_is_building_it_anew() -> None:
    q, g, right, person = drawn()
    fast = gallery_replicates(retrieval(q, g, right, (1, 5)), q, g, right_answers(right, 9, 30), person, 4)
    for i, weight in enumerate(resamples(4)[:25]):
        rows = np.repeat(np.arange(30), weight[person].astype(int))
        there = right[:, rows].any(axis=1)
        slow = retrieval(q[there], g[rows], right[there][:, rows], (1, 5)).values
        assert {k: v[i] for k, v in fast.items()} == pytest.approx(slow)


def judged_anew(seed: int, people: int = 20, classes: int = 20) -> RetrievalResult:
    """Sentences asked of windows of people drawn anew, one window a class each, that say little about the class."""
    r = np.random.default_rng(seed)
    q = np.eye(classes, dtype=np.float32)
    g = np.tile(q, (people, 1)) + r.normal(0, 1.3, (people * classes, classes))
    g = (g / np.linalg.norm(g, axis=1, keepdims=True)).astype(np.float32)
    right, person = np.tile(np.eye(classes, dtype=bool), people), np.repeat(np.arange(people), classes)
    found = retrieval(q, g, right, (1, 5))
    made = gallery_replicates(found, q, g, right_answers(right, *right.shape), person, people)
    names = tuple(f"P{i}" for i in range(people))
    return RetrievalResult("text -> motion", "x", "t", 20, 400, 1.0, names, "t", found.values, found.random, made)


def test_an_interval_of_a_resampled_gallery_holds_its_estimate_and_mostly_the_truth() -> None:
    results = [judged_anew(seed) for seed in range(60)]
    for name in ("mrr", "r@1", "r@5"):
        found = [r.estimates[name] for r in results]
        assert all(e.lo < e.value < e.hi for e in found)
        truth = np.mean([e.value for e in found])
        assert np.mean([e.lo <= truth <= e.hi for e in found]) >= 0.8


def test_a_difference_of_resampled_galleries_lies_about_its_estimate() -> None:
    a, b = judged_anew(0), judged_anew(1)
    gap = a.difference(b, "r@5")
    assert gap.lo < gap.value < gap.hi
    assert (gap.lo + gap.hi) / 2 == pytest.approx(gap.value, abs=(gap.hi - gap.lo) / 10)


def test_an_interval_stays_among_possible_values() -> None:
    values, n = {"r@1": 0.96}, ("A", "B", "C")
    made = RetrievalResult("x -> motion", "x", "t", 1, 1, 1.0, n, "t", values, values, {"r@1": np.linspace(0.6, 1, 99)})
    assert made.estimates["r@1"].hi == 1.0
    assert made.estimates["r@1"].lo == pytest.approx(0.76, abs=0.01)


def test_a_result_whose_resamples_are_all_undefined_has_no_interval() -> None:
    values = {"r@1": 0.5}
    none = {"r@1": np.full(9, np.nan)}
    made = RetrievalResult("x -> motion", "x", "t", 1, 1, 1.0, ("A", "B"), "t", values, values, none)
    assert np.isnan(made.estimates["r@1"].lo) and np.isnan(made.estimates["r@1"].hi)


def test_resampling_queries_is_asking_them_anew() -> None:
    q, g, right, _ = drawn()
    person = np.array([0, 0, 0, 1, 1, 2, 2, 2, 3])
    found = retrieval(q, g, right, (1, 5))
    fast = query_replicates(found, person, 4)
    for i, weight in enumerate(resamples(4)[:25]):
        rows = np.repeat(np.arange(9), weight[person].astype(int))
        assert {k: v[i] for k, v in fast.items()} == pytest.approx(retrieval(q[rows], g, right[rows], (1, 5)).values)


def test_two_encoders_are_subtracted_on_the_same_resamples(told: Any) -> None:
    a = results(told)["motion -> text"]
    assert a.difference(a, "mrr").value == 0
    assert a.estimates["mrr"].lo <= a.values["mrr"] <= a.estimates["mrr"].hi


def test_other_queries_are_not_subtracted(told: Any) -> None:
    a, b = results(told), results(told, people=("P0", "P1"))
    with pytest.raises(BadOptionError, match="other queries"):
        a["motion -> text"].difference(b["motion -> text"], "mrr")


def test_a_result_survives_its_file(told: Any, tmp_path: Path) -> None:
    result = results(told)["text -> motion"]
    result.save(tmp_path / "r.json")
    again = RetrievalResult.load(tmp_path / "r.json")
    assert (again.values, again.people, again.test) == (result.values, result.people, result.test)
    assert again.estimates["r@1"].hi == pytest.approx(result.estimates["r@1"].hi, abs=1e-5)


@pytest.mark.parametrize("text", ["", "[]", '{"format": "kinelet-retrieval", "schema": 9}'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(BadFileError, match="not a retrieval result"):
        RetrievalResult.load(tmp_path / "r.json")
