"""Running protocols over splits, and refusing to judge an encoder on people it knows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from evaluating import Stats, as_they_are, folds, values, vectors, waves
from kinelet.corpus.splits import Split
from kinelet.encoders.base import Encoder
from kinelet.errors import BadOptionError, SpecMismatchError
from kinelet.evaluate.honesty import SeenSubjectError, qualified, seen
from kinelet.evaluate.knn import KNN
from kinelet.evaluate.probe import LinearProbe
from kinelet.evaluate.run import evaluate, evaluate_crossfit, evaluate_features
from kinelet.signal.spec import imu_spec


@dataclass(frozen=True)
class Loose:
    """A split that checks nothing."""

    train: tuple[str, ...]
    test: tuple[str, ...]


def knows(*subjects: str) -> Stats:
    encoder = Stats()
    encoder.card = {"method": "made", "pretrain_subjects": list(subjects)}
    return encoder


def test_every_window_of_a_test_person_is_predicted_once() -> None:
    t = vectors()
    assert np.array_equal(evaluate_features(KNN(), as_they_are, t, folds(t), name="x").row, np.arange(len(t)))


def test_truth_goes_with_its_window() -> None:
    t = vectors()
    r = evaluate_features(KNN(), as_they_are, t, folds(t)[::-1], name="x")
    assert np.array_equal(r.truth, t.y[r.row])


def test_predictions_do_not_depend_on_the_order_of_splits() -> None:
    t = vectors()
    a, b = (evaluate_features(KNN(), as_they_are, t, s, name="x") for s in (folds(t), folds(t)[::-1]))
    assert np.array_equal(a.predicted, b.predicted)


def test_each_window_remembers_the_fold_it_was_tested_in() -> None:
    t = vectors()
    r = evaluate_features(KNN(), as_they_are, t, folds(t), name="x")
    assert {r.subjects[i] for i in r.subject[r.fold == 2]} == set(folds(t)[2].test)


def test_people_never_tested_are_not_in_the_result() -> None:
    t = vectors()
    r = evaluate_features(KNN(), as_they_are, t, folds(t)[:1], name="x")
    assert r.subjects == folds(t)[0].test


def test_an_encoder_is_judged_by_its_vectors() -> None:
    t = waves()
    direct = evaluate_features(LinearProbe(), as_they_are, t.with_x(Stats().embed(t.x)), folds(t), name="x")
    assert np.array_equal(evaluate(LinearProbe(), Stats(), t, folds(t)).predicted, direct.predicted)


def test_progress_counts_splits() -> None:
    told: list[int] = []
    t = waves()
    evaluate(KNN(), Stats(), t, folds(t), progress=lambda done, note="": told.append(done))
    assert told == [1, 2, 3, 4]


def test_an_encoder_in_other_units_is_given_its_own() -> None:
    task = waves()
    si = Stats(task.spec.replace(units=("m/s^2",) * len(task.spec.units)))
    given: list[np.ndarray] = []
    si.register_forward_pre_hook(lambda _, x: given.append(x[0].numpy()))
    result = evaluate(LinearProbe(), si, task, folds(task))
    np.testing.assert_allclose(np.concatenate(given), task.x * np.float32(9.80665), rtol=1e-6)
    crossed = evaluate_crossfit(LinearProbe(), lambda _: si, task, folds(task))
    assert np.array_equal(result.predicted, crossed.predicted)


def test_another_rate_is_refused() -> None:
    t = replace(waves(), spec=imu_spec(50.0))
    with pytest.raises(SpecMismatchError, match="rate_hz"):
        evaluate(KNN(), Stats(), t, folds(t))


def test_a_person_in_both_parts_of_a_split_is_refused() -> None:
    with pytest.raises(BadOptionError, match="trains and tests on"):
        evaluate(KNN(), Stats(), waves(), [Loose(("P00", "P01"), ("P01",))])


def test_a_person_tested_twice_is_refused() -> None:
    with pytest.raises(BadOptionError, match="more than one split"):
        evaluate(KNN(), Stats(), waves(), [Loose(("P00",), ("P01",)), Loose(("P02",), ("P01",))])


def test_a_side_without_windows_is_refused() -> None:
    t = waves()
    with pytest.raises(BadOptionError, match="have no windows"):
        evaluate(KNN(), Stats(), t.take(t.rows(["P00", "P01"])), [Loose(("P00",), ("P04",))])


def test_no_splits_are_refused() -> None:
    with pytest.raises(BadOptionError, match="no split"):
        evaluate(KNN(), Stats(), waves(), [])


def test_a_classifier_does_not_judge_values() -> None:
    t = values()
    with pytest.raises(BadOptionError, match="but the targets are values"):
        evaluate_features(KNN(), as_they_are, t, folds(t), name="x")


def test_an_encoder_is_not_judged_on_people_it_knows() -> None:
    t = replace(waves(), origins=("study",))
    with pytest.raises(SeenSubjectError, match="P03"):
        evaluate(KNN(), knows("study/P03"), t, folds(t))


def test_the_refusal_names_the_remedy() -> None:
    t = replace(waves(), origins=("study",))
    with pytest.raises(SeenSubjectError, match="evaluate_crossfit"):
        evaluate(KNN(), knows("study/P03"), t, folds(t))


def test_knowing_a_training_person_is_fine() -> None:
    t = replace(waves(), origins=("study",))
    split = [Split(("P00", "P01", "P02"), ("P03", "P04"))]
    assert evaluate(KNN(), knows("study/P00"), t, split).subjects == ("P03", "P04")


@pytest.mark.parametrize(
    ("card", "origins", "known"),
    [
        ("study/P01", ("study", "a1"), True),
        ("a1/P01", ("study", "a1"), True),
        ("other/P01", ("study",), False),
        ("P01", ("study",), True),
        ("other/P01", (), True),
        ("study/P11", ("study",), False),
    ],
)
def test_who_counts_as_known(card: str, origins: tuple[str, ...], known: bool) -> None:
    assert bool(seen(knows(card), replace(waves(), origins=origins), ["P01"])) is known


def test_people_of_a_corpus_are_compared_by_all_their_names() -> None:
    t = replace(waves(), identities=tuple(frozenset({f"hash/P{i:02d}", f"set/{i}"}) for i in range(6)))
    assert seen(knows("set/4", "P05"), t, t.people) == ["P04"]


def test_names_are_qualified_by_every_origin() -> None:
    assert qualified(["a", "b"], ["x", "y"]) == ["x/a", "y/a", "x/b", "y/b"]


def test_a_card_that_hides_its_people_is_remarked_on() -> None:
    encoder = Stats()
    encoder.card = {"method": "made"}
    t = waves()
    assert "pretrain_subjects" in evaluate(KNN(), encoder, t, folds(t)).notes[0]


def test_an_untrained_encoder_needs_no_remark() -> None:
    t = waves()
    assert evaluate(KNN(), Stats(), t, folds(t)).notes == ()


def test_crossfit_gets_an_encoder_for_each_split() -> None:
    t = waves()
    asked: list[Split] = []

    def pretrain(split: Split) -> Encoder:
        asked.append(split)
        return knows(*split.train)

    evaluate_crossfit(KNN(), pretrain, t, folds(t))
    assert asked == list(folds(t))


def test_crossfit_with_one_encoder_equals_judging_it() -> None:
    t = waves()
    crossed = evaluate_crossfit(LinearProbe(), lambda split: Stats(), t, folds(t))
    assert np.array_equal(crossed.predicted, evaluate(LinearProbe(), Stats(), t, folds(t)).predicted)


def test_crossfit_refuses_an_encoder_that_knows_its_test_people() -> None:
    t = waves()
    with pytest.raises(SeenSubjectError):
        evaluate_crossfit(KNN(), lambda split: knows(*split.test), t, folds(t))
