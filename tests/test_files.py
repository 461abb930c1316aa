"""Files appear whole or not at all; hashes see names and bytes."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import pytest

from kinelet.errors import BadFileError
from kinelet.files import atomic_write, sha256, write_text


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]


def test_a_write_makes_folders_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    write_text(path, "1")
    write_text(path, "2")
    assert path.read_text() == "2"


def test_hash_of_a_file_is_sha256_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"kinelet" * 400_000)
    assert sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_hash_of_a_folder_sees_names_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = sha256(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    second = sha256(tmp_path)
    (tmp_path / "b").write_text("2")
    assert len({first, second, sha256(tmp_path)}) == 3


def test_errors_survive_the_way_back_from_a_worker() -> None:
    error = pickle.loads(pickle.dumps(BadFileError("torn", where="a.cwa", remedy="Copy it again")))
    assert (type(error), str(error)) == (BadFileError, "a.cwa: torn. Copy it again")
