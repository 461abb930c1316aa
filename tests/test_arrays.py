"""Arrays from elsewhere: read as they are, and refused before anything is allocated where a file lies."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinelet.arrays import ALWAYS_FINE, MAX_RATIO, load_npz
from kinelet.errors import BadFileError

ARRAYS: dict[str, Any] = {
    "vectors": np.arange(12, dtype=np.float32).reshape(4, 3),
    "recording": np.array(["a", "b", "b", "täglich"]),
    "start_s": np.asfortranarray(np.arange(4, dtype=">f8")),
    "duration_s": np.float64(2.0),
}


def npy(shape: Any, descr: Any = "<f4", body: bytes = b"", version: int = 1) -> bytes:
    """An array file that claims a shape and a type."""
    head = (repr({"descr": descr, "fortran_order": False, "shape": shape}) + "\n").encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(head)) + head + body


def npz(path: Path, how: int = zipfile.ZIP_STORED, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def refused(path: Path, told: str, names: Any = ("a",)) -> None:
    """With little memory, whatever the file claims."""
    tracemalloc.start()
    try:
        with pytest.raises(BadFileError, match=told):
            load_npz(path, names, remedy="")
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back_as_they_were_written(save: Any, tmp_path: Path) -> None:
    save(tmp_path / "a.npz", **ARRAYS, other=np.array([{}], dtype=object))
    found = load_npz(tmp_path / "a.npz", list(ARRAYS), remedy="")
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == np.asarray(array).dtype
        np.testing.assert_array_equal(found[name], array)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.ones(2))
    refused(tmp_path / "a.npz", "no array b, c", ("a", "b", "c"))


@pytest.mark.parametrize(
    ("shape", "descr", "told"),
    [
        ((10**9, 512), "<f4", r"claims shape \(1000000000, 512\) of float32 in 16 bytes"),
        ((10**30,), "<f4", "claims shape"),
        ((), "<U100000000", "claims shape"),
        ((10**18,), "<U0", "claims shape"),
        ((0, 10**15), "<f4", "claims shape"),
        ((-4, -1), "<f4", "claims shape"),
        ((3,), "<f4", "claims shape"),
        ((2,), "|O", "holds object"),
        ((2,), "<c8", "holds complex64"),
        ((2,), "<M8[s]", "holds datetime64"),
        ((1,), [("x", "<f4", (4,))], "not numbers or text"),
        ((4.0,), "<f4", "not readable"),
        ("four", "<f4", "not readable"),
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_a_header_that_lies_is_refused_before_anything_is_made(
    tmp_path: Path, shape: Any, descr: Any, told: str, version: int
) -> None:
    refused(npz(tmp_path / "a.npz", **{"a.npy": npy(shape, descr, bytes(16), version)}), told)


def test_a_header_as_long_as_the_file_says_costs_no_more_than_the_file(tmp_path: Path) -> None:
    refused(npz(tmp_path / "a.npz", **{"a.npy": b"\x93NUMPY\x02\x00" + b"\xff" * 4 + bytes(100)}), "not readable")
    refused(npz(tmp_path / "b.npz", **{"a.npy": npy((4,), "(" * 5000)}), "not readable")


def test_an_archive_that_unpacks_to_far_more_than_itself_is_refused(tmp_path: Path) -> None:
    n = ALWAYS_FINE // 4 + 1
    body = io.BytesIO()
    np.save(body, np.zeros(n, dtype=np.float32))
    bomb = npz(tmp_path / "a.npz", zipfile.ZIP_DEFLATED, **{"a.npy": body.getvalue()})
    assert bomb.stat().st_size * MAX_RATIO < 4 * n
    refused(bomb, r"claims 67,\d+,\d+ bytes of arrays in a file of")


def test_sizes_of_the_directory_are_compared_with_the_file(tmp_path: Path) -> None:
    """Both sizes of the member say 4 GB less one."""
    path = npz(tmp_path / "a.npz", **{"a.npy": npy((4,), body=bytes(16))})
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 20 : entry + 28] = b"\xfe\xff\xff\xff" * 2
    path.write_bytes(content)
    refused(path, "claims 4,294,967,294 bytes")


def test_a_member_of_the_bare_name_does_not_stand_in_for_the_one_looked_at(tmp_path: Path) -> None:
    right, wrong = npy((4,), body=np.arange(4, dtype=np.float32).tobytes()), npy((10**12,))
    found = load_npz(npz(tmp_path / "a.npz", **{"a": wrong, "a.npy": right}), ["a"], remedy="")
    assert found["a"].tolist() == [0, 1, 2, 3]


def test_a_single_array_is_no_such_file(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(npy((10**12,)))
    refused(tmp_path / "a.npz", "not readable")
    refused(tmp_path / "absent.npz", "not readable")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damage_anywhere_is_a_bad_file_or_does_no_harm(save: Any, tmp_path: Path) -> None:
    save(tmp_path / "a.npz", **ARRAYS)
    whole, rng = (tmp_path / "a.npz").read_bytes(), np.random.default_rng(0)
    refusals = 0
    for _ in range(300):
        content = bytearray(whole[: rng.integers(1, len(whole) + 1)] if rng.random() < 0.2 else whole)
        for place in rng.integers(0, len(content), rng.integers(1, 4)):
            content[place] = rng.integers(256)
        (tmp_path / "b.npz").write_bytes(content)
        try:
            load_npz(tmp_path / "b.npz", list(ARRAYS), remedy="")
        except BadFileError:
            refusals += 1
    assert refusals > 150
