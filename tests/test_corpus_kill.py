"""A build killed at any moment is finished by running it again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from corpus_tools import PLAIN, people

from kinelet.corpus import Corpus, build

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[2])
from corpus_tools import PLAIN, people
from kinelet.corpus import build
from kinelet.corpus import commit
print("go", flush=True)
build(people(20), sys.argv[1], PLAIN)
"""

# Each entry kills the process just before (or after) one rename of a finished file, which is where states change.
KILL_AT_RENAME = """
import os, pathlib, signal
left = int(sys.argv[3])
rename = pathlib.Path.replace
def replace(self, target):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
pathlib.Path.replace = replace
"""


def run(out: Path, *extra: str, prelude: str = "") -> subprocess.Popen[str]:
    code = SCRIPT.replace('print("go"', prelude + 'print("go"')
    here = str(Path(__file__).parent)
    return subprocess.Popen([sys.executable, "-c", code, str(out), here, *extra], stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    build(people(20), out, PLAIN)
    return out


def check(out: Path, whole: Path) -> None:
    build(people(20), out, PLAIN)
    for name in ("manifest.parquet", "annotations.parquet"):
        assert pq.read_table(out / name).equals(pq.read_table(whole / name))
    files = [sorted(p.name for p in folder.rglob("*") if p.is_file()) for folder in (out, whole)]
    assert files[0] == files[1]


# 40 recordings: samples, annotations and record of each (120 renames), then the tables, failures and corpus.json.
@pytest.mark.parametrize("rename", [1, 3, 62, 122, 123, 124])
def test_killed_at_a_rename(tmp_path, whole, rename):
    process = run(tmp_path, str(rename), prelude=KILL_AT_RENAME)
    assert process.wait() == -signal.SIGKILL
    check(tmp_path, whole)


@pytest.mark.parametrize("after_s", [0.01, 0.08])
def test_killed_at_a_moment_of_its_own(tmp_path, whole, after_s):
    process = run(tmp_path)
    assert process.stdout is not None and process.stdout.readline() == "go\n"
    time.sleep(after_s)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    check(tmp_path, whole)


def test_a_corpus_stays_readable_while_a_rebuild_is_killed_half_way(tmp_path):
    build(people(20), tmp_path, PLAIN.model_copy(update={"rate_hz": 25.0}))
    process = run(tmp_path, "60", prelude=KILL_AT_RENAME)
    process.wait()
    corpus = Corpus.open(tmp_path)
    assert all(len(corpus.recording(r.id).data) == r.n_samples for r in corpus.recordings)


def test_what_was_finished_is_not_done_again(tmp_path):
    run(tmp_path, "62", prelude=KILL_AT_RENAME).wait()
    summary = build(people(20), tmp_path, PLAIN)
    assert (summary.unchanged, summary.built) == (20, 20)
