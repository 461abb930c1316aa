"""``kinelet evaluate`` for encoders that know words: few-shot curves, zero-shot, retrieval, and the page about them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_tools import done, kinelet
from corpus_tools import corpus_of, people, with_pairs
from kinelet.corpus.corpus import Corpus
from kinelet.corpus.narrations import sentences_for_labels, write_narrations
from kinelet.deploy.loading import load
from kinelet.encoders.headed import HeadedEncoder
from kinelet.encoders.io import save_encoder
from kinelet.encoders.registry import create_encoder
from kinelet.evaluate.result import Result
from kinelet.signal.spec import imu_spec
from kinelet.towers import registry
from kinelet.towers.store import attach_text
from kinelet.train.pretrain import pretrain
from kinelet.train.recipes import recipe
from words_tools import MEANING, aligned, town

CURVE = ("--protocol", "primus-few-shot", "--folds", 2, "shots=[1,3,all]", "protocol_options.draws=2")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six people with sentences for what they do."""
    folder = tmp_path_factory.mktemp("town") / "town"
    made, (_, tower) = town(folder, people=6), aligned()
    write_narrations(made, sentences_for_labels(made, "activity", {k: [v] for k, v in MEANING.items()}))
    attach_text(folder, list(MEANING.values()), tower)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A model aligned with a tower that is registered as long as these tests run."""
    encoder, tower = aligned()
    registry.TOWERS["toy"] = lambda: tower
    folder = tmp_path_factory.mktemp("runs") / "toy"
    save_encoder(encoder, folder)
    yield folder
    del registry.TOWERS["toy"]


@pytest.fixture
def sentences(tmp_path: Path) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text("\n".join(f"{label}: [{told}]" for label, told in MEANING.items()))
    return path


def test_a_curve_has_a_column_for_each_number_of_windows(run: Path, corpus: Path) -> None:
    told = done("evaluate", run, "--corpus", corpus, *CURVE, "--baselines", "random").out
    assert all(f" {n} " in told for n in ("1", "3", "all"))
    assert "primus (toy) minus random encoder" in told
    files = sorted(p.name for p in (run / "evaluation" / "town-activity-primus-few-shot").glob("n-3/*.json"))
    assert files == ["00-primus_toy.json", "01-random_encoder.json"]


def test_arms_of_a_curve_learn_from_the_same_windows(run: Path, corpus: Path) -> None:
    shown = done("evaluate", run, "--corpus", corpus, *CURVE, "--json").document
    results = [(r["n"], r["encoder"]) for r in shown]
    assert results == [(n, e) for e in ("primus (toy)", "random encoder", "hand-crafted") for n in (1, 3, "all")]
    assert len({tuple(r["row"]) for r in shown}) == 1


def test_a_baseline_that_has_no_curve_is_refused(run: Path, corpus: Path) -> None:
    answer = kinelet("evaluate", run, "--corpus", corpus, *CURVE, "--baselines", "minirocket")
    assert "no curve for minirocket" in answer.complaint


def test_supervision_from_scratch_has_a_curve(run: Path, corpus: Path) -> None:
    options = ("--protocol", "primus-few-shot", "--folds", 2, "shots=[2]", "scratch.draws=1", "scratch.steps=10")
    told = done("evaluate", run, "--corpus", corpus, *options, "--baselines", "scratch").out
    assert "supervised from scratch" in told


def test_classes_are_found_by_their_sentences(run: Path, corpus: Path, sentences: Path) -> None:
    options = ("--protocol", "zero-shot", f"sentences={sentences}")
    told = done("evaluate", run, "--corpus", corpus, *options, "--folds", 2).out
    result = Result.load(run / "evaluation" / "town-activity-zero-shot" / "00-primus_toy.json")
    assert result.estimates["macro_f1"].value > 0.95
    assert len(result.subjects) == 6
    assert "random encoder" in told


def test_classes_without_words_are_told(run: Path, corpus: Path) -> None:
    answer = kinelet("evaluate", run, "--corpus", corpus, "--protocol", "zero-shot")
    assert "sentences=FILE.yaml" in answer.complaint


def test_both_ways_of_a_search_are_told_with_chance_beside(run: Path, corpus: Path) -> None:
    told = done("evaluate", run, "--corpus", corpus, "--protocol", "retrieval").out
    assert "motion -> text" in told
    assert "text -> motion" in told
    assert "random order" in told


def test_a_search_has_no_folds(run: Path, corpus: Path) -> None:
    answer = kinelet("evaluate", run, "--corpus", corpus, "--protocol", "retrieval", "--folds", 3, "--refit")
    assert "retrieval has no --refit, --folds" in answer.complaint


def test_a_search_can_be_read_by_machines(run: Path, corpus: Path) -> None:
    shown = done("evaluate", run, "--corpus", corpus, "--protocol", "retrieval", "ks=[1,2]", "--json").document
    assert [r["direction"] for r in shown] == ["motion -> text", "text -> motion"]
    assert set(shown[0]["values"]) == {"mrr", "r@1", "r@2"}


@pytest.mark.parametrize("given", ["modalities=text", "modalities=text,", "modalities=[text]"])
def test_a_modality_is_named_as_in_pretraining(run: Path, corpus: Path, given: str) -> None:
    shown = done("evaluate", run, "--corpus", corpus, "--protocol", "retrieval", given, "ks=2", "--json").document
    assert [r["direction"] for r in shown] == ["motion -> text", "text -> motion"]


@pytest.mark.parametrize("given", ["ks=0", "ks=[1,-5]", "ks=[]"])
def test_lists_of_no_length_are_refused(run: Path, corpus: Path, given: str) -> None:
    complaint = kinelet("evaluate", run, "--corpus", corpus, "--protocol", "retrieval", given).complaint
    assert "options: ks" in complaint and ("than or equal to 1" in complaint or "at least 1 item" in complaint)


@pytest.mark.parametrize("given", ["shots=0", "shots=[5,-1]", "shots=some", "shots=[2.5]"])
def test_a_number_of_shots_that_is_none_is_refused_in_words(run: Path, corpus: Path, given: str) -> None:
    complaint = kinelet("evaluate", run, "--corpus", corpus, "--protocol", "primus-few-shot", given).complaint
    assert "is neither a number of windows, 1 or more, nor all" in complaint
    assert "constrained" not in complaint and "literal" not in complaint


def test_the_page_tells_curves_and_searches(run: Path, corpus: Path) -> None:
    done("evaluate", run, "--corpus", corpus, "--protocol", "retrieval")
    done("evaluate", run, "--corpus", corpus, *CURVE, "--baselines", "random")
    done("report", run)
    page = (run / "report.html").read_text()
    assert "Search both ways" in page
    assert "How far a few labels go" in page


def test_people_known_to_the_run_are_not_searched_among(corpus: Path, tmp_path: Path) -> None:
    encoder, _ = aligned()
    opened = Corpus.open(corpus)
    encoder.card["pretrain_subjects"] = sorted(opened.identities(opened.subjects))
    save_encoder(encoder, tmp_path / "knowing")
    answer = kinelet("evaluate", tmp_path / "knowing", "--corpus", corpus, "--protocol", "retrieval")
    assert "pretrained on 6 of the 6 people" in answer.complaint


PROBE = ("--folds", 2, "--baselines", "random")
OUTPUTS = ((), ("--output", "ss"), ("--output", "mm"), ("--output", "backbone"))


def test_each_output_of_an_encoder_with_heads_can_be_judged(run: Path, corpus: Path) -> None:
    """The saved one is ``ss``; results of one that is chosen lie apart."""
    shown = {o: done("evaluate", run, "--corpus", corpus, *PROBE, *o, "--json").document for o in OUTPUTS}
    truth = {tuple(r["truth"]) for document in shown.values() for r in document}
    assert len(truth) == 1
    names = [next(r["encoder"] for r in document) for document in shown.values()]
    assert names == ["primus (toy)", "primus (toy, ss)", "primus (toy, mm)", "primus (toy, backbone)"]
    places = {p.name for p in (run / "evaluation").glob("town-activity-linear_probe*")}
    assert places == {f"town-activity-linear_probe{end}" for end in ("", "-ss", "-mm", "-backbone")}


def test_the_output_chosen_is_what_the_learner_sees(run: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Widths of the untrained encoder too: it is the same network with the same output."""
    widths: list[int] = []
    embed = HeadedEncoder.embed
    monkeypatch.setattr(
        HeadedEncoder, "embed", lambda self, *a, **k: (widths.append(self.dim), embed(self, *a, **k))[1]
    )
    for output in ("mm", "backbone"):
        done("evaluate", run, "--corpus", corpus, *PROBE, "--output", output)
    done("evaluate", run, "--corpus", corpus, *CURVE, "--baselines", "random", "--output", "mm")
    backbone = load(run, output="backbone").dim
    assert set(widths[:2]) == {8} and set(widths[2:4]) == {backbone} and set(widths[4:]) == {8} and backbone != 8
    assert (run / "evaluation" / "town-activity-primus-few-shot-mm" / "n-3" / "00-primus_toy_mm.json").exists()


def test_an_output_that_is_not_there_is_told_with_those_there_are(run: Path, corpus: Path) -> None:
    for protocol in ("linear_probe", "primus-few-shot"):
        answer = kinelet("evaluate", run, "--corpus", corpus, "--protocol", protocol, "--output", "video")
        assert "'video'" in answer.complaint and "backbone, ss, mm" in answer.complaint


def test_an_encoder_without_heads_has_one_output(corpus: Path, tmp_path: Path) -> None:
    plain = create_encoder("resnet1d_small", spec=imu_spec(50.0, window_s=2.0), widths=(8, 8))
    save_encoder(plain, tmp_path / "plain")
    answer = kinelet("evaluate", tmp_path / "plain", "--corpus", corpus, "--output", "mm")
    assert "one output, not one named 'mm'" in answer.complaint


@pytest.mark.parametrize(("protocol", "told"), [("zero-shot", "aligned with text"), ("retrieval", "was aligned with")])
def test_words_go_with_the_head_that_was_aligned_with_them(
    run: Path, corpus: Path, sentences: Path, protocol: str, told: str
) -> None:
    more = (f"sentences={sentences}",) if protocol == "zero-shot" else ()
    answer = kinelet("evaluate", run, "--corpus", corpus, "--protocol", protocol, "--output", "mm", *more)
    assert "--output" in answer.complaint and told in answer.complaint


def test_encoders_pretrained_anew_are_judged_by_the_output_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = with_pairs(corpus_of(tmp_path / "own", *people(2, each=1, length=700)))
    small = ["encoder.options.hidden=8", "data.window_s=2.5", "train.steps=1", "train.batch_size=4", "train.threads=1"]
    pretrain(corpus, tmp_path / "run", recipe("primus", [*small, "train.device=cpu"]))
    chosen: list[str] = []
    embed = HeadedEncoder.embed
    monkeypatch.setattr(
        HeadedEncoder, "embed", lambda self, *a, **k: (chosen.append(self.output), embed(self, *a, **k))[1]
    )
    options = ("--refit", "--folds", 2, "--baselines", "none", "--output", "ss", "window_s=2.5")
    shown = done("evaluate", tmp_path / "run", "--corpus", corpus.path, *options, "--json").document
    assert chosen == ["ss", "ss"] and shown[0]["encoder"] == "primus (run, ss)"
