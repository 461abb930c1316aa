"""Pretraining and judging for ``primus_results.py``: what has to be done, where it is kept, and doing it.

A result is kept for each arm, family, set, fold and number of shots, under a name that holds a hash of everything that
decides it; what is there already is not done again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

from har_sets import HarSet, Opened
from jobs import clock, teller
from kinelet.corpus import Corpus, union
from kinelet.corpus.windows import Windows
from kinelet.deploy.loading import load
from kinelet.encoders.base import Encoder
from kinelet.evaluate.result import Result
from kinelet.evaluate.retrieval_result import RetrievalResult
from kinelet.train.pretrain import pretrain_windows, steps_of
from primus_arms import Arm, digest
from primus_judge import SHOTS, curve_of
from primus_words import mean_over_folds, named, searched

#: What is judged, and how: windows of five seconds, clips and single movements stretched to that.
JUDGED = (
    HarSet("classyglass", "ClassyGlass", None, 5.0, 5.0),
    HarSet("umafall_wrist", "UMAFall wrist", None, 5.0, 5.0),
    HarSet("geotec_watch", "GEOTEC watch", None, 5.0, None, "stretch"),
    HarSet("utd_mhad", "UTD-MHAD", None, 5.0, None, "stretch"),
    HarSet("seglearn_watch", "seglearn", None, 5.0, 5.0),
)
#: The same people's other body sites, pretrained on and not judged.
BESIDE = {"umafall_wrist": ("umafall_waist", "umafall_chest", "umafall_ankle"), "geotec_watch": ("geotec_phone",)}
#: Corpora whose windows are laid over whole clips when they are pretrained on.
CLIPS = ("utd_mhad",)
IN_DOMAIN = ("classyglass", "umafall_wrist", "geotec_watch", "utd_mhad")
#: Out of domain: pretrained on the first, judged on the second.
OPEN_TRAIN, OPEN_TEST = ("classyglass", "utd_mhad"), ("umafall_wrist", "geotec_watch", "seglearn_watch")
FAMILIES = ("in_domain", "out_of_domain")


@dataclass(frozen=True)
class Bench:
    """What is compared on which sets; can be sent to other processes.

    Attributes:
        work: Folder of corpora, encoders and results.
        folds: Folds of people to judge.
        started: When the command began, seconds since 1970.
    """

    work: Path
    folds: tuple[int, ...]
    started: float = field(default_factory=time.time, compare=False)

    def say(self, text: str) -> None:
        """Print with the time since the start."""
        print(f"{clock(self.started)} {text}", flush=True)

    def whole(self, name: str) -> Corpus:
        """Everything of a set."""
        return _whole(self.work, name)

    def opened(self, name: str) -> Opened:
        """What of a set is judged, in its folds of people."""
        return _opened(self.work, name)

    def sets(self, family: str) -> list[Opened]:
        """What is judged."""
        return [self.opened(name) for name in (IN_DOMAIN if family == "in_domain" else OPEN_TEST)]

    def places(self, family: str) -> list[str]:
        """Where encoders have to be pretrained for a family."""
        return [f"fold-{f}" for f in self.folds] if family == "in_domain" else ["open"]

    def place_of(self, family: str, fold: int) -> str:
        """The place whose encoder judges a fold."""
        return f"fold-{fold}" if family == "in_domain" else "open"

    def judged(self, family: str, place: str) -> list[tuple[Opened, int]]:
        """Sets and folds that the encoder of a place is judged on; never on people it was pretrained on."""
        folds = [int(place.removeprefix("fold-"))] if family == "in_domain" else list(self.folds)
        return [(opened, fold) for opened in self.sets(family) for fold in folds]

    def views(self, place: str, window_s: float, hop_s: float | None) -> list[Windows]:
        """What the encoder of a place is pretrained on."""
        people = self.people(place)
        long = [n for n in people if n not in CLIPS]
        joined = union([self.whole(n) for n in long]).windows(window_s, hop_s)
        clips = [(n, self.whole(n).windows(window_s, placement="stretch")) for n in people if n in CLIPS]
        return [joined.of([f"{n}:{p}" for n in long for p in people[n]]), *(w.of(people[n]) for n, w in clips)]

    def people(self, place: str) -> dict[str, list[str]]:
        """Who is pretrained on, by corpus; those judged at the place are left out at every body site."""
        if place == "open":
            return {n: list(self.whole(n).subjects) for n in OPEN_TRAIN}
        out: dict[str, list[str]] = {}
        for name in IN_DOMAIN:
            judged = set(self.opened(name).splits[int(place.removeprefix("fold-"))].test)
            out |= {n: [p for p in self.whole(n).subjects if p not in judged] for n in (name, *BESIDE.get(name, ()))}
        return out

    def facts(self, place: str) -> list[str]:
        """Hashes of the corpora that a place is pretrained on."""
        return [self.whole(n).hash for n in self.people(place)]

    def encoder_path(self, arm: Arm, place: str) -> Path:
        """Run directory of a pretrained encoder."""
        return self.work / "encoders" / f"{arm.name}-{digest(arm.facts(), self.facts(place))}" / place

    def result_path(self, arm: Arm, family: str, opened: Opened, fold: int, what: object) -> Path:
        """Where one result is kept; ``what`` is a number of shots, or another protocol's name."""
        facts = [arm.facts(), opened.corpus.hash, repr(opened.entry), opened.splits[fold].test]
        facts += [self.facts(self.place_of(family, fold))] if arm.kind == "pretrained" else []
        name = f"{arm.name}-{digest(*facts)}"
        return self.work / "results" / family / opened.entry.name / name / f"fold-{fold}" / f"{what}.json"


@lru_cache(maxsize=16)
def _whole(work: Path, name: str) -> Corpus:
    return Corpus.open(work / "corpora6" / name)


@lru_cache(maxsize=16)
def _opened(work: Path, name: str) -> Opened:
    (entry,) = [e for e in JUDGED if e.name == name]
    return Opened.of(entry, _whole(work, name))


@dataclass(frozen=True)
class Job:
    """Work for one process: the encoder of a place, and its judging.

    Attributes:
        arm: Who.
        family: What is judged.
        place: Whose encoder.
    """

    arm: Arm
    family: str
    place: str

    @property
    def title(self) -> str:
        """What to call it where it fails."""
        return f"{self.arm.title}, {self.family}, {self.place}"

    def run(self, bench: Bench) -> None:
        """Do what is not done."""
        todo = [(s, f) for s, f in bench.judged(self.family, self.place) if not self._done(bench, s, f)]
        encoder = pretrained(bench, self.arm, self.place) if todo and self.arm.kind == "pretrained" else None
        for opened, fold in todo:
            began = time.monotonic()
            found = curve_of(self.arm, encoder, opened, fold)
            if encoder is not None and "text" in encoder.card.get("alignment", {}):
                self._without_labels(bench, encoder, opened, fold)
            for what, result in found.items():
                if what != SHOTS[-1]:
                    result.save(bench.result_path(self.arm, self.family, opened, fold, what))
            # Last, because it stands for all.
            found[SHOTS[-1]].save(bench.result_path(self.arm, self.family, opened, fold, SHOTS[-1]))
            scores = " ".join(f"{n}:{r.estimates['macro_f1'].value:.3f}" for n, r in found.items())
            bench.say(f"{self.title} · {opened.entry.title} · fold {fold}: {scores} ({time.monotonic() - began:.0f} s)")

    def _without_labels(self, bench: Bench, encoder: Encoder, opened: Opened, fold: int) -> None:
        place = partial(bench.result_path, self.arm, self.family, opened, fold)
        named(encoder, opened, fold, self.arm.title).save(place("zero-shot"))
        if self.family == "in_domain":
            for result in searched(encoder, opened, fold, self.arm.title):
                result.save(place(result.direction.replace(" -> ", "-to-")))

    def _done(self, bench: Bench, opened: Opened, fold: int) -> bool:
        return bench.result_path(self.arm, self.family, opened, fold, SHOTS[-1]).exists()


def jobs_of(bench: Bench, arm: Arm, family: str) -> list[Job]:
    """All jobs of an arm."""
    return [Job(arm, family, place) for place in bench.places(family)]


def pretrained(bench: Bench, arm: Arm, place: str) -> Encoder:
    """Pretrain the encoder of a place, or go on with it, or load it."""
    out = bench.encoder_path(arm, place)
    if not (out / "model").exists():
        label, config = f"{arm.title} {place}", arm.config
        views = bench.views(place, config.data.window_s, config.data.hop_s)
        bench.say(f"{label}: {config.train.steps} steps on {[len(v) for v in views]} windows")
        began = time.monotonic()
        pretrain_windows(views, out, config, resume=True, progress=teller(bench.say, label, steps_of(config)))
        bench.say(f"{label}: trained in {time.monotonic() - began:.0f} s")
    return load(out)


def results(bench: Bench, arm: Arm, family: str, opened: Opened, what: object) -> list[Result] | None:
    """Kept results of all folds, or ``None`` if one is missing."""
    paths = [bench.result_path(arm, family, opened, fold, what) for fold in bench.folds]
    return [Result.load(path) for path in paths] if all(path.exists() for path in paths) else None


def searches(bench: Bench, arm: Arm, opened: Opened, direction: str) -> RetrievalResult | None:
    """Mean over all folds of a direction of search, or ``None`` if one is missing."""
    what = direction.replace(" -> ", "-to-")
    paths = [bench.result_path(arm, "in_domain", opened, fold, what) for fold in bench.folds]
    return mean_over_folds([RetrievalResult.load(p) for p in paths]) if all(p.exists() for p in paths) else None
