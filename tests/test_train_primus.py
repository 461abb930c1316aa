"""PRIMUS in the loop: resumed it goes on with the same bits, and two processes do what one does."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from corpus_tools import corpus_of, people, with_pairs
from kinelet.encoders.io import load_encoder
from kinelet.train.checkpoint import NAME
from kinelet.train.pretrain import pretrain
from kinelet.train.recipes import recipe
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


def start_two(folder: Path, *arguments: str) -> list[subprocess.Popen[bytes]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    rendezvous: dict[str, Any] = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [start(folder, *arguments, program=RUN, RANK=str(r), LOCAL_RANK=str(r), **rendezvous) for r in range(2)]


def test_two_processes_with_gathered_rows_do_what_one_does(tmp_path: Path) -> None:
    """Losses, weights, temperatures and the queue, row for row."""
    two = start_two(tmp_path / "two", "5", "optimizer=sgd", "lr=0.02")
    run(tmp_path / "one", config(5, optimizer="sgd", lr=0.02, shards=2))
    finish(*two)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-5)
    alone, joint = state(tmp_path / "one"), state(tmp_path / "two")
    for name, value in alone.items():
        if name.startswith("method/"):
            torch.testing.assert_close(
                joint[name], value, rtol=1e-4, atol=1e-5, msg=lambda told, name=name: f"{name}: {told}"
            )


def test_the_queue_is_kept_alike_by_all_processes_without_being_sent(tmp_path: Path) -> None:
    """What one process alone alters in its queue stays there; what it alters in other buffers is put right."""
    two, spoilt = start_two(tmp_path / "two", "5"), start_two(tmp_path / "spoilt", "1", "spoil=true")
    finish(*two, *spoilt)
    first, second = (load_file(tmp_path / "two" / f"buffers-{rank}.safetensors") for rank in range(2))
    assert first["queue.fill"] == 40 and first["queue.vectors_text"].any()
    assert first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
    altered = load_file(tmp_path / "spoilt" / "buffers-1.safetensors")
    assert float(altered["queue.start_s"][-1]) == 7.0
    assert float(altered["beside"][-1]) == 0.0


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the recipe primus on a corpus with sentences and something seen."""
    folder = tmp_path_factory.mktemp("paired")
    corpus = with_pairs(corpus_of(folder / "own", *people(4, each=1, length=700)))
    small = ["encoder.options.hidden=8", "data.window_s=2.5", "train.steps=4", "train.batch_size=8", "train.device=cpu"]
    pretrain(corpus, folder / "run", recipe("primus", [*small, "train.log_every=1", "train.threads=1"]))
    return folder / "run"


def test_the_recipe_leaves_an_encoder_that_knows_what_it_is_aligned_with(trained: Path) -> None:
    encoder = load_encoder(trained / "model")
    aligned = encoder.card["alignment"]
    assert encoder.name == "headed" and encoder.dim == 4 and encoder.config["output"] == "mm_toy"
    assert {name: (a["head"], a["space"], a["dim"], a["tower"]) for name, a in aligned.items()} == {
        "text": ("mm_toy", "toy", 4, "toy"),
        "video": ("mm_pictures", "pictures", 3, "camera"),
    }


def test_every_logged_step_tells_how_many_rows_each_term_had(trained: Path) -> None:
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    terms = ("ss", "text", "video", "nn_ss", "nn_text", "nn_video")
    assert len(lines) == 4 and all(f"rows_{t}" in line and f"loss_{t}" in line for line in lines for t in terms)
    assert [line["queue"] for line in lines] == [8, 16, 24, 32] and lines[0]["rows_nn_ss"] == 0 < lines[1]["rows_nn_ss"]
    assert all(0 < line["rows_video"] < line["rows_ss"] == 8 for line in lines)
