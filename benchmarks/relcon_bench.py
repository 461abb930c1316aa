"""Pretraining and judging for ``relcon_results.py``: what has to be done, where it is kept, and doing it.

A result is kept for each contender, family, set and fold, under a name that holds a hash of everything that decides
it; what is there already is not done again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

from har_sets import HarSet, Opened, open_sets, pretraining_windows
from jobs import clock, teller
from kinelet.deploy.loading import load
from kinelet.encoders.base import Encoder
from kinelet.train.pretrain import PretrainConfig, pretrain_windows, steps_of
from relcon_contenders import Contender, digest, plain
from relcon_judge import PROTOCOLS, families_of, judge_of, protocol_of

FAMILIES = tuple(PROTOCOLS)


@dataclass(frozen=True)
class Bench:
    """What is compared on which sets; can be sent to other processes.

    Attributes:
        entries: The sets.
        work: Folder of corpora, distances, encoders and results.
        folds: Folds of people to judge.
        started: When the command began, seconds since 1970.
    """

    entries: tuple[HarSet, ...]
    work: Path
    folds: tuple[int, ...]
    started: float = field(default_factory=time.time, compare=False)

    @property
    def sets(self) -> list[Opened]:
        """The sets, opened once a process."""
        return _opened(self.entries, self.work)

    def say(self, text: str) -> None:
        """Print with the time since the start."""
        print(f"{clock(self.started)} {text}", flush=True)

    def pretraining(self, place: str) -> tuple[list[Opened], int | None]:
        """Sets, and fold left out, that the encoders of a place are pretrained on."""
        kind, number = place.rsplit("-", 1)
        return (self.sets, int(number)) if kind == "fold" else (self.sets[int(number) :: 2], None)

    def judged(self, place: str, family: str) -> Iterator[tuple[Opened, int]]:
        """Sets and folds that the encoders of a place are judged on; never on people they were pretrained on."""
        kind, number = place.rsplit("-", 1)
        if (kind == "half") != (family == "across"):
            return
        for opened in self.sets if kind == "fold" else self.sets[1 - int(number) :: 2]:
            yield from ((opened, f) for f in ([int(number)] if kind == "fold" else self.folds))

    def places(self, family: str) -> list[str]:
        """Where encoders have to be pretrained for a family."""
        return ["half-0", "half-1"] if family == "across" else [f"fold-{f}" for f in self.folds]

    def windows_facts(self, place: str) -> list[str]:
        """Hashes of the corpora that a place is pretrained on."""
        return [s.corpus.hash for s in self.pretraining(place)[0]]

    def result_path(self, contender: Contender, family: str, opened: Opened, fold: int) -> Path:
        """Where the result of one fold is kept."""
        facts = [contender.facts(), protocol_of(contender, family).model_dump(mode="json"), opened.corpus.hash]
        facts += [repr(opened.entry), opened.splits[fold].test]
        if contender.kind == "pretrained":
            facts.append(self.windows_facts(self.place_of(family, opened, fold)))
        name = f"{contender.key}-{digest(*facts)}"
        return self.work / "results" / family / opened.entry.name / name / f"fold-{fold}.json"

    def place_of(self, family: str, opened: Opened, fold: int) -> str:
        """The place whose encoder judges a set's fold."""
        return f"half-{1 - self.sets.index(opened) % 2}" if family == "across" else f"fold-{fold}"


@lru_cache(maxsize=2)
def _opened(entries: tuple[HarSet, ...], work: Path) -> list[Opened]:
    return open_sets(entries, work)


@dataclass(frozen=True)
class DistanceJob:
    """Work for one process: the distance of a place."""

    contender: Contender
    place: str

    @property
    def title(self) -> str:
        """What to call it where it fails."""
        return f"{self.contender.title} {self.place}"

    def run(self, bench: Bench) -> None:
        """Do what is not done."""
        if self.contender.distance is not None:
            trained_distance(bench, self.contender.distance, self.place)


@dataclass(frozen=True)
class Job:
    """Work for one process: an encoder and its judging, or a baseline on one set."""

    contender: Contender
    place: str
    families: tuple[str, ...]

    @property
    def title(self) -> str:
        """What to call it where it fails."""
        return f"{self.contender.title} {self.place}"

    def run(self, bench: Bench) -> None:
        """Do what is not done."""
        todo = [(f, s, k) for f, s, k in self.units(bench) if not bench.result_path(self.contender, f, s, k).exists()]
        encoder = None
        for opened in dict.fromkeys(s for _, s, _ in todo):
            if encoder is None and self.contender.kind == "pretrained":
                encoder = pretrained(bench, self.contender, self.place)
            judge = judge_of(self.contender, opened.task, encoder)
            for family, fold in [(f, k) for f, s, k in todo if s is opened]:
                began = time.monotonic()
                result = judge(protocol_of(self.contender, family), opened.splits[fold])
                result.save(bench.result_path(self.contender, family, opened, fold))
                score, took = result.estimates["macro_f1"].value, time.monotonic() - began
                what = f"{self.contender.title} · {family} · {opened.entry.title} · fold {fold}"
                bench.say(f"{what}: {score:.3f} ({took:.0f} s)")

    def units(self, bench: Bench) -> list[tuple[str, Opened, int]]:
        """Family, set and fold of every result."""
        if self.contender.kind == "pretrained":
            return [(f, s, k) for f in self.families for s, k in bench.judged(self.place, f)]
        (opened,) = [s for s in bench.sets if s.entry.name == self.place]
        return [(f, opened, k) for f in families_of(self.contender, self.families) for k in bench.folds]


def jobs_of(bench: Bench, contender: Contender, families: tuple[str, ...]) -> list[Job]:
    """All jobs of a contender."""
    if contender.kind != "pretrained":
        return [Job(contender, e.name, families) for e in bench.entries]
    return [Job(contender, p, families) for p in dict.fromkeys(p for f in families for p in bench.places(f))]


def distance_path(bench: Bench, config: PretrainConfig, place: str) -> Path:
    """Where a distance is kept; contenders with the same one share it."""
    return bench.work / "distances" / f"motif-{digest(plain(config), bench.windows_facts(place))}" / place


def trained_distance(bench: Bench, config: PretrainConfig, place: str) -> Path:
    """Train the distance of a place, or go on with it, or find it."""
    from kinelet.train.distance import train_distance

    out = distance_path(bench, config, place)
    _train(bench, config, place, out, f"distance {place}", train_distance)
    return out


def pretrained(bench: Bench, contender: Contender, place: str) -> Encoder:
    """Pretrain the encoder of a place, or go on with it, or load it."""
    out = bench.work / "encoders" / f"{contender.key}-{digest(contender.facts(), bench.windows_facts(place))}" / place
    config = contender.config
    if config.distance is not None and contender.distance is not None:
        given = config.distance.model_copy(update={"use": str(trained_distance(bench, contender.distance, place))})
        config = config.model_copy(update={"distance": given})
    # Contenders that differ in the loss alone draw the same batches, whose distances are computed once.
    train = partial(pretrain_windows, cache=bench.work / "distances" / "cached")
    _train(bench, config, place, out, f"{contender.title} {place}", train)
    return load(out)


def _train(
    bench: Bench, config: PretrainConfig, place: str, out: Path, label: str, train: Callable[..., object]
) -> None:
    if (out / "model").exists():
        return
    sets, fold = bench.pretraining(place)
    windows = pretraining_windows(sets, fold, config.data.window_s, config.data.hop_s)
    bench.say(f"{label}: {config.train.steps} steps on {len(windows)} windows")
    began = time.monotonic()
    train([windows], out, config, resume=True, progress=teller(bench.say, label, steps_of(config)))
    bench.say(f"{label}: trained in {time.monotonic() - began:.0f} s")
