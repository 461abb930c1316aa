"""Axivity .cwa: values, clock, gaps, damage."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from device_files import START, cwa_block, cwa_header, pack_stamp, pack_ten_bit, wave, write_ax3, write_ax6
from kinelet.errors import BadFileError, BadOptionError
from kinelet.readers._cwa_blocks import unpack_stamp
from kinelet.readers.axivity import read_cwa


def damage(path: Path, block: int, at: int = 100) -> None:
    raw = bytearray(path.read_bytes())
    raw[1024 + block * 512 + at] ^= 0x55
    path.write_bytes(raw)


@pytest.fixture
def ax3(tmp_path: Path) -> Path:
    return tmp_path / "P001.cwa"


def test_ax3_values_are_those_written(ax3: Path) -> None:
    values = write_ax3(ax3)
    np.testing.assert_array_equal(read_cwa(ax3).data, (values / 256).astype(np.float32))


def test_ten_bit_exponent_shifts_the_value(ax3: Path) -> None:
    word = np.full(120, (3 << 30) | ((-5 & 1023) << 20) | (7 << 10) | 511, dtype="<u4")
    ax3.write_bytes(cwa_header() + cwa_block(word.tobytes(), 120, START, 0, 100.0))
    np.testing.assert_array_equal(read_cwa(ax3).data[0] * 256, [511 * 8, 7 * 8, -5 * 8])


def test_ax6_acceleration_comes_first_and_in_g(tmp_path: Path) -> None:
    values = write_ax6(tmp_path / "a.cwa")
    np.testing.assert_allclose(read_cwa(tmp_path / "a.cwa").data[:, :3], values[:, 3:] / 4096, rtol=1e-6)


def test_ax6_gyroscope_is_in_rad_per_second(tmp_path: Path) -> None:
    values = write_ax6(tmp_path / "a.cwa")
    expected = np.deg2rad(values[:, :3] * 1000 / 32768)
    np.testing.assert_allclose(read_cwa(tmp_path / "a.cwa").data[:, 3:], expected, rtol=1e-5)


def test_ax3_unpacked_sixteen_bit(ax3: Path) -> None:
    values = wave(80)
    samples = values.astype("<i2").tobytes()
    ax3.write_bytes(cwa_header() + cwa_block(samples, 80, START, 0, 100.0, packing=0x32))
    np.testing.assert_array_equal(read_cwa(ax3).data, (values / 256).astype(np.float32))


def test_resolution_is_the_device_step(ax3: Path) -> None:
    write_ax3(ax3)
    assert read_cwa(ax3).resolution == (1 / 256,) * 3


def test_header_facts(ax3: Path) -> None:
    write_ax3(ax3)
    meta = read_cwa(ax3).meta
    assert (meta["device"], meta["serial"], meta["annotation"]) == (
        "AX3",
        str(12345 + 65536),
        {"_p": "left wrist", "_sc": "P07"},
    )


def test_site_is_read_from_the_annotation(ax3: Path) -> None:
    write_ax3(ax3)
    assert read_cwa(ax3).spec.site == "left wrist"


def test_subject_is_the_stem_by_default(ax3: Path) -> None:
    write_ax3(ax3)
    assert read_cwa(ax3).subject == "P001"


def test_start_time(ax3: Path) -> None:
    write_ax3(ax3)
    assert read_cwa(ax3).start_unix_s == pytest.approx(START, abs=0.02)


def test_measured_rate_replaces_the_nominal_one(ax3: Path) -> None:
    write_ax3(ax3, 200, rate=98.4)
    assert read_cwa(ax3).spec.rate_hz == pytest.approx(98.4, rel=2e-4)


def test_nominal_clock_keeps_the_setting(ax3: Path) -> None:
    write_ax3(ax3, 200, rate=98.4)
    assert read_cwa(ax3, clock="nominal").spec.rate_hz == 100.0


def test_measured_rate_is_recorded_with_either_clock(ax3: Path) -> None:
    write_ax3(ax3, 200, rate=98.4)
    assert read_cwa(ax3, clock="nominal").meta["measured_rate_hz"] == pytest.approx(98.4, rel=2e-4)


def test_drifting_rate_gives_every_sample_its_time(ax3: Path) -> None:
    out, when, true = [cwa_header()], START, []
    for i in range(1200):
        rate = 98.0 if i < 600 else 100.0
        true.append(when - START)
        out.append(cwa_block(pack_ten_bit(wave(120) % 256), 120, when, i, rate))
        when += 120 / rate
    ax3.write_bytes(b"".join(out))
    rec = read_cwa(ax3)
    assert rec.time_s is not None and np.abs(rec.time_s[::120] - true).max() < 0.35


def test_own_times_increase(ax3: Path) -> None:
    test_drifting_rate_gives_every_sample_its_time(ax3)
    assert (np.diff(read_cwa(ax3).times()) > 0).all()


def test_missing_blocks_are_a_gap_of_their_length(ax3: Path) -> None:
    write_ax3(ax3, 20, skip=(8, 9))
    (gap,) = read_cwa(ax3).gaps
    assert gap.stop_s - gap.start_s == pytest.approx(2.4, abs=0.03)


def test_segments_split_at_the_missing_blocks(ax3: Path) -> None:
    write_ax3(ax3, 20, skip=(8, 9))
    assert [s.stop for s in read_cwa(ax3).segments] == [960, 2160]


def test_corrupt_block_is_a_gap_with_its_reason(ax3: Path) -> None:
    write_ax3(ax3, 20)
    damage(ax3, 5)
    assert [g.reason for g in read_cwa(ax3).gaps] == ["corrupt_block"]


def test_corrupt_block_is_counted_in_a_warning(ax3: Path) -> None:
    write_ax3(ax3, 20)
    damage(ax3, 5)
    assert "1 of 20 blocks are corrupt" in read_cwa(ax3).warnings[0] and "120 samples lost" in read_cwa(ax3).warnings[0]


def test_corrupt_error_refuses_and_names_the_block(ax3: Path) -> None:
    write_ax3(ax3, 20)
    damage(ax3, 5)
    with pytest.raises(BadFileError, match="block 5 at byte 3584: its check sum is wrong"):
        read_cwa(ax3, corrupt="error")


def test_good_file_has_no_warnings(ax3: Path) -> None:
    write_ax3(ax3)
    assert read_cwa(ax3, corrupt="error").warnings == ()


def test_clock_that_goes_back_keeps_all_samples(ax3: Path) -> None:
    write_ax3(ax3, 20, jump={10: -3600.0})
    rec = read_cwa(ax3)
    assert len(rec.data) == 2400 and any("went back 1 times" in w for w in rec.warnings)


def test_clock_that_goes_back_leaves_time_increasing(ax3: Path) -> None:
    write_ax3(ax3, 20, jump={10: -3600.0})
    assert (np.diff(read_cwa(ax3).times()) > 0).all()


def test_single_odd_stamp_is_replaced(ax3: Path) -> None:
    write_ax3(ax3, 20, jump={10: 500.0, 11: -500.0})
    rec = read_cwa(ax3)
    assert rec.gaps == () and "1 single block times" in rec.warnings[0]


def test_partial_last_block_keeps_its_samples(ax3: Path) -> None:
    values = wave(50)
    ax3.write_bytes(cwa_header() + cwa_block(pack_ten_bit(values), 50, START, 0, 100.0))
    np.testing.assert_array_equal(read_cwa(ax3).data * 256, values)


def test_truncated_block_is_reported(ax3: Path) -> None:
    write_ax3(ax3, 6)
    ax3.write_bytes(ax3.read_bytes()[:-200])
    assert any("312 bytes that are not a whole block" in w for w in read_cwa(ax3).warnings)


def test_blank_blocks_are_no_damage(ax3: Path) -> None:
    write_ax3(ax3, 6)
    ax3.write_bytes(ax3.read_bytes() + b"\xff" * 1024)
    assert read_cwa(ax3, corrupt="error").warnings == ("2 blocks were never written by the device",)


def test_other_sampling_rate_in_a_block_is_corrupt(ax3: Path) -> None:
    write_ax3(ax3, 6)
    block = cwa_block(pack_ten_bit(wave(120)), 120, START + 7.2, 6, 100.0, rate_code=0x4B)
    ax3.write_bytes(ax3.read_bytes() + block)
    assert "its layout differs" in read_cwa(ax3).warnings[0]


def test_impossible_sample_count_is_corrupt(ax3: Path) -> None:
    write_ax3(ax3, 6)
    ax3.write_bytes(ax3.read_bytes() + cwa_block(b"", 65535, START + 7.2, 6, 100.0))
    assert "its sample count is impossible" in read_cwa(ax3).warnings[0]


def test_implausible_norm_is_a_warning(ax3: Path) -> None:
    ax3.write_bytes(cwa_header() + cwa_block(b"\0" * 480, 120, START, 0, 100.0))
    assert "far from 1 g" in read_cwa(ax3).warnings[0]


@pytest.mark.parametrize("name", ["temperature", "light", "battery"])
def test_streams_have_a_value_a_block(ax3: Path, name: str) -> None:
    write_ax3(ax3, 20)
    assert len(read_cwa(ax3).streams[name].data) == 20


def test_temperature_formula(ax3: Path) -> None:
    write_ax3(ax3)
    assert read_cwa(ax3).streams["temperature"].data[0, 0] == pytest.approx(265 * 75 / 256 - 50)


def test_stream_rate_is_that_of_the_blocks(ax3: Path) -> None:
    write_ax3(ax3, 20)
    assert read_cwa(ax3).streams["light"].spec.rate_hz == pytest.approx(1 / 1.2, rel=0.01)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"PK\x03\x04 something else", "not an Axivity"),
        (cwa_header(), "truncated: 1024 bytes"),
        (cwa_header() + b"\xff" * 512, "all are blank"),
        (cwa_header() + b"AX" + b"\x11" * 510, "none of its 1 blocks"),
    ],
)
def test_bad_files_say_why(ax3: Path, content: bytes, message: str) -> None:
    ax3.write_bytes(content)
    with pytest.raises(BadFileError, match=message):
        read_cwa(ax3)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="does not exist"):
        read_cwa(tmp_path / "none.cwa")


def test_folder_instead_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="not a regular file"):
        read_cwa(tmp_path)


@pytest.mark.parametrize("option", [{"corrupt": "skip"}, {"clock": "wrong"}])
def test_unknown_policy(ax3: Path, option: dict[str, str]) -> None:
    with pytest.raises(BadOptionError, match="is not known"):
        read_cwa(ax3, **option)


def test_stamp_is_the_inverse_of_packing() -> None:
    when = np.array([951782399.0, START, 2966371199.0])
    np.testing.assert_array_equal(unpack_stamp(np.array([pack_stamp(w) for w in when], dtype=np.uint32)), when)


@pytest.mark.parametrize("date", [(2, 30), (13, 1), (0, 1), (1, 0), (2, 29)])
def test_impossible_dates_are_nan(date: tuple[int, int]) -> None:
    stamp = np.array([23 << 26 | date[0] << 22 | date[1] << 17], dtype=np.uint32)
    assert np.isnan(unpack_stamp(stamp)[0])


def test_stamp_with_fraction_is_undone(ax3: Path) -> None:
    # The device moves the offset by the whole samples of the fraction: 0.5 s at 100 Hz are 50 samples.
    block = bytearray(cwa_block(pack_ten_bit(wave(120)), 120, START, 0, 100.0))
    block[4:6] = struct.pack("<H", 0x8000 | 16384)
    block[26:28] = struct.pack("<h", 10 - 50)
    block[510:512] = struct.pack("<H", -int(np.frombuffer(bytes(block[:510]), "<u2").sum()) & 0xFFFF)
    ax3.write_bytes(cwa_header() + bytes(block))
    assert read_cwa(ax3).start_unix_s == pytest.approx(START + 0.5 - 0.1, abs=1e-6)


def test_real_ax6_matches_the_expected_values(shared_data: Path) -> None:
    with np.load(shared_data / "devices" / "ax6_expected.npz", allow_pickle=False) as expected:
        rec = read_cwa(shared_data / "devices" / "ax6_sample.cwa")
        both = np.hstack([expected["accel"], np.deg2rad(expected["gyro"])])
    np.testing.assert_allclose(rec.data, both, atol=2e-6)


@pytest.mark.parametrize(
    ("name", "blocks"), [("ax3_sample.cwa", 490), ("ax3_testfile.cwa", 145), ("ax6_sample.cwa", 259)]
)
def test_real_files_match_a_second_implementation(shared_data: Path, name: str, blocks: int) -> None:
    actfast = pytest.importorskip("actfast")
    path = shared_data / "devices" / name
    other = actfast.read(str(path))["timeseries"]["high_frequency"]["acceleration"]
    rec = read_cwa(path)
    assert rec.meta["blocks"] == blocks and np.array_equal(rec.data[:, :3], other)
