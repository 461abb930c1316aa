"""Side streams in a corpus: out of the way where nobody asks for them, labelled as what they were read with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kinelet.corpus import Corpus, union
from kinelet.corpus.streams import proper
from kinelet.errors import BadOptionError
from kinelet.signal.recording import Annotation
from kinelet.train.pretrain import training_views
from kinelet.train.recipe import DataConfig
from moment_tools import UNIX, acc, bvp, clocked, corpus_of, wristbands

MARKS = (Annotation(0.0, 20.0, label="rest"), Annotation(20.0, 60.0, label="stress"))


@pytest.fixture
def marked(tmp_path: Path) -> Corpus:
    """Two minutes of two people; the pulse starts 3.01 s late and has no labels of its own."""
    return wristbands(tmp_path / "c", 2, annotations=MARKS)


def labels_by_time(corpus: Corpus, late: float) -> list[tuple[float, str]]:
    windows = corpus.windows(5.0).of(["P0"])
    return [(t + late, windows.classes[c]) for t, c in zip(windows.time_s, windows.label, strict=True)]


def test_a_stream_takes_the_labels_of_its_recording_at_the_same_time(marked: Corpus) -> None:
    told = labels_by_time(marked.select(stream="bvp"), 3.01)
    assert told == [(t, "rest" if t + 2.5 < 20.0 else "stress") for t, _ in told]


def test_annotations_of_a_stream_lie_on_its_own_clock(marked: Corpus) -> None:
    rows = marked.select(stream="bvp", subjects="P0").annotations.to_pylist()
    assert [r["start_s"] for r in rows] == pytest.approx([-3.01, 16.99], abs=1e-6)


def test_a_stream_beside_its_recording_repeats_nothing(marked: Corpus) -> None:
    assert len(marked.select(subjects="P0").annotations) == len(MARKS)


def test_a_track_of_its_own_is_kept(tmp_path: Path) -> None:
    own = bvp(64.0, (0.0, 20.0), annotations=(Annotation(0.0, 9.0, label="own"),))
    corpus = corpus_of(tmp_path, acc(32.0, (0.0, 20.0), streams={"bvp": own}, annotations=MARKS))
    assert corpus.select(stream="bvp").annotations["label"].to_pylist() == ["own"]


def test_a_stream_whose_start_nobody_knows_takes_no_labels(tmp_path: Path) -> None:
    lost = bvp(64.0, (0.0, 20.0), start_unix_s=None)
    corpus = corpus_of(tmp_path, acc(32.0, (0.0, 20.0), streams={"bvp": lost}, annotations=MARKS))
    assert not len(corpus.select(stream="bvp").annotations)


def test_labels_follow_a_start_that_the_stream_knows(tmp_path: Path) -> None:
    late = bvp(64.0, (4.0, 20.0), start_unix_s=None, meta={"starts_after_s": 4.0})
    corpus = corpus_of(tmp_path, acc(32.0, (0.0, 20.0), streams={"bvp": late}, annotations=MARKS))
    assert corpus.select(stream="bvp").annotations["start_s"].to_pylist() == pytest.approx([-4.0, 16.0])


def test_labels_follow_where_building_dropped_the_first_samples(tmp_path: Path) -> None:
    late = bvp(64.0, (4.0, 20.0), start_unix_s=None, meta={"starts_after_s": 4.0})
    late.data[:128] = np.nan
    corpus = corpus_of(tmp_path, acc(32.0, (0.0, 20.0), streams={"bvp": late}, annotations=MARKS))
    assert corpus.select(stream="bvp").annotations["start_s"].to_pylist() == pytest.approx([-6.0, 14.0])


def test_streams_of_a_union_take_labels_too(marked: Corpus) -> None:
    both = union([marked, marked]).select(stream="bvp")
    assert len(both.annotations) == 4 * len(MARKS)


def test_pretraining_leaves_side_streams_alone(marked: Corpus) -> None:
    (windows,) = training_views(marked, DataConfig())
    assert windows.spec.channels == ("acc_x", "acc_y", "acc_z")


def test_pretraining_takes_the_modality_that_is_named(marked: Corpus) -> None:
    (windows,) = training_views(marked, DataConfig(modality="bvp"))
    assert (windows.spec.channels, windows.spec.rate_hz) == (("bvp",), 64.0)


def test_pretraining_takes_a_view(tmp_path: Path) -> None:
    chest = acc(50.0, (0.0, 20.0), name="chest", site="chest")
    corpus = corpus_of(tmp_path, acc(32.0, (0.0, 20.0), site="wrist"), chest)
    (windows,) = training_views(corpus, DataConfig(modality="acc@chest"))
    assert windows.spec.rate_hz == 50.0


def test_pretraining_takes_channels_that_only_a_stream_has(marked: Corpus) -> None:
    (windows,) = training_views(marked, DataConfig(channels=("bvp",)))
    assert len(windows) == 22


def test_holding_out_works_for_a_modality(marked: Corpus) -> None:
    (windows,) = training_views(marked, DataConfig(modality="bvp", hold_out=("P0",)))
    assert {windows.subjects[i] for i in windows.subject} == {"P1"}


def test_a_modality_that_is_not_there_is_refused_with_what_is(marked: Corpus) -> None:
    with pytest.raises(BadOptionError, match=r"acc=acc, bvp=bvp"):
        training_views(marked, DataConfig(modality="eda"))


def test_channels_of_a_recording_proper_go_before_those_of_a_stream(tmp_path: Path) -> None:
    second = clocked(("acc_x", "acc_y", "acc_z"), 8.0, (0.0, 20.0), name="slow", start_unix_s=UNIX)
    corpus = corpus_of(tmp_path, acc(32.0, (0.0, 20.0), streams={"slow": second}))
    assert proper(corpus, ("acc_x",)).spec.rate_hz == 32.0


def test_a_corpus_of_streams_alone_stays_as_it_is(marked: Corpus) -> None:
    part = marked.select(stream="bvp")
    assert proper(part) is part
