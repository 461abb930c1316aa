"""The linear probe, and that nothing of the test people leaks into it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.preprocessing import StandardScaler

from evaluating import Spy, as_they_are, folds, names, silent, vectors
from kinelet.evaluate.folds import inner_folds, subject_folds
from kinelet.evaluate.probe import LinearProbe, choose_strength
from kinelet.evaluate.registry import get_protocol
from kinelet.evaluate.run import evaluate_features
from kinelet.evaluate.task import Task

CLASSIFIERS = ["linear_probe", "knn", "few_shot", "ridge", "boosting"]


def memorised(n_people: int = 60, per: int = 10) -> Task:
    """Each person has a signature and one label for all windows, drawn by a coin: nothing carries over to others."""
    r = np.random.default_rng(5)
    subject = np.repeat(np.arange(n_people), per)
    label = np.arange(n_people) % 2
    x = r.normal(size=(n_people, 80))[subject] + 0.05 * r.normal(size=(len(subject), 80))
    return Task(x.astype(np.float32), label[subject], subject, names(n_people), vectors().spec, ("a", "b"))


def test_easy_classes_are_told_apart_on_new_people() -> None:
    t = vectors(noise=0.2)
    result = evaluate_features(LinearProbe(), as_they_are, t, folds(t), name="x")
    assert result.estimates["macro_f1"].value > 0.95


@pytest.mark.parametrize("protocol", ["linear_probe", "knn", "ridge"])
def test_labels_that_only_memory_of_people_yields_score_at_chance(protocol: str) -> None:
    t = memorised()
    result = evaluate_features(get_protocol(protocol), as_they_are, t, folds(t), name="x")
    assert result.estimates["accuracy"].value < 0.67


def test_the_same_labels_would_score_high_if_windows_were_split() -> None:
    t = memorised()
    train, test = t.take(np.arange(0, len(t), 2)), t.take(np.arange(1, len(t), 2))
    assert (LinearProbe().predict(train, test.x, None, silent)[0] == test.y).mean() > 0.95


@pytest.mark.parametrize("protocol", CLASSIFIERS)
def test_shuffling_test_labels_alters_no_prediction_of_that_fold(protocol: str) -> None:
    t = vectors()
    split = folds(t)[:1]
    rows = t.rows(split[0].test)
    y = t.y.copy()
    y[rows] = np.random.default_rng(1).permutation(y[rows])
    made = [
        evaluate_features(get_protocol(protocol), as_they_are, task, split, name="x") for task in (t, replace(t, y=y))
    ]
    assert np.array_equal(made[0].predicted, made[1].predicted)


def test_no_test_persons_rows_reach_a_protocol() -> None:
    t = vectors()
    Spy.seen.clear()
    evaluate_features(Spy(), as_they_are, t, folds(t), name="x")
    overlap = [set(train.people) & set(s.test) for (train, _), s in zip(Spy.seen, folds(t), strict=True)]
    assert overlap == [set()] * 4


def test_a_protocol_gets_exactly_the_training_peoples_windows() -> None:
    t = vectors()
    Spy.seen.clear()
    evaluate_features(Spy(), as_they_are, t, folds(t), name="x")
    train, x = Spy.seen[0]
    assert len(train) + len(x) == len(t) and np.array_equal(train.x, t.x[t.rows(folds(t)[0].train)])


def test_moving_test_vectors_does_not_move_the_scaler() -> None:
    t = vectors()
    train, x = t.take(t.rows(names(6))), t.x[t.rows(["P06", "P07"])]
    together = LinearProbe().predict(train, np.concatenate([x, x + 1000]), None, silent)[0]
    assert np.array_equal(together[: len(x)], LinearProbe().predict(train, x, None, silent)[0])


def test_inner_folds_never_hold_out_part_of_a_person() -> None:
    t = vectors()
    shared = [set(t.subject[fit]) & set(t.subject[out]) for fit, out in inner_folds(t.subject, 3)]
    assert shared == [set()] * 3


def test_each_person_is_held_out_once() -> None:
    t = vectors()
    assert (np.sum(subject_folds(t.subject, 3), axis=0) == 1).all()


def test_there_are_no_more_folds_than_people() -> None:
    assert len(subject_folds(np.array([0, 0, 1, 1]), 5)) == 2


def test_the_strength_is_the_one_that_scikit_learn_would_choose_on_the_inner_folds() -> None:
    t, grid = vectors(noise=2.0), (1e-5, 0.1)
    scores = []
    for strength in grid:
        predicted = np.zeros_like(t.y)
        for fit, out in inner_folds(t.subject, 3):
            scaler = StandardScaler().fit(t.x[fit])
            model = LogisticRegression(C=strength).fit(scaler.transform(t.x[fit]), t.y[fit])
            predicted[out] = model.predict(scaler.transform(t.x[out]))
        scores.append(f1_score(t.y, predicted, average="macro"))
    assert choose_strength(t, grid, False, 3) == grid[int(np.argmax(scores))]


def test_with_one_training_person_the_middle_of_the_grid_is_taken() -> None:
    t = vectors(n_people=1)
    assert choose_strength(t, (0.1, 0.2, 0.3), False, 3) == 0.2


def test_balanced_weights_raise_the_recall_of_a_rare_class() -> None:
    t = vectors(noise=3.0)
    rare = t.take(np.flatnonzero((t.y != 2) | (np.arange(len(t)) % 8 == 0)))
    recall = []
    for weight in ("none", "balanced"):
        r = evaluate_features(LinearProbe(class_weight=weight), as_they_are, rare, folds(rare), name="x")
        recall.append(r.confusion[2, 2] / r.confusion[2].sum())
    assert recall[1] > recall[0]
