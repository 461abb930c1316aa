"""The page of the demonstration: what was asked, what came out, on whom, and how to read it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kinelet.distances.survey import survey
from kinelet.report import evaluation, html, plots
from kinelet.report.distance import sections
from kinelet.report.html import Section
from kinelet.report.run import training

if TYPE_CHECKING:
    from kinelet.demo import Findings
    from kinelet.train.pretrain import PretrainConfig

QUESTION = "Can a watch tell seven exercises apart on people it has never seen?"


def write_demo_report(found: Findings, config: PretrainConfig) -> Path:
    """Write ``report.html`` and return its path."""
    path = found.folder / "report.html"
    page = [
        Section("In short", _short(found)),
        *evaluation.sections(found.results),
        Section("What the watch recorded", _recordings(found)),
        Section("What the encoder makes of it", _map(found)),
        *_distance(found),
        *_training(found),
        Section("How to read this", _caveats(found, config)),
        Section("Do it with your own recordings", html.code(OWN)),
    ]
    lead = (
        "An encoder was pretrained on wrist movements without a single label: a small network learnt how far "
        "windows are from each other, and the encoder learnt to rank them likewise (RelCon). Then a boundary was drawn "
        "through what it had learnt, and judged on people whom neither had met."
    )
    html.write_page(path, QUESTION, lead, page, f"Made by kinelet demo in {found.seconds:,.0f} s.")
    return path


def verdict(found: Findings) -> str:
    """One line: the estimate, and the paired difference from the strongest alternative."""
    ours = found.results[0]
    best = max(found.results[1:], key=lambda r: r.estimates["macro_f1"].value)
    gap = ours.difference(best, "macro_f1")
    sign = "ahead of" if gap.lo > 0 else "behind" if gap.hi < 0 else "not told apart from"
    return (
        f"RelCon macro-F1 {ours.estimates['macro_f1']}; {sign} the best alternative, {best.encoder} "
        f"{best.estimates['macro_f1']}: difference {gap.value:+.3f} [{gap.lo:+.3f}, {gap.hi:+.3f}]"
    )


def _short(found: Findings) -> str:
    ours = found.results[0].estimates["macro_f1"]
    info = found.corpus
    hours = sum(r.n_samples / r.spec.rate_hz for r in info.recordings) / 3600
    big = html.numbers(
        [
            (f"{ours.value:.2f}", f"macro-F1 on people never seen, 95 % interval {ours.lo:.2f} to {ours.hi:.2f}"),
            (str(len(info.subjects)), "people, each judged by an encoder that never saw them"),
            (f"{hours:.1f} h", f"of wrist motion in {len(info.recordings)} recordings"),
            (str(len(found.task)), "windows of five seconds, which count as ten people, not as thousands"),
        ]
    )
    chance = 1 / len(found.task.classes)
    return big + html.paragraph(verdict(found) + f". Guessing would score about {chance:.2f}.")


def _recordings(found: Findings) -> str:
    task = found.task
    examples = {name: task.x[np.flatnonzero(task.y == code)[0]] for code, name in enumerate(task.classes)}
    picture = plots.windows(examples, task.spec.rate_hz, task.spec.channels)
    return html.figure(picture, "Five seconds of each exercise, acceleration in g along the watch's three axes.")


def _map(found: Findings) -> str:
    plane = principal_plane(found.vectors)
    names = [found.task.classes[i] for i in found.task.y]
    people = [f"person {found.task.subjects[i].rsplit('_', 1)[-1]}" for i in found.task.subject]
    return html.figure(
        plots.embedding_map(plane, names, found.task.classes),
        "Every window as a point: what the first fold's encoder makes of it, flattened to the two directions of "
        "largest spread, by exercise … (The people of the other folds were in this encoder's pretraining.)",
    ) + html.figure(
        plots.embedding_map(plane, people, sorted(set(people))),
        "… and by person. Where the second picture is more orderly than the first, the encoder knows people better "
        "than exercises, and that is what a split of windows at random would have been paid for.",
    )


def principal_plane(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """First two principal components of standardised vectors, ``(n, 2)``."""
    z = (vectors - vectors.mean(axis=0)) / np.maximum(vectors.std(axis=0), 1e-6)
    _, _, directions = np.linalg.svd(z, full_matrices=False)
    return np.asarray(z @ directions[:2].T, dtype=np.float64)


def _distance(found: Findings) -> list[Section]:
    """What the first fold's distance calls near and far: what the encoder was taught by."""
    trained = sorted((found.folder / "folds").glob("*/distance/model"))
    if not trained:
        return []
    return sections(survey(trained[0], found.corpus, anchors=14, candidates=120), people=False)


def _training(found: Findings) -> list[Section]:
    runs = sorted((found.folder / "folds").glob("*/metrics.jsonl"))
    return training(runs[0].parent) if runs else []


def _caveats(found: Findings, config: PretrainConfig) -> str:
    people = len(found.corpus.subjects)
    return "".join(
        html.paragraph(text)
        for text in (
            f"People are split, never windows: in each of {len(set(found.results[0].fold))} folds the encoder was "
            f"pretrained and the classifier fitted on the other people only, {config.train.steps} steps, no labels in "
            "pretraining. Strength of regularisation and the moment to stop were chosen inside the training people.",
            f"The interval says how far the number could move with {people} other people like these. It is wide, "
            "because ten people are few; it does not cover other watches, other exercises or other seeds.",
            "A difference whose interval contains zero is not a difference that these people can show. Paired "
            "differences are the fair comparison: everybody is judged on the same people.",
            "One recipe was run once. It was not chosen for these recordings and is not the best that can be had.",
        )
    )


OWN = """kinelet read P001.cwa
kinelet corpus build recordings/ --out corpora/mine --rate 50
kinelet pretrain relcon --corpus corpora/mine --out runs/mine
kinelet evaluate runs/mine --corpus corpora/mine --refit
kinelet report runs/mine"""
