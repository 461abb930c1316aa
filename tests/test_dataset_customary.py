"""Parts of a set: kept apart by person or run, or as is customary, with a warning (check 26 of the specification)."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from corpus_tools import corpus_of, recording
from kinelet.corpus import Corpus, Parts
from kinelet.corpus.moments import moments
from kinelet.corpus.windows import Windows
from kinelet.datasets.customary import CUSTOMARY, honest_parts, published_parts
from kinelet.errors import BadOptionError
from kinelet.signal.recording import Annotation

PARTS = ("train", "validation", "test")


def drive(name: str, subject: str, vehicle: str | None = None, n: int = 1000) -> object:
    marks = (Annotation(0.0, n / 50, label=vehicle, track="vehicle"),) if vehicle else ()
    return recording(name, subject, n, annotations=marks)


@pytest.fixture(scope="module")
def vehicles(tmp_path_factory: pytest.TempPathFactory) -> Windows:
    """Vehicle a has five runs of two nodes, b two runs, c one."""
    runs = [*(f"a{i}" for i in range(5)), "b0", "b1", "c0"]
    made = [drive(f"{run}_rs{node}", run, run[0]) for run in runs for node in (1, 2)]
    return corpus_of(tmp_path_factory.mktemp("v") / "c", *made).windows(2.0, track="vehicle")


@pytest.fixture(scope="module")
def fifteen(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    made = [recording(f"r{i}", f"P{i:02d}", 500, seed=i) for i in range(15)]
    return corpus_of(tmp_path_factory.mktemp("p") / "c", *made)


def quietly(data: Windows, name: str, seed: int = 0) -> Parts:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return published_parts(data, name, seed)


def people(parts: Parts) -> dict[str, set[str]]:
    return {p: {w.subjects[i] for i in np.unique(w.subject)} for p in PARTS for w in [getattr(parts, p)]}


def rows(parts: Parts) -> dict[str, set[tuple[int, int]]]:
    found = {}
    for p in PARTS:
        w = getattr(parts, p)
        found[p] = set(zip(w.recording.tolist(), w.start.tolist(), strict=True))
    return found


# --- honest -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_check_26_runs_of_a_vehicle_are_parted_within_their_class(vehicles: Windows, seed: int) -> None:
    who = people(honest_parts(vehicles, seed))
    assert {p: sorted(name[0] for name in who[p]) for p in PARTS} == {
        "train": ["a", "a", "a", "b", "c"],
        "validation": ["a"],
        "test": ["a", "b"],
    }


def test_nodes_of_a_run_stay_together(vehicles: Windows) -> None:
    parts = honest_parts(vehicles)
    assert sum(len(getattr(parts, p)) for p in PARTS) == len(vehicles)
    assert all(len(np.unique(getattr(parts, p).recording)) == 2 * len(people(parts)[p]) for p in PARTS)


def test_people_of_all_classes_are_parted_three_to_one_to_one(fifteen: Corpus) -> None:
    who = people(honest_parts(fifteen.windows(2.0)))
    assert [len(who[p]) for p in PARTS] == [9, 3, 3]


def test_the_seed_decides(fifteen: Corpus) -> None:
    windows = fifteen.windows(2.0)
    assert people(honest_parts(windows, 1)) == people(honest_parts(windows, 1)) != people(honest_parts(windows, 2))


def test_the_order_of_windows_does_not_matter(vehicles: Windows) -> None:
    shuffled = vehicles.select(np.random.default_rng(0).permutation(len(vehicles)))
    assert people(honest_parts(shuffled, 3)) == people(honest_parts(vehicles, 3))


def test_two_people_cannot_be_three_parts(fifteen: Corpus) -> None:
    with pytest.raises(BadOptionError, match="nothing is left for validation"):
        honest_parts(fifteen.windows(2.0).of(["P00", "P01"]))


def test_moments_are_parted_too(fifteen: Corpus) -> None:
    found = moments(fifteen, {"x": "acc_x", "y": "acc_y"}, 2.0)
    assert [len(getattr(honest_parts(found), p)) for p in PARTS] == [45, 15, 15]


# --- as is customary --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(CUSTOMARY) - {"realworld_har"}))
def test_check_26_customary_parts_warn_and_label(vehicles: Windows, name: str) -> None:
    with pytest.warns(UserWarning, match="published protocol"):
        parts = published_parts(vehicles, name)
    assert "validation and test are of the same recordings" in parts.notes[0]


def test_mod_is_split_window_by_window(vehicles: Windows) -> None:
    found = rows(quietly(vehicles, "mod"))
    assert found["validation"] == found["test"] and not found["train"] & found["test"]
    assert 0.7 < len(found["train"]) / len(vehicles) < 0.9


def test_mod_learns_from_neighbours_of_test_windows(vehicles: Windows) -> None:
    assert "train and test are of the same recordings" in quietly(vehicles, "mod").faults


@pytest.fixture(scope="module")
def acids(tmp_path_factory: pytest.TempPathFactory) -> Windows:
    """Three vehicles with twenty drives of two arrays each."""
    keys = [(v, r, a) for v in (1, 2, 3) for r in range(20) for a in (1, 2)]
    made = [drive(f"acids_Gv{v}a{a}{r:03d}", f"acids_v{v}a_{r:03d}", n=200) for v, r, a in keys]
    return corpus_of(tmp_path_factory.mktemp("a") / "c", *made).windows(2.0)


@pytest.mark.parametrize("seed", range(4))
def test_acids_tests_a_file_of_each_vehicle_and_few_more(acids: Windows, seed: int) -> None:
    test = quietly(acids, "acids", seed).test
    tested = {test.subjects[i][:8] for i in np.unique(test.subject)}
    assert tested == {"acids_v1", "acids_v2", "acids_v3"} and 3 <= len(np.unique(test.recording)) <= 20


def test_acids_files_are_whole_and_on_one_side(acids: Windows) -> None:
    parts = quietly(acids, "acids")
    assert not set(parts.train.recording.tolist()) & set(parts.test.recording.tolist())
    assert len(parts.train) + len(parts.test) == len(acids)


def test_acids_parts_arrays_of_one_drive(acids: Windows) -> None:
    assert any("in both train and test" in f for f in quietly(acids, "acids").faults)


@pytest.mark.parametrize(("name", "want"), [("realworld_har", [10, 2, 3]), ("pamap2", [12, 3, 3])])
def test_people_are_counted_as_published(fifteen: Corpus, name: str, want: list[int]) -> None:
    who = people(quietly(fifteen.windows(2.0), name))
    assert [len(who[p]) for p in PARTS] == want


def test_realworld_keeps_people_apart_and_still_says_whose_protocol_it_is(fifteen: Corpus) -> None:
    assert "nothing overlaps" in quietly(fifteen.windows(2.0), "realworld_har").notes[0]


def test_pamap2_is_validated_on_its_test(fifteen: Corpus) -> None:
    found = rows(quietly(fifteen.windows(2.0), "pamap2"))
    assert found["validation"] == found["test"]


def test_a_set_without_custom_is_refused(fifteen: Corpus) -> None:
    with pytest.raises(BadOptionError, match="mod, acids"):
        published_parts(fifteen.windows(2.0), "stress_predict")


def test_a_part_without_anybody_is_refused(fifteen: Corpus) -> None:
    with pytest.raises(BadOptionError, match="nothing is left for validation"):
        published_parts(fifteen.windows(2.0).of(["P00", "P01"]), "realworld_har")
