"""The loop under real conditions: killed without warning, and spread over two processes."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from kinelet.train.checkpoint import NAME

TOY = Path(__file__).with_name("toy_run.py")


def start(folder: Path, *arguments: str, program: Path = TOY, **environment: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(program), str(folder), *arguments]
    return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"} | environment, stderr=subprocess.PIPE)


def finish(*processes: subprocess.Popen[bytes]) -> None:
    for process in processes:
        _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error.decode()[-2000:]


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_killed_without_warning_and_resumed_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    arguments = ("30", "checkpoint_every=3", "ema=0.9", "pause=0.02")
    finish(start(tmp_path / "whole", *arguments))
    generator = random.Random(7)
    folder, kills = tmp_path / "killed", 0
    for _ in range(4):
        process = start(folder, *arguments)
        _wait_for_progress(process, folder)
        time.sleep(generator.uniform(0.0, 0.25))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
    finish(start(folder, *arguments))
    assert kills >= 2
    a, b = (load_file(f / "checkpoint" / NAME) for f in (tmp_path / "whole", folder))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert losses(folder) == losses(tmp_path / "whole")


def _wait_for_progress(process: subprocess.Popen[bytes], folder: Path) -> None:
    log = folder / "metrics.jsonl"
    before = log.stat().st_mtime_ns if log.exists() else 0
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if log.exists() and log.stat().st_mtime_ns > before and log.stat().st_size:
            return
        time.sleep(0.005)


def test_two_processes_do_what_one_does_on_the_same_global_batch(tmp_path: Path) -> None:
    """Losses and, because gradients flow through the gathered negatives, weights."""
    common = ("6", "dropout=0.0", "optimizer=sgd", "lr=0.1")
    finish(start(tmp_path / "one", *common, "shards=2"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    rendezvous: dict[str, Any] = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    finish(*(start(tmp_path / "two", *common, RANK=str(r), LOCAL_RANK=str(r), **rendezvous) for r in range(2)))
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-5)
    one, two = (load_file(tmp_path / f / "checkpoint" / NAME) for f in ("one", "two"))
    for name, value in one.items():
        if name.startswith("method/encoder"):
            torch.testing.assert_close(two[name], value, rtol=1e-4, atol=1e-6)
