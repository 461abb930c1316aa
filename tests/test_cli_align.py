"""``kinelet align`` and what comes after it, as people type it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kinelet.cli.app import app
from kinelet.corpus import BuildConfig, Corpus, build
from kinelet.datasets.shared_private import shared_private
from kinelet.errors import BadOptionError

QUICK = [
    "pairs.window_s=2",
    "train.steps=4",
    "train.batch_size=16",
    "train.warmup=0",
    "heads.width=16",
    "encoder.options={width: 16, depth: 1, heads: 2, code: 16}",
    "stage1.encoder.options={width: 16, depth: 1, heads: 2, code: 16}",
    "stage1.train.steps=2",
    "stage1.train.batch_size=16",
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    build(list(shared_private(5, 30, seed=1)), folder, BuildConfig(quality=False, streams=True))
    return folder


def run(*words: object) -> str:
    result = CliRunner().invoke(app, [str(w) for w in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_align_evaluate_one_and_all(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "aligned"
    held = Corpus.open(corpus).subjects[:2]
    told = run(
        *("align", "infomae", "--pairs", corpus, "--unimodal", corpus, "--out", out),
        *(word for person in held for word in ("--hold-out", person)),
        *QUICK,
    )
    assert "one and two, aligned by infomae on" in told
    assert "of 3 people" in told
    found = json.loads(
        run("evaluate", out, "--corpus", corpus, "--protocol", "modality_probe", "--track", "shared", "--json")
    )
    rows = found if isinstance(found, list) else found["rows"]
    assert {tuple(r["modalities"]) for r in rows} == {("one",), ("two",), ("one", "two")}
    assert all(sorted(r["result"]["subjects"]) == sorted(held) for r in rows)
    alone = run(
        *("evaluate", out, "--modality", "two", "--output", "u", "--corpus", corpus, "--track", "shared"),
        *("--baselines", "none", "--json"),
    )
    assert [r["encoder"] for r in json.loads(alone)] == ["infomae (aligned, two, u)"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["infomae"], "no pairs given"),
        (["simclr", "--pairs", "C"], "aligns nothing"),
        (["infomae", "--pairs", "C", "--modality", "acc"], "not of the form NAME"),
        (["infomae", "--pairs", "C", "pairs.hop_s=-1"], "greater than 0"),
        (["infomae", "--pairs", "C", "--modality", "one=one", "--modality", "one=two"], "given twice: one and two"),
        (["infomae", "--pairs", "C", "--unimodal", "one=a", "--unimodal", "one=b"], "--unimodal one is given twice"),
        (["infomae", "--pairs", "C", "--unimodal", "a", "--unimodal", "b"], "2 corpora for all modalities: a and b"),
        (["infomae", "--pairs", "C", "--modality", "one=one"], "one modality is nothing to align: name two or more"),
        (["infomaee", "--pairs", "C"], "no method is named 'infomaee'.*Choose one of: infomae, .*procrustes"),
        (["infomae", "--pairs", "C", "pairs.length=3"], "no multiple"),
    ],
)
def test_refusals(corpus: Path, tmp_path: Path, words: list[str], says: str) -> None:
    told = [str(corpus) if w == "C" else w for w in words]
    with pytest.raises(BadOptionError, match=says):
        CliRunner().invoke(app, ["align", *told, "--out", str(tmp_path / "x")], catch_exceptions=False)
    assert not (tmp_path / "x").exists()


def test_only_methods_that_align_are_proposed(corpus: Path) -> None:
    with pytest.raises(BadOptionError) as told:
        CliRunner().invoke(app, ["align", "infomaee", "--pairs", str(corpus)], catch_exceptions=False)
    assert "simclr" not in str(told.value)


def test_pretrain_sends_on_to_align(corpus: Path) -> None:
    with pytest.raises(BadOptionError, match="kinelet align"):
        CliRunner().invoke(app, ["pretrain", "infomae", "--corpus", str(corpus)], catch_exceptions=False)


def test_neighbours_in_a_batch_are_told(corpus: Path, tmp_path: Path) -> None:
    told = run("align", "cmc", "--pairs", corpus, "--out", tmp_path, *QUICK, "train.steps=1", "train.batch_size=256")
    assert "sequences of a batch follow another one closely in time" in told
