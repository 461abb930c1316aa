"""Memory that a CPU run frees is kept for its next step."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Numbers of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4


@contextmanager
def freed_memory_kept() -> Iterator[bool]:
    """Have glibc keep large blocks when they are freed, and give all back at the end.

    It hands tensors of more than 32 MiB back to the system at once and asks for them again in the next step, whose
    every page is then cleared anew; for large batches that takes longer than the arithmetic. The most memory in use is
    about the same.

    Yields:
        Whether it does: false where the C library is another one, or this one does not take the settings, or the
            environment sets its own (``MALLOC_…``).
    """
    libc = _glibc()
    kept = libc is not None and bool(libc.mallopt(_MMAP_MAX, 0)) and bool(libc.mallopt(_TRIM_THRESHOLD, -1))
    try:
        yield kept
    finally:
        if libc is not None:
            for setting, usual in ((_MMAP_MAX, 65536), (_TRIM_THRESHOLD, 64 << 20), (_MMAP_THRESHOLD, 32 << 20)):
                libc.mallopt(setting, usual)
            libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux") or any(name.startswith("MALLOC_") for name in os.environ):
        return None
    libc = ctypes.CDLL(None)
    return libc if all(hasattr(libc, name) for name in ("gnu_get_libc_version", "mallopt", "malloc_trim")) else None
