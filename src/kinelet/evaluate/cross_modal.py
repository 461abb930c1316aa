"""Does the shared part mean the same in every modality? Moments looked up across modalities, probes carried across.

A linear probe on all modalities side by side barely sees whether they are aligned: it can read each by itself. Looking
a moment up by another modality, or judging a probe on a modality that it has not learnt from, needs alignment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import permutations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from kinelet.corpus.splits import Split
from kinelet.errors import BadOptionError
from kinelet.evaluate.modality_probe import ModalityProbe
from kinelet.evaluate.protocol import Predictions
from kinelet.evaluate.ranking import retrieval
from kinelet.evaluate.result import Result
from kinelet.evaluate.retrieval_result import MEDIAN_RANK, RetrievalResult, query_replicates
from kinelet.evaluate.run import pool
from kinelet.evaluate.statistics import resamples
from kinelet.evaluate.task import Codes, FloatArray, Task

Floats = npt.NDArray[np.float64]
Shared = Mapping[str, FloatArray]
"""U by modality, ``(moment, width)``; NaN in rows that lack the modality."""

KS = (1, 10)
_BLOCK = 1 << 22


def look_up(shared: Shared, subject: Codes, subjects: Sequence[str], *, name: str, task: str) -> list[RetrievalResult]:
    """Look every moment up by the U of one modality among the U of another, for all ordered pairs of modalities.

    Both are compared by cosine as they are; the right answer is the moment itself, and the gallery is all moments.
    Intervals are over people, drawn anew with all their moments as queries.

    Args:
        shared: Of moments that have all modalities.
        subject: Person of each, ``(moment,)`` codes into ``subjects``.
        subjects: Names.
        name: What to call the encoders.
        task: Name of the corpus.

    Raises:
        BadOptionError: if the modalities' U differ in width, or there is no moment.
    """
    _require_one_width(shared)
    people, person = np.unique(subject, return_inverse=True)
    names = tuple(subjects[i] for i in people)
    n = len(subject)
    asked = hashlib.sha256(repr((n, names)).encode() + person.astype(np.int64).tobytes()).hexdigest()
    out = []
    for a, b in permutations(shared, 2):
        found = retrieval(shared[a], shared[b], sparse.eye_array(n, format="csr"), KS)
        replicates = query_replicates(found, person, len(people))
        result = RetrievalResult(
            direction=f"{a} -> {b}",
            encoder=name,
            task=task,
            queries=n,
            gallery=n,
            relevant=1.0,
            people=names,
            test=asked,
            values={**found.values, MEDIAN_RANK: float(np.median(found.rank))},
            random={**found.random, MEDIAN_RANK: (n + 1) / 2},
            replicates={**replicates, MEDIAN_RANK: median_replicates(found.rank, person, len(people))},
        )
        out.append(result)
    return out


def median_replicates(rank: Floats, person: Codes, people: int) -> Floats:
    """Median rank where people are drawn anew with all their queries, ``(replicate,)``."""
    order = np.argsort(rank, kind="stable")
    weights, sorted_rank = resamples(people), rank[order]
    size = max(1, _BLOCK // len(rank))
    out = []
    for i in range(0, len(weights), size):
        below = weights[i : i + size][:, person[order]].cumsum(axis=1)
        half = below[:, -1:] / 2
        # With an even number of queries the median lies between the two in the middle.
        out.append((sorted_rank[(below >= half).argmax(axis=1)] + sorted_rank[(below > half).argmax(axis=1)]) / 2)
    return np.concatenate(out)


def carry_over(shared: Shared, task: Task, splits: Sequence[Split], probe: ModalityProbe, name: str) -> list[Result]:
    """Probes learnt on the U of one modality of the training people, judged on the U of each modality of the others.

    What the probe does to its columns beforehand is learnt from the first modality too and used for the other as it
    is. Only moments that have all modalities are used, so that all figures are on the same ones; a modality judged on
    itself is what the others can be compared with.

    Args:
        shared: U of the moments of ``task``.
        task: Moments with a target; its vectors are not looked at.
        splits: Folds of people; those that have no complete moment on either side are left out.
        probe: The probe, for one group of columns.
        name: What to call the encoders.

    Returns:
        By training modality, then by judged modality, in order of ``shared``; none if no fold is left.

    Raises:
        BadOptionError: if the modalities' U differ in width.
    """
    _require_one_width(shared)
    complete = np.flatnonzero(np.all([np.isfinite(u).all(axis=1) for u in shared.values()], axis=0))
    told, here = task.take(complete), {n: u[complete] for n, u in shared.items()}
    kept = [s for s in splits if len(told.rows(s.train)) and len(told.rows(s.test))]
    out: list[Result] = []
    for source in here if kept else ():
        folds = [_fold(here, source, told, split, probe) for split in kept]
        for i, target in enumerate(here):
            result = pool(probe, told, [f[:, i] for f in folds], kept, f"{name}: U of {source} -> U of {target}")
            out.append(replace(result, options={**result.options, "learnt_on": source, "judged_on": target}))
    return out


def _fold(shared: Shared, source: str, task: Task, split: Split, probe: ModalityProbe) -> Predictions:
    """Predictions ``(draw, modality, moment)`` of one fold; the probe is fitted once for all modalities."""
    train, test = task.rows(split.train), task.rows(split.test)
    asked = np.concatenate([u[test] for u in shared.values()])
    found = probe.predict(task.take(train).with_x(shared[source][train]), asked, None, lambda _note: None)
    return found.reshape(len(found), len(shared), len(test))


def _require_one_width(shared: Shared) -> None:
    widths = {name: u.shape[1] for name, u in shared.items()}
    if len(set(widths.values())) > 1:
        raise BadOptionError(
            f"the shared parts differ in width: {widths}",
            where="cross-modal",
            remedy="Align with heads of one width, or say cross_modal=false",
        )
