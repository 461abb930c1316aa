from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from kinelet.train import allocator
from kinelet.train.allocator import freed_memory_kept

glibc = pytest.mark.skipif(allocator._glibc() is None, reason="another C library")


def pages_cleared(megabytes: int) -> int:
    """Least page faults of taking a block of memory, writing to it and giving it back, among some times."""
    import resource

    found = []
    for _ in range(8):  # the first few times the block may land beside the one before
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        block = torch.empty(megabytes << 18).fill_(1.0)
        found.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
        del block
    return min(found)


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


@glibc
def test_memory_is_used_again_without_clearing_it() -> None:
    with freed_memory_kept() as kept:
        assert kept and pages_cleared(64) < 100


@glibc
def test_without_it_all_pages_are_cleared_each_time() -> None:
    """In a process of its own: what tests before have freed may lie in one piece and be used again."""
    places = [str(Path(__file__).parent), str(Path(allocator.__file__).parents[2])]
    code = f"import sys; sys.path[:0] = {places}; from test_train_allocator import pages_cleared as p; print(p(64))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert int(told.stdout) > 1000


@glibc
def test_memory_is_given_back_at_the_end() -> None:
    with freed_memory_kept():
        pages_cleared(256)
        inside = resident_mb()
    assert resident_mb() < inside - 200


def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with freed_memory_kept() as kept:
        assert not kept


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    with freed_memory_kept() as kept:
        assert not kept


def test_settings_of_the_environment_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_MMAP_MAX_", "10")
    with freed_memory_kept() as kept:
        assert not kept


@glibc
def test_an_error_inside_comes_out() -> None:
    with pytest.raises(KeyError), freed_memory_kept():
        raise KeyError
