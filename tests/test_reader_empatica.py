"""Empatica E4 folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from kinelet.errors import BadFileError, BadOptionError
from kinelet.readers import read

START = 1644226061
FILES = {
    "ACC.csv": f"{START}.000000, {START}.000000, {START}.000000\n32.000000, 32.000000, 32.000000\n" + "-2,43,43\n" * 64,
    "BVP.csv": f"{START}\n64\n" + "0.5\n-1\n" * 64,
    "TEMP.csv": f"{START}\n4\n" + "28.39\n" * 8,
    "EDA.csv": f"{START}\n4\n" + "0.1\n" * 8,
    "HR.csv": f"{START + 10}\n1\n" + "61.5\n" * 2,
    "IBI.csv": f"{START}, IBI\n1.5,0.75\n2.25,0.75\n",
    "tags.csv": f"{START + 1}\n{START + 1.5}\n",
}


def folder(tmp_path: Path, **changes: str | None) -> Path:
    """An E4 folder; ``ACC=None`` leaves a file out."""
    where = tmp_path / "P03"
    where.mkdir()
    for name, text in FILES.items():
        content: Mapping[str, str | None] = {**FILES, **{f"{k}.csv": v for k, v in changes.items()}}
        if (found := content[name]) is not None:
            (where / name).write_text(found)
        assert text
    return where


def test_acceleration_is_the_recording(tmp_path: Path) -> None:
    rec = read(folder(tmp_path))
    np.testing.assert_array_equal(rec.data, np.tile(np.float32([-2, 43, 43]) / 64, (64, 1)))
    assert (rec.subject, rec.name, rec.spec.rate_hz, rec.spec.site) == ("P03", "P03", 32, "wrist")
    assert rec.start_unix_s == START and rec.resolution == (1 / 64,) * 3


def test_streams_have_their_own_rate_and_start(tmp_path: Path) -> None:
    streams = read(folder(tmp_path)).streams
    assert {k: (s.spec.rate_hz, len(s.data)) for k, s in streams.items()} == {
        "bvp": (64, 128),
        "temp": (4, 8),
        "eda": (4, 8),
        "hr": (1, 2),
    }
    assert streams["hr"].start_unix_s == START + 10 and streams["temp"].spec.units == ("degC",)


def test_tags_and_beats_are_annotations(tmp_path: Path) -> None:
    rec = read(folder(tmp_path))
    assert [(a.start_s, a.stop_s) for a in rec.annotations if a.track == "tag"] == [(1.0, 1.0), (1.5, 1.5)]
    assert [(a.start_s, a.stop_s, a.value) for a in rec.annotations if a.track == "ibi"] == [
        (0.75, 1.5, 0.75),
        (1.5, 2.25, 0.75),
    ]


def test_acc_file_reads_its_folder(tmp_path: Path) -> None:
    where = folder(tmp_path)
    assert read(where / "ACC.csv").streams.keys() == read(where).streams.keys()


@pytest.mark.parametrize("name", ["BVP", "TEMP", "EDA", "HR", "IBI", "tags"])
@pytest.mark.parametrize("content", [None, ""])
def test_other_files_may_be_missing_or_empty(tmp_path: Path, name: str, content: str | None) -> None:
    rec = read(folder(tmp_path, **{name: content}))
    assert name.lower() not in rec.streams and len(rec.data) == 64


def test_without_acceleration_another_stream_is_asked_for(tmp_path: Path) -> None:
    where = folder(tmp_path, ACC=None)
    with pytest.raises(BadFileError, match=r"ACC.csv is missing.*stream=.*bvp, temp"):
        read(where)
    rec = read(where, stream="bvp", subject="x")
    assert rec.spec.channels == ("bvp",) and rec.subject == "x" and "bvp" not in rec.streams


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("hello\nworld\n1,2,3\n", "not a start time and a rate"),
        ("1,1,1\n32,16,32\n1,2,3\n", "do not fit 3 columns"),
        ("1,1,1\n0,0,0\n1,2,3\n", "do not fit"),
        ("1,1,1\n32,32,32\n", "no rows|Empty CSV"),
        ("1,1,1\n32,32,32\n1,2\n", "Expected 3 columns"),
        ("1,1,1\n32,32,32\n1,2,3\n1,,3\n", "line 4 holds no number"),
        ("1,1,1\n32,32,32\n1,x,3\n", "cannot be parsed"),
    ],
)
def test_bad_acceleration_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(BadFileError, match=message):
        read(folder(tmp_path, ACC=content))


def test_bad_beats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match=r"IBI.csv.*not a start time"):
        read(folder(tmp_path, IBI="IBI\n1,2\n"))


def test_header_of_beats_alone_means_none(tmp_path: Path) -> None:
    rec = read(folder(tmp_path, IBI=f"{START}, IBI\n"))
    assert not [a for a in rec.annotations if a.track == "ibi"]


def test_unusual_rate_is_taken_and_warned_of(tmp_path: Path) -> None:
    rec = read(folder(tmp_path, ACC=f"{START},{START},{START}\n64,64,64\n" + "0,0,64\n" * 4))
    assert rec.spec.rate_hz == 64 and "says 64 Hz, not 32" in rec.warnings[0]


def test_unknown_stream_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOptionError, match="no stream 'gyro'"):
        read(folder(tmp_path), stream="gyro")


def test_folder_without_streams_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="no stream of a known device"):
        read(tmp_path)


def test_real_folder(shared_data: Path) -> None:
    rec = read(shared_data / "devices/empatica_e4_S01")
    assert rec.data.shape == (104310, 3) and len([a for a in rec.annotations if a.track == "tag"]) == 10
    assert rec.streams["bvp"].duration_s == pytest.approx(rec.duration_s, abs=2) and not rec.warnings
