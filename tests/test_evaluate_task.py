from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from corpus_tools import corpus_of, people, recording
from evaluating import values, vectors
from kinelet.errors import BadOptionError
from kinelet.evaluate.task import Task
from kinelet.signal.recording import Annotation
from kinelet.signal.spec import imu_spec


def test_rows_of_people_are_all_theirs() -> None:
    t = vectors()
    assert set(t.subject[t.rows(["P01", "P03"])]) == {1, 3}


def test_an_unknown_person_is_named() -> None:
    with pytest.raises(BadOptionError, match="nobody"):
        vectors().rows(["nobody"])


def test_people_are_those_with_windows() -> None:
    t = vectors()
    assert t.take(t.rows(["P02"])).people == ("P02",)


def test_taking_windows_takes_their_targets() -> None:
    t = vectors()
    assert np.array_equal(t.take([5, 2]).y, t.y[[5, 2]])


def test_taking_windows_takes_their_recordings() -> None:
    t = replace(vectors(), recording=np.arange(240))
    assert t.take([5, 2]).recording.tolist() == [5, 2]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"y": np.zeros(3)}, "lengths differ"),
        ({"y": np.full(240, 9)}, "label codes"),
        ({"y": np.full(240, -1)}, "label codes"),
        ({"subject": np.full(240, 99)}, "subject codes"),
        ({"subjects": ("a",) * 8}, "names repeat"),
        ({"identities": (frozenset("a"),)}, "identities"),
    ],
)
def test_inconsistent_arrays_are_refused(change: dict[str, object], told: str) -> None:
    with pytest.raises(BadOptionError, match=told):
        replace(vectors(), **change)


def test_values_must_be_finite() -> None:
    with pytest.raises(BadOptionError, match="not finite"):
        replace(values(), y=np.full(240, np.nan))


def test_a_task_with_classes_judges_classes() -> None:
    assert (vectors().kind, values().kind) == ("classes", "values")


def test_a_corpus_gives_its_labelled_windows(tmp_path: Path) -> None:
    windows = corpus_of(tmp_path / "c", *people(3)).windows(5.0)
    task = Task.from_windows(windows)
    keep = np.flatnonzero(windows.label >= 0)
    assert np.array_equal(task.x, windows.gather(keep)) and np.array_equal(task.y, windows.label[keep])


def test_a_corpus_names_its_people(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "c", *people(3))
    task = Task.from_windows(corpus.windows(5.0))
    assert task.identities[1] == corpus.identities([task.subjects[1]])


def test_values_of_a_corpus_become_a_regression_task(tmp_path: Path) -> None:
    made = recording(n=1000, annotations=(Annotation(0, 10, value=72.0, track="pulse"),))
    task = Task.from_windows(corpus_of(tmp_path / "c", made).windows(5.0, track="pulse"), target="values")
    assert task.y.tolist() == [72.0, 72.0]


def test_a_corpus_without_labels_cannot_be_judged(tmp_path: Path) -> None:
    windows = corpus_of(tmp_path / "c", recording()).windows(5.0)
    with pytest.raises(BadOptionError, match="no window has a"):
        Task.from_windows(windows, target="values")


def of_units(*units: str) -> Task:
    spec = imu_spec(50.0, gyro=True).replace(units=units)
    x = np.random.default_rng(0).normal(size=(4, 6, 10)).astype(np.float32)
    return Task(x, np.arange(4) % 2, np.arange(4), ("a", "b", "c", "d"), spec, classes=("sit", "walk"))


SI = imu_spec(50.0, gyro=True).replace(units=("m/s^2",) * 3 + ("rad/s",) * 3)


def test_windows_in_g_are_converted_for_an_encoder_in_si_units() -> None:
    task = of_units(*["g"] * 3, *["deg/s"] * 3)
    found = task.in_units_of(SI)
    factor = np.repeat([9.80665, np.pi / 180], 3)[:, None]
    np.testing.assert_allclose(found.x, task.x * factor, rtol=1e-6)
    assert found.spec == SI


@pytest.mark.parametrize("units", [("1",) * 6, ("g", "g", "g", "g", "g", "g"), SI.units])
def test_units_that_do_not_convert_or_are_the_same_are_left_alone(units: tuple[str, ...]) -> None:
    task = of_units(*units)
    assert task.in_units_of(SI) is task


def test_other_channels_are_left_for_the_encoder_to_refuse() -> None:
    task = of_units(*["g"] * 3, *["rad/s"] * 3)
    assert task.in_units_of(imu_spec(50.0)) is task
