"""A look at the installation: versions, device, threads, and the known ways it goes wrong."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import NamedTuple

CORE = (
    "torch",
    "numpy",
    "scipy",
    "pyarrow",
    "pydantic",
    "PyYAML",
    "typer",
    "rich",
    "safetensors",
    "scikit-learn",
    "matplotlib",
)
EXTRAS = {
    "tensorboard": "track",
    "sentence-transformers": "text",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "aeon": "baselines",
    "seglearn": "demo",
    "fastapi": "serve",
    "dask": "cluster",
}


class Finding(NamedTuple):
    """One line of the examination; ``verdict`` begins with ``ok``, ``absent`` or ``wrong``."""

    what: str
    found: str
    verdict: str


def examine() -> list[Finding]:
    """Examine the installation this interpreter sees."""
    return [*_interpreter(), *_packages(), *_torch(), *_disk()]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _interpreter() -> Iterator[Finding]:
    good = sys.version_info >= (3, 11)
    yield Finding("python", platform.python_version(), "ok" if good else "wrong: 3.11 or later is needed")
    yield Finding("kinelet", _version("kinelet") or "source tree", "ok")


def _packages() -> Iterator[Finding]:
    for name in CORE:
        version = _version(name)
        yield Finding(name, version or "-", "ok" if version else f"wrong: pip install {name}")
    for name, extra in EXTRAS.items():
        version = _version(name)
        yield Finding(name, version or "-", "ok" if version else f"absent: pip install 'kinelet[{extra}]'")
    for name in ("torchvision", "torchaudio"):
        if version := _version(name):
            yield Finding(name, version, "wrong: not needed, and fails to load beside a CPU build of torch")


def _torch() -> Iterator[Finding]:
    try:
        yield from _device()
        yield from _threads()
    except Exception as error:  # a broken torch must show up here, not end the examination
        yield Finding("device", "-", f"wrong: torch cannot be used ({type(error).__name__}: {error}); install it again")


def _device() -> Iterator[Finding]:
    import torch

    built = torch.version.cuda
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        text = f"{torch.cuda.get_device_name()}, {free / 2**30:.0f} of {total / 2**30:.0f} GiB free"
        yield Finding("device", text, "ok")
    elif built:
        yield Finding("device", "cpu", f"wrong: torch is built for CUDA {built} but sees no device; check the driver")
    else:
        yield Finding("device", "cpu (torch without CUDA)", "ok")


def _threads() -> Iterator[Finding]:
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    used = torch.get_num_threads()
    verdict = "ok" if used <= cores else f"wrong: more threads than the {cores} cores; set OMP_NUM_THREADS"
    yield Finding("threads", f"{used} of {cores} cores", verdict)


def _disk() -> Iterator[Finding]:
    free = shutil.disk_usage(".").free / 2**30
    yield Finding("free disk here", f"{free:.1f} GiB", "ok" if free > 1 else "wrong: less than 1 GiB is left")
