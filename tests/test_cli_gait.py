"""``kinelet evaluate --protocol gait``: from a corpus with foot events to tables, files and a page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cli_tools import done, kinelet
from corpus_tools import STEP, corpus_of, people
from gait_tools import walker
from kinelet.encoders.io import save_encoder
from kinelet.encoders.registry import create_encoder
from kinelet.evaluate.result import Result
from kinelet.signal.recording import Recording
from kinelet.signal.spec import imu_spec

QUICK = ("heads=[ridge]", "targets=[stride_time,cadence]")


def on_grid(rec: Recording) -> Recording:
    return rec.replace(data=(np.round(rec.data / STEP) * STEP).astype(np.float32))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven people with two walks each; the last sensor sits on the wrist."""
    walks = [on_grid(walker(f"P{i}", 0.9 + 0.06 * i + 0.03 * k, trial=k)) for i in range(7) for k in range(2)]
    wrist = walks[-1].replace(spec=walks[-1].spec.replace(site="wrist"), name="wrist")
    return corpus_of(tmp_path_factory.mktemp("gait") / "own", *walks, wrist).path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_encoder(create_encoder("resnet1d_small", spec=imu_spec(50.0, window_s=2.0), widths=(8, 8)), tmp_path / "model")
    return tmp_path / "model"


def test_a_table_for_each_target(model: Path, corpus: Path) -> None:
    told = done("evaluate", model, "--corpus", corpus, "--protocol", "gait", "site=lower_back", *QUICK)
    assert [line.strip() for line in told.out.splitlines() if line.startswith("own: ")] == [
        "own: stride_time (s; 14 walks of 7 people)",
        "own: cadence (steps/min; 14 walks of 7 people)",
    ]
    assert "recordings were adapted: resampled from 100 to 50 Hz" in told.out


def test_results_are_kept_with_their_baselines(model: Path, corpus: Path) -> None:
    done("evaluate", model, "--corpus", corpus, "--protocol", "gait", *QUICK)
    kept = [Result.load(p) for p in sorted((model / "evaluation" / "own_cadence-gait").glob("*.json"))]
    assert [r.encoder for r in kept] == [
        "encoder (model)",
        "constant",
        "step detector",
        "step detector's measures",
        "hand-crafted features",
        "random encoder",
    ]
    assert kept[2].estimates["mae"].value < 2 < kept[1].estimates["mae"].value


def test_json_holds_the_agreement(model: Path, corpus: Path) -> None:
    answer = done("evaluate", model, "--corpus", corpus, "--protocol", "gait", "--json", "baselines=[detector]", *QUICK)
    found = json.loads(answer.out)
    assert [r["task"] for r in found] == ["own: stride_time"] * 2 + ["own: cadence"] * 2
    assert {"r_within", "bias", "loa_low", "loa_high"} <= set(found[0]["agreement"])
    assert found[1]["agreement"]["loa_low"]["value"] < found[1]["agreement"]["bias"]["value"]


def test_the_page_shows_where_it_differs(model: Path, corpus: Path) -> None:
    done("evaluate", model, "--corpus", corpus, "--protocol", "gait", *QUICK)
    done("report", model)
    assert "Where it differs from the reference" in (model / "report.html").read_text()


@pytest.mark.parametrize("option", [("--refit",), ("--track", "step"), ("--split", "loso")])
def test_options_of_other_protocols_are_refused(model: Path, corpus: Path, option: tuple[str, ...]) -> None:
    answer = kinelet("evaluate", model, "--corpus", corpus, "--protocol", "gait", *option)
    assert f"the gait protocol has no {option[0]}" in answer.complaint


def test_baselines_are_chosen_by_name(model: Path, corpus: Path) -> None:
    done("evaluate", model, "--corpus", corpus, "--protocol", "gait", "--baselines", "constant", *QUICK)
    kept = sorted((model / "evaluation" / "own_cadence-gait").glob("*.json"))
    assert [Result.load(p).encoder for p in kept] == ["encoder (model)", "constant"]


def test_a_corpus_without_walks_is_refused(model: Path, tmp_path: Path) -> None:
    other = corpus_of(tmp_path / "other", *people(3, each=1, length=400)).path
    answer = kinelet("evaluate", model, "--corpus", other, "--protocol", "gait")
    assert "no walking bout" in answer.complaint and "docs/gait.md" in answer.complaint


@pytest.mark.parametrize("option", ["targets=[nonsense]", "nonsense=1", "site=ear"])
def test_wrong_options_are_one_line(model: Path, corpus: Path, option: str) -> None:
    assert (
        option.split("=")[0] in kinelet("evaluate", model, "--corpus", corpus, "--protocol", "gait", option).complaint
    )


def test_people_of_pretraining_are_learnt_from(model: Path, corpus: Path) -> None:
    from kinelet.corpus import Corpus
    from kinelet.deploy.loading import load

    known = load(model)
    known.card["pretrain_subjects"] = sorted(Corpus.open(corpus).identities(["P0", "P1", "P2"]))
    save_encoder(known, model)
    done("evaluate", model, "--corpus", corpus, "--protocol", "gait", "baselines=[]", *QUICK)
    [path] = (model / "evaluation" / "own_cadence-gait").glob("*.json")
    assert Result.load(path).subjects == ("P3", "P4", "P5", "P6")
