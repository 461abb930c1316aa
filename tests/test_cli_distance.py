"""``kinelet distance report``: a table, JSON, a page with pictures, and one line for what does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cli_tools import done, kinelet
from corpus_tools import corpus_of, people, recording
from kinelet.corpus.corpus import Corpus
from kinelet.distances.config import DistanceOptions, MotifConfig
from kinelet.distances.io import load_distance, save_distance
from kinelet.distances.network import MotifNetwork
from kinelet.distances.survey import Survey, survey
from kinelet.signal.spec import ACC, imu_spec

SMALL = ("--anchors", 4, "--candidates", 16)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("distance") / "own"
    corpus_of(folder, *people(4, each=1, length=1500))
    return folder


def saved(folder: Path, rate_hz: float = 50.0, window_s: float = 1.28, **options: object) -> Path:
    torch.manual_seed(0)
    config = MotifConfig(width=8, kernel=5, blocks=1, options=DistanceOptions.model_validate(options))
    return Path(save_distance(MotifNetwork(imu_spec(rate_hz, window_s=window_s), config).eval(), folder))


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("run")
    saved(run / "model")
    return run


def test_the_table_says_what_the_ranking_goes_by(corpus: Path) -> None:
    told = done("distance", "report", "euclid", "--corpus", corpus, *SMALL).out
    assert all(
        w in told for w in ("mean offset", "energy", "cadence", "explained by all three", "same label", "chance")
    )


def test_json_is_the_report(corpus: Path) -> None:
    found = done("distance", "report", "euclid", "--corpus", corpus, *SMALL, "--json").document
    expected = survey("euclid", Corpus.open(corpus), anchors=4, candidates=16, shown=False).report
    assert found["correlation"] == pytest.approx(expected.correlation)
    assert (found["anchors"], found["candidates"], found["people"]) == (4, 16, 4)


def test_page_and_pictures_are_written_and_named(corpus: Path, tmp_path: Path) -> None:
    told = done("distance", "report", "dtw", "--corpus", corpus, *SMALL, "--window-s", 0.5, "--out", tmp_path).out
    names = ("report.html", "nearest.png", "explained.png")
    assert all(str(tmp_path / name) in told for name in names)
    assert all((tmp_path / n).read_bytes().startswith(b"\x89PNG") for n in names[1:])


def test_without_out_nothing_is_written(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done("distance", "report", "euclid", "--corpus", corpus, *SMALL)
    assert list(tmp_path.iterdir()) == []


def test_a_learned_distance_brings_its_window_length(corpus: Path, learned: Path) -> None:
    found = done("distance", "report", learned, "--corpus", corpus, *SMALL, "--json").document
    assert (found["spec"]["window_s"], found["distance"]["kind"]) == (1.28, "motif")


def test_a_learned_distance_has_an_offset_share_and_another_attention(corpus: Path, learned: Path) -> None:
    found = done("distance", "report", learned, "--corpus", corpus, *SMALL, "--json").document
    assert 0 <= found["offset_share"] <= 1
    assert -1 <= found["attention"]["spearman"] <= 1


def test_its_own_length_may_be_said_again(corpus: Path, learned: Path) -> None:
    done("distance", "report", learned, "--corpus", corpus, *SMALL, "--window-s", 1.28)


def test_another_length_is_refused(corpus: Path, learned: Path) -> None:
    told = kinelet("distance", "report", learned, "--corpus", corpus, "--window-s", 2.56).complaint
    assert "windows of 2.56 s, but the distance was trained on 1.28 s" in told


def test_another_rate_is_refused(corpus: Path, tmp_path: Path) -> None:
    told = kinelet("distance", "report", saved(tmp_path / "d", rate_hz=100.0), "--corpus", corpus).complaint
    assert "rate_hz is 50.0 but 100.0 is expected" in told


def test_a_corpus_without_its_channels_is_refused(learned: Path, tmp_path: Path) -> None:
    spec = imu_spec(50.0).replace(channels=("u", "v", "w"))
    corpus_of(tmp_path / "other", recording(spec=spec, n=800))
    assert "acc_x" in kinelet("distance", "report", learned, "--corpus", tmp_path / "other").complaint


def test_the_gyroscope_is_left_out(learned: Path, tmp_path: Path) -> None:
    spec = imu_spec(50.0, gyro=True)
    corpus_of(tmp_path / "imu", *(recording(f"r{i}", f"P{i}", 1500, i, spec=spec) for i in range(2)))
    for distance in ("euclid", learned):
        found = done("distance", "report", distance, "--corpus", tmp_path / "imu", *SMALL, "--json").document
        assert tuple(found["spec"]["channels"]) == ACC


def test_options_of_the_distance_can_be_given(corpus: Path, learned: Path) -> None:
    plain, split = (
        done("distance", "report", learned, *extra, "--corpus", corpus, *SMALL, "--json").document
        for extra in ((), ("offset=split", "offset_weight=0"))
    )
    assert split["mean"] == pytest.approx(plain["mean"] * (1 - plain["offset_share"]), rel=1e-4)
    assert split["offset_share"] == 0


@pytest.mark.parametrize("name", ["euclid", "dtw"])
def test_plain_distances_without_offset(corpus: Path, name: str) -> None:
    arguments = (name, "offset_free=true", "--corpus", corpus, *SMALL, "--window-s", 0.5)
    assert done("distance", "report", *arguments, "--json").document["offset_share"] == 0


def test_a_track_that_is_not_there_is_one_line_with_those_that_are(corpus: Path) -> None:
    told = kinelet("distance", "report", "euclid", "--corpus", corpus, *SMALL, "--track", "nosuch").complaint
    assert "nothing is annotated on the track 'nosuch'" in told and told.endswith("Tracks here: activity")


def test_without_labels_there_is_a_report_unless_a_track_is_asked_for(tmp_path: Path) -> None:
    corpus_of(tmp_path / "bare", *(recording(f"r{i}", f"P{i}", 1500, i) for i in range(2)))
    arguments = ("distance", "report", "euclid", "--corpus", tmp_path / "bare", *SMALL)
    assert done(*arguments, "--json").document["labels"] is None
    assert "has no labels" in kinelet(*arguments, "--track", "activity").complaint


def test_an_option_of_no_distance_is_one_line(corpus: Path) -> None:
    assert "bandd" in kinelet("distance", "report", "dtw", "bandd=1", "--corpus", corpus).complaint


def test_no_corpus_is_one_line() -> None:
    assert "--corpus" in kinelet("distance", "report", "euclid").complaint


def test_an_unknown_distance_is_one_line(corpus: Path) -> None:
    assert "euclid, dtw" in kinelet("distance", "report", "nonsense", "--corpus", corpus).complaint


def test_a_corpus_too_short_to_rank_is_one_line(tmp_path: Path) -> None:
    corpus_of(tmp_path / "short", recording(n=400))
    assert "windows leave" in kinelet("distance", "report", "euclid", "--corpus", tmp_path / "short").complaint


def test_the_run_of_an_encoder_uses_the_distance_beside_it(corpus: Path, learned: Path, tmp_path: Path) -> None:
    """A run of relcon holds its encoder in model/ and its distance in distance/model/."""
    (tmp_path / "run/model").mkdir(parents=True)
    (tmp_path / "run/model/config.json").write_text('{"format": "kinelet-encoder"}')
    saved(tmp_path / "run/distance/model")
    found = done("distance", "report", tmp_path / "run", "--corpus", corpus, *SMALL, "--json").document
    assert found["distance"]["kind"] == "motif"


@pytest.fixture(scope="module")
def looked(corpus: Path) -> Survey:
    return survey("euclid", Corpus.open(corpus), window_s=1.0, anchors=4, candidates=16, shown=False)


def test_titles_name_person_label_and_time(looked: Survey) -> None:
    assert looked.titles()[0].split(", ") == [looked.subject[0], looked.label[0], looked.time[0]]
    assert set(looked.subject) == {"P0", "P1", "P2", "P3"}


def test_titles_can_number_people(looked: Survey) -> None:
    assert not [t for t in looked.titles(people=False) if "P0" in t]
    assert looked.titles(people=False)[0].startswith("person 1")


def test_windows_are_those_of_the_titles(looked: Survey, corpus: Path) -> None:
    windows = Corpus.open(corpus).windows(1.0)
    minutes = [int(t.split(":")[1]) * 60 + int(t.split(":")[2]) for t in looked.time]
    for x, subject, second in zip(looked.x, looked.subject, minutes, strict=True):
        found = np.flatnonzero((windows.time_s == second) & (windows.subject == windows.subjects.index(subject)))
        assert np.array_equal(windows[int(found[0])], x)


def test_at_most_so_many_windows_are_read(looked: Survey) -> None:
    assert len(looked.x) == 20


def test_a_large_corpus_is_sampled(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinelet.distances.survey.MOST_DRAWN_FROM", 40)
    found = survey("euclid", Corpus.open(corpus), window_s=1.0, anchors=4, candidates=16, shown=False)
    assert 15 <= len(found.x) <= 20


def test_offset_share_of_a_motif_distance_is_that_of_its_rebuilds(corpus: Path, tmp_path: Path) -> None:
    """Sum over pairs of T |mean error|² over the sum of squared errors, from the rebuilt windows themselves."""
    folder = saved(tmp_path / "plain")
    found = survey(folder, Corpus.open(corpus), anchors=3, candidates=8, shown=False)
    net = load_distance(folder)
    offset = total = 0.0
    for i in found.report.anchor.tolist():
        for j in found.report.candidate.tolist():
            a = torch.from_numpy(found.x[i : i + 1])
            with torch.no_grad():
                error = (net(a, torch.from_numpy(found.x[j : j + 1])) - a)[0].double()
            offset += float(error.shape[1] * error.mean(dim=1).square().sum())
            total += float(error.square().sum())
    assert found.report.offset_share == pytest.approx(offset / total, rel=1e-4)


def test_a_distance_trained_without_offset_has_none(corpus: Path, tmp_path: Path) -> None:
    folder = saved(tmp_path / "free", offset="remove")
    found = survey(folder, Corpus.open(corpus), anchors=3, candidates=8, shown=False)
    assert found.report.offset_share == 0.0


def test_the_posture_term_is_the_offset_share_of_a_distance_with_it(corpus: Path, tmp_path: Path) -> None:
    free = survey(saved(tmp_path / "a", offset="remove"), Corpus.open(corpus), anchors=3, candidates=8, shown=False)
    both = survey(
        saved(tmp_path / "b", offset="remove", offset_weight=1.0),
        Corpus.open(corpus),
        anchors=3,
        candidates=8,
        shown=False,
    )
    assert both.report.offset_share == pytest.approx(1 - free.report.mean / both.report.mean, rel=1e-4)


@pytest.mark.parametrize("name", ["euclid", "dtw"])
def test_plain_distances_have_an_offset_share(corpus: Path, name: str) -> None:
    found = survey(name, Corpus.open(corpus), window_s=1.0, anchors=3, candidates=8, shown=False).report
    assert found.offset_share is not None
    assert 0 < found.offset_share < 1
