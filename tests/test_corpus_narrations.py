"""Sentences of a corpus: cleaning, tables, labels, parts and unions, and corpora that were built again."""

from __future__ import annotations

import itertools
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_tools import PLAIN, corpus_of, recording, samples
from kinelet.corpus import Corpus, build, kfold, union
from kinelet.corpus.narration_file import read_narrations
from kinelet.corpus.narration_table import keep_wearer
from kinelet.corpus.narrations import (
    NARRATIONS,
    Narration,
    clean_sentence,
    narrations,
    sentences_for_labels,
    write_narrations,
)
from kinelet.corpus.redundancy import redundancy, repeat_probability
from kinelet.errors import BadFileError, BadOptionError
from kinelet.signal.recording import Annotation
from kinelet.towers.store import attach_vectors

START = 1_700_000_000.0


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    marks = (
        Annotation(1.5, 1.5, label="#C C walks", track="narration"),
        Annotation(2.5, 2.5, label="C stops", track="narration/two"),
        Annotation(0, 20, label="sit"),
        Annotation(20, 30, label="walk"),
    )
    parts = recording("a", n=1500, annotations=marks), recording("b", "P2", n=1000, start_unix_s=START)
    return corpus_of(tmp_path / "corpus", *parts)


def table(folder: Path, text: str) -> Path:
    path = folder / "said.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("written", "cleaned"),
    [
        ("C opens the Cupboard", "the person opens the cupboard"),
        ("#C C Catches a Cat", "the person catches a cat"),
        ("#c c picks the cup", "the person picks the cup"),
        ("#C walks", "the person walks"),
        ("the ball passes C, who waits", "the ball passes the person, who waits"),
        ("moves C's left hand", "moves the person's left hand"),
        ("#O a man X waves at C", "a man x waves at the person"),
        ('says "C" aloud', 'says "the person" aloud'),
        ("C picks a #unsure up", "the person picks a something up"),
        ("#Summary C cooked", "the person cooked"),
        ("  Climbs \n the   stairs ", "climbs the stairs"),
        ("...", ""),
        ("#O #Summary -", ""),
        ("a C-shaped pipe of ABC Co", "a c-shaped pipe of abc co"),
    ],
)
def test_markers_become_words(written, cleaned):
    assert clean_sentence(written) == cleaned


def test_the_word_for_the_wearer_is_chosen():
    assert clean_sentence("#C C cooks", wearer="Somebody") == "somebody cooks"


words = st.from_regex(r"[CcOoabX]{2}[CcOoabXsé'-]{0,5}[Cca]|[CcOoabX]{2}", fullmatch=True)


@given(st.lists(words, min_size=1, max_size=12))
def test_no_letter_inside_a_word_is_touched(written):
    said = " ".join(written)
    assert clean_sentence(said, limit=1000).split() == said.lower().split()


@given(st.text(st.sampled_from("C #c Ounsre,.x")))
def test_cleaning_twice_is_cleaning_once(written):
    assert clean_sentence(clean_sentence(written)) == clean_sentence(written)


def test_long_sentences_end_after_a_whole_word():
    found = clean_sentence("walking " * 30)
    assert len(found) <= 128 and set(found.split()) == {"walking"}


def test_sentences_of_the_recordings_and_those_attached_are_one_table(corpus):
    write_narrations(corpus, [Narration("a", 2.0, 3.5, "C sits", "three"), Narration("b", 1.0, 1.0, "C walks")])
    found = narrations(corpus)
    assert found.text == ["the person walks", "the person sits", "the person stops", "the person walks"]
    assert found.sentences == ("the person sits", "the person stops", "the person walks")
    assert found.source == ["", "three", "two", ""]
    assert found.recording.tolist() == [0, 0, 0, 1]
    assert found.centre_s.tolist() == [1.5, 2.75, 2.5, 1.0]


def test_the_word_for_the_wearer_is_kept_with_the_sentences(corpus):
    write_narrations(corpus, [Narration("b", 1.0, 1.0, "C sits")], wearer="someone")
    assert "someone sits" in narrations(Corpus.open(corpus.path)).text


def test_the_word_for_the_wearer_is_for_sentences_on_the_recordings_own_tracks_too(corpus):
    assert keep_wearer(corpus, "someone")
    assert narrations(Corpus.open(corpus.path)).text == ["someone walks", "someone stops"]
    assert not keep_wearer(corpus, "someone")


def test_sentences_may_follow_the_word_for_the_wearer(corpus):
    keep_wearer(corpus, "someone")
    write_narrations(corpus, [Narration("b", 1.0, 1.0, "C sits")])
    assert narrations(corpus).text == ["someone walks", "someone stops", "someone sits"]


def test_another_word_for_the_wearer_replaces_no_sentence(corpus):
    write_narrations(corpus, [Narration("b", 1.0, 1.0, "C sits")], wearer="someone")
    with pytest.raises(BadOptionError, match=r"another word.*'someone'.*--replace"):
        keep_wearer(corpus, "anyone")
    keep_wearer(corpus, "anyone", replace=True)
    assert narrations(corpus).text == ["anyone walks", "anyone stops", "anyone sits"]


def test_the_word_stays_when_sentences_are_replaced(corpus):
    write_narrations(corpus, [Narration("b", 1.0, 1.0, "C sits")], wearer="someone")
    write_narrations(corpus, [Narration("b", 1.0, 1.0, "C runs")], replace=True)
    assert narrations(corpus).text[-1] == "someone runs"


def test_a_damaged_file_is_replaced_if_asked_for(corpus):
    (corpus.path / NARRATIONS).write_bytes(b"PAR1 no more")
    row = Narration("b", 1.0, 1.0, "C runs")
    with pytest.raises(BadFileError, match="--replace"):
        write_narrations(corpus, [row])
    write_narrations(corpus, [row], replace=True)
    assert narrations(corpus).text[-1] == "the person runs"


def test_each_part_of_a_union_has_its_own_word(tmp_path, corpus):
    mark = Annotation(1.0, 1.0, label="C lies", track="narration")
    other = corpus_of(tmp_path / "other", recording("b", "P9", annotations=(mark,)))
    keep_wearer(corpus, "someone")
    assert narrations(union([corpus, other])).text == ["someone walks", "someone stops", "the person lies"]


def test_a_sentence_of_which_nothing_is_left_is_counted(corpus):
    write_narrations(corpus, [Narration("b", 1.0, 1.0, " #Summary ")])
    assert (len(narrations(corpus)), narrations(corpus).empty) == (2, 1)


def test_a_part_of_a_corpus_has_its_own_sentences_only(corpus):
    write_narrations(corpus, [Narration("b", 1.0, 1.0, "C sits")])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = narrations(corpus.select(subjects="P2"))
    assert (found.text, found.recording.tolist()) == (["the person sits"], [0])


def test_a_union_of_unions_finds_the_sentences_of_each_folder(tmp_path, corpus):
    other = corpus_of(tmp_path / "other", recording("b", "P9"))
    write_narrations(corpus, [Narration("b", 1.0, 1.0, "one")])
    write_narrations(other, [Narration("b", 2.0, 2.0, "two")])
    joined = union([union([other, corpus.select(subjects="P2")]), corpus.select(subjects="P2")])
    found = narrations(joined)
    ids = [joined.recordings[i].id for i in found.recording]
    assert sorted(zip(ids, found.text, strict=True)) == [
        ("corpus:b", "one"),
        ("other:corpus:b", "one"),
        ("other:other:b", "two"),
    ]


def test_the_same_sentences_again_are_nothing_new(corpus):
    rows = [Narration("b", 1.0, 1.0, "C sits")]
    assert [write_narrations(corpus, rows) for _ in range(2)] == [True, False]


def test_other_sentences_are_refused_until_they_may_replace(corpus):
    write_narrations(corpus, [Narration("b", 1.0, 1.0, "C sits")])
    other = [Narration("b", 1.0, 1.0, "C runs")]
    with pytest.raises(BadOptionError, match="--replace"):
        write_narrations(corpus, other)
    write_narrations(corpus, other, replace=True)
    assert narrations(corpus).text[-1] == "the person runs"


def test_sentences_about_unknown_recordings_are_refused(corpus):
    with pytest.raises(BadOptionError, match="'c'"):
        write_narrations(corpus, [Narration("c", 1.0, 1.0, "C sits")])


def test_a_union_has_no_place_for_sentences(corpus):
    with pytest.raises(BadOptionError, match="union"):
        write_narrations(union([corpus]), [Narration("corpus:b", 1.0, 1.0, "C sits")])


def test_a_damaged_table_is_told(corpus):
    (corpus.path / NARRATIONS).write_bytes(b"PAR1 nothing")
    with pytest.raises(BadFileError, match="annotate"):
        narrations(corpus)


def test_a_corpus_that_is_built_again_keeps_its_sentences(tmp_path):
    corpus = corpus_of(tmp_path, recording("a"))
    write_narrations(corpus, [Narration("a", 1.0, 1.0, "C sits")])
    corpus = corpus_of(tmp_path, recording("a"), recording("z", "P2"))
    assert narrations(corpus).text == ["the person sits"]


def test_sentences_about_recordings_that_are_gone_are_told(tmp_path):
    corpus = corpus_of(tmp_path, recording("a"), recording("b"))
    write_narrations(corpus, [Narration("a", 1.0, 1.0, "C sits"), Narration("b", 1.0, 1.0, "C sits")])
    build([recording("b")], tmp_path, PLAIN, prune=True)
    with pytest.warns(UserWarning, match="1 sentences are about 1 recordings no longer in the corpus"):
        assert len(narrations(Corpus.open(tmp_path))) == 1


def test_sentences_about_a_recording_whose_source_changed_are_told(tmp_path):
    write_narrations(corpus_of(tmp_path, recording("a", seed=1)), [Narration("a", 1.0, 1.0, "C sits")])
    with pytest.warns(UserWarning, match="changed since"):
        assert len(narrations(corpus_of(tmp_path, recording("a", seed=2)))) == 1


def test_every_sentence_of_a_label_goes_to_each_interval(corpus):
    found = sentences_for_labels(corpus, "activity", {"sit": ["sits", "is seated"], "walk": ["walks"]})
    assert [(n.start_s, n.stop_s, n.text) for n in found] == [(0, 20, "sits"), (0, 20, "is seated"), (20, 30, "walks")]


def test_a_label_without_a_sentence_is_named(corpus):
    with pytest.raises(BadOptionError, match=r"walk.*--skip"):
        sentences_for_labels(corpus, "activity", {"sit": ["sits"]})


def test_labels_are_quoted_since_they_may_hold_commas_and_many_are_counted(tmp_path):
    marks = tuple(Annotation(i / 2, i / 2 + 0.4, label=f"step, {i:02d}") for i in range(12))
    corpus = corpus_of(tmp_path, recording("a", annotations=marks))
    with pytest.raises(BadOptionError, match=r": 'step, 00', .*'step, 09', … \(12 in all\)"):
        sentences_for_labels(corpus, "activity", {})


def test_a_label_may_be_left_out(corpus):
    assert len(sentences_for_labels(corpus, "activity", {"sit": ["sits"]}, skip=["walk"])) == 1


def test_a_track_without_labels_is_named_with_those_there_are(corpus):
    with pytest.raises(BadOptionError, match=r"'moods'.*'activity', 'narration'"):
        sentences_for_labels(corpus, "moods", {})


def test_a_table_of_moments_and_intervals(tmp_path, corpus):
    said = 'time,recording,stop,text,annotator,mood\n1.234,a,,"C sits, slowly",x,good\n5,b,7.5,C walks,,\n'
    assert read_narrations(table(tmp_path, said), corpus) == [
        Narration("a", 1.234, 1.234, "C sits, slowly", "x"),
        Narration("b", 5.0, 7.5, "C walks", ""),
    ]


@pytest.mark.parametrize("when", ["1700000003.25", "2023-11-14T22:13:23.250Z", "2023-11-14T23:13:23.25+01:00"])
def test_absolute_times_count_from_the_start_of_the_recording(tmp_path, corpus, when):
    (found,) = read_narrations(table(tmp_path, f"recording,time,text\nb,{when},C sits\n"), corpus)
    assert found.start_s == pytest.approx(3.25, abs=1e-6)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("c,1,C sits", "no recording 'c'"),
        (",1,C sits", "no recording"),
        ("a,soon,C sits", "'soon'"),
        ("a,nan,C sits", "not finite"),
        ("a,,C sits", "time ''"),
        ("a,1,", "no text"),
        ("a,1,C sits, slowly,x", "more cells than columns"),
        ("a,1700000003,C sits", "absolute start of 'a' is not known"),
        ("a,2023-11-14T22:13:23,C sits", "absolute start of 'a' is not known"),
    ],
)
def test_a_wrong_row_is_named_with_its_line(tmp_path, corpus, row, told):
    with pytest.raises(BadFileError, match="line 3: ") as caught:
        read_narrations(table(tmp_path, f"recording,time,text\na,1,C sits\n{row}\n"), corpus)
    assert told in str(caught.value)


def test_all_wrong_rows_are_counted(tmp_path, corpus):
    with pytest.raises(BadFileError, match=r"line 2: .*line 6: .*and 4 more"):
        read_narrations(table(tmp_path, "recording,time,text\n" + "a,x,C sits\n" * 9), corpus)


def test_a_stop_before_its_start_is_refused(tmp_path, corpus):
    with pytest.raises(BadFileError, match="before"):
        read_narrations(table(tmp_path, "recording,time,stop,text\na,2,1,C sits\n"), corpus)


def test_a_few_sentences_after_the_end_are_late_and_all_of_them_a_wrong_clock(tmp_path, corpus):
    late = "recording,time,text\na,1,C sits\na,31,C sits\n"
    with pytest.warns(UserWarning, match=r"1 sentence lies outside its recording and is left out \(line 3\)"):
        assert len(read_narrations(table(tmp_path, late), corpus)) == 1
    with pytest.raises(BadFileError, match=r"all 2 sentences of 'b' lie outside its 0 to 20.000 s"):
        read_narrations(table(tmp_path, late + "b,1000,C sits\nb,2000,C sits\n"), corpus)


def test_seconds_of_a_recording_that_lost_its_beginning_are_told(tmp_path):
    data = samples(500)
    data[:100] = np.nan
    corpus = corpus_of(tmp_path / "c", recording("a", data=data), recording("b"))
    with pytest.warns(UserWarning, match=r"first 2.000 s of 'a' were left out"):
        read_narrations(table(tmp_path, "recording,time,text\na,1,C sits\n"), corpus)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_narrations(table(tmp_path, "recording,time,text\nb,1,C sits\n"), corpus)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("recording;time;text\n", "looks separated by ';', not by commas"),
        ("recording\ttime\ttext\n", r"looks separated by '\\t'"),
        ("recording,text\na,b\n", "no column time"),
        ("recording,time,text,time\n", "twice"),
        ("", "no column"),
        ("recording,time,text\n", "no sentences"),
        ('recording,time,text\na,1,"open\n', "not readable"),
    ],
)
def test_a_wrong_table_is_told(tmp_path, corpus, text, told):
    with pytest.raises(BadFileError, match=told):
        read_narrations(table(tmp_path, text), corpus)


def test_an_absent_table_is_told_without_a_number_of_the_system(tmp_path, corpus):
    with pytest.raises(BadFileError, match=r"absent\.csv: no such file\."):
        read_narrations(tmp_path / "absent.csv", corpus)


def test_a_sentence_over_the_end_by_less_than_a_sample_is_no_mistake(tmp_path, corpus):
    said = table(tmp_path, "recording,time,stop,text\na,-0.01,30.01,C sits\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (found,) = read_narrations(said, corpus)
    assert (found.start_s, found.stop_s) == (-0.01, 30.01)


def test_bytes_that_are_no_text_are_told(tmp_path, corpus):
    (tmp_path / "said.csv").write_bytes(b"recording,time,text\na,1,\xff\xfe\n")
    with pytest.raises(BadFileError, match="UTF-8"):
        read_narrations(tmp_path / "said.csv", corpus)


@pytest.mark.parametrize(("name", "found"), [("P1/walk", "P1/walk.csv"), ("walk", "P1/walk.csv"), ("P2", "P2/run.csv")])
def test_recordings_are_known_by_any_name_that_fits_one_only(tmp_path, name, found):
    corpus = corpus_of(tmp_path / "c", *(recording(n, n[:2]) for n in ("P1/walk.csv", "P1/sit.csv", "P2/run.csv")))
    (row,) = read_narrations(table(tmp_path, f"recording,time,text\n{name},1,C sits\n"), corpus)
    assert row.recording == found


def test_a_name_that_fits_several_recordings_is_refused(tmp_path):
    corpus = corpus_of(tmp_path / "c", recording("P1-a"), recording("P1-b"))
    with pytest.raises(BadFileError, match=r"'P1' may be 2: 'P1-a', 'P1-b'"):
        read_narrations(table(tmp_path, "recording,time,text\nP1,1,C sits\n"), corpus)


def test_no_person_is_on_both_sides_of_a_split_of_narrated_windows(tmp_path):
    parts = [recording(f"r{i}", f"P{i % 3}", n=1000) for i in range(6)]
    corpus = corpus_of(tmp_path, *parts)
    write_narrations(corpus, [Narration(f"r{i}", t, t, "C sits") for i in range(6) for t in (3.0, 4.0, 12.0)])
    windows = corpus.windows(5.0, placement="event")
    for split in kfold(corpus.subjects, 3, seed=0):
        train, test = (set(windows.of(part).recording.tolist()) for part in (split.train, split.test))
        people = [{corpus.recordings[i].subject for i in codes} for codes in (train, test)]
        assert people[0] and people[1] and not people[0] & people[1]


@pytest.fixture
def told(tmp_path: Path) -> Corpus:
    """Twenty seconds with five sentences of two annotators, and a sentence after the end."""
    said = [(3, "C sits", "x"), (4, "C stands", "y"), (8.2, "C walks", "x"), (9.0, "C walks", "x"), (18, "C sits", "x")]
    corpus = corpus_of(tmp_path, recording("a", n=1000))
    write_narrations(corpus, [Narration("a", t, t, s, who) for t, s, who in [*said, (25, "C runs", "x")]])
    return corpus


def test_redundancy_is_that_of_a_case_counted_by_hand(told):
    found = redundancy(told.windows(5.0, placement="event"), narrations(told))
    # Centres 3, 4, 8.2, 9, 17.5: windows around 3, 8.2 and 17.5. Rule: [0, 5] twice, [5, 10], [6, 11], [15, 20].
    assert (found.windows, found.narrated, found.narrations, found.unplaced, found.most) == (3, 3, 6, 1, 2)
    assert (found.rule_windows, found.distinct, found.covered_s, found.non_overlapping) == (5, 4, 16.0, 3)
    assert found.each == pytest.approx(5 / 3)
    assert (found.copies, found.redundancy) == (pytest.approx(0.2), pytest.approx(25 / 16))
    assert (found.sentences, found.repeated) == (4, pytest.approx(4 / 6))
    assert (found.gap_s, found.close) == (pytest.approx(4.2), pytest.approx(3 / 5))
    assert found.later_annotators == pytest.approx(1 / 6)
    assert found.batch_repeats == {}


def test_redundancy_of_a_grid_counts_windows_without_a_sentence(told):
    found = redundancy(told.windows(5.0), narrations(told))
    assert (found.windows, found.narrated, found.most) == (4, 3, 2)


@pytest.fixture
def clips(tmp_path: Path) -> Corpus:
    """One recording of twenty seconds, and clips of two and three."""
    corpus = corpus_of(tmp_path, *(recording(name, n=n) for name, n in (("a", 1000), ("b", 100), ("c", 150))))
    said = [("a", 10.0), ("b", 1.0), ("b", 1.5), ("c", 1.0)]
    write_narrations(corpus, [Narration(name, t, t, "C sits") for name, t in said])
    return corpus


def test_redundancy_counts_no_more_signal_than_there_is(clips):
    found = redundancy(clips.windows(5.0, placement="event"), narrations(clips))
    assert (found.covered_s, found.non_overlapping, found.rule_windows) == (5 + 2 + 3, 2, 4)
    assert found.redundancy == pytest.approx((5 + 2 + 2 + 3) / 10)


def test_recordings_shorter_than_a_window_are_counted(clips):
    rows = dict(redundancy(clips.windows(5.0, placement="event"), narrations(clips)).rows())
    assert rows["too short"] == "2 recordings are shorter than a window of 5 s; see --window"
    assert "too short" not in dict(redundancy(clips.windows(2.0), narrations(clips)).rows())


def test_one_sentence_has_no_next_one(tmp_path):
    corpus = corpus_of(tmp_path, recording("a", n=1000))
    write_narrations(corpus, [Narration("a", 10.0, 10.0, "C sits")])
    rows = dict(redundancy(corpus.windows(5.0), narrations(corpus)).rows())
    assert rows["from a sentence to the next"] == "no recording has two"
    assert rows["one window a sentence"].startswith("1 window,")


def test_redundancy_reads_as_a_table(told):
    rows = dict(redundancy(told.windows(5.0, placement="event"), narrations(told)).rows())
    assert rows["redundancy"] == "1.6 x"
    assert rows["windows with a sentence"] == "3 of 3"


def test_a_corpus_without_sentences_has_no_redundancy(tmp_path):
    corpus = corpus_of(tmp_path, recording("a", n=1000))
    found = redundancy(corpus.windows(5.0), narrations(corpus))
    assert (found.narrations, found.redundancy, math.isnan(found.gap_s)) == (0, 0.0, True)


@pytest.mark.parametrize("uses", [[1, 1, 1, 1], [2, 1, 1], [3, 2, 2, 1], [4, 4]])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_the_probability_of_a_repeat_is_that_of_all_draws_counted(uses, size):
    labels = np.repeat(np.arange(len(uses)), uses)
    draws = list(itertools.combinations(labels, size))
    expected = sum(len(set(d)) < size for d in draws) / len(draws)
    assert repeat_probability(uses, size) == pytest.approx(expected, abs=1e-12)


def test_the_probability_of_a_repeat_stays_a_number_for_many_sentences():
    uses = np.r_[np.ones(100_000), np.full(500, 40)]
    log_all_differ = [math.log1p(-repeat_probability(uses, size)) for size in (16, 62, 256)]
    # About size^2/2 pairs, each the same sentence with probability sum(c (c - 1)) / (n (n - 1)).
    n = uses.sum()
    same = (uses * (uses - 1)).sum() / (n * (n - 1))
    np.testing.assert_allclose(log_all_differ, [-same * s * (s - 1) / 2 for s in (16, 62, 256)], rtol=0.1)


def test_a_build_keeps_what_is_about_recordings_that_are_gone_and_says_so(tmp_path):
    corpus = corpus_of(tmp_path, recording("a"), recording("b"))
    write_narrations(corpus, [Narration("a", 1.0, 1.0, "C sits"), Narration("b", 1.0, 1.0, "C sits")])
    attach_vectors(tmp_path, "video", np.eye(3), ["a", "a", "b"], [0.0, 1.0, 0.0], 1.0, space="s", tower="t")
    summary = build([recording("b")], tmp_path, PLAIN, prune=True)
    assert summary.orphans == {"narrations.parquet": 1, "embeddings/video": 2}
    assert dict(summary.rows())["kept in embeddings/video"].startswith("2 about recordings")
    assert build([recording("a"), recording("b")], tmp_path, PLAIN).orphans == {}
    assert len(narrations(Corpus.open(tmp_path))) == 2


def test_info_counts_sentences_and_vectors_and_no_sentence_is_a_class(corpus):
    attach_vectors(corpus.path, "video", np.eye(2), ["a", "b"], 0.0, 1.0, space="s", tower="t")
    info = corpus.info()
    assert (info.narrations, info.modalities, set(info.label_hours)) == (2, {"video": 2}, {"activity"})
    assert dict(info.rows())["modality: video"] == "2 vectors"
