"""PRIMUS in the loop: resumed it goes on with the same bits, and two processes do what one does."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from kinelet.train.checkpoint import NAME
from primus_run import config, run
from test_train_processes import finish, losses, start

RUN = Path(__file__).with_name("primus_run.py")


def state(folder: Path) -> dict[str, Any]:
    return load_file(folder / "checkpoint" / NAME)


def test_resumed_at_a_step_it_ends_with_the_bits_of_an_uninterrupted_run(tmp_path: Path) -> None:
    """Optimiser, queue, temperatures and augmentation: the queue wraps around before and after the break."""
    run(tmp_path / "whole", config(7))
    # The constant schedule makes the first part of a run a run of its own.
    run(tmp_path / "parts", config(4))
    run(tmp_path / "parts", config(7))
    a, b = state(tmp_path / "whole"), state(tmp_path / "parts")
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
    assert {"method/queue.fill", "method/queue.start_s", "method/temperatures.mm.log"} <= a.keys()
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")


def test_two_processes_with_gathered_rows_do_what_one_does(tmp_path: Path) -> None:
    """Losses, weights, temperatures and the queue, row for row."""
    common = ("5", "optimizer=sgd", "lr=0.02")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    rendezvous: dict[str, Any] = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    finish(
        start(tmp_path / "one", *common, "shards=2", program=RUN),
        *(
            start(tmp_path / "two", *common, program=RUN, RANK=str(r), LOCAL_RANK=str(r), **rendezvous)
            for r in range(2)
        ),
    )
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-5)
    one, two = state(tmp_path / "one"), state(tmp_path / "two")
    for name, value in one.items():
        if name.startswith("method/"):
            torch.testing.assert_close(
                two[name], value, rtol=1e-4, atol=1e-5, msg=lambda told, name=name: f"{name}: {told}"
            )
