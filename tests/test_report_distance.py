"""Pictures and page of a distance, and its place in the report of a run."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from corpus_tools import corpus_of, people, recording
from kinelet.config import validate
from kinelet.corpus.corpus import Corpus
from kinelet.distances.config import MotifConfig
from kinelet.distances.io import save_distance
from kinelet.distances.network import MotifNetwork
from kinelet.distances.survey import Survey, survey
from kinelet.report.distance import (
    explained_figure,
    nearest_windows_figure,
    pick_anchors,
    sections,
    write_distance_report,
)
from kinelet.report.plots import svg
from kinelet.report.run import write_report
from kinelet.signal.spec import imu_spec
from kinelet.train.pretrain import PretrainConfig, pretrain
from test_report import Page

CHANNELS = ("acc_x", "acc_y", "acc_z")
TITLES = [f"P{i}, walk, 0:00:{i:02d}" for i in range(10)]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return corpus_of(tmp_path_factory.mktemp("report") / "own", *people(4, each=1, length=1000))


@pytest.fixture(scope="module")
def looked(corpus: Corpus) -> Survey:
    return survey("euclid", corpus, window_s=1.0, anchors=3, candidates=16, shown=False)


@pytest.fixture(scope="module")
def page(looked: Survey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_distance_report(looked, tmp_path_factory.mktemp("page"))[0]


def windows(n: int = 10) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, 3, 40)).astype(np.float32)


def grid(near: int = 3, far: int = 2) -> list[list[object]]:
    """Panels of a picture of two anchors with eight candidates each, row by row; the figure is closed."""
    order = [[2, 3, 4, 5, 6, 7, 8, 9], [9, 8, 7, 6, 5, 4, 3, 2]]
    fig = nearest_windows_figure(
        windows(), order, anchor=[0, 1], rate_hz=50.0, titles=TITLES, channels=CHANNELS, near=near, far=far
    )
    plt.close(fig)
    return [fig.axes[i : i + 1 + near + far] for i in range(0, len(fig.axes), 1 + near + far)]


def shown(panel: object) -> int:
    """Which window a panel shows."""
    curves = np.stack([line.get_ydata() for line in panel.lines])  # type: ignore[attr-defined]
    return int(np.flatnonzero([np.array_equal(curves, w) for w in windows()])[0])


def test_a_row_is_anchor_nearest_farthest() -> None:
    assert [[shown(p) for p in row] for row in grid()] == [[0, 2, 3, 4, 8, 9], [1, 9, 8, 7, 3, 2]]


def test_other_numbers_of_windows() -> None:
    assert [[shown(p) for p in row] for row in grid(near=1, far=1)] == [[0, 2, 9], [1, 9, 2]]


def test_no_farthest_windows() -> None:
    assert [[shown(p) for p in row] for row in grid(near=2, far=0)] == [[0, 2, 3], [1, 9, 8]]


def test_all_panels_have_one_scale() -> None:
    limits = {p.get_ylim() for row in grid() for p in row}  # type: ignore[attr-defined]
    assert len(limits) == 1


def test_every_panel_has_its_title() -> None:
    titles = [[p.get_title() for p in row] for row in grid()]  # type: ignore[attr-defined]
    assert titles[1][0] == "P1\nwalk, 0:00:01"
    assert titles[0][4:] == ["2. farthest\nP8\nwalk, 0:00:08", "1. farthest\nP9\nwalk, 0:00:09"]


def test_time_is_in_seconds() -> None:
    assert grid()[0][0].lines[0].get_xdata()[-1] == pytest.approx(39 / 50)  # type: ignore[attr-defined]


def test_pictures_stand_alone_and_are_the_same_each_time(looked: Survey) -> None:
    first, again = (svg(explained_figure(looked.report)) for _ in range(2))
    assert first == again
    assert "http" not in first


def test_bars_are_the_shares(looked: Survey) -> None:
    fig = explained_figure(looked.report)
    plt.close(fig)
    widths = [p.get_width() for p in fig.axes[0].patches]
    expected = list(looked.report.ranking.alone.values())[::-1]
    assert widths[:3] == pytest.approx(expected)
    assert widths[-1] == pytest.approx(looked.report.ranking.together)


def test_anchors_of_different_labels_come_first(looked: Survey) -> None:
    labels = ["walk"] * len(looked.x)
    labels[looked.report.anchor[2]] = "sit"
    assert pick_anchors(looked.report, labels, 2).tolist() == [0, 2]


def test_no_more_anchors_than_there_are(looked: Survey) -> None:
    assert len(pick_anchors(looked.report, looked.label, 99)) == 3


def test_the_page_is_whole_and_needs_nothing_from_elsewhere(page: Path) -> None:
    written = Page(page.read_text(encoding="utf-8"))
    assert written.tags.count("svg") == 2
    assert all(link.startswith("#") for link in written.links)


def test_the_page_tells_every_row(looked: Survey, page: Path) -> None:
    text = Page(page.read_text(encoding="utf-8")).text
    assert all(name in text and value in text and reading in text for name, value, reading in looked.report.rows())


def test_people_are_named_on_their_own_page(page: Path) -> None:
    assert "P0" in page.read_text(encoding="utf-8")


def test_people_are_numbered_where_they_are_not_to_be_named(looked: Survey) -> None:
    before = plt.get_fignums()
    body = "".join(s.body for s in sections(looked, people=False))
    assert plt.get_fignums() == before, "figures left open"
    assert "person 1" in body
    assert "P0" not in body


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, corpus: Corpus) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "first"
    settings = {
        "encoder": {"options": {"widths": [8, 8]}},
        "data": {"window_s": 1.0},
        "train": {"steps": 2, "batch_size": 8, "log_every": 1, "threads": 1, "device": "cpu"},
    }
    pretrain(corpus, folder, validate(PretrainConfig, settings))
    return folder


@pytest.fixture
def with_distance(run: Path, tmp_path: Path) -> Path:
    torch.manual_seed(0)
    net = MotifNetwork(imu_spec(50.0, window_s=1.0), MotifConfig(width=8, kernel=5, blocks=1)).eval()
    shutil.copytree(run, tmp_path / "run")
    save_distance(net, tmp_path / "run" / "distance" / "model")
    return tmp_path / "run"


def test_a_run_without_a_distance_says_nothing_of_one(run: Path, corpus: Corpus, tmp_path: Path) -> None:
    text = Page(write_report(run, tmp_path / "r.html", corpus=corpus).read_text()).text
    assert "What the distance goes by" not in text
    assert "The distance it learnt from" not in text


def test_a_run_with_a_distance_shows_it_on_a_corpus(with_distance: Path, corpus: Corpus, tmp_path: Path) -> None:
    text = Page(write_report(with_distance, tmp_path / "r.html", corpus=corpus).read_text()).text
    assert "What the distance goes by" in text
    assert "P0" not in text


def test_without_a_corpus_the_page_says_how_to_see_it(with_distance: Path, tmp_path: Path) -> None:
    text = Page(write_report(with_distance, tmp_path / "r.html").read_text()).text
    assert "--corpus CORPUS shows what its rankings go by" in text


def test_a_corpus_that_does_not_fit_stops_no_report(with_distance: Path, tmp_path: Path) -> None:
    other = corpus_of(tmp_path / "fast", recording(spec=imu_spec(100.0, site="wrist"), n=900))
    text = Page(write_report(with_distance, tmp_path / "r.html", corpus=other).read_text()).text
    assert "could not be looked at on fast: rate_hz is 100.0" in text
