"""The report of a run: one file that needs nothing else, and tells how training and judging went."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from cli_tools import done, kinelet
from corpus_tools import corpus_of, people
from kinelet.config import validate
from kinelet.errors import BadFileError
from kinelet.report import html, plots
from kinelet.report.run import read_metrics, write_report
from kinelet.train.pretrain import PretrainConfig, pretrain

VOID = {"meta", "br", "img", "hr", "link", "input"}


class Page(HTMLParser):
    """Checks that tags are closed in order, and remembers what a page holds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], "tags left open"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [v for k, v in attrs if k == "id" and v]
        self.links += [v for k, v in attrs if k in ("href", "src", "xlink:href") and v]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    corpus = corpus_of(folder / "own", *people(3, each=1, length=400))
    settings = {
        "encoder": {"options": {"widths": [8, 8]}},
        "data": {"window_s": 1.0},
        "train": {"steps": 6, "batch_size": 8, "log_every": 1, "threads": 1, "device": "cpu"},
    }
    pretrain(corpus, folder / "first", validate(PretrainConfig, settings))
    return folder / "first"


@pytest.fixture(scope="module")
def source(run: Path) -> str:
    return write_report(run).read_text(encoding="utf-8")


def test_the_command_writes_the_page_and_says_where(run: Path, tmp_path: Path) -> None:
    assert done("report", run).out.strip() == str(run / "report.html")
    assert done("report", run, "--out", tmp_path / "elsewhere.html").out.strip() == str(tmp_path / "elsewhere.html")
    assert (tmp_path / "elsewhere.html").is_file()


def test_it_is_one_well_formed_page(source: str) -> None:
    assert source.startswith("<!doctype html>")
    page = Page(source)
    assert [page.tags.count(t) for t in ("html", "head", "body", "title", "h1")] == [1] * 5


def test_it_needs_nothing_from_elsewhere(source: str) -> None:
    assert not re.search(r"https?://|//[a-z]+\.|@import|url\((?!#)", source)
    assert all(link.startswith("#") for link in Page(source).links)


def test_it_runs_no_script(source: str) -> None:
    assert "script" not in Page(source).tags
    assert not re.search(r"\son\w+=|javascript:", source)


def test_names_within_the_page_are_not_ambiguous(source: str) -> None:
    page = Page(source)
    targets = {link[1:] for link in page.links} | set(re.findall(r"url\(#([^)]+)\)", source))
    assert targets <= set(page.ids)
    assert len([i for i in page.ids if i not in targets]) == len({i for i in page.ids if i not in targets})


def test_it_holds_the_curves_of_the_log(run: Path, source: str) -> None:
    assert Page(source).tags.count("svg") == 1
    assert all(name in source for name in ("loss", "effective rank", "embedding spread"))


def test_the_curves_are_those_of_the_log(run: Path, tmp_path: Path, source: str) -> None:
    """A changed log must change the picture."""
    log = run / "metrics.jsonl"
    before = log.read_text()
    records = [json.loads(line) | {"loss": 50.0 + i} for i, line in enumerate(before.splitlines())]
    log.write_text("".join(json.dumps(r) + "\n" for r in records))
    try:
        changed = write_report(run, tmp_path / "r.html").read_text()
    finally:
        log.write_text(before)
    assert re.findall(r"<svg.*</svg>", changed, re.DOTALL) != re.findall(r"<svg.*</svg>", source, re.DOTALL)


def test_it_tells_what_was_done(source: str) -> None:
    text = Page(source).text
    assert "resnet1d_small, 48 dimensions, for acc_x, acc_y, acc_z at 50 Hz" in text
    assert "simclr" in text
    assert "temperature: 0.1" in text


def test_people_are_not_named(source: str) -> None:
    assert "P0" not in Page(source).text


def test_the_same_run_gives_the_same_page(run: Path, tmp_path: Path, source: str) -> None:
    assert write_report(run, tmp_path / "again.html").read_text(encoding="utf-8") == source


def test_a_value_that_was_not_finite_is_a_hole_in_the_curve(run: Path, tmp_path: Path) -> None:
    log = run / "metrics.jsonl"
    before = log.read_text()
    first, *rest = before.splitlines()
    log.write_text("\n".join([json.dumps(json.loads(first) | {"loss": None}), *rest]) + "\n")
    try:
        Page(write_report(run, tmp_path / "r.html").read_text())
    finally:
        log.write_text(before)


def test_what_is_no_run_is_one_line(tmp_path: Path) -> None:
    assert "holds neither a run nor pair_efficiency.json" in kinelet("report", tmp_path).complaint


def test_a_damaged_log_is_named(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"st')
    with pytest.raises(BadFileError, match=r"metrics\.jsonl.*not a log"):
        read_metrics(tmp_path / "metrics.jsonl")


def test_what_users_wrote_is_escaped() -> None:
    evil = '<script>alert("x")</script>'
    written = [
        html.paragraph(evil),
        html.table([evil], [[evil]]),
        html.numbers([(evil, evil)]),
        html.figure("", evil),
        html.code(evil),
    ]
    assert all("<script" not in part and "&lt;script" in part for part in written)


def test_a_page_escapes_its_title_and_lead(tmp_path: Path) -> None:
    html.write_page(tmp_path / "p.html", "<b>", "<i>", [html.Section("<u>", "<p>body</p>")], "<s>")
    assert not {"b", "i", "u", "s"} & set(Page((tmp_path / "p.html").read_text()).tags)


@pytest.mark.parametrize(
    "picture",
    [
        lambda: plots.forest([plots.Bar("a", 0.5, 0.4, 0.6, True), plots.Bar("b", 0.3, 0.2, 0.4)], "score"),
        lambda: plots.dumbbell(["p", "q"], [0.1, 0.2], [0.3, 0.4], ("before", "after"), "score"),
        lambda: plots.confusion([[3, 1], [0, 4]], ["sit", "walk"]),
        lambda: plots.windows({"sit": np.zeros((3, 20), np.float32)}, 50.0, ("acc_x", "acc_y", "acc_z")),
        lambda: plots.embedding_map(np.zeros((4, 2)), ["a", "a", "b", "b"], ["a", "b"]),
        lambda: plots.curves([1, 2], {"loss": [2.0, 1.0]}),
    ],
    ids=["forest", "dumbbell", "confusion", "windows", "map", "curves"],
)
def test_every_picture_stands_alone_and_is_the_same_each_time(picture: object) -> None:
    assert callable(picture)
    svg = picture()
    assert Page(svg).tags[0] == "svg"
    assert "http" not in svg
    assert picture() == svg


def test_names_in_pictures_are_escaped() -> None:
    assert "script" not in Page(plots.confusion([[1, 0], [0, 1]], ["<script>", "walk"])).tags
