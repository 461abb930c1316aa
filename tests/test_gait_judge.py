"""Encoders judged on gait: planted targets are found, people are held out, baselines are what they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from gait_tools import walker
from kinelet.encoders.base import Encoder
from kinelet.encoders.registry import create_encoder
from kinelet.errors import BadOptionError, SpecMismatchError
from kinelet.evaluate.honesty import SeenSubjectError
from kinelet.evaluate.mlp import MLPProbe
from kinelet.evaluate.result import Result
from kinelet.evaluate.run import evaluate_features
from kinelet.evaluate.task import Task
from kinelet.gait import contenders as module
from kinelet.gait.agreement import agreement
from kinelet.gait.config import BASELINES, GaitConfig
from kinelet.gait.cut import cut_walks
from kinelet.gait.estimators import detected, imputed, person
from kinelet.gait.judge import gait_results, splits_of
from kinelet.gait.walks import Walks
from kinelet.report.gait import bland_altman, by_target, columns, markdown, rows, target_of
from kinelet.signal.recording import Annotation
from kinelet.signal.spec import imu_spec

SPEC = imu_spec(50.0, window_s=2.0)
PEOPLE = 8
ONE = GaitConfig(targets=("stride_time",), heads=("ridge",), baselines=())


def made(people: int = PEOPLE, **options: object) -> Walks:
    recordings = [
        walker(f"p{i}", 0.9 + 0.06 * i + 0.04 * k, trial=k, meta={"dataset": "own", "Age": 30 + i, "Height": 170.0})
        for i in range(people)
        for k in range(3)
    ]
    return cut_walks(recordings, SPEC, name="made", **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def walks() -> Walks:
    return made()


def encoder(**card: object) -> Encoder:
    torch.manual_seed(0)
    found = create_encoder("resnet1d_small", spec=SPEC, widths=(8, 8)).eval()
    found.card.update(card)
    return found


class Planted(Encoder):
    """Gives its input's mean: what the test puts there."""

    def __init__(self) -> None:
        super().__init__(SPEC, 3, {})
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=-1) * self.weight


def planted(walks: Walks, noise: float = 0.0) -> Walks:
    """Windows whose mean along a direction tells the stride time."""
    truth = walks.truth("stride_time")[walks.bout]
    rng = np.random.default_rng(0)
    level = np.stack([2 * truth - 1, rng.normal(size=len(truth)), 5 - truth], axis=1)
    x = np.repeat(level[:, :, None], walks.x.shape[-1], axis=2) + noise * rng.normal(size=walks.x.shape)
    return replace(walks, x=x.astype(np.float32))


def test_ridge_recovers_a_planted_linear_target(walks: Walks) -> None:
    [found] = gait_results({"planted": Planted()}, planted(walks), ONE)
    assert found.estimates["mae"].value < 0.002 and found.estimates["r"].value > 0.999


def test_a_planted_target_of_one_walk_is_not_seen_by_people_it_is_not_planted_in(walks: Walks) -> None:
    """Vectors that tell who it is, and nothing else, do not help for people held out."""
    codes = np.array([int(b.subject[1:]) for b in walks.bouts])
    who = np.eye(PEOPLE, dtype=np.float32)[codes]
    task = walks.task("stride_time", who)
    found = evaluate_features(module.ridge(), imputed, task, splits_of(task), name="who")
    assert found.estimates["r"].value < 0.2


def test_shuffled_targets_are_not_told(walks: Walks) -> None:
    task = walks.task("stride_time", planted(walks).aggregate(planted(walks).x.mean(axis=2)))
    mixed = replace(task, y=np.random.default_rng(0).permutation(task.y))
    found = evaluate_features(module.ridge(), imputed, mixed, splits_of(task), name="shuffled")
    assert abs(found.estimates["r"].value) < 0.5


def test_people_are_disjoint_in_what_the_head_gets(walks: Walks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Judged by the arrays: whose vectors were learnt from, and whose were predicted."""
    codes = np.array([int(b.subject[1:]) for b in walks.bouts])
    marked = replace(walks, x=np.repeat(codes[walks.bout, None, None], 3, axis=1).repeat(100, axis=2))
    seen: list[tuple[set[float], set[float]]] = []
    plain = module.RidgeProbe.predict

    def watch(self: module.RidgeProbe, train: Task, x: np.ndarray, *rest: object) -> np.ndarray:
        seen.append((set(train.x[:, 0]), set(x[:, 0])))
        return plain(self, train, x, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module.RidgeProbe, "predict", watch)
    gait_results({"who": Planted()}, marked, ONE)
    assert len(seen) == 5 and all(not train & test for train, test in seen)
    assert set.union(*(test for _, test in seen)) == set(range(PEOPLE))


@pytest.mark.parametrize(("people", "folds"), [(3, 3), (5, 5), (6, 5), (8, 5)])
def test_one_person_at_a_time_where_there_are_few(people: int, folds: int) -> None:
    found = made(people)
    assert len(splits_of(found.task("cadence", np.zeros((len(found.bouts), 1))))) == folds


def test_one_person_cannot_be_judged() -> None:
    with pytest.raises(BadOptionError, match="only p0"):
        gait_results({"a": encoder()}, made(1), ONE)


@pytest.mark.parametrize(("people", "remarks"), [(3, 1), (6, 0)])
def test_few_people_are_remarked_on(people: int, remarks: int) -> None:
    [found] = gait_results({"a": encoder()}, made(people), ONE)
    assert sum("leaves one person out" in note for note in found.notes) == remarks


def test_an_encoder_is_not_judged_on_people_it_knows(walks: Walks) -> None:
    knows = encoder(pretrain_subjects=[f"own/p{i}" for i in range(5)])
    [found] = gait_results({"a": knows}, walks, ONE)
    assert found.subjects == ("p5", "p6", "p7")


def test_an_encoder_that_knows_everybody_is_refused(walks: Walks) -> None:
    knows = encoder(pretrain_subjects=[f"own/p{i}" for i in range(PEOPLE)])
    with pytest.raises(SeenSubjectError):
        gait_results({"a": knows}, walks, ONE)


def test_baselines_are_judged_on_the_same_walks(walks: Walks) -> None:
    knows = encoder(pretrain_subjects=["own/p0", "own/p1", "own/p2"])
    found = gait_results({"a": knows}, walks, ONE.model_copy(update={"baselines": BASELINES}))
    assert {r.subjects for r in found} == {("p3", "p4", "p5", "p6", "p7")}


def test_another_signal_is_refused(walks: Walks) -> None:
    other = create_encoder("resnet1d_small", spec=imu_spec(100.0, window_s=2.0), widths=(8, 8))
    with pytest.raises(SpecMismatchError, match="rate_hz"):
        gait_results({"a": other}, walks, ONE)


def test_several_encoders_of_one_name_are_draws(walks: Walks) -> None:
    [found] = gait_results({"a": [encoder(), encoder(), encoder()]}, walks, ONE)
    assert found.predicted.shape == (3, len(walks.bouts))


def test_every_contender_is_there_once_a_head(walks: Walks) -> None:
    config = GaitConfig(targets=("cadence",), heads=("ridge", "constant"))
    found = [(r.encoder, r.protocol) for r in gait_results({"a": encoder()}, walks, config)]
    assert found == [
        *(("a", h) for h in ("ridge", "constant")),
        ("constant", "constant"),
        ("age, height, weight", "ridge"),
        ("step detector", "as_is"),
        ("step detector's measures", "ridge"),
        *(("hand-crafted features", h) for h in ("ridge", "constant")),
        *(("random encoder", h) for h in ("ridge", "constant")),
    ]


def test_the_mlp_needs_two_people_to_learn_from() -> None:
    config = GaitConfig(targets=("cadence",), heads=("ridge", "mlp_probe"), baselines=())
    [found] = gait_results({"a": encoder()}, made(2), config)
    assert found.protocol == "ridge" and "the MLP probe was left out" in " ".join(found.notes)


def test_the_mlp_learns_a_planted_target(walks: Walks) -> None:
    shown = planted(walks)
    task = walks.task("stride_time", shown.aggregate(shown.x.mean(axis=2)))
    probe = MLPProbe(hidden=32, lr=1e-2, epochs=25)
    found = evaluate_features(probe, imputed, task, splits_of(task)[:1], name="planted")
    assert found.estimates["r"].value > 0.9


def test_the_detector_as_it_is(walks: Walks) -> None:
    [found] = gait_results({}, walks, GaitConfig(targets=("stride_time",), baselines=("detector",)))
    assert found.predicted[0] == pytest.approx(detected(walks)[0][:, 0])
    assert found.estimates["mae"].value < 0.02


def test_the_detector_does_not_guess_what_it_does_not_measure(walks: Walks) -> None:
    assert gait_results({}, walks, GaitConfig(targets=("swing_time",), baselines=("detector",))) == []


def test_the_mean_of_others_tells_nothing_within_people(walks: Walks) -> None:
    [found] = gait_results({}, walks, GaitConfig(targets=("cadence",), baselines=("constant",)))
    assert np.isnan(agreement(found)["r_within"].value) and agreement(found)["r"].value < 0


def stepper(subject: str, step_s: float) -> Walks:
    rec = walker(subject, 2 * step_s)
    steps = tuple(Annotation(t, t + 0.1, label="foot1", track="step") for t in np.arange(1.0, 11.0, step_s))
    return rec.replace(annotations=steps)  # type: ignore[return-value]


@pytest.fixture(scope="module")
def steppers() -> Walks:
    return cut_walks([stepper(f"p{i}", 0.45 + 0.03 * i) for i in range(6)], SPEC, name="made")  # type: ignore[misc]


def test_steps_follow_from_cadence(steppers: Walks) -> None:
    cadence, steps = gait_results({}, steppers, GaitConfig(baselines=("constant",)))
    minutes = np.array([b.duration_s / 60 for b in steppers.bouts])
    assert steps.task == "made: steps" and steps.predicted[0] == pytest.approx(cadence.predicted[0] * minutes + 1)


def test_perfect_cadence_gives_perfect_steps(steppers: Walks) -> None:
    minutes = np.array([b.duration_s / 60 for b in steppers.bouts])
    assert steppers.truth("cadence") * minutes + 1 == pytest.approx(steppers.truth("steps"))


def test_the_detector_counts_steps(steppers: Walks) -> None:
    [steps] = gait_results({}, steppers, GaitConfig(targets=("steps",), baselines=("detector",)))
    assert steps.predicted[0].tolist() == detected(steppers)[1].tolist()
    assert np.abs(steps.predicted[0] - steps.truth).max() <= 2


@pytest.mark.parametrize(("option", "name"), [("targets", "age"), ("baselines", "nobody"), ("heads", "nothing")])
def test_unknown_names_are_refused(walks: Walks, option: str, name: str) -> None:
    with pytest.raises(BadOptionError, match=name):
        gait_results({"a": encoder()}, walks, GaitConfig(**{option: (name,)}))


def test_who_walks_is_known(walks: Walks) -> None:
    about = person(walks)
    assert about is not None and about[:3].tolist() == [[30.0, 170.0]] * 3


def test_nothing_known_of_people_is_no_baseline() -> None:
    found = cut_walks([walker("a", 1.0), walker("b", 1.1)], SPEC, name="made")
    assert person(found) is None
    assert gait_results({}, found, GaitConfig(targets=("cadence",), baselines=("person",))) == []


def test_missing_values_become_the_training_mean() -> None:
    nan = np.nan
    train = Task(np.array([[1, nan], [3, nan]], np.float32), np.zeros(2), np.array([0, 1]), ("a", "b"), SPEC)
    filled, x = imputed(train, np.array([[nan, nan], [7, 8]], np.float32))
    assert (filled.x.tolist(), x.tolist()) == ([[1, 0], [3, 0]], [[2, 0], [7, 8]])


@pytest.fixture(scope="module")
def told(walks: Walks) -> list[Result]:
    config = GaitConfig(targets=("stride_time", "cadence"), heads=("ridge",), baselines=("constant", "detector"))
    return gait_results({"a": encoder()}, walks, config)


def test_results_are_grouped_by_target(told: list[Result]) -> None:
    assert {task: len(group) for task, group in by_target(told).items()} == {"made: stride_time": 3, "made: cadence": 3}


def test_a_row_has_a_cell_a_column(told: list[Result]) -> None:
    assert {len(row) for row in rows(told)} == {len(columns())}


def test_the_table_names_target_unit_walks_and_people(told: list[Result]) -> None:
    assert "### made: cadence (steps/min; 24 walks of 8 people)" in markdown(told)


def test_the_table_holds_the_error(told: list[Result]) -> None:
    mae = agreement(told[2])["mae"].value
    assert (target_of(told[2]), told[2].encoder) == ("stride_time", "step detector")
    assert f"| step detector | as_is | {mae:.3f} [" in markdown(told)


def test_bland_altman_has_a_point_a_walk_and_names_people(told: list[Result]) -> None:
    picture = bland_altman(told[2])
    assert picture.startswith("<svg") and all(f">p{i}<" in picture for i in range(PEOPLE))


def test_results_survive_a_file(told: list[Result], tmp_path: object) -> None:
    told[0].save(f"{tmp_path}/a.json")
    assert agreement(Result.load(f"{tmp_path}/a.json")) == agreement(told[0])
