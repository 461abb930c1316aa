"""What a distance goes by: how far offset, energy and cadence explain its rankings, and what survives a rotation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kinelet.distances.base import Distance
from kinelet.distances.explain import Bools, Floats, Traits, average_precision, explained, gaps, spearman, traits
from kinelet.distances.findings import Agreement, DistanceReport, Ints, SameLabel
from kinelet.distances.variants import motion_only, other_attention
from kinelet.errors import BadOptionError
from kinelet.functional.augment_axes import rotate
from kinelet.progress import Progress, silent
from kinelet.signal.spec import ACC, SignalSpec

NEAREST = 5
FEWEST = 5
_AT_ONCE = 2048


@dataclass(frozen=True, eq=False)
class Pairs:
    """Every anchor with every candidate.

    Attributes:
        x: Windows ``(n, channel, time)``.
        anchor: Rows of the anchors.
        candidate: Rows of the candidates.
    """

    x: Tensor
    anchor: Ints
    candidate: Ints

    def __len__(self) -> int:
        return len(self.anchor) * len(self.candidate)

    def distances(self, distance: Distance, progress: Progress, done: int) -> Floats:
        """Distances ``(anchor, candidate)``, some anchors at a time."""
        out = np.empty((len(self.anchor), len(self.candidate)))
        step = max(1, _AT_ONCE // len(self.candidate))
        candidate = torch.from_numpy(self.candidate)
        for first in range(0, len(self.anchor), step):
            rows = torch.from_numpy(self.anchor[first : first + step])
            found = distance.pairs(self.x, rows.repeat_interleave(len(candidate)), candidate.repeat(len(rows)))
            out[first : first + step] = found.reshape(len(rows), -1).cpu().double().numpy()
            progress(done + (first + len(rows)) * len(candidate))
        return out

    def own(self, distance: Distance) -> Floats:
        """Distance of each anchor from itself ``(anchor,)``."""
        rows = torch.from_numpy(self.anchor)
        return np.asarray(distance.pairs(self.x, rows, rows).cpu().double().numpy())

    def turned(self, seed: int) -> Pairs:
        """The same with every candidate rotated at random, by a rotation of its own."""
        rows, x = torch.from_numpy(self.candidate), self.x.clone()
        x[rows] = rotate(self.x[rows], torch.Generator().manual_seed(seed))
        return replace(self, x=x)


def passes(distance: Distance, spec: SignalSpec) -> int:
    """How often every pair is evaluated, for a progress bar."""
    others = (motion_only(distance), other_attention(distance))
    return 1 + sum(o is not None and o is not distance for o in others) + _rotatable(spec)


def diagnose(
    x: npt.NDArray[np.float32],
    subject: npt.ArrayLike,
    distance: Distance,
    *,
    spec: SignalSpec,
    label: npt.ArrayLike | None = None,
    anchors: int = 24,
    candidates: int = 200,
    seed: int = 0,
    progress: Progress = silent,
) -> DistanceReport:
    """Rank the same candidates for each of some anchors and say what the ranking goes by.

    Anchors and candidates are drawn without overlap, in turn from one person after the other. All candidates count
    for the ranking, those of other people alone for the labels.

    Args:
        x: Windows ``(n, channel, time)`` in ``spec.units``.
        subject: Codes of people ``(n,)``.
        distance: What is looked at.
        spec: Signal of the windows.
        label: Codes of classes ``(n,)``, -1 for none.
        anchors: Anchors.
        candidates: Candidates of each.
        seed: Seed of draw and rotation.
        progress: Told of pairs.

    Raises:
        BadOptionError: if there are too few windows to rank anything.
    """
    person = np.asarray(subject)
    pairs = Pairs(torch.from_numpy(np.ascontiguousarray(x)), *draw(person, anchors, candidates, seed))
    values = pairs.distances(distance, progress, 0)
    found = _variants(pairs, distance, values, spec, seed, progress)
    properties = _traits(x, spec)
    by = gaps(properties, pairs.anchor, pairs.candidate)
    rotated, mean = found.get("rotated"), float(values.mean())
    return DistanceReport(
        distance=distance.describe(),
        anchors=len(pairs.anchor),
        candidates=len(pairs.candidate),
        people=len(np.unique(person[np.r_[pairs.anchor, pairs.candidate]])),
        seed=seed,
        spec=spec,
        mean=mean,
        self_ratio=_share(float(pairs.own(distance).mean()), mean),
        offset_share=_share(mean - float(found["motion"].mean()), mean) if "motion" in found else None,
        correlation={name: float(spearman(values, gap).mean()) for name, gap in by.items()},
        ranking=explained(values, by),
        rotation=None if rotated is None else float(spearman(values, rotated).mean()),
        attention=agreement(values, found["attention"]) if "attention" in found else None,
        labels=None if label is None else _same_label(pairs, values, rotated, by, person, np.asarray(label)),
        anchor=pairs.anchor,
        candidate=pairs.candidate,
        values=values,
    )


def draw(person: npt.NDArray[Any], anchors: int, candidates: int, seed: int) -> tuple[Ints, Ints]:
    """Rows of anchors and of candidates, disjoint, in turn from one person after the other.

    Args:
        person: Codes of people ``(n,)``.
        anchors: Wanted anchors.
        candidates: Wanted candidates; where windows are too few, there are fewer of both, in the same proportion.
        seed: Seed.

    Raises:
        BadOptionError: if fewer than five candidates would be left.
    """
    share = min(1.0, len(person) / (anchors + candidates))
    n_anchors, n_candidates = max(1, int(anchors * share)), int(candidates * share)
    if n_candidates < FEWEST:
        raise BadOptionError(
            f"{len(person)} windows leave {n_candidates} candidates for {n_anchors} anchors",
            where="distance report",
            remedy=f"At least {FEWEST} are needed: give more recordings, or ask for more candidates",
        )
    chosen = in_turn(person, seed)
    return chosen[:n_anchors], chosen[n_anchors : n_anchors + n_candidates]


def in_turn(person: npt.NDArray[Any], seed: int) -> Ints:
    """All rows in an order that takes one of each person, drawn at random, then a second of each, and so on."""
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(person))
    grouped = shuffled[np.argsort(person[shuffled], kind="stable")]
    _, first, code = np.unique(person[grouped], return_index=True, return_inverse=True)
    turn, place = np.arange(len(grouped)) - first[code], rng.permutation(len(first))[code]
    return np.asarray(grouped[np.lexsort((place, turn))], dtype=np.int64)


def agreement(a: Floats, b: Floats) -> Agreement:
    """How far two rankings agree, from distances ``(anchor, candidate)`` of the same pairs."""
    first, second = (np.argsort(d, axis=1, kind="stable")[:, :NEAREST] for d in (a, b))
    shared = [len(set(p) & set(q)) / len(p) for p, q in zip(first.tolist(), second.tolist(), strict=True)]
    nearest = float((first[:, 0] == second[:, 0]).mean())
    return Agreement(float(spearman(a, b).mean()), nearest, float(np.mean(shared)))


def _variants(
    pairs: Pairs, distance: Distance, values: Floats, spec: SignalSpec, seed: int, progress: Progress
) -> dict[str, Floats]:
    wanted: list[tuple[str, Distance | None, Pairs]] = [
        ("motion", motion_only(distance), pairs),
        ("attention", other_attention(distance), pairs),
    ]
    if _rotatable(spec):
        wanted.append(("rotated", distance, pairs.turned(seed)))
    out: dict[str, Floats] = {}
    done = len(pairs)
    for name, other, on in wanted:
        if other is distance and on is pairs:
            out[name] = values
        elif other is not None:
            out[name] = on.distances(other, progress, done)
            done += len(pairs)
    return out


def _same_label(
    pairs: Pairs,
    values: Floats,
    rotated: Floats | None,
    by: Mapping[str, Floats],
    person: npt.NDArray[Any],
    label: npt.NDArray[Any],
) -> SameLabel | None:
    a, c = pairs.anchor, pairs.candidate
    others = (person[a][:, None] != person[c][None]) & (label[c] >= 0)[None]
    same = others & (label[a][:, None] == label[c][None])
    rows = np.flatnonzero((same.sum(axis=1) > 0) & (same.sum(axis=1) < others.sum(axis=1)) & (label[a] >= 0))
    if not len(rows):
        return None

    def precision(of: Floats) -> float:
        return float(np.mean([average_precision(of[i, others[i]], same[i, others[i]]) for i in rows]))

    plain = {**by, "Euclidean distance": _euclidean(pairs)}
    return SameLabel(
        anchors=len(rows),
        chance=float(np.mean(same[rows].sum(axis=1) / others[rows].sum(axis=1))),
        average_precision=precision(values),
        precision=float(np.mean([_among_nearest(values[i, others[i]], same[i, others[i]]) for i in rows])),
        rotated=None if rotated is None else precision(rotated),
        plain={name: precision(gap) for name, gap in plain.items()},
    )


def _among_nearest(distance: Floats, relevant: Bools) -> float:
    return float(relevant[np.argsort(distance, kind="stable")[:NEAREST]].mean())


def _euclidean(pairs: Pairs) -> Floats:
    candidates = pairs.x[torch.from_numpy(pairs.candidate)]
    rows = [(candidates - pairs.x[i]).square().sum(dim=(1, 2)).sqrt().double().numpy() for i in pairs.anchor.tolist()]
    return np.stack(rows)


def _traits(x: npt.NDArray[np.float32], spec: SignalSpec) -> Traits:
    """Of the accelerometer; of all channels where there is none."""
    axes = [spec.channels.index(name) for name in ACC if name in spec.channels] or list(range(len(spec.channels)))
    return traits(x[:, axes], spec.rate_hz)


def _rotatable(spec: SignalSpec) -> bool:
    return len(spec.channels) % 3 == 0


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
