"""Building: idempotent, parallel, in spite of bad files."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from corpus_tools import PLAIN, corpus_of, people, recording
from kinelet.corpus import BuildConfig, Corpus, build
from kinelet.corpus.lock import build_lock
from kinelet.corpus.sources import MemorySource
from kinelet.errors import BadFileError, BadOptionError
from kinelet.signal.recording import Recording


@dataclass(frozen=True)
class TextSource:
    """A file of numbers: the recording's seed, or a word that makes reading fail."""

    file: Path
    dataset: str | None = None

    @property
    def key(self) -> str:
        return self.file.name

    @property
    def path(self) -> str:
        return self.file.name

    def content_hash(self) -> str:
        return self.file.read_text()

    def recordings(self) -> Iterator[Recording]:
        for word in self.file.read_text().split():
            if word == "crash":
                os.kill(os.getpid(), signal.SIGKILL)
            yield recording(f"{self.file.stem}-{word}", self.file.stem, 200, seed=int(word))

    def identity(self, rec: Recording) -> str:
        return rec.name


def sources(folder: Path, **texts: str) -> list[TextSource]:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [TextSource(folder / name) for name in texts]


def state(folder: Path) -> dict[str, tuple[int, int]]:
    files = [p for p in folder.rglob("*") if p.is_file() and p.name != ".lock"]
    return {str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.stat().st_ino) for p in files}


def ids(folder: Path) -> list[str]:
    return [r.id for r in Corpus.open(folder).recordings]


def test_a_second_build_writes_nothing_and_says_so(tmp_path):
    build(people(), tmp_path, PLAIN)
    before = state(tmp_path)
    summary = build(people(), tmp_path, PLAIN)
    assert state(tmp_path) == before
    assert "Nothing to do" in summary.line() and not summary.wrote


def test_only_the_changed_source_is_read_again(tmp_path):
    items = sources(tmp_path / "raw", a="1", b="2", c="3")
    build(items, tmp_path / "out", PLAIN)
    (tmp_path / "raw" / "b").write_text("9")
    summary = build(items, tmp_path / "out", PLAIN)
    assert (summary.built, summary.unchanged) == (1, 2)
    assert ids(tmp_path / "out") == ["a-1", "b-9", "c-3"]


def test_another_configuration_builds_everything_again(tmp_path):
    build(people(2), tmp_path, PLAIN)
    summary = build(people(2), tmp_path, BuildConfig(quality=False, rate_hz=25.0))
    assert summary.built == 4 and Corpus.open(tmp_path).spec.rate_hz == 25.0


def test_files_of_the_former_content_are_removed(tmp_path):
    build(people(2), tmp_path, PLAIN)
    build(people(2), tmp_path, BuildConfig(quality=False, rate_hz=25.0))
    assert len(list((tmp_path / "recordings").iterdir())) == 4


def test_a_lost_sample_file_is_built_again(tmp_path):
    build(people(2), tmp_path, PLAIN)
    next((tmp_path / "recordings").iterdir()).unlink()
    assert build(people(2), tmp_path, PLAIN).built == 1


def test_a_bad_source_is_listed_with_its_reason_and_stops_nothing(tmp_path):
    summary = build(sources(tmp_path / "raw", a="1", b="oops", c="3"), tmp_path / "out", PLAIN)
    assert ids(tmp_path / "out") == ["a-1", "c-3"]
    assert summary.failures[0].source == "b" and "oops" in summary.failures[0].reason


def test_failures_are_written_beside_the_corpus(tmp_path):
    build(sources(tmp_path / "raw", a="1", b="oops"), tmp_path / "out", PLAIN)
    lines = (tmp_path / "out" / "failed.jsonl").read_text().splitlines()
    assert [json.loads(line)["source"] for line in lines] == ["b"]


def test_a_failed_source_is_tried_again(tmp_path):
    items = sources(tmp_path / "raw", a="1", b="oops")
    build(items, tmp_path / "out", PLAIN)
    (tmp_path / "raw" / "b").write_text("2")
    assert not build(items, tmp_path / "out", PLAIN).failures and ids(tmp_path / "out") == ["a-1", "b-2"]


def test_a_good_source_that_went_bad_leaves_the_corpus(tmp_path):
    items = sources(tmp_path / "raw", a="1", b="2")
    build(items, tmp_path / "out", PLAIN)
    (tmp_path / "raw" / "b").write_text("oops")
    build(items, tmp_path / "out", PLAIN)
    assert ids(tmp_path / "out") == ["a-1"]


def test_what_came_before_the_damage_is_kept_and_told(tmp_path):
    summary = build(sources(tmp_path / "raw", a="1 2 oops"), tmp_path / "out", PLAIN)
    assert ids(tmp_path / "out") == ["a-1", "a-2"] and "2 recordings before it were kept" in summary.failures[0].reason


def test_one_bad_recording_of_a_source_costs_only_itself(tmp_path):
    good, bad = recording("good"), recording("bad")
    bad.data[:] = float("nan")
    summary = build([good, bad], tmp_path, PLAIN)
    assert ids(tmp_path) == ["good"] and summary.failures[0].recording == "bad"


def test_a_missing_file_is_a_failure_not_an_end(tmp_path):
    items = sources(tmp_path / "raw", a="1", b="2")
    (tmp_path / "raw" / "a").unlink()
    summary = build(items, tmp_path / "out", PLAIN)
    assert summary.failures[0].source == "a" and ids(tmp_path / "out") == ["b-2"]


def test_an_empty_source_is_a_failure(tmp_path):
    assert "no recording" in build(sources(tmp_path / "raw", a=""), tmp_path / "out", PLAIN).failures[0].reason


@dataclass(frozen=True)
class SameIdSource(TextSource):
    def identity(self, rec: Recording) -> str:
        return "same"


def test_two_recordings_with_one_id_are_an_error_that_names_both_sources(tmp_path):
    items = [SameIdSource(s.file) for s in sources(tmp_path / "raw", a="1", b="1")]
    with pytest.raises(BadFileError, match="'a' and from 'b'"):
        build(items, tmp_path / "out", PLAIN)


def test_two_sources_with_one_key_are_an_error(tmp_path):
    with pytest.raises(BadOptionError, match="two sources"):
        build([recording("same"), recording("same", seed=1)], tmp_path, PLAIN)


def test_earlier_sources_stay_unless_pruned(tmp_path):
    build([recording("a"), recording("b")], tmp_path, PLAIN)
    kept = build([recording("a")], tmp_path, PLAIN)
    assert kept.kept == 1 and ids(tmp_path) == ["a", "b"]
    pruned = build([recording("a")], tmp_path, PLAIN, prune=True)
    assert pruned.removed == 1 and ids(tmp_path) == ["a"]


def test_the_manifest_does_not_depend_on_order_or_workers(tmp_path):
    build(people(3), tmp_path / "one", PLAIN)
    build(people(3)[::-1], tmp_path / "two", PLAIN, workers=2)
    one, two = (pq.read_table(tmp_path / name / "manifest.parquet") for name in ("one", "two"))
    assert one.equals(two)


def test_any_executor_will_do(tmp_path):
    with ThreadPoolExecutor(2) as executor:
        build(people(3), tmp_path, PLAIN, executor=executor)
    assert len(ids(tmp_path)) == 6


def test_a_source_that_kills_its_worker_costs_only_itself(tmp_path):
    items = sources(tmp_path / "raw", a="1", b="crash", c="3")
    summary = build(items, tmp_path / "out", PLAIN, workers=2)
    assert ids(tmp_path / "out") == ["a-1", "c-3"]
    assert [f.source for f in summary.failures] == ["b"] and "died" in summary.failures[0].reason


def test_subjects_and_ids_carry_their_data_set(tmp_path):
    build([MemorySource(recording("r", "1"), dataset="uci")], tmp_path, PLAIN)
    info = Corpus.open(tmp_path).recordings[0]
    assert (info.id, info.subject, info.dataset) == ("uci/r", "uci/1", "uci")


def test_side_streams_are_stored_on_demand(tmp_path):
    rec = recording("r", streams={"bvp": recording("bvp", n=20)})
    build([rec], tmp_path, BuildConfig(quality=False, streams=True))
    assert [(r.id, r.stream) for r in Corpus.open(tmp_path).recordings] == [("r", None), ("r.bvp", "bvp")]


def test_two_builds_at_once_are_refused(tmp_path):
    with build_lock(tmp_path), pytest.raises(BadFileError, match="another build"):
        build([recording()], tmp_path, PLAIN)


def test_no_workers_is_refused(tmp_path):
    with pytest.raises(BadOptionError, match="workers"):
        build([], tmp_path, workers=0)


def test_progress_is_told_after_each_source(tmp_path):
    told: list[int] = []
    build(people(2), tmp_path, PLAIN, progress=lambda done, note="": told.append(done))
    assert told == [1, 2, 3, 4]


def test_the_summary_table_names_figures_and_failures(tmp_path):
    summary = build(sources(tmp_path / "raw", a="1", b="oops"), tmp_path / "out", PLAIN)
    console = Console(width=120, record=True, file=StringIO())
    console.print(summary.table())
    text = console.export_text()
    assert "failed: b" in text and "oops" in text and "people" in text


def test_the_summary_goes_to_json(tmp_path):
    assert json.loads(json.dumps(build(people(1), tmp_path, PLAIN).as_dict()))["recordings"] == 2


def test_an_empty_build_makes_an_empty_corpus(tmp_path):
    assert build([], tmp_path, PLAIN).recordings == 0 and ids(tmp_path) == []


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(BadFileError, match=r"nowhere\.csv"):
        build([tmp_path / "nowhere.csv"], tmp_path / "out")


def test_the_warnings_of_the_quality_report_reach_the_manifest(tmp_path):
    rec = recording("r", n=2000)
    build([rec.replace(data=rec.data * 9.81)], tmp_path)
    assert corpus_of(tmp_path).recordings[0].row["warnings"]
