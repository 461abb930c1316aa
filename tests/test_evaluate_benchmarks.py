"""The published benchmarks run as presets: right windows, nobody on both sides, numbers that others compute alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from sklearn.metrics import cohen_kappa_score, f1_score
from torch import Tensor

from cli_tools import done, kinelet
from corpus_tools import PLAIN, STEP
from kinelet.corpus import Corpus, build
from kinelet.corpus.sources import MemorySource
from kinelet.encoders.base import Encoder
from kinelet.encoders.io import save_encoder
from kinelet.encoders.registry import create_encoder
from kinelet.errors import BadOptionError, SpecMismatchError
from kinelet.evaluate import fine_tune, mlp
from kinelet.evaluate.benchmarks import BENCHMARKS
from kinelet.evaluate.honesty import SeenSubjectError
from kinelet.evaluate.judge import JudgeConfig, judge
from kinelet.evaluate.logistic import Scaler
from kinelet.evaluate.presets import setting_of, settle
from kinelet.evaluate.relcon import AxisScaler, RelConFineTune, RelConLinear, RelConMLP
from kinelet.evaluate.result import Result
from kinelet.evaluate.task import Task
from kinelet.signal.recording import Annotation, Recording
from kinelet.signal.spec import SignalSpec, imu_spec

RATE, PEOPLE = 20.0, 6
CLASSES = ("lying", "sitting", "standing", "walking")
SPEC = imu_spec(RATE)
QUICK: dict[str, dict[str, Any]] = {
    "relcon-linear": {"normalise": "none"},
    "relcon-mlp": {"hidden": 16, "epochs": 8, "epoch_steps": 8, "lr": 0.05},
    "relcon-finetune": {
        "epochs": 6,
        "epoch_steps": 8,
        "batch_size": 64,
        "lr": 0.01,
        "head_lr": 0.05,
        "head_hidden": 16,
    },
}
PROTOCOLS = tuple(QUICK)


def signal(person: int, label: int, n: int, generator: np.random.Generator) -> np.ndarray:
    """The label is the mean of x, the person the mean of z; both can be read off any window."""
    x = generator.normal(0, 0.02, (n, 3)) + np.array([0.25 * label, 0.0, 0.125 * person])
    return np.asarray(np.round(x / STEP) * STEP, dtype=np.float32)


def recordings(
    site: str, *, shuffled: bool = False, seconds: float = 30.0, each: int = 2, more: float = 0.0
) -> list[Recording]:
    out = []
    for p in range(PEOPLE):
        generator = np.random.default_rng([p, 7])
        told = np.repeat(np.arange(4), each)
        shown = generator.permutation(told) if shuffled else told
        data = np.concatenate([signal(p, k, int(seconds * RATE), generator) for k in shown]) + np.float32(more)
        marks = [Annotation(i * seconds, (i + 1) * seconds, label=CLASSES[k]) for i, k in enumerate(told)]
        marks[0] = Annotation(0, seconds, label="car_driving")  # in the data set, not in the benchmark
        spec = imu_spec(RATE, site=site)
        out.append(Recording(data, spec, subject=f"pamap2_{p}", name=f"p{p}_{site}", annotations=tuple(marks)))
    return out


def corpus_named(folder: Path, dataset: str, *sets: list[Recording]) -> Corpus:
    build([MemorySource(rec, dataset=dataset) for recs in sets for rec in recs], folder, PLAIN)
    return Corpus.open(folder)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Six people with a sensor at the wrist and one at the ankle, the latter half a g higher."""
    folder = tmp_path_factory.mktemp("benchmark") / "body"
    return corpus_named(folder, "pamap2", recordings("wrist"), recordings("ankle", more=0.5))


@pytest.fixture(scope="module")
def senseless(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """The same with labels that have nothing to do with the signal."""
    folder = tmp_path_factory.mktemp("senseless") / "body"
    both = (recordings(site, shuffled=True, seconds=10.0, each=12) for site in ("wrist", "ankle"))
    return corpus_named(folder, "pamap2", *both)


class Means(Encoder):
    """The mean of each channel, times a weight that can be trained."""

    def __init__(self, spec: SignalSpec = SPEC) -> None:
        super().__init__(spec, 3, {})
        self.gain = torch.nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=2) * self.gain


@pytest.fixture
def means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinelet.evaluate.judge.load", lambda folder, output=None, modality=None: Means())
    monkeypatch.setattr("kinelet.evaluate.judge.fresh_like", lambda encoder: lambda spec: Means(spec))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with a small encoder that knows nobody."""
    encoder = create_encoder("resnet1d_small", spec=imu_spec(RATE, window_s=2.0), seed=0, widths=[4, 8])
    return save_encoder(encoder, tmp_path_factory.mktemp("runs") / "small")


def config(protocol: str, **more: Any) -> JudgeConfig:
    return JudgeConfig(protocol=protocol, protocol_options=QUICK[protocol], baselines=(), **more)


def result(protocol: str, corpus: Corpus, folder: Path, **more: Any) -> Result:
    return judge(folder, corpus, config(protocol, **more))[0]


# --- the preset


@pytest.mark.parametrize(
    ("protocol", "site", "window_s", "hop_s", "folds", "labels"),
    [("relcon-linear", "ankle", 2.0, None, 5, 12), ("relcon-mlp", "wrist", 10.0, 5.0, 6, 8)],
)
@pytest.mark.usefixtures("means")
def test_windows_people_and_classes_are_the_published_ones(
    corpus: Corpus,
    tmp_path: Path,
    protocol: str,
    site: str,
    window_s: float,
    hop_s: float | None,
    folds: int,
    labels: int,
) -> None:
    judged = result(protocol, corpus, tmp_path)
    told = yaml.safe_load((tmp_path / "evaluation" / f"body-activity-{protocol}" / "splits.yaml").read_text())
    found = {name: told["config"][name] for name in ("site", "window_s", "hop_s")}
    assert found == {"site": site, "window_s": window_s, "hop_s": hop_s}
    assert (len(told["splits"]), len(judged.classes)) == (folds, labels)


@pytest.mark.usefixtures("means")
def test_labels_outside_the_benchmark_are_left_out(corpus: Corpus, tmp_path: Path) -> None:
    judged = result("relcon-linear", corpus, tmp_path)
    assert len(judged.row) == PEOPLE * 7 * 15
    assert "car_driving" not in judged.classes


@pytest.mark.usefixtures("means")
def test_only_the_named_site_reaches_the_encoder(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []
    original = Means.embed
    monkeypatch.setattr(Means, "embed", lambda self, x, *a: seen.append(float(x[:, 1].mean())) or original(self, x, *a))
    result("relcon-linear", corpus, tmp_path)
    assert np.allclose(seen, 0.5, atol=0.01)


def test_what_the_user_gives_goes_before(corpus: Corpus) -> None:
    settled = settle(JudgeConfig(protocol="relcon-linear", window_s=5.0, split="loso"), corpus)
    assert (settled.window_s, settled.split, settled.site) == (5.0, "loso", "ankle")


def test_settling_twice_changes_nothing(corpus: Corpus) -> None:
    once = settle(JudgeConfig(protocol="relcon-mlp"), corpus)
    assert settle(once, corpus) == once


def test_other_protocols_are_left_alone(corpus: Corpus) -> None:
    plain = JudgeConfig()
    assert settle(plain, corpus) is plain and setting_of(plain, corpus) is None


def test_another_data_set_is_refused(tmp_path: Path) -> None:
    other = corpus_named(tmp_path / "c", "umafall", recordings("wrist"))
    with pytest.raises(BadOptionError, match=r"hhar, motionsense, pamap2.*umafall.*window_s"):
        settle(JudgeConfig(protocol="relcon-linear"), other)


@pytest.mark.usefixtures("means")
def test_another_data_set_is_judged_with_windows_of_ones_own(tmp_path: Path) -> None:
    other = corpus_named(tmp_path / "c", "umafall", recordings("wrist"))
    judged = result("relcon-linear", other, tmp_path, window_s=2.5)
    assert judged.estimates["macro_f1"].value > 0.7  # of two classes nothing is different but the name
    assert not any("published" in note for note in judged.notes)


def test_another_rate_is_refused_with_the_remedy(corpus: Corpus, tmp_path: Path) -> None:
    save_encoder(create_encoder("resnet1d_small", spec=imu_spec(100.0), seed=0), tmp_path / "m")
    with pytest.raises(SpecMismatchError, match="--rate 100"):
        judge(tmp_path / "m", corpus, config("relcon-linear"))


@pytest.mark.usefixtures("means")
def test_people_that_the_encoder_knows_are_refused(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    knowing = Means()
    knowing.card = {"pretrain_subjects": ["pamap2/pamap2_3"]}
    monkeypatch.setattr("kinelet.evaluate.judge.load", lambda folder, output=None, modality=None: knowing)
    with pytest.raises(SeenSubjectError, match="pamap2_3"):
        result("relcon-linear", corpus, tmp_path)


def test_a_bundled_figure_has_a_trust_mark() -> None:
    figures = [p for sets in BENCHMARKS.values() for s in sets.values() for p in s.published]
    assert {p.trust for p in figures if p.who.startswith("RelCon")} == {"context", "suspect"}
    assert all(20 < p.macro_f1 < 100 for p in figures)


def test_the_command_runs_the_whole_benchmark(corpus: Corpus, run: Path) -> None:
    more = ("--baselines", "random,hand_linear")
    told = done("evaluate", run, "--corpus", corpus.path, "--protocol", "relcon-linear", *more).out
    assert "published, for context: RelCon 53.98 ± 0.76; SimCLR" in told
    assert "here:" in told and "kappa" in told
    kept = sorted((run / "evaluation" / "body-activity-relcon-linear").glob("*.json"))
    assert [Result.load(p).protocol for p in kept] == ["relcon-linear", "relcon-linear", "linear_probe"]


def test_the_command_says_which_figures_are_suspect(corpus: Corpus, run: Path) -> None:
    quick = ("--baselines", "none", *(f"protocol_options.{k}={v}" for k, v in QUICK["relcon-mlp"].items()))
    told = done("evaluate", run, "--corpus", corpus.path, "--protocol", "relcon-mlp", *quick).out
    suspect, honest = (
        next(x for x in told.splitlines() if x.startswith(f"published, {w}")) for w in ("suspect", "an ho")
    )
    assert suspect.endswith("RelCon, MLP probe 85.4, kappa 84.7")
    assert honest.endswith("frozen convolutions and MLP 72.5 ± 5.4, kappa 71.7")


def test_the_command_says_where_it_left_the_published_way(corpus: Corpus, run: Path) -> None:
    more = ("--baselines", "none", "--split", "loso", "window_s=4")
    told = done("evaluate", run, "--corpus", corpus.path, "--protocol", "relcon-linear", *more).out
    assert "not the published windows or splits: window_s, split" in told


def test_the_command_refuses_other_sets_in_one_line(run: Path, tmp_path: Path) -> None:
    other = corpus_named(tmp_path / "c", "umafall", recordings("wrist"))
    assert (
        "relcon-mlp is defined for"
        in kinelet("evaluate", run, "--corpus", other.path, "--protocol", "relcon-mlp").complaint
    )


# --- nobody on both sides, told from the arrays themselves


def people_in(x: np.ndarray) -> set[int]:
    """Who is in windows ``(n, 3, time)`` or in their means ``(n, 3)``."""
    mean = x.mean(axis=2) if x.ndim == 3 else x
    return set(np.round((mean[:, 2] - np.round(2 * mean[:, 1]) / 2) / 0.125).astype(int).tolist())


def spy(patch: pytest.MonkeyPatch, place: Any, name: str, note: Callable[..., None]) -> None:
    original = getattr(place, name)

    def noted(*arguments: Any, **named: Any) -> Any:
        out = original(*arguments, **named)
        note(*arguments, out)
        return out

    patch.setattr(place, name, noted)


@dataclass
class Audit:
    """Who was in every array that something was fitted to or asked about, fold after fold."""

    protocol: str
    train: list[set[int]] = field(default_factory=list)
    test: list[set[int]] = field(default_factory=list)
    scalers: list[set[int]] = field(default_factory=list)
    stopping: list[tuple[set[int], ...]] = field(default_factory=list)
    judged: Result | None = None

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        own = {"relcon-linear": RelConLinear, "relcon-mlp": RelConMLP, "relcon-finetune": RelConFineTune}
        learner = own[self.protocol].__mro__[1]  # after everything that is done to the windows
        spy(patch, learner, "predict", self._sides)
        spy(patch, Scaler, "fit", lambda x, out: self.scalers.append(people_in(x)))
        for place in (mlp, fine_tune):
            spy(patch, place, "hold_out_people", self._held_out)

    def _sides(self, learner: Any, train: Task, x: np.ndarray, *rest: Any) -> None:
        self.train.append(people_in(train.x))
        self.test.append(people_in(x))

    def _held_out(self, *arguments: Any) -> None:
        self.stopping.append(tuple(people_in(part.x) for part in arguments[-1]))


@pytest.fixture(scope="module", params=PROTOCOLS)
def audit(request: pytest.FixtureRequest, corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """A whole benchmark, watched."""
    found = Audit(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kinelet.evaluate.judge.load", lambda folder, output=None, modality=None: Means())
        found.watch(patch)
        found.judged = result(request.param, corpus, tmp_path_factory.mktemp("audit"))
    return found


def test_nobody_is_learnt_from_and_asked_about(audit: Audit) -> None:
    for train, test in zip(audit.train, audit.test, strict=True):
        assert not train & test
        assert train | test == set(range(PEOPLE))


def test_everybody_is_asked_about_once(audit: Audit) -> None:
    assert sorted(p for test in audit.test for p in test) == list(range(PEOPLE))


def test_every_fold_learns_anew(audit: Audit) -> None:
    assert audit.judged is not None
    folds = len(np.unique(audit.judged.fold))
    assert len(audit.train) == folds == len({frozenset(s) for s in audit.train})
    assert folds == (5 if audit.protocol == "relcon-linear" else PEOPLE)


def test_scalers_see_training_people_alone(audit: Audit) -> None:
    """Of the linear benchmark: four inner folds for the penalty, then all training people."""
    per = {"relcon-linear": 5, "relcon-mlp": 1, "relcon-finetune": 0}[audit.protocol]
    assert len(audit.scalers) == per * len(audit.train)
    for i, train in enumerate(audit.train):
        *inner, last = audit.scalers[per * i : per * (i + 1)] or [train]
        assert last <= train
        assert all(some < train for some in inner)


def test_those_who_stop_training_are_neither_trained_nor_tested_on(audit: Audit) -> None:
    assert len(audit.stopping) == (0 if audit.protocol == "relcon-linear" else PEOPLE)
    for (fit, stopping), test in zip(audit.stopping, audit.test, strict=False):
        assert fit and stopping and not fit & stopping and not (fit | stopping) & test


def test_a_signal_that_tells_the_label_is_learnt(audit: Audit) -> None:
    assert audit.judged is not None and audit.judged.estimates["macro_f1"].value > 0.9


@pytest.mark.usefixtures("means")
def test_axes_are_standardised_with_the_training_people(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[set[int]] = []
    spy(monkeypatch, AxisScaler, "fit", lambda x, out: fitted.append(people_in(x)))
    judge(tmp_path, corpus, JudgeConfig(protocol="relcon-linear", baselines=()))
    told = yaml.safe_load((tmp_path / "evaluation" / "body-activity-relcon-linear" / "splits.yaml").read_text())
    assert fitted == [{int(name[-1]) for name in split["train"]} for split in told["splits"]]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.usefixtures("means")
def test_labels_without_sense_give_chance(senseless: Corpus, tmp_path: Path, protocol: str) -> None:
    judged = result(protocol, senseless, tmp_path)
    assert abs(judged.estimates["kappa"].value) < 0.15
    assert judged.estimates["macro_f1"].value < 0.4


# --- numbers


@pytest.fixture
def kept(senseless: Corpus, tmp_path: Path, means: None) -> dict[str, Any]:
    """What is on disk of a linear benchmark with mistakes in it."""
    result("relcon-linear", senseless, tmp_path)
    place = tmp_path / "evaluation" / "body-activity-relcon-linear"
    found: dict[str, Any] = json.loads(next(place.glob("*.json")).read_text())
    return found


def test_the_summary_follows_from_the_predictions_of_all_folds(kept: dict[str, Any]) -> None:
    truth, predicted = np.array(kept["truth"]), np.array(kept["predicted"])[0]
    theirs = {
        "macro_f1": f1_score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0),
        "kappa": cohen_kappa_score(truth, predicted),
    }
    assert {k: kept["estimates"][k]["value"] for k in theirs} == pytest.approx(theirs, abs=1e-12)


def test_each_folds_numbers_are_those_of_its_windows(kept: dict[str, Any], tmp_path: Path) -> None:
    judged = Result.load(next(tmp_path.rglob("00-*.json")))
    theirs = []
    for fold in np.unique(judged.fold):
        mine = judged.fold == fold
        theirs.append(cohen_kappa_score(judged.truth[mine], judged.predicted[0][mine]))
    assert judged.per_fold("kappa") == pytest.approx(theirs)


def test_published_figures_stand_beside_the_result(kept: dict[str, Any]) -> None:
    assert any(note.startswith("published, for context: RelCon 53.98 ± 0.76") for note in kept["notes"])


PAGE = (Path(__file__).parents[1] / "docs" / "relcon-benchmarks.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_page_has_every_published_figure(protocol: str) -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("|")]
    for setting in BENCHMARKS[protocol].values():
        for p in setting.published:
            figure = f"{p.macro_f1:g}" + (f" ± {p.spread:g}" if p.spread is not None else "")
            figure += f" / {p.kappa:g}" if p.kappa is not None else ""
            assert any(row.startswith(f"| {p.who} |") and f"| {figure} |" in row for row in rows), (p.who, figure)


@pytest.mark.parametrize("protocol", ["relcon-mlp", "relcon-finetune"])
def test_the_page_marks_each_figure_as_the_code_does(protocol: str) -> None:
    for setting in BENCHMARKS[protocol].values():
        for p in setting.published:
            row = next(
                line for line in PAGE.splitlines() if line.startswith(f"| {p.who} |") and f"{p.macro_f1:g}" in line
            )
            assert row.endswith(f"| {p.trust} |")
