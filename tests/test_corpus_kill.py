"""A build killed at any moment is finished by running it again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from corpus_tools import PLAIN, people
from kinelet.corpus import Corpus, build

# Forks one build after the other and kills each with SIGKILL: at its n-th rename of a finished file (renames are
# where the state on disk changes), or after so many seconds, wherever it is then.
SCRIPT = """
import json, os, pathlib, signal, sys, time
sys.path.insert(0, sys.argv[1])
from corpus_tools import PLAIN, people
from kinelet.corpus import build

def die_at(rename):
    original = pathlib.Path.replace
    count = 0
    def replace(self, target):
        nonlocal count
        count += 1
        if count == rename:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, target)
    pathlib.Path.replace = replace

ends = []
for out, rename, after_s in json.loads(sys.argv[2]):
    child = os.fork()
    if child == 0:
        if rename:
            die_at(rename)
        build(people(20), out, PLAIN)
        os._exit(0)
    if after_s:
        time.sleep(after_s)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    ends.append(os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL)
print(json.dumps(ends))
"""

# 40 recordings: samples, annotations and record of each (120 renames), then two tables, failures and corpus.json.
RENAMES = [1, 2, 3, 62, 120, 121, 122, 123, 124]
MOMENTS = [0.01, 0.05, 0.2]


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("killed")
    rebuilt = folder / "rebuilt"
    build(people(20), rebuilt, PLAIN.model_copy(update={"rate_hz": 25.0}))
    jobs = [(str(folder / f"rename {n}"), n, 0) for n in RENAMES]
    jobs += [(str(folder / f"moment {s}"), 0, s) for s in MOMENTS]
    jobs += [(str(rebuilt), 60, 0), (str(folder / "half"), 62, 0)]
    arguments = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), json.dumps(jobs)]
    ends = json.loads(subprocess.run(arguments, check=True, capture_output=True, text=True).stdout)
    assert all(end for end, job in zip(ends, jobs, strict=True) if job[1])
    return {Path(job[0]).name: Path(job[0]) for job in jobs}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    build(people(20), out, PLAIN)
    return out


@pytest.mark.parametrize("name", [*(f"rename {n}" for n in RENAMES), *(f"moment {s}" for s in MOMENTS)])
def test_a_killed_build_is_finished_as_if_it_had_never_been(killed, whole, name):
    out = killed[name]
    build(people(20), out, PLAIN)
    for table in ("manifest.parquet", "annotations.parquet"):
        assert pq.read_table(out / table).equals(pq.read_table(whole / table))
    files = [sorted(p.name for p in folder.rglob("*") if p.is_file()) for folder in (out, whole)]
    assert files[0] == files[1]


def test_a_corpus_stays_readable_while_a_rebuild_is_killed_half_way(killed):
    corpus = Corpus.open(killed["rebuilt"])
    assert corpus.spec.rate_hz == 25.0
    assert all(len(corpus.recording(r.id).data) == r.n_samples for r in corpus.recordings)


def test_what_was_finished_is_not_done_again(killed):
    summary = build(people(20), killed["half"], PLAIN)
    assert (summary.unchanged, summary.built) == (20, 20)
