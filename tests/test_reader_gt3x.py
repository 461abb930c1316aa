"""ActiGraph .gt3x: both record layouts, the old layout, idle sleep, damage, archives made to do harm."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from device_files import (
    START,
    gt3x_log,
    info_text,
    pack_twelve_bit,
    record,
    wave,
    write_gt3x,
    write_nhanes,
    write_zip,
)
from kinelet.errors import BadFileError, BadOptionError
from kinelet.readers import _gt3x_log as gl
from kinelet.readers.gt3x import read_gt3x

GAPPED = [0, 1, 2, 3, 10, 11, 12]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "P001.gt3x"


def write_log(path: Path, log: bytes, **info: object) -> None:
    write_zip(path, {"info.txt": info_text(**info), "log.bin": log})


@pytest.mark.parametrize("kind", [0, 26])
def test_values_of_both_record_types(file: Path, kind: int) -> None:
    values = write_gt3x(file, kind=kind)
    np.testing.assert_array_equal(read_gt3x(file).data, (values / 256).astype(np.float32))


@pytest.mark.parametrize("rate", [30, 40, 50, 60, 70, 80, 90, 100])
def test_every_documented_rate(file: Path, rate: int) -> None:
    values = write_gt3x(file, rate=rate)
    assert read_gt3x(file).spec.rate_hz == rate and len(read_gt3x(file).data) == len(values)


def test_twelve_bit_example_of_the_format_note() -> None:
    packed = np.frombuffer(bytes.fromhex("006008EBD007009EBF007008EBF0"), np.uint8)
    assert gl.unpack_activity(packed[None])[0].tolist() == [[8, 6, -323], [9, 7, -321], [8, 7, -321]]


@pytest.mark.parametrize(("value", "expected"), [(0x09400000, 256.0), (0x05418937, 16.384), (0x0C400000, 2048.0)])
def test_float_examples_of_the_format_note(value: int, expected: float) -> None:
    assert gl.decode_float(value) == pytest.approx(expected, abs=1e-5)


def test_start_time(file: Path) -> None:
    write_gt3x(file)
    assert read_gt3x(file).start_unix_s == START


def test_docking_record_is_no_sample(file: Path) -> None:
    write_gt3x(file)
    assert read_gt3x(file).gaps == ()


def test_good_file_has_no_warnings(file: Path) -> None:
    write_gt3x(file)
    assert read_gt3x(file, corrupt="error").warnings == ()


def test_meta_and_site(file: Path) -> None:
    write_gt3x(file)
    rec = read_gt3x(file)
    assert (rec.meta["serial"], rec.meta["layout"], rec.spec.site) == ("MOS2E12345678", "log.bin", "Wrist")


def test_idle_sleep_is_a_gap(file: Path) -> None:
    write_gt3x(file, GAPPED, sleep=(3,))
    assert [(g.start_s, g.stop_s, g.reason) for g in read_gt3x(file).gaps] == [(4.0, 10.0, "idle_sleep")]


def test_gap_without_sleep_event_is_missing(file: Path) -> None:
    write_gt3x(file, GAPPED)
    assert [g.reason for g in read_gt3x(file).gaps] == ["missing"]


def test_hold_fills_with_the_last_sample(file: Path) -> None:
    values = write_gt3x(file, GAPPED, sleep=(3,))
    rec = read_gt3x(file, idle_sleep="hold")
    expected = np.concatenate([values[:120], np.repeat(values[119:120], 180, axis=0), values[120:]])
    np.testing.assert_array_equal(rec.data * 256, expected)


def test_hold_is_recorded(file: Path) -> None:
    write_gt3x(file, GAPPED, sleep=(3,))
    meta = read_gt3x(file, idle_sleep="hold").meta
    assert meta["held_samples"] == 180 and meta["policies"]["idle_sleep"] == "hold"


def test_hold_leaves_other_gaps(file: Path) -> None:
    write_gt3x(file, [0, 1, 5, 6, 9, 10], sleep=(1,))
    rec = read_gt3x(file, idle_sleep="hold")
    assert [(s.start, s.stop, s.time_s) for s in rec.segments] == [(0, 210, 0.0), (210, 270, 9.0)]


def test_hold_of_years_is_refused(file: Path) -> None:
    write_gt3x(file, [0, 1, 2, 400_000_000], sleep=(2,))
    with pytest.raises(BadFileError, match="too long to fill"):
        read_gt3x(file, idle_sleep="hold")


@pytest.mark.parametrize(("name", "values"), [("light", [40, 50]), ("battery", [4.1])])
def test_streams(file: Path, name: str, values: list[float]) -> None:
    write_gt3x(file)
    np.testing.assert_allclose(read_gt3x(file).streams[name].data[:, 0], values, rtol=1e-6)


def test_scale_of_the_parameters_record_comes_first(file: Path) -> None:
    log, _values = gt3x_log([0, 1])
    scale = record(21, int(START), struct.pack("<HHI", 0, 55, 0x09555000))
    write_log(file, scale + log)
    rec = read_gt3x(file)
    assert rec.meta["scale_per_g"] == 341.25 and "acceleration scale is 341.25" in rec.warnings[0]


@pytest.mark.parametrize(("serial", "scale"), [("NEO1", 341.0), ("CLE2", 341.0), ("MOS2", 256.0), ("TAS1", 256.0)])
def test_scale_by_serial_number(file: Path, serial: str, scale: float) -> None:
    write_log(file, gt3x_log([0, 1])[0], serial=serial, scale="")
    assert read_gt3x(file).meta["scale_per_g"] == scale


def test_decimal_comma_in_info(file: Path) -> None:
    write_log(file, gt3x_log([0, 1])[0], scale="Acceleration Scale: 256,0\n")
    assert read_gt3x(file).meta["scale_per_g"] == 256.0


def test_unknown_scale_is_refused(file: Path) -> None:
    write_log(file, gt3x_log([0, 1])[0], serial="XYZ", scale="")
    with pytest.raises(BadFileError, match="no possible acceleration scale"):
        read_gt3x(file)


def test_absurd_rate_falls_back_to_the_records(file: Path) -> None:
    write_log(file, gt3x_log([0, 1, 2])[0], rate=10**12)
    assert read_gt3x(file).spec.rate_hz == 30


def test_damaged_record_is_a_gap(file: Path) -> None:
    log, _ = gt3x_log(list(range(8)))
    at = log.index(record(0, int(START) + 3, b"")[:6])
    write_log(file, log[: at + 40] + b"\x77" + log[at + 41 :])
    assert [(g.start_s, g.stop_s) for g in read_gt3x(file).gaps] == [(3.0, 4.0)]


def test_damage_is_counted(file: Path) -> None:
    log, _ = gt3x_log(list(range(8)))
    write_log(file, log[:100] + bytes([log[100] ^ 1]) + log[101:])
    assert "1 of 13 blocks are corrupt" in read_gt3x(file).warnings[0]


def test_corrupt_error_refuses(file: Path) -> None:
    log, _ = gt3x_log(list(range(8)))
    write_log(file, log[:100] + bytes([log[100] ^ 1]) + log[101:])
    with pytest.raises(BadFileError, match="are corrupt"):
        read_gt3x(file, corrupt="error")


def test_lying_size_loses_one_record_only(file: Path) -> None:
    log, values = gt3x_log(list(range(8)))
    at = log.index(record(0, int(START) + 3, b"")[:6])
    write_log(file, log[: at + 6] + b"\xff\xff" + log[at + 8 :])
    assert len(read_gt3x(file).data) == len(values) - 30


def test_zeros_between_records_are_padding(file: Path) -> None:
    log, values = gt3x_log([0, 1])
    write_log(file, log + b"\0" * 9 + record(0, int(START) + 2, pack_twelve_bit(wave(30))))
    rec = read_gt3x(file, corrupt="error")
    assert len(rec.data) == len(values) + 30 and rec.warnings == ()


def test_truncated_log_keeps_what_is_there(file: Path) -> None:
    log, _ = gt3x_log(list(range(8)))
    write_log(file, log[:700])
    rec = read_gt3x(file)
    assert len(rec.data) == 120 and "blocks are corrupt" in rec.warnings[0]


def test_unknown_record_type_is_reported(file: Path) -> None:
    write_log(file, gt3x_log([0, 1])[0] + record(99, int(START), b"abc"))
    assert "unknown types were ignored (type: how many): {99: 1}" in read_gt3x(file).warnings[0]


def test_second_sensor_is_reported(file: Path) -> None:
    write_log(file, gt3x_log([0, 1])[0] + record(25, int(START), b"abc"))
    assert "1 records of a second sensor" in read_gt3x(file).warnings[0]


def test_clock_that_goes_back(file: Path) -> None:
    values = write_gt3x(file, [100, 101, 102, 103, 50, 51, 52, 53])
    rec = read_gt3x(file)
    assert len(rec.data) == len(values) and (np.diff(rec.times()) > 0).all() and "went back" in rec.warnings[0]


def test_clock_that_went_back_recovers_at_the_next_gap(file: Path) -> None:
    write_gt3x(file, [0, 1, 2, 3, 2, 3, 100, 101])
    assert read_gt3x(file).segments[-1].time_s == 100.0


def test_old_layout_values(file: Path) -> None:
    values = write_nhanes(file)
    np.testing.assert_allclose(read_gt3x(file).data, values / 341, rtol=1e-6)


def test_old_layout_larger_than_a_chunk(file: Path) -> None:
    values = write_nhanes(file, 20_001)
    np.testing.assert_allclose(read_gt3x(file).data, values / 341, rtol=1e-6)


def test_old_layout_start(file: Path) -> None:
    write_nhanes(file)
    assert read_gt3x(file).start_unix_s == START


def test_old_layout_light_example_of_the_format_note(file: Path) -> None:
    write_nhanes(file)
    assert read_gt3x(file).streams["light"].data[:, 0].tolist() == [0, 0, 0, 2500, 1375]


def test_old_layout_without_start(file: Path) -> None:
    info = info_text("NEO1", scale="").replace("Start Date: 6", "Start Date: x")
    write_zip(file, {"info.txt": info, "activity.bin": pack_twelve_bit(wave(50))})
    rec = read_gt3x(file)
    assert rec.start_unix_s is None and "start date is missing" in rec.warnings[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "the file is empty"), (b"Device Identity", "a zip archive is expected"), (b"PK\x03\x04" * 9, "zip archive")],
)
def test_bad_files_say_why(file: Path, content: bytes, message: str) -> None:
    file.write_bytes(content)
    with pytest.raises(BadFileError, match=message):
        read_gt3x(file)


def test_truncated_archive(file: Path) -> None:
    write_gt3x(file)
    file.write_bytes(file.read_bytes()[:-60])
    with pytest.raises(BadFileError, match="truncated or of another format"):
        read_gt3x(file)


def test_other_archive(file: Path) -> None:
    write_zip(file, {"hello.txt": "x"})
    with pytest.raises(BadFileError, match=r"of info\.txt and log\.bin it has none"):
        read_gt3x(file)


def test_no_acceleration(file: Path) -> None:
    write_log(file, record(2, int(START), b"\0\x10"))
    with pytest.raises(BadFileError, match="no acceleration"):
        read_gt3x(file)


def test_zip_bomb_is_refused_before_it_is_unpacked(file: Path) -> None:
    write_zip(file, {"info.txt": info_text(), "log.bin": b"\x1e" * 60_000_000})
    with pytest.raises(BadFileError, match="more than a file of this size can hold"):
        read_gt3x(file)


def test_member_that_claims_a_million_million_bytes(file: Path) -> None:
    write_gt3x(file)
    raw = bytearray(file.read_bytes())
    central = raw.rindex(b"PK\x01\x02")
    raw[central + 24 : central + 28] = b"\xfe\xff\xff\xff"
    file.write_bytes(raw)
    with pytest.raises(BadFileError, match="claims 4,294,967,294 bytes"):
        read_gt3x(file)


def test_damaged_member_keeps_what_its_records_vouch_for(file: Path) -> None:
    log, values = gt3x_log(list(range(8)))
    write_zip(file, {"info.txt": info_text(), "log.bin": log}, zipfile.ZIP_STORED)
    raw = bytearray(file.read_bytes())
    raw[raw.index(log) + len(log) - 3] ^= 1
    file.write_bytes(raw)
    rec = read_gt3x(file)
    assert len(rec.data) == len(values) and "log.bin is damaged" in rec.warnings[0]


def test_damaged_member_with_policy_error(file: Path) -> None:
    log, _ = gt3x_log(list(range(8)))
    write_zip(file, {"info.txt": info_text(), "log.bin": log}, zipfile.ZIP_STORED)
    raw = bytearray(file.read_bytes())
    raw[raw.index(log) + 50] ^= 1
    file.write_bytes(raw)
    with pytest.raises(BadFileError, match=r"log\.bin is damaged"):
        read_gt3x(file, corrupt="error")


def test_compression_other_than_deflate_is_refused(file: Path) -> None:
    write_zip(file, {"info.txt": info_text(), "log.bin": b"x" * 100}, zipfile.ZIP_BZIP2)
    with pytest.raises(BadFileError, match="unknown way"):
        read_gt3x(file)


def test_separators_only_take_linear_time(file: Path) -> None:
    log = gl.find_records(np.full(2_000_000, 0x1E, dtype=np.uint8))
    assert len(log.kind) * 39 <= 2_000_000


def test_unknown_policy(file: Path) -> None:
    with pytest.raises(BadOptionError, match="idle_sleep='fill' is not known"):
        read_gt3x(file, idle_sleep="fill")


@pytest.mark.parametrize(("name", "gaps"), [("actigraph_testfile.gt3x", 23), ("example_actigraph.gt3x", 0)])
def test_real_files_match_a_second_implementation(shared_data: Path, name: str, gaps: int) -> None:
    actfast = pytest.importorskip("actfast")
    path = shared_data / "devices" / name
    other = actfast.read(str(path))["timeseries"]["acceleration"]
    rec = read_gt3x(path)
    assert np.array_equal(rec.data, other["acceleration"]) and len(rec.gaps) == gaps


def test_real_idle_sleep_adds_up(shared_data: Path) -> None:
    path = shared_data / "devices" / "actigraph_testfile.gt3x"
    rec, held = read_gt3x(path), read_gt3x(path, idle_sleep="hold")
    assert held.duration_s == pytest.approx(rec.duration_s + sum(g.stop_s - g.start_s for g in rec.gaps))
