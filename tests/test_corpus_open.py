"""Opening, selecting, joining and describing corpora."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from rich.console import Console

from corpus_tools import corpus_of, people, recording, with_gaps
from kinelet.corpus import BuildConfig, Corpus, build, union
from kinelet.corpus.picture import MAX_PEOPLE, picture
from kinelet.corpus.sources import MemorySource
from kinelet.errors import BadFileError, BadOptionError, SpecMismatchError
from kinelet.signal.recording import Annotation
from kinelet.signal.spec import imu_spec


@pytest.fixture(scope="module")
def mixed(tmp_path_factory) -> Corpus:
    """Two data sets at two rates, on two sites."""
    out = tmp_path_factory.mktemp("mixed")
    ankle = imu_spec(25.0, site="ankle", gyro=True)
    items = [
        *(MemorySource(r, dataset="one") for r in people(2)),
        MemorySource(recording("x", "9", 500, spec=ankle), dataset="two"),
        recording("own", "me", 100),
    ]
    build(items, out)
    return Corpus.open(out)


def test_no_corpus_says_how_to_make_one(tmp_path):
    with pytest.raises(BadFileError, match="kinelet corpus build"):
        Corpus.open(tmp_path)


def test_an_unfinished_build_says_how_to_go_on(tmp_path):
    (tmp_path / "recordings").mkdir()
    with pytest.raises(BadFileError, match="goes on where it stopped"):
        Corpus.open(tmp_path)


def test_a_newer_format_is_refused(tmp_path):
    corpus_of(tmp_path, recording())
    head = json.loads((tmp_path / "corpus.json").read_text())
    (tmp_path / "corpus.json").write_text(json.dumps({**head, "format": 99}))
    with pytest.raises(BadFileError, match="format 99"):
        Corpus.open(tmp_path)


@pytest.mark.parametrize("name", ["manifest.parquet", "annotations.parquet"])
def test_a_damaged_table_is_named(tmp_path, name):
    corpus_of(tmp_path, recording())
    (tmp_path / name).write_bytes(b"PAR1 nothing")
    with pytest.raises(BadFileError, match=name):
        Corpus.open(tmp_path)


def test_tables_of_different_builds_are_not_mixed(tmp_path):
    corpus_of(tmp_path, recording("a"))
    old = (tmp_path / "annotations.parquet").read_bytes()
    corpus_of(tmp_path, recording("b"))
    (tmp_path / "annotations.parquet").write_bytes(old)
    with pytest.raises(BadFileError, match="interrupted build"):
        Corpus.open(tmp_path)


def test_a_sample_file_of_the_wrong_length_is_refused(tmp_path):
    corpus = corpus_of(tmp_path, recording("a", n=100), recording("b", n=200))
    a, b = (tmp_path / "recordings" / r.row["file"] for r in corpus.recordings)
    a.write_bytes(b.read_bytes())
    with pytest.raises(BadFileError, match="manifest says"):
        corpus.recording("a")


def test_people_are_sorted(mixed):
    assert mixed.subjects == ("me", "one/P0", "one/P1", "two/9")


def test_an_unknown_recording_is_refused(mixed):
    with pytest.raises(BadOptionError, match="nobody"):
        mixed.recording("nobody")


def test_annotations_come_back(tmp_path):
    marks = (Annotation(0, 1, label="a"), Annotation(0.5, 2, value=3.5, track="hr"))
    assert corpus_of(tmp_path, recording("r", annotations=marks)).recording("r").annotations == marks


@pytest.mark.parametrize(
    ("conditions", "count"),
    [
        ({"dataset": "one"}, 4),
        ({"dataset": ["one", "two"]}, 5),
        ({"site": "ankle"}, 1),
        ({"subjects": ["me", "two/9"]}, 2),
        ({"rate_hz": 25.0}, 1),
        ({"channels": ["gyr_x"]}, 1),
        ({"recordings": "own"}, 1),
        ({"dataset": "one", "subjects": "one/P0"}, 2),
    ],
)
def test_selecting(mixed, conditions, count):
    part = mixed.select(**conditions)
    assert len(part.recordings) == count
    assert set(part.annotations["recording"].to_pylist()) <= {r.id for r in part.recordings}


def test_selecting_nothing_is_an_error(mixed):
    with pytest.raises(BadOptionError, match="knee"):
        mixed.select(site="knee")


def test_a_part_with_one_spec_has_it(mixed):
    assert mixed.select(dataset="one").spec == imu_spec(50.0, site="wrist")


def test_differing_sites_leave_the_site_open(tmp_path):
    corpus = corpus_of(tmp_path, recording("a"), recording("b", spec=imu_spec(50.0, site="ankle")))
    assert corpus.spec.site is None


def test_an_empty_corpus_has_no_spec(tmp_path):
    with pytest.raises(BadOptionError, match="no recordings"):
        _ = corpus_of(tmp_path).spec


def test_gravity_is_not_mixed(tmp_path):
    corpus = corpus_of(tmp_path, recording("a"), recording("b", spec=imu_spec(50.0, gravity=False)))
    with pytest.raises(SpecMismatchError, match="gravity"):
        _ = corpus.spec


def test_the_hash_tells_contents_apart(tmp_path):
    one = corpus_of(tmp_path / "one", recording("a"))
    assert one.hash == corpus_of(tmp_path / "copy", recording("a")).hash
    assert one.hash != corpus_of(tmp_path / "two", recording("a", seed=1)).hash


def test_the_hash_tells_processing_apart(tmp_path):
    one = corpus_of(tmp_path / "one", recording("a"))
    build([recording("a")], tmp_path / "two", BuildConfig(rate_hz=25.0))
    assert one.hash != Corpus.open(tmp_path / "two").hash


def test_people_of_two_corpora_are_different_people(tmp_path):
    joined = union([corpus_of(tmp_path / name, recording("r", "1")) for name in ("a", "b")])
    assert joined.subjects == ("a:1", "b:1") and [r.id for r in joined.recordings] == ["a:r", "b:r"]


def test_people_can_be_the_same_on_demand(tmp_path):
    parts = [corpus_of(tmp_path / name, recording("r", "1")) for name in ("a", "b")]
    assert union(parts, same_people=True).subjects == ("1",)


def test_folders_of_one_name_are_told_apart(tmp_path):
    parts = [corpus_of(tmp_path / name / "c", recording("r", "1")) for name in ("a", "b")]
    assert union(parts).subjects == ("c-2:1", "c:1")


def test_windows_of_a_union_are_those_of_its_parts(tmp_path):
    parts = [corpus_of(tmp_path / name, *people(2)[i : i + 2]) for i, name in enumerate("ab")]
    windows = union(parts).windows(1.0)
    expected = np.concatenate([w.gather(np.arange(len(w))) for w in (p.windows(1.0) for p in parts)])
    np.testing.assert_array_equal(windows.gather(np.arange(len(windows))), expected)
    assert windows.label.tolist() == [c for p in parts for c in p.windows(1.0).label]


def test_a_union_of_nothing_is_refused():
    with pytest.raises(BadOptionError):
        union([])


def test_people_of_a_union_are_known_by_their_names_in_its_parts(tmp_path):
    part = corpus_of(tmp_path / "a", recording("r", "1"))
    joined = union([part, corpus_of(tmp_path / "b", recording("r", "2"))])
    assert part.identities(["1"]) <= joined.identities(["a:1"])


def test_people_of_a_corpus_with_one_file_more_are_recognised(tmp_path):
    small = corpus_of(tmp_path / "a", recording("r", "1"))
    large = corpus_of(tmp_path / "b", recording("r", "1"), recording("s", "2"))
    assert small.identities(["1"]) & large.identities(["1"])
    assert not small.identities(["1"]) & large.identities(["2"])


def test_info_counts(mixed):
    info = mixed.info()
    assert (info.subjects, info.recordings) == (4, 6)
    assert info.hours == pytest.approx((4 * 30 + 20 + 2) / 3600)
    assert info.datasets == {"one": 4, "own": 1, "two": 1} and info.sites == {"ankle": 1, "wrist": 5}
    assert info.rates == {"25 Hz": 1, "50 Hz": 5}
    assert info.label_hours["activity"] == pytest.approx({"sit": 60 / 3600, "walk": 60 / 3600})


def test_info_sums_up_quality(mixed):
    middle, low, high = mixed.info().quality["duration_s"]
    assert (middle, low, high) == pytest.approx((30, 2, 30))


def test_info_counts_gaps_and_values(tmp_path):
    rec = with_gaps([50, 50, 50], gap_s=36.0, annotations=(Annotation(0, 1, value=1.0, track="hr"),))
    info = corpus_of(tmp_path, rec).info()
    assert info.gaps == (2, pytest.approx(0.02)) and info.values == {"hr": 1}


def test_info_is_a_table_and_json(mixed):
    info = mixed.info()
    console = Console(width=200, record=True, file=StringIO())
    console.print(info.table())
    text = console.export_text()
    assert all(name in text and value in text for name, value in info.rows())
    assert json.loads(json.dumps(info.as_dict()))["rates"] == {"25 Hz": 1, "50 Hz": 5}


def colours(path: Path) -> int:
    pixels = np.round(matplotlib.image.imread(path)[:, :, :3] * 255).astype(int).reshape(-1, 3)
    found, counts = np.unique(pixels, axis=0, return_counts=True)
    return int(np.sum((counts > 400) & (found.max(axis=1) - found.min(axis=1) > 20)))


def test_the_picture_colours_labels(tmp_path):
    path = picture(corpus_of(tmp_path, *people(3)), tmp_path / "timeline.png")
    assert colours(path) == 2


def test_the_picture_colours_data_sets_where_there_are_no_labels(mixed, tmp_path):
    path = picture(mixed, tmp_path / "timeline.png", track="none")
    assert colours(path) == 3


def test_the_picture_of_very_many_people_stays_a_page(tmp_path):
    corpus = corpus_of(tmp_path, *(recording(f"r{i}", f"P{i:03d}", 60) for i in range(MAX_PEOPLE + 20)))
    image = matplotlib.image.imread(picture(corpus, tmp_path / "timeline.png"))
    assert image.shape[0] < 2000
