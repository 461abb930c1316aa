"""``kinelet pretrain``: recipes, overrides, mistakes, kills, and two processes."""

from __future__ import annotations

import json
import signal
import socket
import time
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from cli_tools import Answer, done, finish, kinelet, start
from corpus_tools import corpus_of, people, recording, with_gaps, with_pairs
from kinelet.encoders.registry import list_encoders
from kinelet.methods.registry import get_method, list_methods, method_info
from kinelet.signal.spec import imu_spec

TINY = (
    "encoder.options.widths=[8, 8]",
    "data.window_s=1",
    "train.steps=4",
    "train.batch_size=8",
    "train.warmup=1",
    "train.log_every=1",
    "train.threads=1",
    "train.device=cpu",
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_pairs(corpus_of(tmp_path_factory.mktemp("own") / "own", *people(4, each=1, length=400))).path


def command(corpus: Path, out: Path, *more: object, method: str = "simclr") -> list[object]:
    return ["pretrain", method, "--corpus", corpus, "--out", out, *TINY, *more]


def card(run: Path) -> dict[str, object]:
    described: dict[str, object] = json.loads((run / "model" / "config.json").read_text())
    assert isinstance(described["card"], dict)
    return described["card"]


def same(a: Path, b: Path) -> bool:
    first, second = (load_file(run / "model" / "model.safetensors") for run in (a, b))
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def test_a_run_ends_with_a_model_and_says_where(corpus: Path, tmp_path: Path) -> None:
    answer = done(*command(corpus, tmp_path / "run"))
    first, second = answer.out.splitlines()
    assert first == f"{tmp_path / 'run' / 'model'}: resnet1d_small, 48 dimensions, trained on 4 people"
    assert second == "32 windows of 4 recordings"
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()


def test_the_answer_for_machines(corpus: Path, tmp_path: Path) -> None:
    document = done(*command(corpus, tmp_path / "run", "--json")).document
    assert document["model"] == str(tmp_path / "run" / "model")
    assert document["card"]["steps"] == 4


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings of 6 s, three that are shorter than 5 s, and one with as little between its gaps."""
    parts = [recording(f"r{i}", f"P{i % 3}", n, seed=i) for i, n in enumerate((300, 300, 249, 200, 100))]
    parts.append(with_gaps([240, 240], name="gap", subject="P2"))
    return corpus_of(tmp_path_factory.mktemp("clips") / "clips", *parts).path


def test_recordings_too_short_for_a_window_are_told(clips: Path, tmp_path: Path) -> None:
    five = ("data.window_s=5", "train.batch_size=2")
    told = done(*command(clips, tmp_path / "run", *five)).out.splitlines()[1:]
    assert told[0] == "2 windows of 2 recordings"
    assert told[1].startswith("4 more recordings were not used: shorter than a window of 5 s")
    again = done(*command(clips, tmp_path / "again", *five, "--hold-out", "P2", "--json")).document
    assert [again[k] for k in ("windows", "recordings", "recordings_too_short")] == [2, 2, 2]


def test_a_stretched_recording_is_never_too_short(clips: Path, tmp_path: Path) -> None:
    more = ("data.window_s=5", "train.batch_size=2", "data.placement=stretch", "--json")
    assert done(*command(clips, tmp_path / "run", *more)).document["recordings_too_short"] == 0


ALIGNED = [name for name in list_methods() if method_info(name).keeps == "aligned"]


@pytest.mark.parametrize("method", [name for name in list_methods() if name not in ALIGNED])
def test_every_method_runs_on_a_small_transformer(method: str, corpus: Path, tmp_path: Path) -> None:
    # What hides patches of images needs an encoder that sees images.
    name = "tf_vit" if method == "mae" else "patch_transformer"
    small = (f"encoder.name={name}", "encoder.options={width: 16, depth: 1, heads: 2}")
    if get_method(method)[0].uses_distance:
        small = (*small, "distance=euclid", "method_options.candidates=3", "method_options.anchors=batch")
        small = (*small, "train.batch_size=8")
    if method_info(method).keeps == "distance":
        small = ("method_options.network={width: 8, blocks: 1}",)
    done(*command(corpus, tmp_path / "run", *small, method=method))
    assert card(tmp_path / "run")["method"] == method


@pytest.mark.parametrize("method", ALIGNED)
def test_a_method_on_pairs_is_refused_with_the_command_for_it(method: str, corpus: Path, tmp_path: Path) -> None:
    complaint = kinelet(*command(corpus, tmp_path / "run", method=method)).complaint
    assert "several modalities" in complaint and f"kinelet align {method} --pairs" in complaint
    assert not (tmp_path / "run").exists()


def test_overrides_win_over_the_recipe_and_the_recipe_over_defaults(corpus: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("train: {lr: 0.01, seed: 5}\nmethod_options: {temperature: 0.3}\n")
    done(*command(corpus, tmp_path / "run", "--config", recipe, "train.seed=6"))
    saved = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert (saved["train"]["lr"], saved["train"]["seed"], saved["train"]["weight_decay"]) == (0.01, 6, 0.05)
    assert saved["method_options"]["temperature"] == 0.3


def test_several_corpora_are_all_in_the_card(corpus: Path, tmp_path: Path) -> None:
    second = corpus_of(tmp_path / "second", *people(2, each=1, length=400))
    done(*command(corpus, tmp_path / "run", "--corpus", second.path))
    assert [c["name"] for c in card(tmp_path / "run")["pretrain_corpora"]] == ["own", "second"]  # type: ignore[attr-defined]


def test_people_held_out_by_recipe_and_by_option_are_both_held_out(corpus: Path, tmp_path: Path) -> None:
    done(*command(corpus, tmp_path / "run", "data.hold_out=[P0]", "--hold-out", "P3"))
    names = {str(n).rpartition("/")[2] for n in card(tmp_path / "run")["pretrain_subjects"]}  # type: ignore[attr-defined]
    assert names == {"P1", "P2"}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["train.stepz=3"], "train.stepz: no such key. Keys of train: steps, batch_size"),
        (["train.steps=many"], "train.steps"),
        (["train.batch_size=9", "train.accumulate=2"], "not divisible"),
        (["encoder.name=resnet9000"], ", ".join(list_encoders())),
        (["encoder.options.wide=3"], "wide: no such key. Keys here: widths"),
        (["method_options.heat=3"], "heat: no such key. Keys here: temperature"),
        (["method_options.augmentations=salsa"], "standard"),
        (["--hold-out", "Nobody"], "Nobody"),
        (["data.window_s=1000"], "no window of 1000 s"),
        (["data.channels=[acc_x, bvp]"], "bvp"),
        (["train.batch_size=4096"], "a batch of 4096 from 32 windows"),
        (["train.lr"], "key=value"),
        (["--config", "absent.yaml"], "no recipe 'absent.yaml'"),
        (["--corpus", "absent"], "absent: holds no corpus"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(more: list[str], told: str, corpus: Path, tmp_path: Path) -> None:
    assert told in kinelet(*command(corpus, tmp_path / "run", *more)).complaint
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("method", "more", "told"),
    [
        ("primus", ["method_options.output=nose"], "no output 'nose'"),
        ("primus", ["method_options.search=smell"], "cannot be sought by 'smell'"),
        ("primus", ["modalities=smell"], "smell"),
        ("primus", ["method_options.weights={smell: 1}"], "no term is named smell"),
        ("imu2clip", ["method_options.lam=1"], "for motion alone the method simclr, or primus with lam=1"),
        ("relcon", ["distance=nowhere"], "nowhere"),
    ],
)
def test_a_refused_run_leaves_nothing(method: str, more: list[str], told: str, corpus: Path, tmp_path: Path) -> None:
    plain = ("encoder.name=resnet1d_small", "encoder.options={widths: [8, 8]}", *more)
    assert told in kinelet(*command(corpus, tmp_path / "run", *plain, method=method)).complaint
    assert not (tmp_path / "run").exists()


def test_recordings_of_different_channels_are_told_with_what_to_write(tmp_path: Path) -> None:
    parts = [recording(f"r{i}", f"P{i}", 400, spec=imu_spec(50.0, gyro=i > 1)) for i in range(4)]
    corpus = corpus_of(tmp_path / "mixed", *parts).path
    told = kinelet(*command(corpus, tmp_path / "run")).complaint
    assert "data.channels=acc_x,acc_y,acc_z" in told and "--channels acc_x,acc_y,acc_z" in told
    assert not (tmp_path / "run").exists()
    done(*command(corpus, tmp_path / "run", "data.channels=acc_x,acc_y,acc_z"))


def test_resume_with_nothing_to_resume_says_so_first(corpus: Path, tmp_path: Path) -> None:
    first, second = (done(*command(corpus, tmp_path / "run", "--resume")).out.splitlines() for _ in range(2))
    assert first[0] == f"{tmp_path / 'run'}: nothing to resume, started from the beginning"
    assert first[1:] == second


def test_an_unknown_method_is_named_with_the_choices(corpus: Path, tmp_path: Path) -> None:
    complaint = kinelet(*command(corpus, tmp_path / "run", method="magic")).complaint
    assert "'magic'" in complaint
    assert ", ".join(list_methods()) in complaint


def test_no_corpus_is_one_line_that_says_how_to_make_one(tmp_path: Path) -> None:
    assert "kinelet corpus build" in kinelet("pretrain", "simclr", "--out", tmp_path / "run").complaint


def test_a_second_start_is_refused_without_resume(corpus: Path, tmp_path: Path) -> None:
    done(*command(corpus, tmp_path / "run"))
    assert "--resume" in kinelet(*command(corpus, tmp_path / "run")).complaint


def test_a_run_does_not_go_on_with_another_configuration(corpus: Path, tmp_path: Path) -> None:
    done(*command(corpus, tmp_path / "run"))
    refused = kinelet(*command(corpus, tmp_path / "run", "train.lr=0.5", "--resume"))
    assert "another configuration" in refused.complaint


def wait_for_steps(run: Path, steps: int) -> None:
    """Wait until a process has logged so many steps."""
    log, deadline = run / "metrics.jsonl", time.monotonic() + 60
    while not log.exists() or log.read_text().count("\n") < steps:
        assert time.monotonic() < deadline, "the run does not get on"
        time.sleep(0.005)


LONG = ("train.steps=60", "train.checkpoint_every=4")


def test_killed_and_resumed_it_ends_with_the_same_bits(corpus: Path, tmp_path: Path) -> None:
    done(*command(corpus, tmp_path / "whole", *LONG))
    run = tmp_path / "killed"
    process = start(command(corpus, run, *LONG))
    wait_for_steps(run, 6)
    process.kill()
    process.communicate()
    assert not (run / "model").exists(), "it was finished before it could be killed"
    done(*command(corpus, run, *LONG, "--resume"))
    assert same(run, tmp_path / "whole")
    logs = [[json.loads(line)["loss"] for line in (r / "metrics.jsonl").open()] for r in (run, tmp_path / "whole")]
    assert logs[0] == logs[1]


def test_asked_to_stop_it_saves_says_how_to_go_on_and_exits_as_interrupted(corpus: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(command(corpus, run, "train.steps=100000", "train.checkpoint_every=100000"))
    wait_for_steps(run, 3)
    process.send_signal(signal.SIGTERM)
    answer = finish(process)
    assert answer.status == 130
    assert "--resume" in answer.err
    assert "Traceback" not in answer.err
    assert (run / "checkpoint" / "state.safetensors").is_file()


@pytest.fixture(scope="module")
def pair(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Answer]]:
    """A run of two processes, each started in a folder of its own with a relative --out."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    folder = tmp_path_factory.mktemp("pair")
    started = []
    for rank in ("0", "1"):
        (folder / rank).mkdir()
        rendezvous = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
        started.append(start(command(corpus, Path("run")), cwd=folder / rank, MASTER_PORT=port, **rendezvous))
    answers = [finish(process) for process in started]
    assert [a.status for a in answers] == [0, 0], answers
    return folder, answers


def test_two_processes_make_one_model(pair: tuple[Path, list[Answer]]) -> None:
    folder, answers = pair
    assert answers[0].out.startswith("run/model: ")
    assert card(folder / "0" / "run")["batch_size"] == 8


def test_the_second_process_writes_and_says_nothing(pair: tuple[Path, list[Answer]]) -> None:
    folder, answers = pair
    assert not [p for p in (folder / "1").rglob("*") if p.is_file()]
    assert answers[1].out == ""


def test_the_processes_end_without_complaints(pair: tuple[Path, list[Answer]]) -> None:
    lines = [line for answer in pair[1] for line in answer.err.splitlines()]
    assert not [line for line in lines if not line.startswith("pretrain simclr: ")]


def test_both_processes_share_one_log(pair: tuple[Path, list[Answer]]) -> None:
    lines = (pair[0] / "0" / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4]
