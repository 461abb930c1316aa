from __future__ import annotations

import numpy as np
import pytest

from evaluating import as_they_are, folds, silent, vectors
from kinelet.evaluate.few_shot import FewShot
from kinelet.evaluate.run import evaluate_features


def test_a_draw_holds_k_windows_of_each_class() -> None:
    t = vectors()
    rows = FewShot(k=4, people=3, draws=1).supports(t)[0]
    assert np.bincount(t.y[rows]).tolist() == [4, 4, 4]


def test_a_draw_comes_from_few_people() -> None:
    t = vectors()
    assert all(len(np.unique(t.subject[rows])) <= 2 for rows in FewShot(people=2).supports(t))


def test_draws_do_not_depend_on_the_encoder() -> None:
    t = vectors()
    a, b = FewShot().supports(t), FewShot().supports(t.with_x(np.ones((len(t), 2), np.float32)))
    assert all(np.array_equal(i, j) for i, j in zip(a, b, strict=True))


def test_draws_differ_from_each_other() -> None:
    a, b = FewShot(draws=2).supports(vectors())
    assert not np.array_equal(a, b)


def test_another_seed_gives_other_draws() -> None:
    t = vectors()
    assert not np.array_equal(FewShot(seed=0).supports(t)[0], FewShot(seed=1).supports(t)[0])


def test_support_people_are_never_test_people() -> None:
    t = vectors()
    split = folds(t)[0]
    train = t.take(t.rows(split.train))
    used = {train.subjects[i] for rows in FewShot().supports(train) for i in train.subject[rows]}
    assert not used & set(split.test)


def test_there_is_one_prediction_a_draw() -> None:
    t = vectors()
    assert FewShot(draws=3).predict(t, t.x[:7], None, silent).shape == (3, 7)


@pytest.mark.parametrize("classifier", ["logistic", "centroid"])
def test_easy_classes_need_few_windows(classifier: str) -> None:
    t = vectors(noise=0.2)
    r = evaluate_features(FewShot(k=2, draws=5, classifier=classifier), as_they_are, t, folds(t), name="x")
    assert r.estimates["macro_f1"].value > 0.9


def test_more_windows_help() -> None:
    t = vectors(noise=2.0, n_people=12)
    score = [
        evaluate_features(FewShot(k=k, people=4, draws=10), as_they_are, t, folds(t), name="x").estimates["accuracy"]
        for k in (1, 10)
    ]
    assert score[1].value > score[0].value


def test_classes_without_support_are_told() -> None:
    t = vectors()
    rare = t.take(np.flatnonzero((t.y != 2) | (t.subject == 0)))
    r = evaluate_features(FewShot(people=1, draws=10), as_they_are, rare, folds(rare), name="x")
    assert any("performed by none of the people drawn" in note for note in r.notes)


def test_nothing_is_told_where_every_class_has_support() -> None:
    assert FewShot(people=4).notes(vectors()) == ()
