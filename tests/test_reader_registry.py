"""Choosing a reader by content, extension or name."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinelet.errors import BadFileError, BadOptionError
from kinelet.readers import READERS, find_reader, list_readers, read, read_many

CARD = {"rate_hz": 50, "channels": {f"a{a}": {"name": f"acc_{a}", "unit": "g"} for a in "xyz"}}


def table(path: Path, rows: int = 3) -> Path:
    path.write_text("ax,ay,az\n" + "0,0,1\n" * rows)
    return path


def gt3x_like(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("info.txt", "Serial Number: X\n")
    return path


@pytest.mark.parametrize("name", sorted(READERS))
def test_every_reader_can_be_imported_and_takes_a_subject(name: str) -> None:
    assert "subject" in READERS[name].options()


def test_names_are_listed() -> None:
    assert {"cwa", "geneactiv", "gt3x", "actigraph_csv", "empatica_e4", "apple", "table"} <= set(list_readers())


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"MD\xfc\x03" + bytes(60), "cwa"),
        (b"Device Identity\r\nDevice Unique Serial Code:1", "geneactiv"),
        (b"------------ Data File Created By ActiGraph GT3X+ ActiLife", "actigraph_csv"),
        (b"time,seconds_elapsed,z,y,x\n", "apple"),
        (b"PAR1" + bytes(8), "table"),
    ],
)
def test_content_decides(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / "file.dat"
    path.write_bytes(content)
    reader, warnings = find_reader(path)
    assert reader.name == name and all("the extension is '.dat'" in w for w in warnings)


def test_zip_with_info_is_gt3x(tmp_path: Path) -> None:
    reader, warnings = find_reader(gt3x_like(tmp_path / "file.zip"))
    assert reader.name == "gt3x" and "the extension is '.zip'" in warnings[0]


def test_content_beats_a_wrong_extension_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "file.gt3x"
    path.write_bytes(b"MD\xfc\x03" + bytes(60))
    reader, warnings = find_reader(path)
    assert reader.name == "cwa" and "'.gt3x'" in warnings[0]


def test_right_extension_gives_no_warning(tmp_path: Path) -> None:
    assert find_reader(gt3x_like(tmp_path / "file.GT3X"))[1] == ()


def test_extension_decides_where_content_does_not(tmp_path: Path) -> None:
    path = tmp_path / "file.cwa"
    path.write_bytes(b"nothing known")
    assert find_reader(path)[0].name == "cwa"


def test_real_file_under_a_wrong_name_is_read_with_a_warning(tmp_path: Path, shared_data: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes((shared_data / "devices/ax3_testfile.cwa").read_bytes())
    rec = read(path)
    assert rec.spec.units == ("g",) * 3 and "content is Axivity" in rec.warnings[0]


@pytest.mark.parametrize(
    ("name", "frames"), [("ax6_sample.cwa", 6), ("geneactiv_sample.bin", 3), ("example_actigraph.gt3x", 3)]
)
def test_real_device_files(shared_data: Path, name: str, frames: int) -> None:
    assert len(read(shared_data / "devices" / name).spec.channels) == frames


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="no such file"):
        read(tmp_path / "none.cwa")


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "e.cwa").touch()
    with pytest.raises(BadFileError, match="empty"):
        read(tmp_path / "e.cwa")


def test_unknown_file_lists_the_formats(tmp_path: Path) -> None:
    (tmp_path / "e.xyz").write_text("hello")
    with pytest.raises(BadFileError, match=r"not a recording of a known format.*Axivity"):
        read(tmp_path / "e.xyz")


def test_table_without_card(tmp_path: Path) -> None:
    with pytest.raises(BadOptionError, match="a table needs a card"):
        read(table(tmp_path / "t.csv"))


def test_card_means_table_whatever_the_name(tmp_path: Path) -> None:
    assert len(read(table(tmp_path / "t.log"), card=CARD).data) == 3


def test_card_with_a_device_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOptionError, match="does not go with format 'cwa'"):
        read(table(tmp_path / "t.csv"), card=CARD, format="cwa")


def test_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(BadOptionError, match=r"no format 'cvs'.*Known: cwa"):
        read(table(tmp_path / "t.csv"), format="cvs")


def test_unknown_option_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(BadOptionError, match=r"table has no option colour.*subject"):
        read(table(tmp_path / "t.csv"), card=CARD, colour="red")


def test_read_many_yields_every_recording_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("ax,ay,az,r\n0,0,1,1\n0,0,1,2\n")
    assert [r.name for r in read_many(tmp_path / "t.csv", card={**CARD, "recording": ["r"]})] == ["t-1", "t-2"]


def test_read_many_yields_the_one_of_another_format(tmp_path: Path) -> None:
    (tmp_path / "ACC.csv").write_text("1,1,1\n32,32,32\n0,0,64\n")
    assert len(list(read_many(tmp_path, subject="s"))) == 1


def test_read_many_with_a_name_yields_that_one(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("ax,ay,az,r\n0,0,1,1\n0,0,1,2\n")
    recs = read_many(tmp_path / "t.csv", card={**CARD, "recording": ["r"]}, recording="t-2")
    assert [r.name for r in recs] == ["t-2"]


def test_registry_is_light_to_import() -> None:
    code = (
        "import sys, kinelet.readers; print(*(m for m in ('torch', 'pyarrow', 'scipy', 'numpy') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_sniffing_mutated_archives_never_crashes(tmp_path: Path, data: st.DataObject) -> None:
    raw = bytearray(gt3x_like(tmp_path / "a.gt3x").read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        raw[data.draw(st.integers(2, len(raw) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "b.zip").write_bytes(raw)
    try:
        assert find_reader(tmp_path / "b.zip")[0].name == "gt3x"
    except BadFileError as error:
        assert "\n" not in str(error)
