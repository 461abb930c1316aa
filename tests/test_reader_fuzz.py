"""Mutated device files: the outcome is a recording or one clear error, in bounded time and memory."""

from __future__ import annotations

import io
import random
import tracemalloc
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conftest import SHARED
from device_files import write_ax3, write_ax6, write_geneactiv, write_gt3x, write_nhanes
from kinelet.errors import BadFileError
from kinelet.readers.axivity import read_cwa
from kinelet.readers.geneactiv import read_geneactiv
from kinelet.readers.gt3x import read_gt3x
from kinelet.signal.recording import Recording

Reader = Callable[..., Recording]
SYNTHETIC: dict[str, tuple[Callable[[Path], object], Reader]] = {
    "ax3": (lambda p: write_ax3(p, 5), read_cwa),
    "ax6": (lambda p: write_ax6(p, 5), read_cwa),
    "geneactiv": (lambda p: write_geneactiv(p, 3), read_geneactiv),
    "activity": (lambda p: write_gt3x(p, [0, 1, 2, 5, 6], sleep=(2,)), read_gt3x),
    "activity2": (lambda p: write_gt3x(p, kind=26), read_gt3x),
    "nhanes": (write_nhanes, read_gt3x),
}
REAL = {
    "ax3_testfile.cwa": read_cwa,
    "ax6_sample.cwa": read_cwa,
    "geneactiv_sample.bin": read_geneactiv,
    "geneactiv_truncated.bin": read_geneactiv,
    "example_actigraph.gt3x": read_gt3x,
    "actigraph_testfile.gt3x": read_gt3x,
}
POLICIES: dict[Reader, list[dict[str, str]]] = {
    read_cwa: [{}, {"corrupt": "error"}, {"clock": "nominal"}],
    read_geneactiv: [{}, {"corrupt": "error"}, {"clock": "nominal"}],
    read_gt3x: [{}, {"corrupt": "error"}, {"idle_sleep": "hold"}],
}
FUZZ = settings(max_examples=40, deadline=5000, derandomize=True, suppress_health_check=list(HealthCheck))


def mutate(raw: bytes, seed: int) -> bytes:
    """One of the ways in which files go bad, drawn from a seed."""
    r = random.Random(seed)
    b = bytearray(raw)
    for _ in range(r.randint(1, 3)):
        if not b:
            break
        at = r.randrange(len(b))
        length = min(r.randint(1, 4000), len(b) - at)
        match r.randrange(7):
            case 0:
                for _ in range(r.randint(1, 40)):
                    b[r.randrange(len(b))] = r.randrange(256)
            case 1:
                for _ in range(r.randint(1, 20)):
                    b[r.randrange(min(2048, len(b)))] = r.choice([0, 255, 0x1E, 0x39, r.randrange(256)])
            case 2:
                del b[at:]
            case 3:
                b[at : at + length] = bytes([r.choice([0, 255, 0x1E])]) * length
            case 4:
                b[at:at] = b[at : at + length]
            case 5:
                del b[at : at + length]
            case _:
                b[at : at + length] = r.randbytes(length)
    return bytes(b)


def inside(raw: bytes, seed: int) -> bytes:
    """Mutate a member of an archive, and pack it again so that the archive itself is sound."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(out, "w") as new:
        victim = random.Random(seed).choice(old.namelist())
        for name in old.namelist():
            new.writestr(name, mutate(old.read(name), seed) if name == victim else old.read(name))
    return out.getvalue()


def check_outcome(reader: Reader, path: Path, seed: int) -> str:
    """Read a file; raise on anything but a sound recording or a :class:`BadFileError`."""
    options = POLICIES[reader][seed % 3]
    try:
        rec = reader(path, **options)
    except BadFileError as error:
        assert str(path) in str(error) and "\n" not in str(error)
        return "error"
    assert np.isfinite(rec.data).all() and (np.diff(rec.times()) > 0).all()
    assert all(gap.stop_s > gap.start_s - 1e-6 for gap in rec.gaps) and len(rec.gap_reasons) <= len(rec.gaps)
    assert all((np.diff(stream.times()) > 0).all() for stream in rec.streams.values())
    return "recording"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@cache
def synthetic(name: str, folder: Path) -> bytes:
    path = folder / f"{name}.original"
    SYNTHETIC[name][0](path)
    return path.read_bytes()


@pytest.mark.parametrize("name", list(SYNTHETIC))
@given(seed=st.integers(0, 2**32))
@example(seed=0)
@FUZZ
def test_mutated_synthetic_file(name: str, folder: Path, seed: int) -> None:
    path = folder / f"{name}.mutated"
    path.write_bytes(mutate(synthetic(name, folder), seed))
    assert check_outcome(SYNTHETIC[name][1], path, seed) in ("error", "recording")


@pytest.mark.parametrize("name", ["activity", "activity2", "nhanes"])
@given(seed=st.integers(0, 2**32))
@FUZZ
def test_mutated_member_of_an_archive(name: str, folder: Path, seed: int) -> None:
    path = folder / f"{name}.member"
    path.write_bytes(inside(synthetic(name, folder), seed))
    assert check_outcome(read_gt3x, path, seed) in ("error", "recording")


@pytest.mark.parametrize("name", list(REAL))
@given(seed=st.integers(0, 2**32))
@FUZZ
def test_mutated_real_file(name: str, folder: Path, seed: int, shared_data: Path) -> None:
    path = folder / name
    raw = (SHARED / "devices" / name).read_bytes()
    path.write_bytes(inside(raw, seed) if name.endswith("gt3x") and seed % 2 else mutate(raw, seed))
    assert check_outcome(REAL[name], path, seed) in ("error", "recording")


@pytest.mark.parametrize("reader", list(POLICIES))
@given(raw=st.binary(max_size=3000))
@FUZZ
def test_any_bytes(reader: Reader, folder: Path, raw: bytes) -> None:
    path = folder / "noise"
    path.write_bytes(raw)
    assert check_outcome(reader, path, 0) == "error"


@pytest.mark.parametrize("name", list(SYNTHETIC))
def test_memory_is_bounded_by_the_file(name: str, folder: Path) -> None:
    path = folder / f"{name}.memory"
    tracemalloc.start()
    for seed in range(30):
        path.write_bytes(mutate(synthetic(name, folder), seed))
        check_outcome(SYNTHETIC[name][1], path, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 << 20


def test_the_mutations_reach_both_outcomes(folder: Path) -> None:
    path = folder / "both"
    outcomes = set()
    for seed in range(40):
        path.write_bytes(mutate(synthetic("ax3", folder), seed))
        outcomes.add(check_outcome(read_cwa, path, 0))
    assert outcomes == {"error", "recording"}
