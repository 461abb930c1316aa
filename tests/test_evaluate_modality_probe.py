"""The probe on several modalities: one width for all, nothing learnt from who is judged, the same labels for a seed."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from kinelet.evaluate.knn import KNN
from kinelet.evaluate.modality_probe import Group, ModalityProbe, Reduction, labelled_rows
from kinelet.evaluate.probe import LinearProbe
from kinelet.evaluate.task import Task
from kinelet.signal.spec import imu_spec

PEOPLE = tuple("abcdef")


def task(dim: int = 12, n: int = 240, classes: int = 3, seed: int = 0) -> Task:
    generator = np.random.default_rng(seed)
    y = generator.integers(0, classes, n)
    x = generator.normal(size=(n, dim)).astype(np.float32)
    x[:, 0] += 2.0 * y
    x[:, dim // 2] -= 1.5 * y
    subject = np.arange(n) % len(PEOPLE)
    return Task(x, y, subject, PEOPLE, imu_spec(50.0), tuple(f"c{i}" for i in range(classes)))


def silence(_note: str) -> None:
    pass


def test_reduction_is_standardisation_and_principal_components() -> None:
    x = np.random.default_rng(0).normal(size=(100, 9)).astype(np.float32) @ np.diag(np.arange(1, 10)).astype(np.float32)
    expected = PCA(4, svd_solver="full").fit_transform(StandardScaler().fit_transform(x))
    got = Reduction.fit(x, 4)(x)
    # Components have no sign of their own.
    np.testing.assert_allclose(np.abs(got), np.abs(expected), atol=1e-3)


def test_all_groups_come_out_at_one_width() -> None:
    told = task(12)
    groups = (Group(name="a", columns=8), Group(name="b", columns=4))
    probe = ModalityProbe(groups=groups, width=4)
    assert probe.apply(probe.reductions(told.x), told.x).shape == (len(told), 8)
    wide = ModalityProbe(groups=groups, width=None)
    assert wide.apply(wide.reductions(told.x), told.x).shape == (len(told), 12)


def test_without_reduction_it_is_the_linear_probe() -> None:
    told = task()
    train, rest = told.take(np.arange(0, 160)), told.x[160:]
    got = ModalityProbe(width=None).predict(train, rest, None, silence)
    np.testing.assert_array_equal(got, LinearProbe().predict(train, rest, None, silence))


def test_absent_rows_get_the_training_mean() -> None:
    told = task()
    x = told.x.copy()
    x[5, 6:], x[9, :6] = np.nan, np.nan
    groups = (Group(name="a", columns=6), Group(name="b", columns=6))
    probe = ModalityProbe(groups=groups, width=6)
    maps = probe.reductions(x)
    out = probe.apply(maps, x)
    np.testing.assert_allclose(out[5, 6:], 0, atol=1e-5)
    np.testing.assert_allclose(out[9, :6], 0, atol=1e-5)
    np.testing.assert_allclose(maps[1].fill, np.delete(x[:, 6:], 5, axis=0).mean(axis=0), rtol=1e-5)


def test_nothing_is_learnt_from_who_is_judged() -> None:
    told = task()
    train, rest = told.take(np.arange(0, 160)), told.x[160:]
    alone = ModalityProbe(width=5).predict(train, rest[:1], None, silence)
    among = ModalityProbe(width=5).predict(train, np.concatenate([rest[:1], 100 * rest[1:]]), None, silence)
    assert alone[0, 0] == among[0, 0]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_labels_are_a_share_of_each_class_and_the_same_for_a_seed(share: float) -> None:
    """Spec check 23: subsets are stratified, and the same seed gives the same subset."""
    told = task(n=600)
    rows = labelled_rows(told, share, 3)
    np.testing.assert_array_equal(rows, labelled_rows(told, share, 3))
    assert not np.array_equal(rows, labelled_rows(told, share, 4))
    counts, kept = np.bincount(told.y), np.bincount(told.y[rows])
    np.testing.assert_array_equal(kept, np.maximum(1, np.round(share * counts)))


def test_directions_come_from_all_windows_labels_from_some() -> None:
    told = task(n=600)
    few = ModalityProbe(width=5, share=0.1)
    rows = labelled_rows(told, 0.1, 0)
    maps = few.reductions(told.x)
    expected = LinearProbe().predict(
        told.take(rows).with_x(few.apply(maps, told.x[rows])), few.apply(maps, told.x), None, silence
    )
    np.testing.assert_array_equal(few.predict(told, told.x, None, silence), expected)


def test_nearest_neighbours_and_values() -> None:
    told = task()
    train, rest = told.take(np.arange(0, 160)), told.x[160:]
    knn = ModalityProbe(width=None, head="knn", k=5)
    scaled = knn.apply(knn.reductions(train.x), train.x), knn.apply(knn.reductions(train.x), rest)
    expected = KNN(k=5).predict(train.with_x(scaled[0]), scaled[1], None, silence)
    np.testing.assert_array_equal(knn.predict(train, rest, None, silence), expected)
    values = Task(told.x, told.x[:, 0] * 3 + 1, told.subject, PEOPLE, told.spec)
    got = ModalityProbe(width=None).predict(values.take(np.arange(160)), rest, None, silence)
    assert np.abs(got[0] - values.y[160:]).max() < 0.2
