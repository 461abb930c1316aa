"""Gait numbers from frozen embeddings on three sets of walks, beside a step detector and hand-crafted features.

    python benchmarks/gait.py --data ../shared/data --work runs/gait RUN_OR_MODEL …

Every model is judged on the walks of each set in its own signal (rate, window, accelerometer), by ridge and an MLP on
the mean of its windows' vectors over a walk, on people held out. Without a model an untrained encoder stands alone.
Tables go to ``--work/gait.md``, Bland-Altman pictures beside it, predictions to ``--work/results``.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from kinelet.datasets.mobgap_lab import DATASET as MOBGAP
from kinelet.datasets.voisard import walk_events
from kinelet.deploy.loading import load
from kinelet.encoders.base import Encoder
from kinelet.evaluate.baselines import small_encoder, untrained
from kinelet.evaluate.result import Result
from kinelet.files import write_text
from kinelet.gait.config import GaitConfig
from kinelet.gait.cut import cut_walks
from kinelet.gait.judge import gait_results
from kinelet.gait.walks import Walks
from kinelet.readers.table import read_table_all
from kinelet.report.gait import bland_altman, by_target, markdown
from kinelet.signal.recording import Annotation, Recording
from kinelet.signal.spec import SignalSpec, imu_spec

ROOT = Path(__file__).resolve().parents[1]
CARDS = ROOT / "tests" / "cards"
SWITCH_S = 0.1  # the foot switches are read ten times a second


def voisard(data: Path, site: str = "lower_back") -> Iterator[Recording]:
    """Walks of 10 m out and back, one sensor, with the publisher's foot events as annotations."""
    folder = data / "voisard_gait"
    about = json.loads((folder / "events.json").read_text(encoding="utf-8"))
    for rec in read_table_all(folder / "voisard.parquet", CARDS / "voisard.yaml"):
        if rec.spec.site == site:
            key = "-".join(rec.name.split("-")[1:3])
            yield rec.replace(
                subject=f"voisard_{int(rec.subject):02d}",
                annotations=tuple(walk_events(about[key], len(rec.data), where=f"events.json {key}")),
                meta={**rec.meta, "dataset": "voisard", **{k: about[key][k] for k in ("Age", "Height", "Weight")}},
            )


def oxford(data: Path) -> Iterator[Recording]:
    """Walks with a phone in six places, with the steps of two foot switches as annotations."""
    folder = data / "oxford_step"
    about = json.loads((folder / "steps.json").read_text(encoding="utf-8"))
    for rec in read_table_all(folder / "oxford_step.parquet", CARDS / "oxford_step.yaml"):
        steps = about[rec.name.split("-", 1)[1]]
        yield rec.replace(
            subject=f"oxford_step_{rec.subject}",
            annotations=tuple(
                Annotation(t, t + SWITCH_S, label=foot, track="step")
                for foot in ("foot1", "foot2")
                for t in steps[f"{foot}_s"]
            ),
            meta={**rec.meta, "dataset": "oxford_step"},
        )


def mobgap(data: Path) -> Iterator[Recording]:
    """Laboratory walks with two reference systems."""
    return MOBGAP.load(data / "mobgap_lab")


SETS: Mapping[str, tuple[Callable[[Path], Iterator[Recording]], str]] = {
    "Voisard, lower back": (voisard, ""),
    "Oxford step counter": (oxford, ""),
    "mobgap laboratory, insoles": (mobgap, ""),
    "mobgap laboratory, motion capture": (mobgap, "_stereophoto"),
}


def walks_of(name: str, data: Path, spec: SignalSpec) -> Walks:
    """Walks of one of :data:`SETS` in an encoder's signal."""
    recordings, system = SETS[name]
    return cut_walks(recordings(data), spec, name=name, system=system)


def gait_table(
    encoders: Mapping[str, Encoder | Sequence[Encoder]],
    data: Path,
    work: Path | None = None,
    *,
    config: GaitConfig | None = None,
    sets: Sequence[str] = tuple(SETS),
) -> list[Result]:
    """Judge encoders of one spec, and the baselines, on every set.

    Args:
        encoders: Name to encoder; several of one name are draws, for example the folds of a benchmark.
        data: Folder of the compact sets.
        work: Where results, tables and pictures go; ``None`` for nowhere.
        config: Heads, targets, baselines.
        sets: Names among :data:`SETS`.
    """
    groups = [[e] if isinstance(e, Encoder) else list(e) for e in encoders.values()]
    spec = groups[0][0].spec
    results = [r for name in sets for r in gait_results(encoders, walks_of(name, data, spec), config)]
    if work is not None:
        keep(results, work)
    return results


def keep(results: Sequence[Result], work: Path) -> None:
    """Write results, the table, and a picture of the first contender for each target."""
    for i, result in enumerate(results):
        result.save(work / "results" / f"{i:03d}.json")
    for task, group in by_target(results).items():
        write_text(
            work / "pictures" / f"{task.replace(': ', '-').replace(', ', '-').replace(' ', '_')}.svg",
            bland_altman(group[0]),
        )
    write_text(work / "gait.md", markdown(results))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, help="run directories or model folders, all of one signal")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, default=Path("runs/gait"))
    parser.add_argument("--sets", default=";".join(SETS), help="names of sets, separated by semicolons")
    parser.add_argument("--heads", default="ridge,mlp_probe")
    args = parser.parse_args()
    encoders = {path.name: load(path) for path in args.models}
    baselines = GaitConfig().baselines
    if not encoders:
        encoders = {"random encoder": untrained(small_encoder, imu_spec(50.0, window_s=2.56), seed=0)}
        baselines = tuple(b for b in baselines if b != "random")
    config = GaitConfig(heads=tuple(args.heads.split(",")), baselines=baselines)
    print(markdown(gait_table(encoders, args.data, args.work, config=config, sets=args.sets.split(";"))))


if __name__ == "__main__":
    main()
