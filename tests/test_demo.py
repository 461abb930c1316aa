"""The demonstration, shortened: every step on the real recordings, and a page that says what was found."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from cli_tools import done, kinelet
from kinelet.evaluate.result import Result


@pytest.mark.slow
def test_the_demonstration_judges_everybody_and_tells_it(tmp_path: Path) -> None:
    pytest.importorskip("seglearn", reason="the recordings come with the package seglearn")
    answer = done("demo", "--out", tmp_path, "train.steps=5")
    results = [Result.load(p) for p in sorted((tmp_path / "evaluation").glob("*.json"))]
    last = answer.out.strip().splitlines()[-1]
    assert len(results) == 5
    assert all(len(r.subjects) == 10 for r in results)
    assert str(results[0].estimates["macro_f1"]) in last
    assert "report.html" in answer.out
    page = (tmp_path / "report.html").read_text()
    assert "<script" not in page and "never seen" in page


def test_without_the_recordings_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinelet.demo.find_spec", lambda name: None if name == "seglearn" else find_spec(name))
    answer = kinelet("demo", "--out", tmp_path / "demo")
    assert answer.status == 2
    assert "kinelet[demo]" in answer.complaint
    assert not (tmp_path / "demo").exists()
