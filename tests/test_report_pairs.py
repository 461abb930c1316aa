"""How many pairs were enough: what may be compared, the page, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cli_tools import done, kinelet
from kinelet.errors import BadFileError, BadOptionError
from kinelet.report import plots
from kinelet.report.pairs import FILE, check_comparable, read_points, write_pairs

METHODS = ("no alignment", "InfoMAE", "linear CCA")
SHARES = {0.01: 20, 0.25: 500, 1.0: 2000}


def point(method: str, share: float, **told: Any) -> dict[str, Any]:
    value = 0.5 + 0.1 * share + 0.01 * METHODS.index(method) if method in METHODS else 0.5
    facts = {"set": "Stress", "target": "stress", "metric": "macro_f1", "modalities": "acc+bvp", "width": 128}
    figures = {"estimate": value, "lo": value - 0.05, "hi": value + 0.05, "people": 35, "seeds": [0, 1, 2, 3, 4]}
    return {**facts, "method": method, "share": share, "pairs": SHARES.get(share, 1), **figures, **told}


def points(**told: Any) -> list[dict[str, Any]]:
    return [point(m, s, **told) for m in METHODS for s in SHARES]


def folder_with(folder: Path, told: Any) -> Path:
    (folder / FILE).write_text(json.dumps(told))
    return folder


def test_methods_alike_are_compared() -> None:
    """Spec check 28, the case that passes: one width, one number of pairs a share, ``none`` among them."""
    check_comparable(points())
    check_comparable(points() + points(modalities="acc", width=64))  # another panel may be narrower
    check_comparable([{**p, "method": "none"} if p["method"] == "no alignment" else p for p in points()])


def test_methods_of_another_width_are_not_compared() -> None:
    """Spec check 28: the probe width must not differ."""
    wide = [{**p, "width": 256} if p["method"] == "InfoMAE" else p for p in points()]
    with pytest.raises(BadOptionError, match=r"differ in width \(128: no alignment, linear CCA; 256: InfoMAE\)"):
        check_comparable(wide)


def test_methods_of_other_pairs_are_not_compared() -> None:
    """Spec check 28: the number of pairs must not differ at one share."""
    more = [{**p, "pairs": 501} if (p["method"], p["share"]) == ("InfoMAE", 0.25) else p for p in points()]
    with pytest.raises(BadOptionError, match=r"stress, macro_f1, acc\+bvp at 0\.25 .* differ in pairs"):
        check_comparable(more)


def test_encoders_without_alignment_are_always_among_them() -> None:
    """Spec check 28: ``none`` is always included, at every share."""
    with pytest.raises(BadOptionError, match="without alignment"):
        check_comparable([p for p in points() if p["method"] != "no alignment"])
    with pytest.raises(BadOptionError, match="at 1 of the pairs"):
        check_comparable([p for p in points() if (p["method"], p["share"]) != ("no alignment", 1.0)])


def test_folds_and_seeds_are_compared_one_by_one() -> None:
    runs = [{**p, "fold": f, "pairs": p["pairs"] + f} for p in points() for f in (0, 1)]
    check_comparable(runs)
    odd = [{**p, "pairs": 7} if (p["method"], p["fold"]) == ("InfoMAE", 1) else p for p in runs]
    with pytest.raises(BadOptionError, match="differ in pairs"):
        check_comparable(odd)


def test_page_holds_curves_and_tables(tmp_path: Path) -> None:
    folder_with(tmp_path, points() + points(modalities="acc") + points(target="heart_rate", metric="mae"))
    assert done("report", tmp_path).out.strip() == str(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert page.count("<table>") == 3
    assert "lower is better" in page
    assert "35 people, width 128, 95 % intervals over people and 5 seeds." in page
    assert '<td class="n">0.535 [0.485, 0.585]</td>' in page
    assert re.search(r"<th>25 % \(500\)</th>", page)
    for method in METHODS:
        assert page.count(method) >= 4  # in every legend and table


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ([1, 1], "1 seed, fewer than 5: 95 % intervals are over people alone"),
        ([2, 4], "2 to 4 seeds, fewer than 5: 95 % intervals are over people alone"),
        ([1, 5], "1 to 5 seeds: 95 % intervals of figures with fewer than 5 are over people alone"),
        ([5, 7], "95 % intervals over people and 5 to 7 seeds"),
    ],
)
def test_page_says_what_intervals_are_over(tmp_path: Path, counts: list[int], told: str) -> None:
    """Spec check 28: five seeds, or the page says that there were fewer."""
    some = [{**p, "seeds": list(range(counts[i % 2]))} for i, p in enumerate(points())]
    page = write_pairs(folder_with(tmp_path, some)).read_text(encoding="utf-8")
    assert f"width 128, {told}." in page


def test_shares_are_on_a_logarithmic_axis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    real = plots.svg
    monkeypatch.setattr(plots, "svg", lambda fig: seen.append([ax.get_xscale() for ax in fig.axes]) or real(fig))
    write_pairs(folder_with(tmp_path, points() + points(modalities="acc")))
    assert seen == [["log", "log"]]


def test_a_point_on_its_own_is_drawn(tmp_path: Path) -> None:
    one = point("none", 1.0, lo=float("nan"), hi=float("nan"))
    assert write_pairs(folder_with(tmp_path, [one]), tmp_path / "x.html") == tmp_path / "x.html"


def test_what_cannot_be_compared_is_refused_in_one_line(tmp_path: Path) -> None:
    folder_with(tmp_path, [p for p in points() if p["method"] != "no alignment"])
    assert "without alignment" in kinelet("report", tmp_path).complaint
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    "told",
    [
        [],
        {},
        "x",
        [1],
        [{"set": "a"}],
        [point("none", 0.0)],
        [point("none", 1.5)],
        [point("none", 1.0, estimate="high")],
        [point("none", 1.0, more=1)],
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, told: Any) -> None:
    with pytest.raises(BadFileError, match="no results by share"):
        read_points(folder_with(tmp_path, told) / FILE)


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{")
    assert FILE in kinelet("report", tmp_path).complaint
