"""When to say nothing: a threshold on confidence from people whose labels are known, judged a person at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from kinelet.errors import BadOptionError
from kinelet.evaluate.metrics import Array
from kinelet.evaluate.statistics import Estimate, estimate

Aim = Literal["precision", "coverage"]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int64]

LEAST = 20
"""Answers that a precision must rest on: the most confident window alone is right or wrong, never 90 % right."""


@dataclass(frozen=True)
class Calibration:
    """A threshold and what it is worth.

    The estimates are of people left out: each person is judged with the threshold of the others.

    Attributes:
        threshold: Least confidence to answer with, from all people.
        aim: Whether a ``precision`` was asked for or a ``coverage``.
        target: What was asked for.
        precision: Share of the answers that are right.
        coverage: Share of the windows that are answered.
        accuracy: Share of the windows that are right where nothing is left unanswered.
        thresholds: Least and greatest threshold among those of the people left out.
        windows: Windows with a known label.
        others: Those among them whose label is none of the classes: any answer to them is wrong.
        people: Whose windows they are.
        absent: Classes that are no label of the track: every answer with one of them counts as wrong.
    """

    threshold: float
    aim: Aim
    target: float
    precision: Estimate
    coverage: Estimate
    accuracy: Estimate
    thresholds: tuple[float, float]
    windows: int
    others: int
    people: tuple[str, ...]
    absent: tuple[str, ...] = ()

    def rows(self) -> list[tuple[str, str]]:
        """Name and value of each figure, for a table."""
        low, high = self.thresholds
        known = [
            ("threshold", f"{self.threshold:.4f} ({low:.4f} to {high:.4f} with one person left out)"),
            ("asked for", f"{self.aim} {self.target:g}"),
            ("precision, on people left out", str(self.precision)),
            ("coverage, on people left out", str(self.coverage)),
            ("accuracy without a threshold", str(self.accuracy)),
            ("windows with a label", f"{self.windows}, {self.others} of them of no class listed"),
        ]
        if not self.absent:
            return known
        return [*known, ("no label of the track is", f"{listed(self.absent)}: any answer with them counts as wrong")]


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names in quotes, since they may hold commas, and how many more there are.

    >>> listed(["sit, upright", "walk", "run"], most=2)
    "'sit, upright', 'walk' and 1 more"
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more


def threshold_for(confidence: Floats, right: Flags, aim: Aim, target: float, *, least: int = LEAST) -> float:
    """The threshold that reaches a target.

    Args:
        confidence: Of each window ``(n,)``.
        right: Whether its best class is the true one ``(n,)``.
        aim: ``precision``: of all thresholds whose answers are right often enough, the one that answers most.
            ``coverage``: the highest threshold that answers at least that share.
        target: In (0, 1].
        least: Answers that a precision must rest on.

    Returns:
        The least confidence that is answered.

    Raises:
        BadOptionError: if the target is no share, there are no windows, or no threshold reaches the precision.
    """
    if not 0 < target <= 1:
        raise BadOptionError(f"{aim} is {target!r}", where="threshold", remedy="It is a share, above 0 and at most 1")
    if not len(confidence):
        raise BadOptionError("no window to set it from", where="threshold", remedy="Calibrate on people with labels")
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    # Windows of equal confidence are answered together: a threshold lies at the last of each group.
    last = np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True])
    answered = last + 1
    if aim == "coverage":
        return float(ranked[last[np.argmax(answered >= target * len(ranked) - 1e-9)]])
    precision = np.cumsum(right[order])[last] / answered
    enough = answered >= min(least, len(ranked))
    reached = np.flatnonzero(enough & (precision >= target - 1e-9))
    if not len(reached):
        best = np.flatnonzero(enough)[np.argmax(precision[enough])]
        raise BadOptionError(
            f"no threshold reaches a precision of {target:g}: the best is {precision[best]:.3f}, "
            f"with {answered[best] / len(ranked):.1%} answered",
            where="threshold",
            remedy="Ask for less, or use fewer or clearer sentences",
        )
    return float(ranked[last[reached[-1]]])


def calibrate(
    confidence: Floats,
    predicted: Codes,
    truth: Codes,
    person: Codes,
    people: tuple[str, ...],
    *,
    aim: Aim = "precision",
    target: float = 0.9,
    least: int = LEAST,
    seed: int = 0,
) -> Calibration:
    """Set a threshold from labelled windows, and judge it by leaving out one person at a time.

    Where the others' windows reach the precision with no threshold, their person counts as wholly unanswered.

    Args:
        confidence: Of each window ``(n,)``, finite.
        predicted: Class of each window ``(n,)``.
        truth: Its true class ``(n,)``; negative for a label that is none of the classes.
        person: Whose it is ``(n,)``, codes into ``people``.
        people: Names; each has at least one window.
        aim: See :func:`threshold_for`.
        target: See :func:`threshold_for`.
        least: See :func:`threshold_for`.
        seed: Of the intervals over people.

    Raises:
        BadOptionError: if there are fewer than two people, or no threshold reaches the precision.
    """
    if len(people) < 2:
        raise BadOptionError(
            f"{len(people)} people to calibrate on",
            where="threshold",
            remedy="Two are the least: each is judged with the threshold of the others",
        )
    right = predicted == truth
    threshold = threshold_for(confidence, right, aim, target, least=least)
    held_out = np.array([_without(confidence, right, person == p, aim, target, least) for p in range(len(people))])
    answered = confidence >= held_out[person]
    columns = (np.ones(len(right), dtype=bool), answered, answered & right, right)
    counts = [np.bincount(person[c], minlength=len(people)).astype(float) for c in columns]
    sums: Array = np.stack(counts, axis=-1)[None]
    finite = held_out[np.isfinite(held_out)]
    return Calibration(
        threshold=threshold,
        aim=aim,
        target=target,
        precision=estimate(sums, _share(2, 1), seed=seed),
        coverage=estimate(sums, _share(1, 0), seed=seed),
        accuracy=estimate(sums, _share(3, 0), seed=seed),
        thresholds=(float(finite.min()), float(finite.max())) if len(finite) else (np.nan, np.nan),
        windows=len(right),
        others=int((truth < 0).sum()),
        people=people,
    )


def _without(confidence: Floats, right: Flags, out: Flags, aim: Aim, target: float, least: int) -> float:
    try:
        return threshold_for(confidence[~out], right[~out], aim, target, least=least)
    except BadOptionError:
        return float(np.inf)


def _share(part: int, whole: int) -> Callable[[Array], Array]:
    def metric(sums: Array) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(sums[..., part] / sums[..., whole])

    return metric
