"""PAMAP2 and RealWorld-HAR as sets of several modalities: magnetometer and light beside accelerometer and gyroscope."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

import layouts
from kinelet.corpus import BuildConfig, Corpus, build
from kinelet.corpus.find import dataset_sources
from kinelet.corpus.moments import Moments, moments
from kinelet.datasets import get_dataset
from kinelet.errors import BadFileError
from kinelet.signal.recording import Recording


def load(name: str, raw: Path, recording: str) -> Recording:
    return next(r for r in get_dataset(name).load(raw) if r.name == recording)


def pamap2(raw: Path, *, no_motion: int = 0, no_magnet: int = 0) -> Recording:
    """The wrist of a file whose first rows lack motion or magnetometer."""
    rows = layouts.pamap2_rows(layouts.wave(300), np.full(300, 4))
    rows[:no_motion, 4:7] = np.nan
    rows[:no_magnet, 13:16] = np.nan
    text = [line.replace("nan", "NaN") for line in layouts.csv(rows, " ")]
    layouts.lines(raw / "Protocol" / "subject101.dat", text)
    return load("pamap2", raw, "pamap2_101_protocol_wrist")


def cut(raw: Path, name: str, views: dict[str, str], folder: Path, window_s: float) -> Moments:
    build(dataset_sources(name, raw), folder, BuildConfig(streams=True, quality=False))
    return moments(Corpus.open(folder), views, window_s)


# --- PAMAP2 -----------------------------------------------------------------------------------------------------------


def test_pamap2_magnetometer_is_a_stream_in_microtesla(tmp_path: Path) -> None:
    mag = pamap2(tmp_path).streams["mag"]
    np.testing.assert_allclose(mag.data, layouts.wave(300)[:, :3] * 50, atol=1e-3)
    assert (mag.spec.channels, mag.spec.units) == (("mag_x", "mag_y", "mag_z"), ("uT",) * 3)


def test_pamap2_recording_keeps_its_channels(tmp_path: Path) -> None:
    assert pamap2(tmp_path).spec.channels == ("acc_x", "acc_y", "acc_z", "gyr_x", "gyr_y", "gyr_z")


def test_pamap2_everything_in_a_file_is_on_one_clock(tmp_path: Path) -> None:
    rec = pamap2(tmp_path, no_motion=20, no_magnet=50)
    named = {k: (r.meta["clock"], round(r.meta["clock_start_s"], 3)) for k, r in {"rec": rec, **rec.streams}.items()}
    clock = "pamap2_101_protocol"
    assert named == {"rec": (clock, 0.2), "mag": (clock, 0.5), "heart_rate": (clock, 0.0)}


def test_pamap2_without_a_magnetometer_has_no_such_stream(tmp_path: Path) -> None:
    assert "mag" not in pamap2(tmp_path, no_magnet=300).streams


def test_pamap2_moments_see_the_same_instant(tmp_path: Path) -> None:
    pamap2(tmp_path / "raw", no_motion=20, no_magnet=50)
    views = {"acc": "acc@wrist", "gyr": "gyr@wrist", "mag": "mag@wrist"}
    found = cut(tmp_path / "raw", "pamap2", views, tmp_path / "c", 0.5).complete()
    x = found.gather(np.arange(len(found)))
    assert len(found) >= 4
    np.testing.assert_allclose(x["mag"], x["acc"] * 50, atol=0.1)


# --- RealWorld-HAR ----------------------------------------------------------------------------------------------------


@pytest.fixture
def realworld(tmp_path: Path) -> Path:
    layouts.realworld_har(tmp_path / "raw")
    return tmp_path / "raw"


def chest(raw: Path) -> Recording:
    return load("realworld_har", raw, "realworld_har_proband1_walking_chest")


def test_realworld_magnetometer_keeps_its_own_clock(realworld: Path) -> None:
    rec = chest(realworld)
    mag = rec.streams["mag"]
    assert round((mag.start_unix_s or 0) - (rec.start_unix_s or 0), 3) == 0.04
    np.testing.assert_allclose(mag.data, layouts.wave(150)[:, :3] * 50, atol=1e-3)


def test_realworld_light_is_read_whatever_its_column_is_called(realworld: Path) -> None:
    light = chest(realworld).streams["light"]
    np.testing.assert_allclose(light.data[:3, 0], [0.5, 1.5, 2.5])
    assert light.spec.units == ("lux",)


def test_realworld_site_without_them_has_no_streams(realworld: Path) -> None:
    assert not load("realworld_har", realworld, "realworld_har_proband1_walking_head").streams


def test_realworld_streams_of_a_part_belong_to_that_part(tmp_path: Path) -> None:
    place = tmp_path / "proband6" / "data"
    place.mkdir(parents=True)
    for kind, member in (("acc", "acc"), ("mag", "MagneticField")):
        with zipfile.ZipFile(place / f"{kind}_sitting_csv.zip", "w") as archive:
            for part in (1, 2):
                table = layouts.realworld_table(np.full((60, 3), float(part)))
                archive.writestr(f"{member}_sitting_{part}_chest.csv", table)
    recs = {r.name: r for r in get_dataset("realworld_har").load(tmp_path)}
    assert {n[-7]: float(r.streams["mag"].data[0, 0]) for n, r in recs.items()} == {"1": 1.0, "2": 2.0}


def test_realworld_broken_stream_is_a_clear_error(realworld: Path) -> None:
    with zipfile.ZipFile(realworld / "proband1" / "data" / "mag_walking_csv.zip", "w") as archive:
        archive.writestr("MagneticField_walking_chest.csv", "id,attr_time\n1,2\n")
    with pytest.raises(BadFileError, match="walking_chest_mag"):
        chest(realworld)


def test_realworld_four_modalities_make_moments(realworld: Path, tmp_path: Path) -> None:
    views = {"acc": "acc@chest", "gyr": "gyr@chest", "mag": "mag@chest", "light": "light@chest"}
    found = cut(realworld, "realworld_har", views, tmp_path / "c", 0.5).complete()
    x = found.gather(np.arange(len(found)))
    assert {name: v.shape[1:] for name, v in x.items()} == {
        "acc": (3, 25),
        "gyr": (3, 25),
        "mag": (3, 25),
        "light": (1, 25),
    }
