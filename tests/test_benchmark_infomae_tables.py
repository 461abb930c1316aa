"""Tables of the InfoMAE benchmark: pooled over folds, compared only where pairs and widths are alike (check 28)."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinelet.errors import BadOptionError
from kinelet.evaluate.result import Result
from kinelet.report.pairs import FILE, write_pairs

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import infomae_tables as bench  # noqa: E402
from infomae_bench import WIDTH  # noqa: E402
from infomae_sets import ACTIVITY, SETS  # noqa: E402

ENTRY = replace(SETS[0], name="toy", title="Toy", views={"acc": "acc", "gyr": "gyr"}, targets=ACTIVITY)
TITLES = {"none": "no alignment", "infomae": "InfoMAE"}


def result(fold: int, right: float, seed: int, columns: int) -> dict[str, Any]:
    g = np.random.default_rng(fold)
    truth = g.integers(0, 2, 40)
    wrong = np.random.default_rng(100 * seed + fold).random(40) > right
    made = Result(
        protocol="modality_probe",
        options={"width": WIDTH, "groups": [{"name": "acc", "columns": columns}]},
        encoder="x",
        task="toy",
        classes=("a", "b"),
        subjects=(f"p{fold}", f"q{fold}"),
        subject=np.arange(40) % 2,
        row=40 * fold + np.arange(40),
        fold=np.zeros(40, dtype=np.int64),
        truth=truth,
        predicted=np.where(wrong, 1 - truth, truth)[None],
    )
    return made.to_dict()


def kept(arm: str, share: float, fold: int, seed: int = 0, columns: int = 256, pairs: int = 90) -> dict[str, Any]:
    told = result(fold, 0.9 if arm == "infomae" else 0.7, seed, columns)
    keys = [f"activity|{n}|{w}" for n in ("acc+gyr", "acc", "gyr") for w in (WIDTH, "raw")]
    facts = {"arm": arm, "title": TITLES[arm], "share": share, "fold": fold, "seed": seed, "set": "toy"}
    return {**facts, "pairs": pairs, "kept_out": 10, "results": dict.fromkeys(keys, told)}


def tables(rows: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    points: list[dict[str, Any]] = []
    return "\n".join(bench._of_target(ENTRY, ACTIVITY[0], rows, TITLES, "infomae", points)), points


def grid(**told: Any) -> list[dict[str, Any]]:
    return [kept(a, s, f, **told) for a in TITLES for s in (0.05, 1.0) for f in (0, 1)]


def test_points_are_what_the_report_draws(tmp_path: Path) -> None:
    text, points = tables(grid())
    assert "### Toy, activity: acc+gyr (width 128)" in text
    assert len(points) == 3 * 2 * 2
    assert {(p["width"], p["pairs"], p["people"]) for p in points} == {(WIDTH, 100, 4)}
    (tmp_path / FILE).write_text(json.dumps(points))
    assert "InfoMAE" in write_pairs(tmp_path).read_text(encoding="utf-8")


def test_five_seeds_make_one_interval_over_people_and_seeds() -> None:
    """Spec check 28: intervals over five seeds."""
    text, points = tables([r for seed in range(5) for r in grid(seed=seed)])
    assert "95 % intervals over people and 5 seeds." in text
    assert all(p["seeds"] == list(range(5)) and p["lo"] < p["estimate"] < p["hi"] for p in points)


@pytest.mark.parametrize(("seeds", "told"), [(1, "1 seed, fewer than 5"), (3, "3 seeds, fewer than 5")])
def test_fewer_seeds_are_told_and_leave_intervals_over_people_alone(seeds: int, told: str) -> None:
    """Spec check 28: no table hides how many seeds it rests on."""
    rows = [r for seed in range(seeds) for r in grid(seed=seed)]
    text, points = tables(rows)
    assert text.count(f"{told}: 95 % intervals are over people alone.") == text.count("###") == 6
    found = bench._pool(rows, f"activity|acc+gyr|{WIDTH}", [0, 1])[1.0]["infomae"]
    assert len(found.predicted) == seeds
    alone = found.estimates["macro_f1"]
    drawn = [p for p in points if (p["method"], p["share"], p["modalities"]) == ("InfoMAE", 1.0, "acc+gyr")]
    assert (drawn[0]["lo"], drawn[0]["hi"]) == (alone.lo, alone.hi)


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ({"pairs": 91}, "differ in pairs"),
        ({"columns": 64}, "differ in width"),
    ],
)
def test_what_differs_is_not_compared(odd: dict[str, int], words: str) -> None:
    """Spec check 28: the benchmark fails where methods had other pairs or another width."""
    rows = [kept(r["arm"], r["share"], r["fold"], **(odd if r["arm"] == "infomae" else {})) for r in grid()]
    with pytest.raises(BadOptionError, match=words):
        tables(rows)


def test_encoders_side_by_side_are_always_there() -> None:
    """Spec check 28: ``none`` is always included."""
    with pytest.raises(BadOptionError, match="without alignment"):
        tables([r for r in grid() if r["arm"] == "infomae"])


def test_arms_that_lack_a_fold_are_in_no_table() -> None:
    rows = [r for r in grid() if (r["arm"], r["share"], r["fold"]) != ("infomae", 1.0, 1)]
    _, points = tables(rows)
    assert {(p["method"], p["share"]) for p in points} == {
        ("no alignment", 0.05),
        ("no alignment", 1.0),
        ("InfoMAE", 0.05),
    }
