"""Text tables and MATLAB files: values, and one clear error for each thing that can be wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from kinelet.datasets.tables import read_csv, read_mat, read_spaced
from kinelet.errors import BadFileError

KINDS = {"a": "float64", "b": "int64"}


def test_columns_by_name() -> None:
    assert read_csv(b"b,a,c\n1,2.5,x\n3,4.5,y\n", KINDS)["a"].tolist() == [2.5, 4.5]


def test_columns_without_header() -> None:
    assert read_csv(b"1,2.5\n", KINDS, names=("b", "a"))["b"].tolist() == [1]


def test_stack_puts_columns_side_by_side() -> None:
    assert read_csv(b"a,b\n1,2\n3,4\n", KINDS).stack("a", "b").tolist() == [[1, 2], [3, 4]]


def test_missing_number_is_nan() -> None:
    assert np.isnan(read_csv(b"a,b\n,2\n", KINDS)["a"][0])


def test_missing_whole_number_is_refused() -> None:
    with pytest.raises(BadFileError, match="column b: 1 values are missing"):
        read_csv(b"a,b\n1,\n", KINDS)


def test_missing_column_is_named() -> None:
    with pytest.raises(BadFileError, match="'b'"):
        read_csv(b"a\n1\n", KINDS)


def test_malformed_row_is_refused() -> None:
    with pytest.raises(BadFileError, match="Expected 2 columns"):
        read_csv(b"a,b\n1,2\n1,2,3\n", KINDS)


def test_malformed_rows_are_counted_when_asked() -> None:
    table = read_csv(b"a,b\n1,2\n1,2,3\n\n5,6\n", KINDS, skip_malformed=True)
    assert (table["a"].tolist(), table.skipped) == ([1, 5], 1)


def test_words_for_numbers_are_refused() -> None:
    with pytest.raises(BadFileError, match="conversion error"):
        read_csv(b"a,b\nx,2\n", KINDS)


def test_empty_table_is_refused() -> None:
    with pytest.raises(BadFileError, match="Empty"):
        read_csv(b"", KINDS)


def test_error_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "walk.csv"
    path.write_text("a,b\nx,2\n")
    with pytest.raises(BadFileError, match=r"walk\.csv"):
        read_csv(path, KINDS)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match=r"none\.csv"):
        read_csv(tmp_path / "none.csv", KINDS)


def test_strings_come_back() -> None:
    assert read_csv(b"a\nx\ny\nx\n", {"a": "string"})["a"].tolist() == ["x", "y", "x"]


def test_words_are_numbers_with_a_key() -> None:
    table = read_csv(b"a\nx\ny\nx\n", {"a": "word"})
    assert [table.words["a"][i] for i in table["a"]] == ["x", "y", "x"]


def test_words_survive_many_blocks() -> None:
    text = b"a,b\n" + b"".join(b"%s,1\n" % (b"left" if i % 3 else b"right") for i in range(400_000))
    table = read_csv(text, {"a": "word"})
    assert [table.words["a"][i] for i in table["a"][-3:]] == ["left", "left", "right"]


def test_table_without_rows_has_empty_strings_column() -> None:
    assert len(read_csv(b"a,b\n", {"a": "string"})["a"]) == 0


def spaced(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "t.dat"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "1 2 3\n4 5 6\n",
        "  1  2 3\n 4 5   6\n",
        "1\t2\t3\n4\t5\t6\n",
        "1 2 3 \n4 5 6 \n",
        "1 2 3\r\n4 5 6 \r\n",
        "1 2 3\n4 5 6",
    ],
)
def test_blanks_of_all_kinds_separate(tmp_path: Path, text: str) -> None:
    table = read_spaced(spaced(tmp_path, text), {"x": 0, "z": 2}, 3)
    assert table.stack("x", "z").tolist() == [[1, 3], [4, 6]]


def test_nan_is_read(tmp_path: Path) -> None:
    assert np.isnan(read_spaced(spaced(tmp_path, "1 NaN 3\n"), {"y": 1}, 3)["y"][0])


def test_wrong_width_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="columns"):
        read_spaced(spaced(tmp_path, "1 2\n"), {"x": 0}, 3)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=20), st.integers(1, 4))
def test_spaced_numbers_round_trip(rows: list[tuple[float, float]], blanks: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        text = "\n".join((" " * blanks).join(repr(v) for v in row) for row in rows)
        table = read_spaced(spaced(Path(folder), text), {"x": 0, "y": 1}, 2)
    assert table.stack("x", "y").tolist() == [list(r) for r in rows]


def test_mat_struct_has_attributes(tmp_path: Path) -> None:
    savemat(tmp_path / "m.mat", {"data": {"speed": 1.5}})
    assert read_mat(tmp_path / "m.mat")["data"].speed == 1.5


def test_mat_garbage_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.mat").write_bytes(b"garbage" * 100)
    with pytest.raises(BadFileError, match="MATLAB"):
        read_mat(tmp_path / "m.mat")


def test_mat_truncated_is_refused(tmp_path: Path) -> None:
    savemat(tmp_path / "m.mat", {"data": np.zeros((100, 6))})
    whole = (tmp_path / "m.mat").read_bytes()
    (tmp_path / "m.mat").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadFileError, match="MATLAB"):
        read_mat(tmp_path / "m.mat")


def test_mat_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    savemat(tmp_path / "m.mat", {"data": np.zeros((100, 6))})
    monkeypatch.setattr("kinelet.datasets.tables._MAX_MAT_BYTES", 100)
    with pytest.raises(BadFileError, match="more than"):
        read_mat(tmp_path / "m.mat")
