"""GENEActiv .bin: values, pages, clock, damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from device_files import GENEACTIV_HEADER, START, geneactiv_page, wave, write_geneactiv
from kinelet.errors import BadFileError, BadOptionError
from kinelet.readers._geneactiv_pages import parse_time, unpack_axes
from kinelet.readers.geneactiv import read_geneactiv


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "P001.bin"


def replace(path: Path, old: str, new: str, count: int = 1) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count), newline="\n")


def test_values_are_calibrated(file: Path) -> None:
    values = write_geneactiv(file)
    expected = (values * 100 - np.array([0, 256, -256])) / 25600
    np.testing.assert_allclose(read_geneactiv(file).data, expected, atol=1e-6)


def test_twelve_bit_extremes() -> None:
    six = np.array([[0x80, 0x07, 0xFF, 0xFF, 0xF0, 0]], dtype=np.int16)
    assert unpack_axes(six).tolist() == [[-2048, 2047, -1]]


def test_light_is_in_lux_at_the_full_rate(file: Path) -> None:
    write_geneactiv(file)
    light = read_geneactiv(file).streams["light"]
    assert len(light.data) == 900 and light.data[0, 0] == pytest.approx(30 * 800 / 300)


def test_light_without_factor_stays_raw(file: Path) -> None:
    write_geneactiv(file)
    replace(file, "Volts:300", "Volts:0")
    assert read_geneactiv(file).streams["light"].spec.units == ("raw",)


def test_button_presses_are_annotations(file: Path) -> None:
    write_geneactiv(file)
    first = read_geneactiv(file).annotations[0]
    assert (first.track, first.label, first.start_s, first.stop_s) == (
        "button",
        "pressed",
        7 / 50,
        pytest.approx(8 / 50),
    )


@pytest.mark.parametrize(("name", "value"), [("temperature", 28.5), ("battery", 4.1)])
def test_slow_streams(file: Path, name: str, value: float) -> None:
    write_geneactiv(file)
    np.testing.assert_allclose(read_geneactiv(file).streams[name].data[:, 0], [value] * 3, rtol=1e-6)


def test_resolution(file: Path) -> None:
    write_geneactiv(file)
    assert read_geneactiv(file).resolution == (100 / 25600,) * 3


def test_start_time(file: Path) -> None:
    write_geneactiv(file)
    assert read_geneactiv(file).start_unix_s == START


def test_meta(file: Path) -> None:
    write_geneactiv(file)
    meta = read_geneactiv(file).meta
    assert (meta["serial"], meta["subject_code"], meta["time_zone"]) == ("012345", "P07", "GMT +01:00")


def test_windows_line_ends(file: Path) -> None:
    values = write_geneactiv(file)
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert len(read_geneactiv(file).data) == len(values)


def test_good_file_has_no_warnings(file: Path) -> None:
    write_geneactiv(file)
    assert read_geneactiv(file, corrupt="error").warnings == ()


def test_missing_page_is_a_gap(file: Path) -> None:
    write_geneactiv(file, 10, skip=(4,))
    assert [(g.start_s, g.stop_s) for g in read_geneactiv(file).gaps] == [(24.0, 30.0)]


def test_corrupt_page_is_a_gap_with_its_reason(file: Path) -> None:
    write_geneactiv(file, 10)
    replace(file, "Sequence Number:4\nPage Time", "Sequence Number:4\nPage Tide")
    rec = read_geneactiv(file)
    assert [g.reason for g in rec.gaps] == ["corrupt_block"] and "page 4" in rec.warnings[0]


def test_digits_that_are_not_hexadecimal_are_corrupt(file: Path) -> None:
    write_geneactiv(file, 5)
    raw = file.read_bytes()
    at = raw.rindex(b"\n", 0, -5) + 20
    file.write_bytes(raw[:at] + b"x" + raw[at + 1 :])
    assert "1 of 5 blocks are corrupt" in read_geneactiv(file).warnings[0]


def test_corrupt_error_refuses(file: Path) -> None:
    write_geneactiv(file, 5)
    replace(file, "Page Time:", "Page Time:x")
    with pytest.raises(BadFileError, match="1 of 5 blocks are corrupt"):
        read_geneactiv(file, corrupt="error")


def test_lost_page_mark_is_reported(file: Path) -> None:
    write_geneactiv(file, 5)
    replace(
        file, "Recorded Data\nDevice Unique Serial Code:012345\nSequence Number:2", "Recorded Dat?\nSequence Number:2"
    )
    assert any("belong to no page" in w for w in read_geneactiv(file).warnings)


def test_truncated_last_page_keeps_whole_samples(file: Path) -> None:
    values = write_geneactiv(file)
    file.write_bytes(file.read_bytes()[: -(2000 + 5)])
    rec = read_geneactiv(file)
    n = (600 * 12 + 3600 - 2004) // 12
    assert len(rec.data) == n < len(values) and any("cut short" in w for w in rec.warnings)


def test_truncated_sample_values_are_right(file: Path) -> None:
    values = write_geneactiv(file)
    file.write_bytes(file.read_bytes()[:-2005])
    rec = read_geneactiv(file)
    np.testing.assert_allclose(rec.data[-1, 0], values[len(rec.data) - 1, 0] / 256, atol=1e-6)


def test_header_that_claims_a_million_million_pages(file: Path) -> None:
    write_geneactiv(file, announced=10**12)
    rec = read_geneactiv(file)
    assert len(rec.data) == 900 and "announces 1000000000000 pages, the file holds 3" in rec.warnings[0]


def test_clock_that_goes_back(file: Path) -> None:
    values = wave(1800)
    pages = [geneactiv_page(values[i * 300 : (i + 1) * 300], i, START + 6 * i - 600 * (i >= 3)) for i in range(6)]
    file.write_text(GENEACTIV_HEADER.format(rate=50, announced=6) + "".join(pages), newline="\n")
    rec = read_geneactiv(file)
    assert len(rec.data) == 1800 and (np.diff(rec.times()) > 0).all() and any("went back" in w for w in rec.warnings)


def test_page_with_another_rate_is_corrupt(file: Path) -> None:
    write_geneactiv(file, 4)
    file.write_text(file.read_text() + geneactiv_page(wave(300), 4, START + 24, rate=100.0), newline="\n")
    assert "its rate is not the 50 Hz of the others" in read_geneactiv(file).warnings[0]


def test_header_rate_that_differs_from_the_pages(file: Path) -> None:
    write_geneactiv(file)
    replace(file, "Measurement Frequency:50 Hz", "Measurement Frequency:75 Hz")
    rec = read_geneactiv(file)
    assert rec.spec.rate_hz == 50 and "the header says 75 Hz" in rec.warnings[0]


def test_long_recording_measures_its_rate(file: Path) -> None:
    values = wave(300)
    pages = [geneactiv_page(values, i, START + np.round(i * 300 / 50.25 * 2) / 2) for i in range(700)]
    file.write_text(GENEACTIV_HEADER.format(rate=50, announced=700) + "".join(pages), newline="\n")
    assert read_geneactiv(file).spec.rate_hz == pytest.approx(50.25, rel=2e-4)


def test_short_recording_keeps_the_nominal_rate(file: Path) -> None:
    write_geneactiv(file)
    replace(file, "Page Time:2024-03-05 09:30:12:000", "Page Time:2024-03-05 09:30:12:500")
    assert read_geneactiv(file).spec.rate_hz == 50.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("x gain:25600", "x gain:2"), "calibration is missing or impossible"),
        (("y offset:256", "why offset:256"), "calibration is missing or impossible"),
        (("Device Identity", "Device Identitx"), "not a GENEActiv"),
    ],
)
def test_corrupt_header(file: Path, change: tuple[str, str], message: str) -> None:
    write_geneactiv(file)
    replace(file, *change)
    with pytest.raises(BadFileError, match=message):
        read_geneactiv(file)


def test_empty(file: Path) -> None:
    file.write_bytes(b"")
    with pytest.raises(BadFileError, match="the file is empty"):
        read_geneactiv(file)


def test_header_only(file: Path) -> None:
    file.write_text(GENEACTIV_HEADER.format(rate=50, announced=0))
    with pytest.raises(BadFileError, match="no page of data"):
        read_geneactiv(file)


def test_no_usable_page(file: Path) -> None:
    file.write_text(GENEACTIV_HEADER.format(rate=50, announced=1) + "Recorded Data\nnothing\n")
    with pytest.raises(BadFileError, match="none of its 1 pages can be used"):
        read_geneactiv(file)


def test_unknown_policy(file: Path) -> None:
    with pytest.raises(BadOptionError, match="corrupt='x' is not known"):
        read_geneactiv(file, corrupt="x")


def test_page_time() -> None:
    assert parse_time(b"1970-01-02 00:00:01:500") == 86401.5


@pytest.mark.parametrize("text", [b"", b"1970-13-02 00:00:01:500", b"1970-01-02 00:00:01", b"1970-01-02 25:00:01:000"])
def test_bad_page_time(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"time|month|hour"):
        parse_time(text)


def test_real_file_matches_the_expected_values(shared_data: Path) -> None:
    rec = read_geneactiv(shared_data / "devices" / "geneactiv_sample.bin")
    with np.load(shared_data / "devices" / "geneactiv_expected.npz", allow_pickle=False) as expected:
        np.testing.assert_allclose(rec.data, expected["accel"], atol=5.1e-5)


def test_real_truncated_file_keeps_what_is_there(shared_data: Path) -> None:
    rec = read_geneactiv(shared_data / "devices" / "geneactiv_truncated.bin")
    assert len(rec.data) == 16 * 300 + 231 and "announces 222048 pages, the file holds 17" in rec.warnings[0]


@pytest.mark.parametrize("name", ["geneactiv_sample.bin", "geneactiv_truncated.bin"])
def test_real_files_match_a_second_implementation(shared_data: Path, name: str) -> None:
    actfast = pytest.importorskip("actfast")
    path = shared_data / "devices" / name
    other = actfast.read(str(path))["timeseries"]["high_frequency"]["acceleration"]
    np.testing.assert_allclose(read_geneactiv(path).data, other, atol=1e-6)
