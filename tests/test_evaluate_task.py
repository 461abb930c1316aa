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
