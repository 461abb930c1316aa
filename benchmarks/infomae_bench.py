"""Aligning and judging for ``infomae_pairs.py``: what has to be done, where it is kept, and doing it.

One encoder a modality is pretrained for each fold of people, once; every arm starts from them and sees the same pairs.
A result is kept for each arm, set, share of pairs, fold and seed, under a hash of everything that decides it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from infomae_sets import Opened, opened
from jobs import clock, teller
from kinelet.config import validate
from kinelet.corpus.moments import Moments
from kinelet.deploy.multimodal import Multimodal
from kinelet.encoders.base import Encoder
from kinelet.encoders.registry import create_encoder
from kinelet.evaluate.modality_probe import ModalityProbe
from kinelet.evaluate.moment_features import columns, embed_moments, task_of
from kinelet.evaluate.run import pool
from kinelet.files import write_text
from kinelet.train.align import align
from kinelet.train.align_recipe import AlignConfig, align_recipe
from kinelet.train.pretrain import fit_input, pretrain_windows
from kinelet.train.recipe import PretrainConfig
from kinelet.train.recipes import recipe
from kinelet.train.stage1 import Source

WIDTH = 128


@dataclass(frozen=True)
class Arm:
    """One way of alignment.

    Attributes:
        name: Short name.
        method: Method of ``kinelet align``.
        title: For tables.
        told: ``key=value`` over its recipe.
        unimodal: Whether it starts from stage 1.
        features: Parts that are judged; ``None`` for the method's own.
    """

    name: str
    method: str
    title: str
    told: tuple[str, ...] = ()
    unimodal: bool = True
    features: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Bench:
    """What is compared; can be sent to other processes.

    Attributes:
        work: Folder of corpora, runs and results.
        stage1: ``key=value`` over the recipe of ``mae``.
        told: ``key=value`` over every alignment.
        started: When the command began, seconds since 1970.
    """

    work: Path
    stage1: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    started: float = field(default_factory=time.time, compare=False)

    def say(self, text: str) -> None:
        """Print with the time since the start."""
        print(f"{clock(self.started)} {text}", flush=True)

    def pretrain_config(self, arm_set: Opened, name: str) -> PretrainConfig:
        """How the encoder of a modality is pretrained."""
        entry = arm_set.entry
        data = [f"data.window_s={entry.window_s}", f"data.placement={entry.placement}", "train.threads=1"]
        data += [f"encoder.options.patch={list(entry.patch[name])}"]
        return recipe(None, [*data, *self.stage1], method="mae")

    def unimodal(self, of: Opened, fold: int, name: str) -> Path:
        """Run directory of a modality's encoder, pretrained on all windows of a fold's training people."""
        config = self.pretrain_config(of, name)
        facts = [config.model_dump(mode="json"), of.corpus.hash, of.entry.views[name], of.splits[fold].train]
        return self.work / "unimodal" / of.entry.name / f"{name}-{digest(*facts)}" / f"fold-{fold}"

    def result_path(self, job: Job) -> Path:
        """Where the results of an alignment are kept."""
        of = opened(self.work, job.set_name)
        arm = job.arm
        facts = [arm.method, arm.told, arm.unimodal, arm.features, self.told, self.config(job).model_dump(mode="json")]
        facts += [[str(self.unimodal(of, job.fold, n)) for n in of.entry.views] if arm.unimodal else []]
        name = f"{arm.name}-{digest(*facts)}"
        return self.work / "results" / of.entry.name / name / f"{job.share:g}" / f"fold-{job.fold}-seed-{job.seed}.json"

    def config(self, job: Job) -> AlignConfig:
        """How pairs are trained on."""
        told = [
            f"train.seed={job.seed}",
            f"pairs.length={opened(self.work, job.set_name).entry.length}",
            "train.threads=1",
            *self.told,
            *job.arm.told,
        ]
        return align_recipe(None, told, method=job.arm.method)


def digest(*facts: Any) -> str:
    """A short hash of plain data."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:10]


@dataclass(frozen=True)
class Stage1:
    """Pretrain the encoder of one modality on the training people of a fold."""

    set_name: str
    fold: int
    modality: str

    @property
    def title(self) -> str:
        """What to call it where it fails."""
        return f"mae, {self.set_name}, fold {self.fold}, {self.modality}"

    def run(self, bench: Bench) -> None:
        """Do it, if it is not done."""
        of = opened(bench.work, self.set_name)
        folder = bench.unimodal(of, self.fold, self.modality)
        if (folder / "model" / "config.json").is_file():
            return
        started = time.monotonic()
        windows = of.windows(self.modality).of(of.splits[self.fold].train)
        config = bench.pretrain_config(of, self.modality)
        told = teller(bench.say, self.title, config.train.steps)
        pretrain_windows([windows], folder, config, resume=True, progress=told)
        bench.say(f"{self.title}: {len(windows):,} windows, {time.monotonic() - started:.0f} s")


@dataclass(frozen=True)
class Job:
    """Align on a share of the pairs of a fold's training people, and judge the others."""

    arm: Arm
    set_name: str
    share: float
    fold: int
    seed: int

    @property
    def title(self) -> str:
        """What to call it where it fails."""
        return f"{self.arm.name}, {self.set_name}, {self.share:.0%}, fold {self.fold}, seed {self.seed}"

    def run(self, bench: Bench) -> None:
        """Do it, if it is not done."""
        path = bench.result_path(self)
        if path.is_file():
            return
        started = time.monotonic()
        of = opened(bench.work, self.set_name)
        model = self.aligned(bench, of)
        told = judged(model, of, self.fold, self.arm.features or tuple(model.card["features"]))
        told |= {"pairs": model.card["pairs"], "kept_out": model.card["pairs_kept_out"], "title": self.arm.title}
        told |= {"arm": self.arm.name, "share": self.share, "seed": self.seed, "fold": self.fold}
        write_text(path, json.dumps(told))
        bench.say(f"{self.title}: {model.card['pairs']:,} pairs, {time.monotonic() - started:.0f} s, {brief(told)}")

    def aligned(self, bench: Bench, of: Opened) -> Multimodal:
        """The encoders after alignment; the run itself is not kept."""
        pairs = share_of(of, self.fold, self.share, self.seed)
        folder = bench.work / "runs" / digest(str(bench.result_path(self)))
        make = bench.unimodal if self.arm.unimodal else partial(self.fresh, bench)
        sources: dict[str, Source] = {name: make(of, self.fold, name) for name in of.entry.views}
        model = align(pairs, folder, bench.config(self), unimodal=sources, resume=True)
        shutil.rmtree(folder)
        return model

    def fresh(self, bench: Bench, of: Opened, fold: int, name: str) -> Encoder:
        """An encoder of the same shape that nobody has trained; its input is fitted on the pairs alone."""
        config = bench.pretrain_config(of, name).encoder
        pairs = share_of(of, fold, self.share, self.seed)
        made = create_encoder(config.name, spec=pairs.specs[name], seed=self.seed, **config.options)
        fit_input(made, [pairs.modality(name)])
        return made


def share_of(of: Opened, fold: int, share: float, seed: int) -> Moments:
    """A share of a fold's pairs, whole sequences of them; those of a smaller share are among those of a larger one."""
    pairs = of.pairs.of(of.splits[fold].train)
    return pairs if share == 1 else pairs.share(share, seed, of.entry.length)


def judged(model: Multimodal, of: Opened, fold: int, parts: tuple[str, ...]) -> dict[str, Any]:
    """Results by target, modalities and width, as plain data; everybody is judged by the people of other folds."""
    split = of.splits[fold]
    out: dict[str, Any] = {}
    for target in of.entry.targets:
        task, keep = task_of(of.judged(target), target=target.kind, name=of.entry.name)
        found = embed_moments(model, of.judged(target).select(keep))
        for names in [*([n] for n in model.names), list(model.names)]:
            x, groups = columns(found, names, parts)
            whole = task.with_x(x)
            train, asked = whole.take(whole.rows(split.train)), whole.x[whole.rows(split.test)]
            for width in (WIDTH, None):
                probe = validate(ModalityProbe, {"groups": groups, "width": width})
                predicted = probe.predict(train, asked, None, lambda _note: None)
                key = f"{target.track}|{'+'.join(names)}|{width or 'raw'}"
                result = pool(probe, whole, [predicted], [split], of.entry.name)
                out[key] = result.to_dict()
    return {"results": out}


def brief(told: dict[str, Any]) -> str:
    """The main figures in a line."""
    found = {key: main_figure(value) for key, value in told["results"].items() if key.endswith(f"|{WIDTH}")}
    return ", ".join(f"{key.rsplit('|', 1)[0]} {value:.3f}" for key, value in found.items())


def main_figure(value: dict[str, Any]) -> float:
    """The main figure of a result as plain data."""
    estimates = value["estimates"]
    return float((estimates.get("macro_f1") or estimates["mae"])["value"])
