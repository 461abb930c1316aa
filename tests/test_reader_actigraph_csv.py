"""ActiGraph raw CSV exports."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinelet.errors import BadFileError, BadOptionError, KineletError
from kinelet.readers import read
from kinelet.readers.actigraph_csv import read_actigraph_csv

NAMES = "Accelerometer X,Accelerometer Y,Accelerometer Z"


def export(
    path: Path,
    rows: list[str],
    *,
    names: str | None = NAMES,
    rate: str = " at 30 Hz",
    form: str = " date format M/d/yyyy",
    date: str = "5/13/2014",
    clock: str = "09:00:00",
    epoch: str = "00:00:00",
    tail: str = "",
) -> Path:
    head = [
        f"---- Data File Created By ActiGraph GT3X+ ActiLife v6.13.3 Firmware v1.9.2{form}{rate}  Filter Normal ----",
        "Serial Number: MOS2A00000001",
        f"Start Time {clock}",
        f"Start Date {date}",
        f"Epoch Period (hh:mm:ss) {epoch}",
        "Download Time 11:43:41",
        "Download Date 5/20/2014",
        "Current Memory Address: 0",
        "Current Battery Voltage: 3.76     Mode = 12",
        "-" * 50,
    ]
    lines = [line + tail for line in head] + ([names] if names else []) + rows
    path.write_text("\n".join(lines) + "\n")
    return path


def samples(n: int = 60) -> list[str]:
    return [f"0.0{i % 7},-0.5,0.866" for i in range(n)]


def utc(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[arg-type]


def test_samples_rate_and_start(tmp_path: Path) -> None:
    rec = read(export(tmp_path / "p1.csv", samples()))
    np.testing.assert_array_equal(rec.data[1], np.float32([0.01, -0.5, 0.866]))
    assert (rec.spec.rate_hz, len(rec.data), rec.subject) == (30, 60, "p1")
    assert rec.start_unix_s == utc(2014, 5, 13, 9) and rec.resolution == (0.001,) * 3
    assert (rec.meta["serial"], rec.meta["device"]) == ("MOS2A00000001", "ActiGraph GT3X+") and not rec.warnings


def test_without_column_names(tmp_path: Path) -> None:
    assert len(read(export(tmp_path / "p.csv", samples(), names=None)).data) == 60


def test_header_that_a_spreadsheet_padded_with_commas(tmp_path: Path) -> None:
    assert read(export(tmp_path / "p.csv", samples(), tail=",,")).start_unix_s == utc(2014, 5, 13, 9)


@pytest.mark.parametrize("names", ["Accelerometer X;Accelerometer Y;Accelerometer Z", None])
def test_european_export(tmp_path: Path, names: str | None) -> None:
    rows = ["0,012;-0,5;0,866"] * 3
    rec = read(export(tmp_path / "p.csv", rows, names=names, form=" date format dd/MM/yyyy", date="09/05/2017"))
    np.testing.assert_array_equal(rec.data[0], np.float32([0.012, -0.5, 0.866]))
    assert rec.start_unix_s == utc(2017, 5, 9, 9) and rec.meta["decimal"] == ","


def test_quoted_decimal_commas_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="cannot be told apart"):
        read(export(tmp_path / "p.csv", ['"0,012","-0,5","0,866"'] * 3))


def test_commas_for_both_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="cannot be told apart"):
        read(export(tmp_path / "p.csv", ["0,012,-0,500,0,866"] * 3, names=None))


@pytest.mark.parametrize(
    ("form", "date", "order", "start"),
    [
        ("", "2014-05-13", None, (2014, 5, 13, 9)),
        ("", "13/05/2014", None, (2014, 5, 13, 9)),
        ("", "05/06/2014", "dmy", (2014, 6, 5, 9)),
        (" date format M/d/yyyy", "05/06/2014", None, (2014, 5, 6, 9)),
        (" date format M/d/yyyy", "05/06/2014", "dmy", (2014, 6, 5, 9)),
    ],
)
def test_date_order(tmp_path: Path, form: str, date: str, order: str | None, start: tuple[int, ...]) -> None:
    rec = read(export(tmp_path / "p.csv", samples(), form=form, date=date), date_order=order)
    assert rec.start_unix_s == utc(*start)


def test_date_with_two_readings_gives_no_start_and_a_warning(tmp_path: Path) -> None:
    rec = read(export(tmp_path / "p.csv", samples(), form="", date="05/06/2014"))
    assert rec.start_unix_s is None and "date_order" in rec.warnings[0]


def test_twelve_hour_clock(tmp_path: Path) -> None:
    assert read(export(tmp_path / "p.csv", samples(), clock="9:00:00 PM")).start_unix_s == utc(2014, 5, 13, 21)


def test_time_stamps_show_gaps(tmp_path: Path) -> None:
    seconds = [0.0, 0.033, 0.067, 10.0, 10.033]
    rows = [f"5/13/2014 09:00:{s:06.3f},{v}" for s, v in zip(seconds, samples(5), strict=True)]
    rec = read(export(tmp_path / "p.csv", rows, names=f"Timestamp,{NAMES}"))
    assert [(s.start, s.stop, round(s.time_s, 3)) for s in rec.segments] == [(0, 3, 0.0), (3, 5, 10.0)]
    assert rec.start_unix_s == utc(2014, 5, 13, 9)


def test_time_stamps_in_iso_order(tmp_path: Path) -> None:
    rows = [f"2014-05-13T09:00:00.{ms:03d},{v}" for ms, v in zip((0, 33, 67), samples(3), strict=True)]
    rec = read(export(tmp_path / "p.csv", rows, names="HEADER_TIMESTAMP,X,Y,Z"))
    assert rec.start_unix_s == utc(2014, 5, 13, 9) and len(rec.segments) == 1


def test_time_stamps_that_run_backwards_are_refused(tmp_path: Path) -> None:
    rows = [f"5/13/2014 09:00:0{s}.000,{v}" for s, v in zip((0, 2, 1), samples(3), strict=True)]
    with pytest.raises(BadFileError, match=r"row 2.*backwards"):
        read(export(tmp_path / "p.csv", rows, names=f"Timestamp,{NAMES}"))


def test_empty_time_stamp_is_refused(tmp_path: Path) -> None:
    rows = [f"{stamp},{v}" for stamp, v in zip(["5/13/2014 09:00:00.000", ""], samples(2), strict=True)]
    with pytest.raises(BadFileError, match="1 are empty"):
        read(export(tmp_path / "p.csv", rows, names=f"Timestamp,{NAMES}"))


def test_unreadable_time_stamps_are_refused(tmp_path: Path) -> None:
    rows = [f"13/13/2014 noon,{v}" for v in samples(3)]
    with pytest.raises(BadFileError, match="cannot be read"):
        read(export(tmp_path / "p.csv", rows, names=f"Timestamp,{NAMES}"))


def idle_export(tmp_path: Path) -> Path:
    return export(tmp_path / "p.csv", [*samples(30), *["0.1,0.2,0.97"] * 330, *samples(30)])


def test_idle_sleep_is_kept_and_said_by_default(tmp_path: Path) -> None:
    rec = read(idle_export(tmp_path))
    assert len(rec.data) == 390 and "11 s of repeated rows look like idle sleep: kept" in rec.warnings[0]
    assert rec.meta["idle_sleep"] == "keep"


def test_idle_sleep_becomes_a_gap_where_asked(tmp_path: Path) -> None:
    rec = read(idle_export(tmp_path), idle_sleep="gap")
    assert len(rec.data) == 61 and rec.gap_reasons == ("idle_sleep",)
    assert rec.gaps[0].stop_s - rec.gaps[0].start_s == pytest.approx(329 / 30)


def test_short_runs_are_not_idle_sleep(tmp_path: Path) -> None:
    rec = read(export(tmp_path / "p.csv", [*samples(5), *["0.1,0.2,0.97"] * 299, *samples(5)]), idle_sleep="gap")
    assert len(rec.data) == 309 and not rec.warnings


@pytest.mark.parametrize("changes", [{"epoch": "00:00:05"}, {"rate": ""}, {"epoch": "00:01:00", "rate": ""}])
def test_epoch_files_are_refused(tmp_path: Path, changes: dict[str, str]) -> None:
    path = export(tmp_path / "p.csv", ["325,85,176,2,0,0,5,0,0"], names=None, **changes)  # type: ignore[arg-type]
    with pytest.raises(BadFileError, match="not a raw recording"):
        read(path)


def test_columns_of_counts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="are counts"):
        read(export(tmp_path / "p.csv", ["1,2,3,4"], names="Axis1,Axis2,Axis3,Steps"))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no samples"),
        (["0.1,0.2,0.9", "0.1,0.2"], "Expected 3 columns"),
        (["0.1,0.2,0.9", "0.1,abc,0.9"], "abc"),
        (["0.1,0.2,0.9", "0.1,,0.9"], r"sample 1.*without a number"),
    ],
)
def test_bad_rows_are_refused(tmp_path: Path, rows: list[str], message: str) -> None:
    with pytest.raises(BadFileError, match=message):
        read(export(tmp_path / "p.csv", rows))


def test_absurd_rate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="claims 1e\\+12 Hz"):
        read(export(tmp_path / "p.csv", samples(), rate=" at 1000000000000 Hz"))


def test_counts_taken_for_g_are_warned_of(tmp_path: Path) -> None:
    assert "not near 1 g" in read(export(tmp_path / "p.csv", ["10,20,256", "11,20,256"])).warnings[-1]


@pytest.mark.parametrize("options", [{"idle_sleep": "drop"}, {"date_order": "ydm"}, {"decimal": "|"}])
def test_unknown_policies_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(BadOptionError, match="Use one of"):
        read(export(tmp_path / "p.csv", samples()), **options)


def test_file_of_another_maker_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("x,y,z\n1,2,3\n")
    with pytest.raises(BadFileError, match="not ActiGraph's"):
        read(tmp_path / "p.csv", format="actigraph_csv")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_exports_give_a_recording_or_a_clear_error(tmp_path: Path, data: st.DataObject) -> None:
    raw = bytearray(export(tmp_path / "p.csv", samples(5)).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "q.csv").write_bytes(raw[: data.draw(st.integers(1, len(raw)))])
    try:
        rec = read_actigraph_csv(tmp_path / "q.csv")
    except KineletError as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite(rec.data).all()


def test_real_epoch_file_is_refused(shared_data: Path) -> None:
    with pytest.raises(BadFileError, match="counts in epochs of 00:00:05"):
        read(shared_data / "devices/ActiGraph61.csv")
