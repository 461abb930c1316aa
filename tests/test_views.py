"""Views: which channels of which recordings make a modality."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinelet.corpus.views import View, modality, views_of
from kinelet.errors import BadOptionError
from moment_tools import acc, bvp, clocked, corpus_of, wristbands

IMU = ("acc_x", "acc_y", "acc_z", "gyr_x", "gyr_y", "gyr_z")


@pytest.mark.parametrize(
    ("text", "channels", "site"),
    [
        ("acc", IMU[:3], None),
        ("acc,gyr@wrist", IMU, "wrist"),
        ("acc_x, acc_z", ("acc_x", "acc_z"), None),
        ("bvp@whole body", ("bvp",), "whole body"),
    ],
)
def test_text_of_a_view(text: str, channels: tuple[str, ...], site: str | None) -> None:
    assert View.parse(text) == View(channels=channels, site=site)


@pytest.mark.parametrize("text", ["acc", "acc,gyr@wrist", "bvp", "acc_x,acc_z", "mag@chest"])
def test_a_view_says_what_it_was_read_from(text: str) -> None:
    assert View.parse(View.parse(text).text) == View.parse(text)


@pytest.mark.parametrize("text", ["", "@wrist", "acc@", " , "])
def test_texts_that_name_nothing_are_refused(text: str) -> None:
    with pytest.raises(BadOptionError, match="is no view"):
        View.parse(text)


def test_modalities_of_a_wristband(tmp_path: Path) -> None:
    found = {name: view.text for name, view in views_of(wristbands(tmp_path)).items()}
    assert found == {"acc": "acc", "bvp": "bvp"}


def test_sensors_of_one_recording_are_modalities(tmp_path: Path) -> None:
    assert list(views_of(corpus_of(tmp_path, clocked(IMU, 50.0, (0.0, 9.0))))) == ["acc", "gyr"]


def test_sites_are_apart_where_there_are_several(tmp_path: Path) -> None:
    sites = ("wrist", "left thigh")
    corpus = corpus_of(tmp_path, *(acc(50.0, (0.0, 9.0), name=site, site=site) for site in sites))
    found = {name: view.text for name, view in views_of(corpus).items()}
    assert found == {"acc_left_thigh": "acc@left thigh", "acc_wrist": "acc@wrist"}


def test_a_wide_stream_is_called_by_its_name(tmp_path: Path) -> None:
    joints = tuple(f"joint{i:02d}_{axis}" for i in range(4) for axis in "xyz")
    stream = clocked(joints, 30.0, (0.0, 9.0), name="s")
    corpus = corpus_of(tmp_path, acc(50.0, (0.0, 9.0), streams={"skeleton": stream}))
    view = views_of(corpus)["skeleton"]
    assert (view.text, view.part(corpus)[1]) == ("skeleton", joints)


def test_a_stem_stands_for_its_channels(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, clocked(("mic_0", "mic_1", "geo_0"), 100.0, (0.0, 9.0)))
    assert View.parse("mic").part(corpus)[1] == ("mic_0", "mic_1")


def test_recordings_proper_go_before_streams_with_the_same_channels(tmp_path: Path) -> None:
    slow = acc(10.0, (0.0, 9.0), name="slow")
    part, _ = View.parse("acc").part(corpus_of(tmp_path, acc(50.0, (0.0, 9.0), streams={"slow": slow})))
    assert part.spec.rate_hz == 50.0


def test_a_rate_chooses_recordings(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, acc(50.0, (0.0, 9.0), name="a"), acc(20.0, (0.0, 9.0), name="b"))
    part, _ = View(channels=("acc_x",), rate_hz=20.0).part(corpus)
    assert [r.id for r in part.recordings] == ["b"]


def test_a_site_chooses_recordings(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, *(acc(50.0, (0.0, 9.0), name=s, site=s) for s in ("wrist", "chest")))
    assert [r.id for r in View.parse("acc@chest").part(corpus)[0].recordings] == ["chest"]


def test_what_is_not_there_is_told_with_what_is(tmp_path: Path) -> None:
    with pytest.raises(BadOptionError, match=r"no recording has eda.*acc=acc, bvp=bvp"):
        View.parse("eda").part(wristbands(tmp_path))


def test_a_name_of_a_modality_goes_before_a_text(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, *(acc(50.0, (0.0, 9.0), name=s, site=s) for s in ("wrist", "chest")))
    assert modality(corpus, "acc_chest") == View.parse("acc@chest")


def test_names_of_streams_are_made_plain(tmp_path: Path) -> None:
    stream = bvp(64.0, (0.0, 9.0))
    corpus = corpus_of(tmp_path, acc(50.0, (0.0, 9.0), streams={"2nd pulse": stream}))
    assert list(views_of(corpus)) == ["acc", "m_2nd_pulse"]
