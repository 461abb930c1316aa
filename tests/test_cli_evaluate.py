"""``kinelet evaluate`` and the page it leads to: honest splits, baselines beside, mistakes in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cli_tools import done, kinelet
from corpus_tools import STEP, corpus_of, people, recording
from kinelet.evaluate.result import Result
from kinelet.signal.recording import Annotation

TINY = (
    "encoder.options.widths=[8, 8]",
    "data.window_s=1",
    "train.steps=3",
    "train.batch_size=8",
    "train.warmup=1",
    "train.threads=1",
    "train.device=cpu",
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six people who sit still, then shake: easy for anything that sees the signal."""
    marked = []
    for rec in people(6, each=1, length=1000):
        shake = np.where(np.arange(1000) < 500, 0.05, 1.0)[:, None]
        marked.append(rec.replace(data=(np.round(rec.data * shake / STEP) * STEP).astype(np.float32)))
    return corpus_of(tmp_path_factory.mktemp("labelled") / "own", *marked).path


@pytest.fixture(scope="module")
def run(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has seen four of the six people."""
    out = tmp_path_factory.mktemp("runs") / "four"
    done("pretrain", "simclr", "--corpus", corpus, "--out", out, "--hold-out", "P4", "--hold-out", "P5", *TINY)
    return out


def test_held_out_people_are_judged_with_baselines_beside(run: Path, corpus: Path) -> None:
    told = done("evaluate", run, "--corpus", corpus, "--baselines", "random,hand_linear")
    results = [Result.load(p) for p in sorted((run / "evaluation" / "own-activity-linear_probe").glob("*.json"))]
    assert [r.encoder for r in results] == ["simclr (four)", "random encoder", "hand-crafted + linear"]
    assert all(r.subjects == ("P4", "P5") for r in results)
    assert results[2].estimates["macro_f1"].value > 0.9
    assert str(results[0].estimates["macro_f1"]) in " ".join(told.out.replace("│", " ").split())


def test_everybody_is_judged_by_encoders_that_never_saw_them(run: Path, corpus: Path) -> None:
    answer = done("evaluate", run, "--corpus", corpus, "--refit", "--folds", 3, "--baselines", "none", "--json")
    found = json.loads(answer.out)
    assert found[0]["subjects"] == [f"P{i}" for i in range(6)]
    cards = [json.loads(p.read_text())["card"] for p in (run / "folds").glob("*/model/config.json")]
    assert len(cards) == 3
    assert all(card["pretrain_people"] == 4 for card in cards)


def test_seen_people_are_refused_in_one_line(run: Path, corpus: Path) -> None:
    answer = kinelet("evaluate", run, "--corpus", corpus, "--split", "kfold", "--folds", 3)
    assert answer.status == 2
    assert "--refit" in answer.complaint


def test_an_encoder_that_knows_all_is_refused(corpus: Path, tmp_path: Path) -> None:
    done("pretrain", "simclr", "--corpus", corpus, "--out", tmp_path / "all", *TINY)
    answer = kinelet("evaluate", tmp_path / "all", "--corpus", corpus)
    assert answer.status == 2
    assert "pretrained on all of the 6 people" in answer.complaint


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--protocol", "guess"), "linear_probe"),
        (("--track", "mood"), "activity"),
        (("--baselines", "luck"), "hand_linear"),
        (("--split", "windows"), "split"),
        (("purity=2",), "purity"),
    ],
)
def test_mistakes_name_the_choices(run: Path, corpus: Path, more: tuple[str, ...], words: str) -> None:
    answer = kinelet("evaluate", run, "--corpus", corpus, *more)
    assert answer.status == 2
    assert words in answer.complaint


def test_a_corpus_without_labels_is_told_so(run: Path, tmp_path: Path) -> None:
    plain = corpus_of(tmp_path / "plain", *(recording(f"r{i}", f"Q{i}", 500, seed=i) for i in range(3))).path
    assert "no labels" in kinelet("evaluate", run, "--corpus", plain).complaint


def test_values_are_judged_by_ridge(run: Path, tmp_path: Path) -> None:
    recs = []
    for i in range(6):
        marks = tuple(Annotation(s, s + 2, value=float(s), track="speed") for s in range(0, 20, 2))
        recs.append(recording(f"r{i}", f"Q{i}", 1000, seed=i, annotations=marks))
    corpus = corpus_of(tmp_path / "speed", *recs).path
    answer = done("evaluate", run, "--corpus", corpus, "--track", "speed", "--protocol", "ridge", "--json")
    assert {"mae", "rmse", "r", "icc"} <= set(json.loads(answer.out)[0]["estimates"])


def test_contenders_learn_in_the_same_way(run: Path, corpus: Path) -> None:
    """A few labels against all labels would be no comparison of representations."""
    more = ("--protocol", "knn", "--baselines", "random,hand_linear", "--json")
    found = json.loads(done("evaluate", run, "--corpus", corpus, *more).out)
    assert [r["protocol"] for r in found] == ["knn", "knn", "knn"]


def test_two_people_decide_nothing(run: Path, corpus: Path) -> None:
    told = done("evaluate", run, "--corpus", corpus, "--baselines", "random,hand_linear").out
    assert "2 people are too few" in told
    assert "is ahead of" not in told and "is behind" not in told


def test_a_run_on_several_corpora_is_not_pretrained_again_on_one(corpus: Path, tmp_path: Path) -> None:
    other = corpus_of(tmp_path / "other", *(recording(f"r{i}", f"Q{i}", 500, seed=i) for i in range(3))).path
    done("pretrain", "simclr", "--corpus", corpus, "--corpus", other, "--out", tmp_path / "both", *TINY)
    answer = kinelet("evaluate", tmp_path / "both", "--corpus", corpus, "--refit", "--folds", 3)
    assert answer.status == 2
    assert "several corpora" in answer.complaint


def test_the_report_tells_the_evaluation(run: Path, corpus: Path) -> None:
    done("evaluate", run, "--corpus", corpus, "--baselines", "random,hand_linear")
    done("report", run)
    page = (run / "report.html").read_text()
    for words in ("on people never seen", "Person by person", "What is taken for what", "minus random encoder"):
        assert words in page


def test_encoders_are_pretrained_anew_on_windows_like_the_run_s(tmp_path: Path) -> None:
    recs = [r.replace(spec=r.spec.replace(site=site)) for site in ("wrist", "chest") for r in people(4, 1, 700)]
    named = [r.replace(name=f"{r.name}-{r.spec.site}") for r in recs]
    corpus = corpus_of(tmp_path / "two-sites", *named).path
    laid = ("data.placement=stretch", "data.channels=[acc_z, acc_x]", "method_options.augmentations=any_signal")
    done("pretrain", "simclr", "--corpus", corpus, "--out", tmp_path / "run", *TINY, *laid)
    done("evaluate", tmp_path / "run", "--corpus", corpus, "--refit", "--folds", 2, "--baselines", "none", "site=wrist")
    cards = [json.loads(p.read_text()) for p in (tmp_path / "run" / "folds").glob("*/model/config.json")]
    # Two people a fold, each with two activities at either site, a window each.
    assert [c["card"]["pretrain_windows"] for c in cards] == [8, 8]
    assert all(c["spec"]["channels"] == ["acc_z", "acc_x"] for c in cards)
