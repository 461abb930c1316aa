"""``kinelet evaluate --protocol modality_probe`` and the page that tells an aligned run: from the command line."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from cli_tools import done, kinelet
from kinelet.cli.app import app
from kinelet.corpus import BuildConfig, Corpus, build
from kinelet.datasets.shared_private import shared_private
from kinelet.deploy.loading import load
from kinelet.evaluate.modalities_config import ModalitiesConfig, rows_of, subsets
from kinelet.evaluate.result import Result
from kinelet.evaluate.retrieval_result import RetrievalResult
from kinelet.report import modalities
from kinelet.report.run import write_report
from kinelet.signal.recording import Annotation, Recording
from kinelet.train.align import align
from kinelet.train.align_recipe import align_recipe

TINY = [
    "encoder.options={width: 16, depth: 1, heads: 2, code: 12}",
    "heads.width=8",
    "pairs.window_s=2",
    "train.steps=4",
    "train.batch_size=16",
    "train.warmup=0",
    "train.log_every=1",
    "train.diagnose_every=2",
    "train.workers=0",
    "train.threads=1",
]


def with_pulse(rec: Recording) -> Recording:
    """A value every window, from how strong the signal is there."""
    rate = rec.spec.rate_hz
    step = round(2 * rate)
    strong = [60 + 20 * float(np.std(rec.data[i : i + step])) for i in range(0, len(rec.data) - step + 1, step)]
    marks = [Annotation(2.0 * i, 2.0 * (i + 1), value=v, track="heart_rate") for i, v in enumerate(strong)]
    return rec.replace(annotations=(*rec.annotations, *marks))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("world") / "own"
    people = [with_pulse(rec) for rec in shared_private(6, 24, missing=0.1, seed=1)]
    build(people, folder, BuildConfig(quality=False, streams=True))
    return Corpus.open(folder)


@pytest.fixture(scope="module")
def run(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Aligned on the pairs of three people."""
    out = tmp_path_factory.mktemp("runs") / "three"
    align(corpus, out, align_recipe(None, [*TINY, f"pairs.hold_out=[{','.join(corpus.subjects[3:])}]"]))
    return out


def judged(run: Path, corpus: Corpus, *told: object) -> Any:
    return done("evaluate", run, "--corpus", corpus.path, "--protocol", "modality_probe", *told)


def plain(text: str) -> str:
    return " ".join(text.replace("│", " ").replace("┃", " ").split())


@pytest.fixture(scope="module")
def found(run: Path, corpus: Corpus) -> dict[str, Any]:
    """Classes, at three shares of the labels, with everything beside."""
    told = ("labels=0.01,0.1,1.0", "parts=u,backbone", "fine_tune=true", "scratch=true")
    quick = ("fine_tuning.epochs=1", "fine_tuning.epoch_steps=2")
    return dict(judged(run, corpus, "--track", "shared", "--json", *told, *quick).document)


def test_every_subset_by_every_part_at_every_share(found: dict[str, Any]) -> None:
    rows = [(r["learner"], tuple(r["modalities"]), r["part"], r["labels"]) for r in found["rows"]]
    for share in (0.01, 0.1, 1.0):
        for names in (("one",), ("two",), ("one", "two")):
            for part in ("u", "backbone"):
                assert ("probe", names, part, share) in rows
        assert ("random", ("one", "two"), "backbone", share) in rows
        assert ("fine_tune", ("one", "two"), "uv", share) in rows
        assert ("scratch", ("one", "two"), "uv", share) in rows
    assert len(rows) == 3 * (6 + 3)


def test_only_new_people_are_judged_and_all_by_the_same_moments(found: dict[str, Any], corpus: Corpus) -> None:
    results = [r["result"] for r in found["rows"]]
    assert all(tuple(r["subjects"]) == corpus.subjects[3:] for r in results)
    assert len({tuple(r["row"]) for r in results}) == 1
    assert {"macro_f1", "accuracy"} <= results[0]["estimates"].keys()


def test_everything_compared_is_of_one_width(found: dict[str, Any]) -> None:
    probes = [r for r in found["rows"] if r["learner"] in ("probe", "random")]
    assert {r["width"] for r in probes} == {8}
    assert {r["result"]["options"]["width"] for r in probes} == {8}
    assert {r["raw_width"]["options"]["width"] for r in probes} == {None}


def test_an_untrained_network_has_other_vectors(found: dict[str, Any]) -> None:
    by_learner = {
        r["learner"]: r["result"]["predicted"]
        for r in found["rows"]
        if r["labels"] == 1 and r["part"] == "backbone" and len(r["modalities"]) == 2
    }
    assert by_learner["random"] != by_learner["probe"]


def test_all_is_kept_for_the_page(found: dict[str, Any], run: Path) -> None:
    place = run / "evaluation" / "own-shared-modality_probe"
    assert len(list(place.glob("*.json"))) == 27
    assert len(list((place / "raw-width").glob("*.json"))) == 21
    carried = [Result.load(p) for p in sorted((place / "transfer").glob("*.json"))]
    assert [r.encoder for r in carried] == [
        f"infomae: U of {a} -> U of {b}" for a in ("one", "two") for b in ("one", "two")
    ]
    searched = [RetrievalResult.load(p) for p in sorted((run / "evaluation" / "own-shared-modality_search").glob("*"))]
    assert [r.direction for r in searched] == ["one -> two", "two -> one"]
    assert searched[0].people == tuple(found["rows"][0]["result"]["subjects"])
    assert searched[0].gallery == len(carried[0].truth)


@pytest.mark.parametrize("who", [(), ("--modality", "two")])
def test_an_aligned_run_is_not_pretrained_anew(run: Path, corpus: Corpus, who: tuple[str, ...]) -> None:
    told = ("--corpus", corpus.path, "--track", "shared", "--refit", *who)
    assert "this one was aligned with others" in kinelet("evaluate", run, *told).complaint


def test_a_recording_is_embedded_by_the_encoder_of_one_modality(run: Path, tmp_path: Path) -> None:
    lines = ["one,two", *(f"{np.sin(i / 7):.4f},{np.cos(i / 3):.4f}" for i in range(400))]
    (tmp_path / "r.csv").write_text("\n".join(lines) + "\n")
    spec = load(run, modality="two").spec
    channels = "".join(f"  {c}: {{name: {c}, unit: '{spec.units[0]}'}}\n" for c in ("one", "two"))
    (tmp_path / "card.yaml").write_text(f"channels:\n{channels}rate_hz: {spec.rate_hz}\nsubject: {{constant: P}}\n")
    out = tmp_path / "z.npz"
    given = ("embed", run, tmp_path / "r.csv", "--card", tmp_path / "card.yaml", "--out", out)
    document = done(*given, "--modality", "two", "--output", "u", "--json").document
    assert (document["dim"], document["valid"]) == (8, document["vectors"])
    assert "--modality" in kinelet(*given).complaint
    assert "two" in kinelet(*given, "--modality", "three").complaint


def test_tables_fit_a_terminal_of_80_columns(
    run: Path, corpus: Corpus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = ("--corpus", corpus.path, "--protocol", "modality_probe", "--track", "shared", "labels=0.1")
    shutil.copytree(run / "model", tmp_path / "model")  # what is kept of the run itself is not to be replaced
    monkeypatch.setenv("COLUMNS", "80")
    result = CliRunner().invoke(app, [str(w) for w in ("evaluate", tmp_path, *told)], catch_exceptions=False)
    lines = result.stdout.splitlines()
    heading = next(line for line in lines if line.startswith("encoders"))
    assert heading.split() == ["encoders", "of", "part", "labels", "macro-F1", "accuracy", "raw", "width"]
    assert any(re.search(r"one \+ two +backbone +10% +\d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]", line) for line in lines)
    assert "of a probe learnt on U of one modality, with all labels" in " ".join(result.stdout.split())


def test_page_of_an_aligned_run(found: dict[str, Any], run: Path, corpus: Corpus) -> None:
    alone = ("--modality", "two", "--output", "u", "--track", "shared", "--baselines", "none")
    done("evaluate", run, "--corpus", corpus.path, *alone)
    page = write_report(run).read_text(encoding="utf-8")
    for title in (
        "Each modality alone, and all together",
        "Probes carried across modalities",
        "Moments looked up across modalities",
        "How training went",
        "Critics on pairs kept out",
        "What is taken for what",
        "What was done",
    ):
        assert f"<h2>{title}</h2>" in page
    assert "aligned by infomae from" in page
    estimate = found["rows"][0]["result"]["estimates"]["macro_f1"]
    assert f"{estimate['value']:.3f} [{estimate['lo']:.3f}, {estimate['hi']:.3f}]" in page
    assert "cross-x_two-u_one" in page
    assert page.count("fine-tuned") >= 3


def test_networks_are_trained_on_moments_of_another_length(run: Path, corpus: Corpus) -> None:
    told = ("window_s=4", "parts=u", "fine_tune=true", "scratch=true", "random=false", "cross_modal=false")
    quick = ("fine_tuning.epochs=1", "fine_tuning.epoch_steps=1")
    rows = judged(run, corpus, "--track", "shared", "--json", *told, *quick).document["rows"]
    assert [r["learner"] for r in rows] == ["probe", "probe", "probe", "fine_tune", "scratch"]
    assert len({len(r["result"]["truth"]) for r in rows}) == 1


def test_values_are_told_by_error_and_correlation(run: Path, corpus: Corpus) -> None:
    answer = judged(run, corpus, "--track", "heart_rate", "parts=uv", "width=4")
    text = plain(answer.out)
    assert "heart_rate, each modality 4 wide, 3 people" in text
    assert "Pearson" in text
    assert "U looked up across modalities" in text
    kept = [Result.load(p) for p in sorted((run / "evaluation" / "own-heart_rate-modality_probe").glob("*.json"))]
    assert [r.options["learner"] for r in kept] == ["probe"] * 3 + ["random"]
    e = kept[0].estimates["mae"]
    assert f"{e.value:.3f}" in text
    told, carried = modalities.load(run / "evaluation" / "own-heart_rate-modality_probe")
    assert modalities.columns(told)[4:] == ("mean absolute error", "Pearson r", "mean absolute error, raw width")
    assert "mean absolute error of a probe" in modalities.transfer_section(carried).body


def test_what_stands_beside_can_be_left_out(run: Path, corpus: Corpus) -> None:
    document = judged(run, corpus, "--track", "shared", "--json", "parts=u", "random=false", "cross_modal=false")
    assert {r["learner"] for r in document.document["rows"]} == {"probe"}
    assert document.document["searches"] == document.document["transfers"] == []


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (("parts=w",), "no part w"),
        (("labels=2",), "labels"),
        (("fine_tune=true", "fine_tuning.epoch=3"), "epoch: no such key"),
        (("--split", "kfold"), "pretrained on 3 of the people"),
        (("--refit",), "no --refit"),
    ],
)
def test_mistakes_are_told_in_one_line(run: Path, corpus: Corpus, told: tuple[str, ...], words: str) -> None:
    given = ("--corpus", corpus.path, "--protocol", "modality_probe", "--track", "shared")
    assert words in kinelet("evaluate", run, *given, *told).complaint


def test_encoders_that_are_not_aligned_are_refused(tmp_path: Path, corpus: Corpus) -> None:
    assert (
        "kinelet align"
        in kinelet("evaluate", tmp_path, "--corpus", corpus.path, "--protocol", "modality_probe").complaint
    )


def test_a_run_without_evaluation_has_a_page(run: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(run / "model", bare / "model")
    page = write_report(bare).read_text(encoding="utf-8")
    assert "What was done" in page
    assert json.dumps("How training went") not in page


def test_more_than_four_modalities_are_judged_alone_and_together() -> None:
    names = tuple("abcde")
    assert subsets(names) == [*((n,) for n in names), names]
    assert len(subsets(names[:4])) == 15
    config = ModalitiesConfig(parts=("u", "uv"))
    assert len(rows_of(names, config)) == 2 * 6 + 1
    assert rows_of(names, config)[-1].part == "uv"  # where the codes below are not judged


def test_a_task_called_like_its_track_is_named_once(found: dict[str, Any], run: Path) -> None:
    told, _ = modalities.load(run / "evaluation" / "own-shared-modality_probe")
    same = [(replace(result, task="shared"), raw) for result, raw in told]
    assert "shared: macro-F1" in modalities.section(same).body
    assert "shared, shared" not in modalities.section(same).body
