from __future__ import annotations

import numpy as np

from evaluating import silent, vectors
from kinelet.evaluate.knn import KNN, vote
from kinelet.evaluate.logistic import Scaler
from kinelet.vectors import unit


def naive(train_x: np.ndarray, y: np.ndarray, x: np.ndarray, k: int) -> list[int]:
    out = []
    for row in x:
        cosine = [float(row @ other / np.linalg.norm(row) / np.linalg.norm(other)) for other in train_x]
        nearest = np.argsort(cosine)[::-1][:k]
        score = {c: [0, 0.0] for c in set(y)}
        for i in nearest:
            score[y[i]][0] += 1
            score[y[i]][1] += cosine[i]
        out.append(max(score, key=lambda c: score[c]))
    return out


def test_predictions_equal_a_plain_loop() -> None:
    t = vectors(noise=3.0)
    train, x = t.take(np.arange(0, 160)), t.x[160:]
    scaler = Scaler.fit(train.x)
    want = naive(scaler(train.x), train.y, scaler(x), 6)
    assert KNN(k=6).predict(train, x, None, silent)[0].tolist() == want


def test_a_tie_goes_to_the_class_that_is_closer() -> None:
    similarity = np.array([[0.9, 0.2, 0.8, 0.1]], np.float32)
    assert vote(similarity, np.array([1, 0, 1, 0]), 4, 2).tolist() == [1]


def test_one_more_vote_beats_any_closeness() -> None:
    similarity = np.array([[0.99, -0.5, -0.6]], np.float32)
    assert vote(similarity, np.array([1, 0, 0]), 3, 2).tolist() == [0]


def test_more_neighbours_than_windows_means_all() -> None:
    t = vectors(n_people=2, per=4)
    commonest = np.bincount(t.y).argmax()
    assert (KNN(k=500).predict(t, t.x, None, silent)[0] == commonest).mean() > 0.4


def test_zero_vectors_stay_zero() -> None:
    assert np.array_equal(unit(np.zeros((1, 3), np.float32)), np.zeros((1, 3)))
